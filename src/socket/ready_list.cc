// SPDX-License-Identifier: Apache-2.0
// The three lists an interest is on: its descriptor's, its epoll's, and the ready list.
#include "socket/ready_list.h"

namespace mtcp::socket {

std::uint32_t ReadyLists::find(std::uint32_t epoll, const Descriptor& d) {
    for (std::uint32_t i = first_in(d); i != kNoIndex; i = next(i)) {
        if (at(i).epoll == epoll) return i;
    }
    return kNoIndex;
}

std::uint32_t ReadyLists::add(std::uint32_t epoll, Descriptor& d) {
    const std::uint32_t id = table_.id_of(d);
    std::uint32_t index = id;
    if (d.watch.in_use()) {
        const std::uint32_t another = more_.take();
        if (another == kNoIndex) return kNoIndex;
        index = table_.capacity() + another;
        more_[another] = {.interest = {}, .descriptor = id};
        more_[another].interest.next_of_descriptor = d.watch.next_of_descriptor;
        d.watch.next_of_descriptor = index;
    }
    Interest& interest = at(index);
    interest.epoll = epoll;
    Epoll& watcher = epoll_of(interest);
    interest.epoll_previous = kNoIndex;
    interest.epoll_next = watcher.first_;
    if (watcher.first_ != kNoIndex) at(watcher.first_).epoll_previous = index;
    watcher.first_ = index;
    return index;
}

void ReadyLists::remove(std::uint32_t index) {
    Interest& interest = at(index);
    if (interest.is_ready()) unlink_ready(index);
    if (interest.epoll_previous != kNoIndex) {
        at(interest.epoll_previous).epoll_next = interest.epoll_next;
    } else {
        epoll_of(interest).first_ = interest.epoll_next;
    }
    if (interest.epoll_next != kNoIndex) {
        at(interest.epoll_next).epoll_previous = interest.epoll_previous;
    }
    interest.epoll = kNoIndex;
    if (index >= table_.capacity()) unlink_of_descriptor(index);
}

// The interest in the descriptor itself stays where it is, in use or not.
void ReadyLists::unlink_of_descriptor(std::uint32_t index) {
    std::uint32_t* link = &table_.at(watched_by(index)).watch.next_of_descriptor;
    while (*link != index)
        link = &at(*link).next_of_descriptor;
    *link = at(index).next_of_descriptor;
    more_.give_back(index - table_.capacity());
}

void ReadyLists::enqueue(std::uint32_t index) {
    Interest& interest = at(index);
    if (interest.is_ready()) return;
    Epoll& epoll = epoll_of(interest);
    interest.ready_next = kNoIndex;
    interest.ready_previous = epoll.ready_last_;
    (epoll.ready_last_ != kNoIndex ? at(epoll.ready_last_).ready_next : epoll.ready_first_) = index;
    epoll.ready_last_ = index;
    ++epoll.ready_count_;
    ++ready_total_;
}

std::uint32_t ReadyLists::dequeue(Epoll& epoll) {
    const std::uint32_t index = epoll.ready_first_;
    unlink_ready(index);
    return index;
}

void ReadyLists::unlink_ready(std::uint32_t index) {
    Interest& interest = at(index);
    Epoll& epoll = epoll_of(interest);
    (interest.ready_previous != kNoIndex ? at(interest.ready_previous).ready_next
                                         : epoll.ready_first_) = interest.ready_next;
    (interest.ready_next != kNoIndex ? at(interest.ready_next).ready_previous : epoll.ready_last_) =
        interest.ready_previous;
    interest.ready_next = Interest::kNotReady;
    --epoll.ready_count_;
    --ready_total_;
}

}  // namespace mtcp::socket
