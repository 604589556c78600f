// SPDX-License-Identifier: Apache-2.0
// What the progress of a connection means for the writes of a program.
#include "socket/write_stamps.h"

#include <gtest/gtest.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

namespace mtcp::socket {
namespace {

constexpr std::uint32_t kAll = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                               SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE |
                               SOF_TIMESTAMPING_TX_ACK;
constexpr std::uint32_t kId = 7;
constexpr std::uint32_t kBase = UINT32_MAX - 1'000;  // the count of bytes passes zero

struct Stamps {
    WriteStamps stamps;
    explicit Stamps(std::uint32_t flags = kAll) { stamps.set(kId, flags, kBase); }
    void write(std::uint32_t end) { stamps.note_write(kId, kBase + end); }
    bool come_to(std::uint32_t sent, std::uint32_t acknowledged, std::int64_t wall_ns) {
        return stamps.advance(
            kId,
            {.index = 0, .sent = kBase + sent, .acknowledged = kBase + acknowledged, .when = {}},
            wall_ns);
    }
    void expect(std::uint32_t what, std::uint32_t key, std::int64_t wall_ns) {
        WriteStamps::Notice notice{};
        ASSERT_TRUE(stamps.take(kId, notice));
        EXPECT_EQ(notice.what, what);
        EXPECT_EQ(notice.key, key);
        EXPECT_EQ(notice.wall_ns, wall_ns);
    }
};

TEST(WriteStamps, TellOfTheLastByteOfEachWrite) {
    Stamps s;
    s.write(2'000);
    s.write(4'000);
    EXPECT_FALSE(s.come_to(1'999, 0, 1));
    EXPECT_TRUE(s.come_to(3'000, 0, 2));
    EXPECT_TRUE(s.come_to(4'000, 1'000, 3));
    EXPECT_TRUE(s.come_to(4'000, 4'000, 4));
    s.expect(SCM_TSTAMP_SCHED, 1'999, 2);
    s.expect(SCM_TSTAMP_SND, 1'999, 2);
    s.expect(SCM_TSTAMP_SCHED, 3'999, 3);
    s.expect(SCM_TSTAMP_SND, 3'999, 3);
    s.expect(SCM_TSTAMP_ACK, 1'999, 4);
    EXPECT_TRUE(s.stamps.has_notices(kId));
    s.expect(SCM_TSTAMP_ACK, 3'999, 4);
    EXPECT_FALSE(s.stamps.has_notices(kId));
}

TEST(WriteStamps, TellWhatWasAskedFor) {
    Stamps s(SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_ACK);
    s.write(100);
    EXPECT_FALSE(s.come_to(100, 0, 1));
    EXPECT_TRUE(s.come_to(100, 100, 2));
    s.expect(SCM_TSTAMP_ACK, 0, 2);  // no OPT_ID, no number
    Stamps silent(SOF_TIMESTAMPING_TX_ACK);
    silent.write(100);
    EXPECT_FALSE(silent.come_to(100, 100, 1));
}

TEST(WriteStamps, KeepABoundedNumber) {
    Stamps s;
    for (std::uint32_t i = 1; i <= 10'000; ++i) {
        s.write(i);
        static_cast<void>(s.come_to(i, i, i));
    }
    WriteStamps::Notice notice{};
    int kept = 0;
    while (s.stamps.take(kId, notice))
        ++kept;
    EXPECT_EQ(kept, 1'024);
    s.stamps.forget(kId);
    s.write(20'000);
    EXPECT_FALSE(s.come_to(20'000, 20'000, 1));
}

}  // namespace
}  // namespace mtcp::socket
