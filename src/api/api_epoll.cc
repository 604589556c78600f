// SPDX-License-Identifier: Apache-2.0
// mtcp_epoll_* and mtcp_poll.
#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "api/context.h"
#include "mtcp_epoll.h"
#include "socket/epoll.h"

namespace mtcp::api {
namespace {

using socket::EpollEvent;
using socket::PollEntry;

// The C structures and ours are the same memory.
static_assert(sizeof(mtcp_epoll_event) == sizeof(EpollEvent));
static_assert(offsetof(mtcp_epoll_event, data) == offsetof(EpollEvent, data));
static_assert(sizeof(mtcp_pollfd) == sizeof(PollEntry));
static_assert(offsetof(mtcp_pollfd, revents) == offsetof(PollEntry, found));

using Bits = socket::EpollBits;
static_assert(Bits::in == MTCP_EPOLLIN && Bits::pri == MTCP_EPOLLPRI && Bits::out == MTCP_EPOLLOUT);
static_assert(Bits::err == MTCP_EPOLLERR && Bits::hup == MTCP_EPOLLHUP &&
              Bits::read_hup == MTCP_EPOLLRDHUP);
static_assert(Bits::read_normal == MTCP_EPOLLRDNORM && Bits::write_normal == MTCP_EPOLLWRNORM);
static_assert(Bits::one_shot == static_cast<std::uint32_t>(MTCP_EPOLLONESHOT));
static_assert(Bits::edge == static_cast<std::uint32_t>(MTCP_EPOLLET));

struct BitName {
    std::uint32_t bit;
    const char* name;
};
constexpr BitName kBitNames[] = {
    {MTCP_EPOLLIN, "MTCP_EPOLLIN"},
    {MTCP_EPOLLPRI, "MTCP_EPOLLPRI"},
    {MTCP_EPOLLOUT, "MTCP_EPOLLOUT"},
    {MTCP_EPOLLRDNORM, "MTCP_EPOLLRDNORM"},
    {MTCP_EPOLLRDBAND, "MTCP_EPOLLRDBAND"},
    {MTCP_EPOLLWRNORM, "MTCP_EPOLLWRNORM"},
    {MTCP_EPOLLWRBAND, "MTCP_EPOLLWRBAND"},
    {MTCP_EPOLLMSG, "MTCP_EPOLLMSG"},
    {MTCP_EPOLLERR, "MTCP_EPOLLERR"},
    {MTCP_EPOLLHUP, "MTCP_EPOLLHUP"},
    {MTCP_EPOLLRDHUP, "MTCP_EPOLLRDHUP"},
    {static_cast<std::uint32_t>(MTCP_EPOLLONESHOT), "MTCP_EPOLLONESHOT"},
    {static_cast<std::uint32_t>(MTCP_EPOLLET), "MTCP_EPOLLET"},
};

}  // namespace
}  // namespace mtcp::api

using namespace mtcp::api;  // NOLINT: this file defines the C API in terms of it
namespace sockets = mtcp::socket;

extern "C" {

int mtcp_epoll_create1(mctx_t mctx, int flags) {
    const Call call(mctx);
    if (!call) return -1;
    if ((flags & ~O_CLOEXEC) != 0) return refuse(EINVAL);
    return static_cast<int>(answer(sockets::make_epoll(call.app())));
}

int mtcp_epoll_create(mctx_t mctx, int size) {
    if (size <= 0) return refuse(EINVAL);
    return mtcp_epoll_create1(mctx, 0);
}

int mtcp_epoll_ctl(mctx_t mctx, int epid, int op, int sockid, struct mtcp_epoll_event* event) {
    const SocketCall epoll(mctx, epid);
    if (!epoll) return -1;
    sockets::Descriptor* const watched = epoll.app().table().find(sockid);
    if (watched == nullptr) return refuse(EBADF);
    if (event == nullptr && op != MTCP_EPOLL_CTL_DEL) return refuse(EFAULT);
    EpollEvent wanted{};
    if (event != nullptr) wanted = {.events = event->events, .data = event->data.u64};
    return static_cast<int>(
        answer(sockets::control_epoll(epoll.app(), epoll.descriptor(),
                                      static_cast<sockets::EpollOperation>(op), *watched, wanted)));
}

int mtcp_epoll_wait(mctx_t mctx, int epid, struct mtcp_epoll_event* events, int maxevents,
                    int timeout) {
    const SocketCall call(mctx, epid);
    if (!call) return -1;
    if (maxevents <= 0) return refuse(EINVAL);
    if (events == nullptr) return refuse(EFAULT);
    return static_cast<int>(answer(sockets::wait_epoll(
        call.app(), call.descriptor(),
        {reinterpret_cast<EpollEvent*>(events), static_cast<std::size_t>(maxevents)}, timeout)));
}

char* EventToString(uint32_t event) {
    static thread_local std::string text;
    text.clear();
    for (const BitName& known : kBitNames) {
        if ((event & known.bit) == 0) continue;
        text += text.empty() ? "" : "|";
        text += known.name;
    }
    if (text.empty()) text = "MTCP_EPOLLNONE";
    return text.data();
}

int mtcp_poll(mctx_t mctx, struct mtcp_pollfd* fds, unsigned long nfds, int timeout) {
    const Call call(mctx);
    if (!call) return -1;
    if (fds == nullptr && nfds != 0) return refuse(EFAULT);
    return static_cast<int>(
        answer(sockets::poll(call.app(), {reinterpret_cast<PollEntry*>(fds), nfds}, timeout)));
}

}  // extern "C"
