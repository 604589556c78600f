// SPDX-License-Identifier: Apache-2.0
// From a 4-tuple to the record that holds its state: open addressing with linear probing and
// backward-shift deletion (no tombstones), 8 bytes an entry. The table stores the hash and a
// reference; the key is compared in the record itself, so a lookup that misses touches no record.
//
// The hash is keyed with a secret of the core: a stranger cannot aim tuples at one bucket.
#pragma once

#include <cstdint>
#include <cstring>

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
    std::uint64_t word[4];
    std::uint32_t ports;
    const auto* bytes = reinterpret_cast<const std::byte*>(&key);
    std::memcpy(word, bytes, sizeof word);
    std::memcpy(&ports, bytes + sizeof word, sizeof ports);
    const auto fold = [](std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = Wide{a} * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    const std::uint64_t low = fold(word[0] ^ secret.k0, word[1] ^ secret.k1 ^ ports);
    const std::uint64_t high = fold(word[2] ^ secret.k1 ^ ports, word[3] ^ secret.k0);
    const std::uint64_t mixed = fold(low ^ secret.k1, high ^ ports ^ 0x9e3779b97f4a7c15u);
    return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
}

class FlowTable {
  public:
    // Room for `records` at a load of at most one half. False when the memory is refused.
    [[nodiscard]] bool reserve(std::uint64_t records, Pages pages) {
        std::uint64_t slots = 16;
        while (slots < records * 2)
            slots *= 2;
        region_ = Region::map(slots * sizeof(Entry), pages);
        mask_ = static_cast<std::uint32_t>(slots - 1);
        return region_.data() != nullptr;
    }

    void prefetch_bucket(std::uint32_t hash) const { prefetch(entries() + (hash & mask_)); }

    // `same(FlowRef)` compares the key in the record.
    template <typename Same>
    [[nodiscard]] FlowRef find(std::uint32_t hash, Same&& same) const {
        const Entry* table = entries();
        for (std::uint32_t at = hash & mask_; table[at].ref.valid(); at = (at + 1) & mask_) {
            if (table[at].hash == hash && same(table[at].ref)) return table[at].ref;
        }
        return {};
    }
    // The first record whose hash matches, for prefetching before the keys are compared.
    [[nodiscard]] FlowRef guess(std::uint32_t hash) const {
        const Entry* table = entries();
        for (std::uint32_t at = hash & mask_; table[at].ref.valid(); at = (at + 1) & mask_) {
            if (table[at].hash == hash) return table[at].ref;
        }
        return {};
    }

    void insert(std::uint32_t hash, FlowRef ref) {
        Entry* table = entries();
        std::uint32_t at = hash & mask_;
        while (table[at].ref.valid())
            at = (at + 1) & mask_;
        table[at] = {hash, ref};
        ++size_;
    }
    void replace(std::uint32_t hash, FlowRef from, FlowRef to) {
        entries()[locate(hash, from)].ref = to;
    }
    void erase(std::uint32_t hash, FlowRef ref) {
        Entry* table = entries();
        std::uint32_t hole = locate(hash, ref);
        --size_;
        for (std::uint32_t at = (hole + 1) & mask_; table[at].ref.valid(); at = (at + 1) & mask_) {
            // An entry may move back into the hole unless its home lies behind the hole.
            const std::uint32_t home = table[at].hash & mask_;
            if (((at - home) & mask_) >= ((at - hole) & mask_)) {
                table[hole] = table[at];
                hole = at;
            }
        }
        table[hole] = {};
    }
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    struct Entry {
        std::uint32_t hash = 0;
        FlowRef ref;
    };
    static_assert(sizeof(Entry) == 8);

    [[nodiscard]] Entry* entries() const { return reinterpret_cast<Entry*>(region_.data()); }
    [[nodiscard]] std::uint32_t locate(std::uint32_t hash, FlowRef ref) const {
        const Entry* table = entries();
        std::uint32_t at = hash & mask_;
        while (!(table[at].ref == ref)) {
            MTCP_ASSERT(table[at].ref.valid());
            at = (at + 1) & mask_;
        }
        return at;
    }

    Region region_;
    std::uint32_t mask_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace mtcp::stack
