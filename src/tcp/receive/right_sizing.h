// SPDX-License-Identifier: Apache-2.0
// The receive buffer follows what the application reads in a round trip (dynamic right-sizing), so
// that the window never is what limits a sender, and an idle or slow connection holds little.
#pragma once

#include <cstdint>

#include "tcp/connection.h"

namespace mtcp::tcp {

// The application read `bytes`. Lets tcb.settings.receive_buffer grow, up to
// Configuration::receive_buffer_max, and not while memory is low or SO_RCVBUF was set. It never
// shrinks: what was offered stays offered (RFC 9293 SHLD-14).
void right_size(const Environment& env, Tcb& tcb, std::uint32_t bytes, Instant now);

}  // namespace mtcp::tcp
