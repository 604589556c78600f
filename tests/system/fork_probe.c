/* SPDX-License-Identifier: Apache-2.0 */
/* fork_probe CONFIG: opens a context, forks, and has the child find its inherited context dead.
 * Then the child outlives the parent, with all it inherited: the test looks at the interface. */
#include <errno.h>
#include <mtcp_api.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int child(mctx_t mctx) {
    errno = 0;
    if (mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0) != -1 || errno != EPERM) {
        printf("child: the context answered (errno %s)\n", strerror(errno));
        fflush(stdout);
        return 1;
    }
    puts("child: EPERM");
    fflush(stdout);
    sleep(60);
    return 0;
}

int main(int argc, char** argv) {
    mctx_t mctx;
    pid_t pid;
    int socket;
    if (argc != 2 || mtcp_init(argv[1]) != 0) {
        fprintf(stderr, "fork_probe: %s\n", mtcp_last_problem());
        return 1;
    }
    mctx = mtcp_create_context(0);
    if (mctx == NULL) {
        fprintf(stderr, "fork_probe: %s\n", mtcp_last_problem());
        return 1;
    }
    pid = fork();
    if (pid == 0) _exit(child(mctx));
    socket = mtcp_socket(mctx, AF_INET, SOCK_STREAM, 0);
    printf("parent: %s, child %d\n", socket >= 0 ? "alive" : "dead", (int)pid);
    fflush(stdout);
    for (;;)
        pause();
}
