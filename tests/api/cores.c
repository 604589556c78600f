/* SPDX-License-Identifier: Apache-2.0 */
/* Two cores in two threads: each serves itself, and one serves the other. */
#include <pthread.h>
#include <unistd.h>

#include "behaviour.h"

static pthread_barrier_t barrier;
static int shared_port;

static void exchange(mctx_t mctx, int client, int server) {
    char text[16];
    CHECK(mtcp_write(mctx, client, "ping", 4) == 4);
    CHECK(mtcp_recv(mctx, server, text, 4, MSG_WAITALL) == 4);
}

/* Both contexts listen on one port; a connection opened on a core is served by its own listener. */
static void serve_itself(mctx_t mctx) {
    struct sockaddr_in in = address_of("0.0.0.0", 8080);
    const int listener = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    int i;
    CHECK(mtcp_bind(mctx, listener, (struct sockaddr*)&in, sizeof in) == 0);
    CHECK(mtcp_listen(mctx, listener, 64) == 0);
    pthread_barrier_wait(&barrier);
    for (i = 0; i < 50; i++) {
        const int client = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
        int server;
        CHECK(connect_socket(mctx, client, OWN_ADDRESS, 8080) == 0);
        server = mtcp_accept(mctx, listener, NULL, NULL);
        NEED(server >= 0);
        exchange(mctx, client, server);
        CHECK(mtcp_close(mctx, client) == 0);
        CHECK(mtcp_close(mctx, server) == 0);
    }
    pthread_barrier_wait(&barrier);
    CHECK(mtcp_close(mctx, listener) == 0);
}

static int listen_at(mctx_t mctx, const char* ip, int port) {
    struct sockaddr_in in = address_of(ip, port);
    const int id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    NEED(mtcp_bind(mctx, id, (struct sockaddr*)&in, sizeof in) == 0);
    NEED(mtcp_listen(mctx, id, 64) == 0);
    return id;
}

static void serve_other(mctx_t mctx, int listener) {
    char text[8];
    int i;
    for (i = 0; i < 20; i++) {
        const int id = mtcp_accept(mctx, listener, NULL, NULL);
        NEED(id >= 0);
        CHECK(mtcp_recv(mctx, id, text, 4, MSG_WAITALL) == 4);
        CHECK(mtcp_write(mctx, id, "pong", 4) == 4);
        CHECK(mtcp_read(mctx, id, text, sizeof text) == 0);
        CHECK(mtcp_close(mctx, id) == 0);
    }
    CHECK(mtcp_close(mctx, listener) == 0);
}

static void ask_other(mctx_t mctx, int port) {
    char text[8];
    int i;
    for (i = 0; i < 20; i++) {
        const int id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
        CHECK(connect_socket(mctx, id, OWN_ADDRESS, port) == 0);
        CHECK(mtcp_write(mctx, id, "ping", 4) == 4);
        CHECK(mtcp_recv(mctx, id, text, 4, MSG_WAITALL) == 4);
        CHECK(mtcp_close(mctx, id) == 0);
    }
}

static void* second_core(void* unused) {
    mctx_t mctx = mtcp_create_context(1);
    UNUSED(unused);
    NEED(mctx != NULL);
    serve_itself(mctx);
    /* Who listens at another address of ours does not listen at this one. */
    listen_at(mctx, "127.0.0.1", 8090);
    pthread_barrier_wait(&barrier);
    ask_other(mctx, shared_port);
    ask_other(mctx, 8090);
    mtcp_destroy_context(mctx); /* delivers the last FIN: with drive = inline nobody else would */
    return NULL;
}

void test_cores(void) {
    pthread_t thread;
    mctx_t mctx;
    int anywhere, bound;
    if (GetNumCPUs() < 2) {
        printf("one CPU: skipped\n");
        return;
    }
    mctx = start_stack(2);
    NEED(pthread_barrier_init(&barrier, NULL, 2) == 0);
    NEED(pthread_create(&thread, NULL, second_core, NULL) == 0);
    serve_itself(mctx);
    anywhere = listen_anywhere(mctx, &shared_port);
    bound = listen_at(mctx, OWN_ADDRESS, 8090);
    pthread_barrier_wait(&barrier);
    serve_other(mctx, anywhere);
    serve_other(mctx, bound);
    mtcp_destroy_context(mctx);
    NEED(pthread_join(thread, NULL) == 0);
    mtcp_destroy();
}
