/* SPDX-License-Identifier: Apache-2.0 */
/* Start, configuration, wrong threads, signals, fork, end. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "behaviour.h"

static mctx_t m;
static volatile sig_atomic_t interrupts = 0;

static void before_the_stack_is_open(void) {
    struct mtcp_conf conf, wanted;
    memset(&wanted, 0, sizeof wanted);
    CHECK(mtcp_create_context(0) == NULL && errno == EPERM);
    CHECK(strstr(mtcp_last_problem(), "mtcp_init()") != NULL);
    CHECK(mtcp_getconf(&conf) == 0 && conf.num_cores == GetNumCPUs());
    CHECK(conf.tcp_timewait == 60000 && conf.tcp_timeout == 0);
    wanted.num_cores = 1;
    wanted.rcvbuf_size = 12345;
    CHECK(mtcp_setconf(&wanted) == 0);
    CHECK(mtcp_getconf(&conf) == 0 && conf.num_cores == 1 && conf.rcvbuf_size == 12345);
    CHECK_FAILS(mtcp_getconf(NULL), EINVAL);
    CHECK_FAILS(mtcp_setconf(NULL), EINVAL);
    CHECK(strstr(mtcp_last_problem(), "NULL") != NULL);
    mtcp_destroy();
}

static void set_one(const char* name, size_t place, int value, int is_good) {
    struct mtcp_conf before, after, wanted;
    memset(&wanted, 0, sizeof wanted);
    memcpy((char*)&wanted + place, &value, sizeof value);
    CHECK(mtcp_getconf(&before) == 0);
    errno = 0;
    if ((mtcp_setconf(&wanted) == 0) != is_good) failed(__FILE__, __LINE__, name);
    if (is_good) return;
    if (errno != EINVAL || strstr(mtcp_last_problem(), name) == NULL)
        failed(__FILE__, __LINE__, mtcp_last_problem());
    CHECK(mtcp_getconf(&after) == 0 && memcmp(&before, &after, sizeof after) == 0);
}

/* The limits of the configuration file, and a text that names the field. */
static void absurd_values_are_refused(void) {
    static const struct {
        const char* name;
        size_t place;
        int least, most;
    } fields[] = {{"num_cores", offsetof(struct mtcp_conf, num_cores), 1, 64},
                  {"max_concurrency", offsetof(struct mtcp_conf, max_concurrency), 1, 1 << 26},
                  {"max_num_buffers", offsetof(struct mtcp_conf, max_num_buffers), 1, 1 << 24},
                  {"rcvbuf", offsetof(struct mtcp_conf, rcvbuf_size), 64, 64 << 20},
                  {"sndbuf", offsetof(struct mtcp_conf, sndbuf_size), 64, 64 << 20},
                  {"tcp_timewait", offsetof(struct mtcp_conf, tcp_timewait), 1, 86400000}};
    size_t i;
    for (i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        set_one(fields[i].name, fields[i].place, fields[i].least, 1);
        set_one(fields[i].name, fields[i].place, fields[i].most, 1);
        set_one(fields[i].name, fields[i].place, fields[i].most + 1, 0);
        set_one(fields[i].name, fields[i].place, 0x7fffffff, 0);
        if (fields[i].least > 1) set_one(fields[i].name, fields[i].place, 3, 0);
    }
    mtcp_destroy();
}

static void bad_configurations_are_explained(void) {
    CHECK_FAILS(mtcp_init("/nonexistent/mtcp.conf"), ENOENT);
    CHECK(strstr(mtcp_last_problem(), "/nonexistent/mtcp.conf") != NULL);
    CHECK_FAILS(mtcp_init("/"), EISDIR);
    CHECK(strstr(mtcp_last_problem(), "name a file in this folder") != NULL);
    CHECK_FAILS(mtcp_init_from_text("io = link\naddress = 10.0.0.2/24\narp_file = /\n"), EISDIR);
    CHECK(strstr(mtcp_last_problem(), ":3: /: cannot be read: Is a directory") != NULL);
    CHECK_FAILS(mtcp_init_from_text("io = dpdk\n"), EINVAL);
    CHECK(strstr(mtcp_last_problem(), ":1: io = dpdk") != NULL);
    CHECK(strstr(mtcp_last_problem(), "af_xdp") != NULL);
    CHECK_FAILS(mtcp_init_from_text("num_cores = 1\nport = no_such_port\n"), ENODEV);
    CHECK(strstr(mtcp_last_problem(), ":2: port no_such_port") != NULL);
    CHECK_FAILS(mtcp_init_from_text("io = memif\nport = lifecycle.sock\n"
                                    "address = 10.0.0.2/24\nnum_cores = 1\n"
                                    "capture = /nonexistent/x.pcapng\n"),
                ENOENT);
    CHECK(strstr(mtcp_last_problem(), ":5: cannot write the capture") != NULL);
    /* Of two ports, one with a name that begins as the other's; and an option. */
    CHECK_FAILS(mtcp_init_from_text("io = tap\nport = an_interface_name10\n"
                                    "port = an_interface_name1\nnum_cores = 1\n"
                                    "address = 10.0.0.2/24 dev an_interface_name10\n"
                                    "address = 10.0.1.2/24 dev an_interface_name1\n"),
                EINVAL);
    CHECK(strstr(mtcp_last_problem(), ":2: interface name 'an_interface_name10'") != NULL);
    CHECK_FAILS(mtcp_init_from_text("io = tap\nport = tap0\naddress = 10.0.0.2/24\n"
                                    "num_cores = 1\nio.mtux = 9000\n"),
                EINVAL);
    CHECK(strstr(mtcp_last_problem(), ":5: tap tap0 has no option mtux") != NULL);
    CHECK_FAILS(mtcp_init_from_text("io = tap\nport = tap0\naddress = 10.0.0.2/24\n"
                                    "num_cores = 1\nio.mtu = 1500\ndevice tap0 mtu = x\n"),
                EINVAL);
    CHECK(strstr(mtcp_last_problem(), ":6: tap tap0: bad value") != NULL);
    CHECK_FAILS(mtcp_init_from_text(NULL), EINVAL);
    CHECK(strstr(mtcp_last_problem(), "NULL") != NULL);
}

static void while_the_stack_is_open(void) {
    struct mtcp_conf conf, wanted;
    CHECK_FAILS(mtcp_init_from_text("io = link\n"), EALREADY);
    CHECK(mtcp_create_context(0) == NULL && errno == EBUSY);
    CHECK(mtcp_create_context(1) == NULL && errno == EINVAL);
    CHECK(mtcp_create_context(-1) == NULL && errno == EINVAL);
    CHECK(mtcp_getconf(&conf) == 0 && conf.max_concurrency == MAX_CONCURRENCY &&
          conf.num_cores == 1);
    wanted = conf; /* what the original's client does: lower limits after mtcp_init() */
    wanted.max_concurrency = 100;
    wanted.max_num_buffers = 100;
    CHECK(mtcp_setconf(&wanted) == 0);
    wanted.num_cores = 2;
    CHECK_FAILS(mtcp_setconf(&wanted), EBUSY);
    CHECK(strstr(mtcp_last_problem(), "num_cores") != NULL);
    wanted.num_cores = 1;
    wanted.tcp_timewait = 1;
    CHECK_FAILS(mtcp_setconf(&wanted), EBUSY);
    CHECK(mtcp_core_affinitize(0) == 0);
    CHECK_FAILS(mtcp_core_affinitize(-1), EINVAL);
    CHECK_FAILS(mtcp_core_affinitize(1000), EINVAL);
}

static void* use_from_elsewhere(void* id) {
    CHECK_FAILS(mtcp_socket(m, AF_INET, SOCK_STREAM, 0), EPERM);
    CHECK_FAILS(mtcp_close(m, *(int*)id), EPERM);
    return NULL;
}

static void other_threads_are_refused(void) {
    pthread_t thread;
    int id = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    CHECK(id >= 0);
    NEED(pthread_create(&thread, NULL, use_from_elsewhere, &id) == 0);
    NEED(pthread_join(thread, NULL) == 0);
    CHECK(mtcp_close(m, id) == 0);
}

static void children_are_refused(void) {
    int status = -1;
    const struct pair p = make_pair(m);
    const pid_t child = fork();
    if (child == 0) {
        int bad = 0;
        errno = 0;
        bad |= mtcp_write(m, p.client, "x", 1) != -1 || errno != EPERM;
        bad |= mtcp_socket(m, AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM;
        mtcp_destroy_context(m);
        mtcp_destroy();
        _exit(bad);
    }
    NEED(child > 0);
    NEED(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* The parent goes on as if nothing had been. */
    CHECK(mtcp_write(m, p.client, "still", 5) == 5);
    {
        char text[8];
        CHECK(mtcp_read(m, p.server, text, sizeof text) == 5);
    }
    close_pair(m, p);
}

/* Of the parent's devices and addresses a child has none: it starts a stack as if it were the
 * first. */
static void children_start_their_own(void) {
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        mctx_t own;
        failures = 0;
        own = start_stack(1);
        close_pair(own, make_pair(own));
        stop_stack(own);
        _exit(failures != 0);
    }
    NEED(child > 0);
    NEED(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void exit_with_7(int signum) { exit(signum == SIGALRM ? 7 : 1); }

static int status_of(pid_t child) {
    int status = -1;
    NEED(child > 0);
    NEED(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* exit() without mtcp_destroy(), in a child that has no stack, and in one of its own, wherever a
 * signal finds it. */
static void children_may_exit(void) {
    const struct pair p = make_pair(m);
    int round;
    pid_t child = fork();
    if (child == 0) exit(7);
    CHECK(status_of(child) == 7);
    for (round = 0; round < 10; round++) {
        child = fork();
        if (child == 0) {
            m = start_stack(1);
            (void)make_pair(m);
            signal(SIGALRM, exit_with_7);
            ualarm(2000 + 37 * (useconds_t)round, 0);
            while (round % 2 == 0)
                (void)mtcp_setsock_nonblock(m, 0);
            (void)mtcp_poll(m, NULL, 0, -1);
            _exit(1);
        }
        CHECK(status_of(child) == 7);
    }
    CHECK(mtcp_write(m, p.client, "still", 5) == 5);
    close_pair(m, p);
}

static void on_interrupt(int signum) { interrupts += signum == SIGINT; }

static void* interrupt_later(void* target) {
    usleep(50000);
    pthread_kill(*(pthread_t*)target, SIGINT);
    return NULL;
}

static void interrupts_end_waits(void) {
    struct mtcp_epoll_event event;
    pthread_t self = pthread_self();
    pthread_t thread;
    const int ep = mtcp_epoll_create1(m, 0);
    int port;
    const int listener = listen_anywhere(m, &port);
    CHECK(mtcp_register_signal(SIGINT, on_interrupt) == SIG_DFL);
    NEED(pthread_create(&thread, NULL, interrupt_later, &self) == 0);
    CHECK_FAILS(mtcp_epoll_wait(m, ep, &event, 1, -1), EINTR);
    NEED(pthread_join(thread, NULL) == 0);
    CHECK(interrupts == 1);
    CHECK(mtcp_epoll_wait(m, ep, &event, 1, 20) == 0); /* one interrupt ends one wait */
    NEED(pthread_create(&thread, NULL, interrupt_later, &self) == 0);
    CHECK_FAILS(mtcp_accept(m, listener, NULL, NULL), EINTR);
    NEED(pthread_join(thread, NULL) == 0);
    CHECK(interrupts == 2);
    CHECK(mtcp_close(m, ep) == 0);
    CHECK(mtcp_close(m, listener) == 0);
    /* More than a second after the last one: the contexts end. */
    usleep(1050000);
    raise(SIGINT);
    CHECK_FAILS(mtcp_socket(m, AF_INET, SOCK_STREAM, 0), EPERM);
    CHECK(mtcp_register_signal(SIGINT, SIG_DFL) == on_interrupt);
}

static void* destroy_from_here(void* core) {
    int ids = 0;
    mctx_t mine = mtcp_create_context(*(int*)core);
    CHECK(mine != NULL);
    /* mtcp_setconf() has lowered max_concurrency for contexts made after it. */
    while (ids < 1000 && mtcp_socket(mine, AF_INET, SOCK_STREAM, 0) >= 0)
        ids++;
    CHECK(ids == 100 && errno == EMFILE);
    mtcp_destroy_context(mine);
    CHECK_FAILS(mtcp_socket(mine, AF_INET, SOCK_STREAM, 0), EPERM);
    return NULL;
}

static volatile sig_atomic_t held = 0, leave = 0;
static void hold(int signum) {
    held = signum != 0;
    usleep(20000);
    held = 0;
}
static void* call_and_call(void* unused) {
    const int id = mtcp_socket(m, AF_INET, SOCK_STREAM, 0);
    while (!leave)
        (void)mtcp_setsock_nonblock(m, id);
    return unused;
}

/* Wherever the other thread stands, also at the very beginning of a call. */
static void ended_while_another_thread_calls(void) {
    pthread_t thread;
    int round;
    signal(SIGUSR1, hold);
    for (round = 0; round < 20; round++) {
        m = mtcp_create_context(0);
        NEED(m != NULL);
        leave = 0;
        NEED(pthread_create(&thread, NULL, call_and_call, NULL) == 0);
        usleep(2000 + 37 * (useconds_t)round);
        pthread_kill(thread, SIGUSR1);
        while (!held)
            usleep(100);
        mtcp_destroy_context(m);
        leave = 1;
        NEED(pthread_join(thread, NULL) == 0);
    }
    signal(SIGUSR1, SIG_DFL);
}

/* As the original's client does when it is asked for more connections than the file says. */
static void limits_can_be_raised(void) {
    struct mtcp_conf conf;
    int opened = 0, id;
    NEED(mtcp_init_from_text("io = link\naddress = " OWN_ADDRESS "/24\nnum_cores = 1\n"
                             "max_concurrency = 16\nchunks_small = 1024\n"
                             "tcp_timeout = 100000min\n") == 0);
    NEED(mtcp_getconf(&conf) == 0);
    CHECK(conf.tcp_timeout == 0x7fffffff); /* more than an int says */
    conf.max_concurrency = 200;
    CHECK(mtcp_setconf(&conf) == 0);
    m = mtcp_create_context(0);
    NEED(m != NULL);
    while (opened < 200) {
        id = mtcp_socket(m, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect_socket(m, id, OWN_ADDRESS, 9) != -1 || errno != EINPROGRESS) break;
        opened++;
    }
    CHECK(opened == 200);
    stop_stack(m);
}

void test_lifecycle(void) {
    pthread_t thread;
    int core = 0, round;
    before_the_stack_is_open();
    absurd_values_are_refused();
    bad_configurations_are_explained();
    m = start_stack(1);
    while_the_stack_is_open();
    other_threads_are_refused();
    children_are_refused();
    children_start_their_own();
    children_may_exit();
    interrupts_end_waits();
    mtcp_destroy_context(m);
    /* The core is free again, for any thread; and the stack for another start. */
    NEED(pthread_create(&thread, NULL, destroy_from_here, &core) == 0);
    NEED(pthread_join(thread, NULL) == 0);
    ended_while_another_thread_calls();
    mtcp_destroy();
    limits_can_be_raised();
    for (round = 0; round < 3; round++) {
        m = start_stack(1);
        close_pair(m, make_pair(m));
        if (round == 1) mtcp_destroy_context(m);
        mtcp_destroy();
    }
}
