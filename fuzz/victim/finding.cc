// SPDX-License-Identifier: Apache-2.0
// Findings go to the hook, or end the program.
#include "fuzz/victim/finding.h"

#include <cstdio>
#include <cstdlib>

namespace mtcp::victim {
namespace {

FindingHook finding_hook = nullptr;

}  // namespace

void set_finding_hook(FindingHook hook) { finding_hook = hook; }

void finding(const std::string& text) {
    if (finding_hook != nullptr) return finding_hook(text);
    std::fprintf(stderr, "finding: %s\n", text.c_str());
    std::abort();
}

}  // namespace mtcp::victim
