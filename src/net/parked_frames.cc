// SPDX-License-Identifier: Apache-2.0
// Lists of waiting frames in one pool.
#include "net/parked_frames.h"

#include "base/assert.h"

namespace mtcp::net {

ParkedFrames::ParkedFrames(std::uint32_t capacity) : entries_(capacity) {
    MTCP_ASSERT(capacity < kNobodyParked);
    for (std::uint32_t i = 0; i < capacity; ++i) {
        entries_[i].next = free_;
        free_ = static_cast<std::uint16_t>(i);
    }
}

bool ParkedFrames::push(ParkedList& list, const io::Frame& frame) {
    if (free_ == kNobodyParked) return false;
    const std::uint16_t index = free_;
    free_ = entries_[index].next;
    entries_[index] = Entry{frame, kNobodyParked};
    if (list.count == 0) {
        list.head = index;
    } else {
        entries_[list.tail].next = index;
    }
    list.tail = index;
    ++list.count;
    return true;
}

io::Frame ParkedFrames::pop(ParkedList& list) {
    MTCP_DEBUG_ASSERT(list.count > 0);
    const std::uint16_t index = list.head;
    const io::Frame frame = entries_[index].frame;
    list.head = entries_[index].next;
    --list.count;
    entries_[index].next = free_;
    free_ = index;
    return frame;
}

}  // namespace mtcp::net
