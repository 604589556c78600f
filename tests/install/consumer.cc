// SPDX-License-Identifier: Apache-2.0
// The same as C++, with the headers included by their longer name and the other way round.
#include <mtcp/mtcp_api.h>
#include <mtcp/mtcp_epoll.h>

#include <cstdio>

int main() {
    mtcp_conf conf{};
    mtcp_getconf(&conf);
    conf.num_cores = 1;
    mtcp_setconf(&conf);
    conf = {};
    mtcp_getconf(&conf);
    const int closed = mtcp_close(nullptr, 0);  // refused: there is no context
    std::printf("consumer in C++: %d core\n", conf.num_cores);
    return conf.num_cores == 1 && closed == -1 ? 0 : 1;
}
