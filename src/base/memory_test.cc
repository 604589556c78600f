// SPDX-License-Identifier: Apache-2.0
// Mapped regions: zeroed, movable, refusable.
#include "base/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace mtcp {
namespace {

std::size_t asked_bytes = 0;

bool refuse(std::size_t bytes) {
    asked_bytes = bytes;
    return false;
}

TEST(Region, IsZeroedAndWritable) {
    const Region region = Region::map(10'000, Pages::normal);
    ASSERT_NE(region.data(), nullptr);
    EXPECT_GE(region.size(), 10'000u);
    EXPECT_TRUE(std::all_of(region.data(), region.data() + 10'000,
                            [](std::byte b) { return b == std::byte{0}; }));
    region.data()[9'999] = std::byte{1};
}

TEST(Region, FallsBackWhenNoHugePagesAreReserved) {
    const Region region = Region::map(std::size_t{3} << 20, Pages::huge_if_available);
    ASSERT_NE(region.data(), nullptr);
    region.data()[region.size() - 1] = std::byte{1};
}

TEST(Region, OfNoBytesIsEmpty) { EXPECT_EQ(Region::map(0, Pages::normal).data(), nullptr); }

TEST(Region, MovesItsMemory) {
    Region a = Region::map(4096, Pages::normal);
    std::byte* const data = a.data();
    Region b = std::move(a);
    EXPECT_EQ(b.data(), data);
    Region c;
    c = std::move(b);
    EXPECT_EQ(c.data(), data);
    c.data()[0] = std::byte{1};
}

TEST(Region, ReadsAsZeroWhereItsPagesWereReleased) {
    Region region = Region::map(std::size_t{16} << 10, Pages::normal);
    std::fill(region.data(), region.data() + region.size(), std::byte{7});
    region.release(4096, 8192);
    EXPECT_EQ(region.data()[4095], std::byte{7});
    EXPECT_EQ(region.data()[4096], std::byte{0});
    EXPECT_EQ(region.data()[12287], std::byte{0});
    EXPECT_EQ(region.data()[12288], std::byte{7});
}

TEST(Region, AsksTheHookAndObeysIt) {
    set_allocation_hook(refuse);
    const Region region = Region::map(12'345, Pages::normal);
    set_allocation_hook(nullptr);
    EXPECT_EQ(region.data(), nullptr);
    EXPECT_EQ(region.size(), 0u);
    EXPECT_EQ(asked_bytes, 12'345u);
    EXPECT_NE(Region::map(12'345, Pages::normal).data(), nullptr);
}

TEST(Region, TooLargeForTheSystemIsEmpty) {
    EXPECT_EQ(Region::map(std::size_t{1} << 60, Pages::normal).data(), nullptr);
}

}  // namespace
}  // namespace mtcp
