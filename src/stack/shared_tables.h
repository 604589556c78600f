// SPDX-License-Identifier: Apache-2.0
// The small tables that all cores of a process read, and only when a lookup misses: flows that
// cannot live on the core that owner_of() names, which cores listen on a port, and which cores run.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

namespace mtcp::stack {

inline constexpr std::size_t kCoresMax = 64;

// Flows bound before connect, or accepted by a core that does not own them. An entry is one word: a
// 56-bit hash of the tuple and the core. Open addressing; a full table refuses.
class FlowExceptions {
  public:
    static constexpr std::size_t kSlots = 8192;

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

// One bit a core for every port.
class ListeningCores {
  public:
    void add(std::uint16_t port, std::size_t core) {
        cores_[port].fetch_or(std::uint64_t{1} << core, std::memory_order_acq_rel);
    }
    void remove(std::uint16_t port, std::size_t core) {
        cores_[port].fetch_and(~(std::uint64_t{1} << core), std::memory_order_acq_rel);
    }
    [[nodiscard]] bool any(std::uint16_t port) const {
        return cores_[port].load(std::memory_order_acquire) != 0;
    }
    // The core that takes a new flow to `port`: its owner when that one listens, else one of those
    // that do, chosen by the flow's hash; kCoresMax when none does.
    [[nodiscard]] std::size_t choose(std::uint16_t port, std::size_t owner,
                                     std::uint32_t hash) const {
        std::uint64_t set = cores_[port].load(std::memory_order_acquire);
        if ((set >> owner & 1) != 0) return owner;
        if (set == 0) return kCoresMax;
        for (int skip = static_cast<int>(hash % static_cast<unsigned>(std::popcount(set)));
             skip > 0; --skip) {
            set &= set - 1;
        }
        return static_cast<std::size_t>(std::countr_zero(set));
    }

  private:
    std::array<std::atomic<std::uint64_t>, 65536> cores_{};
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
