/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every prototype, type and constant of the original mTCP's two headers, used as a program written
 * for it uses them, compiled with the flags of its Makefile (-Wall -Werror -fgnu89-inline). Linked,
 * never run beyond what needs no stack.
 */
#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include "cpu.h"

#include <stdio.h>
#include <string.h>

static int (*init)(const char*) = mtcp_init;
static void (*destroy)() = mtcp_destroy;
static int (*getconf)(struct mtcp_conf*) = mtcp_getconf;
static int (*setconf)(const struct mtcp_conf*) = mtcp_setconf;
static int (*core_affinitize)(int) = mtcp_core_affinitize;
static mctx_t (*create_context)(int) = mtcp_create_context;
static void (*destroy_context)(mctx_t) = mtcp_destroy_context;
static mtcp_sighandler_t (*register_signal)(int, mtcp_sighandler_t) = mtcp_register_signal;
static int (*make_pipe)(mctx_t, int[2]) = mtcp_pipe;
static int (*get_option)(mctx_t, int, int, int, void*, socklen_t*) = mtcp_getsockopt;
static int (*set_option)(mctx_t, int, int, int, const void*, socklen_t) = mtcp_setsockopt;
static int (*nonblock)(mctx_t, int) = mtcp_setsock_nonblock;
static int (*control)(mctx_t, int, int, void*) = mtcp_socket_ioctl;
static int (*make_socket)(mctx_t, int, int, int) = mtcp_socket;
static int (*bind_to)(mctx_t, int, const struct sockaddr*, socklen_t) = mtcp_bind;
static int (*listen_on)(mctx_t, int, int) = mtcp_listen;
static int (*accept_from)(mctx_t, int, struct sockaddr*, socklen_t*) = mtcp_accept;
static int (*init_rss)(mctx_t, in_addr_t, int, in_addr_t, in_addr_t) = mtcp_init_rss;
static int (*connect_to)(mctx_t, int, const struct sockaddr*, socklen_t) = mtcp_connect;
static int (*close_id)(mctx_t, int) = mtcp_close;
static int (*abort_id)(mctx_t, int) = mtcp_abort;
static int (*sockname)(mctx_t, int, struct sockaddr*, socklen_t*) = mtcp_getsockname;
static int (*peername)(mctx_t, int, struct sockaddr*, socklen_t*) = mtcp_getpeername;
static ssize_t (*read_bytes)(mctx_t, int, char*, size_t) = mtcp_read;
static ssize_t (*recv_bytes)(mctx_t, int, char*, size_t, int) = mtcp_recv;
static int (*read_vector)(mctx_t, int, const struct iovec*, int) = mtcp_readv;
static ssize_t (*write_bytes)(mctx_t, int, const char*, size_t) = mtcp_write;
static int (*write_vector)(mctx_t, int, const struct iovec*, int) = mtcp_writev;
static int (*epoll_create_sized)(mctx_t, int) = mtcp_epoll_create;
static int (*epoll_create_flags)(mctx_t, int) = mtcp_epoll_create1;
static int (*epoll_control)(mctx_t, int, int, int, struct mtcp_epoll_event*) = mtcp_epoll_ctl;
static int (*epoll_wait_for)(mctx_t, int, struct mtcp_epoll_event*, int, int) = mtcp_epoll_wait;
static char* (*event_to_string)(uint32_t) = EventToString;
static int (*cpus)() = GetNumCPUs;

static void event_loop(mctx_t mctx, int ep, int listener) {
    struct mtcp_epoll_event ev, events[16];
    int i, n;
    ev.events = MTCP_EPOLLIN | MTCP_EPOLLET | MTCP_EPOLLONESHOT;
    ev.data.sockid = listener;
    mtcp_epoll_ctl(mctx, ep, MTCP_EPOLL_CTL_ADD, listener, &ev);
    n = mtcp_epoll_wait(mctx, ep, events, 16, -1);
    for (i = 0; i < n; i++) {
        if (events[i].events & (MTCP_EPOLLERR | MTCP_EPOLLHUP))
            mtcp_close(mctx, events[i].data.sockid);
        else if (events[i].events == MTCP_EPOLLOUT)
            mtcp_epoll_ctl(mctx, ep, MTCP_EPOLL_CTL_MOD, events[i].data.sockid, &ev);
    }
    mtcp_epoll_ctl(mctx, ep, MTCP_EPOLL_CTL_DEL, listener, NULL);
}

#define USED(f) ((f) != NULL)
int main(int argc, char** argv) {
    enum socket_type type = MTCP_SOCK_STREAM;
    struct mtcp_conf conf;
    mctx_t none = NULL;
    UNUSED(argv);
    memset(&conf, 0, sizeof conf);
    if (argc > 1) event_loop(none, 0, (int)type);
    if (!none && USED(init) && USED(destroy) && USED(getconf) && USED(setconf) &&
        USED(core_affinitize) && USED(create_context) && USED(destroy_context) &&
        USED(register_signal) && USED(make_pipe) && USED(get_option) && USED(set_option) &&
        USED(nonblock) && USED(control) && USED(make_socket) && USED(bind_to) && USED(listen_on) &&
        USED(accept_from) && USED(init_rss) && USED(connect_to) && USED(close_id) &&
        USED(abort_id) && USED(sockname) && USED(peername) && USED(read_bytes) &&
        USED(recv_bytes) && USED(read_vector) && USED(write_bytes) && USED(write_vector) &&
        USED(epoll_create_sized) && USED(epoll_create_flags) && USED(epoll_control) &&
        USED(epoll_wait_for) && strcmp(event_to_string(MTCP_EPOLLIN), "MTCP_EPOLLIN") == 0 &&
        cpus() > 0) {
        mtcp_getconf(&conf);
        conf.num_cores = 1;
        return mtcp_setconf(&conf);
    }
    return 1;
}
