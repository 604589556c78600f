// SPDX-License-Identifier: Apache-2.0
// A program that knows only the installed headers, as C99: the calls of the original API link, and
// the configuration can be read and written before mtcp_init().
#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include <stdio.h>
#include <string.h>

typedef void (*any_function)(void);

static const any_function kUsed[] = {
    (any_function)mtcp_init,           (any_function)mtcp_destroy,
    (any_function)mtcp_create_context, (any_function)mtcp_destroy_context,
    (any_function)mtcp_socket,         (any_function)mtcp_bind,
    (any_function)mtcp_listen,         (any_function)mtcp_accept,
    (any_function)mtcp_connect,        (any_function)mtcp_close,
    (any_function)mtcp_read,           (any_function)mtcp_write,
    (any_function)mtcp_epoll_create,   (any_function)mtcp_epoll_ctl,
    (any_function)mtcp_epoll_wait,     (any_function)mtcp_setsock_nonblock,
};

int main(void) {
    struct mtcp_conf conf;
    struct mtcp_epoll_event event;
    size_t i;
    memset(&event, 0, sizeof event);
    event.events = MTCP_EPOLLIN | MTCP_EPOLLET;
    for (i = 0; i < sizeof kUsed / sizeof kUsed[0]; i++) {
        if (kUsed[i] == NULL) return 1;
    }
    mtcp_getconf(&conf);
    conf.num_cores = 1;
    mtcp_setconf(&conf);
    memset(&conf, 0, sizeof conf);
    mtcp_getconf(&conf);
    if (conf.num_cores != 1) {
        fprintf(stderr, "mtcp_setconf was forgotten: num_cores %d\n", conf.num_cores);
        return 1;
    }
    printf("consumer in C: %d core, event bits %x\n", conf.num_cores, (unsigned)event.events);
    return 0;
}
