// SPDX-License-Identifier: Apache-2.0
// How a TCB comes into being and becomes ESTABLISHED.
#pragma once

#include "tcp/connection.h"
#include "tcp/handshake/isn.h"

namespace mtcp::tcp {

struct Birth {
    const wire::FlowKey& key;
    const Settings& settings;
    InitialNumbers numbers;
    std::uint16_t path_mtu;
    State state;  // syn_sent or syn_received
};
// Makes raw memory a TCB in `state`: options set as we would offer them, no timer armed. Segment
// size and congestion window follow by one of the next two.
void initialise(const Environment& env, Tcb& tcb, const Birth& birth, Instant now);

// Active open: the peer has said nothing yet.
void assume_default_mss(const Environment& env, Tcb& tcb);

// The peer's SYN is known: keeps the options both ends want (RFC 7323 §1.3, RFC 2018 §2, MUST-15).
void agree_on_options(const Environment& env, Tcb& tcb, const wire::Options& options);

// Our SYN was acknowledged: ESTABLISHED (or FIN-WAIT-1 if the application already shut down).
void become_established(Environment& env, Tcb& tcb, Reaction& reaction, Instant now);

// Copies of Settings that the hot lines keep.
void mirror_settings(Tcb& tcb);
// Arms the keep-alive timer as settings and idle time-out ask; off when neither does.
void arm_keepalive(const Environment& env, Tcb& tcb, Instant now);

}  // namespace mtcp::tcp
