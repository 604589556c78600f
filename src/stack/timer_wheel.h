// SPDX-License-Identifier: Apache-2.0
// Deadlines of connections: a hierarchical wheel (Varghese and Lauck) of six levels with 64 slots,
// 1.05 ms a tick, 2.2 years in all. One 64-bit map a level tells the next slot in use, so idle time
// costs nothing.
//
// The wheel is lazy: an entry has one place on it, and a deadline that is pushed further away, or
// dropped, is one store; the wheel looks at it where it stands and puts it further on or forgets
// it. Among a million connections it is memory that costs, so a slot is not a list through the
// entries but blocks full of their numbers, one cache line each: those that will be looked at next
// are known and asked for, and a look touches eight bytes of an entry, and nothing of its
// connection.
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
#include "tcp/clock.h"

namespace mtcp::stack {

class TimerWheel {
  public:
    // The wheel looks at an entry this soon after it was put there, whatever its deadline: most
    // timers of a short exchange are armed later, expire later, and then cost a store.
    static constexpr Duration kFirstLook = milliseconds(40);

    // Entries are named 0 .. capacity-1. False when the memory is refused.
    [[nodiscard]] bool reserve(std::uint32_t capacity, Pages pages) {
        // All blocks of a slot but the first are full.
        const std::uint32_t blocks = capacity / kBlockEntries + kSlots + 1;
        entries_ = Region::map(std::size_t{capacity} * sizeof(Entry), pages);
        slots_of_blocks_ = Region::map(std::size_t{blocks} * sizeof(std::uint16_t), Pages::normal);
        return (entries_.data() != nullptr || capacity == 0) &&
               slots_of_blocks_.data() != nullptr && blocks_.reserve(blocks, pages);
    }
    void start(Instant now) { current_ = tick_of(now); }

    // The entry is due at `at_ms` (of the caller's clock, modulo 2^32) instead of what was said
    // before. Answers until when the wheel surely has not looked at it again: what the next call
    // wants as `look_ms`. Mostly the wheel looks soon enough, and all is one store.
    [[nodiscard]] std::uint32_t update(std::uint32_t entry, std::uint32_t at_ms,
                                       std::uint32_t look_ms, Instant now) {
        Entry& e = entries()[entry];
        e.due_ms = at_ms == kNotDue ? at_ms + 1 : at_ms;
        // Once it has looked, it looks again when the entry was due then: that may be too late now.
        const bool has_looked = static_cast<std::int32_t>(look_ms - tcp::to_ms(now)) <= 0;
        const bool is_late = static_cast<std::int32_t>(at_ms - look_ms) < 0;
        return e.place == kNowhere || has_looked || is_late ? put(entry, now) : look_ms;
    }
    // The entry is not due any more.
    void clear(std::uint32_t entry) { entries()[entry].due_ms = kNotDue; }

    void prefetch_entry(std::uint32_t entry) const { prefetch_for_write(entries() + entry); }

    // Calls fire(entry) for every entry due by `now`; it is not on the wheel then. A few at a time
    // are announced by soon(entry), so that what they need is there when they fire.
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
            for (std::size_t level = kLevels; level-- > 0;) {
                if ((current_ & ((std::uint64_t{1} << (kSlotBits * level)) - 1)) != 0) continue;
                look_at_all(level << kSlotBits | (current_ >> (kSlotBits * level) & kSlotMask), now,
                            soon, fire);
            }
        }
    }
    // The wheel looks at no entry before this; kNever when there is none.
    [[nodiscard]] Instant next_deadline() const {
        const std::uint64_t tick = next_tick();
        return tick == UINT64_MAX ? kNever : instant_of(tick);
    }

  private:
    static constexpr int kTickShift = 20;  // 2^20 ns
    static constexpr int kSlotBits = 6;
    static constexpr std::size_t kLevels = 6;
    static constexpr std::size_t kSlots = kLevels << kSlotBits;
    static constexpr std::uint64_t kSlotMask = (1u << kSlotBits) - 1;
    static constexpr std::uint32_t kBlockEntries = 15;
    static constexpr std::size_t kLookedAt = 16;  // entries that are announced together
    static constexpr std::uint32_t kNotDue = 0;
    // Places: a block's index and a position in it plus one, or
    static constexpr std::uint32_t kNowhere = 0;
    static constexpr std::uint32_t kAtHand = UINT32_MAX;  // taken off, about to be looked at

    struct Entry {
        std::uint32_t place;
        std::uint32_t due_ms;
    };
    struct alignas(kCacheLine) Block {
        std::uint32_t below;  // the next block of the slot, full; kNoIndex: none
        std::array<std::uint32_t, kBlockEntries> entries;
    };
    static_assert(sizeof(Block) == kCacheLine);
    struct Slot {
        std::uint32_t block = kNoIndex;  // the one that is not full, or the last one that is
        std::uint32_t count = 0;         // entries in it
    };

    [[nodiscard]] static std::uint64_t tick_of(Instant t) {
        return static_cast<std::uint64_t>(t.ns) >> kTickShift;
    }
    [[nodiscard]] static Instant instant_of(std::uint64_t tick) {
        return Instant{static_cast<std::int64_t>(tick << kTickShift)};
    }
    [[nodiscard]] static std::uint32_t ms_of(std::uint64_t tick) {
        return tcp::to_ms(instant_of(tick));
    }
    // The first tick that begins after the entry is due.
    [[nodiscard]] static std::uint64_t due_tick(const Entry& entry, Instant now) {
        const std::uint64_t now_ms = static_cast<std::uint64_t>(now.ns) / 1'000'000;
        const auto ahead =
            static_cast<std::int32_t>(entry.due_ms - static_cast<std::uint32_t>(now_ms));
        const auto at_ms = static_cast<std::int64_t>(now_ms) + ahead;
        return tick_of(Instant{at_ms * 1'000'000}) + 1;
    }
    // Sees to it that the wheel looks at the entry no later than it is due, and says when it does.
    std::uint32_t put(std::uint32_t entry, Instant now) {
        const Entry& e = entries()[entry];
        if (e.place == kAtHand) return ms_of(current_);  // at once, and puts it where it belongs
        const std::uint64_t due = std::max(due_tick(e, now), current_ + 1);
        if (e.place == kNowhere) {
            return ms_of(link(entry, std::min(due, tick_of(now + kFirstLook) + 1)));
        }
        const std::uint64_t look = tick_of_slot(slot_of(e.place));
        if (look <= due) return ms_of(look);
        take_off(entry);
        return ms_of(link(entry, due));
    }
    [[nodiscard]] Entry* entries() const { return reinterpret_cast<Entry*>(entries_.data()); }
    [[nodiscard]] std::uint16_t& slot_of_block(std::uint32_t block) const {
        return reinterpret_cast<std::uint16_t*>(slots_of_blocks_.data())[block];
    }
    [[nodiscard]] std::size_t slot_of(std::uint32_t place) const {
        return slot_of_block(place >> 4);
    }

    // When the cursor enters a slot next.
    [[nodiscard]] std::uint64_t tick_of_slot(std::size_t slot) const {
        const std::size_t level = slot >> kSlotBits;
        const std::uint64_t position = current_ >> (kSlotBits * level);
        const std::uint64_t steps = (slot - position - 1) & kSlotMask;
        return (position + steps + 1) << (kSlotBits * level);
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

    // Returns when the wheel will look: a slot of a higher level comes early.
    std::uint64_t link(std::uint32_t entry, std::uint64_t tick) {
        const std::uint64_t delta = tick - current_;
        const int width = 64 - std::countl_zero(delta | 1);
        std::size_t level = static_cast<std::size_t>((width - 1) / kSlotBits);
        if (level >= kLevels) {  // beyond the horizon: looked at early, and put on again
            level = kLevels - 1;
            tick = current_ + (std::uint64_t{kSlotMask} << (kSlotBits * level));
        }
        const std::uint64_t position = tick >> (kSlotBits * level);
        const std::uint64_t in_level = position & kSlotMask;
        const std::size_t number = level << kSlotBits | in_level;
        Slot& slot = slots_[number];
        if (slot.block == kNoIndex || slot.count == kBlockEntries) {
            const std::uint32_t block = blocks_.take();
            MTCP_ASSERT(block != kNoIndex);
            blocks_[block].below = slot.block;
            slot_of_block(block) = static_cast<std::uint16_t>(number);
            slot = {block, 0};
            used_[level] |= std::uint64_t{1} << in_level;
        }
        blocks_[slot.block].entries[slot.count++] = entry;
        entries()[entry].place = slot.block << 4 | slot.count;
        return position << (kSlotBits * level);
    }
    // The entry that was put into the slot last goes.
    std::uint32_t take_last(std::size_t number) {
        Slot& slot = slots_[number];
        const std::uint32_t block = slot.block;
        const std::uint32_t entry = blocks_[block].entries[--slot.count];
        if (slot.count == 0) {
            slot = {blocks_[block].below, kBlockEntries};
            blocks_.give_back(block);
            if (slot.block == kNoIndex) {
                used_[number >> kSlotBits] &= ~(std::uint64_t{1} << (number & kSlotMask));
            } else {
                prefetch_for_write(&blocks_[slot.block]);
            }
        }
        return entry;
    }
    // The last one of the slot moves into the gap.
    void take_off(std::uint32_t entry) {
        const std::uint32_t place = entries()[entry].place;
        const std::uint32_t last = take_last(slot_of(place));
        entries()[entry].place = kNowhere;
        if (last == entry) return;
        blocks_[place >> 4].entries[(place & 15) - 1] = last;
        entries()[last].place = place;
    }

    // A few at a time: taken off and asked for, announced, and only then put further on, forgotten,
    // or fired. `fire` may store, put or clear any entry, also one of these.
    template <typename Soon, typename Fire>
    void look_at_all(std::size_t slot, Instant now, Soon&& soon, Fire&& fire) {
        std::array<std::uint32_t, kLookedAt> at_hand;
        while (slots_[slot].block != kNoIndex) {
            std::size_t count = 0;
            for (; count < kLookedAt && slots_[slot].block != kNoIndex; ++count) {
                at_hand[count] = take_last(slot);
                prefetch_entry(at_hand[count]);
            }
            for (std::size_t i = 0; i < count; ++i) {
                Entry& entry = entries()[at_hand[i]];
                entry.place = kAtHand;
                if (entry.due_ms != kNotDue && due_tick(entry, now) <= current_) soon(at_hand[i]);
            }
            for (std::size_t i = 0; i < count; ++i) {
                Entry& entry = entries()[at_hand[i]];
                entry.place = kNowhere;
                if (entry.due_ms == kNotDue) continue;
                const std::uint64_t due = due_tick(entry, now);
                if (due > current_) {
                    static_cast<void>(link(at_hand[i], due));
                } else {
                    fire(at_hand[i]);
                }
            }
        }
    }

    Region entries_;
    Region slots_of_blocks_;
    IndexPool<Block> blocks_;
    std::uint64_t current_ = 0;
    std::array<Slot, kSlots> slots_{};
    std::array<std::uint64_t, kLevels> used_{};
};

}  // namespace mtcp::stack
