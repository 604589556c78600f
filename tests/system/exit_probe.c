/* SPDX-License-Identifier: Apache-2.0 */
/* exit_probe CONFIG ADDRESS PORT HOW: writes BYTES to ADDRESS and ends without mtcp_destroy():
 *   closed    the socket is closed, main() returns
 *   open      the socket is open at exit()
 *   handler   exit() in the handler of a signal that found the thread asleep in mtcp_epoll_wait()
 *   thread    exit() while another thread, whose socket it is, waits in mtcp_epoll_wait() */
#include <arpa/inet.h>
#include <errno.h>
#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (4 << 20)

static struct sockaddr_in to;
static mctx_t mctx;
static volatile int waits = 0;

static int fail(const char* what) {
    fprintf(stderr, "exit_probe: %s: %s; %s\n", what, strerror(errno), mtcp_last_problem());
    _exit(1);
}

/* The socket on which all was written. */
static int write_all(void) {
    static char data[1 << 16];
    int id, left = BYTES;
    memset(data, 'x', sizeof data);
    mctx = mtcp_create_context(0);
    if (mctx == NULL) fail("mtcp_create_context");
    id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    if (mtcp_connect(mctx, id, (const struct sockaddr*)&to, sizeof to) != 0) fail("mtcp_connect");
    while (left > 0) {
        const ssize_t written = mtcp_write(mctx, id, data, sizeof data);
        if (written <= 0) fail("mtcp_write");
        left -= (int)written;
    }
    return id;
}

static void wait_in_the_library(void) {
    struct mtcp_epoll_event event;
    const int ep = mtcp_epoll_create1(mctx, 0);
    waits = 1;
    while (mtcp_epoll_wait(mctx, ep, &event, 1, -1) >= 0 || errno == EINTR)
        ;
    fail("mtcp_epoll_wait");
}

static void on_signal(int signum) { exit(signum == SIGALRM ? 0 : 1); }

static void* own_the_socket(void* unused) {
    (void)write_all();
    wait_in_the_library();
    return unused;
}

int main(int argc, char** argv) {
    pthread_t thread;
    if (argc != 5) return 2;
    if (mtcp_init(argv[1]) != 0) fail("mtcp_init");
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = inet_addr(argv[2]);
    to.sin_port = htons((uint16_t)atoi(argv[3]));
    if (strcmp(argv[4], "thread") == 0) {
        if (pthread_create(&thread, NULL, own_the_socket, NULL) != 0) fail("pthread_create");
        while (!waits)
            usleep(1000);
        usleep(20000);
        exit(0);
    }
    if (strcmp(argv[4], "handler") == 0) {
        signal(SIGALRM, on_signal);
        (void)write_all();
        ualarm(100000, 0);
        wait_in_the_library();
    }
    if (strcmp(argv[4], "open") == 0) {
        (void)write_all();
        exit(0);
    }
    return mtcp_close(mctx, write_all());
}
