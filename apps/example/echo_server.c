/* SPDX-License-Identifier: Apache-2.0 */
/* echo_server CONFIG PORT [CORES]: sends back what it receives. The shape of a program written for
 * mTCP: one thread and one context per core, each with its own listener and its own epoll. */
#define _POSIX_C_SOURCE 200112L /* pthread_barrier_wait */
#include <errno.h>
#include <mtcp_api.h>
#include <mtcp_epoll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CORES 16
#define MAX_EVENTS 1024
#define BUFFER_SIZE 8192

/* What could not be sent yet of one connection; the socket's id is the index. */
struct pending {
    size_t size;
    size_t sent;
    char bytes[BUFFER_SIZE];
};

struct server {
    int core;
    mctx_t mctx;
    int epoll;
    int listener;
    struct pending* pending; /* [max_concurrency] */
};

static volatile sig_atomic_t done;
static volatile sig_atomic_t failed;
static uint16_t port;
static int max_sockets;
static pthread_barrier_t all_listen;

static void on_signal(int signal_number) {
    UNUSED(signal_number);
    done = 1;
}

/* SIGINT is the one that ends the waits of all cores. */
static void on_terminate(int signal_number) {
    UNUSED(signal_number);
    raise(SIGINT);
}

static int watch(struct server* server, int operation, int socket, uint32_t events) {
    struct mtcp_epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.sockid = socket;
    return mtcp_epoll_ctl(server->mctx, server->epoll, operation, socket, &event);
}

static int open_listener(struct server* server) {
    struct sockaddr_in address;
    server->listener = mtcp_socket(server->mctx, AF_INET, SOCK_STREAM, 0);
    if (server->listener < 0) return -1;
    mtcp_setsock_nonblock(server->mctx, server->listener);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = INADDR_ANY;
    address.sin_port = htons(port);
    if (mtcp_bind(server->mctx, server->listener, (struct sockaddr*)&address, sizeof address) != 0)
        return -1;
    if (mtcp_listen(server->mctx, server->listener, 1024) != 0) return -1;
    return watch(server, MTCP_EPOLL_CTL_ADD, server->listener, MTCP_EPOLLIN);
}

static void accept_all(struct server* server) {
    int socket;
    while ((socket = mtcp_accept(server->mctx, server->listener, NULL, NULL)) >= 0) {
        if (socket >= max_sockets) {
            mtcp_close(server->mctx, socket);
            continue;
        }
        mtcp_setsock_nonblock(server->mctx, socket);
        server->pending[socket].size = server->pending[socket].sent = 0;
        watch(server, MTCP_EPOLL_CTL_ADD, socket, MTCP_EPOLLIN);
    }
}

/* Returns 1 when all is out, 0 when the socket is full, -1 when the connection is gone. */
static int flush_pending(struct server* server, int socket) {
    struct pending* pending = &server->pending[socket];
    while (pending->sent < pending->size) {
        ssize_t sent = mtcp_write(server->mctx, socket, pending->bytes + pending->sent,
                                  pending->size - pending->sent);
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        pending->sent += (size_t)sent;
    }
    return 1;
}

static void echo(struct server* server, int socket, uint32_t events) {
    struct pending* pending = &server->pending[socket];
    int flushed = flush_pending(server, socket);
    while (flushed == 1) {
        ssize_t size = mtcp_read(server->mctx, socket, pending->bytes, BUFFER_SIZE);
        if (size < 0 && errno == EAGAIN) break;
        if (size <= 0) {
            flushed = -1; /* the end of the stream, or an error */
            break;
        }
        pending->size = (size_t)size;
        pending->sent = 0;
        flushed = flush_pending(server, socket);
    }
    if (flushed < 0) {
        mtcp_close(server->mctx, socket);
    } else if (flushed == 0 || (events & MTCP_EPOLLOUT)) {
        watch(server, MTCP_EPOLL_CTL_MOD, socket, flushed == 0 ? MTCP_EPOLLOUT : MTCP_EPOLLIN);
    }
}

static void* serve(void* argument) {
    struct server* server = argument;
    static __thread struct mtcp_epoll_event events[MAX_EVENTS];
    mtcp_core_affinitize(server->core);
    server->mctx = mtcp_create_context(server->core);
    if (server->mctx == NULL) {
        fprintf(stderr, "core %d: %s\n", server->core, mtcp_last_problem());
        done = failed = 1;
        pthread_barrier_wait(&all_listen);
        return NULL;
    }
    server->pending = calloc((size_t)max_sockets, sizeof *server->pending);
    server->epoll = mtcp_epoll_create(server->mctx, MAX_EVENTS);
    if (server->pending == NULL || server->epoll < 0 || open_listener(server) != 0) {
        perror("echo_server");
        done = failed = 1;
    }
    pthread_barrier_wait(&all_listen);
    while (!done) {
        int count = mtcp_epoll_wait(server->mctx, server->epoll, events, MAX_EVENTS, -1);
        int i;
        if (count < 0 && errno != EINTR) break;
        for (i = 0; i < count; i++) {
            if (events[i].data.sockid == server->listener)
                accept_all(server);
            else
                echo(server, events[i].data.sockid, events[i].events);
        }
    }
    mtcp_destroy_context(server->mctx);
    free(server->pending);
    return NULL;
}

int main(int argc, char** argv) {
    static struct server servers[MAX_CORES];
    pthread_t threads[MAX_CORES];
    struct mtcp_conf conf;
    int cores = argc > 3 ? atoi(argv[3]) : 1;
    int i;
    int wanted = argc > 2 ? atoi(argv[2]) : 0;
    if (wanted < 1 || wanted > 65535 || cores < 1 || cores > MAX_CORES) {
        fprintf(stderr, "usage: %s CONFIG PORT [CORES]\n", argv[0]);
        return 2;
    }
    port = (uint16_t)wanted;
    mtcp_getconf(&conf);
    conf.num_cores = cores;
    mtcp_setconf(&conf);
    if (mtcp_init(argv[1]) != 0) {
        fprintf(stderr, "echo_server: %s\n", mtcp_last_problem());
        return 1;
    }
    mtcp_getconf(&conf);
    max_sockets = conf.max_concurrency;
    mtcp_register_signal(SIGINT, on_signal);
    mtcp_register_signal(SIGTERM, on_terminate);
    pthread_barrier_init(&all_listen, NULL, (unsigned)cores + 1);
    for (i = 0; i < cores; i++) {
        servers[i].core = i;
        pthread_create(&threads[i], NULL, serve, &servers[i]);
    }
    pthread_barrier_wait(&all_listen); /* whoever waits for the line may connect */
    if (!failed) printf("echo_server: port %u, %d core(s)\n", port, cores);
    fflush(stdout);
    for (i = 0; i < cores; i++)
        pthread_join(threads[i], NULL);
    mtcp_destroy();
    puts("echo_server: ended");
    return failed ? 1 : 0;
}
