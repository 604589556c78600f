/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket calls of mtcp, a TCP/IP stack in user space. Source-compatible with the original mTCP:
 * same types, constants and signatures. Where the original's behaviour differs from BSD sockets,
 * this one follows POSIX and Linux (docs/guide/porting.md).
 *
 * Common to all calls that take a context:
 *   - they return -1 and set errno on failure;
 *   - EINVAL: `mctx` is not a context; EPERM: the context was destroyed, belongs to another thread
 *     (the first that used it; creating it alone does not count), or was inherited through fork();
 *   - EBADF: `sockid` is not open in this context, or nothing can be read from or written to such
 *     an id; ENOTSOCK: it is an epoll or a pipe, and the call is about sockets; of a listening
 *     socket reading is ENOTCONN, writing EPIPE;
 *   - socket ids are small, dense, private to their context and below `max_concurrency`; an id that
 *     was closed is given out again last, and never while an array of events that names it is in
 * use;
 *   - no call raises SIGPIPE.
 */
#ifndef MTCP_API_H
#define MTCP_API_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#if defined(__GNUC__)
#define MTCP_API __attribute__((visibility("default")))
#else
#define MTCP_API
#endif

#ifndef UNUSED
/** Marks a parameter or variable as deliberately not used. */
#define UNUSED(x) (void)x
#endif

#ifndef INPORT_ANY
/** Port 0: any port. */
#define INPORT_ANY (uint16_t)0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a socket id stands for; kept for programs that name these constants. */
enum socket_type {
    MTCP_SOCK_UNUSED,
    MTCP_SOCK_STREAM,
    MTCP_SOCK_PROXY,
    MTCP_SOCK_LISTENER,
    MTCP_SOCK_EPOLL,
    MTCP_SOCK_PIPE
};

/** The part of the configuration that programs read and set. Per core where not said otherwise. */
struct mtcp_conf {
    int num_cores;       /**< cores of the stack: one context each; 64 at most */
    int max_concurrency; /**< most socket ids, and most connections */
    int max_num_buffers; /**< scales the memory for bytes in flight and unread */
    int rcvbuf_size;     /**< SO_RCVBUF of new sockets, bytes */
    int sndbuf_size;     /**< SO_SNDBUF of new sockets, bytes */
    int tcp_timewait;    /**< length of TIME-WAIT, milliseconds */
    int tcp_timeout;     /**< connections idle for longer are ended, milliseconds; <= 0: never */
};

/** One core of the stack, as its application holds it. */
typedef struct mtcp_context* mctx_t;

/* ------------------------------------------------------------------ start, configuration, end ---
 */

/**
 * Reads a configuration file and opens the stack: its devices, addresses and routes.
 *
 * The file has lines `key = value` or `key value`; `#` begins a comment. `config/arp.conf` and
 * `config/route.conf` in the current directory are read when they exist.
 *
 * @param config_file path of the file; NULL: an empty configuration, which lacks a `port`.
 * @return 0, or -1 with errno, and mtcp_last_problem() telling file, line, reason and mend.
 *   EINVAL: bad configuration; ENOENT, EACCES, EISDIR: as the file said, this one or one that it
 *   names; EALREADY: the stack is open; ENODEV: no such interface; EPERM, EBUSY, ENOMEM: as the
 *   device said. Never exits.
 */
MTCP_API int mtcp_init(const char* config_file);

/**
 * As mtcp_init(), with the configuration itself instead of a file's name.
 * @param configuration text in the format of the configuration file, lines separated by '\n'.
 */
MTCP_API int mtcp_init_from_text(const char* configuration);

/**
 * What went wrong in the calling thread's last failed mtcp_init*(), mtcp_setconf() or
 * mtcp_create_context(): what, why, and how to mend it, in one line.
 * @return never NULL; "" when nothing failed. Valid until the thread's next such call.
 */
MTCP_API const char* mtcp_last_problem(void);

/**
 * Ends every context and closes the stack. The program may call mtcp_init() again afterwards.
 * exit() does the same for a program that does not, but connections still open are closed in order.
 */
MTCP_API void mtcp_destroy(void);

/**
 * Copies the configuration in effect. Works before mtcp_init() too (defaults and what was set).
 * @return 0, or -1 with EINVAL when `conf` is NULL.
 */
MTCP_API int mtcp_getconf(struct mtcp_conf* conf);

/**
 * Changes the configuration; only fields greater than 0 are taken.
 *
 * Before mtcp_init(): values that the configuration file may override. Afterwards: overrides the
 * file for contexts created later. What the open stack cannot change any more (more cores than it
 * was opened with, TIME-WAIT, idle time-out) fails with EBUSY and changes nothing.
 *
 * @return 0, or -1 with EINVAL (out of the range that the configuration file allows; nothing is
 *   changed) or EBUSY; mtcp_last_problem() names the field.
 */
MTCP_API int mtcp_setconf(const struct mtcp_conf* conf);

/**
 * Binds the calling thread to the CPU of core `cpu` (the CPU with that number unless `core_mask`
 * says otherwise).
 * @return 0, or -1 with EINVAL when there is no such core or CPU.
 */
MTCP_API int mtcp_core_affinitize(int cpu);

/** The number of CPUs that are online. */
MTCP_API int GetNumCPUs(void);

/**
 * Takes core `cpu` (0 <= cpu < num_cores) of the stack into use. One context per core. What
 * arrives at a core without a context is handed to the others, at the cost of a copy and a thread.
 * @return the context, or NULL with errno: EPERM before mtcp_init(), EINVAL: no such core, EBUSY:
 *   the core has its context, ENOMEM.
 */
MTCP_API mctx_t mtcp_create_context(int cpu);

/**
 * Ends a context. Connections that were closed before get up to two seconds to deliver what was
 * written; those still open are reset. All ids become invalid.
 */
MTCP_API void mtcp_destroy_context(mctx_t mctx);

/** A signal handler, as for signal(2). */
typedef void (*mtcp_sighandler_t)(int);

/**
 * Installs a signal handler. For SIGINT the stack stands in between: waits in mtcp calls of every
 * context return -1/EINTR and `handler` runs; a second SIGINT at least one second later also ends
 * all contexts. Other signals go to signal(2).
 * @return the previous handler, or SIG_ERR with EINVAL.
 */
MTCP_API mtcp_sighandler_t mtcp_register_signal(int signum, mtcp_sighandler_t handler);

/**
 * A descriptor of the kernel that is readable when mtcp_epoll_wait() or mtcp_poll() has something
 * to look at: for a program that sleeps in its own poll(2) or epoll(7) together with files, timers
 * and kernel sockets. When it is readable, call mtcp_epoll_wait() with timeout 0. Do not read it
 * nor close it; it is close-on-exec and lives as long as the context.
 * @return the descriptor, or -1.
 */
MTCP_API int mtcp_context_fd(mctx_t mctx);

/* -------------------------------------------------------------------------------- making sockets
 */

/**
 * Makes a socket.
 * @param domain AF_INET.
 * @param type SOCK_STREAM, or'ed with SOCK_NONBLOCK and SOCK_CLOEXEC (which is always so).
 * @param protocol 0 or IPPROTO_TCP.
 * @return the id, or -1: EAFNOSUPPORT, EINVAL (type), EPROTONOSUPPORT, EMFILE (no id left).
 */
MTCP_API int mtcp_socket(mctx_t mctx, int domain, int type, int protocol);

/**
 * Makes a one-way pipe of 64 KiB within the context: pipeid[0] is read, pipeid[1] written. Works
 * with mtcp_read(), mtcp_write(), mtcp_epoll_ctl() and mtcp_poll(). As only one thread uses a
 * context, a blocking call that would have to wait for ever fails with EDEADLK.
 * @return 0, or -1: EFAULT, EMFILE, ENOMEM.
 */
MTCP_API int mtcp_pipe(mctx_t mctx, int pipeid[2]);

/**
 * Gives the socket its local address. Port 0 leaves the choice of the port to mtcp_listen(),
 * mtcp_connect() or mtcp_getsockname(), whichever comes first.
 * @return 0, or -1: EFAULT, EINVAL (bound or connected already, bad length), EAFNOSUPPORT,
 *   EADDRNOTAVAIL (not an address of the stack), EADDRINUSE (by another socket of this context,
 *   unless SO_REUSEADDR or SO_REUSEPORT allow it as on Linux; other contexts never conflict).
 */
MTCP_API int mtcp_bind(mctx_t mctx, int sockid, const struct sockaddr* addr, socklen_t addrlen);

/**
 * Listens for connections. Every context has its own listener and accept queue; several contexts
 * may listen on the same port.
 * @param backlog connections waiting for mtcp_accept() beyond which no other is taken: as on Linux,
 *   one more than this wait. A negative number, or more than max_concurrency: as many as that. A
 *   second call changes it.
 * @return 0, or -1: EINVAL (connected or connecting), EADDRINUSE, ENOMEM.
 */
MTCP_API int mtcp_listen(mctx_t mctx, int sockid, int backlog);

/**
 * Takes the oldest waiting connection. The new socket is blocking and inherits the listener's
 * options.
 * @param addr receives the peer's address; may be NULL.
 * @param addrlen in: room at addr; out: length of the address.
 * @return the new id, or -1: EAGAIN (none, non-blocking), EINVAL (not listening, negative
 *   addrlen), EFAULT, EMFILE (no id left; the connection keeps waiting), EINTR.
 */
MTCP_API int mtcp_accept(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen);

/** As mtcp_accept(); `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC, else EINVAL. Source: accept4(2). */
MTCP_API int mtcp_accept4(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen,
                          int flags);

/**
 * Sets the range of source addresses that this context's active opens use in turn. Ports need no
 * preparation here: they are chosen at mtcp_connect() such that this core receives the answers.
 * @param saddr_base first address, network byte order; INADDR_ANY: as the route says.
 * @param num_addr how many consecutive addresses.
 * @param daddr,dport accepted for compatibility; not needed.
 * @return 0, or -1: EINVAL, EADDRNOTAVAIL (one of them is not ours).
 */
MTCP_API int mtcp_init_rss(mctx_t mctx, in_addr_t saddr_base, int num_addr, in_addr_t daddr,
                           in_addr_t dport);

/**
 * Opens a connection. A blocking socket waits (as long as SO_SNDTIMEO allows); a non-blocking one
 * returns -1/EINPROGRESS, then is writable when connected, or has an error (SO_ERROR). Called
 * again, a blocking socket waits for the attempt under way, a non-blocking one returns -1/EALREADY.
 * An address of AF_UNSPEC aborts the connection that the socket has, or none, or its listening:
 * then it can connect anew, with its options and the address that it was bound to; what was not
 * read, or not accepted, is lost.
 * @return 0, or -1: EINPROGRESS, EALREADY, EISCONN, EFAULT, EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL,
 *   ENETUNREACH, EHOSTUNREACH, ECONNREFUSED, ETIMEDOUT, ECONNRESET, EAGAIN (no connection record
 *   free), EOPNOTSUPP (listening), EINTR (the attempt goes on). After a failure the socket can try
 *   again.
 */
MTCP_API int mtcp_connect(mctx_t mctx, int sockid, const struct sockaddr* addr, socklen_t addrlen);

/**
 * Closes any kind of id. A connection delivers what was written in the background and then ends in
 * order; unread data makes it end with a reset (RFC 9293 3.6.1). With SO_LINGER and a time of 0 it
 * is reset; with a longer time a blocking socket waits until the peer has everything, or the time
 * is over.
 * @return 0, or -1: EBADF.
 */
MTCP_API int mtcp_close(mctx_t mctx, int sockid);

/** Closes a connection at once, with a reset. @return 0, or -1: EBADF, of any other id, too. */
MTCP_API int mtcp_abort(mctx_t mctx, int sockid);

/**
 * Closes one or both directions. A listener shut down for reading resets what waits to be accepted
 * and is a bound socket again, an attempt to connect ends as with mtcp_connect() to AF_UNSPEC, and
 * who waits is told, as on Linux. The socket's error is ECONNRESET then, and when data arrives once
 * both directions are shut, which is answered with a reset.
 * @param how SHUT_RD, SHUT_WR or SHUT_RDWR.
 * @return 0, or -1: EINVAL (how), ENOTCONN. Source: shutdown(2).
 */
MTCP_API int mtcp_shutdown(mctx_t mctx, int sockid, int how);

/** The local address. @return 0, or -1: EFAULT, EINVAL. Source: getsockname(2). */
MTCP_API int mtcp_getsockname(mctx_t mctx, int sock, struct sockaddr* addr, socklen_t* addrlen);

/**
 * The peer's address. @return 0, or -1: EFAULT, EINVAL, ENOTCONN (also once both directions are
 * over). Source: getpeername(2).
 */
MTCP_API int mtcp_getpeername(mctx_t mctx, int sockid, struct sockaddr* addr, socklen_t* addrlen);

/* ----------------------------------------------------------------------------------------- data */

/**
 * Reads what is there, at least one byte unless the stream is at its end.
 * @return bytes read; 0: the peer sends no more; -1: EAGAIN (non-blocking, or SO_RCVTIMEO is over),
 *   ENOTCONN, ECONNRESET, ETIMEDOUT (reported once, then 0), EFAULT, EINTR. With `len` 0 it
 *   answers 0 at once.
 */
MTCP_API ssize_t mtcp_read(mctx_t mctx, int sockid, char* buf, size_t len);

/**
 * As mtcp_read(), with flags: MSG_PEEK (leave it there), MSG_WAITALL (a blocking socket waits for
 * all `len` bytes), MSG_TRUNC (take the bytes without passing them on, tcp(7); `buf` may be
 * NULL), MSG_DONTWAIT, MSG_NOSIGNAL; others: EINVAL. Urgent data is always in line (RFC 6093), so
 * MSG_OOB is EINVAL; ioctl SIOCATMARK tells whether reading has reached it. With `len` 0 it waits
 * for a byte, which stays, and reports errors, as on Linux.
 */
MTCP_API ssize_t mtcp_recv(mctx_t mctx, int sockid, char* buf, size_t len, int flags);

/** As mtcp_read(), into several buffers. @param numIOV 0 ... 1024, else EINVAL. */
MTCP_API int mtcp_readv(mctx_t mctx, int sockid, const struct iovec* iov, int numIOV);

/**
 * Writes. A blocking socket takes everything; a non-blocking one what there is room for.
 * @return bytes taken, or -1: EAGAIN (no room, or SO_SNDTIMEO is over), EPIPE (never connected,
 *   ended, or shut down), ECONNRESET, ETIMEDOUT (reported once, then EPIPE), EFAULT, EINTR.
 */
MTCP_API ssize_t mtcp_write(mctx_t mctx, int sockid, const char* buf, size_t len);

/**
 * As mtcp_write(), with flags: MSG_DONTWAIT, MSG_NOSIGNAL (always so), MSG_MORE (more follows:
 * hold back what does not fill a segment), MSG_OOB (the last byte is urgent, RFC 6093), MSG_EOR
 * (no segment will span the end of this write), MSG_ZEROCOPY (the bytes are copied all the same;
 * with SO_ZEROCOPY the notices of Linux come at once, to be read with MSG_ERRQUEUE), MSG_CONFIRM,
 * MSG_DONTROUTE (no effect); others: EINVAL.
 */
MTCP_API ssize_t mtcp_send(mctx_t mctx, int sockid, const char* buf, size_t len, int flags);

/**
 * As mtcp_send(). With MSG_FASTOPEN (TCP Fast Open, RFC 7413) connects to `addr` and sends in one:
 * when a cookie of that host is known, the SYN carries the first bytes, as many as fit into it. A
 * blocking socket waits for the connection and sends the rest; a non-blocking one returns what went
 * with the SYN, or -1/EINPROGRESS when nothing could (then go on as after mtcp_connect()). Without
 * MSG_FASTOPEN `addr` is ignored.
 * @return as mtcp_send() and mtcp_connect(), and EOPNOTSUPP (`fast_open` of the configuration lacks
 *   `client`; or AF_UNSPEC), EALREADY (connecting), EISCONN. Source: tcp(7), RFC 7413 Appendix A.
 */
MTCP_API ssize_t mtcp_sendto(mctx_t mctx, int sockid, const char* buf, size_t len, int flags,
                             const struct sockaddr* addr, socklen_t addrlen);

/** As mtcp_write(), from several buffers. @param numIOV 0 ... 1024, else EINVAL. */
MTCP_API int mtcp_writev(mctx_t mctx, int sockid, const struct iovec* iov, int numIOV);

/**
 * As mtcp_sendto(), from msg->msg_iov to msg->msg_name. Control data is EINVAL; more than 1024
 * buffers are EMSGSIZE, also for mtcp_recvmsg(). Source: sendmsg(2).
 */
MTCP_API ssize_t mtcp_sendmsg(mctx_t mctx, int sockid, const struct msghdr* msg, int flags);

/**
 * As mtcp_recv(), into msg->msg_iov; msg_namelen becomes 0. With TCP_INQ a control message tells
 * what another read would find. MSG_ERRQUEUE reads no bytes but the notices of MSG_ZEROCOPY and
 * SO_TIMESTAMPING, as Linux writes them (SO_EE_CODE_ZEROCOPY_COPIED); EAGAIN: there is none.
 */
MTCP_API ssize_t mtcp_recvmsg(mctx_t mctx, int sockid, struct msghdr* msg, int flags);

/* ------------------------------------------------------------------------------------- batches */

/**
 * Tells that a socket will be used soon: what a call on it needs is fetched into the cache
 * meanwhile. Among very many connections, most of them idle, the first call on one waits for memory
 * otherwise, longer than its work takes. Best called about eight sockets ahead, and for each in
 * turn; those that mtcp_epoll_wait() reports need it not. A hint: nothing is wrong with an id that
 * is none.
 * @return 0; or -1: EINVAL, EPERM as every call.
 */
MTCP_API int mtcp_expect(mctx_t mctx, int sockid);

/**
 * Takes up to `count` waiting connections in one call; a blocking listener waits for the first
 * only.
 * @param sockids receives the new ids.
 * @param flags of each, as for mtcp_accept4().
 * @return how many, at least 1; or -1 as mtcp_accept4(), and EFAULT, EINVAL (count below 1).
 */
MTCP_API int mtcp_accept_many(mctx_t mctx, int sockid, int* sockids, int count, int flags);

/**
 * Shows what has arrived where it lies, without a copy. The bytes stay where they are until
 * mtcp_recv_done(), any other read, or mtcp_close() of the socket; until then they count as unread.
 * @param iov receives the pieces. @param numIOV in: room at iov; out: pieces.
 * @param flags MSG_DONTWAIT, MSG_NOSIGNAL; others: EINVAL.
 * @return bytes in the pieces; 0: the peer sends no more; -1 as mtcp_read(), and EINVAL (numIOV).
 */
MTCP_API ssize_t mtcp_recv_in_place(mctx_t mctx, int sockid, struct iovec* iov, int* numIOV,
                                    int flags);

/**
 * Gives back the first `len` bytes that mtcp_recv_in_place() has shown.
 * @return 0, or -1: EINVAL (more than were shown), ENOTCONN, EBADF.
 */
MTCP_API int mtcp_recv_done(mctx_t mctx, int sockid, size_t len);

/**
 * mtcp_write() and, once all was taken, mtcp_close(), in one request: the FIN rides on the last
 * data. As with mtcp_close(), data that was received and not read makes the connection end with a
 * reset.
 * @return `len`: the id is closed. Fewer (non-blocking, no room): so many were taken and the id is
 *   still open. -1 as mtcp_write(): it is still open.
 */
MTCP_API ssize_t mtcp_send_close(mctx_t mctx, int sockid, const char* buf, size_t len);

/* -------------------------------------------------------------------------------------- options */

/**
 * Reads an option. SOL_SOCKET: SO_ERROR (cleared by reading), SO_TYPE, SO_DOMAIN, SO_PROTOCOL,
 * SO_ACCEPTCONN, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_RCVBUF,
 * SO_SNDBUF (twice what was set, as on Linux: half of it stands for overhead), SO_RCVBUFFORCE,
 * SO_SNDBUFFORCE (to set), SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT, SO_SNDLOWAT (1), SO_ZEROCOPY,
 * SO_MAX_PACING_RATE, SO_TIMESTAMPING (of what is sent, on a connection: TX_SCHED, TX_SOFTWARE,
 * TX_ACK, SOFTWARE, OPT_ID, OPT_CMSG, OPT_TSONLY); SO_BROADCAST, SO_PRIORITY, SO_MARK,
 * SO_BUSY_POLL: remembered, no more. IPPROTO_TCP: TCP_NODELAY, TCP_CORK,
 * TCP_QUICKACK, TCP_MAXSEG (before connect or listen), TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
 * TCP_USER_TIMEOUT,
 * TCP_LINGER2 (0: what is configured), TCP_WINDOW_CLAMP (the receive buffer is no larger),
 * TCP_DEFER_ACCEPT, TCP_SYNCNT, TCP_FASTOPEN (listeners: most connections whose SYN brought data
 * and whose handshake is not complete), TCP_FASTOPEN_KEY (16 or 32 bytes: the key in use, then one
 * that is still accepted), TCP_FASTOPEN_CONNECT (connect() waits for the first write, whose bytes
 * go with the SYN), TCP_FASTOPEN_NO_COOKIE, TCP_NOTSENT_LOWAT (bytes; a write begins another train
 * of segments only while less waits to be sent, and is signalled below half of it), TCP_INQ,
 * TCP_CONGESTION, TCP_CC_INFO,
 * TCP_INFO (layout of Linux). IPPROTO_IP: IP_TOS, IP_TTL, IP_MTU_DISCOVER, IP_MTU (of a
 * connection), IP_BIND_ADDRESS_NO_PORT (always so). Sources: socket(7), tcp(7), ip(7).
 * @return 0, or -1: ENOPROTOOPT, EINVAL (length), ENOTCONN (IP_MTU), EFAULT.
 */
MTCP_API int mtcp_getsockopt(mctx_t mctx, int sockid, int level, int optname, void* optval,
                             socklen_t* optlen);

/**
 * Sets an option of the list above (SO_ERROR to SO_ACCEPTCONN, SO_SNDLOWAT, TCP_INFO, TCP_CC_INFO
 * and IP_MTU are read-only; SO_RCVLOWAT takes 0 and 1, and 1 is what it is).
 * @return 0, or -1: ENOPROTOOPT, EINVAL (length or value), EFAULT, ENOENT (congestion control).
 */
MTCP_API int mtcp_setsockopt(mctx_t mctx, int sockid, int level, int optname, const void* optval,
                             socklen_t optlen);

/** Makes the socket non-blocking. @return 0, or -1: EBADF. */
MTCP_API int mtcp_setsock_nonblock(mctx_t mctx, int sockid);

/**
 * @param request FIONREAD (bytes that can be read), FIONBIO (set or clear non-blocking),
 *   SIOCATMARK (reading stands at the urgent mark), SIOCOUTQ (bytes not acknowledged), SIOCOUTQNSD
 *   (bytes not sent); else EINVAL.
 * @param argp an int.
 * @return 0, or -1: EFAULT (argp is NULL), EINVAL (the request; of a listener and an epoll all but
 *   FIONBIO).
 */
MTCP_API int mtcp_socket_ioctl(mctx_t mctx, int sockid, int request, void* argp);

#ifdef __cplusplus
}
#endif

#endif /* MTCP_API_H */
