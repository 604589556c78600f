// SPDX-License-Identifier: Apache-2.0
// Rings whose buffers are ours.
#include "io/memif/owner_link.h"

#include <algorithm>

#include "base/assert.h"

namespace mtcp::io::memif {
namespace {

std::uint16_t distance(std::uint16_t from, std::uint16_t to) {
    return static_cast<std::uint16_t>(to - from);
}

}  // namespace

OwnerLink::OwnerLink(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag,
                     std::uint32_t buffer_size)
    : Link(std::move(session), queue, tag), buffer_size_(buffer_size) {
    const BufferLayout& layout = session_->buffers;
    base_ = session_->regions[0].data();
    stride_ = layout.stride;
    buffers_ = base_ + layout.offset + std::uint64_t{stride_} * layout.per_queue * queue;
    if (receive_ == nullptr && transmit_ == nullptr) return;
    const bool reserved = free_.reserve(layout.per_queue);
    MTCP_ASSERT(reserved);
    for (std::uint32_t i = layout.per_queue; i > 0; --i)
        free_.push(i - 1);
    if (receive_ != nullptr) posted_buffer_.resize(receive_->size);
    if (transmit_ != nullptr) sent_buffer_.resize(transmit_->size);
    post_buffers();
}

std::byte* OwnerLink::buffer(std::uint32_t index) const {
    return buffers_ + std::uint64_t{stride_} * index + kFrameHeadroom;
}

// ---- receiving

Piece OwnerLink::peek(std::uint32_t ahead) const {
    const std::uint32_t at = slot(taken_ + ahead, *receive_);
    const Descriptor filled = copy_once(receive_->descriptors[at]);
    return Piece{.data = buffer(posted_buffer_[at]),
                 .length = filled.length,
                 .good = filled.length != 0 && filled.length <= buffer_size_,
                 .more = (filled.flags & kDescriptorNext) != 0};
}

std::uint64_t OwnerLink::lend() const {
    return make_token(tag_, posted_buffer_[slot(taken_, *receive_)]);
}

void OwnerLink::consume(std::uint32_t slots) {
    for (; slots > 0; --slots)
        free_.push(posted_buffer_[slot(taken_++, *receive_)]);
}

void OwnerLink::consume_lent() {
    ++taken_;
    ++on_loan_;
}

// Without a look at the descriptor, which is on its way itself.
void OwnerLink::prefetch(std::uint32_t ahead) const {
    const std::uint32_t at = slot(taken_ + ahead, *receive_);
    prefetch_lines(buffer(posted_buffer_[at]), 2 * kCacheLine);
}

std::size_t OwnerLink::receive(std::span<Frame> frames, LinkContext context) {
    if (receive_ == nullptr || broken_) return 0;
    const std::uint16_t tail = look_at(receive_->header->tail, taken_, context.now);
    const std::uint32_t waiting = distance(taken_, tail);
    if (waiting == 0) return 0;
    if (waiting > distance(taken_, posted_)) {
        break_off(context);
        return 0;
    }
    // They will be written when their slots are posted again.
    fetch_descriptors(*receive_, taken_, std::min<std::size_t>(waiting, frames.size()), Use::write);
    const Checksum checksum = session_->both_ends_ours ? Checksum::verified : Checksum::in_frame;
    const std::size_t count = receive_burst(*this, waiting, frames, context, checksum);
    post_buffers();
    return count;
}

// Fills the ring with empty buffers for the master to write into.
void OwnerLink::post_buffers() {
    if (receive_ == nullptr) return;
    std::uint32_t room = receive_->size - distance(taken_, posted_);
    if (room == 0 || free_.empty()) return;
    for (; room > 0 && !free_.empty(); --room) {
        const std::uint32_t index = free_.pop();
        const std::uint32_t at = slot(posted_++, *receive_);
        posted_buffer_[at] = index;
        receive_->descriptors[at] =
            Descriptor{.flags = 0,
                       .region = 0,
                       .length = buffer_size_,
                       .offset = static_cast<std::uint32_t>(buffer(index) - base_)};
    }
    store_release(receive_->header->head, posted_);
}

bool OwnerLink::prepare_wait() {
    if (receive_ == nullptr || broken_) return true;
    post_buffers();
    ask_for_interrupt();
    if (load_sequential(receive_->header->tail) == taken_) return true;
    finish_wait();
    return false;
}

// ---- transmitting

// Takes back the buffers that the master has emptied.
void OwnerLink::reclaim() {
    const std::uint16_t tail = load_acquire(transmit_->header->tail);
    if (distance(reclaimed_, tail) > distance(reclaimed_, sent_)) {
        tail_impossible_ = true;
        return;
    }
    while (reclaimed_ != tail)
        free_.push(sent_buffer_[slot(reclaimed_++, *transmit_)]);
}

// Copies one frame into the next slot's buffer; false when there is none.
bool OwnerLink::put(const Frame& frame, LinkContext context) {
    if (frame.length == 0 || frame.length > buffer_size_) {
        context.count(Drop::io_oversize);
        return true;
    }
    if (free_.empty()) return false;
    const std::uint32_t index = free_.pop();
    std::byte* const data = buffer(index);
    copy_out(data, frame.data, frame.length, buffer_size_);
    const std::uint32_t at = slot(sent_++, *transmit_);
    sent_buffer_[at] = index;
    transmit_->descriptors[at] = Descriptor{.flags = 0,
                                            .region = 0,
                                            .length = frame.length,
                                            .offset = static_cast<std::uint32_t>(data - base_)};
    return true;
}

std::size_t OwnerLink::transmit(std::span<Frame> frames, LinkContext context) {
    reclaim();
    if (tail_impossible_) {
        break_off(context);
        return 0;
    }
    const std::uint16_t before = sent_;
    begin_copies(frames.size());
    const std::uint32_t room = transmit_->size - distance(reclaimed_, sent_);
    fetch_descriptors(*transmit_, sent_, std::min<std::size_t>(frames.size(), room), Use::write);
    std::size_t count = 0;
    while (count < frames.size() && distance(reclaimed_, sent_) < transmit_->size) {
        if (free_.size() > kPrefetchAhead && !copies_far()) {
            expect_copy(buffer(free_.below_top(kPrefetchAhead)), frames[count].length);
        }
        if (!put(frames[count], context)) break;
        ++count;
    }
    if (sent_ != before) {
        end_copies();
        store_sequential(transmit_->header->head, sent_);
        wake_peer();
    }
    return count;
}

void OwnerLink::release(std::span<const Frame> frames) {
    for (const Frame& frame : frames) {
        if (tag_of(frame) != tag_) continue;
        free_.push(index_of(frame));
        --on_loan_;
    }
    // Not for each frame, but never so late that the master finds the ring empty.
    if (!broken_) post_buffers();
}

}  // namespace mtcp::io::memif
