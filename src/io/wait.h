// SPDX-License-Identifier: Apache-2.0
// Sleeping in the kernel until any of several queues or descriptors has something: the counterpart
// of the paper's ps_select().
#pragma once

#include <atomic>
#include <span>

#include "base/time.h"
#include "io/packet_io.h"

namespace mtcp::io {

enum class Woken : unsigned char { by_work, by_deadline, by_signal };

// Returns at once when a queue already has frames. `descriptors` are polled for reading besides the
// queues' own and are not drained. `asleep`, if any, is true in the system call itself. `now` is
// the caller's clock reading and `deadline` when to return at the latest (kNever: no limit);
// queues' own next_deadline() is honoured too.
Woken wait_until(std::span<Queue* const> queues, std::span<const int> descriptors, Instant now,
                 Instant deadline, std::atomic<bool>* asleep = nullptr);

}  // namespace mtcp::io
