// SPDX-License-Identifier: Apache-2.0
// The order in which ids are given out.
#include "socket/descriptor_table.h"

#include <new>

#include "base/assert.h"

namespace mtcp::socket {

bool DescriptorTable::reserve(std::uint32_t capacity) {
    hot_ = Region::map(std::size_t{capacity} * sizeof(Descriptor), Pages::normal);
    cold_ = Region::map(std::size_t{capacity} * sizeof(DescriptorDetails), Pages::normal);
    free_ = Region::map(std::size_t{capacity} * sizeof(std::uint32_t), Pages::normal);
    if (hot_.data() == nullptr || cold_.data() == nullptr || free_.data() == nullptr) return false;
    static_assert(static_cast<int>(DescriptorKind::unused) == 0, "zeroed memory is unused ids");
    capacity_ = free_count_ = capacity;
    return true;
}

// Ids never used come first: the first round is 0, 1, 2 ...; then the one freed longest ago.
std::uint32_t DescriptorTable::take(DescriptorKind kind) {
    if (free_count_ == 0) return kNoIndex;
    std::uint32_t id = untouched_;
    if (untouched_ < capacity_) {
        ++untouched_;
    } else {
        id = free_ids()[free_head_];
        free_head_ = free_head_ + 1 == capacity_ ? 0 : free_head_ + 1;
        --ring_count_;
    }
    --free_count_;
    ++used_;
    Descriptor& d = *new (&hot()[id]) Descriptor{};
    new (&cold()[id]) DescriptorDetails{};
    d.kind = kind;
    return id;
}

void DescriptorTable::retire(std::uint32_t id) {
    MTCP_DEBUG_ASSERT(hot()[id].kind != DescriptorKind::unused);
    hot()[id].kind = DescriptorKind::unused;
    --used_;
}

void DescriptorTable::recycle(std::uint32_t id) {
    const std::uint32_t tail = free_head_ + ring_count_;
    free_ids()[tail >= capacity_ ? tail - capacity_ : tail] = id;
    ++ring_count_;
    ++free_count_;
}

}  // namespace mtcp::socket
