// SPDX-License-Identifier: Apache-2.0
// The order in which ids are given out.
#include "socket/descriptor_table.h"

#include <new>

#include "base/assert.h"

namespace mtcp::socket {

bool DescriptorTable::reserve(std::uint32_t capacity, Pages pages) {
    hot_ = Region::map(std::size_t{capacity} * sizeof(Descriptor), pages);
    free_ = Region::map(std::size_t{capacity} * sizeof(std::uint32_t), pages);
    // Each id has one of its own at most, and hands down another; and there is the fresh one.
    const std::uint32_t records = 2 * capacity + 1;
    if (hot_.data() == nullptr || free_.data() == nullptr || !details_.reserve(records))
        return false;
    static_assert(static_cast<int>(DescriptorKind::unused) == 0, "zeroed memory is unused ids");
    capacity_ = free_count_ = capacity;
    fresh_ = new_details({});
    return true;
}

std::uint32_t DescriptorTable::new_details(const DescriptorDetails& value) {
    const std::uint32_t index = details_.take();
    MTCP_ASSERT(index != kNoIndex);
    DescriptorDetails& record = *new (&details_[index]) DescriptorDetails(value);
    record.handed_down = kNoIndex;
    record.references = 1;
    return index;
}

void DescriptorTable::let_go(std::uint32_t options) {
    DescriptorDetails& record = details_[options];
    if (--record.references != 0) return;
    if (record.handed_down != kNoIndex) let_go(record.handed_down);
    details_.give_back(options);
}

void DescriptorTable::share(Descriptor& d, std::uint32_t options) {
    ++details_[options].references;
    if (d.options != kNoIndex) let_go(d.options);
    d.options = options;
}

DescriptorDetails& DescriptorTable::own_details(Descriptor& d) {
    if (details_[d.options].references != 1) {
        const std::uint32_t own = new_details(details_[d.options]);
        let_go(d.options);
        d.options = own;
    }
    DescriptorDetails& record = details_[d.options];
    // What was handed down is as the options were.
    if (record.handed_down != kNoIndex) let_go(record.handed_down);
    record.handed_down = kNoIndex;
    return record;
}

void DescriptorTable::inherit(Descriptor& listener, Descriptor& d) {
    if (details_[listener.options].handed_down == kNoIndex) {
        DescriptorDetails& from = own_details(listener);
        DescriptorDetails to;
        to.settings = from.settings;
        to.receive_timeout_ns = from.receive_timeout_ns;
        to.send_timeout_ns = from.send_timeout_ns;
        to.linger_s = from.linger_s;
        to.linger2_s = from.linger2_s;
        to.reuse_address = from.reuse_address;
        to.reuse_port = from.reuse_port;
        to.zero_copy = from.zero_copy;
        to.reports_inq = from.reports_inq;
        to.broadcast = from.broadcast;
        to.priority = from.priority;
        to.mark = from.mark;
        to.busy_poll_us = from.busy_poll_us;
        to.not_sent_low_water = from.not_sent_low_water;
        to.receive_buffer_set = from.receive_buffer_set;
        to.window_clamp = from.window_clamp;
        from.handed_down = new_details(to);
    }
    share(d, details_[listener.options].handed_down);
}

void DescriptorTable::set_defaults(const tcp::Settings& settings) {
    DescriptorDetails value;
    value.settings = settings;
    let_go(fresh_);
    fresh_ = new_details(value);
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
        // Of the next, which was closed as long ago, nothing is in the cache any more.
        if (--ring_count_ != 0) prefetch_for_write(&hot()[free_ids()[free_head_]]);
    }
    --free_count_;
    ++used_;
    Descriptor& d = *new (&hot()[id]) Descriptor{};
    d.options = fresh_;
    ++details_[fresh_].references;
    d.kind = kind;
    return id;
}

void DescriptorTable::retire(std::uint32_t id) {
    MTCP_DEBUG_ASSERT(hot()[id].kind != DescriptorKind::unused);
    hot()[id].kind = DescriptorKind::unused;
    let_go(hot()[id].options);
    --used_;
}

void DescriptorTable::recycle(std::uint32_t id) {
    const std::uint32_t tail = free_head_ + ring_count_;
    free_ids()[tail >= capacity_ ? tail - capacity_ : tail] = id;
    ++ring_count_;
    ++free_count_;
}

}  // namespace mtcp::socket
