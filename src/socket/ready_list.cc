// SPDX-License-Identifier: Apache-2.0
// The three lists an interest is on: its descriptor's, its epoll's, and the ready list.
#include "socket/ready_list.h"

namespace mtcp::socket {

std::uint32_t ReadyLists::find(const Epoll& epoll, const Descriptor& d) {
    for (std::uint32_t i = d.interests; i != kNoIndex; i = pool_[i].next_of_descriptor) {
        if (pool_[i].epoll == &epoll) return i;
    }
    return kNoIndex;
}

std::uint32_t ReadyLists::add(Epoll& epoll, Descriptor& d, std::uint32_t id) {
    const std::uint32_t index = pool_.take();
    if (index == kNoIndex) return kNoIndex;
    pool_[index] = Interest{.data = 0,
                            .epoll = &epoll,
                            .events = 0,
                            .descriptor = id,
                            .next_of_descriptor = d.interests,
                            .epoll_previous = kNoIndex,
                            .epoll_next = epoll.first_,
                            .ready_previous = kNoIndex,
                            .ready_next = kNoIndex,
                            .on_ready_list = 0};
    d.interests = index;
    if (epoll.first_ != kNoIndex) pool_[epoll.first_].epoll_previous = index;
    epoll.first_ = index;
    return index;
}

void ReadyLists::remove(Descriptor& d, std::uint32_t index) {
    Interest& interest = pool_[index];
    if (interest.on_ready_list != 0) unlink_ready(index);
    std::uint32_t* link = &d.interests;
    while (*link != index)
        link = &pool_[*link].next_of_descriptor;
    *link = interest.next_of_descriptor;
    if (interest.epoll_previous != kNoIndex) {
        pool_[interest.epoll_previous].epoll_next = interest.epoll_next;
    } else {
        interest.epoll->first_ = interest.epoll_next;
    }
    if (interest.epoll_next != kNoIndex) {
        pool_[interest.epoll_next].epoll_previous = interest.epoll_previous;
    }
    pool_.give_back(index);
}

void ReadyLists::enqueue(std::uint32_t index) {
    Interest& interest = pool_[index];
    if (interest.on_ready_list != 0) return;
    Epoll& epoll = *interest.epoll;
    interest.on_ready_list = 1;
    interest.ready_next = kNoIndex;
    interest.ready_previous = epoll.ready_last_;
    if (epoll.ready_last_ != kNoIndex) {
        pool_[epoll.ready_last_].ready_next = index;
    } else {
        epoll.ready_first_ = index;
    }
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
    Interest& interest = pool_[index];
    Epoll& epoll = *interest.epoll;
    if (interest.ready_previous != kNoIndex) {
        pool_[interest.ready_previous].ready_next = interest.ready_next;
    } else {
        epoll.ready_first_ = interest.ready_next;
    }
    if (interest.ready_next != kNoIndex) {
        pool_[interest.ready_next].ready_previous = interest.ready_previous;
    } else {
        epoll.ready_last_ = interest.ready_previous;
    }
    interest.on_ready_list = 0;
    --epoll.ready_count_;
    --ready_total_;
}

}  // namespace mtcp::socket
