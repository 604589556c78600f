// SPDX-License-Identifier: Apache-2.0
// The window that leaves in a header, by the rule written out, whatever shortcut is taken to it.
#include "tcp/receive/receive_window.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "tcp/testing/solo.h"

namespace mtcp::tcp {
namespace {

using testing::Solo;

struct Offer {
    std::uint64_t field;
    std::uint64_t window;  // RCV.WND then
};

// RFC 9293 §3.8.6.2.2: the edge moves by min(buffer / 2, MSS) at least; RFC 7323 §2: in units,
// rounded up (SHLD-14) until a sixteenth of the buffer, or a unit, is given away.
Offer rule(const Tcb& tcb, Environment::Memory memory) {
    const std::uint64_t unit = std::uint64_t{1} << tcb.receive_window_shift;
    const std::uint64_t buffer = tcb.settings.receive_buffer;
    const std::uint64_t unread = tcb.rcv.unread;
    const std::uint64_t window = tcb.rcv.wnd;
    std::uint64_t allowed = std::min(buffer - std::min(buffer, unread), 0xffff * unit);
    if (memory == Environment::Memory::low) {
        allowed = std::min(allowed, std::max<std::uint64_t>(window, 2u * tcb.mss));
    }
    const bool grows = allowed >= window + std::min<std::uint64_t>(buffer / 2, tcb.mss);
    std::uint64_t field = (grows ? allowed : window) / unit;
    if (grows && allowed != 0) field = std::max<std::uint64_t>(field, 1);
    const std::uint64_t slack = std::max(buffer / 16, unit);
    if (field * unit < window && (field + 1) * unit + unread <= buffer + slack) ++field;
    field = std::min<std::uint64_t>(field, 0xffff);
    return {field, std::max(window, field * unit)};
}

TEST(ReceiveWindow, IsOfferedByTheRule) {
    Solo solo;
    solo.connect();
    Random random(1);
    const auto below = [&random](std::uint32_t n) {
        return static_cast<std::uint32_t>(random.below(n));
    };
    unsigned kept = 0;
    unsigned moved = 0;
    for (int i = 0; i < 200'000 && !HasFailure(); ++i) {
        Tcb tcb = solo.tcb;
        tcb.receive_window_shift = static_cast<std::uint8_t>(below(15) & 15u);
        const std::uint32_t scale = 1u << below(22);
        tcb.settings.receive_buffer = below(4 * scale);
        tcb.rcv.unread = below(3) == 0 ? 0 : below(4 * scale);
        tcb.rcv.wnd = below(2) == 0 ? below(4 * scale) : tcb.settings.receive_buffer;
        tcb.mss = static_cast<std::uint16_t>(below(3) == 0 ? 88 + below(9'000) : 1448);
        solo.env.memory = below(4) == 0 ? Environment::Memory::low : Environment::Memory::plenty;
        const Offer expected = rule(tcb, solo.env.memory);
        const std::uint32_t before = tcb.rcv.wnd;
        SCOPED_TRACE(i);
        EXPECT_EQ(advertise_window(solo.env, tcb), expected.field);
        EXPECT_EQ(tcb.rcv.wnd, expected.window);
        ++(tcb.rcv.wnd > before + tcb.mss ? moved : kept);
    }
    EXPECT_GT(kept, 10'000u);
    EXPECT_GT(moved, 10'000u);
}

TEST(ReceiveWindow, UpdateIsDueWhenItWouldDouble) {
    Solo solo;
    solo.connect();
    Random random(2);
    const auto below = [&random](std::uint32_t n) {
        return static_cast<std::uint32_t>(random.below(n));
    };
    unsigned due = 0;
    for (int i = 0; i < 100'000 && !HasFailure(); ++i) {
        Tcb tcb = solo.tcb;
        const std::uint32_t scale = 1u << below(22);
        tcb.settings.receive_buffer = 2 + below(4 * scale);
        tcb.rcv.unread = below(4 * scale);
        tcb.rcv.wnd = below(2 * scale);
        const std::uint64_t buffer = tcb.settings.receive_buffer;
        const std::uint64_t allowed =
            std::min(buffer - std::min<std::uint64_t>(buffer, tcb.rcv.unread),
                     std::uint64_t{0xffff} << tcb.receive_window_shift);
        const std::uint64_t step = std::min<std::uint64_t>(buffer / 2, tcb.mss);
        const bool expected =
            allowed >= std::uint64_t{2} * tcb.rcv.wnd && allowed >= tcb.rcv.wnd + step;
        SCOPED_TRACE(i);
        EXPECT_EQ(window_update_is_due(solo.env, tcb), expected);
        due += expected ? 1 : 0;
    }
    EXPECT_GT(due, 10'000u);
}

// RFC 9293 SHLD-19 asks for an ACK at two full segments: a sender whose window holds no two of them
// would wait for the delayed one each time.
TEST(AckPolicy, HalfOfASmallBufferIsAcknowledgedAtOnce) {
    for (const std::uint32_t length : {700u, 800u}) {
        Solo solo;
        solo.settings.receive_buffer = 1500;
        solo.settings.quick_start = 0;
        solo.connect();
        solo.segment({.length = length});
        EXPECT_EQ(solo.out(), length < 750 ? "" : ". 1:1(0) ack 801");
    }
}

}  // namespace
}  // namespace mtcp::tcp
