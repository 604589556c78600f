/* SPDX-License-Identifier: Apache-2.0 */
/* Event loops: epoll, poll, and the kernel's poll on a context's descriptor. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "behaviour.h"

static mctx_t m;

static int wait_one(int ep, struct mtcp_epoll_event* event, int timeout) {
    memset(event, 0, sizeof *event);
    return mtcp_epoll_wait(m, ep, event, 1, timeout);
}

static void watch(int ep, int op, int id, uint32_t events) {
    struct mtcp_epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.sockid = id;
    CHECK(mtcp_epoll_ctl(m, ep, op, id, &event) == 0);
}

static void connect_is_exactly_out(void) {
    struct mtcp_epoll_event event;
    int port;
    const int listener = listen_anywhere(m, &port);
    const int id = mtcp_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int ep = mtcp_epoll_create(m, 30000);
    CHECK(ep >= 0);
    CHECK_FAILS(connect_socket(m, id, OWN_ADDRESS, port), EINPROGRESS);
    watch(ep, MTCP_EPOLL_CTL_ADD, id, MTCP_EPOLLOUT);
    CHECK(wait_one(ep, &event, 1000) == 1);
    CHECK(event.events == MTCP_EPOLLOUT && event.data.sockid == id);
    CHECK_FAILS(connect_socket(m, id, OWN_ADDRESS, port), EISCONN);
    CHECK(mtcp_close(m, id) == 0);
    CHECK(mtcp_close(m, ep) == 0);
    CHECK(mtcp_close(m, listener) == 0);
}

static void failed_connect_is_an_error(void) {
    struct mtcp_epoll_event event;
    const int id = mtcp_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int ep = mtcp_epoll_create1(m, 0);
    CHECK_FAILS(connect_socket(m, id, OWN_ADDRESS, 9), EINPROGRESS);
    watch(ep, MTCP_EPOLL_CTL_ADD, id, MTCP_EPOLLOUT);
    CHECK(wait_one(ep, &event, 1000) == 1);
    CHECK((event.events & MTCP_EPOLLERR) != 0);
    CHECK(get_int(m, id, SOL_SOCKET, SO_ERROR) == ECONNREFUSED);
    CHECK(mtcp_close(m, id) == 0);
    CHECK(mtcp_close(m, ep) == 0);
}

static void listener_is_level_triggered(void) {
    struct mtcp_epoll_event event;
    int port, i, accepted = 0, clients[3];
    const int listener = listen_anywhere(m, &port);
    const int ep = mtcp_epoll_create1(m, 0);
    CHECK(mtcp_setsock_nonblock(m, listener) == 0);
    watch(ep, MTCP_EPOLL_CTL_ADD, listener, MTCP_EPOLLIN);
    CHECK(wait_one(ep, &event, 0) == 0);
    for (i = 0; i < 3; i++) {
        clients[i] = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
        CHECK(connect_socket(m, clients[i], OWN_ADDRESS, port) == 0);
    }
    while (wait_one(ep, &event, 100) == 1) {
        const int id = mtcp_accept(m, listener, NULL, NULL);
        CHECK(event.data.sockid == listener && event.events == MTCP_EPOLLIN);
        if (id < 0) break;
        CHECK(mtcp_close(m, id) == 0);
        accepted++;
    }
    CHECK(accepted == 3);
    CHECK_FAILS(mtcp_accept(m, listener, NULL, NULL), EAGAIN);
    for (i = 0; i < 3; i++)
        CHECK(mtcp_close(m, clients[i]) == 0);
    CHECK(mtcp_close(m, ep) == 0);
    CHECK(mtcp_close(m, listener) == 0);
}

static void level_edge_and_one_shot(void) {
    struct mtcp_epoll_event event;
    char text[8];
    const struct pair p = make_pair(m);
    const int level = mtcp_epoll_create1(m, 0);
    const int edge = mtcp_epoll_create1(m, 0);
    const int once = mtcp_epoll_create1(m, 0);
    watch(level, MTCP_EPOLL_CTL_ADD, p.server, MTCP_EPOLLIN);
    watch(edge, MTCP_EPOLL_CTL_ADD, p.server, MTCP_EPOLLIN | (uint32_t)MTCP_EPOLLET);
    watch(once, MTCP_EPOLL_CTL_ADD, p.server, MTCP_EPOLLIN | MTCP_EPOLLONESHOT);
    CHECK(mtcp_write(m, p.client, "abcd", 4) == 4);
    CHECK(wait_one(level, &event, 1000) == 1 && event.events == MTCP_EPOLLIN);
    CHECK(wait_one(edge, &event, 1000) == 1 && event.events == MTCP_EPOLLIN);
    CHECK(wait_one(once, &event, 1000) == 1 && event.events == MTCP_EPOLLIN);
    CHECK(mtcp_read(m, p.server, text, 2) == 2);
    CHECK(wait_one(level, &event, 0) == 1);
    CHECK(wait_one(edge, &event, 0) == 0);
    CHECK(wait_one(once, &event, 0) == 0);
    CHECK(mtcp_write(m, p.client, "ef", 2) == 2);
    CHECK(wait_one(edge, &event, 1000) == 1);
    CHECK(wait_one(once, &event, 10) == 0);
    watch(once, MTCP_EPOLL_CTL_MOD, p.server, MTCP_EPOLLIN | MTCP_EPOLLONESHOT);
    CHECK(wait_one(once, &event, 0) == 1);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 4);
    CHECK(wait_one(level, &event, 0) == 0);
    CHECK(mtcp_close(m, level) == 0 && mtcp_close(m, edge) == 0 && mtcp_close(m, once) == 0);
    close_pair(m, p);
}

static void ends_are_combined_bits(void) {
    struct mtcp_epoll_event event;
    const struct pair p = make_pair(m);
    const int ep = mtcp_epoll_create1(m, 0);
    watch(ep, MTCP_EPOLL_CTL_ADD, p.server, MTCP_EPOLLIN | MTCP_EPOLLRDHUP);
    CHECK(mtcp_shutdown(m, p.client, SHUT_WR) == 0);
    CHECK(wait_one(ep, &event, 1000) == 1 && event.events == (MTCP_EPOLLIN | MTCP_EPOLLRDHUP));
    CHECK(mtcp_shutdown(m, p.server, SHUT_WR) == 0);
    CHECK(wait_one(ep, &event, 1000) == 1);
    CHECK(event.events == (MTCP_EPOLLIN | MTCP_EPOLLRDHUP | MTCP_EPOLLHUP));
    CHECK(mtcp_close(m, ep) == 0);
    close_pair(m, p);
}

static void errors_of_epoll(void) {
    struct mtcp_epoll_event event;
    const struct pair p = make_pair(m);
    const int ep = mtcp_epoll_create1(m, 0);
    memset(&event, 0, sizeof event);
    event.events = MTCP_EPOLLIN;
    CHECK_FAILS(mtcp_epoll_create(m, 0), EINVAL);
    CHECK_FAILS(mtcp_epoll_create1(m, 1), EINVAL);
    CHECK_FAILS(mtcp_epoll_ctl(m, p.client, MTCP_EPOLL_CTL_ADD, p.server, &event), EINVAL);
    CHECK_FAILS(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, 1999, &event), EBADF);
    CHECK_FAILS(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_ADD, p.server, NULL), EFAULT);
    CHECK_FAILS(mtcp_epoll_ctl(m, ep, MTCP_EPOLL_CTL_DEL, p.server, NULL), ENOENT);
    CHECK_FAILS(mtcp_epoll_wait(m, p.client, &event, 1, 0), EINVAL);
    CHECK_FAILS(mtcp_epoll_wait(m, ep, &event, 0, 0), EINVAL);
    CHECK_FAILS(mtcp_epoll_wait(m, ep, NULL, 1, 0), EFAULT);
    CHECK(mtcp_close(m, ep) == 0);
    close_pair(m, p);
}

static void kernel_poll_on_the_context(void) {
    struct mtcp_epoll_event event;
    struct pollfd entry;
    char text[8];
    const struct pair p = make_pair(m);
    const int ep = mtcp_epoll_create1(m, 0);
    int found = 0, rounds;
    entry.fd = mtcp_context_fd(m);
    entry.events = POLLIN;
    NEED(entry.fd >= 0);
    watch(ep, MTCP_EPOLL_CTL_ADD, p.server, MTCP_EPOLLIN);
    /* Runs dry: nothing to report, then the descriptor must become quiet. */
    for (rounds = 0; rounds < 50 && poll(&entry, 1, 20) == 1; rounds++)
        CHECK(wait_one(ep, &event, 0) == 0);
    CHECK(rounds < 50);
    CHECK(mtcp_write(m, p.client, "hello", 5) == 5);
    for (rounds = 0; rounds < 50 && !found; rounds++) {
        CHECK(poll(&entry, 1, 1000) == 1);
        found = wait_one(ep, &event, 0) == 1;
    }
    CHECK(found);
    CHECK(poll(&entry, 1, 0) == 1); /* level: not read yet */
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 5);
    CHECK(mtcp_close(m, ep) == 0);
    close_pair(m, p);
}

static void poll_and_pipe(void) {
    struct mtcp_pollfd entries[3];
    char text[8];
    int ends[2];
    const struct pair p = make_pair(m);
    CHECK(mtcp_pipe(m, ends) == 0);
    entries[0].sockid = ends[0];
    entries[0].events = MTCP_EPOLLIN;
    entries[1].sockid = p.client;
    entries[1].events = MTCP_EPOLLOUT;
    entries[2].sockid = 1999;
    entries[2].events = MTCP_EPOLLIN;
    CHECK(mtcp_poll(m, entries, 3, 0) == 2);
    CHECK(entries[0].revents == 0 && entries[1].revents == MTCP_EPOLLOUT &&
          entries[2].revents == MTCP_POLLNVAL);
    CHECK(mtcp_write(m, ends[1], "x", 1) == 1);
    CHECK(mtcp_poll(m, entries, 1, -1) == 1 && entries[0].revents == MTCP_EPOLLIN);
    CHECK(mtcp_read(m, ends[0], text, sizeof text) == 1);
    CHECK_FAILS(mtcp_read(m, ends[0], text, sizeof text), EDEADLK);
    CHECK_FAILS(mtcp_recv(m, ends[0], NULL, sizeof text, MSG_TRUNC), EINVAL);
    CHECK(mtcp_close(m, ends[1]) == 0);
    CHECK(mtcp_read(m, ends[0], text, sizeof text) == 0);
    CHECK(mtcp_close(m, ends[0]) == 0);
    close_pair(m, p);
}

static void waiting_takes_its_time(void) {
    struct mtcp_epoll_event event;
    const int ep = mtcp_epoll_create1(m, 0);
    const long before = milliseconds_now();
    CHECK(wait_one(ep, &event, 60) == 0);
    CHECK(milliseconds_now() - before >= 59);
    CHECK(mtcp_close(m, ep) == 0);
}

static volatile sig_atomic_t handled;
static void count_signal(int signum) { handled += signum == SIGUSR1; }

static void* signal_later(void* target) {
    usleep(50000);
    pthread_kill(*(pthread_t*)target, SIGUSR1);
    return NULL;
}

/* Handlers of signal() have SA_RESTART, which means nothing to these, as on Linux. */
static void waits_without_end_are_interrupted(void) {
    struct mtcp_epoll_event event;
    struct mtcp_pollfd entry;
    pthread_t self = pthread_self(), thread;
    int port;
    const int listener = listen_anywhere(m, &port);
    const int ep = mtcp_epoll_create1(m, 0);
    watch(ep, MTCP_EPOLL_CTL_ADD, listener, MTCP_EPOLLIN);
    entry.sockid = listener;
    entry.events = MTCP_EPOLLIN;
    handled = 0;
    signal(SIGUSR1, count_signal);
    NEED(pthread_create(&thread, NULL, signal_later, &self) == 0);
    CHECK_FAILS(wait_one(ep, &event, -1), EINTR);
    NEED(pthread_join(thread, NULL) == 0);
    NEED(pthread_create(&thread, NULL, signal_later, &self) == 0);
    CHECK_FAILS(mtcp_poll(m, &entry, 1, -1), EINTR);
    NEED(pthread_join(thread, NULL) == 0);
    CHECK(handled == 2);
    signal(SIGUSR1, SIG_DFL);
    CHECK(mtcp_close(m, ep) == 0);
    CHECK(mtcp_close(m, listener) == 0);
}

void test_events(void) {
    m = start_stack(1);
    connect_is_exactly_out();
    failed_connect_is_an_error();
    listener_is_level_triggered();
    level_edge_and_one_shot();
    ends_are_combined_bits();
    errors_of_epoll();
    kernel_poll_on_the_context();
    poll_and_pipe();
    waiting_takes_its_time();
    waits_without_end_are_interrupted();
    CHECK(strcmp(EventToString(MTCP_EPOLLIN | MTCP_EPOLLOUT), "MTCP_EPOLLIN|MTCP_EPOLLOUT") == 0);
    stop_stack(m);
}
