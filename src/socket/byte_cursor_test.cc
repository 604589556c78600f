// SPDX-License-Identifier: Apache-2.0
// A walk through a program's buffers.
#include "socket/byte_cursor.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace mtcp::socket {
namespace {

TEST(ByteCursor, WalksFromBufferToBuffer) {
    std::string first(3, '-');
    std::string second(5, '-');
    const std::array<iovec, 3> buffers{
        {{first.data(), first.size()}, {nullptr, 0}, {second.data(), second.size()}}};
    ByteCursor to(buffers);
    EXPECT_EQ(to.left(), 8u);
    to.put(reinterpret_cast<const std::byte*>("ab"), 2);
    to.skip(2);
    to.put(reinterpret_cast<const std::byte*>("cd"), 2);
    EXPECT_EQ(to.left(), 2u);
    EXPECT_EQ(first, "ab-");
    EXPECT_EQ(second, "-cd--");
}

TEST(ByteCursor, CountsNoMoreThanAnInt) {
    const std::size_t gibibyte = std::size_t{1} << 30;
    const std::array<iovec, 3> buffers{
        {{nullptr, gibibyte}, {nullptr, gibibyte}, {nullptr, gibibyte}}};
    EXPECT_EQ(ByteCursor(buffers).left(), ByteCursor::kMost);
    const iovec endless{nullptr, SIZE_MAX};
    EXPECT_EQ(ByteCursor({&endless, 1}).left(), std::size_t{INT_MAX} - 4095);
}

}  // namespace
}  // namespace mtcp::socket
