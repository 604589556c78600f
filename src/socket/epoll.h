// SPDX-License-Identifier: Apache-2.0
// epoll(7) and poll(2) for the descriptors of a context. The ready list belongs to the application:
// the stack only says where something changed. As in Linux, a level-triggered entry stays on the
// list until a wait finds that it is not ready any more; an edge-triggered one leaves it at once.
#pragma once

#include <cstdint>
#include <span>

#include "socket/application.h"

namespace mtcp::socket {

// The layout of struct mtcp_epoll_event.
struct EpollEvent {
    std::uint32_t events;
    std::uint64_t data;
};
// What a wait in progress fills.
struct EventArray {
    std::span<EpollEvent> out;
    std::size_t count;  // entries filled
    Epoll& epoll;
    std::uint32_t epoll_id;
};
// The layout of struct mtcp_pollfd.
struct PollEntry {
    int descriptor;
    std::int16_t wanted;
    std::int16_t found;
};

enum class EpollOperation : int { add = 1, remove = 2, modify = 3 };

// The new id, -EMFILE, -ENOMEM.
[[nodiscard]] long make_epoll(Application& app);
// epoll_ctl(2); `event` is not looked at for remove.
[[nodiscard]] long control_epoll(Application& app, Descriptor& epoll, EpollOperation operation,
                                 Descriptor& watched, const EpollEvent& event);
// epoll_wait(2); `timeout_ms` < 0: for ever.
[[nodiscard]] long wait_epoll(Application& app, Descriptor& epoll, std::span<EpollEvent> out,
                              int timeout_ms);
void close_epoll(Application& app, Descriptor& d);
// Something named by these epoll bits may have changed about `d`: puts it into the array of the
// wait in progress, if that is where it would come to from the ready list. False: the list's.
[[nodiscard]] bool hand_out_at_once(Application& app, EventArray& array, Descriptor& d,
                                    std::uint32_t bits);

// poll(2).
[[nodiscard]] long poll(Application& app, std::span<PollEntry> entries, int timeout_ms);

}  // namespace mtcp::socket
