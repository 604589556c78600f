// SPDX-License-Identifier: Apache-2.0
// Where the next chunk comes from: the cache, then what the stack granted.
#include "socket/chunk_cache.h"

namespace mtcp::socket {

ChunkRef ChunkCache::take_exactly(std::size_t c) {
    ChunkRef ref = kNoChunk;
    if (count_[c] != 0) {
        ref = kept_[c][--count_[c]];
    } else if (!channel_.granted_chunks[c].pop(ref)) {
        return kNoChunk;
    }
    store_.at(ref).reset(ref);
    return ref;
}

// The next smaller class before a larger one, as in ChunkStore::take_any.
ChunkRef ChunkCache::take_granted(ChunkClass preferred) {
    const auto wanted = static_cast<std::size_t>(preferred);
    for (std::size_t c = wanted + 1; c-- > 0;) {
        if (const ChunkRef ref = take_exactly(c); ref != kNoChunk) return ref;
    }
    for (std::size_t c = wanted + 1; c < kChunkClasses; ++c) {
        if (const ChunkRef ref = take_exactly(c); ref != kNoChunk) return ref;
    }
    return kNoChunk;
}

bool ChunkCache::has_any() const {
    for (std::size_t c = 0; c < kChunkClasses; ++c) {
        if (count_[c] != 0 || !channel_.granted_chunks[c].empty()) return true;
    }
    return false;
}

}  // namespace mtcp::socket
