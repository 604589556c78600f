// SPDX-License-Identifier: Apache-2.0
// recvmsg(2): bytes with what is told beside them, and the error queue, where a program finds that
// the buffers of its writes are its own again (MSG_ZEROCOPY).
#pragma once

#include <sys/socket.h>

#include "socket/application.h"

namespace mtcp::socket {

// recvmsg(2). Fills in msg_controllen and msg_flags; no name. Without MSG_ERRQUEUE as receive(),
// and with TCP_INQ what another read would find; with it one notice, or -EAGAIN.
[[nodiscard]] long receive_message(Application& app, Descriptor& d, msghdr& message, int flags);

// A write with MSG_ZEROCOPY took bytes. They were copied, so its buffer is free at once, and that
// is what the program is told (SO_EE_CODE_ZEROCOPY_COPIED), when SO_ZEROCOPY is set.
void note_zero_copy(Application& app, Descriptor& d);

}  // namespace mtcp::socket
