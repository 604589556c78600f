// SPDX-License-Identifier: Apache-2.0
// What a script asks of the stack before it begins: the options of packetdrill, and the sysctls
// that its commands set, as far as they have a counterpart here.
#pragma once

#include <cstdint>
#include <string>

#include "stack/configuration.h"
#include "tests/ladder/script.h"

namespace mtcp::ladder {

struct LadderConfiguration {
    stack::StackConfiguration stack;
    // How late an event may be. Ours by default: two ticks of the timer wheel and nothing early.
    Duration late = microseconds(2'200);
    Duration early{};
    std::int64_t ts_tick_us = 0;  // --tcp_ts_tick_usecs: TS values are compared; 0: they are not
};

// Paths in commands are relative to `folder`. False: `error` names what is not understood.
[[nodiscard]] bool configure(const Script& script, const std::string& folder,
                             LadderConfiguration& configuration, std::string& error);

}  // namespace mtcp::ladder
