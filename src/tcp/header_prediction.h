// SPDX-License-Identifier: Apache-2.0
// Header prediction: what nearly all segments of an undisturbed connection are, taken at once. It
// changes nothing but speed: whatever it refuses takes the eight steps of segment_arrives.cc, which
// would have answered the same to what it takes (the simulator runs its worlds both ways).
#pragma once

#include "tcp/connection.h"

namespace mtcp::tcp {

// An in-order segment, with text or FIN or an ACK of news, of a connection in ESTABLISHED that
// repairs, holds back and negotiates nothing. Precondition: ESTABLISHED.
// False: neither `tcb` nor `reaction` was touched.
[[nodiscard]] bool take_predicted(Environment& env, Tcb& tcb, const wire::Segment& seg, Instant now,
                                  Reaction& reaction);
// The same once our FIN is sent: its ACK, the peer's FIN, or both in one, without text.
[[nodiscard]] bool take_predicted_end(Environment& env, Tcb& tcb, const wire::Segment& seg,
                                      Instant now, Reaction& reaction);

}  // namespace mtcp::tcp
