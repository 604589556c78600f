// SPDX-License-Identifier: Apache-2.0
// Free lists of the chunk pools.
#include "socket/chunk.h"

namespace mtcp::socket {

bool ChunkStore::reserve(const Sizes& sizes, Pages pages) {
    for (std::size_t c = 0; c < kChunkClasses; ++c) {
        MTCP_ASSERT(sizes.count[c] <= kIndexMask);
        region_[c] = Region::map(std::size_t{sizes.count[c]} * kChunkBytes[c], pages);
        if (region_[c].data() == nullptr && sizes.count[c] != 0) return false;
        base_[c] = region_[c].data();
        capacity_[c] = sizes.count[c];
    }
    return true;
}

ChunkRef ChunkStore::take_untouched(ChunkClass chunk_class) {
    const auto c = static_cast<std::size_t>(chunk_class);
    if (untouched_[c] == capacity_[c]) return kNoChunk;
    const ChunkRef ref = static_cast<ChunkRef>(c) << 30 | untouched_[c]++;
    ++used_[c];
    at(ref).reset(ref);
    return ref;
}

ChunkRef ChunkStore::take_any(ChunkClass preferred) {
    const ChunkRef ref = take(preferred);
    if (ref != kNoChunk) return ref;
    for (int c = static_cast<int>(preferred) - 1; c >= 0; --c) {
        if (const ChunkRef smaller = take(static_cast<ChunkClass>(c)); smaller != kNoChunk)
            return smaller;
    }
    for (std::size_t c = static_cast<std::size_t>(preferred) + 1; c < kChunkClasses; ++c) {
        if (const ChunkRef larger = take(static_cast<ChunkClass>(c)); larger != kNoChunk)
            return larger;
    }
    return kNoChunk;
}

void ChunkStore::give_back_chain(ChunkRef head) {
    while (head != kNoChunk) {
        const ChunkRef next = at(head).next;
        give_back(head);
        head = next;
    }
}

std::uint64_t ChunkStore::available_bytes() const {
    std::uint64_t bytes = 0;
    for (std::size_t c = 0; c < kChunkClasses; ++c) {
        bytes +=
            std::uint64_t{capacity_[c] - used_[c]} * chunk_capacity(static_cast<ChunkClass>(c));
    }
    return bytes;
}

}  // namespace mtcp::socket
