// SPDX-License-Identifier: Apache-2.0
// Who has a TUN/TAP interface open.
#pragma once

#include <string>

namespace mtcp::io {

// "pid 123 (web_server)", or "" when nobody that this process may look at has it open.
[[nodiscard]] std::string find_tap_holder(const std::string& interface_name);

}  // namespace mtcp::io
