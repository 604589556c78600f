// SPDX-License-Identifier: Apache-2.0
// Empty frames in bursts, full frames in batches.
#include "net/transmitter.h"

#include <algorithm>
#include <span>

#include "base/assert.h"

namespace mtcp::net {

bool Transmitter::refill() {
    if (queue_ != nullptr) stashed_ = queue_->allocate(stash_);
    gave_ = gave_ || stashed_ != 0;
    for (std::size_t ahead = 1; ahead <= kAhead && ahead <= stashed_; ++ahead)
        prefetch_stashed(ahead);
    return stashed_ != 0;
}

void Transmitter::give_back(const io::Frame& frame) {
    MTCP_DEBUG_ASSERT(queue_ != nullptr);
    io::Frame empty;
    empty.data = frame.data;  // nobody moves it
    empty.capacity = frame.capacity;
    empty.token = frame.token;
    if (stashed_ < kStash) {
        stash_[stashed_++] = empty;
        return;
    }
    queue_->release({&empty, 1});
}

// False: the frame found no room and is gone.
bool Transmitter::make_room(const io::Frame& frame, Instant now) {
    flush(now);
    if (waiting_ < kBatch) return true;
    give_back(frame);
    counters_->drop(Drop::io_transmit_full);
    return false;
}

std::size_t Transmitter::flush(Instant now) {
    if (gave_) {
        gave_ = false;
        progress_ = now;
    }
    if (waiting_ == 0 || queue_ == nullptr) return waiting_;
    const std::size_t taken = queue_->transmit({batch_.data(), waiting_}, now);
    MTCP_DEBUG_ASSERT(taken <= waiting_);
    std::uint64_t bytes_left = 0;
    for (std::size_t i = taken; i < waiting_; ++i)
        bytes_left += batch_[i].length;
    counters_->frames_out += taken;
    counters_->bytes_out += waiting_bytes_ - bytes_left;
    waiting_bytes_ = bytes_left;
    if (taken != 0) {
        progress_ = now;
        std::move(batch_.begin() + static_cast<std::ptrdiff_t>(taken),
                  batch_.begin() + static_cast<std::ptrdiff_t>(waiting_), batch_.begin());
    }
    waiting_ -= taken;
    return waiting_;
}

void Transmitter::release_all() {
    if (queue_ == nullptr) return;
    queue_->release({batch_.data(), waiting_});
    queue_->release({stash_.data(), stashed_});
    waiting_ = 0;
    waiting_bytes_ = 0;
    stashed_ = 0;
}

}  // namespace mtcp::net
