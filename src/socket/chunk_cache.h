// SPDX-License-Identifier: Apache-2.0
// The application's few own chunks: what it has read empty is written into next, so that chunks
// cross the channel only when reading and writing are out of balance.
#pragma once

#include <array>
#include <cstdint>

#include "socket/channel.h"
#include "socket/chunk.h"

namespace mtcp::socket {

class ChunkCache {
  public:
    ChunkCache(ChunkStore& store, Channel& channel) : store_(store), channel_(channel) {}

    // An empty chunk of the class that fits best, or of another; kNoChunk when none is at hand.
    [[nodiscard]] ChunkRef take(ChunkClass preferred) {
        const ChunkRef ref = take_kept(preferred);
        return ref != kNoChunk ? ref : take_granted(preferred);
    }
    // The same, but of this class, and of what was read empty; kNoChunk: nothing was.
    [[nodiscard]] ChunkRef take_kept(ChunkClass wanted) {
        const auto c = static_cast<std::size_t>(wanted);
        if (count_[c] == 0) [[unlikely]]
            return kNoChunk;
        const ChunkRef ref = kept_[c][--count_[c]];
        store_.at(ref).reset(ref);
        return ref;
    }
    // False when neither the cache nor the ring to the stack has room: run the stack, try again.
    [[nodiscard]] bool give(ChunkRef ref) {
        const auto c = static_cast<std::size_t>(class_of(ref));
        if (count_[c] == kKept[c]) [[unlikely]]
            return channel_.returned_chunks.push(ref);
        kept_[c][count_[c]++] = ref;
        return true;
    }
    // True when take() would find a chunk.
    [[nodiscard]] bool has_any() const;

  private:
    static constexpr std::size_t kMost = 64;
    static constexpr std::array<std::uint32_t, kChunkClasses> kKept{64, 64, 4};

    [[nodiscard]] ChunkRef take_granted(ChunkClass preferred);
    [[nodiscard]] ChunkRef take_exactly(std::size_t chunk_class);

    ChunkStore& store_;
    Channel& channel_;
    std::array<std::array<ChunkRef, kMost>, kChunkClasses>
        kept_;  // only the first count_ are valid
    std::array<std::uint32_t, kChunkClasses> count_{};
};

}  // namespace mtcp::socket
