// SPDX-License-Identifier: Apache-2.0
// The unit of sharing between cores, and prefetching by it.
#pragma once

#include <cstddef>

namespace mtcp {

inline constexpr std::size_t kCacheLine = 64;

inline void prefetch(const void* address) { __builtin_prefetch(address, 0, 3); }
inline void prefetch_for_write(const void* address) { __builtin_prefetch(address, 1, 3); }

}  // namespace mtcp
