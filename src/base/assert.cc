// SPDX-License-Identifier: Apache-2.0
// What a failed assertion prints before it ends the process.
#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace mtcp {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    static_cast<void>(
        std::fprintf(stderr, "mtcp: broken invariant: %s (%s:%d)\n", condition, file, line));
    std::abort();
}

}  // namespace mtcp
