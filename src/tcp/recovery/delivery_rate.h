// SPDX-License-Identifier: Apache-2.0
// Delivery rate samples (draft-cheng-iccrg-delivery-rate-estimation-02).
#pragma once

#include "tcp/ack_context.h"
#include "tcp/connection.h"

namespace mtcp::tcp {

// §3.3: the sample of an ACK, into ack.rate.
void sample_rate(const Tcb& tcb, Recovery& r, const Delivery& delivery, AckContext& ack,
                 Instant now);
// §3.4: the application writes. If it had left the path idle, what leaves from now on until this
// is delivered does not tell how fast the path is.
void note_application_limit(const Tcb& tcb, Recovery& r);

}  // namespace mtcp::tcp
