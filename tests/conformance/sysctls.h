// SPDX-License-Identifier: Apache-2.0
// Scripts configure TCP by sysctls. They land in the network namespace that the script runs in,
// where nobody but us reads them.
#pragma once

#include "stack/configuration.h"

namespace mtcp::conformance {

// Takes over every setting of net.ipv4 that has a counterpart.
void read_sysctls(stack::StackConfiguration& configuration);

}  // namespace mtcp::conformance
