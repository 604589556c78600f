// SPDX-License-Identifier: Apache-2.0
// The small tables that all cores of a process read, and only when a lookup misses: flows that
// cannot live on the core that owner_of() names, which cores listen on a port, and which cores run.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>

#include "stack/configuration.h"
#include "wire/ip_address.h"

namespace mtcp::stack {

// Flows bound before connect, or accepted by a core that does not own them. An entry is one word: a
// 56-bit hash of the tuple and the core. Open addressing; a full table refuses.
class FlowExceptions {
  public:
    static constexpr std::size_t kSlots = 65'536;

    [[nodiscard]] bool insert(std::uint64_t hash, std::size_t core) {
        const std::uint64_t entry = pack(hash, core);
        for (std::size_t i = 0; i < kProbes; ++i) {
            std::atomic<std::uint64_t>& slot = slots_[(hash + i) % kSlots];
            std::uint64_t seen = slot.load(std::memory_order_relaxed);
            if (seen == 0 && slot.compare_exchange_strong(seen, entry, std::memory_order_acq_rel)) {
                used_.fetch_add(1, std::memory_order_release);
                return true;
            }
        }
        return false;
    }
    void erase(std::uint64_t hash, std::size_t core) {
        const std::uint64_t entry = pack(hash, core);
        for (std::size_t i = 0; i < kProbes; ++i) {
            std::uint64_t expected = entry;
            if (slots_[(hash + i) % kSlots].compare_exchange_strong(expected, 0)) {
                used_.fetch_sub(1, std::memory_order_release);
                return;
            }
        }
    }
    // The core that holds the flow, or kCoresMax.
    [[nodiscard]] std::size_t find(std::uint64_t hash) const {
        if (used_.load(std::memory_order_acquire) == 0) return kCoresMax;
        for (std::size_t i = 0; i < kProbes; ++i) {
            const std::uint64_t seen = slots_[(hash + i) % kSlots].load(std::memory_order_acquire);
            if (seen >> 8 == (hash & kHashMask) && seen != 0) return (seen & 0xff) - 1;
        }
        return kCoresMax;
    }

  private:
    static constexpr std::size_t kProbes = 16;
    static constexpr std::uint64_t kHashMask = (std::uint64_t{1} << 56) - 1;
    [[nodiscard]] static std::uint64_t pack(std::uint64_t hash, std::size_t core) {
        return (hash & kHashMask) << 8 | (core + 1);
    }
    std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
    std::atomic<std::uint64_t> used_{0};
};

// One bit a core for every port, and for every address and port that somebody has bound to: who
// listens at just that address goes before all who listen at any, as on Linux.
class ListeningCores {
  public:
    void add(const wire::Endpoint& where, std::size_t core) {
        cores_of(where).fetch_or(std::uint64_t{1} << core, std::memory_order_acq_rel);
    }
    void remove(const wire::Endpoint& where, std::size_t core) {
        cores_of(where).fetch_and(~(std::uint64_t{1} << core), std::memory_order_acq_rel);
    }
    // Does anybody take new flows to this address of ours?
    [[nodiscard]] bool any(const wire::Endpoint& to) const { return cores_for(to) != 0; }
    // The core that takes a new flow to `to`: its owner when that one listens, else one of those
    // that do, chosen by the flow's hash; kCoresMax when none does.
    [[nodiscard]] std::size_t choose(const wire::Endpoint& to, std::size_t owner,
                                     std::uint32_t hash) const {
        std::uint64_t set = cores_for(to);
        if ((set >> owner & 1) != 0) return owner;
        if (set == 0) return kCoresMax;
        for (int skip = static_cast<int>(hash % static_cast<unsigned>(std::popcount(set)));
             skip > 0; --skip) {
            set &= set - 1;
        }
        return static_cast<std::size_t>(std::countr_zero(set));
    }

  private:
    // Open addressing; an entry stays for the next who binds there.
    static constexpr std::size_t kSlots = 16384;
    static constexpr std::size_t kProbes = 16;
    struct Bound {
        std::atomic<std::uint64_t> key{0};  // 0: free
        std::atomic<std::uint64_t> cores{0};
    };

    // Tells all of IPv4 apart.
    [[nodiscard]] static std::uint64_t key_of(const wire::Endpoint& where) {
        std::uint64_t words[2];
        std::memcpy(words, where.address.octet.data(), sizeof words);
        const std::uint64_t folded = words[0] ^ words[1];
        return (folded >> 32 ^ (folded & 0xffff)) << 16 | where.port;
    }
    [[nodiscard]] static std::size_t slot_of(std::uint64_t key, std::size_t probe) {
        return ((key * 0x9e37'79b9'7f4a'7c15u >> 32) + probe) % kSlots;
    }
    [[nodiscard]] std::atomic<std::uint64_t>& cores_of(const wire::Endpoint& where) {
        if (where.address.is_unspecified()) return any_address_[where.port];
        const std::uint64_t key = key_of(where);
        for (std::size_t i = 0; i < kProbes; ++i) {
            Bound& bound = bound_[slot_of(key, i)];
            std::uint64_t seen = bound.key.load(std::memory_order_acquire);
            if (seen == 0 && bound.key.compare_exchange_strong(seen, key)) return bound.cores;
            if (seen == key) return bound.cores;
        }
        return any_address_[where.port];  // no room: as if it were bound to none
    }
    [[nodiscard]] std::uint64_t cores_for(const wire::Endpoint& to) const {
        const std::uint64_t key = key_of(to);
        for (std::size_t i = 0; i < kProbes; ++i) {
            const Bound& bound = bound_[slot_of(key, i)];
            const std::uint64_t seen = bound.key.load(std::memory_order_acquire);
            if (seen == 0) break;
            if (seen != key) continue;
            const std::uint64_t cores = bound.cores.load(std::memory_order_acquire);
            if (cores != 0) return cores;
            break;
        }
        return any_address_[to.port].load(std::memory_order_acquire);
    }

    std::array<std::atomic<std::uint64_t>, 65536> any_address_{};
    std::array<Bound, kSlots> bound_{};
};

// The cores that somebody drives: what is handed to another would lie in its ring for ever.
class RunningCores {
  public:
    void add(std::size_t core) {
        cores_.fetch_or(std::uint64_t{1} << core, std::memory_order_acq_rel);
    }
    void remove(std::size_t core) {
        cores_.fetch_and(~(std::uint64_t{1} << core), std::memory_order_acq_rel);
    }
    [[nodiscard]] bool has(std::size_t core) const {
        return (cores_.load(std::memory_order_acquire) >> core & 1) != 0;
    }

  private:
    std::atomic<std::uint64_t> cores_{0};
};

struct SharedTables {
    FlowExceptions exceptions;
    ListeningCores listening;
    RunningCores running;
};

}  // namespace mtcp::stack
