// SPDX-License-Identifier: Apache-2.0
// Collecting fragments into datagrams, and giving up on them.
#include "net/reassembly.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/segment.h"

namespace mtcp::net {
namespace {

constexpr std::size_t kBufferSize = 65536;
// The payload of the largest packet (RFC 791: total length is 16 bits).
constexpr std::uint32_t kPayloadMax = wire::kIpv4PacketMax - wire::kIpv4HeaderMin;
constexpr std::uint8_t kNotCapable = 0;  // Not-ECT
constexpr std::uint8_t kCongestionExperienced = 3;
constexpr unsigned kMarkedAmongUncapable = 1u << kNotCapable | 1u << kCongestionExperienced;

std::uint32_t end_of(const Fragment& fragment) {
    return fragment.offset + static_cast<std::uint32_t>(fragment.payload.size());
}

// Illegal by itself, whatever else came.
bool is_bad(const Fragment& fragment) {
    const std::size_t length = fragment.payload.size();
    if (length == 0 || end_of(fragment) > kPayloadMax) return true;
    if (fragment.more == MoreFragments::yes && length % 8 != 0) return true;
    // RFC 1858 §3, §4: a TCP header that is cut hides its ports or flags from filters on the way.
    return fragment.key.protocol == wire::kProtocolTcp &&
           ((fragment.offset == 0 && length < wire::kTcpHeaderMin) ||
            (fragment.offset > 0 && fragment.offset < wire::kTcpHeaderMin));
}

bool bit(const std::array<std::uint64_t, 128>& bits, std::size_t at) {
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

}  // namespace

Reassembly::Reassembly(const Limits& limits, Counters& counters)
    : limits_(limits),
      counters_(&counters),
      region_(Region::map(limits.reassemblies * kBufferSize, Pages::normal)),
      slots_(limits.reassemblies) {}

std::byte* Reassembly::buffer(const Slot& slot) const {
    return region_.data() + static_cast<std::size_t>(&slot - slots_.data()) * kBufferSize;
}

Reassembly::Slot* Reassembly::find(const FragmentKey& key) {
    for (Slot& slot : slots_) {
        const bool open = slot.state == State::collecting || slot.state == State::poisoned;
        if (open && slot.key == key) return &slot;
    }
    return nullptr;
}

Reassembly::Slot* Reassembly::oldest(const wire::IpAddress* source, const Slot* but) {
    Slot* found = nullptr;
    for (Slot& slot : slots_) {
        const bool open = slot.state == State::collecting || slot.state == State::poisoned;
        if (!open || &slot == but || (source != nullptr && slot.key.source != *source)) continue;
        if (found == nullptr || slot.order < found->order) found = &slot;
    }
    return found;
}

std::uint32_t Reassembly::count_of(const wire::IpAddress& source) const {
    return static_cast<std::uint32_t>(
        std::count_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
            const bool open = slot.state == State::collecting || slot.state == State::poisoned;
            return open && slot.key.source == source;
        }));
}

void Reassembly::free(Slot& slot) {
    bytes_ -= slot.bytes;
    slot.bytes = 0;
    slot.state = State::free;
    --used_;
}

void Reassembly::evict(Slot& slot) {
    // What was poisoned was counted then.
    if (slot.state == State::collecting) counters_->drop(Drop::fragment_table_full);
    free(slot);
}

void Reassembly::poison(Slot& slot) {
    bytes_ -= slot.bytes;
    slot.bytes = 0;
    slot.state = State::poisoned;
}

Reassembly::Slot* Reassembly::begin(const Fragment& fragment, Instant now) {
    // The oldest goes, not the new one: fragments of one datagram arrive close together, so who
    // floods the table loses his own, and cannot shut out others by filling it once.
    if (count_of(fragment.key.source) >= limits_.reassemblies_per_source) {
        evict(*oldest(&fragment.key.source, nullptr));
    } else if (used_ == slots_.size()) {
        Slot* victim = oldest(nullptr, nullptr);
        if (victim == nullptr) return nullptr;  // all are lent
        evict(*victim);
    }
    for (Slot& slot : slots_) {
        if (slot.state != State::free) continue;
        slot.key = fragment.key;
        slot.deadline = now + kTimeout;
        slot.order = created_++;
        slot.length = kLengthUnknown;
        slot.highest = 0;
        slot.ecn = slot.ecn_seen = 0;
        slot.interface = fragment.interface;
        slot.header_length = 0;
        slot.state = State::collecting;
        slot.present.fill(0);
        ++used_;
        next_deadline_ = earlier(next_deadline_, slot.deadline);
        return &slot;
    }
    return nullptr;
}

bool Reassembly::agrees_on_length(const Slot& slot, const Fragment& fragment) const {
    const std::uint32_t end = end_of(fragment);
    if (fragment.more == MoreFragments::yes) return end <= slot.length;
    return end >= slot.highest && (slot.length == kLengthUnknown || slot.length == end);
}

Reassembly::Overlap Reassembly::overlap(const Slot& slot, const Fragment& fragment) const {
    const std::size_t first = fragment.offset / kBlock;
    const std::size_t end = (end_of(fragment) + kBlock - 1) / kBlock;
    std::size_t present = 0;
    for (std::size_t block = first; block < end; ++block)
        present += bit(slot.present, block);
    if (present == 0) return Overlap::none;
    const bool same = present == end - first &&
                      std::memcmp(buffer(slot) + fragment.offset, fragment.payload.data(),
                                  fragment.payload.size()) == 0;
    return same ? Overlap::same_bytes : Overlap::different;
}

void Reassembly::store(Slot& slot, const Fragment& fragment) {
    const std::size_t first = fragment.offset / kBlock;
    const std::size_t end = (end_of(fragment) + kBlock - 1) / kBlock;
    for (std::size_t block = first; block < end; ++block) {
        slot.present[block / 64] |= std::uint64_t{1} << (block % 64);
    }
    std::memcpy(buffer(slot) + fragment.offset, fragment.payload.data(), fragment.payload.size());
    slot.bytes += static_cast<std::uint32_t>(fragment.payload.size());
    bytes_ += static_cast<std::uint32_t>(fragment.payload.size());
    slot.highest = std::max(slot.highest, end_of(fragment));
    if (fragment.more == MoreFragments::no) slot.length = end_of(fragment);
    if (fragment.offset == 0) {
        slot.header_length = static_cast<std::uint8_t>(fragment.header.size());
        std::memcpy(slot.header.data(), fragment.header.data(), fragment.header.size());
        if (slot.ecn != kCongestionExperienced) slot.ecn = fragment.ecn;
    }
    slot.ecn_seen |= static_cast<std::uint8_t>(1u << fragment.ecn);
    // RFC 3168 §5.3: a mark on any fragment is a mark on the datagram.
    if (fragment.ecn == kCongestionExperienced) slot.ecn = kCongestionExperienced;
}

Reassembly::Added Reassembly::drop(Drop reason) {
    counters_->drop(reason);
    return Added::dropped;
}

Reassembly::Added Reassembly::add(const Fragment& fragment, Instant now, Datagram& datagram) {
    if (is_bad(fragment)) return drop(Drop::fragment_bad);
    Slot* slot = find(fragment.key);
    if (slot == nullptr) slot = begin(fragment, now);
    if (slot == nullptr) return drop(Drop::fragment_table_full);
    // Kept until its time is over, so that later fragments do not begin a datagram that never ends.
    if (slot->state == State::poisoned) return drop(Drop::fragment_overlap);

    const Overlap found =
        agrees_on_length(*slot, fragment) ? overlap(*slot, fragment) : Overlap::different;
    if (found == Overlap::same_bytes) return drop(Drop::fragment_duplicate);
    if (found == Overlap::different) {
        poison(*slot);
        return drop(Drop::fragment_overlap);
    }
    while (bytes_ + fragment.payload.size() > limits_.reassembly_bytes) {
        Slot* victim = oldest(nullptr, slot);
        if (victim == nullptr) {
            poison(*slot);
            return drop(Drop::fragment_table_full);
        }
        evict(*victim);
    }
    store(*slot, fragment);
    if (slot->bytes != slot->length) return Added::held;
    // RFC 3168 §5.3, as Linux: does the sender heed marks? Not to be told, and not to be guessed.
    if ((slot->ecn_seen & kMarkedAmongUncapable) == kMarkedAmongUncapable) {
        free(*slot);
        return drop(Drop::fragment_bad);
    }

    slot->state = State::lent;
    ++lent_;
    ++counters_->fragments_reassembled;
    datagram = Datagram{
        {slot->header.data(), slot->header_length}, {buffer(*slot), slot->length}, slot->ecn};
    return Added::complete;
}

void Reassembly::take_back_lent() {
    if (lent_ == 0) return;
    for (Slot& slot : slots_) {
        if (slot.state == State::lent) free(slot);
    }
    lent_ = 0;
}

bool Reassembly::expired(Instant now, TimedOut& out) {
    next_deadline_ = kNever;
    for (Slot& slot : slots_) {
        const bool open = slot.state == State::collecting || slot.state == State::poisoned;
        if (!open) continue;
        if (now < slot.deadline) {
            next_deadline_ = earlier(next_deadline_, slot.deadline);
            continue;
        }
        const bool collecting = slot.state == State::collecting;
        if (collecting) counters_->drop(Drop::fragment_timeout);
        free(slot);
        if (!collecting || slot.header_length == 0) continue;
        std::size_t blocks = 0;
        while (blocks < kBlocksMax && bit(slot.present, blocks))
            ++blocks;
        const std::size_t length = std::min<std::size_t>(blocks * kBlock, slot.highest);
        out = TimedOut{slot.interface,
                       slot.key,
                       {slot.header.data(), slot.header_length},
                       {buffer(slot), length}};
        next_deadline_ = now;  // until the caller has come again
        return true;
    }
    return false;
}

}  // namespace mtcp::net
