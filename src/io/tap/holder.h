// SPDX-License-Identifier: Apache-2.0
// Who has a TUN/TAP interface open, and what keeps a forked child from having it too.
#pragma once

#include <string>

namespace mtcp::io {

// "pid 123 (web_server)", or "" when nobody that this process may look at has it open.
[[nodiscard]] std::string find_tap_holder(const std::string& interface_name);

// The child of a fork() closes `descriptor`, so that the interface vanishes with the parent.
void close_in_forked_child(int descriptor);
void forget_descriptor(int descriptor);

}  // namespace mtcp::io
