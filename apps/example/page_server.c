/* SPDX-License-Identifier: Apache-2.0 */
/* page_server -f CONFIG [-N CORES]: one fixed page over HTTP. Uses nothing that the original mTCP
 * did not have, and is built with the compiler options of its examples: a test compiles it against
 * the installed headers and fetches the page with curl. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include "cpu.h"

#define MAX_EVENTS 30000
#define MAX_CORES 16

static const char kPage[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 48\r\nConnection: close\r\n\r\n"
    "<!doctype html><p>a program for the original API";

static pthread_t threads[MAX_CORES];
static int done[MAX_CORES];
static int cores;

static void on_sigint(int signum) {
    int i;
    UNUSED(signum);
    for (i = 0; i < cores; i++)
        done[i] = 1;
}

static int make_listener(mctx_t mctx, int ep) {
    struct mtcp_epoll_event ev;
    struct sockaddr_in addr;
    int listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || mtcp_setsock_nonblock(mctx, listener) < 0) return -1;
    memset(&addr, 0, sizeof addr);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = INADDR_ANY;
    addr.sin_port = htons(80);
    if (mtcp_bind(mctx, listener, (struct sockaddr*)&addr, sizeof addr) < 0) return -1;
    if (mtcp_listen(mctx, listener, 4096) < 0) return -1;
    ev.events = MTCP_EPOLLIN;
    ev.data.sockid = listener;
    mtcp_epoll_ctl(mctx, ep, MTCP_EPOLL_CTL_ADD, listener, &ev);
    return listener;
}

static void answer(mctx_t mctx, int sock) {
    char request[1024];
    int sent;
    int got = mtcp_read(mctx, sock, request, sizeof request);
    if (got < 0 && errno == EAGAIN) return;
    if (got > 0) {
        sent = mtcp_write(mctx, sock, kPage, sizeof kPage - 1);
        assert(sent == (int)sizeof kPage - 1);
    }
    mtcp_close(mctx, sock);
}

static void on_event(mctx_t mctx, int ep, int listener, struct mtcp_epoll_event* event) {
    struct mtcp_epoll_event ev;
    int sock;
    if (event->data.sockid != listener) {
        if (event->events & MTCP_EPOLLERR) {
            int err;
            socklen_t len = sizeof err;
            mtcp_getsockopt(mctx, event->data.sockid, SOL_SOCKET, SO_ERROR, (void*)&err, &len);
            mtcp_close(mctx, event->data.sockid);
        } else {
            answer(mctx, event->data.sockid);
        }
        return;
    }
    while ((sock = mtcp_accept(mctx, listener, NULL, NULL)) >= 0) {
        ev.events = MTCP_EPOLLIN;
        ev.data.sockid = sock;
        mtcp_setsock_nonblock(mctx, sock);
        mtcp_epoll_ctl(mctx, ep, MTCP_EPOLL_CTL_ADD, sock, &ev);
    }
}

static void* serve(void* arg) {
    int core = *(int*)arg;
    int ep, listener, nevents, i;
    struct mtcp_epoll_event* events;
    mctx_t mctx;

    mtcp_core_affinitize(core);
    mctx = mtcp_create_context(core);
    if (!mctx) exit(EXIT_FAILURE);
    ep = mtcp_epoll_create(mctx, MAX_EVENTS);
    events = calloc(MAX_EVENTS, sizeof *events);
    listener = make_listener(mctx, ep);
    if (ep < 0 || !events || listener < 0) exit(EXIT_FAILURE);
    printf("page_server: core %d listens\n", core);
    fflush(stdout);
    while (!done[core]) {
        nevents = mtcp_epoll_wait(mctx, ep, events, MAX_EVENTS, -1);
        if (nevents < 0 && errno != EINTR) break;
        for (i = 0; i < nevents; i++)
            on_event(mctx, ep, listener, &events[i]);
    }
    free(events);
    mtcp_destroy_context(mctx);
    return NULL;
}

int main(int argc, char** argv) {
    static int indices[MAX_CORES];
    const char* config = "mtcp.conf";
    struct mtcp_conf mcfg;
    int o, i;

    cores = GetNumCPUs();
    while ((o = getopt(argc, argv, "N:f:")) != -1) {
        if (o == 'N') cores = atoi(optarg);
        if (o == 'f') config = optarg;
    }
    if (cores < 1 || cores > MAX_CORES) cores = 1;
    mtcp_getconf(&mcfg);
    mcfg.num_cores = cores;
    mtcp_setconf(&mcfg);
    if (mtcp_init(config)) {
        fprintf(stderr, "page_server: mtcp_init failed\n");
        return EXIT_FAILURE;
    }
    mtcp_register_signal(SIGINT, on_sigint);
    for (i = 0; i < cores; i++) {
        indices[i] = i;
        pthread_create(&threads[i], NULL, serve, &indices[i]);
    }
    for (i = 0; i < cores; i++)
        pthread_join(threads[i], NULL);
    mtcp_destroy();
    return 0;
}
