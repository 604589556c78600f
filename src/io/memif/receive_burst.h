// SPDX-License-Identifier: Apache-2.0
// Receiving from a ring of either kind: what to do with each slot, once its descriptor was read
// (once) and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/cache_line.h"
#include "io/memif/link.h"

namespace mtcp::io::memif {

// One filled slot.
struct Piece {
    std::byte* data = nullptr;
    std::uint32_t length = 0;
    bool good = false;  // lies within memory and is not empty
    bool more = false;  // the frame goes on in the next slot
};

// How many slots ahead the lines of a frame are asked for. They come from the other core, each in
// 55 to 300 ns, and a burst waits for as many of them one by one as were not asked for together.
inline constexpr std::uint32_t kPrefetchAhead = 8;

// Joins the pieces of a chained frame in a private buffer; returns how many slots it took. `length`
// stays 0 when the frame had to be dropped, and then it has been counted.
template <typename Ring>
std::uint32_t join_pieces(Ring& ring, std::uint32_t waiting, std::byte* into, LinkContext context,
                          std::uint32_t& length) {
    std::uint32_t slots = 0;
    std::uint32_t total = 0;
    bool good = true;
    bool fits = true;
    bool more = true;
    while (more && slots < waiting) {
        const Piece piece = ring.peek(slots++);
        more = piece.more;
        good = good && piece.good;
        fits = fits && piece.length <= context.pool.buffer_size() - total;
        if (!good || !fits) continue;
        std::memcpy(into + total, piece.data, piece.length);
        total += piece.length;
    }
    // A frame is announced whole: one that ends in the middle is as bad as one that lies.
    if (!good || more) {
        context.count(Drop::io_bad_descriptor);
    } else if (!fits) {
        context.count(Drop::io_oversize);
    } else {
        length = total;
    }
    return slots;
}

// `Ring` gives: peek(i), the i-th waiting slot; lend(), its number for the token; consume(n) and
// consume_lent(), which move on; prefetch(i). `checksum` is what is known of the frames.
template <typename Ring>
std::size_t receive_burst(Ring& ring, std::uint32_t waiting, std::span<Frame> frames,
                          LinkContext context, Checksum checksum) {
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < kPrefetchAhead && i < waiting; ++i)
        ring.prefetch(i);
    while (count < frames.size() && waiting > 0) {
        if (waiting > kPrefetchAhead) ring.prefetch(kPrefetchAhead);
        const Piece piece = ring.peek(0);
        if (ring.lends() && piece.good && !piece.more) [[likely]] {
            frames[count++] = Frame{.data = piece.data,
                                    .length = piece.length,
                                    .capacity = piece.length,
                                    .token = ring.lend(),
                                    .checksum = checksum};
            ring.consume_lent();
            --waiting;
            continue;
        }
        if (!piece.good && !piece.more) {
            context.count(Drop::io_bad_descriptor);
            ring.consume(1);
            --waiting;
            continue;
        }
        if (context.pool.empty()) break;  // stays in the ring
        const std::uint32_t index = context.pool.take();
        std::byte* into = context.pool.data(index);
        std::uint32_t length = 0;
        std::uint32_t slots = 1;
        if (piece.more || piece.length > context.pool.buffer_size()) [[unlikely]] {
            slots = join_pieces(ring, waiting, into, context, length);
        } else {
            std::memcpy(into, piece.data, piece.length);
            length = piece.length;
        }
        ring.consume(slots);
        waiting -= slots;
        if (length == 0) {
            context.pool.give_back(index);
            continue;
        }
        frames[count++] = Frame{.data = into,
                                .length = length,
                                .capacity = context.pool.buffer_size(),
                                .token = make_token(kPoolTag, index),
                                .checksum = checksum};
    }
    return count;
}

}  // namespace mtcp::io::memif
