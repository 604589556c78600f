/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for events on socket ids: epoll and poll of mtcp. Source-compatible with the original
 * mTCP; level- and edge-triggering, one-shot and combined event bits are as in Linux's epoll(7).
 */
#ifndef MTCP_EPOLL_H
#define MTCP_EPOLL_H

#include "mtcp_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Operations of mtcp_epoll_ctl(); the values of Linux's EPOLL_CTL_*. */
enum mtcp_epoll_op { MTCP_EPOLL_CTL_ADD = 1, MTCP_EPOLL_CTL_DEL = 2, MTCP_EPOLL_CTL_MOD = 3 };

/** Event bits; the values of Linux's EPOLL*. */
enum mtcp_event_type {
    MTCP_EPOLLNONE = 0x000,
    MTCP_EPOLLIN = 0x001,     /**< reading will not block: data, end of stream, a new connection */
    MTCP_EPOLLPRI = 0x002,    /**< urgent data has been announced and not yet been read past */
    MTCP_EPOLLOUT = 0x004,    /**< connected, and at least a third of the send buffer is free */
    MTCP_EPOLLRDNORM = 0x040, /**< as IN */
    MTCP_EPOLLRDBAND = 0x080, /**< never */
    MTCP_EPOLLWRNORM = 0x100, /**< as OUT */
    MTCP_EPOLLWRBAND = 0x200, /**< never */
    MTCP_EPOLLMSG = 0x400,    /**< never */
    MTCP_EPOLLERR = 0x008,    /**< the connection failed: see SO_ERROR. Always reported */
    MTCP_EPOLLHUP = 0x010,    /**< both directions are closed. Always reported, with IN or ERR */
    MTCP_EPOLLRDHUP = 0x2000, /**< the peer sends no more */
    MTCP_EPOLLONESHOT = (1 << 30),
    MTCP_EPOLLET = (-2147483647 - 1) /* 1 << 31, written as an int constant */
};

/** What the program wants back with an event. */
typedef union mtcp_epoll_data {
    void* ptr;
    int sockid;
    uint32_t u32;
    uint64_t u64;
} mtcp_epoll_data_t;

/** Not packed, unlike Linux's. */
struct mtcp_epoll_event {
    uint32_t events;
    mtcp_epoll_data_t data;
};

/**
 * Makes an epoll id. A context may have several, and a socket may be in several of them.
 * @param size a hint, greater than 0.
 * @return the id, or -1: EINVAL, EMFILE, ENOMEM.
 */
MTCP_API int mtcp_epoll_create(mctx_t mctx, int size);

/** As mtcp_epoll_create(). @param flags 0 or O_CLOEXEC (which is always so), else EINVAL. */
MTCP_API int mtcp_epoll_create1(mctx_t mctx, int flags);

/**
 * Adds, changes or removes interest in a socket, listener or pipe. What is ready already is
 * reported by the next wait. Closing an id removes it everywhere.
 * @return 0, or -1: EBADF, EINVAL (not an epoll, unknown op, an epoll in an epoll), EEXIST, ENOENT,
 *   EFAULT, ENOSPC. Source: epoll_ctl(2).
 */
MTCP_API int mtcp_epoll_ctl(mctx_t mctx, int epid, int op, int sockid,
                            struct mtcp_epoll_event* event);

/**
 * Waits for events. Every call lets the stack make progress.
 * @param timeout milliseconds; -1: without limit; 0: does not wait.
 * @return number of entries written; 0: time is over; -1: EINVAL, EFAULT, EINTR.
 */
MTCP_API int mtcp_epoll_wait(mctx_t mctx, int epid, struct mtcp_epoll_event* events, int maxevents,
                             int timeout);

/** Names of the event bits ("MTCP_EPOLLIN|MTCP_EPOLLOUT"); valid until the thread's next call. */
MTCP_API char* EventToString(uint32_t event);

/** As Linux's struct pollfd; bits as MTCP_EPOLL*, and MTCP_POLLNVAL. */
struct mtcp_pollfd {
    int sockid;    /**< negative: ignored */
    short events;  /**< wanted */
    short revents; /**< found; ERR, HUP and NVAL also when not wanted */
};

/** In revents: the id is not open. */
#define MTCP_POLLNVAL 0x020

/**
 * Waits for events on a few ids without an epoll.
 * @param timeout milliseconds; -1: without limit; 0: does not wait.
 * @return number of entries with revents; 0: time is over; -1: EFAULT, EINTR. Source: poll(2).
 */
MTCP_API int mtcp_poll(mctx_t mctx, struct mtcp_pollfd* fds, unsigned long nfds, int timeout);

#ifdef __cplusplus
}
#endif

#endif /* MTCP_EPOLL_H */
