/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections in one call, bytes without a copy, the last word and the close at once. */
#include <sys/socket.h>
#include <sys/uio.h>

#include "behaviour.h"

static void accepts_what_waits(mctx_t mctx) {
    enum { kWaiting = 5 };
    int port, i, taken = 0, clients[kWaiting], ids[kWaiting];
    const int listener = listen_anywhere(mctx, &port);
    for (i = 0; i < kWaiting; i++) {
        clients[i] = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
        NEED(connect_socket(mctx, clients[i], OWN_ADDRESS, port) == 0);
    }
    CHECK_FAILS(mtcp_accept_many(mctx, listener, ids, 0, 0), EINVAL);
    CHECK_FAILS(mtcp_accept_many(mctx, listener, NULL, 3, 0), EFAULT);
    CHECK_FAILS(mtcp_accept_many(mctx, listener, ids, 3, 1), EINVAL);
    CHECK(mtcp_accept_many(mctx, listener, ids, 3, SOCK_NONBLOCK) == 3);
    for (taken = 3; taken < kWaiting;) { /* the last handshakes may still be under way */
        const int more =
            mtcp_accept_many(mctx, listener, ids + taken, kWaiting - taken, SOCK_NONBLOCK);
        NEED(more > 0);
        taken += more;
    }
    CHECK(mtcp_setsock_nonblock(mctx, listener) == 0);
    CHECK_FAILS(mtcp_accept_many(mctx, listener, ids, 1, 0), EAGAIN);
    for (i = 0; i < kWaiting; i++) {
        char byte;
        CHECK_FAILS(mtcp_read(mctx, ids[i], &byte, 1), EAGAIN); /* non-blocking */
        CHECK(mtcp_write(mctx, clients[i], "x", 1) == 1);
        CHECK(mtcp_close(mctx, clients[i]) == 0);
        CHECK(mtcp_close(mctx, ids[i]) == 0);
    }
    CHECK(mtcp_close(mctx, listener) == 0);
}

static void shows_bytes_in_place(mctx_t mctx) {
    struct pair p = make_pair(mctx);
    struct iovec pieces[64];
    char text[5000], seen[5000];
    size_t got = 0;
    int i, count;
    for (i = 0; i < (int)sizeof text; i++)
        text[i] = (char)(i * 7);
    CHECK(mtcp_write(mctx, p.client, text, sizeof text) == (ssize_t)sizeof text);
    while (got < sizeof text) {
        ssize_t shown, again;
        count = 64;
        shown = mtcp_recv_in_place(mctx, p.server, pieces, &count, 0);
        NEED(shown > 0 && count >= 1);
        count = 1;
        again = mtcp_recv_in_place(mctx, p.server, pieces, &count, 0);
        NEED(again > 0 && again <= shown && count == 1); /* they are still there */
        CHECK(pieces[0].iov_len == (size_t)again);
        memcpy(seen + got, pieces[0].iov_base, pieces[0].iov_len);
        got += pieces[0].iov_len;
        CHECK(mtcp_recv_done(mctx, p.server, pieces[0].iov_len) == 0);
    }
    CHECK(memcmp(text, seen, sizeof text) == 0);
    CHECK_FAILS(mtcp_recv_done(mctx, p.server, 1), EINVAL);
    count = 64;
    CHECK_FAILS(mtcp_recv_in_place(mctx, p.server, pieces, &count, MSG_DONTWAIT), EAGAIN);
    CHECK(count == 0);
    count = 0;
    CHECK_FAILS(mtcp_recv_in_place(mctx, p.server, pieces, &count, 0), EINVAL);
    CHECK(mtcp_close(mctx, p.client) == 0);
    p.client = -1;
    count = 64;
    CHECK(mtcp_recv_in_place(mctx, p.server, pieces, &count, 0) == 0);
    close_pair(mctx, p);
}

static void sends_and_closes(mctx_t mctx) {
    struct pair p = make_pair(mctx);
    char text[100];
    CHECK(mtcp_send_close(mctx, p.server, "last words", 10) == 10);
    CHECK_FAILS(mtcp_write(mctx, p.server, "x", 1), EBADF);
    p.server = -1;
    CHECK(mtcp_recv(mctx, p.client, text, 10, MSG_WAITALL) == 10);
    CHECK(memcmp(text, "last words", 10) == 0);
    CHECK(mtcp_read(mctx, p.client, text, sizeof text) == 0);
    close_pair(mctx, p);
}

/* As mtcp_read() and mtcp_write(), where there is no connection. */
static void without_a_connection(mctx_t mctx) {
    int port, count = 1;
    struct iovec piece;
    const int listener = listen_anywhere(mctx, &port);
    const int id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    CHECK_FAILS(mtcp_send_close(mctx, id, "x", 1), EPIPE);
    CHECK_FAILS(mtcp_send_close(mctx, listener, "x", 1), EPIPE);
    CHECK_FAILS(mtcp_recv_in_place(mctx, id, &piece, &count, 0), ENOTCONN);
    count = 1;
    CHECK_FAILS(mtcp_recv_in_place(mctx, listener, &piece, &count, 0), ENOTCONN);
    CHECK_FAILS(mtcp_recv_done(mctx, listener, 0), ENOTCONN);
    CHECK(mtcp_close(mctx, id) == 0);
    CHECK(mtcp_close(mctx, listener) == 0);
}

/* More than there is room for: what was taken is told, and the id stays. */
static void stays_open_when_not_all_fits(mctx_t mctx) {
    struct pair p = make_pair(mctx);
    enum { kLong = 8 << 20 };
    char* const text = calloc(1, kLong);
    ssize_t taken;
    size_t got = 0;
    CHECK(mtcp_setsock_nonblock(mctx, p.server) == 0);
    taken = mtcp_send_close(mctx, p.server, text, kLong);
    CHECK(taken > 0 && taken < kLong);
    while (got < (size_t)taken) {
        const ssize_t n = mtcp_read(mctx, p.client, text, kLong);
        NEED(n > 0);
        got += (size_t)n;
    }
    CHECK(mtcp_send_close(mctx, p.server, "end", 3) == 3);
    p.server = -1;
    CHECK(mtcp_recv(mctx, p.client, text, 3, MSG_WAITALL) == 3);
    CHECK(mtcp_read(mctx, p.client, text, 1) == 0);
    free(text);
    close_pair(mctx, p);
}

/* A hint changes nothing that can be seen, whatever it names. */
static void expects_anything(mctx_t mctx) {
    struct pair p = make_pair(mctx);
    const int ids[] = {p.client, p.server, -1, 1000000, p.client, 0, p.server, p.client};
    char text[4];
    size_t i;
    CHECK_FAILS(mtcp_expect(NULL, p.client), EINVAL);
    for (i = 0; i < 3 * sizeof ids / sizeof *ids; i++)
        CHECK(mtcp_expect(mctx, ids[i % (sizeof ids / sizeof *ids)]) == 0);
    CHECK(mtcp_write(mctx, p.client, "abc", 3) == 3);
    CHECK(mtcp_recv(mctx, p.server, text, 3, MSG_WAITALL) == 3);
    CHECK(mtcp_expect(mctx, p.client) == 0);
    close_pair(mctx, p);
    for (i = 0; i < 8; i++)
        CHECK(mtcp_expect(mctx, ids[0]) == 0); /* closed meanwhile */
}

void test_batch(void) {
    mctx_t mctx = start_stack(1);
    expects_anything(mctx);
    accepts_what_waits(mctx);
    shows_bytes_in_place(mctx);
    sends_and_closes(mctx);
    without_a_connection(mctx);
    stays_open_when_not_all_fits(mctx);
    stop_stack(mctx);
}
