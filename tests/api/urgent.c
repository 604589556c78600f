/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent data: in line, with a mark that reading stops at (RFC 6093). */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "behaviour.h"

void test_urgent(void) {
    const struct timeval second = {1, 0};
    const mctx_t m = start_stack(1);
    char text[16];
    int mark = 0;
    struct mtcp_pollfd entry;
    const struct pair p = make_pair(m);
    CHECK(mtcp_setsockopt(m, p.server, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) == 0);
    CHECK(mtcp_send(m, p.client, "ab!", 3, MSG_OOB) == 3);
    entry.sockid = p.server;
    entry.events = MTCP_EPOLLPRI;
    CHECK(mtcp_poll(m, &entry, 1, 1000) == 1 && (entry.revents & MTCP_EPOLLPRI) != 0);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 2);
    CHECK(mtcp_socket_ioctl(m, p.server, SIOCATMARK, &mark) == 0 && mark == 1);
    CHECK(mtcp_read(m, p.server, text, sizeof text) == 1 && text[0] == '!');
    CHECK(mtcp_socket_ioctl(m, p.server, SIOCATMARK, &mark) == 0 && mark == 0);
    CHECK(mtcp_poll(m, &entry, 1, 0) == 0);
    close_pair(m, p);
    stop_stack(m);
}
