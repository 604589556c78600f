// SPDX-License-Identifier: Apache-2.0
// Copies for a core that is far away. What a core writes in the ordinary way it first has to fetch,
// from the cache of whoever read it last, and the reader fetches it from this core's cache again:
// two journeys of 200 ns a line where the caches are far apart. These copies write whole lines past
// all caches: nothing is fetched, and the reader finds them in memory. Where the caches are near,
// or one, the ordinary way is the faster one: see line_distance.h.
#pragma once

#include <cstddef>

namespace mtcp {

// Copies `bytes` from `from` to `to`, where `room` bytes may be written. Of a `to` at the start of
// a line, lines are written whole: behind the last byte are zeros then, up to `room`. The reader
// must not be told before end_far_copies().
void far_copy(std::byte* to, const std::byte* from, std::size_t bytes, std::size_t room);

// What was copied so far goes before all that is written after.
void end_far_copies();

#ifdef __x86_64__
// The two ways to write lines, for processors with and without AVX-512: all lines that `bytes`
// touches, from `to` on, where a line starts.
__attribute__((target("avx512bw"))) void far_copy_wide(std::byte* to, const std::byte* from,
                                                       std::size_t bytes);
void far_copy_narrow(std::byte* to, const std::byte* from, std::size_t bytes);
#endif

}  // namespace mtcp
