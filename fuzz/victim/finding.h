// SPDX-License-Identifier: Apache-2.0
// What a victim of an attack may never do is a finding. In a fuzzer it ends the program, so that
// the input is kept; a test takes it as a failure.
#pragma once

#include <string>

namespace mtcp::victim {

using FindingHook = void (*)(const std::string& text);

// Who hears of findings; nullptr: the program ends (and says why on stderr).
void set_finding_hook(FindingHook hook);
void finding(const std::string& text);

}  // namespace mtcp::victim
