// SPDX-License-Identifier: Apache-2.0
// Assertions state what cannot happen; they are never a check of input. MTCP_ASSERT stays on in
// release builds and aborts with a message; MTCP_DEBUG_ASSERT costs nothing there.
#pragma once

namespace mtcp {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace mtcp

#define MTCP_ASSERT(condition)                                        \
    do {                                                              \
        if (!(condition)) [[unlikely]] {                              \
            ::mtcp::assertion_failed(#condition, __FILE__, __LINE__); \
        }                                                             \
    } while (false)

#ifdef NDEBUG
#define MTCP_DEBUG_ASSERT(condition) static_cast<void>(0)
#else
#define MTCP_DEBUG_ASSERT(condition) MTCP_ASSERT(condition)
#endif

#define MTCP_UNREACHABLE() ::mtcp::assertion_failed("unreachable", __FILE__, __LINE__)
