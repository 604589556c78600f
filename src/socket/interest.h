// SPDX-License-Identifier: Apache-2.0
// One pair of an epoll and a descriptor that it watches.
#pragma once

#include <cstdint>

#include "base/index_pool.h"

namespace mtcp::socket {

// 36 bytes without alignment of its own: the first one of a descriptor lies in the descriptor's
// cache line, since nearly every socket is watched by exactly one epoll.
struct Interest {
    static constexpr std::uint32_t kNotReady = 0xffff'fffe;  // of ready_next: on no ready list

    std::uint32_t data_low = 0;  // the program's
    std::uint32_t data_high = 0;
    std::uint32_t epoll = kNoIndex;  // id of the epoll; kNoIndex: not in use
    std::uint32_t events = 0;        // wanted; 0 wanted bits after a one-shot event
    std::uint32_t next_of_descriptor = kNoIndex;
    std::uint32_t epoll_previous = kNoIndex;  // all interests of the epoll
    std::uint32_t epoll_next = kNoIndex;
    std::uint32_t ready_previous = kNoIndex;  // those on its ready list
    std::uint32_t ready_next = kNotReady;

    [[nodiscard]] bool in_use() const { return epoll != kNoIndex; }
    [[nodiscard]] bool is_ready() const { return ready_next != kNotReady; }
    [[nodiscard]] std::uint64_t data() const { return std::uint64_t{data_high} << 32 | data_low; }
    void set_data(std::uint64_t data) {
        data_low = static_cast<std::uint32_t>(data);
        data_high = static_cast<std::uint32_t>(data >> 32);
    }
};
static_assert(sizeof(Interest) == 36);

}  // namespace mtcp::socket
