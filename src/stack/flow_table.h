// SPDX-License-Identifier: Apache-2.0
// From a 4-tuple to the record that holds its state: open addressing with linear probing and
// backward-shift deletion (no tombstones), 8 bytes an entry. The table stores the hash and a
// reference; the key is compared in the record itself, so a lookup that misses touches no record.
//
// It doubles without a pause: the old table stays beside the new one, and every insertion moves a
// few of its slots, in order, which makes two orderly streams in the new one. Until that is done a
// lookup that finds nothing in the new table looks into the old one.
//
// The hash is keyed with a secret of the core: a stranger cannot aim tuples at one bucket.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "base/cache_line.h"
#include "base/memory.h"
#include "base/random.h"
#include "wire/ip_address.h"

namespace mtcp::stack {

enum class RecordKind : std::uint8_t { connection, half_open, time_wait };

// Names a record: its kind and its index in that kind's pool.
struct FlowRef {
    std::uint32_t bits = 0;

    static constexpr std::uint32_t kIndexMask = 0x3fff'ffff;
    [[nodiscard]] static constexpr FlowRef make(RecordKind kind, std::uint32_t index) {
        return {(static_cast<std::uint32_t>(kind) + 1) << 30 | index};
    }
    [[nodiscard]] constexpr bool valid() const { return bits != 0; }
    [[nodiscard]] constexpr RecordKind kind() const {
        return static_cast<RecordKind>((bits >> 30) - 1);
    }
    [[nodiscard]] constexpr std::uint32_t index() const { return bits & kIndexMask; }
    friend constexpr bool operator==(FlowRef, FlowRef) = default;
};

// Keyed multiply-and-fold over the 36 bytes of the tuple.
[[nodiscard]] inline std::uint32_t flow_hash(const SecretKey& secret, const wire::FlowKey& key) {
    const std::uint32_t ports = key.ports_word();
    const auto fold = [](std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = Wide{a} * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    const std::uint64_t low =
        fold(key.address_word(0) ^ secret.k0, key.address_word(1) ^ secret.k1 ^ ports);
    const std::uint64_t high =
        fold(key.address_word(2) ^ secret.k1 ^ ports, key.address_word(3) ^ secret.k0);
    const std::uint64_t mixed = fold(low ^ secret.k1, high ^ ports ^ 0x9e3779b97f4a7c15u);
    return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
}

class FlowTable {
  public:
    // Slots of the old table that an insertion moves while the table grows, or more, to the end of
    // a run of used ones.
    static constexpr std::uint32_t kMovedAtOnce = 8;

    // Room for `records`. Takes address space; memory follows the records that there are. False
    // when it is refused.
    [[nodiscard]] bool reserve(std::uint64_t records, Pages pages) {
        std::uint64_t slots = kSlotsMin;
        while (most_of(slots) < records)
            slots *= 2;
        slots_max_ = static_cast<std::uint32_t>(slots);
        // A table of n slots lies n entries from the beginning: each size has a place of its own.
        region_ = Region::map(2 * slots * sizeof(Entry), pages);
        young_ = table_of(kSlotsMin);
        return region_.data() != nullptr;
    }

    void prefetch_bucket(std::uint32_t hash) const {
        prefetch(young_.slots + (hash & young_.mask));
        if (growing()) prefetch(old_.slots + (hash & old_.mask));
    }

    // `same(FlowRef)` compares the key in the record.
    template <typename Same>
    [[nodiscard]] FlowRef find(std::uint32_t hash, Same&& same) const {
        if (const FlowRef ref = find_in(young_, hash, same); ref.valid() || !growing()) return ref;
        return find_in(old_, hash, same);
    }
    // The first record whose hash matches, for prefetching before the keys are compared.
    [[nodiscard]] FlowRef guess(std::uint32_t hash) const {
        return find(hash, [](FlowRef) { return true; });
    }

    // Never more than the records that reserve() was told of.
    void insert(std::uint32_t hash, FlowRef ref) {
        if (size_ == most_of(slots()) && slots() != slots_max_) begin_to_grow();
        grow_on();
        put(young_, hash, ref);
        ++size_;
    }
    void replace(std::uint32_t hash, FlowRef from, FlowRef to) {
        locate(hash, from).slot->ref = to;
    }
    void erase(std::uint32_t hash, FlowRef ref) {
        const Place place = locate(hash, ref);
        Entry* const table = place.table.slots;
        const std::uint32_t mask = place.table.mask;
        auto hole = static_cast<std::uint32_t>(place.slot - table);
        --size_;
        for (std::uint32_t at = (hole + 1) & mask; table[at].ref.valid(); at = (at + 1) & mask) {
            // An entry may move back into the hole unless its home lies behind the hole.
            const std::uint32_t home = table[at].hash & mask;
            if (((at - home) & mask) >= ((at - hole) & mask)) {
                table[hole] = table[at];
                hole = at;
            }
        }
        table[hole] = {};
    }
    // A step of the growth that is under way, if any: once a turn, so that it ends though nothing
    // is inserted any more.
    void grow_on() {
        if (growing()) move_some();
    }

    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::uint32_t slots() const { return young_.mask + 1; }
    [[nodiscard]] bool growing() const { return old_.slots != nullptr; }
    // The most slots that one step of growth has looked at so far.
    [[nodiscard]] std::uint32_t longest_step() const { return longest_step_; }

  private:
    struct Entry {
        std::uint32_t hash = 0;
        FlowRef ref;
    };
    static_assert(sizeof(Entry) == 8);
    struct Table {
        Entry* slots = nullptr;
        std::uint32_t mask = 0;
    };
    struct Place {
        Table table;
        Entry* slot;
    };
    static constexpr std::uint32_t kSlotsMin = 512;  // a page
    static constexpr std::uint32_t kSlotsOfAPiece = (2u << 20) / sizeof(Entry);

    // At five eighths a lookup that finds nothing looks at four slots, most in one cache line.
    [[nodiscard]] static std::uint64_t most_of(std::uint64_t slots) { return slots / 8 * 5; }
    [[nodiscard]] Table table_of(std::uint32_t slots) const {
        return {reinterpret_cast<Entry*>(region_.data()) + slots, slots - 1};
    }

    template <typename Same>
    [[nodiscard]] static FlowRef find_in(const Table& table, std::uint32_t hash, Same& same) {
        for (std::uint32_t at = hash & table.mask; table.slots[at].ref.valid();
             at = (at + 1) & table.mask) {
            if (table.slots[at].hash == hash && same(table.slots[at].ref))
                return table.slots[at].ref;
        }
        return {};
    }
    static void put(const Table& table, std::uint32_t hash, FlowRef ref) {
        std::uint32_t at = hash & table.mask;
        while (table.slots[at].ref.valid())
            at = (at + 1) & table.mask;
        table.slots[at] = {hash, ref};
    }
    [[nodiscard]] Place locate(std::uint32_t hash, FlowRef ref) const {
        for (const Table& table : {young_, old_}) {
            MTCP_ASSERT(table.slots != nullptr);
            for (std::uint32_t at = hash & table.mask; table.slots[at].ref.valid();
                 at = (at + 1) & table.mask) {
                if (table.slots[at].ref == ref) return {table, table.slots + at};
            }
        }
        MTCP_ASSERT(false);
        return {};
    }

    void begin_to_grow() {
        while (growing())  // a growth has ended long before the next begins
            move_some();
        old_ = young_;
        young_ = table_of(2 * slots());
        next_ = 0;
        while (old_.slots[next_].ref.valid())
            ++next_;
        left_ = old_.mask + 1;
    }
    // Stops at free slots only, so that no run of used ones is ever in part here and in part there:
    // what probing would find in the old table it still finds.
    void move_some() {
        std::uint32_t step = 0;
        for (; left_ != 0; ++step, --left_, next_ = (next_ + 1) & old_.mask) {
            Entry& entry = old_.slots[next_];
            if (entry.ref.valid()) {
                put(young_, entry.hash, entry.ref);
                entry = {};
            } else if (step >= kMovedAtOnce) {
                break;
            }
            // The first piece is not empty before the end: growth began in the midst of it.
            if (next_ % kSlotsOfAPiece == 0 && next_ > kSlotsOfAPiece) {
                release(next_ - kSlotsOfAPiece, kSlotsOfAPiece);
            }
        }
        longest_step_ = std::max(longest_step_, step);
        if (left_ != 0) return;
        // Smaller tables share a huge page with one another.
        if (old_.mask + 1 >= kSlotsOfAPiece) {
            release(0, kSlotsOfAPiece);
            release(old_.mask + 1 - kSlotsOfAPiece, kSlotsOfAPiece);
        }
        old_ = {};
    }
    void release(std::uint32_t first, std::uint32_t count) {
        const std::byte* const from = reinterpret_cast<const std::byte*>(old_.slots + first);
        region_.release(static_cast<std::size_t>(from - region_.data()), count * sizeof(Entry));
    }

    Region region_;
    Table young_;
    Table old_;               // while growing
    std::uint32_t next_ = 0;  // of the old table's slots: to be moved next; it is free
    std::uint32_t left_ = 0;  // slots of the old table not looked at yet
    std::uint32_t slots_max_ = 0;
    std::uint32_t longest_step_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace mtcp::stack
