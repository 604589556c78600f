// SPDX-License-Identifier: Apache-2.0
// Deadlines of connections: a hierarchical wheel (Varghese and Lauck) of six levels with 64 slots,
// 1.05 ms a tick, 2.2 years in all. A connection has at most one entry and it is lazy: pushing a
// deadline further away costs nothing here, the entry fires early and is put back. One 64-bit map a
// level tells the next slot in use, so idle time costs nothing either.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"
#include "base/cache_line.h"
#include "base/index_pool.h"
#include "base/memory.h"
#include "base/time.h"

namespace mtcp::stack {

class TimerWheel {
  public:
    // Entries are named 0 .. capacity-1. False when the memory is refused.
    [[nodiscard]] bool reserve(std::uint32_t capacity, Pages pages) {
        region_ = Region::map(std::size_t{capacity} * sizeof(Node), pages);
        for (auto& level : heads_)
            level.fill(kNoIndex);
        return region_.data() != nullptr || capacity == 0;
    }
    void start(Instant now) { current_ = tick_of(now); }

    // Makes sure that the entry fires no later than `deadline` (rounded up to a tick). An entry
    // already due earlier is left alone.
    void arm(std::uint32_t entry, Instant deadline) {
        if (deadline == kNever) return;
        const std::uint64_t tick = std::max(tick_of(deadline) + 1, current_ + 1);
        Node& node = nodes()[entry];
        if (node.armed != 0) {
            if (node.tick <= tick) return;  // also when it is about to fire
            unlink(entry);
        }
        node.tick = tick;
        link(entry);
    }
    void disarm(std::uint32_t entry) {
        Node& node = nodes()[entry];
        if (node.armed != 0 && node.armed != kIsAtHand) unlink(entry);
        node.armed = 0;
    }

    void prefetch_entry(std::uint32_t entry) const { prefetch_for_write(nodes() + entry); }

    // Calls fire(entry) for every entry due by `now`; the entry is disarmed before. A few at a
    // time are announced by soon(entry), so that what they need is there when they fire.
    template <typename Soon, typename Fire>
    void advance(Instant now, Soon&& soon, Fire&& fire) {
        const std::uint64_t target = tick_of(now);
        while (current_ < target) {
            const std::uint64_t next = next_tick();
            if (next > target) {
                current_ = target;
                return;
            }
            current_ = next;
            enter(soon, fire);
        }
    }
    // No entry fires before this; kNever when none is armed.
    [[nodiscard]] Instant next_deadline() const {
        const std::uint64_t tick = next_tick();
        return tick == UINT64_MAX ? kNever : Instant{static_cast<std::int64_t>(tick << kTickShift)};
    }

  private:
    static constexpr int kTickShift = 20;  // 2^20 ns
    static constexpr int kSlotBits = 6;
    static constexpr std::size_t kLevels = 6;
    static constexpr std::size_t kExpired = kLevels;  // one more list: due, not yet fired
    static constexpr std::uint64_t kSlotMask = (1u << kSlotBits) - 1;
    static constexpr std::size_t kAtHand = 16;       // entries announced before they fire
    static constexpr std::uint8_t kIsAtHand = 0x80;  // on no list, about to fire

    struct Node {
        std::uint32_t next;
        std::uint32_t previous;  // of the list, or kNoIndex for the head
        std::uint64_t tick;
        std::uint8_t armed;  // level + 1; 0: not armed; or kIsAtHand
        std::uint8_t slot;
    };

    [[nodiscard]] static std::uint64_t tick_of(Instant t) {
        return static_cast<std::uint64_t>(t.ns) >> kTickShift;
    }
    [[nodiscard]] Node* nodes() const { return reinterpret_cast<Node*>(region_.data()); }

    void link(std::uint32_t entry) {
        Node& node = nodes()[entry];
        const std::uint64_t delta = node.tick - current_;
        const int width = 64 - std::countl_zero(delta | 1);
        std::size_t level = static_cast<std::size_t>((width - 1) / kSlotBits);
        std::uint64_t tick = node.tick;
        if (level >= kLevels) {  // beyond the horizon: fires early and is armed again
            level = kLevels - 1;
            tick = current_ + (std::uint64_t{kSlotMask} << (kSlotBits * level));
        }
        const auto slot = static_cast<std::size_t>(tick >> (kSlotBits * level) & kSlotMask);
        put(entry, level, slot);
    }
    void put(std::uint32_t entry, std::size_t level, std::size_t slot) {
        Node& node = nodes()[entry];
        node.armed = static_cast<std::uint8_t>(level + 1);
        node.slot = static_cast<std::uint8_t>(slot);
        node.previous = kNoIndex;
        node.next = heads_[level][slot];
        if (node.next != kNoIndex) nodes()[node.next].previous = entry;
        heads_[level][slot] = entry;
        used_[level] |= std::uint64_t{1} << slot;
    }
    void unlink(std::uint32_t entry) {
        Node& node = nodes()[entry];
        const std::size_t level = node.armed - 1u;
        if (node.previous != kNoIndex) {
            nodes()[node.previous].next = node.next;
        } else {
            heads_[level][node.slot] = node.next;
            if (node.next == kNoIndex) used_[level] &= ~(std::uint64_t{1} << node.slot);
        }
        if (node.next != kNoIndex) nodes()[node.next].previous = node.previous;
        node.armed = 0;
    }
    // The next tick at which the cursor enters a slot in use, on any level.
    [[nodiscard]] std::uint64_t next_tick() const {
        std::uint64_t earliest = UINT64_MAX;
        for (std::size_t level = 0; level < kLevels; ++level) {
            if (used_[level] == 0) continue;
            const std::uint64_t position = current_ >> (kSlotBits * level);
            const auto slot = static_cast<int>(position & kSlotMask);
            const std::uint64_t ahead = std::rotr(used_[level], (slot + 1) & 63);
            const std::uint64_t steps = static_cast<std::uint64_t>(std::countr_zero(ahead)) + 1;
            earliest = std::min(earliest, (position + steps) << (kSlotBits * level));
        }
        return earliest;
    }
    template <typename Soon, typename Fire>
    void enter(Soon&& soon, Fire&& fire) {
        for (std::size_t level = kLevels; level-- > 0;) {
            if ((current_ & ((std::uint64_t{1} << (kSlotBits * level)) - 1)) != 0) continue;
            const auto slot = static_cast<std::size_t>(current_ >> (kSlotBits * level) & kSlotMask);
            std::uint32_t entry = heads_[level][slot];
            heads_[level][slot] = kNoIndex;
            used_[level] &= ~(std::uint64_t{1} << slot);
            // The list is detached whole; entries armed meanwhile go to other slots.
            while (entry != kNoIndex) {
                Node& node = nodes()[entry];
                const std::uint32_t next = node.next;
                if (next != kNoIndex) nodes()[next].previous = kNoIndex;
                node.armed = 0;
                if (node.tick <= current_) {
                    put(entry, kExpired, 0);
                } else {
                    link(entry);
                }
                entry = next;
            }
        }
        // Fired one at a time: `fire` may arm or disarm any entry, also one still in this list.
        std::array<std::uint32_t, kAtHand> at_hand;
        while (heads_[kExpired][0] != kNoIndex) {
            std::size_t count = 0;
            for (; count < kAtHand && heads_[kExpired][0] != kNoIndex; ++count) {
                const std::uint32_t entry = at_hand[count] = heads_[kExpired][0];
                unlink(entry);
                nodes()[entry].armed = kIsAtHand;
                soon(entry);
            }
            for (std::size_t i = 0; i < count; ++i) {
                Node& node = nodes()[at_hand[i]];
                if (node.armed != kIsAtHand) continue;  // disarmed meanwhile
                node.armed = 0;
                fire(at_hand[i]);
            }
        }
    }

    Region region_;
    std::uint64_t current_ = 0;
    std::array<std::array<std::uint32_t, kSlotMask + 1>, kLevels + 1> heads_{};
    std::array<std::uint64_t, kLevels + 1> used_{};
};

}  // namespace mtcp::stack
