// SPDX-License-Identifier: Apache-2.0
// What both kinds of link share: waking and being woken.
#include "io/memif/link.h"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/far_copy.h"
#include "io/memif/guest_link.h"
#include "io/memif/owner_link.h"

namespace mtcp::io::memif {
namespace {

constexpr std::uint32_t kLooksBetween = 64;  // timing a load costs some 30 ns

}  // namespace

Link::Link(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag)
    : session_(std::move(session)),
      receive_(session_->receive_ring(queue)),
      transmit_(session_->transmit_ring(queue)),
      tag_(tag),
      lends_(session_->both_ends_ours) {
    if (receive_ != nullptr) store_relaxed(receive_->header->flags, kRingMaskInterrupt);
}

void Link::break_off(LinkContext context) {
    broken_ = true;
    context.count(Drop::io_bad_descriptor);
    session_->peer_broke_rules.store(true, std::memory_order_release);
}

std::uint16_t Link::look_at(const std::uint16_t& index, std::uint16_t seen, Instant now) {
    if (looks_left_ != 0) [[likely]] {
        --looks_left_;
        return load_acquire(index);
    }
    const std::uint64_t begin = LineDistance::ticks();
    const std::uint16_t value = load_acquire(index);
    const std::uint64_t end = LineDistance::ticks();
    if (value != seen) {
        distance_.observe(begin, end, now);
        looks_left_ = kLooksBetween;
    }
    return value;
}

void Link::copy_out(std::byte* into, const std::byte* from, std::size_t bytes,
                    std::size_t room) const {
    if (copies_far()) {
        far_copy(into, from, bytes, room);
    } else {
        std::memcpy(into, from, bytes);
    }
}

void Link::end_copies() const {
    if (copies_far()) end_far_copies();
}

// The sender stores an index and then reads the flag; the receiver stores the flag and then reads
// the index. All four are sequentially consistent, so that at least one sees the other's store.
void Link::wake_peer() const {
    if ((load_sequential(transmit_->header->flags) & kRingMaskInterrupt) != 0) return;
    const std::uint64_t one = 1;
    // A full counter means that the peer has been woken already.
    [[maybe_unused]] const ssize_t written = ::write(transmit_->interrupt.get(), &one, sizeof one);
}

void Link::ask_for_interrupt() const { store_sequential(receive_->header->flags, 0); }

void Link::finish_wait() {
    if (receive_ != nullptr) store_relaxed(receive_->header->flags, kRingMaskInterrupt);
}

std::unique_ptr<Link> make_link(std::shared_ptr<Session> session, std::size_t queue,
                                std::uint32_t tag, const MemifConfig& config) {
    if (session->role == MemifRole::slave) {
        return std::make_unique<OwnerLink>(std::move(session), queue, tag, config.buffer_size);
    }
    return std::make_unique<GuestLink>(std::move(session), queue, tag);
}

}  // namespace mtcp::io::memif
