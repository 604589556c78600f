/* SPDX-License-Identifier: Apache-2.0 */
/* Many bytes, many connections, in one event loop that holds both ends. */
#include <stdint.h>

#include "behaviour.h"

static mctx_t m;

static char byte_at(size_t position) { return (char)(position * 2654435761u >> 13); }

/* Both directions at once, non-blocking, in pieces of changing sizes. */
struct flow {
    int from, to;
    size_t sent, received, wrong;
};

static void push(struct flow* f, size_t total, size_t piece) {
    static char block[65536];
    size_t i, n = total - f->sent < piece ? total - f->sent : piece;
    ssize_t done;
    if (n == 0) return;
    for (i = 0; i < n; i++)
        block[i] = byte_at(f->sent + i);
    done = mtcp_write(m, f->from, block, n);
    if (done > 0)
        f->sent += (size_t)done;
    else
        CHECK(done == -1 && errno == EAGAIN);
    if (f->sent == total) CHECK(mtcp_shutdown(m, f->from, SHUT_WR) == 0);
}

static int pull(struct flow* f, size_t piece) {
    static char block[65536];
    const ssize_t n = mtcp_read(m, f->to, block, piece);
    ssize_t i;
    for (i = 0; i < n; i++)
        f->wrong += block[i] != byte_at(f->received + (size_t)i);
    if (n > 0) f->received += (size_t)n;
    return n == 0;
}

static void both_directions(size_t total) {
    struct mtcp_epoll_event events[4], event;
    const struct pair p = make_pair(m);
    struct flow flows[2];
    int ends = 0, i, n, ids[2];
    size_t piece = 1;
    const int ep = mtcp_epoll_create1(m, 0);
    ids[0] = p.client;
    ids[1] = p.server;
    memset(flows, 0, sizeof flows);
    flows[0].from = flows[1].to = p.client;
    flows[0].to = flows[1].from = p.server;
    for (i = 0; i < 2; i++) {
        memset(&event, 0, sizeof event);
        event.events = MTCP_EPOLLIN | MTCP_EPOLLOUT;
        event.data.u32 = (uint32_t)i;
        CHECK(mtcp_setsock_nonblock(m, ids[i]) == 0);
        CHECK(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, ids[i], &event) == 0);
    }
    while (ends < 2 && (n = mtcp_epoll_wait(m, ep, events, 4, 5000)) > 0) {
        for (i = 0; i < n; i++) {
            const uint32_t who = events[i].data.u32;
            struct flow *out = &flows[who], *in = &flows[1 - who];
            piece = piece * 7 % 65521 + 1;
            if ((events[i].events & MTCP_EPOLLOUT) != 0) push(out, total, piece);
            if ((events[i].events & MTCP_EPOLLIN) != 0 && pull(in, piece)) {
                ends++;
                memset(&event, 0, sizeof event);
                event.events = MTCP_EPOLLOUT;
                event.data.u32 = who;
                if (out->sent < total)
                    CHECK(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_MOD, ids[who], &event) == 0);
                else
                    CHECK(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_DEL, ids[who], NULL) == 0);
            }
        }
    }
    CHECK(ends == 2);
    for (i = 0; i < 2; i++) {
        CHECK(flows[i].sent == total && flows[i].received == total && flows[i].wrong == 0);
    }
    CHECK(mtcp_close(m, ep) == 0);
    close_pair(m, p);
}

/* Short connections in waves: 64 bytes each way, closed by the server first. */
static void many_short_connections(int waves, int width) {
    static int clients[1024], servers[1024];
    char text[64];
    int port, wave, i;
    const int listener = listen_anywhere(m, &port);
    memset(text, 'm', sizeof text);
    for (wave = 0; wave < waves; wave++) {
        for (i = 0; i < width; i++) {
            clients[i] = mtcp_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            CHECK(clients[i] >= 0 && clients[i] < MAX_CONCURRENCY);
            CHECK_FAILS(connect_socket(m, clients[i], OWN_ADDRESS, port), EINPROGRESS);
        }
        for (i = 0; i < width; i++) {
            servers[i] = mtcp_accept(m, listener, NULL, NULL);
            NEED(servers[i] >= 0);
        }
        for (i = 0; i < width; i++) {
            int off = 0;
            CHECK(mtcp_socket_ioctl(m, clients[i], 0x5421 /* FIONBIO */, &off) == 0);
            CHECK(mtcp_write(m, clients[i], text, 64) == 64);
        }
        for (i = 0; i < width; i++) {
            CHECK(mtcp_recv(m, servers[i], text, 64, MSG_WAITALL) == 64);
            CHECK(mtcp_write(m, servers[i], text, 64) == 64);
            CHECK(mtcp_close(m, servers[i]) == 0);
        }
        for (i = 0; i < width; i++) {
            CHECK(mtcp_recv(m, clients[i], text, 64, MSG_WAITALL) == 64);
            CHECK(mtcp_read(m, clients[i], text, 64) == 0);
            CHECK(mtcp_close(m, clients[i]) == 0);
        }
    }
    CHECK(mtcp_close(m, listener) == 0);
}

/* A blocking writer and a reader that never reads: the writer's time-out ends it. */
static void blocking_write_fills_the_windows(void) {
    static char block[1 << 20];
    const struct timeval time = {0, 100000};
    const struct pair p = make_pair(m);
    size_t total = 0, seen = 0;
    ssize_t n;
    CHECK(mtcp_setsockopt(m, p.client, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
    while (total < (size_t)64 << 20 && (n = mtcp_write(m, p.client, block, sizeof block)) > 0)
        total += (size_t)n;
    CHECK(errno == EAGAIN && total >= 100000 && total < (size_t)64 << 20);
    CHECK(mtcp_setsock_nonblock(m, p.server) == 0);
    CHECK(mtcp_close(m, p.client) == 0);
    while (seen < total) {
        struct mtcp_pollfd entry = {p.server, MTCP_EPOLLIN, 0};
        n = mtcp_read(m, p.server, block, sizeof block);
        if (n > 0)
            seen += (size_t)n;
        else if (n == 0 || errno != EAGAIN || mtcp_poll(m, &entry, 1, 5000) != 1)
            break;
    }
    CHECK(seen == total);
    CHECK(mtcp_close(m, p.server) == 0);
    CHECK(mtcp_close(m, p.listener) == 0);
}

void test_transfers(void) {
    m = start_stack(1);
    both_directions(1);
    both_directions(100);
    both_directions((size_t)8 << 20);
    many_short_connections(20, 200);
    blocking_write_fills_the_windows();
    stop_stack(m);
}
