/* SPDX-License-Identifier: Apache-2.0 */
/* One call after the other, blocking: what each does, and how each fails. */
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "behaviour.h"

static mctx_t m;

static void names_and_bytes(void) {
    struct sockaddr_in client, peer, server;
    socklen_t length = sizeof client;
    char text[64];
    const struct pair p = make_pair(m);
    CHECK(mtcp_getsockname(m, p.client, (struct sockaddr*)&client, &length) == 0);
    CHECK(mtcp_getpeername(m, p.server, (struct sockaddr*)&peer, &length) == 0);
    CHECK(client.sin_port == peer.sin_port && client.sin_addr.s_addr == peer.sin_addr.s_addr);
    /* Checks RFC 9293 MUST-44, MUST-45. */
    CHECK(mtcp_getsockname(m, p.server, (struct sockaddr*)&server, &length) == 0);
    CHECK(mtcp_getpeername(m, p.client, (struct sockaddr*)&peer, &length) == 0);
    CHECK(server.sin_port == peer.sin_port && server.sin_addr.s_addr == inet_addr(OWN_ADDRESS));
    CHECK(mtcp_write(m, p.client, "question", 8) == 8);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 8);
    CHECK(mtcp_send(m, p.server, "answer", 6, MSG_NOSIGNAL) == 6);
    CHECK(mtcp_recv(m, p.client, text, 3, MSG_PEEK) == 3);
    CHECK(mtcp_recv(m, p.client, text, 6, MSG_WAITALL) == 6);
    CHECK(memcmp(text, "answer", 6) == 0);
    CHECK_FAILS(mtcp_recv(m, p.client, text, 6, MSG_DONTWAIT), EAGAIN);
    CHECK_FAILS(mtcp_recv(m, p.client, text, 0, MSG_DONTWAIT), EAGAIN);
    CHECK(mtcp_read(m, p.client, text, 0) == 0 && mtcp_readv(m, p.client, NULL, 0) == 0);
    CHECK(mtcp_read(m, p.listener, NULL, 0) == 0);
    CHECK_FAILS(mtcp_read(m, -1, text, 0), EBADF);
    CHECK_FAILS(mtcp_recv(m, p.client, text, 6, MSG_OOB), EINVAL);
    CHECK_FAILS(mtcp_recv(m, p.client, NULL, 6, 0), EFAULT);
    CHECK(mtcp_write(m, p.server, "discarded", 9) == 9);
    CHECK(mtcp_recv(m, p.client, NULL, 9, MSG_TRUNC | MSG_PEEK) == 9);
    CHECK(mtcp_recv(m, p.client, NULL, 9, MSG_TRUNC) == 9);
    close_pair(m, p);
}

static void vectors_and_messages(void) {
    char a[4], b[8];
    struct iovec out[3] = {{"ab", 2}, {NULL, 0}, {"cdefgh", 6}};
    struct iovec in[2] = {{a, 3}, {b, 8}};
    struct msghdr message;
    const struct pair p = make_pair(m);
    CHECK(mtcp_writev(m, p.client, out, 3) == 8);
    CHECK(mtcp_readv(m, p.server, in, 2) == 8);
    CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defgh", 5) == 0);
    CHECK_FAILS(mtcp_readv(m, p.server, in, -1), EINVAL);
    CHECK_FAILS(mtcp_writev(m, p.client, out, 1025), EINVAL);
    memset(&message, 0, sizeof message);
    message.msg_iov = out;
    message.msg_iovlen = 3;
    CHECK(mtcp_sendmsg(m, p.server, &message, 0) == 8);
    message.msg_iov = in;
    message.msg_iovlen = 2;
    message.msg_flags = -1;
    CHECK(mtcp_recvmsg(m, p.client, &message, 0) == 8);
    CHECK(message.msg_flags == 0);
    message.msg_iovlen = 1025;
    CHECK_FAILS(mtcp_sendmsg(m, p.server, &message, 0), EMSGSIZE);
    CHECK_FAILS(mtcp_recvmsg(m, p.client, &message, 0), EMSGSIZE);
    CHECK(mtcp_write(m, p.server, "discarded", 9) == 9);
    in[0].iov_base = NULL;
    in[0].iov_len = 9;
    message.msg_iovlen = 1;
    CHECK_FAILS(mtcp_recvmsg(m, p.client, &message, 0), EFAULT);
    CHECK(mtcp_recvmsg(m, p.client, &message, MSG_TRUNC) == 9);
    close_pair(m, p);
}

static void half_close_and_end(void) {
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    char text[16];
    const struct pair p = make_pair(m);
    CHECK(mtcp_write(m, p.client, "bye", 3) == 3);
    CHECK(mtcp_shutdown(m, p.client, SHUT_WR) == 0);
    CHECK_FAILS(mtcp_write(m, p.client, "x", 1), EPIPE);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 3);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 0);
    CHECK(mtcp_write(m, p.server, "still here", 10) == 10);
    CHECK(mtcp_read(m, p.client, text, sizeof text) == 10);
    CHECK(mtcp_getpeername(m, p.client, (struct sockaddr*)&name, &length) == 0);
    CHECK(mtcp_close(m, p.server) == 0);
    CHECK(mtcp_read(m, p.client, text, sizeof text) == 0);
    /* Both directions are over: there is no peer any more, but still a name of our own. */
    CHECK_FAILS(mtcp_getpeername(m, p.client, (struct sockaddr*)&name, &length), ENOTCONN);
    CHECK_FAILS(mtcp_shutdown(m, p.client, SHUT_RD), ENOTCONN);
    CHECK(mtcp_getsockname(m, p.client, (struct sockaddr*)&name, &length) == 0);
    close_pair(m, (struct pair){p.listener, p.client, -1});
}

static void shutdown_ends_a_listener(void) {
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct pair p = make_pair(m);
    CHECK_FAILS(mtcp_shutdown(m, p.listener, 7), EINVAL);
    CHECK(mtcp_shutdown(m, p.listener, SHUT_WR) == 0);
    CHECK(get_int(m, p.listener, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(mtcp_shutdown(m, p.listener, SHUT_RDWR) == 0);
    CHECK(get_int(m, p.listener, SOL_SOCKET, SO_ACCEPTCONN) == 0);
    CHECK_FAILS(mtcp_accept(m, p.listener, NULL, NULL), EINVAL);
    CHECK(mtcp_write(m, p.client, "on", 2) == 2); /* who was accepted stays */
    CHECK(mtcp_listen(m, p.listener, 4) == 0);
    /* connect(2) to nobody does the same. */
    CHECK_FAILS(connect_socket(m, p.listener, OWN_ADDRESS, 9), EOPNOTSUPP);
    CHECK(mtcp_connect(m, p.listener, &nobody, sizeof nobody) == 0);
    CHECK(get_int(m, p.listener, SOL_SOCKET, SO_ACCEPTCONN) == 0);
    CHECK(mtcp_listen(m, p.listener, 4) == 0);
    close_pair(m, p);
}

/* Tries five connections; how many can be accepted. */
static int accepted_of_five(int listener, int port) {
    struct mtcp_pollfd none = {-1, 0, 0};
    int clients[5], i, id, accepted = 0;
    for (i = 0; i < 5; i++) {
        clients[i] = mtcp_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect_socket(m, clients[i], OWN_ADDRESS, port);
        mtcp_poll(m, &none, 1, 5);
    }
    while ((id = mtcp_accept(m, listener, NULL, NULL)) >= 0) {
        mtcp_close(m, id);
        accepted++;
    }
    for (i = 0; i < 5; i++)
        mtcp_close(m, clients[i]);
    return accepted;
}

static void a_second_listen_changes_the_backlog(void) {
    int port;
    const int listener = listen_anywhere(m, &port);
    mtcp_setsock_nonblock(m, listener);
    CHECK(mtcp_listen(m, listener, 0) == 0);
    CHECK(accepted_of_five(listener, port) == 1);
    CHECK(mtcp_listen(m, listener, 2000) == 0);
    CHECK(accepted_of_five(listener, port) == 5);
    CHECK(mtcp_close(m, listener) == 0);
}

static void reset_is_reported_once(void) {
    const struct linger now = {1, 0};
    char text[16];
    struct pair p = make_pair(m);
    CHECK(mtcp_setsockopt(m, p.client, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    CHECK(mtcp_close(m, p.client) == 0);
    CHECK(mtcp_read(m, p.server, text, 0) == 0); /* does not look */
    CHECK_FAILS(mtcp_recv(m, p.server, text, 0, 0), ECONNRESET);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 0);
    CHECK_FAILS(mtcp_write(m, p.server, "x", 1), EPIPE);
    CHECK(mtcp_close(m, p.server) == 0);
    CHECK(mtcp_close(m, p.listener) == 0);
    p = make_pair(m);
    CHECK(mtcp_abort(m, p.server) == 0);
    CHECK_FAILS(mtcp_read(m, p.client, text, sizeof text), ECONNRESET);
    CHECK(get_int(m, p.client, SOL_SOCKET, SO_ERROR) == 0); /* it was told */
    close_pair(m, (struct pair){p.listener, p.client, -1});
}

static void unread_data_makes_a_reset(void) {
    char text[16];
    const struct pair p = make_pair(m);
    CHECK(mtcp_write(m, p.client, "never read", 10) == 10);
    CHECK(mtcp_recv(m, p.server, text, 1, MSG_PEEK) == 1);
    CHECK(mtcp_close(m, p.server) == 0);
    CHECK_FAILS(mtcp_read(m, p.client, text, sizeof text), ECONNRESET);
    close_pair(m, (struct pair){p.listener, p.client, -1});
}

static void connecting_fails(void) {
    struct sockaddr_in in = address_of(OWN_ADDRESS, 9);
    const int id = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in six = in;
    int port;
    int listener;
    CHECK_FAILS(connect_socket(m, id, OWN_ADDRESS, 9), ECONNREFUSED);
    CHECK_FAILS(connect_socket(m, id, "192.0.2.1", 80), ENETUNREACH);
    CHECK_FAILS(mtcp_connect(m, id, NULL, sizeof in), EFAULT);
    CHECK_FAILS(mtcp_connect(m, id, (struct sockaddr*)&in, 3), EINVAL);
    six.sin_family = AF_INET6;
    CHECK_FAILS(mtcp_connect(m, id, (struct sockaddr*)&six, sizeof six), EAFNOSUPPORT);
    listener = listen_anywhere(m, &port);
    CHECK(connect_socket(m, id, OWN_ADDRESS, port) == 0); /* after failures, the same socket */
    CHECK_FAILS(connect_socket(m, id, OWN_ADDRESS, port), EISCONN);
    CHECK_FAILS(connect_socket(m, listener, OWN_ADDRESS, port), EOPNOTSUPP);
    CHECK(mtcp_close(m, id) == 0);
    CHECK(mtcp_close(m, listener) == 0);
    CHECK_FAILS(mtcp_close(m, id), EBADF);
}

/* Also where nobody but the calls lets the stack run. */
static void connecting_is_asked_about_in_a_loop(void) {
    int port;
    const int listener = listen_anywhere(m, &port);
    const int id = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    mtcp_setsock_nonblock(m, id);
    CHECK(connect_socket(m, id, OWN_ADDRESS, port) == -1);
    CHECK(errno == EINPROGRESS);
    const long end = milliseconds_now() + 5000;
    while (connect_socket(m, id, OWN_ADDRESS, port) == -1 && errno == EALREADY)
        NEED(milliseconds_now() < end);
    CHECK(errno == EISCONN);
    mtcp_close(m, id);
    mtcp_close(m, listener);
}

static void binding(void) {
    struct sockaddr_in in = address_of(OWN_ADDRESS, 4000);
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    const int one = 1;
    const int a = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    const int b = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    int port;
    const int listener = listen_anywhere(m, &port);
    CHECK(mtcp_bind(m, a, (struct sockaddr*)&in, sizeof in) == 0);
    CHECK_FAILS(mtcp_bind(m, b, (struct sockaddr*)&in, sizeof in), EADDRINUSE);
    in = address_of("10.9.9.9", 4001);
    CHECK_FAILS(mtcp_bind(m, b, (struct sockaddr*)&in, sizeof in), EADDRNOTAVAIL);
    /* The bound port is the one the peer sees. */
    CHECK(connect_socket(m, a, OWN_ADDRESS, port) == 0);
    CHECK(mtcp_getsockname(m, a, (struct sockaddr*)&name, &length) == 0);
    CHECK(ntohs(name.sin_port) == 4000);
    in = address_of("0.0.0.0", 4000);
    CHECK(mtcp_setsockopt(m, b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK_FAILS(mtcp_bind(m, b, (struct sockaddr*)&in, sizeof in), EADDRINUSE);
    CHECK_FAILS(mtcp_accept(m, a, NULL, NULL), EINVAL);
    CHECK(mtcp_close(m, a) == 0);
    CHECK(mtcp_close(m, b) == 0);
    CHECK(mtcp_close(m, listener) == 0);
}

static void making_sockets(void) {
    CHECK_FAILS(mtcp_socket(m, AF_INET6, SOCK_STREAM, 0), EAFNOSUPPORT);
    CHECK_FAILS(mtcp_socket(m, AF_INET, SOCK_DGRAM, 0), EINVAL);
    CHECK_FAILS(mtcp_socket(m, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    CHECK_FAILS(mtcp_socket(NULL, AF_INET, SOCK_STREAM, 0), EINVAL);
    CHECK_FAILS(mtcp_close(m, -1), EBADF);
    CHECK_FAILS(mtcp_close(m, MAX_CONCURRENCY + 5), EBADF);
}

static void ids_run_out_and_come_back(void) {
    static int ids[MAX_CONCURRENCY];
    int n = 0, i;
    while (n < MAX_CONCURRENCY && (ids[n] = mtcp_socket(m, AF_INET, SOCK_STREAM, 0)) >= 0) {
        CHECK(ids[n] < MAX_CONCURRENCY);
        n++;
    }
    CHECK(n == MAX_CONCURRENCY);
    CHECK_FAILS(mtcp_socket(m, AF_INET, SOCK_STREAM, 0), EMFILE);
    for (i = 0; i < n; i++)
        CHECK(mtcp_close(m, ids[i]) == 0);
    CHECK(mtcp_close(m, mtcp_socket(m, AF_INET, SOCK_STREAM, 0)) == 0);
}

static void options_of_a_connection(void) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    const int one = 1;
    int value = 0;
    const struct pair p = make_pair(m);
    memset(&info, 0, sizeof info);
    CHECK(mtcp_getsockopt(m, p.client, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    CHECK(info.tcpi_state == TCP_ESTABLISHED);
    CHECK(info.tcpi_snd_mss > 500 && info.tcpi_snd_cwnd >= 1);
    CHECK(get_int(m, p.client, IPPROTO_TCP, TCP_MAXSEG) == (int)info.tcpi_snd_mss);
    /* Read and put back it stays, for what comes too late for the handshake is not heeded. */
    value = (int)info.tcpi_snd_mss;
    CHECK(mtcp_setsockopt(m, p.client, IPPROTO_TCP, TCP_MAXSEG, &value, sizeof value) == 0);
    CHECK(get_int(m, p.client, IPPROTO_TCP, TCP_MAXSEG) == (int)info.tcpi_snd_mss);
    CHECK(mtcp_setsockopt(m, p.client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(get_int(m, p.client, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(mtcp_setsockopt(m, p.client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) == 0);
    length = (socklen_t)-1;
    CHECK_FAILS(mtcp_getsockopt(m, p.client, IPPROTO_TCP, TCP_NODELAY, &value, &length), EINVAL);
    /* As much as there is room for. */
    length = 4;
    CHECK(mtcp_getsockopt(m, p.client, SOL_SOCKET, SO_LINGER, &value, &length) == 0);
    CHECK(value == 0 && length == 4);
    length = 8;
    CHECK(mtcp_getsockopt(m, p.client, SOL_SOCKET, SO_RCVTIMEO, &info, &length) == 0);
    CHECK(length == 8);
    length = 2;
    CHECK(mtcp_getsockopt(m, p.client, SOL_SOCKET, SO_MAX_PACING_RATE, &info, &length) == 0);
    CHECK(length == 2);
    value = 0x13; /* the last two bits are ECN's */
    CHECK(mtcp_setsockopt(m, p.client, IPPROTO_IP, IP_TOS, &value, sizeof value) == 0);
    CHECK(get_int(m, p.client, IPPROTO_IP, IP_TOS) == 0x10);
    CHECK_FAILS(mtcp_setsockopt(m, p.client, SOL_SOCKET, 4711, &one, sizeof one), ENOPROTOOPT);
    CHECK_FAILS(mtcp_setsockopt(m, p.client, IPPROTO_TCP, TCP_NODELAY, &one, 1), EINVAL);
    CHECK(mtcp_write(m, p.client, "12345", 5) == 5);
    CHECK(mtcp_recv(m, p.server, (char*)&value, 1, MSG_PEEK) == 1);
    CHECK(mtcp_socket_ioctl(m, p.server, FIONREAD, &value) == 0 && value == 5);
    CHECK(mtcp_socket_ioctl(m, p.client, SIOCOUTQ, &value) == 0 && value <= 5);
    close_pair(m, p);
}

static void timeouts(void) {
    const struct timeval time = {0, 50000};
    char text[4];
    long before;
    int more;
    struct sockaddr_in name;
    socklen_t negative;
    const struct pair p = make_pair(m);
    CHECK(mtcp_setsockopt(m, p.client, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    before = milliseconds_now();
    CHECK_FAILS(mtcp_read(m, p.client, text, sizeof text), EAGAIN);
    CHECK(milliseconds_now() - before >= 49);
    CHECK(mtcp_setsockopt(m, p.listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    CHECK_FAILS(mtcp_accept(m, p.listener, NULL, NULL), EAGAIN);
    more = mtcp_accept4(m, p.listener, NULL, NULL, 0x4000000);
    CHECK(more == -1 && errno == EINVAL);
    negative = (socklen_t)-1;
    CHECK_FAILS(mtcp_accept(m, p.listener, (struct sockaddr*)&name, &negative), EINVAL);
    close_pair(m, p);
}

static void lingering_close_returns_when_all_is_acknowledged(void) {
    const struct linger five = {1, 5};
    char text[16];
    long before;
    const struct pair p = make_pair(m);
    CHECK(mtcp_setsockopt(m, p.client, SOL_SOCKET, SO_LINGER, &five, sizeof five) == 0);
    CHECK(mtcp_write(m, p.client, "all of it", 9) == 9);
    before = milliseconds_now();
    CHECK(mtcp_close(m, p.client) == 0);
    CHECK(milliseconds_now() - before < 2000);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 9);
    close_pair(m, (struct pair){p.listener, -1, p.server});
}

static void source_addresses_of_active_opens(void) {
    CHECK(mtcp_init_rss(m, INADDR_ANY, 1, inet_addr(OWN_ADDRESS), htons(80)) == 0);
    CHECK(mtcp_init_rss(m, inet_addr(OWN_ADDRESS), 1, inet_addr(OWN_ADDRESS), htons(80)) == 0);
    CHECK_FAILS(mtcp_init_rss(m, inet_addr(OWN_ADDRESS), 2, 0, 0), EADDRNOTAVAIL);
    CHECK_FAILS(mtcp_init_rss(m, INADDR_ANY, 0, 0, 0), EINVAL);
}

static void all_of_127_is_ours(void) {
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    struct pair p;
    p.listener = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    name.sin_addr.s_addr = inet_addr("127.3.2.1");
    CHECK(mtcp_bind(m, p.listener, (struct sockaddr*)&name, length) == 0);
    CHECK(mtcp_listen(m, p.listener, 4) == 0);
    CHECK(mtcp_getsockname(m, p.listener, (struct sockaddr*)&name, &length) == 0);
    p.client = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    CHECK(connect_socket(m, p.client, "127.3.2.1", ntohs(name.sin_port)) == 0);
    p.server = mtcp_accept(m, p.listener, (struct sockaddr*)&name, &length);
    CHECK(p.server >= 0 && name.sin_addr.s_addr == inet_addr("127.0.0.1")); /* as on Linux */
    close_pair(m, p);
}

void test_sockets(void) {
    m = start_stack(1);
    names_and_bytes();
    vectors_and_messages();
    half_close_and_end();
    shutdown_ends_a_listener();
    a_second_listen_changes_the_backlog();
    reset_is_reported_once();
    unread_data_makes_a_reset();
    connecting_fails();
    connecting_is_asked_about_in_a_loop();
    binding();
    making_sockets();
    ids_run_out_and_come_back();
    options_of_a_connection();
    timeouts();
    lingering_close_returns_when_all_is_acknowledged();
    all_of_127_is_ours();
    source_addresses_of_active_opens();
    stop_stack(m);
}
