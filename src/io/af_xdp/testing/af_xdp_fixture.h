// SPDX-License-Identifier: Apache-2.0
// What the tests of the af_xdp back end share: frames from the peer, devices on `here0`, receiving
// with patience.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/time.h"
#include "io/af_xdp/af_xdp_device.h"
#include "io/af_xdp/testing/veth_world.h"

namespace mtcp::io::xdp_testing {

inline constexpr unsigned kTypeIpv4 = 0x0800;
inline constexpr unsigned kTypeArp = 0x0806;
inline constexpr unsigned kTypeIpv6 = 0x86dd;
inline constexpr std::array<std::uint8_t, 4> kOwn{10, 9, 0, 100};
inline constexpr std::array<std::uint8_t, 4> kKernel{10, 9, 0, 1};
inline constexpr std::array<std::uint8_t, 4> kPeer{10, 9, 0, 2};

Instant clock_now();

void put(Bytes& bytes, std::initializer_list<unsigned> values);
void put(Bytes& bytes, const MacAddress& mac);
template <std::size_t kSize>
void put(Bytes& bytes, const std::array<std::uint8_t, kSize>& values) {
    bytes.insert(bytes.end(), values.begin(), values.end());
}

Bytes ethernet(const MacAddress& to, const MacAddress& from, unsigned type);

enum class ArpOperation : std::uint8_t { request = 1, reply = 2 };
Bytes arp(const VethWorld& world, ArpOperation operation,
          const std::array<std::uint8_t, 4>& target);

struct Ipv4 {
    std::array<std::uint8_t, 4> to = kOwn;
    unsigned protocol = 17;
    unsigned fragment = 0;
    unsigned source_port = 7;
    std::size_t length = 60;  // of the packet
};
// Checksums are left zero: XDP does not look at them, and the kernel drops what it should not get.
Bytes ipv4(const VethWorld& world, const Ipv4& what);

// A small device on here0 that owns kOwn: 128 buffers to receive into, 128 frames to transmit.
AfXdpConfig config_for(XdpMode mode);
// Ends the process when it cannot.
std::unique_ptr<AfXdpDevice> must_open(const AfXdpConfig& config);
Problem must_fail(const AfXdpConfig& config);

Bytes copy_of(const Frame& frame);
// Receives until `count` frames have come, then for another 20 ms; `most` at most.
std::vector<Frame> receive_frames(Queue& queue, std::size_t count, Duration most = seconds(1));
// The same, released.
std::vector<Bytes> receive_bytes(Queue& queue, std::size_t count, Duration most = seconds(1));

// Skips, with the reason, where there can be no veth pair or no AF_XDP.
class AfXdpTest : public ::testing::Test {
  protected:
    void SetUp() override;
};

}  // namespace mtcp::io::xdp_testing
