// SPDX-License-Identifier: Apache-2.0
// What the memif tests share: a clock, frames whose content follows from a number, and moving them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/memif/memif_device.h"
#include "io/wait.h"

namespace mtcp::io::memif::testing {

inline Instant clock_now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
}

// Abstract, of this process alone.
inline std::string fresh_socket() {
    static std::atomic<int> number{0};
    return "@mtcp_test_" + std::to_string(::getpid()) + "_" + std::to_string(number++);
}

inline std::unique_ptr<MemifDevice> open_or_fail(const MemifConfig& config) {
    auto device = MemifDevice::open(config);
    EXPECT_TRUE(device.ok()) << device.error().text();
    return device.ok() ? std::move(*device) : nullptr;
}

inline bool eventually(const std::function<bool()>& condition, Duration patience = seconds(5)) {
    const Instant end = clock_now() + patience;
    while (!condition()) {
        if (clock_now() > end) return false;
        ::usleep(500);
    }
    return true;
}

// Frame `number` of stream `stream`: 14 to 1514 bytes.
inline std::uint32_t length_of(std::uint32_t number, std::uint32_t longest = 1514) {
    return 14 + (number * 2654435761u >> 8) % (longest - 13);
}
inline void fill(std::byte* data, std::uint32_t length, std::uint64_t stream,
                 std::uint32_t number) {
    std::uint64_t word = (stream << 32 | number) * 0x9e3779b97f4a7c15u + 1;
    for (std::uint32_t at = 0; at < length; at += 8) {
        std::memcpy(data + at, &word, std::min<std::uint32_t>(8, length - at));
        word = (word ^ word >> 29) * 0xbf58476d1ce4e5b9u;
    }
}
inline bool matches(const Frame& frame, std::uint64_t stream, std::uint32_t number,
                    std::uint32_t longest = 1514) {
    std::byte expected[16384];
    const std::uint32_t length = length_of(number, longest);
    if (frame.length != length) return false;
    fill(expected, length, stream, number);
    return std::memcmp(frame.data, expected, length) == 0;
}

// Sends up to `count` frames of `stream` from `number` on; returns how many the queue took.
inline std::size_t send(Queue& queue, std::uint64_t stream, std::uint32_t number, std::size_t count,
                        std::uint32_t longest = 1514) {
    Frame frames[kBurst];
    const std::size_t got = queue.allocate({frames, std::min(count, kBurst)});
    for (std::size_t i = 0; i < got; ++i) {
        const auto n = number + static_cast<std::uint32_t>(i);
        frames[i].length = length_of(n, longest);
        EXPECT_LE(frames[i].length, frames[i].capacity);
        fill(frames[i].data, frames[i].length, stream, n);
    }
    const std::size_t taken = queue.transmit({frames, got}, clock_now());
    queue.release({frames + taken, got - taken});
    return taken;
}

// Receives and checks up to `count` frames of `stream` from `number` on; returns how many came.
inline std::size_t expect(Queue& queue, std::uint64_t stream, std::uint32_t number,
                          std::size_t count, std::uint32_t longest = 1514) {
    Frame frames[kBurst];
    const std::size_t got = queue.receive({frames, std::min(count, kBurst)}, clock_now());
    for (std::size_t i = 0; i < got; ++i) {
        EXPECT_TRUE(matches(frames[i], stream, number + static_cast<std::uint32_t>(i), longest))
            << "stream " << stream << " frame " << number + i;
    }
    queue.release({frames, got});
    return got;
}

// Receives until `count` frames have come or patience ends.
inline std::size_t expect_all(Queue& queue, std::uint64_t stream, std::uint32_t number,
                              std::size_t count, Duration patience = seconds(2)) {
    std::size_t got = 0;
    eventually(
        [&] {
            got += expect(queue, stream, number + static_cast<std::uint32_t>(got), count - got);
            return got >= count;
        },
        patience);
    return got;
}

}  // namespace mtcp::io::memif::testing
