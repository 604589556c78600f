// SPDX-License-Identifier: Apache-2.0
// Where the bytes of streams lie: chunks of three sizes from per-core pools, joined to chains. A
// chunk has exactly one owner at any time (the stack, or the application); whole chains change
// owner through a mailbox (stream.h). A stream without bytes owns no chunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/assert.h"
#include "base/cache_line.h"
#include "base/index_pool.h"
#include "base/memory.h"

namespace mtcp::socket {

// A chunk's name: size class in the two upper bits, index below.
using ChunkRef = std::uint32_t;
inline constexpr ChunkRef kNoChunk = 0xffff'ffff;

enum class ChunkClass : std::uint8_t { small, medium, large };
inline constexpr std::size_t kChunkClasses = 3;
inline constexpr std::array<std::uint8_t, kChunkClasses> kChunkShift{8, 11, 16};
inline constexpr std::array<std::uint32_t, kChunkClasses> kChunkBytes{
    1u << kChunkShift[0], 1u << kChunkShift[1], 1u << kChunkShift[2]};

struct Chunk {
    ChunkRef next;        // the following chunk of its chain, or kNoChunk
    std::uint32_t begin;  // the bytes held are data[begin, end)
    std::uint32_t end;
    ChunkRef chain_tail;        // valid in the first chunk of a chain
    std::uint32_t chain_bytes;  // valid in the first chunk of a chain: bytes in all of it
    std::uint32_t position;  // for its owner's use (out-of-order: distance from the stream's edge)

    [[nodiscard]] std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
    [[nodiscard]] const std::byte* data() const {
        return reinterpret_cast<const std::byte*>(this + 1);
    }
    [[nodiscard]] std::uint32_t size() const { return end - begin; }
    [[nodiscard]] std::span<std::byte> bytes() { return {data() + begin, size()}; }
    // Empty, a chain of itself.
    void reset(ChunkRef self) {
        next = kNoChunk;
        begin = end = 0;
        chain_tail = self;
        chain_bytes = 0;
    }
};
static_assert(sizeof(Chunk) == 24);

[[nodiscard]] constexpr ChunkClass class_of(ChunkRef ref) {
    return static_cast<ChunkClass>(ref >> 30);
}
[[nodiscard]] constexpr std::uint32_t chunk_capacity(ChunkClass c) {
    return kChunkBytes[static_cast<std::size_t>(c)] - static_cast<std::uint32_t>(sizeof(Chunk));
}
[[nodiscard]] constexpr std::uint32_t chunk_capacity(ChunkRef ref) {
    return chunk_capacity(class_of(ref));
}
// The smallest class that holds `bytes` whole, or the largest class.
[[nodiscard]] constexpr ChunkClass class_for(std::size_t bytes) {
    if (bytes <= chunk_capacity(ChunkClass::small)) return ChunkClass::small;
    if (bytes <= 4 * std::size_t{chunk_capacity(ChunkClass::medium)}) return ChunkClass::medium;
    return ChunkClass::large;
}

// The memory of all chunks of a core, and the stack side's free lists. Any owner may follow a ref
// with at(); only the stack side takes and gives back.
class ChunkStore {
  public:
    struct Sizes {
        std::array<std::uint32_t, kChunkClasses> count{16384, 16384, 512};
    };
    [[nodiscard]] bool reserve(const Sizes& sizes, Pages pages);

    [[nodiscard]] Chunk& at(ChunkRef ref) {
        const auto c = static_cast<std::size_t>(class_of(ref));
        return *reinterpret_cast<Chunk*>(base_[c] +
                                         (std::size_t{ref & kIndexMask} << kChunkShift[c]));
    }

    // An empty chunk (begin == end == 0, a chain of itself), or kNoChunk when the class is
    // exhausted.
    [[nodiscard]] ChunkRef take(ChunkClass chunk_class) {
        const auto c = static_cast<std::size_t>(chunk_class);
        const ChunkRef ref = free_[c];
        if (ref == kNoChunk) [[unlikely]]
            return take_untouched(chunk_class);
        Chunk& chunk = at(ref);
        free_[c] = chunk.next;
        if (chunk.next != kNoChunk) prefetch_for_write(&at(chunk.next));
        ++used_[c];
        chunk.reset(ref);
        return ref;
    }
    // As take(), but falls back to the other classes: next smaller first, then larger.
    [[nodiscard]] ChunkRef take_any(ChunkClass preferred);
    void give_back(ChunkRef ref) {
        const auto c = static_cast<std::size_t>(class_of(ref));
        MTCP_DEBUG_ASSERT(used_[c] > 0);
        Chunk& chunk = at(ref);
        MTCP_DEBUG_ASSERT(chunk.chain_tail != kNoChunk);  // given back already
#ifndef NDEBUG
        chunk.chain_tail = kNoChunk;
#endif
        chunk.next = free_[c];
        free_[c] = ref;
        --used_[c];
    }
    void give_back_chain(ChunkRef head);

    [[nodiscard]] std::uint32_t available(ChunkClass c) const {
        return capacity_[static_cast<std::size_t>(c)] - used_[static_cast<std::size_t>(c)];
    }
    [[nodiscard]] std::uint32_t used(ChunkClass c) const {
        return used_[static_cast<std::size_t>(c)];
    }
    [[nodiscard]] std::uint32_t capacity(ChunkClass c) const {
        return capacity_[static_cast<std::size_t>(c)];
    }
    [[nodiscard]] std::uint64_t used_total() const {
        return std::uint64_t{used_[0]} + used_[1] + used_[2];
    }
    // Bytes that can still be stored in any class.
    [[nodiscard]] std::uint64_t available_bytes() const;

  private:
    static constexpr std::uint32_t kIndexMask = 0x3fff'ffff;

    [[nodiscard]] ChunkRef take_untouched(ChunkClass c);

    std::array<Region, kChunkClasses> region_;
    std::array<std::byte*, kChunkClasses> base_{};
    std::array<std::uint32_t, kChunkClasses> capacity_{};
    std::array<std::uint32_t, kChunkClasses> untouched_{};
    std::array<std::uint32_t, kChunkClasses> used_{};
    std::array<ChunkRef, kChunkClasses> free_{kNoChunk, kNoChunk, kNoChunk};
};

// Joins chain `back` behind chain `front` (either may be kNoChunk); returns the head.
[[nodiscard]] inline ChunkRef join(ChunkStore& store, ChunkRef front, ChunkRef back) {
    if (front == kNoChunk) return back;
    if (back == kNoChunk) return front;
    Chunk& head = store.at(front);
    const Chunk& other = store.at(back);
    store.at(head.chain_tail).next = back;
    head.chain_tail = other.chain_tail;
    head.chain_bytes += other.chain_bytes;
    return front;
}

// Takes the first chunk off a chain; returns the new head (kNoChunk when it was the last).
[[nodiscard]] inline ChunkRef detach_first(ChunkStore& store, ChunkRef head) {
    Chunk& first = store.at(head);
    const ChunkRef next = first.next;
    if (next != kNoChunk) {
        Chunk& second = store.at(next);
        second.chain_tail = first.chain_tail;
        second.chain_bytes = first.chain_bytes - first.size();
    }
    first.next = kNoChunk;
    first.chain_tail = head;
    first.chain_bytes = first.size();
    return next;
}

}  // namespace mtcp::socket
