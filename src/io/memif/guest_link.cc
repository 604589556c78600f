// SPDX-License-Identifier: Apache-2.0
// Rings whose buffers are the peer's.
#include "io/memif/guest_link.h"

#include <algorithm>

namespace mtcp::io::memif {
namespace {

std::uint16_t distance(std::uint16_t from, std::uint16_t to) {
    return static_cast<std::uint16_t>(to - from);
}

}  // namespace

GuestLink::GuestLink(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag)
    : Link(std::move(session), queue, tag) {
    // Both indices that are ours start where the slave left them: at zero, if it keeps the rules.
    if (receive_ != nullptr) {
        next_ = returned_ = load_acquire(receive_->header->tail);
        if (lends_) done_.assign(receive_->size, 0);
    }
    if (transmit_ != nullptr) filled_ = load_acquire(transmit_->header->tail);
}

// nullptr when the buffer does not lie within a region.
std::byte* GuestLink::locate(const Descriptor& descriptor) const {
    if (descriptor.region >= session_->regions.size()) return nullptr;
    const SharedMemory& region = session_->regions[descriptor.region];
    return region.contains(descriptor.offset, descriptor.length) ? region.data() + descriptor.offset
                                                                 : nullptr;
}

// ---- receiving

Piece GuestLink::peek(std::uint32_t ahead) const {
    const std::uint32_t at = (next_ + ahead) & (receive_->size - 1);
    const Descriptor filled = copy_once(receive_->descriptors[at]);
    std::byte* data = locate(filled);
    return Piece{.data = data,
                 .length = filled.length,
                 .good = data != nullptr && filled.length != 0,
                 .more = (filled.flags & kDescriptorNext) != 0};
}

void GuestLink::consume(std::uint32_t slots) {
    for (; slots > 0; --slots, ++next_) {
        if (lends_) done_[next_ & (receive_->size - 1)] = 1;
    }
}

void GuestLink::consume_lent() {
    ++next_;
    ++on_loan_;
}

void GuestLink::prefetch(std::uint32_t ahead) const {
    const std::uint32_t at = (next_ + ahead) & (receive_->size - 1);
    const Descriptor filled = copy_once(receive_->descriptors[at]);
    if (const std::byte* data = locate(filled); data != nullptr) {
        prefetch_lines(data, filled.length);
    }
}

std::size_t GuestLink::receive(std::span<Frame> frames, LinkContext context) {
    if (receive_ == nullptr || broken_) return 0;
    const std::uint16_t head = look_at(receive_->header->head, next_, context.now);
    const std::uint32_t waiting = distance(next_, head);
    if (waiting == 0) return 0;
    if (distance(returned_, head) > receive_->size) {
        break_off(context);
        return 0;
    }
    fetch_descriptors(*receive_, next_, std::min<std::size_t>(waiting, frames.size()), Use::read);
    const Checksum checksum = session_->both_ends_ours ? Checksum::verified : Checksum::in_frame;
    const std::size_t count = receive_burst(*this, waiting, frames, context, checksum);
    return_slots();
    return count;
}

// Moves `tail` over all slots that nobody uses any more.
void GuestLink::return_slots() {
    const std::uint16_t before = returned_;
    if (!lends_) {
        returned_ = next_;
    } else {
        const std::uint32_t mask = receive_->size - 1;
        for (; returned_ != next_ && done_[returned_ & mask] != 0; ++returned_) {
            done_[returned_ & mask] = 0;
        }
    }
    if (returned_ != before) store_release(receive_->header->tail, returned_);
}

void GuestLink::release(std::span<const Frame> frames) {
    for (const Frame& frame : frames) {
        if (tag_of(frame) != tag_) continue;
        done_[index_of(frame) & (receive_->size - 1)] = 1;
        --on_loan_;
    }
    return_slots();
}

bool GuestLink::prepare_wait() {
    if (receive_ == nullptr || broken_) return true;
    ask_for_interrupt();
    if (load_sequential(receive_->header->head) == next_) return true;
    finish_wait();
    return false;
}

// ---- transmitting

// Copies a frame into as many of the slave's buffers as it needs, from slot `filled` on.
GuestLink::Put GuestLink::put(const Frame& frame, std::uint16_t& filled, std::uint16_t head) const {
    std::uint16_t at = filled;
    const std::byte* from = frame.data;
    std::uint32_t left = frame.length;
    while (true) {
        if (at == head) {
            return distance(filled, head) == transmit_->size ? Put::never : Put::full;
        }
        Descriptor& shared = transmit_->descriptors[at & (transmit_->size - 1)];
        const Descriptor empty = copy_once(shared);
        std::byte* into = locate(empty);
        if (into == nullptr || empty.length == 0) return Put::bad;
        const std::uint32_t piece = std::min(left, empty.length);
        copy_out(into, from, piece, empty.length);
        from += piece;
        left -= piece;
        shared.length = piece;
        shared.flags = left != 0 ? kDescriptorNext : std::uint16_t{0};
        ++at;
        if (left == 0) break;
    }
    filled = at;
    return Put::yes;
}

// A later frame will be copied into this slot's buffer.
void GuestLink::expect_put(std::uint16_t at, std::uint32_t length) const {
    const Descriptor empty = copy_once(transmit_->descriptors[at & (transmit_->size - 1)]);
    if (std::byte* into = locate(empty); into != nullptr) expect_copy(into, length);
}

std::size_t GuestLink::transmit(std::span<Frame> frames, LinkContext context) {
    const std::uint16_t head = load_acquire(transmit_->header->head);
    if (distance(filled_, head) > transmit_->size) {
        break_off(context);
        return 0;
    }
    const std::uint16_t before = filled_;
    begin_copies(frames.size());
    fetch_descriptors(*transmit_, filled_,
                      std::min<std::size_t>(frames.size(), distance(filled_, head)), Use::write);
    std::size_t count = 0;
    for (; count < frames.size(); ++count) {
        if (frames[count].length == 0 || frames[count].length > context.pool.buffer_size()) {
            context.count(Drop::io_oversize);
            continue;
        }
        if (count + kPrefetchAhead < frames.size() && !copies_far()) {
            const auto later = static_cast<std::uint16_t>(filled_ + kPrefetchAhead);
            expect_put(later, frames[count + kPrefetchAhead].length);
        }
        const Put result = put(frames[count], filled_, head);
        if (result == Put::never) {
            context.count(Drop::io_oversize);
            continue;
        }
        if (result == Put::bad) break_off(context);
        if (result != Put::yes) break;
    }
    if (filled_ != before) {
        end_copies();
        store_sequential(transmit_->header->tail, filled_);
        wake_peer();
    }
    return count;
}

}  // namespace mtcp::io::memif
