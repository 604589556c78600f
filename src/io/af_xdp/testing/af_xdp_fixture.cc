// SPDX-License-Identifier: Apache-2.0
// Hand-made frames, and devices with a configuration small enough to exhaust.
#include "io/af_xdp/testing/af_xdp_fixture.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

namespace mtcp::io::xdp_testing {

Instant clock_now() {
    return {std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

void put(Bytes& bytes, std::initializer_list<unsigned> values) {
    for (const unsigned value : values)
        bytes.push_back(static_cast<std::uint8_t>(value));
}
void put(Bytes& bytes, const MacAddress& mac) {
    for (const std::uint8_t octet : mac.octet)
        bytes.push_back(octet);
}

Bytes ethernet(const MacAddress& to, const MacAddress& from, unsigned type) {
    Bytes frame;
    put(frame, to);
    put(frame, from);
    put(frame, {type >> 8U, type & 0xffU});
    return frame;
}

Bytes arp(const VethWorld& world, ArpOperation operation,
          const std::array<std::uint8_t, 4>& target) {
    Bytes frame = ethernet(world.mac_here(), world.mac_there(), kTypeArp);
    put(frame, {0, 1, 8, 0, 6, 4, 0, static_cast<unsigned>(operation)});
    put(frame, world.mac_there());
    put(frame, kPeer);
    put(frame, world.mac_here());
    put(frame, target);
    return frame;
}

Bytes ipv4(const VethWorld& world, const Ipv4& what) {
    Bytes frame = ethernet(world.mac_here(), world.mac_there(), kTypeIpv4);
    const auto length = static_cast<unsigned>(what.length);
    put(frame, {0x45, 0, length >> 8U, length & 0xffU, 0, 1, what.fragment >> 8U,
                what.fragment & 0xffU, 64, what.protocol, 0, 0});
    put(frame, kPeer);
    put(frame, what.to);
    put(frame, {what.source_port >> 8U, what.source_port & 0xffU, 0, 9});
    while (frame.size() < 14 + what.length)
        put(frame, {unsigned(frame.size() * 7) & 0xffU});
    return frame;
}

AfXdpConfig config_for(XdpMode mode) {
    AfXdpConfig config;
    config.interface = VethWorld::kHere;
    config.ipv4_prefixes = {{kOwn, 32}};
    config.frames_per_queue = 256;
    config.rings = {256, 256, 256, 256};
    config.mode = mode;
    config.pages = Pages::normal;
    return config;
}

std::unique_ptr<AfXdpDevice> must_open(const AfXdpConfig& config) {
    auto device = AfXdpDevice::open(config);
    if (!device) {
        ADD_FAILURE() << device.error().text();
        std::fflush(nullptr);
        ::_exit(1);
    }
    return std::move(device).value();
}

Problem must_fail(const AfXdpConfig& config) {
    auto device = AfXdpDevice::open(config);
    EXPECT_FALSE(device.ok());
    return device ? Problem{} : device.error();
}

Bytes copy_of(const Frame& frame) {
    Bytes bytes(frame.length);
    std::memcpy(bytes.data(), frame.data, frame.length);
    return bytes;
}

std::vector<Frame> receive_frames(Queue& queue, std::size_t count, Duration most) {
    std::vector<Frame> frames;
    const Instant end = clock_now() + most;
    Instant stop = end;
    for (Instant now = clock_now(); now < stop; now = clock_now()) {
        Frame burst[kBurst];
        const std::size_t got = queue.receive(burst, now);
        frames.insert(frames.end(), burst, burst + got);
        if (frames.size() >= count && stop == end) stop = earlier(end, now + milliseconds(20));
        if (got == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return frames;
}

std::vector<Bytes> receive_bytes(Queue& queue, std::size_t count, Duration most) {
    std::vector<Frame> frames = receive_frames(queue, count, most);
    std::vector<Bytes> all;
    all.reserve(frames.size());
    for (const Frame& frame : frames)
        all.push_back(copy_of(frame));
    queue.release(frames);
    return all;
}

void AfXdpTest::SetUp() {
    const std::string why = why_no_veth_world();
    if (!why.empty()) GTEST_SKIP() << why;
}

}  // namespace mtcp::io::xdp_testing
