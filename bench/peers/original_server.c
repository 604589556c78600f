// SPDX-License-Identifier: Apache-2.0
// A server on the original mTCP: answers each request of 64 bytes with 64 bytes, and closes when
// the client has, or with the answer.
//   original_server server|client CONFIGURATION
#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kEvents = 1024, kPort = 8000, kMessage = 64 };

static struct {
    mctx_t context;
    int epoll;
    int listener;
    int closes;
} server;

static char page[kMessage];
static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

static void watch(int socket) {
    struct mtcp_epoll_event interest;
    interest.events = MTCP_EPOLLIN;
    interest.data.sockid = socket;
    mtcp_setsock_nonblock(server.context, socket);
    mtcp_epoll_ctl(server.context, server.epoll, MTCP_EPOLL_CTL_ADD, socket, &interest);
}

static void end(int socket) {
    mtcp_epoll_ctl(server.context, server.epoll, MTCP_EPOLL_CTL_DEL, socket, NULL);
    mtcp_close(server.context, socket);
}

static void answer(int socket) {
    char request[4096];
    const ssize_t bytes = mtcp_read(server.context, socket, request, sizeof request);
    for (ssize_t left = bytes; left >= kMessage; left -= kMessage)
        mtcp_write(server.context, socket, page, sizeof page);
    if (bytes == 0 || (server.closes && bytes > 0)) end(socket);
}

static int begin(const char* configuration) {
    if (mtcp_init(configuration) != 0) return -1;
    mtcp_core_affinitize(0);
    mtcp_register_signal(SIGTERM, on_signal);
    server.context = mtcp_create_context(0);
    if (server.context == NULL) return -1;
    server.epoll = mtcp_epoll_create(server.context, kEvents);
    server.listener = mtcp_socket(server.context, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    if (mtcp_bind(server.context, server.listener, (struct sockaddr*)&address, sizeof address) !=
        0) {
        return -1;
    }
    if (mtcp_listen(server.context, server.listener, 4096) != 0) return -1;
    watch(server.listener);
    return 0;
}

int main(int argc, char** argv) {
    if (argc != 3) return 1;
    server.closes = strcmp(argv[1], "server") == 0;
    memset(page, 'r', sizeof page);
    if (begin(argv[2]) != 0) {
        fprintf(stderr, "cannot listen\n");
        return 1;
    }
    while (!stop) {
        struct mtcp_epoll_event events[kEvents];
        const int count = mtcp_epoll_wait(server.context, server.epoll, events, kEvents, -1);
        for (int i = 0; i < count; ++i) {
            const int socket = events[i].data.sockid;
            if (socket != server.listener) {
                answer(socket);
                continue;
            }
            int connection;
            while ((connection = mtcp_accept(server.context, socket, NULL, NULL)) >= 0)
                watch(connection);
        }
    }
    return 0;
}
