/* SPDX-License-Identifier: Apache-2.0 */
/* What the API behaviour tests share: checks that name their line, a stack on loopback, helpers. */
#ifndef MTCP_TESTS_API_BEHAVIOUR_H
#define MTCP_TESTS_API_BEHAVIOUR_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mtcp_api.h"
#include "mtcp_epoll.h"

#define OWN_ADDRESS "10.0.0.2"
#define MAX_CONCURRENCY 2000

extern const char* drive; /* "assisted", "paired" or "inline" */
extern int failures;

void failed(const char* file, int line, const char* what);
#define CHECK(condition)                                          \
    do {                                                          \
        if (!(condition)) failed(__FILE__, __LINE__, #condition); \
    } while (0)
/* The call answers -1 and this errno. */
#define CHECK_FAILS(call, error)                                     \
    do {                                                             \
        errno = 0;                                                   \
        if ((long)(call) != -1 || errno != (error))                  \
            failed(__FILE__, __LINE__, #call " fails with " #error); \
    } while (0)
/* For what the rest of a test cannot do without. */
#define NEED(condition)                             \
    do {                                            \
        if (!(condition)) {                         \
            failed(__FILE__, __LINE__, #condition); \
            exit(1);                                \
        }                                           \
    } while (0)

/* A stack with `cores` cores on loopback only, and its first context. */
mctx_t start_stack(int cores);
void stop_stack(mctx_t mctx);

struct sockaddr_in address_of(const char* ip, int port);
int connect_socket(mctx_t mctx, int id, const char* ip, int port);
/* A listener on a port that the stack chose. */
int listen_anywhere(mctx_t mctx, int* port);
/* Two connected, blocking sockets of the same context. */
struct pair {
    int listener, client, server;
};
struct pair make_pair(mctx_t mctx);
void close_pair(mctx_t mctx, struct pair p);
int get_int(mctx_t mctx, int id, int level, int name);
long milliseconds_now(void);

/* The groups; each returns after running its tests. */
void test_sockets(void);
void test_events(void);
void test_transfers(void);
void test_lifecycle(void);
void test_cores(void);
void test_urgent(void);
void test_batch(void);

#endif
