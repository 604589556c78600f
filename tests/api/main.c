/* SPDX-License-Identifier: Apache-2.0 */
/* api_behaviour DRIVE GROUP: the socket API over the real stack, both ends of every connection in
 * it. */
#include <time.h>

#include "behaviour.h"

const char* drive = "assisted";
int failures = 0;

void failed(const char* file, int line, const char* what) {
    fprintf(stderr, "%s:%d: %s (errno %d: %s)\n", file, line, what, errno, strerror(errno));
    failures++;
}

mctx_t start_stack(int cores) {
    char text[400];
    mctx_t mctx;
    snprintf(text, sizeof text,
             "io = link\naddress = " OWN_ADDRESS
             "/24\nnum_cores = %d\nmax_concurrency = %d\ndrive = %s\n"
             "chunks_small = 8192\nchunks_medium = 8192\nchunks_large = 256\nhuge_pages = off\n",
             cores, MAX_CONCURRENCY, drive);
    if (mtcp_init_from_text(text) != 0) {
        fprintf(stderr, "%s\n", mtcp_last_problem());
        exit(1);
    }
    mctx = mtcp_create_context(0);
    if (mctx == NULL) {
        fprintf(stderr, "%s\n", mtcp_last_problem());
        exit(1);
    }
    return mctx;
}

void stop_stack(mctx_t mctx) {
    mtcp_destroy_context(mctx);
    mtcp_destroy();
}

struct sockaddr_in address_of(const char* ip, int port) {
    struct sockaddr_in in;
    memset(&in, 0, sizeof in);
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = inet_addr(ip);
    in.sin_port = htons((uint16_t)port);
    return in;
}

int connect_socket(mctx_t mctx, int id, const char* ip, int port) {
    const struct sockaddr_in in = address_of(ip, port);
    return mtcp_connect(mctx, id, (const struct sockaddr*)&in, sizeof in);
}

int listen_anywhere(mctx_t mctx, int* port) {
    struct sockaddr_in in = address_of("0.0.0.0", 0);
    socklen_t length = sizeof in;
    const int id = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    NEED(id >= 0);
    NEED(mtcp_bind(mctx, id, (struct sockaddr*)&in, sizeof in) == 0);
    NEED(mtcp_listen(mctx, id, 1024) == 0);
    NEED(mtcp_getsockname(mctx, id, (struct sockaddr*)&in, &length) == 0);
    *port = ntohs(in.sin_port);
    NEED(*port != 0);
    return id;
}

struct pair make_pair(mctx_t mctx) {
    struct pair p;
    int port;
    p.listener = listen_anywhere(mctx, &port);
    p.client = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    NEED(connect_socket(mctx, p.client, OWN_ADDRESS, port) == 0);
    p.server = mtcp_accept(mctx, p.listener, NULL, NULL);
    NEED(p.server >= 0);
    return p;
}

void close_pair(mctx_t mctx, struct pair p) {
    if (p.client >= 0) CHECK(mtcp_close(mctx, p.client) == 0);
    if (p.server >= 0) CHECK(mtcp_close(mctx, p.server) == 0);
    CHECK(mtcp_close(mctx, p.listener) == 0);
}

int get_int(mctx_t mctx, int id, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    CHECK(mtcp_getsockopt(mctx, id, level, name, &value, &length) == 0);
    return value;
}

long milliseconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        void (*run)(void);
    } groups[] = {{"sockets", test_sockets},     {"events", test_events},
                  {"transfers", test_transfers}, {"lifecycle", test_lifecycle},
                  {"cores", test_cores},         {"urgent", test_urgent},
                  {"batch", test_batch}};
    size_t i;
    if (argc != 3) {
        fprintf(stderr, "usage: %s assisted|paired|inline GROUP\n", argv[0]);
        return 2;
    }
    drive = argv[1];
    for (i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (strcmp(groups[i].name, argv[2]) != 0) continue;
        groups[i].run();
        printf("%s %s: %d failures\n", drive, argv[2], failures);
        return failures != 0;
    }
    fprintf(stderr, "no group %s\n", argv[2]);
    return 2;
}
