// SPDX-License-Identifier: Apache-2.0
// Control messages as Linux writes them.
#include "socket/message.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
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

// Control messages behind one another; MSG_CTRUNC when one was cut. The last needs no padding.
class Controls {
  public:
    explicit Controls(msghdr& message) : message_(message), room_(message.msg_controllen) {
        if (message.msg_control == nullptr) room_ = 0;
        message.msg_controllen = 0;
    }
    template <typename Value>
    void add(int level, int type, const Value& value) {
        const std::size_t room = room_ - message_.msg_controllen;
        const std::size_t length = std::min(room, std::size_t{CMSG_LEN(sizeof value)});
        if (length < CMSG_LEN(sizeof value)) message_.msg_flags |= MSG_CTRUNC;
        if (length < sizeof(cmsghdr)) return;
        auto* const control = reinterpret_cast<cmsghdr*>(
            static_cast<std::byte*>(message_.msg_control) + message_.msg_controllen);
        message_.msg_controllen += std::min(room, std::size_t{CMSG_SPACE(sizeof value)});
        control->cmsg_level = level;
        control->cmsg_type = type;
        control->cmsg_len = length;
        std::memcpy(CMSG_DATA(control), &value, length - CMSG_LEN(0));
    }

  private:
    msghdr& message_;
    std::size_t room_;
};

// When a write left, or was acknowledged (SO_TIMESTAMPING). Of its bytes none come back.
bool receive_stamp(Application& app, Descriptor& d, msghdr& message) {
    const std::uint32_t id = app.table().id_of(d);
    WriteStamps::Notice notice{};
    if (!app.stamps().take(id, notice)) return false;
    const DescriptorDetails& details = app.details(d);
    d.notices = app.stamps().has_notices(id) || details.zero_copies != details.zero_copies_told;
    const bool bytes_asked_for = (details.timestamping & SOF_TIMESTAMPING_OPT_TSONLY) == 0;
    message.msg_flags = MSG_ERRQUEUE | (bytes_asked_for ? MSG_TRUNC : 0);
    scm_timestamping times{};
    times.ts[0].tv_sec = static_cast<time_t>(notice.wall_ns / 1'000'000'000);
    times.ts[0].tv_nsec = static_cast<long>(notice.wall_ns % 1'000'000'000);
    ErrorWithOffender told{};
    told.error.ee_errno = ENOMSG;
    told.error.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
    told.error.ee_info = notice.what;
    told.error.ee_data = notice.key;
    Controls controls(message);
    controls.add(SOL_SOCKET, SCM_TIMESTAMPING, times);
    controls.add(SOL_IP, IP_RECVERR, told);
    return true;
}

// Writes whose notices were not read yet are told of as one range, as Linux joins them.
long receive_notice(Application& app, Descriptor& d, msghdr& message) {
    if (d.kind != DescriptorKind::stream || d.notices == 0) return -EAGAIN;
    if (d.stamps != 0 && receive_stamp(app, d, message)) return 0;
    DescriptorDetails& details = app.own_details(d);
    ErrorWithOffender told{};
    told.error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
    told.error.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    told.error.ee_info = details.zero_copies_told;
    told.error.ee_data = details.zero_copies - 1;
    details.zero_copies_told = details.zero_copies;
    d.notices = 0;
    message.msg_flags = MSG_ERRQUEUE;
    Controls(message).add(SOL_IP, IP_RECVERR, told);
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
        Controls(message).add(SOL_TCP, TCP_CM_INQ, readable_or_end(app, d));
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
