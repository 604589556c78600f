// SPDX-License-Identifier: Apache-2.0
// A server on F-Stack's sockets and kqueue: answers each request of 64 bytes with 64 bytes, and
// closes when the client has, or with the answer.
//   fstack_server server|client --conf FILE
#include <ff_api.h>
#include <ff_config.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { kEvents = 512, kPort = 8000, kMessage = 64 };

static int queue, listener, server_closes;
static char page[kMessage];

static void watch(int socket) {
    struct kevent change;
    EV_SET(&change, socket, EVFILT_READ, EV_ADD, 0, kEvents, NULL);
    ff_kevent(queue, &change, 1, NULL, 0, NULL);
}

static void answer(int socket) {
    char request[4096];
    const ssize_t bytes = ff_read(socket, request, sizeof request);
    for (ssize_t left = bytes; left >= kMessage; left -= kMessage)
        ff_write(socket, page, sizeof page);
    if (server_closes && bytes > 0) ff_close(socket);
}

static int turn(void* argument) {
    (void)argument;
    struct kevent events[kEvents];
    const int count = ff_kevent(queue, NULL, 0, events, kEvents, NULL);
    for (int i = 0; i < count; ++i) {
        const int socket = (int)events[i].ident;
        if (socket == listener) {
            for (long waiting = (long)events[i].data; waiting > 0; --waiting) {
                const int connection = ff_accept(listener, NULL, NULL);
                if (connection < 0) break;
                watch(connection);
            }
        } else if ((events[i].flags & EV_EOF) != 0 && events[i].data == 0) {
            ff_close(socket);
        } else {
            answer(socket);
        }
    }
    return 0;
}

int main(int argc, char** argv) {
    if (argc < 2) return 1;
    server_closes = strcmp(argv[1], "server") == 0;
    memset(page, 'r', sizeof page);
    argv[1] = argv[0];
    ff_init(argc - 1, argv + 1);
    queue = ff_kqueue();
    listener = ff_socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    ff_ioctl(listener, FIONBIO, &on);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    if (ff_bind(listener, (const struct linux_sockaddr*)&address, sizeof address) != 0 ||
        ff_listen(listener, 4096) != 0) {
        fprintf(stderr, "cannot listen\n");
        return 1;
    }
    watch(listener);
    printf("ready\n");
    fflush(stdout);
    ff_run(turn, NULL);
    return 0;
}
