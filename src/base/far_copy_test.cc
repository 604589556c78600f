// SPDX-License-Identifier: Apache-2.0
#include "base/far_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/cache_line.h"
#include "base/line_distance.h"

namespace mtcp {
namespace {

constexpr std::byte kUntouched{0xee};
constexpr std::size_t kRoom = 1024;

struct alignas(kCacheLine) Target {
    std::array<std::byte, kRoom + kCacheLine> bytes;
    Target() { bytes.fill(kUntouched); }
};

std::array<std::byte, kRoom> numbered() {
    std::array<std::byte, kRoom> from{};
    for (std::size_t i = 0; i < from.size(); ++i)
        from[i] = static_cast<std::byte>(i * 7 + 1);
    return from;
}

// The bytes, zeros to the end of their last line, and nothing behind it.
template <typename Copy>
void expect_whole_lines(Copy&& copy) {
    const auto from = numbered();
    for (std::size_t length = 0; length + 3 <= kRoom; ++length) {
        Target to;
        copy(to.bytes.data(), from.data() + length % 3, length);
        end_far_copies();
        const std::size_t lines = (length + kCacheLine - 1) / kCacheLine * kCacheLine;
        ASSERT_TRUE(std::equal(to.bytes.begin(), to.bytes.begin() + static_cast<long>(length),
                               from.begin() + static_cast<long>(length % 3)))
            << length;
        for (std::size_t i = length; i < to.bytes.size(); ++i)
            ASSERT_EQ(to.bytes[i], i < lines ? std::byte{0} : kUntouched) << length << " " << i;
    }
}

TEST(FarCopy, WritesWholeLines) {
    expect_whole_lines([](std::byte* to, const std::byte* from, std::size_t bytes) {
        far_copy(to, from, bytes, kRoom);
    });
}

#ifdef __x86_64__
TEST(FarCopy, BothWaysWriteTheSame) {
    expect_whole_lines(far_copy_narrow);
    if (__builtin_cpu_supports("avx512bw") == 0) GTEST_SKIP() << "this processor has no AVX-512";
    expect_whole_lines(far_copy_wide);
}
#endif

// Where a line would reach beyond the room, or the target lies across lines, just the bytes.
TEST(FarCopy, StaysWithinItsRoom) {
    const auto from = numbered();
    for (std::size_t begin = 0; begin < kCacheLine; ++begin) {
        for (std::size_t length = 0; length < 3 * kCacheLine; ++length) {
            const std::size_t room = begin == 0 ? length : kRoom;
            if (begin == 0 && length % kCacheLine == 0) continue;
            Target to;
            far_copy(to.bytes.data() + begin, from.data(), length, room);
            end_far_copies();
            for (std::size_t i = 0; i < to.bytes.size(); ++i) {
                const bool in = i >= begin && i < begin + length;
                ASSERT_EQ(to.bytes[i], in ? from[i - begin] : kUntouched) << begin << " " << i;
            }
        }
    }
}

// Two ticks a nanosecond.
struct Watch {
    LineDistance distance;
    Instant now{1'000'000};

    void see(std::int64_t line_ns, int times) {
        for (int i = 0; i < times; ++i) {
            now = now + milliseconds(2);
            const auto end = static_cast<std::uint64_t>(2 * now.ns);
            distance.observe(end - static_cast<std::uint64_t>(2 * line_ns), end, now);
        }
    }
};

TEST(LineDistance, FarIsWhereMostLinesComeSlowly) {
    Watch watch;
    EXPECT_FALSE(watch.distance.is_far());
    watch.see(30, 100);
    EXPECT_FALSE(watch.distance.is_far());
    watch.see(220, 100);
    EXPECT_TRUE(watch.distance.is_far());
    watch.see(30, 100);
    EXPECT_FALSE(watch.distance.is_far());
}

TEST(LineDistance, FewAreNotEnough) {
    Watch watch;
    watch.see(220, 4);
    EXPECT_FALSE(watch.distance.is_far()) << "a hypervisor may have come between";
    watch.see(220, 100);
    watch.see(2, 4);
    EXPECT_TRUE(watch.distance.is_far()) << "some lines were fetched ahead by the processor";
}

TEST(LineDistance, BeforeItKnowsTheTicksNobodyIsFar) {
    LineDistance distance;
    for (std::uint64_t i = 1; i < 100; ++i)
        distance.observe(1000 * i, 1000 * i + 500, Instant{static_cast<std::int64_t>(i)});
    EXPECT_FALSE(distance.is_far());
}

}  // namespace
}  // namespace mtcp
