// SPDX-License-Identifier: Apache-2.0
// Numbers behind names, as Linux has them.
#include "tests/ladder/constants.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace mtcp::ladder {
namespace {

struct Name {
    std::string_view name;
    std::int64_t value;
};

#define MTCP_LADDER_NAME(x) \
    Name { #x, static_cast < std::int64_t>(x) }
constexpr std::array kNames{
    MTCP_LADDER_NAME(AF_INET),
    MTCP_LADDER_NAME(AF_UNSPEC),
    MTCP_LADDER_NAME(SOCK_STREAM),
    MTCP_LADDER_NAME(SOCK_NONBLOCK),
    MTCP_LADDER_NAME(SOCK_CLOEXEC),
    MTCP_LADDER_NAME(IPPROTO_TCP),
    MTCP_LADDER_NAME(IPPROTO_IP),
    MTCP_LADDER_NAME(SOL_SOCKET),
    MTCP_LADDER_NAME(SOL_TCP),
    MTCP_LADDER_NAME(SOL_IP),
    MTCP_LADDER_NAME(IP_TOS),
    MTCP_LADDER_NAME(IP_TTL),
    MTCP_LADDER_NAME(INADDR_ANY),
    MTCP_LADDER_NAME(SO_REUSEADDR),
    MTCP_LADDER_NAME(SO_REUSEPORT),
    MTCP_LADDER_NAME(SO_ERROR),
    MTCP_LADDER_NAME(SO_KEEPALIVE),
    MTCP_LADDER_NAME(SO_LINGER),
    MTCP_LADDER_NAME(SO_RCVBUF),
    MTCP_LADDER_NAME(SO_SNDBUF),
    MTCP_LADDER_NAME(SO_RCVTIMEO),
    MTCP_LADDER_NAME(SO_SNDTIMEO),
    MTCP_LADDER_NAME(TCP_NODELAY),
    MTCP_LADDER_NAME(TCP_CORK),
    MTCP_LADDER_NAME(TCP_QUICKACK),
    MTCP_LADDER_NAME(TCP_MAXSEG),
    MTCP_LADDER_NAME(TCP_KEEPIDLE),
    MTCP_LADDER_NAME(TCP_KEEPINTVL),
    MTCP_LADDER_NAME(TCP_KEEPCNT),
    MTCP_LADDER_NAME(TCP_SYNCNT),
    MTCP_LADDER_NAME(TCP_USER_TIMEOUT),
    MTCP_LADDER_NAME(TCP_FASTOPEN),
    MTCP_LADDER_NAME(TCP_FASTOPEN_CONNECT),
    MTCP_LADDER_NAME(MSG_FASTOPEN),
    MTCP_LADDER_NAME(TCP_FASTOPEN_NO_COOKIE),
    MTCP_LADDER_NAME(TCP_NOTSENT_LOWAT),
    MTCP_LADDER_NAME(TCP_LINGER2),
    MTCP_LADDER_NAME(TCP_DEFER_ACCEPT),
    MTCP_LADDER_NAME(TCP_LINGER2),
    MTCP_LADDER_NAME(TCP_INFO),
    MTCP_LADDER_NAME(TCP_CONGESTION),
    MTCP_LADDER_NAME(O_RDWR),
    MTCP_LADDER_NAME(O_NONBLOCK),
    MTCP_LADDER_NAME(F_GETFL),
    MTCP_LADDER_NAME(F_SETFL),
    MTCP_LADDER_NAME(FIONREAD),
    MTCP_LADDER_NAME(SIOCINQ),
    MTCP_LADDER_NAME(SIOCOUTQ),
    MTCP_LADDER_NAME(SIOCATMARK),
    MTCP_LADDER_NAME(SHUT_RD),
    MTCP_LADDER_NAME(SHUT_WR),
    MTCP_LADDER_NAME(SHUT_RDWR),
    MTCP_LADDER_NAME(MSG_DONTWAIT),
    MTCP_LADDER_NAME(MSG_EOR),
    MTCP_LADDER_NAME(MSG_MORE),
    MTCP_LADDER_NAME(MSG_NOSIGNAL),
    MTCP_LADDER_NAME(MSG_OOB),
    MTCP_LADDER_NAME(MSG_PEEK),
    MTCP_LADDER_NAME(MSG_TRUNC),
    MTCP_LADDER_NAME(MSG_WAITALL),
    MTCP_LADDER_NAME(POLLIN),
    MTCP_LADDER_NAME(POLLOUT),
    MTCP_LADDER_NAME(POLLPRI),
    MTCP_LADDER_NAME(POLLERR),
    MTCP_LADDER_NAME(POLLHUP),
    MTCP_LADDER_NAME(POLLNVAL),
    MTCP_LADDER_NAME(POLLRDHUP),
    MTCP_LADDER_NAME(EPOLLIN),
    MTCP_LADDER_NAME(EPOLLOUT),
    MTCP_LADDER_NAME(EPOLLPRI),
    MTCP_LADDER_NAME(EPOLLERR),
    MTCP_LADDER_NAME(EPOLLHUP),
    MTCP_LADDER_NAME(EPOLLRDHUP),
    MTCP_LADDER_NAME(EPOLLET),
    MTCP_LADDER_NAME(EPOLLONESHOT),
    MTCP_LADDER_NAME(EPOLL_CTL_ADD),
    MTCP_LADDER_NAME(EPOLL_CTL_MOD),
    MTCP_LADDER_NAME(EPOLL_CTL_DEL),
};

constexpr std::array kErrors{
    MTCP_LADDER_NAME(EAGAIN),       MTCP_LADDER_NAME(EINPROGRESS),  MTCP_LADDER_NAME(EALREADY),
    MTCP_LADDER_NAME(EISCONN),      MTCP_LADDER_NAME(ENOTCONN),     MTCP_LADDER_NAME(ECONNREFUSED),
    MTCP_LADDER_NAME(ECONNRESET),   MTCP_LADDER_NAME(ECONNABORTED), MTCP_LADDER_NAME(EPIPE),
    MTCP_LADDER_NAME(ETIMEDOUT),    MTCP_LADDER_NAME(EINVAL),       MTCP_LADDER_NAME(EBADF),
    MTCP_LADDER_NAME(EHOSTUNREACH), MTCP_LADDER_NAME(ENETUNREACH),  MTCP_LADDER_NAME(EINTR),
    MTCP_LADDER_NAME(EADDRINUSE),   MTCP_LADDER_NAME(EFAULT),       MTCP_LADDER_NAME(EPROTO),
    MTCP_LADDER_NAME(ENOPROTOOPT),  MTCP_LADDER_NAME(EMSGSIZE),     MTCP_LADDER_NAME(EMFILE),
    MTCP_LADDER_NAME(EOPNOTSUPP),   MTCP_LADDER_NAME(EDESTADDRREQ), MTCP_LADDER_NAME(EADDRNOTAVAIL),
    MTCP_LADDER_NAME(ENOBUFS),      MTCP_LADDER_NAME(ENOMEM),
};
#undef MTCP_LADDER_NAME

}  // namespace

std::optional<std::int64_t> evaluate(const Expression& expression) {
    switch (expression.kind) {
        case Expression::Kind::number: return expression.number;
        case Expression::Kind::word:
            for (const Name& entry : kNames) {
                if (entry.name == expression.text) return entry.value;
            }
            return std::nullopt;
        case Expression::Kind::either: {
            std::int64_t sum = 0;
            for (const Expression& item : expression.items) {
                const auto value = evaluate(item);
                if (!value) return std::nullopt;
                sum |= *value;
            }
            return sum;
        }
        default: return std::nullopt;
    }
}

std::optional<int> errno_of(std::string_view name) {
    for (const Name& entry : kErrors) {
        if (entry.name == name) return static_cast<int>(entry.value);
    }
    return std::nullopt;
}

std::string errno_name(int error) {
    for (const Name& entry : kErrors) {
        if (entry.value == error) return std::string(entry.name);
    }
    return "errno " + std::to_string(error);
}

}  // namespace mtcp::ladder
