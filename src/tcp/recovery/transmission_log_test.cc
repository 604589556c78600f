// SPDX-License-Identifier: Apache-2.0
// The log against a model that keeps one entry a byte.
#include "tcp/recovery/transmission_log.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

constexpr SequenceNumber kUna{0xffff'fc00};  // wraps soon

Run at(std::uint32_t us) {
    Run run{};
    run.sent_us = us;
    return run;
}

struct Log : TransmissionLog {
    explicit Log(std::uint16_t bytes = 1) { reset(*this, kUna, bytes); }
    [[nodiscard]] static SequenceRange range(std::uint32_t from, std::uint32_t to) {
        return {kUna + from, kUna + to};
    }
    void send(std::uint32_t to, std::uint32_t us) { append(*this, kUna + to, at(us)); }
    Delivery sack(std::uint32_t from, std::uint32_t to, std::uint32_t now_us = 1000) {
        Delivery delivery;
        delivery.now_us = now_us;
        note_sacked(*this, range(from, to), delivery);
        return delivery;
    }
    Delivery ack(std::uint32_t una, std::uint32_t now_us = 1000) {
        Delivery delivery;
        delivery.now_us = now_us;
        acknowledge(*this, kUna + una, delivery);
        return delivery;
    }
};

TEST(TransmissionLog, SegmentsOfOneTurnShareARun) {
    Log log;
    log.send(100, 1);
    log.send(200, 1);
    log.send(300, 2);
    EXPECT_EQ(log.count, 2u);
    EXPECT_EQ(in_network(log, kUna), 300u);
}

TEST(TransmissionLog, SackSplitsARunAndJoinsAgain) {
    Log log;
    log.send(1000, 1);
    EXPECT_EQ(log.sack(200, 300).newly_sacked, 100u);
    EXPECT_EQ(log.count, 3u);
    EXPECT_EQ(log.sack(200, 300).newly_sacked, 0u);
    EXPECT_EQ(log.sack(100, 400).newly_sacked, 200u);
    EXPECT_EQ(log.count, 3u);
    EXPECT_EQ(log.sack(400, 1000).newly_sacked, 600u);
    EXPECT_EQ(log.count, 2u);
    EXPECT_EQ(highest_sacked(log) - kUna, 1000u);
}

TEST(TransmissionLog, PartsOfSegmentsAreNotThere) {
    Log log(100);
    log.send(250, 1);  // three segments, the last of 50
    log.send(300, 1);
    EXPECT_EQ(log.count, 2u);
    EXPECT_EQ(log.sack(10, 90).newly_sacked, 0u);
    EXPECT_EQ(log.sack(50, 199).newly_sacked, 0u);
    EXPECT_EQ(log.sack(299, 300).newly_sacked, 0u);
    EXPECT_EQ(log.sack(99, 201).newly_sacked, 100u);
    EXPECT_EQ(log.sack(200, 250).newly_sacked, 50u);
    EXPECT_EQ(log.sack(250, 300).newly_sacked, 50u);
    EXPECT_EQ(log.count, 2u);
}

TEST(TransmissionLog, SmallSegmentsAreCountedThoughTheyBecomeOneRun) {
    Log log(100);
    for (std::uint32_t i = 1; i <= 6; ++i)
        log.send(50 * i, i);
    for (std::uint32_t i = 1; i < 5; ++i)
        static_cast<void>(log.sack(50 * i, 50 * i + 50));
    EXPECT_EQ(log.sacked_segments, 4u);
    EXPECT_EQ(log.count, 3u);
    static_cast<void>(log.ack(150));  // two of them
    EXPECT_EQ(log.sacked_segments, 2u);
    static_cast<void>(log.ack(250));
    EXPECT_EQ(log.sacked_segments, 0u);
    static_cast<void>(log.sack(250, 300));
    forget_sacks(log);
    EXPECT_EQ(log.sacked_segments, 0u);
}

TEST(TransmissionLog, LostBytesWaitUntilTheyAreSentAgain) {
    Log log;
    log.send(1000, 1);
    static_cast<void>(log.sack(500, 1000));
    EXPECT_EQ(mark_front_lost(log, 500), 500u);
    EXPECT_EQ(in_network(log, kUna), 0u);
    EXPECT_EQ(next_waiting(log, 200), log.range(0, 200));
    send_again(log, log.range(0, 200), at(5));
    EXPECT_EQ(next_waiting(log, 200), log.range(200, 400));
    EXPECT_EQ(in_network(log, kUna), 200u);
    send_again(log, log.range(200, 500), at(5));
    EXPECT_EQ(next_waiting(log, 200).length(), 0u);
    EXPECT_EQ(log.count, 2u);  // sent again in one turn: one run
    const Delivery delivery = log.ack(1000);
    EXPECT_EQ(delivery.acked, 500u);
    EXPECT_TRUE(delivery.resent_acked);
    EXPECT_FALSE(delivery.has_original);  // the rest had been SACKed before
    EXPECT_EQ(log.count, 0u);
    EXPECT_EQ(log.sacked_bytes + log.lost_bytes + log.resent_bytes + log.waiting_bytes, 0u);
}

TEST(TransmissionLog, ALostRetransmissionWaitsAgain) {
    Log log;
    log.send(300, 1);
    static_cast<void>(mark_front_lost(log, 100));
    send_again(log, log.range(0, 100), at(5));
    EXPECT_EQ(mark_lost(log, log.runs[log.first]), 100u);
    EXPECT_EQ(mark_lost(log, log.runs[log.first]), 0u);
    EXPECT_EQ(log.lost_bytes, 100u);
    EXPECT_EQ(log.resent_bytes, 0u);
    EXPECT_EQ(next_waiting(log, 1000), log.range(0, 100));
}

TEST(TransmissionLog, DeliveryTellsTheNewestAndTheRoundTrip) {
    Log log;
    log.send(100, 10);
    log.send(200, 20);
    log.send(300, 30);
    const Delivery delivery = log.ack(200, 120);
    EXPECT_EQ(delivery.newest.sent_us, 20u);
    EXPECT_EQ(delivery.rtt_us, 100u);
    EXPECT_EQ(delivery.lowest_original, kUna);
    EXPECT_EQ(delivery.rack_sent_us, 20u);
    EXPECT_EQ(delivery.rack_end, kUna + 200);
}

TEST(TransmissionLog, TheRoundTripOfRackIsThatOfTheSegmentLookedAtLast) {  // RFC 8985 §6.2 step 2
    Log log;
    log.send(100, 10);
    log.send(200, 20);
    static_cast<void>(mark_front_lost(log, 100));
    send_again(log, log.range(0, 100), at(50));
    const Delivery delivery = log.ack(200, 120);
    EXPECT_EQ(delivery.rack_sent_us, 50u) << "the copy left last";
    EXPECT_EQ(delivery.rack_rtt_us, 100u) << "the original above it was looked at last";
}

TEST(TransmissionLog, ACopyRemembersThatNewDataOfItsTurnLeftBefore) {
    Log before;
    before.send(100, 10);
    static_cast<void>(mark_front_lost(before, 100));
    before.send(200, 50);
    send_again(before, before.range(0, 100), at(50));
    EXPECT_TRUE(before.runs[before.first].is(Run::behind_new_data));
    Log after;
    after.send(100, 10);
    static_cast<void>(mark_front_lost(after, 100));
    send_again(after, after.range(0, 100), at(50));
    after.send(200, 50);
    EXPECT_FALSE(after.runs[after.first].is(Run::behind_new_data));
}

TEST(TransmissionLog, AnAckTooSoonForARetransmissionIsNoEvidence) {  // RFC 8985 §6.2 step 2
    Log log;
    log.send(100, 10);
    static_cast<void>(mark_front_lost(log, 100));
    send_again(log, log.range(0, 100), at(100));
    Delivery delivery;
    delivery.now_us = 105;
    delivery.rtt_min_us = 50;
    acknowledge(log, kUna + 100, delivery);
    EXPECT_FALSE(delivery.has_evidence);
    EXPECT_EQ(delivery.rtt_us, 0u);  // Karn
}

TEST(TransmissionLog, ManyTimesBecomeFewRunsAndTheLaterTimeCounts) {
    Log log;
    for (std::uint32_t i = 1; i <= 10'000; ++i)
        log.send(i * 10, i);
    EXPECT_LE(log.count, kRunsMax);
    EXPECT_EQ(log.end, kUna + 100'000);
    for (const auto* run = begin_of(log); run != end_of(log); ++run) {
        const std::uint32_t last_sent = (end_of(log, run) - kUna) / 10;
        EXPECT_EQ(run->sent_us, last_sent);
    }
}

// Or what was sent again would be taken for lost as soon as the end of such a run is acknowledged
// (RFC 8985 §6.2), and the shortest round trip for one that no path has.
TEST(TransmissionLog, ARoundTripOutOfARunOfManyTimesIsNeverTooShort) {
    constexpr std::uint32_t kSegments = 2'000;
    constexpr std::uint32_t kApart_us = 50;
    constexpr std::uint32_t kNow = kSegments * kApart_us;
    Log log;
    for (std::uint32_t i = 0; i < kSegments; ++i)
        log.send(10 * (i + 1), i * kApart_us);
    for (std::uint32_t i = 0; i < kSegments; ++i) {
        const std::uint32_t took = kNow - i * kApart_us;
        const Delivery delivery = log.ack(10 * (i + 1), kNow);
        EXPECT_GE(delivery.rtt_us, took) << i;
        EXPECT_LE(delivery.rtt_us, took + kNow / 32) << i;
        EXPECT_EQ(delivery.rack_rtt_us, delivery.rtt_us) << i;
        EXPECT_LE(delivery.rack_sent_us, i * kApart_us) << i;
    }
}

TEST(TransmissionLog, SackOfEverySecondByteLeavesRoomToSend) {  // SACK abuse
    Log log;
    log.send(10'000, 1);
    for (std::uint32_t i = 1; i < 10'000; i += 2)
        static_cast<void>(log.sack(i, i + 1));
    EXPECT_LE(log.count, kRunsMax - kRunsForSending);
    EXPECT_GT(log.sacked_bytes, 100u);
    for (std::uint32_t i = 0; i < 100; ++i)
        log.send(10'001 + i, 10 + i);
    EXPECT_EQ(log.end, kUna + 10'100);
    EXPECT_LE(log.count, kRunsMax);
    for (std::uint32_t i = 0; i < 10'000; i += 2) {  // and to repair
        static_cast<void>(mark_front_lost(log, 10'100));
        const SequenceRange next = next_waiting(log, 1);
        if (next.length() == 0) break;
        send_again(log, next, at(1000 + i));
        EXPECT_LE(log.count, kRunsMax);
    }
    static_cast<void>(log.ack(10'100));
    EXPECT_EQ(log.count, 0u);
    EXPECT_EQ(log.sacked_bytes + log.lost_bytes + log.resent_bytes + log.waiting_bytes, 0u);
}

// One entry a byte.
struct Byte {
    bool sacked = false;
    bool lost = false;
    bool resent = false;
};

class Model {
  public:
    explicit Model(std::uint32_t seed) : random_(seed) {}

    void step() {
        ++now_us_;
        switch (random_() % 6) {
            case 0:
            case 1: send(); break;
            case 2: sack(); break;
            case 3: ack(); break;
            case 4: lose(); break;
            default: repair(); break;
        }
        check();
    }

  private:
    std::uint32_t below(std::uint32_t limit) {
        return limit == 0 ? 0 : static_cast<std::uint32_t>(random_() % limit);
    }

    void send() {
        const std::uint32_t length = 1 + below(40);
        for (std::uint32_t i = 0; i < length; ++i)
            bytes_[nxt_ + i] = {};
        nxt_ += length;
        log_.send(nxt_, now_us_);
    }
    void sack() {
        if (nxt_ - una_ < 2) return;
        const std::uint32_t begin = una_ + below(nxt_ - una_);
        const std::uint32_t end = begin + 1 + below(nxt_ - begin);
        const std::uint32_t before = log_.sacked_bytes;
        const Delivery delivery = log_.sack(begin, end);
        EXPECT_EQ(delivery.newly_sacked, log_.sacked_bytes - before);
        for (std::uint32_t i = begin; i < end; ++i)
            bytes_[i] = {.sacked = true, .lost = false, .resent = false};
    }
    void ack() {
        una_ += below(nxt_ - una_ + 1) / 2;
        static_cast<void>(log_.ack(una_));
        bytes_.erase(bytes_.begin(), bytes_.lower_bound(una_));
    }
    void lose() {
        const std::uint32_t length = below(30);
        static_cast<void>(mark_front_lost(log_, length));
        for (std::uint32_t i = una_; i < nxt_ && i < una_ + length; ++i) {
            if (bytes_[i].sacked) continue;
            // Whole runs at the end: the log split exactly there.
            bytes_[i].lost = true;
            bytes_[i].resent = false;
        }
    }
    void repair() {
        const SequenceRange range = next_waiting(log_, 1 + below(20));
        if (range.length() == 0) return;
        send_again(log_, range, at(now_us_));
        for (std::uint32_t i = range.begin - kUna; i < range.end - kUna; ++i) {
            EXPECT_TRUE(bytes_[i].lost && !bytes_[i].resent && !bytes_[i].sacked);
            bytes_[i].resent = true;
        }
    }
    void check() const {
        std::uint32_t sacked = 0;
        std::uint32_t lost = 0;
        std::uint32_t resent = 0;
        for (const auto& [position, byte] : bytes_) {
            sacked += byte.sacked ? 1u : 0u;
            lost += byte.lost ? 1u : 0u;
            resent += byte.resent ? 1u : 0u;
        }
        ASSERT_EQ(log_.sacked_bytes, sacked);
        ASSERT_EQ(log_.sacked_segments, sacked);
        ASSERT_EQ(log_.lost_bytes, lost);
        ASSERT_EQ(log_.resent_bytes, resent);
        ASSERT_EQ(log_.waiting_bytes, lost - resent);
    }

    Log log_;
    std::mt19937 random_;
    std::map<std::uint32_t, Byte> bytes_;
    std::uint32_t una_ = 0;
    std::uint32_t nxt_ = 0;
    std::uint32_t now_us_ = 0;
};

TEST(TransmissionLog, AgreesWithAModelOfBytes) {
    for (std::uint32_t seed = 1; seed <= 50; ++seed) {
        Model model(seed);
        for (int i = 0; i < 400 && !::testing::Test::HasFailure(); ++i)
            model.step();
        ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace mtcp::tcp
