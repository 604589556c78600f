// SPDX-License-Identifier: Apache-2.0
// What is done sooner where nothing has to be decided is what would be done without haste: pairs of
// sockets live through the same, one of each in the quick way and one in the general one.
#include <linux/net_tstamp.h>

#include <random>

#include "socket/readiness.h"
#include "socket/socket_options.h"
#include "socket/testing/scripted_stack.h"

namespace mtcp::socket::testing {
namespace {

constexpr std::uint32_t kIn = EpollBits::in, kOut = EpollBits::out, kRdHup = EpollBits::read_hup,
                        kEdge = EpollBits::edge, kOneShot = EpollBits::one_shot;

// The parameter seeds what happens.
class ExpectedCaseTest : public ApplicationTest, public ::testing::WithParamInterface<unsigned> {
  protected:
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(random() % limit);
    }
    std::string some_bytes(std::uint32_t most) {
        std::string text(1 + below(most), '\0');
        for (char& c : text)
            c = static_cast<char>('a' + below(26));
        return text;
    }
    // A list of buffers is read and written in the general way.
    long read_list(long id, std::string& text, std::size_t most, int flags) {
        std::string room(most, '\0');
        const iovec list[] = {{room.data(), most / 2}, {room.data() + most / 2, most - most / 2}};
        const long n = receive(*app, d(id), ByteCursor(list), flags);
        text = n > 0 ? room.substr(0, static_cast<std::size_t>(n)) : std::string{};
        return n;
    }
    long write_list(long id, std::string text, int flags) {
        const iovec one{text.data(), text.size()};
        return send(*app, d(id), ByteCursor({&one, 1}), flags);
    }
    void expect_same(long quick, long general) {
        const Stream& q = stream(quick);
        const Stream& g = stream(general);
        EXPECT_EQ(q.written, g.written);
        EXPECT_EQ(q.consumed.load(), g.consumed.load());
        EXPECT_EQ(q.write_posted.load(), g.write_posted.load());
        EXPECT_EQ(q.consume_posted.load(), g.consume_posted.load());
        EXPECT_EQ(q.wants_write.load(), g.wants_write.load());
        EXPECT_EQ(d(quick).held.unposted, d(general).held.unposted);
        EXPECT_EQ(d(quick).more_posted, d(general).more_posted);
        EXPECT_EQ(peer(quick).requests, peer(general).requests);
        EXPECT_EQ(peer(quick).sent, peer(general).sent);
        EXPECT_EQ(d(quick).held.unread == kNoChunk, d(general).held.unread == kNoChunk);
    }
    // The same to both, at the stack's side.
    void happen(std::span<const long> ids) {
        const std::uint32_t what = below(40);
        const std::string bytes = some_bytes(300);
        const std::size_t piece = 20 + below(212);
        const bool room = stack.store.available(ChunkClass::small) > 100;
        for (const long id : ids) {
            if (what < 25 && room) stack.deliver(index(id), bytes, piece);
            if (what >= 20 && what < 38) stack.acknowledge(index(id));
            if (what == 38) stack.close_by_peer(index(id));
            if (what == 39) stack.fail(index(id), ECONNRESET);
        }
    }
    std::minstd_rand random{GetParam() + 1};
};

TEST_P(ExpectedCaseTest, OneBufferIsReadAndWrittenLikeAList) {
    constexpr int kFlags[] = {0, 0, 0, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_PEEK};
    const long pair[] = {make_connected(), make_connected()};
    for (int step = 0; step < 400 && !HasFailure(); ++step) {
        std::string quick;
        std::string general;
        const int flags = kFlags[below(std::size(kFlags))];
        const std::size_t most = 1 + below(500);
        const std::string bytes = some_bytes(GetParam() % 2 == 0 ? 240 : 1500);
        switch (below(6)) {
            case 0: happen(pair); break;
            case 1:
            case 2:
                EXPECT_EQ(read(pair[0], quick, most, flags & ~MSG_MORE),
                          read_list(pair[1], general, most, flags & ~MSG_MORE));
                EXPECT_EQ(quick, general);
                break;
            case 3:
            case 4:
                EXPECT_EQ(write(pair[0], bytes, flags & ~MSG_PEEK),
                          write_list(pair[1], bytes, flags & ~MSG_PEEK));
                break;
            default: stack.run_stack(); break;
        }
        expect_same(pair[0], pair[1]);
    }
}

TEST_P(ExpectedCaseTest, ReadinessIsLookedForInTheSameWay) {
    const long id = make_connected();
    for (int step = 0; step < 500; ++step) {
        std::string text;
        switch (below(4)) {
            case 0: happen({&id, 1}); break;
            case 1: static_cast<void>(read(id, text, 1 + below(500))); break;
            case 2: static_cast<void>(write(id, some_bytes(500))); break;
            default: stack.run_stack(); break;
        }
        const std::uint32_t all = readiness(*app, d(id));
        EXPECT_EQ(readiness_for(*app, d(id), kOut), all);
        EXPECT_EQ(readiness_for(*app, d(id), kIn) | kOut | EpollBits::write_normal,
                  all | kOut | EpollBits::write_normal);
    }
}

// Everything that a seed makes happen, to one application. Where a second epoll watches, too, each
// event goes through the ready lists.
enum class Watchers : std::uint8_t { one, two };
class EventWorld : public ExpectedCaseTest {
  public:
    explicit EventWorld(Watchers watchers) {
        SetUp();
        const bool mixed = below(2) != 0;
        constexpr std::uint32_t kModes[] = {kEdge, kEdge, kOneShot, kOneShot | kEdge, 0};
        for (const long epoll : {make_epoll(*app), make_epoll(*app)})
            epolls.push_back(epoll);
        for (long& id : ids) {
            id = make_connected();
            const std::uint32_t mode = mixed ? kModes[below(std::size(kModes))] : kEdge;
            const std::uint32_t wanted = below(2) != 0 ? kIn : kIn | kOut | kRdHup;
            watch(epolls[0], id, wanted | mode);
            if (watchers == Watchers::two) watch(epolls[1], id, 0);
        }
    }
    void TestBody() override {}

    // What a wait found, and what came of using it.
    std::string step() {
        stack.during_waits.emplace_back([this] {
            for (std::uint32_t n = 1 + below(6); n != 0; --n)
                happen({&ids[below(kSockets)], 1});
        });
        std::string all = wait(epolls[0], 1 + below(6));
        const long id = ids[below(kSockets)];
        std::string text;
        all += " r" + std::to_string(read(id, text, 150));
        all += " w" + std::to_string(write(id, some_bytes(800)));
        return all;
    }

  private:
    static constexpr std::size_t kSockets = 5;

    void watch(long epoll, long id, std::uint32_t events) {
        const EpollEvent event{.events = events, .data = static_cast<std::uint64_t>(id)};
        ASSERT_EQ(control_epoll(*app, d(epoll), EpollOperation::add, d(id), event), 0);
    }
    std::string wait(long epoll, std::size_t most) {
        std::vector<EpollEvent> events(most);
        const long n = wait_epoll(*app, d(epoll), events, 0);
        std::string all = std::to_string(n) + ":";
        for (long i = 0; i < n; ++i) {
            const EpollEvent& event = events[static_cast<std::size_t>(i)];
            all += " " + std::to_string(event.data) + "=" + std::to_string(event.events);
        }
        return all;
    }
    std::array<long, kSockets> ids{};
    std::vector<long> epolls;
};

using ExpectedEventTest = ExpectedCaseTest;
TEST_P(ExpectedEventTest, AnArrayIsFilledAsFromTheReadyList) {
    EventWorld quick(Watchers::one);
    EventWorld general(Watchers::two);
    for (int step = 0; step < 300 && !HasFailure(); ++step)
        EXPECT_EQ(quick.step(), general.step());
}

TEST_F(ApplicationTest, AnEventReachesEveryEpollWhileOneIsWaitedOn) {
    const long epolls[] = {make_epoll(*app), make_epoll(*app)};
    const long id = make_connected();
    for (const long epoll : epolls) {
        const EpollEvent event{.events = kIn | kEdge, .data = 7};
        ASSERT_EQ(control_epoll(*app, d(epoll), EpollOperation::add, d(id), event), 0);
    }
    stack.during_waits.emplace_back([this, id] { stack.deliver(index(id), "x"); });
    std::array<EpollEvent, 2> events{};
    for (const long epoll : epolls)
        EXPECT_EQ(wait_epoll(*app, d(epoll), events, 0), 1);
}

TEST_F(ApplicationTest, ARequestInTheRingTakesTheNextBytesAlong) {
    const long id = make_connected();
    std::string text;
    stack.deliver(index(id), "x");
    ASSERT_EQ(read(id, text), 1);  // its chunk is at hand
    stream(id).write_posted.store(1);
    EXPECT_EQ(write(id, "abc"), 3);
    EXPECT_TRUE(stack.channel.requests.empty());
}

// While the events of a burst are looked at, the stack may post another for the same socket.
TEST_F(ApplicationTest, ASocketIsInAnArrayOnce) {
    const long epoll = make_epoll(*app);
    const long id = make_connected();
    const long stamped = make_connected();
    for (const long watched : {id, stamped}) {
        const EpollEvent event{.events = kIn | kEdge, .data = static_cast<std::uint64_t>(watched)};
        ASSERT_EQ(control_epoll(*app, d(epoll), EpollOperation::add, d(watched), event), 0);
    }
    const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE;
    ASSERT_EQ(set_option(*app, d(stamped), SOL_SOCKET, SO_TIMESTAMPING,
                         std::as_bytes(std::span(&flags, 1))),
              0);
    stack.during_waits.emplace_back([this, id, stamped] {
        stack.deliver(index(id), "first");
        ASSERT_TRUE(stack.channel.progress.push(
            {.index = index(stamped), .sent = 0, .acknowledged = 0, .when = stack.clock}));
        stack.post(index(stamped), StreamEvents::progress);
        while (stack.channel.events.size() < 64)  // one burst
            ASSERT_TRUE(stack.channel.events.push(index(stamped)));
    });
    std::array<EpollEvent, 8> events{};
    // The time of day is asked for between the two.
    stack.on_time_of_day = [this, id] { stack.deliver(index(id), "second"); };
    ASSERT_EQ(wait_epoll(*app, d(epoll), events, 0), 1);
    EXPECT_EQ(events[0].data, static_cast<std::uint64_t>(id));
    EXPECT_EQ(wait_epoll(*app, d(epoll), events, 0), 1);
    EXPECT_EQ(events[0].data, static_cast<std::uint64_t>(id));
    EXPECT_EQ(wait_epoll(*app, d(epoll), events, 0), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExpectedCaseTest, ::testing::Range(0u, 40u));
INSTANTIATE_TEST_SUITE_P(Seeds, ExpectedEventTest, ::testing::Range(0u, 40u));

}  // namespace
}  // namespace mtcp::socket::testing
