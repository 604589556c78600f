// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 against the authors' published vectors: key 00 01 .. 0f, message 00 01 .. of n bytes.
#include "base/siphash.h"

#include <gtest/gtest.h>

#include <array>

namespace mtcp {
namespace {

constexpr SecretKey kKey{0x0706'0504'0302'0100u, 0x0f0e'0d0c'0b0a'0908u};

std::uint64_t hash_of_first(std::size_t length) {
    std::array<std::byte, 64> message{};
    for (std::size_t i = 0; i < message.size(); ++i)
        message[i] = static_cast<std::byte>(i);
    return siphash(kKey, std::span(message).first(length));
}

TEST(SipHash, AgreesWithThePublishedVectors) {
    EXPECT_EQ(hash_of_first(0), 0x726f'db47'dd0e'0e31u);
    EXPECT_EQ(hash_of_first(1), 0x74f8'39c5'93dc'67fdu);
    EXPECT_EQ(hash_of_first(2), 0x0d6c'8009'd9a9'4f5au);
    EXPECT_EQ(hash_of_first(3), 0x8567'6696'd7fb'7e2du);
    EXPECT_EQ(hash_of_first(8), 0x93f5'f579'9a93'2462u);
    EXPECT_EQ(hash_of_first(15), 0xa129'ca61'49be'45e5u) << "the example of the paper, appendix A";
}

TEST(SipHash, DependsOnEveryBitOfTheKey) {
    std::array<std::byte, 12> message{};
    const std::uint64_t plain = siphash(kKey, message);
    for (unsigned bit = 0; bit < 64; ++bit) {
        EXPECT_NE(siphash({kKey.k0 ^ (std::uint64_t{1} << bit), kKey.k1}, message), plain);
        EXPECT_NE(siphash({kKey.k0, kKey.k1 ^ (std::uint64_t{1} << bit)}, message), plain);
    }
}

}  // namespace
}  // namespace mtcp
