// SPDX-License-Identifier: Apache-2.0
// The one place that writes a state.
#include "tcp/state_machine.h"

#include "base/assert.h"
#include "tcp/tcb.h"

namespace mtcp::tcp {
namespace {

constexpr std::array<const char*, kStateCount> kNames{
    "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT"};

}  // namespace

const char* state_name(State state) { return kNames[static_cast<std::size_t>(state)]; }

void transition(Tcb& tcb, State to) {
    const bool legal = is_legal_transition(tcb.state, to);
    MTCP_DEBUG_ASSERT(legal);
    if (!legal) [[unlikely]] {
        // One connection is wrong, not the core: it is reset, and settle() counts and reports it.
        tcb.pending.reset = true;
        to = State::closed;
    }
    tcb.state = to;
}

}  // namespace mtcp::tcp
