// SPDX-License-Identifier: Apache-2.0
// What a core owes when something is full, missing or gone: the event ring, chunks, frames, another
// core, a listener.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "io/link/link.h"
#include "stack/stack.h"
#include "stack/testing/core_fixture.h"
#include "wire/arp.h"
#include "wire/ethernet.h"

namespace mtcp::stack {
namespace {

class CornerCase : public CoreTest {
  protected:
    // Too little memory for any received byte, enough for a few to send.
    static CoreSetup setup_without_room_to_receive() {
        CoreSetup setup = small_setup();
        setup.configuration.chunks.count = {8, 8, 1};
        return setup;
    }
    // A handshake that its last segment, which carries data, cannot finish.
    long connect_with_data_that_finds_no_chunk(long& listener) {
        listener = socket::make_stream(*app);
        EXPECT_EQ(socket::bind(*app, descriptor(listener), {{}, 80}), 0);
        app->own_details(descriptor(listener)).defer_accept_s = 5;
        EXPECT_EQ(socket::listen(*app, descriptor(listener), 8), 0);
        const long client = connect_to(80);
        EXPECT_EQ(send_all(client, "hello"), 5);
        world.run_for(milliseconds(10));
        EXPECT_GT(core->counters().drops(Drop::tcp_no_chunk), 0u);
        return client;
    }
    // One Ethernet interface on the link, and a peer at its other end.
    static CoreSetup setup_on(const io::LinkPair& link) {
        CoreSetup setup = small_setup();
        setup.queues = {&link.a->queue(0)};
        setup.network.interfaces.push_back({.name = "wire",
                                            .mac = link.a->mac(),
                                            .mtu = 1500,
                                            .addresses = {{wire::IpAddress::v4(0x0a010001), 24}}});
        setup.network.neighbours.push_back({kPeer, link.b->mac(), 0});
        setup.network.announcement = net::Announcement::silent;
        return setup;
    }
    // What arrives in 100 turns at a device that takes `each` frames a turn.
    std::size_t frames_of_slow_turns(io::LinkPair& link, std::size_t each) {
        std::size_t arrived = 0;
        for (int turn = 0; turn < 100; ++turn) {
            static_cast<void>(core->turn(world.now));
            std::array<io::Frame, 10> frames;
            io::Queue& queue = link.b->queue(0);
            const std::size_t count = queue.receive(std::span(frames).first(each), world.now);
            queue.release({frames.data(), count});
            arrived += count;
        }
        return arrived;
    }
    void open_to_peer() { open_to_host(kPeer); }
    void open_to_host(const wire::IpAddress& host) {
        const long id = socket::make_stream(*app);
        descriptor(id).non_blocking = 1;
        ASSERT_EQ(socket::connect(*app, descriptor(id), {host, 80}), -EINPROGRESS);
    }
    // `mac` says that it has what the request asks for.
    void answer_arp(io::Queue& from, const io::Frame& request, const wire::MacOctets& mac) {
        const auto asked = wire::parse_arp(request.bytes().subspan(wire::kEthernetHeader));
        ASSERT_TRUE(asked);
        std::array<io::Frame, 1> reply;
        ASSERT_EQ(from.allocate(reply), 1u);
        wire::emit_ethernet({asked->sender_mac, mac, wire::kEtherTypeArp}, reply[0].data);
        wire::emit_arp(
            {wire::ArpOperation::reply, mac, asked->target, asked->sender_mac, asked->sender},
            reply[0].data + wire::kEthernetHeader);
        reply[0].length = wire::kEthernetHeader + wire::kArpPacket;
        ASSERT_EQ(from.transmit(reply, world.now), 1u);
    }
    static constexpr wire::IpAddress kPeer = wire::IpAddress::v4(0x0a010002);
    void abort(long id) { socket::close_stream(*app, descriptor(id), socket::CloseKind::abort); }
};

TEST_F(CornerCase, ACrowdThatSendsAtOnceWaitsForASlowDeviceInsteadOfLosingFrames) {
    auto link = io::make_link({.frame_count = 2048, .ring_frames = 64});
    ASSERT_TRUE(link);
    start(setup_on(*link));
    constexpr std::size_t kCrowd = 500;
    for (std::size_t i = 0; i < kCrowd; ++i)
        open_to_peer();
    EXPECT_EQ(frames_of_slow_turns(*link, 10), kCrowd);
    EXPECT_EQ(core->counters().drops(Drop::io_transmit_full), 0u);
    app.reset();
    core.reset();  // before the link
}

// RFC 1122 §3.2.1.3 (g): as on Linux.
TEST_F(CornerCase, FromALoopbackAddressNobodyElseIsReached) {
    auto link = io::make_link({.frame_count = 256, .ring_frames = 64});
    ASSERT_TRUE(link);
    const wire::IpAddress loopback = wire::IpAddress::v4(0x7f000001);
    CoreSetup setup = setup_on(*link);
    setup.loopback_addresses.push_back({loopback, 8});
    start(std::move(setup));
    const long id = socket::make_stream(*app);
    ASSERT_EQ(socket::bind(*app, descriptor(id), {loopback, 0}), 0);
    EXPECT_EQ(socket::connect(*app, descriptor(id), {kPeer, 80}), -EINVAL);
    EXPECT_EQ(core->counters().segments_out, 0u);
    app.reset();
    core.reset();  // before the link
}

// Each segment may be answered by one: who sends more than he reads fills the rings both ways.
TEST_F(CornerCase, TurnsThatCannotTakeInAllThatWaitsSendLessAndLess) {
    auto link = io::make_link({.frame_count = 2048, .ring_frames = 1024});
    ASSERT_TRUE(link);
    start(setup_on(*link));
    io::Queue& far = link->b->queue(0);
    constexpr std::size_t kTurnsBehind = 8;
    for (std::size_t i = 0; i < kTurnsBehind * kFramesPerTurn; ++i) {
        std::array<io::Frame, 1> noise;
        ASSERT_EQ(far.allocate(noise), 1u);
        wire::emit_ethernet({.type = 0x88b5}, noise[0].data);
        noise[0].length = 60;
        ASSERT_EQ(far.transmit(noise, world.now), 1u);
    }
    constexpr std::uint64_t kCrowd = 900;
    for (std::uint64_t i = 0; i < kCrowd; ++i)
        open_to_peer();
    const auto sent_in_a_turn = [&] {
        const std::uint64_t before = core->counters().frames_out;
        static_cast<void>(core->turn(world.now));
        return core->counters().frames_out - before;
    };
    // The first came when the ring of requests was full.
    const std::uint64_t sent_first = core->counters().frames_out;
    std::uint64_t sent = 0;
    for (const std::uint64_t most : {128u, 64u, 32u, 32u, 32u, 32u, 32u}) {
        EXPECT_EQ(sent_in_a_turn(), most);
        sent += most;
    }
    EXPECT_EQ(sent_in_a_turn(), kCrowd - sent_first - sent);
    app.reset();
    core.reset();  // before the link
}

// What waits for a frame is not lost, and must not be counted as if it were.
TEST_F(CornerCase, WaitingForAFreeFrameIsNoDrop) {
    auto link = io::make_link({.frame_count = 16, .ring_frames = 64});
    ASSERT_TRUE(link);
    start(setup_on(*link));
    constexpr std::size_t kCrowd = 100;
    for (std::size_t i = 0; i < kCrowd; ++i)
        open_to_peer();
    EXPECT_EQ(frames_of_slow_turns(*link, 2), kCrowd);
    EXPECT_EQ(core->counters().drops(Drop::no_transmit_frame), 0u);
    app.reset();
    core.reset();  // before the link
}

// Somebody else took over the peer's address, and nobody heard it: what is repeated in vain three
// times asks again who has it (RFC 1122 §3.3.1.4), long before the entry would have grown old.
TEST_F(CornerCase, ANextHopThatFellSilentIsAskedForAgain) {
    auto link = io::make_link({});
    ASSERT_TRUE(link);
    CoreSetup setup = setup_on(*link);
    setup.network.neighbours.clear();
    start(std::move(setup));
    io::Queue& far = link->b->queue(0);
    wire::MacOctets has_it{2, 0, 0, 0, 0, 7};
    std::map<wire::MacOctets, int> segments_to;
    open_to_peer();
    const Instant end = world.now + seconds(20);
    for (; world.now < end; world.now = world.now + milliseconds(10)) {
        while (core->turn(world.now).did_work) {
        }
        std::array<io::Frame, io::kBurst> frames;
        const std::size_t count = far.receive(frames, world.now);
        for (const io::Frame& frame : std::span(frames).first(count)) {
            const auto header = wire::parse_ethernet(frame.bytes());
            if (header->type == wire::kEtherTypeIpv4) ++segments_to[header->destination];
            const bool reaches =
                header->destination == has_it || wire::is_group(header->destination);
            if (header->type == wire::kEtherTypeArp && reaches) answer_arp(far, frame, has_it);
        }
        far.release({frames.data(), count});
        if (segments_to.size() == 1) has_it = {2, 0, 0, 0, 0, 8};
    }
    EXPECT_GT(segments_to[has_it], 0);
    app.reset();
    core.reset();
}

// The way back is looked for when a server first speaks. What it says while the neighbour table is
// full of hosts that do not answer is lost as on a wire, and comes again.
TEST_F(CornerCase, AServerThatFindsNoWayToItsClientTriesAgain) {
    auto link = io::make_link({});
    ASSERT_TRUE(link);
    CoreSetup setup = setup_on(*link);
    setup.network.neighbours[0].address = wire::IpAddress::v4(0x0a0100fe);  // and one more
    setup.network.limits.neighbours = 2;
    start(std::move(setup));
    CoreSetup client_setup = small_setup();
    client_setup.queues = {&link->b->queue(0)};
    client_setup.network.interfaces.push_back(
        {.name = "wire", .mac = link->b->mac(), .mtu = 1500, .addresses = {{kPeer, 24}}});
    client_setup.network.announcement = net::Announcement::silent;
    auto client_core = Core::create(std::move(client_setup));
    ASSERT_TRUE(client_core);
    world.cores.push_back(client_core->get());
    VirtualDriver client_driver(world, **client_core);
    auto client_app =
        Application::create(client_core.value()->view(client_driver), {.descriptors = 16});
    ASSERT_TRUE(client_app);

    const long listener = listen_on(80);
    const long id = socket::make_stream(**client_app);
    socket::Descriptor& client = *client_app.value()->table().find(static_cast<int>(id));
    const wire::Endpoint server_end{wire::IpAddress::v4(0x0a010001), 80};
    ASSERT_EQ(socket::connect(**client_app, client, server_end), 0);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    world.run_for(milliseconds(10));
    open_to_host(wire::IpAddress::v4(0x0a010003));
    world.run_for(milliseconds(10));
    EXPECT_EQ(send_all(server, "hello"), 5);
    world.run_for(milliseconds(10));
    EXPECT_GT(core->counters().drops(Drop::no_route), 0u);
    world.run_for(seconds(20));
    std::array<std::byte, 16> bytes;
    client.non_blocking = 1;
    EXPECT_EQ(socket::receive(**client_app, client, bytes, 0), 5);
    client_app.value().reset();
    client_core.value().reset();
    app.reset();
    core.reset();
}

TEST_F(CornerCase, AnEventThatFoundTheRingFullWakesTheApplicationWhenItIsPosted) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    world.settle();
    app->drain_events();
    auto& events = core->channel().events;
    while (events.push(socket::kListenerEvent | 0x7fff)) {
    }
    ASSERT_EQ(send_some(client, "x", 1, MSG_DONTWAIT), 1);
    static_cast<void>(core->turn(world.now));
    EXPECT_TRUE(core->turn(world.now).posted_events);
    const TurnResult waiting = core->turn(world.now);
    EXPECT_FALSE(waiting.posted_events);
    EXPECT_GT(waiting.next_deadline, world.now);  // a full ring is no reason to spin
    std::uint32_t entry;
    while (events.pop(entry)) {
    }
    EXPECT_TRUE(core->turn(world.now).posted_events);
    EXPECT_FALSE(events.empty());
}

TEST_F(CornerCase, AConnectionResetBeforeItsHandshakeWasUnderstoodLeavesNothing) {
    start(setup_without_room_to_receive());
    world.settle();
    const Core::Levels before = core->levels();
    long listener = -1;
    const long client = connect_with_data_that_finds_no_chunk(listener);
    abort(client);
    world.run_for(seconds(1));
    EXPECT_EQ(core->levels().connections, before.connections - 1);  // one grant was used up
    EXPECT_EQ(core->levels().flows, 0u);
}

TEST_F(CornerCase, AListenerTakesUnfinishedHandshakesAlong) {
    start(setup_without_room_to_receive());
    world.settle();
    const Core::Levels before = core->levels();
    long listener = -1;
    const long client = connect_with_data_that_finds_no_chunk(listener);
    socket::close_listener(*app, descriptor(listener));
    const long next = listen_on(81);  // gets the id of the first
    world.run_for(milliseconds(10));
    char byte;
    EXPECT_EQ(receive_into(client, &byte, 1, MSG_DONTWAIT), -ECONNRESET);
    wire::Endpoint peer;
    descriptor(next).non_blocking = 1;
    EXPECT_EQ(socket::accept(*app, descriptor(next), peer), -EAGAIN);
    close(client);
    world.run_for(seconds(1));
    EXPECT_EQ(core->levels().connections, before.connections - 1);  // one grant was used up
}

TEST_F(CornerCase, AReaderWithASmallBufferIsNotLeftToZeroWindowProbes) {
    start(small_setup());
    const long listener = socket::make_stream(*app);
    ASSERT_EQ(socket::bind(*app, descriptor(listener), {{}, 80}), 0);
    app->own_details(descriptor(listener)).settings.receive_buffer = 8192;
    ASSERT_EQ(socket::listen(*app, descriptor(listener), 8), 0);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    const Instant begin = world.now;
    constexpr std::size_t kTotal = 400'000;
    const std::string piece(65'536, 'x');
    std::string room(65'536, '\0');
    std::size_t sent = 0;
    std::size_t received = 0;
    for (int round = 0; received < kTotal && round < 100'000; ++round) {
        const long written =
            send_some(client, piece.data(), std::min(piece.size(), kTotal - sent), MSG_DONTWAIT);
        if (written > 0) sent += static_cast<std::size_t>(written);
        world.run_for(microseconds(100));
        const long read = receive_into(server, room.data(), room.size(), MSG_DONTWAIT);
        if (read > 0) received += static_cast<std::size_t>(read);
    }
    EXPECT_EQ(received, kTotal);
    EXPECT_LT((world.now - begin).milliseconds(), 500);
}

TEST_F(CornerCase, ReadingStopsAtTheUrgentByte) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    EXPECT_EQ(send_all(client, "ab"), 2);
    EXPECT_EQ(send_some(client, "c", 1, MSG_OOB), 1);
    EXPECT_EQ(send_all(client, "d"), 1);
    world.run_for(milliseconds(10));
    app->drain_events();
    EXPECT_FALSE(socket::at_urgent_mark(*app, descriptor(server)));
    EXPECT_EQ(receive_some(server), "ab");
    EXPECT_TRUE(socket::at_urgent_mark(*app, descriptor(server)));
    EXPECT_EQ(receive_some(server), "cd");
    EXPECT_FALSE(socket::at_urgent_mark(*app, descriptor(server)));
}

TEST_F(CornerCase, WhatEndsInOrderDuringAShutDownLeavesNoRecord) {
    start(small_setup());
    const long listener = listen_on(80);
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    close(client);
    close(server);
    core->shut_down(world.now);
    for (int i = 0; i < 100 && core->closing_connections().all != 0; ++i)
        static_cast<void>(world.step(world.now + milliseconds(1)));
    EXPECT_EQ(core->closing_connections().all, 0u);
    EXPECT_GT(core->levels().time_wait, 0u);
    core->abandon_closing(world.now);
    EXPECT_EQ(core->levels().time_wait, 0u);
    EXPECT_EQ(core->levels().flows, 0u);
}

// A wire whose other end nobody reads: its frames run out.
TEST_F(CornerCase, AnInterfaceWithoutFramesDoesNotHoldUpTheOthers) {
    const io::LinkConfig config{.layer = io::Layer::ip,
                                .threads = io::LinkThreads::one,
                                .frame_count = 40,
                                .ring_frames = 64};
    io::LinkEnd ours(config, 0);
    io::LinkEnd theirs(config, 1);
    ASSERT_TRUE(ours.open(Pages::normal));
    ASSERT_TRUE(theirs.open(Pages::normal));
    io::LinkEnd::join(ours, theirs);
    CoreSetup setup = small_setup();
    setup.queues = {&ours};
    setup.network.interfaces.push_back({.name = "wire",
                                        .layer = io::Layer::ip,
                                        .kind = net::InterfaceKind::network,
                                        .partial_checksums = net::PartialChecksums::rejected,
                                        .mac = {},
                                        .mtu = 1500,
                                        .addresses = {{wire::IpAddress::v4(0x0a000102), 24}}});
    start(std::move(setup));
    const wire::Endpoint nobody{wire::IpAddress::v4(0x0a000101), 80};
    for (int i = 0; i < 100; ++i) {
        const long id = socket::make_stream(*app);
        descriptor(id).non_blocking = 1;
        ASSERT_EQ(socket::connect(*app, descriptor(id), nobody), -EINPROGRESS);
    }
    world.run_for(milliseconds(10));
    EXPECT_EQ(ours.frames_available(), 0u);
    const long listener = listen_on(80);
    const Instant begin = world.now;
    const long client = connect_to(80);
    const long server = accept_from(listener);
    ASSERT_GE(server, 0);
    EXPECT_EQ(send_all(client, "ping"), 4);
    EXPECT_EQ(receive_some(server), "ping");
    EXPECT_LT((world.now - begin).milliseconds(), 100);
    app.reset();
    driver.reset();
    core.reset();  // before the link
}

// --- two cores, in real time ---

StackConfiguration two_cores(Drive drive) {
    StackConfiguration configuration;
    configuration.cores = 2;
    configuration.drive = drive;
    configuration.max_concurrency = 256;
    configuration.chunks.count = {1024, 512, 16};
    configuration.huge_pages = false;
    configuration.port_first = 20'000;
    configuration.port_last = 20'031;
    InterfaceConfiguration interface;
    interface.kind = "link";
    interface.name = "link0";
    interface.addresses = {{kOwn, 24}};
    configuration.interfaces.push_back(interface);
    return configuration;
}

std::unique_ptr<Application> start_application(Stack& stack, std::size_t core) {
    auto view = stack.start_core(core);
    EXPECT_TRUE(view) << view.error().text();
    auto app = Application::create(*view, {.descriptors = 256});
    EXPECT_TRUE(app);
    return std::move(app).value();
}

socket::Descriptor& find(Application& app, long id) {
    return *app.table().find(static_cast<int>(id));
}

// Half of these flows belong to the other core by their hash.
TEST(TwoCores, FlowsOfACoreThatDoesNotRunAreAnsweredByOneThatDoes) {
    auto stack = Stack::open(two_cores(Drive::run_inline));
    ASSERT_TRUE(stack) << stack.error().text();
    auto app = start_application(**stack, 0);
    for (std::uint16_t port = 30'000; port < 30'016; ++port) {
        const long id = socket::make_stream(*app);
        ASSERT_EQ(socket::bind(*app, find(*app, id), {{}, port}), 0);
        app->own_details(find(*app, id)).send_timeout_ns = 200'000'000;
        EXPECT_EQ(socket::connect(*app, find(*app, id), {kOwn, 81}), -ECONNREFUSED) << port;
    }
    app.reset();
    (*stack)->stop_core(0);
}

TEST(TwoCores, AnActiveOpenTakesNoPortOnWhichTheOtherCoreListens) {
    auto stack = Stack::open(two_cores(Drive::run_inline));
    ASSERT_TRUE(stack) << stack.error().text();
    auto other = start_application(**stack, 1);
    for (std::uint16_t port = 20'000; port < 20'024; ++port) {
        const long id = socket::make_stream(*other);
        ASSERT_EQ(socket::bind(*other, find(*other, id), {{}, port}), 0);
        ASSERT_EQ(socket::listen(*other, find(*other, id), 8), 0);
    }
    auto app = start_application(**stack, 0);
    for (int i = 0; i < 3; ++i) {
        const long id = socket::make_stream(*app);
        find(*app, id).non_blocking = 1;
        ASSERT_EQ(socket::connect(*app, find(*app, id), {kOwn, 81}), -EINPROGRESS);
        wire::Endpoint name;
        ASSERT_EQ(socket::local_name(*app, find(*app, id), name), 0);
        EXPECT_GE(name.port, 20'024);
    }
    app.reset();
    other.reset();
    (*stack)->stop_core(0);
    (*stack)->stop_core(1);
}

// Serves `connections` echoes, one message each, sleeping in the kernel on the context's descriptor
// only. Returns how often that slept in vain.
int echo_from_the_kernels_poll(Application& app, long listener, int connections) {
    const long epoll = socket::make_epoll(app);
    find(app, listener).non_blocking = 1;
    const auto watch = [&](long id) {
        EXPECT_EQ(
            socket::control_epoll(
                app, find(app, epoll), socket::EpollOperation::add, find(app, id),
                {.events = socket::EpollBits::readable, .data = static_cast<std::uint64_t>(id)}),
            0);
    };
    watch(listener);
    int slept_in_vain = 0;
    std::array<socket::EpollEvent, 16> found;
    while (connections != 0 && slept_in_vain == 0) {
        pollfd ready{app.event_descriptor(), POLLIN, 0};
        if (::poll(&ready, 1, 2000) != 1) ++slept_in_vain;
        const long count = socket::wait_epoll(app, find(app, epoll), found, 0);
        for (long i = 0; i < count; ++i) {
            const auto id = static_cast<long>(found[static_cast<std::size_t>(i)].data);
            if (id == listener) {
                wire::Endpoint peer;
                const long fresh = socket::accept(app, find(app, listener), peer);
                if (fresh >= 0) watch(fresh);
                continue;
            }
            char text[64];
            iovec buffer{text, sizeof text};
            const long n =
                socket::receive(app, find(app, id), socket::ByteCursor({&buffer, 1}), MSG_DONTWAIT);
            if (n == -EAGAIN) continue;
            if (n <= 0) {
                socket::close_stream(app, find(app, id), socket::CloseKind::orderly);
                --connections;
                continue;
            }
            buffer.iov_len = static_cast<std::size_t>(n);
            EXPECT_EQ(socket::send(app, find(app, id), socket::ByteCursor({&buffer, 1}), 0), n);
        }
    }
    return slept_in_vain;
}

class ContextDescriptor : public ::testing::TestWithParam<Drive> {};

TEST_P(ContextDescriptor, IsReadableWheneverThereIsSomethingToDo) {
    StackConfiguration configuration = two_cores(GetParam());
    configuration.port_last = 65'535;
    auto stack = Stack::open(configuration);
    ASSERT_TRUE(stack) << stack.error().text();
    constexpr int kConnections = 100;
    std::atomic<bool> listening{false};
    std::atomic<bool> served{false};
    std::thread server([&] {
        auto app = start_application(**stack, 1);
        const long listener = socket::make_stream(*app);
        EXPECT_EQ(socket::bind(*app, find(*app, listener), {{}, 80}), 0);
        EXPECT_EQ(socket::listen(*app, find(*app, listener), 16), 0);
        listening = true;
        EXPECT_EQ(echo_from_the_kernels_poll(*app, listener, kConnections), 0);
        served = true;
        app.reset();
        (*stack)->stop_core(1);
    });
    auto app = start_application(**stack, 0);
    while (!listening)
        std::this_thread::yield();
    for (int i = 0; i < kConnections; ++i) {
        const long id = socket::make_stream(*app);
        app->own_details(find(*app, id)).receive_timeout_ns = 5'000'000'000;
        EXPECT_EQ(socket::connect(*app, find(*app, id), {kOwn, 80}), 0);
        char text[5] = "ping";
        const iovec buffer{text, 4};
        EXPECT_EQ(socket::send(*app, find(*app, id), socket::ByteCursor({&buffer, 1}), 0), 4);
        EXPECT_EQ(socket::receive(*app, find(*app, id), socket::ByteCursor({&buffer, 1}), 0), 4);
        socket::close_stream(*app, find(*app, id), socket::CloseKind::orderly);
    }
    // Nobody else runs an inline stack: turns are needed until the last FIN has crossed.
    while (!served) {
        app->run_stack();
        std::this_thread::yield();
    }
    server.join();
    app.reset();
    (*stack)->stop_core(0);
}

INSTANTIATE_TEST_SUITE_P(Drivers, ContextDescriptor,
                         ::testing::Values(Drive::paired, Drive::run_inline, Drive::assisted),
                         [](const auto& tested) {
                             return tested.param == Drive::paired     ? "paired"
                                    : tested.param == Drive::assisted ? "assisted"
                                                                      : "run_inline";
                         });

}  // namespace
}  // namespace mtcp::stack
