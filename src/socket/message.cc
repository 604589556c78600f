// SPDX-License-Identifier: Apache-2.0
// Control messages as Linux writes them.
#include "socket/message.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>

#include "socket/readiness.h"
#include "socket/stream_socket.h"

// The C library's header is older.
#ifndef TCP_CM_INQ
#define TCP_CM_INQ 36
#endif

namespace mtcp::socket {
namespace {

// What recv_error of the kernel writes: the error and the address of who told of it, here nobody.
struct ErrorWithOffender {
    sock_extended_err error;
    sockaddr_in offender;
};

// The only control message of `message`; MSG_CTRUNC when there is no room for it.
template <typename Value>
void write_control(msghdr& message, int level, int type, const Value& value) {
    if (message.msg_control == nullptr || message.msg_controllen < CMSG_SPACE(sizeof value)) {
        message.msg_controllen = 0;
        message.msg_flags |= MSG_CTRUNC;
        return;
    }
    message.msg_controllen = CMSG_SPACE(sizeof value);
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(control), &value, sizeof value);
}

// Writes whose notices were not read yet are told of as one range, as Linux joins them.
long receive_notice(Application& app, Descriptor& d, msghdr& message) {
    if (d.kind != DescriptorKind::stream || d.notices == 0) return -EAGAIN;
    DescriptorDetails& details = app.own_details(d);
    ErrorWithOffender told{};
    told.error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
    told.error.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    told.error.ee_info = details.zero_copies_told;
    told.error.ee_data = details.zero_copies - 1;
    details.zero_copies_told = details.zero_copies;
    d.notices = 0;
    message.msg_flags = MSG_ERRQUEUE;
    write_control(message, SOL_IP, IP_RECVERR, told);
    return 0;
}

// What another read would find; one more when that is the end of the stream (tcp(7)).
int readable_or_end(Application& app, Descriptor& d) {
    const std::uint32_t bytes = readable_bytes(app, d);
    const bool ends = (readiness(app, d) & EpollBits::read_hup) != 0;
    return bytes == 0 && ends ? 1 : static_cast<int>(bytes);
}

}  // namespace

long receive_message(Application& app, Descriptor& d, msghdr& message, int flags) {
    if ((flags & MSG_ERRQUEUE) != 0) {
        const long result = receive_notice(app, d, message);
        if (result == 0) message.msg_namelen = 0;
        return result;
    }
    const long result = receive(app, d, ByteCursor({message.msg_iov, message.msg_iovlen}), flags);
    if (result < 0) return result;
    message.msg_flags = 0;
    message.msg_namelen = 0;
    if (d.kind == DescriptorKind::stream && app.details(d).reports_inq != 0) {
        write_control(message, SOL_TCP, TCP_CM_INQ, readable_or_end(app, d));
    } else {
        message.msg_controllen = 0;
    }
    return result;
}

void note_zero_copy(Application& app, Descriptor& d) {
    if (app.details(d).zero_copy == 0) return;
    ++app.own_details(d).zero_copies;
    d.notices = 1;
    app.raise(d, EpollBits::err);
}

}  // namespace mtcp::socket
