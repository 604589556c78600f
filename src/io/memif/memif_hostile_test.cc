// SPDX-License-Identifier: Apache-2.0
// Ends that lie: in every field of the handshake, of the rings and of the descriptors. Nothing they
// say is followed outside shared memory, each bad frame is counted once, and honest frames still
// pass.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "io/memif/testing/forged_peer.h"

namespace mtcp::io {
namespace {

using namespace memif;
using namespace memif::testing;

struct MasterUnderTest {
    explicit MasterUnderTest(MemifConfig config = {}) {
        config.role = MemifRole::master;
        config.socket = socket = fresh_socket();
        device = open_or_fail(config);
        device->queue(0).set_counters(&counters);
    }
    Queue& queue() { return device->queue(0); }

    std::string socket;
    Counters counters;
    std::unique_ptr<MemifDevice> device;
};

struct SlaveUnderTest {
    SlaveUnderTest() : socket(fresh_socket()), master(socket) {
        device = open_or_fail({.socket = socket, .log2_ring_size = 4});
        device->queue(0).set_counters(&counters);
    }
    // Until the queue has adopted the session and posted its buffers.
    void connect() {
        ASSERT_TRUE(master.shake_hands());
        ASSERT_TRUE(eventually([&] { return device->connected(); }));
        ASSERT_EQ(expect(queue(), 1, 0, 1), 0u);
        ASSERT_EQ(load_acquire(master.view().to_slave->head), 16);
    }
    Queue& queue() { return device->queue(0); }
    // Fills the next slot towards the slave with `length` bytes of frame `number`.
    void send(std::uint32_t number, std::uint32_t length, std::uint16_t flags = 0) {
        const View& view = master.view();
        const std::uint16_t tail = load_relaxed(view.to_slave->tail);
        Descriptor& slot = View::slot(view.to_slave, tail & 15);
        fill(view.base + slot.offset, std::min(length, 2048u), 1, number);
        slot.length = length;
        slot.flags = flags;
        store_release(view.to_slave->tail, static_cast<std::uint16_t>(tail + 1));
    }

    std::string socket;
    ForgedMaster master;
    Counters counters;
    std::unique_ptr<MemifDevice> device;
};

// ---- handshake with a slave

struct BadSlave {
    const char* name;
    SlaveScript script;
    const char* reason;
};

class HostileSlave : public ::testing::TestWithParam<BadSlave> {};

TEST_P(HostileSlave, IsTurnedAwayWithTheReason) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    EXPECT_FALSE(slave.shake_hands(GetParam().script));
    if (slave.talk().reason().empty()) slave.talk().hear();
    EXPECT_EQ(slave.talk().reason(), GetParam().reason);
    EXPECT_FALSE(master.device->connected());
    ForgedSlave honest(master.socket);
    EXPECT_TRUE(honest.shake_hands({})) << honest.talk().reason();
    EXPECT_TRUE(eventually([&] { return master.device->connected(); }));
}

SlaveScript with(const std::function<void(SlaveScript&)>& change) {
    SlaveScript script;
    change(script);
    return script;
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileSlave,
    ::testing::Values(
        BadSlave{"Version", with([](auto& s) { s.init.version = 0x300; }),
                 "no common protocol version"},
        BadSlave{"Id", with([](auto& s) { s.init.id = 4; }), "no interface with this id"},
        BadSlave{"Mode", with([](auto& s) { s.init.mode = Mode{9}; }), "other interface mode"},
        BadSlave{"Unsealed", with([](auto& s) {
                     s.seals = 0;
                     s.more_seals_allowed = false;
                 }),
                 "region is not sealed against shrinking"},
        BadSlave{"RegionIndex", with([](auto& s) { s.region_index = 1; }), "bad region index"},
        BadSlave{"RegionBeyondFile", with([](auto& s) { s.region_extra = 1; }),
                 "region is larger than its file"},
        BadSlave{"RegionHuge", with([](auto& s) { s.region_extra = ~ForgedSlave::kRegion; }),
                 "region is larger than its file"},
        BadSlave{"RegionEmpty", with([](auto& s) { s.region_extra = 0 - ForgedSlave::kRegion; }),
                 "region is larger than its file"},
        BadSlave{"NoRegionDescriptor", with([](auto& s) { s.with_region_descriptor = false; }),
                 "region without a descriptor"},
        BadSlave{"RingIndex", with([](auto& s) { s.ring_index = 1; }), "bad ring index"},
        BadSlave{"RingTwice", with([](auto& s) { s.ring_twice = true; }), "ring announced twice"},
        BadSlave{"NoEventfd", with([](auto& s) { s.with_eventfd = false; }),
                 "ring without an eventfd"},
        BadSlave{"Cookie", with([](auto& s) { s.cookie = 0; }), "bad ring cookie"},
        BadSlave{"RingSizeZero", with([](auto& s) { s.log2_ring_size = 0; }), "bad ring size"},
        BadSlave{"RingSizeHuge", with([](auto& s) { s.log2_ring_size = 255; }), "bad ring size"},
        BadSlave{"RingRegion", with([](auto& s) { s.ring_region = 1; }),
                 "ring in an unknown region"},
        BadSlave{"RingOutside", with([](auto& s) { s.ring_offset = 0xfffffff0; }),
                 "ring outside its region"},
        BadSlave{"RingReachesOut",
                 with([](auto& s) { s.ring_offset = ForgedSlave::kRegion - 256; }),
                 "ring outside its region"},
        BadSlave{"RingUnaligned", with([](auto& s) { s.ring_offset = 8; }), "ring is not aligned"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(MemifHostile, MessagesOutOfOrderEndTheConversation) {
    MasterUnderTest master;
    for (const MessageType type :
         {MessageType::none, MessageType::ack, MessageType::hello, MessageType::add_region,
          MessageType::add_ring, MessageType::connect, MessageType::connected, MessageType{77}}) {
        Conversation talk(connect_to(master.socket));
        ASSERT_EQ(talk.hear(), MessageType::hello);
        ASSERT_TRUE(talk.say(Message{.type = type}));
        EXPECT_EQ(talk.hear(), MessageType::disconnect);
        EXPECT_EQ(talk.reason(), "unexpected message");
    }
    Conversation talk(connect_to(master.socket));
    ASSERT_EQ(talk.hear(), MessageType::hello);
    ASSERT_EQ(::send(talk.socket(), "short", 5, 0), 5);
    EXPECT_EQ(talk.hear(), MessageType::none) << "a message of another size ends it";
    EXPECT_FALSE(master.device->connected());
}

TEST(MemifHostile, SilentStrangersDoNotKeepTheHonestOut) {
    MasterUnderTest master;
    std::vector<Conversation> silent;
    for (int i = 0; i < 10; ++i)
        silent.emplace_back(connect_to(master.socket));
    ForgedSlave honest(master.socket);
    EXPECT_TRUE(honest.shake_hands({}));
}

TEST(MemifHostile, SlaveSealsAreAddedWhereTheMakerForgotThem) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    EXPECT_TRUE(slave.shake_hands(with([](auto& s) { s.seals = 0; })));
}

// ---- rings and descriptors of a slave

struct BadDescriptor {
    const char* name;
    Descriptor descriptor;
};

class HostileDescriptor : public ::testing::TestWithParam<BadDescriptor> {};

constexpr std::uint32_t kEnd = ForgedSlave::kRegion;

INSTANTIATE_TEST_SUITE_P(
    All, HostileDescriptor,
    ::testing::Values(BadDescriptor{"Region", {.region = 1, .length = 60, .offset = 4096}},
                      BadDescriptor{"RegionMax", {.region = 65535, .length = 60, .offset = 4096}},
                      BadDescriptor{"OffsetAtEnd", {.length = 60, .offset = kEnd}},
                      BadDescriptor{"OffsetMax", {.length = 60, .offset = 0xffffffff}},
                      BadDescriptor{"ReachesOut", {.length = 60, .offset = kEnd - 59}},
                      BadDescriptor{"LengthMax", {.length = 0xffffffff, .offset = 4096}},
                      BadDescriptor{"SumWraps", {.length = 0xfffffff0, .offset = 0x20}},
                      BadDescriptor{"Empty", {.length = 0, .offset = 4096}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(HostileDescriptor, IsDroppedAndCountedAndTheNextFramePasses) {
    for (const MemifTrust trust : {MemifTrust::untrusted, MemifTrust::both_ends_ours}) {
        MasterUnderTest master({.trust = trust});
        ForgedSlave slave(master.socket);
        SlaveScript script;
        put_text(script.init.name, "mtcp both_ends_ours");
        ASSERT_TRUE(slave.shake_hands(script));
        ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
        slave.send({GetParam().descriptor, slave.honest(3, 5)});
        EXPECT_EQ(expect_all(master.queue(), 1, 5, 1), 1u);
        EXPECT_EQ(master.counters.drops(Drop::io_bad_descriptor), 1u);
        EXPECT_EQ(load_acquire(slave.view().to_master->tail), 2) << "both slots were given back";
        EXPECT_EQ(load_relaxed(slave.view().to_slave->head), 0);
    }
}

TEST_P(HostileDescriptor, InTheMiddleOfAChainDropsTheWholeFrame) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    Descriptor first = slave.honest(0, 1);
    first.flags = kDescriptorNext;
    Descriptor middle = GetParam().descriptor;
    middle.flags = kDescriptorNext;
    slave.send({first, middle, slave.honest(1, 2), slave.honest(3, 5)});
    EXPECT_EQ(expect_all(master.queue(), 1, 5, 1), 1u);
    EXPECT_EQ(master.counters.drops(Drop::io_bad_descriptor), 1u);
}

TEST_P(HostileDescriptor, PostedForOurFramesEndsTheSession) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    View::slot(slave.view().to_slave, 0) = GetParam().descriptor;
    store_release(slave.view().to_slave->head, 1);
    EXPECT_EQ(send(master.queue(), 1, 0, 3), 3u) << "dropped, not kept";
    EXPECT_EQ(slave.talk().hear(), MessageType::disconnect);
    EXPECT_EQ(slave.talk().reason(), "broken ring");
    EXPECT_TRUE(eventually([&] { return !master.device->connected(); }));
}

TEST(MemifHostile, ChainsAreJoinedAndEndlessOnesDropped) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    // One frame cut into three pieces in buffers that do not follow each other.
    std::uint32_t number = 0;
    while (length_of(number) < 1000)
        ++number;
    const std::uint32_t whole = length_of(number);
    std::byte bytes[2048];
    fill(bytes, whole, 1, number);
    std::vector<Descriptor> pieces;
    for (const auto& [from, to, at] :
         {std::tuple{0u, 10u, 40u}, std::tuple{10u, 700u, 20u}, std::tuple{700u, whole, 30u}}) {
        const Descriptor piece{.flags = to == whole ? std::uint16_t{0} : kDescriptorNext,
                               .length = to - from,
                               .offset = ForgedSlave::kBuffers + at * ForgedSlave::kBufferSize};
        std::memcpy(slave.view().base + piece.offset, bytes + from, to - from);
        pieces.push_back(piece);
    }
    slave.send(pieces);
    EXPECT_EQ(expect_all(master.queue(), 1, number, 1), 1u);

    // A frame that never ends within the ring.
    Descriptor next = slave.honest(0, 1);
    next.flags = kDescriptorNext;
    next.length = 16;
    slave.send(std::vector<Descriptor>(16, next));
    EXPECT_EQ(expect(master.queue(), 1, 0, 1), 0u);
    EXPECT_EQ(master.counters.drops(Drop::io_bad_descriptor), 1u);

    // A frame that ends, but is larger than any we take.
    std::vector<Descriptor> large(
        8, Descriptor{.flags = kDescriptorNext, .length = 2048, .offset = 4096});
    large.back().flags = 0;
    slave.send(large);
    EXPECT_EQ(expect(master.queue(), 1, 0, 1), 0u);
    EXPECT_EQ(master.counters.drops(Drop::io_oversize), 1u);

    slave.send({Descriptor{.length = 100'000, .offset = 4096}, slave.honest(3, 5)});
    EXPECT_EQ(expect_all(master.queue(), 1, 5, 1), 1u);
    EXPECT_EQ(master.counters.drops(Drop::io_oversize), 2u);
}

TEST(MemifHostile, FramesAreCutIntoSmallBuffersOfTheSlave) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    for (unsigned i = 0; i < 16; ++i) {
        View::slot(slave.view().to_slave, i) =
            Descriptor{.flags = 0xffff, .length = 128, .offset = 4096 + i * 256};
    }
    store_release(slave.view().to_slave->head, 16);
    std::uint32_t number = 0;
    while (length_of(number) < 600 || length_of(number) > 1000)
        ++number;
    ASSERT_EQ(send(master.queue(), 1, number, 1), 1u);
    std::vector<std::byte> joined;
    const std::uint16_t tail = load_acquire(slave.view().to_slave->tail);
    for (unsigned i = 0; i < tail; ++i) {
        const Descriptor d = View::slot(slave.view().to_slave, i);
        EXPECT_EQ(d.flags, i + 1 == tail ? 0 : kDescriptorNext);
        joined.insert(joined.end(), slave.view().base + d.offset,
                      slave.view().base + d.offset + d.length);
    }
    const Frame frame{.data = joined.data(), .length = static_cast<std::uint32_t>(joined.size())};
    EXPECT_TRUE(matches(frame, 1, number));
    // The rest of the ring does not hold another frame of ten pieces, and is left alone.
    ASSERT_GT(tail, 4);
    std::uint32_t longest = 0;
    while (length_of(longest) < 1500)
        ++longest;
    EXPECT_EQ(send(master.queue(), 1, longest, 1), 0u);
    EXPECT_EQ(load_acquire(slave.view().to_slave->tail), tail);
}

TEST(MemifHostile, AFrameLargerThanAllBuffersOfTheSlaveDoesNotHoldUpTheNext) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    for (unsigned i = 0; i < 16; ++i) {
        View::slot(slave.view().to_slave, i) = Descriptor{.length = 64, .offset = 4096 + i * 256};
    }
    store_release(slave.view().to_slave->head, 16);
    std::uint32_t longest = 0;
    while (length_of(longest) <= 1024)
        ++longest;
    EXPECT_EQ(send(master.queue(), 1, longest, 1), 1u);
    EXPECT_EQ(master.counters.drops(Drop::io_oversize), 1u);
    EXPECT_EQ(load_acquire(slave.view().to_slave->tail), 0);
    std::uint32_t short_one = 0;
    while (length_of(short_one) > 1024)
        ++short_one;
    EXPECT_EQ(send(master.queue(), 1, short_one, 1), 1u);
    EXPECT_GT(load_acquire(slave.view().to_slave->tail), 0);
}

TEST(MemifHostile, ImpossibleHeadEndsTheSession) {
    for (const std::uint16_t head :
         {std::uint16_t{17}, std::uint16_t{0x8000}, std::uint16_t{0xffff}}) {
        MasterUnderTest master;
        ForgedSlave slave(master.socket);
        ASSERT_TRUE(slave.shake_hands({}));
        ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
        store_release(slave.view().to_master->head, head);
        EXPECT_EQ(expect(master.queue(), 1, 0, 1), 0u);
        EXPECT_EQ(expect(master.queue(), 1, 0, 1), 0u);
        EXPECT_EQ(master.counters.drops(Drop::io_bad_descriptor), 1u);
        EXPECT_EQ(slave.talk().hear(), MessageType::disconnect);
        ForgedSlave honest(master.socket);
        EXPECT_TRUE(honest.shake_hands({}));
    }
}

TEST(MemifHostile, ImpossibleHeadOfPostedBuffersEndsTheSession) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    store_release(slave.view().to_slave->head, 4000);
    EXPECT_EQ(send(master.queue(), 1, 0, 2), 2u);
    EXPECT_EQ(slave.talk().hear(), MessageType::disconnect);
}

TEST(MemifHostile, BytesCannotChangeUnderAnUntrustedFrame) {
    MasterUnderTest master;
    ForgedSlave slave(master.socket);
    ASSERT_TRUE(slave.shake_hands({}));
    ASSERT_TRUE(eventually([&] { return master.device->connected(); }));
    slave.send({slave.honest(2, 6)});
    Frame frame;
    ASSERT_TRUE(eventually([&] { return master.queue().receive({&frame, 1}, clock_now()) == 1; }));
    std::memset(slave.view().base + ForgedSlave::kBuffers, 0xff,
                ForgedSlave::kRegion - ForgedSlave::kBuffers);
    EXPECT_TRUE(matches(frame, 1, 6));
    EXPECT_EQ(frame.checksum, Checksum::in_frame);
    master.queue().release({&frame, 1});
}

// ---- a master

TEST(MemifHostile, HelloOfAnotherVersionIsRefused) {
    SlaveUnderTest slave;
    Hello hello = ForgedMaster::honest_hello();
    hello.min_version = hello.max_version = 0x300;
    EXPECT_FALSE(slave.master.shake_hands(hello));
    EXPECT_EQ(slave.master.talk().reason(), "no common protocol version");
    hello = ForgedMaster::honest_hello();
    hello.max_log2_ring_size = 0;
    EXPECT_FALSE(slave.master.shake_hands(hello));
    slave.connect();
}

TEST(MemifHostile, MasterThatSpeaksOutOfTurnIsLeft) {
    SlaveUnderTest slave;
    for (const MessageType type : {MessageType::ack, MessageType::connected, MessageType::init,
                                   MessageType::add_region, MessageType::connect}) {
        Conversation& talk = slave.master.accept();
        ASSERT_TRUE(talk.say(Message{.type = type}));
        EXPECT_EQ(talk.hear(), MessageType::disconnect);
    }
    slave.connect();
}

TEST(MemifHostile, DescriptorsRewrittenByTheMasterAreNotFollowed) {
    SlaveUnderTest slave;
    slave.connect();
    const View& view = slave.master.view();
    for (std::uint32_t n = 0; n < 40; ++n) {
        slave.send(n, length_of(n));
        Descriptor& slot = View::slot(view.to_slave, n & 15);
        slot.offset = 0xffff'ff00;
        slot.region = 99;
        EXPECT_EQ(expect_all(slave.queue(), 1, n, 1), 1u);
        // And in the other direction: what we sent and take back.
        ASSERT_EQ(send(slave.queue(), 1, n, 1), 1u);
        View::slot(view.to_master, n & 15) = Descriptor{0xffff, 99, 0xffffffff, 0xffffffff, 0};
        store_release(view.to_master->tail, static_cast<std::uint16_t>(n + 1));
    }
    EXPECT_EQ(slave.counters.drops(Drop::io_bad_descriptor), 0u);
}

TEST(MemifHostile, LengthsBeyondTheBufferAreDropped) {
    SlaveUnderTest slave;
    slave.connect();
    for (const std::uint32_t length : {0u, 2049u, 0x10000u, 0xffffffffu})
        slave.send(0, length);
    slave.send(5, length_of(5));
    EXPECT_EQ(expect_all(slave.queue(), 1, 5, 1), 1u);
    EXPECT_EQ(slave.counters.drops(Drop::io_bad_descriptor), 4u);
    for (int i = 0; i < 15; ++i)
        slave.send(0, 2048, kDescriptorNext);
    slave.send(0, 60);
    EXPECT_EQ(expect(slave.queue(), 1, 0, 1), 0u);
    EXPECT_EQ(slave.counters.drops(Drop::io_oversize), 1u);
    slave.send(7, length_of(7));
    EXPECT_EQ(expect_all(slave.queue(), 1, 7, 1), 1u);
}

TEST(MemifHostile, ImpossibleTailsEndTheSession) {
    SlaveUnderTest slave;
    slave.connect();
    store_release(slave.master.view().to_slave->tail, 17);
    EXPECT_EQ(expect(slave.queue(), 1, 0, 1), 0u);
    EXPECT_EQ(slave.counters.drops(Drop::io_bad_descriptor), 1u);
    EXPECT_EQ(slave.master.talk().hear(), MessageType::disconnect);
    slave.connect();
    store_release(slave.master.view().to_master->tail, 1);
    EXPECT_EQ(send(slave.queue(), 1, 0, 1), 1u);
    EXPECT_EQ(slave.counters.drops(Drop::io_bad_descriptor), 2u);
    EXPECT_EQ(slave.counters.drops(Drop::io_transmit_full), 1u);
    EXPECT_EQ(slave.master.talk().hear(), MessageType::disconnect);
    slave.connect();
    slave.send(1, length_of(1));
    EXPECT_EQ(expect_all(slave.queue(), 1, 1, 1), 1u);
}

// ---- everything at once

// Writes random words over the shared memory while `queue` is used, and again over each session
// that follows a broken one.
void use_under_scribbling(Queue& queue, const std::function<View()>& view, std::uint64_t seed) {
    std::atomic<bool> stop{false};
    std::thread scribbler([&] {
        Random random(seed);
        while (!stop.load()) {
            const View target = view();
            if (target.base == nullptr) continue;
            auto* rings = reinterpret_cast<std::uint32_t*>(target.base);
            for (int i = 0; i < 200; ++i) {
                // Mostly small numbers, so that many pass the first check.
                const std::uint64_t word = random.next();
                const std::uint32_t value = random.chance(500'000)
                                                ? static_cast<std::uint32_t>(word & 0xfff)
                                                : static_cast<std::uint32_t>(word);
                __atomic_store_n(rings + random.below(1024), value, __ATOMIC_RELAXED);
            }
            const std::uint16_t near = load_relaxed(target.to_master->tail);
            store_relaxed(target.to_master->head,
                          static_cast<std::uint16_t>(near + random.below(17)));
        }
    });
    std::vector<Frame> held;
    std::uint64_t sum = 0;
    Random random(seed + 1);
    const Instant end = clock_now() + milliseconds(250);
    while (clock_now() < end) {
        Frame frames[kBurst];
        const std::size_t got = queue.receive(frames, clock_now());
        for (std::size_t i = 0; i < got; ++i) {
            for (const std::byte b : frames[i].bytes())
                sum += static_cast<std::uint64_t>(b);
            held.push_back(frames[i]);
        }
        const std::size_t sent = queue.allocate({frames, 4});
        for (std::size_t i = 0; i < sent; ++i) {
            frames[i].length = 1000;
            std::memset(frames[i].data, 0x55, 1000);
        }
        const std::size_t taken = queue.transmit({frames, sent}, clock_now());
        queue.release({frames + taken, sent - taken});
        while (held.size() > random.below(40)) {
            queue.release({&held.back(), 1});
            held.pop_back();
        }
        if (queue.prepare_wait()) sum += 1;
        queue.finish_wait();
    }
    queue.release(held);
    stop.store(true);
    scribbler.join();
    EXPECT_NE(sum, 0u);
}

TEST(MemifHostile, MasterSurvivesAnyWordsInItsPeersMemory) {
    for (const MemifTrust trust : {MemifTrust::untrusted, MemifTrust::both_ends_ours}) {
        MasterUnderTest master({.trust = trust});
        std::unique_ptr<ForgedSlave> slave;
        const auto next = [&]() -> View {
            if (slave == nullptr || !master.device->connected()) {
                auto fresh = std::make_unique<ForgedSlave>(master.socket);
                SlaveScript script;
                put_text(script.init.name, "mtcp both_ends_ours");
                if (!fresh->shake_hands(script)) return {};
                slave = std::move(fresh);
                eventually([&] { return master.device->connected(); }, milliseconds(500));
            }
            return slave->view();
        };
        use_under_scribbling(master.queue(), next, 11);
    }
}

TEST(MemifHostile, SlaveSurvivesAnyWordsInItsOwnMemory) {
    SlaveUnderTest slave;
    bool up = false;
    const auto next = [&]() -> View {
        if (!up || !slave.device->connected()) {
            // Connected may be said a moment before it is true.
            up = slave.master.shake_hands() &&
                 eventually([&] { return slave.device->connected(); }, milliseconds(500));
        }
        return up ? slave.master.view() : View{};
    };
    use_under_scribbling(slave.queue(), next, 12);
}

}  // namespace
}  // namespace mtcp::io
