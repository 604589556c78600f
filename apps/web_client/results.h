// SPDX-License-Identifier: Apache-2.0
// What a worker found out, and the sum of all workers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "web_client/histogram.h"

namespace load {

// name, what a person reads
#define LOAD_FAILURES(X)                                  \
    X(no_socket, "no socket or port free")                \
    X(refused, "connection refused")                      \
    X(unreachable, "host unreachable")                    \
    X(connect_timed_out, "connect timed out")             \
    X(reset, "connection reset")                          \
    X(closed_early, "closed before the answer was whole") \
    X(timed_out, "no progress until the time-out")        \
    X(malformed, "malformed answer")                      \
    X(bad_status, "status other than 2xx")                \
    X(wrong_length, "body of another length")             \
    X(wrong_body, "body with other bytes")                \
    X(other, "other error")

enum class Failure : std::uint8_t {
#define LOAD_FAILURE_NAME(name, text) name,
    LOAD_FAILURES(LOAD_FAILURE_NAME)
#undef LOAD_FAILURE_NAME
        count
};
inline constexpr std::size_t kFailures = static_cast<std::size_t>(Failure::count);

struct FailureText {
    std::string_view name;
    std::string_view text;
};
inline constexpr std::array<FailureText, kFailures> kFailureTexts{{
#define LOAD_FAILURE_TEXT(name, text) {#name, text},
    LOAD_FAILURES(LOAD_FAILURE_TEXT)
#undef LOAD_FAILURE_TEXT
}};

struct Results {
    std::uint64_t connections = 0;  // ended, all their requests answered
    std::uint64_t requests = 0;
    std::uint64_t bytes_in = 0;    // bodies
    std::uint64_t bytes_wire = 0;  // heads and bodies
    std::array<std::uint64_t, kFailures> failures{};
    double seconds = 0;  // counted time
    Histogram connect_time;
    Histogram latency;   // request written to answer whole
    Histogram lifetime;  // connect to close

    void add(const Results& other) {
        connections += other.connections;
        requests += other.requests;
        bytes_in += other.bytes_in;
        bytes_wire += other.bytes_wire;
        for (std::size_t i = 0; i < kFailures; ++i) {
            failures[i] += other.failures[i];
        }
        seconds = seconds > other.seconds ? seconds : other.seconds;
        connect_time.add(other.connect_time);
        latency.add(other.latency);
        lifetime.add(other.lifetime);
    }
    [[nodiscard]] std::uint64_t failed() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t one : failures) {
            sum += one;
        }
        return sum;
    }
};

// Read by the main thread while the worker runs.
struct alignas(64) Progress {
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> open{0};
};

}  // namespace load
