/* SPDX-License-Identifier: Apache-2.0 */
/* The public headers are C99 and C++11 without a warning, each on its own, and twice. */
#include "cpu.h"
#include "mtcp_api.h"
#include "mtcp_epoll.h"

/* Values that programs rely on, and the layout of the structures. */
#define IS_TRUE(name, condition) typedef char name[(condition) ? 1 : -1]
IS_TRUE(epollin_is_linuxs, MTCP_EPOLLIN == 0x001);
IS_TRUE(epollout_is_linuxs, MTCP_EPOLLOUT == 0x004);
IS_TRUE(epollrdhup_is_linuxs, MTCP_EPOLLRDHUP == 0x2000);
IS_TRUE(epollet_is_the_top_bit, (uint32_t)MTCP_EPOLLET == 0x80000000u);
IS_TRUE(operations_are_linuxs,
        MTCP_EPOLL_CTL_ADD == 1 && MTCP_EPOLL_CTL_DEL == 2 && MTCP_EPOLL_CTL_MOD == 3);
IS_TRUE(socket_types_count_up, MTCP_SOCK_UNUSED == 0 && MTCP_SOCK_PIPE == 5);
IS_TRUE(event_is_not_packed, sizeof(struct mtcp_epoll_event) == 16 || sizeof(void*) != 8);
IS_TRUE(conf_is_seven_ints, sizeof(struct mtcp_conf) == 7 * sizeof(int));
IS_TRUE(any_port_is_zero, INPORT_ANY == 0);
