// SPDX-License-Identifier: Apache-2.0
// Choosing an option and a value.
#include "sim/resettle.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <span>
#include <string_view>

namespace mtcp::sim {

long set_number(Sockets& sockets, int fd, int level, int name, std::uint32_t value) {
    return sockets.set_option(fd, level, name, std::as_bytes(std::span(&value, 1)));
}

long change_a_setting(Sockets& sockets, int fd, Random& dice) {
    constexpr std::array<std::string_view, 4> kAlgorithms{"reno", "cubic", "dctcp", "bbr"};
    const auto set = [&](int level, int name, std::uint32_t value) {
        return set_number(sockets, fd, level, name, value);
    };
    const std::uint32_t size = kLeastBuffer << dice.below(5);
    switch (dice.below(9)) {
        case 0: {
            const std::string_view name = kAlgorithms[dice.below(kAlgorithms.size())];
            return sockets.set_option(fd, IPPROTO_TCP, TCP_CONGESTION,
                                      std::as_bytes(std::span(name.data(), name.size())));
        }
        case 1: return set(SOL_SOCKET, SO_RCVBUF, size);
        case 2: return set(SOL_SOCKET, SO_SNDBUF, size);
        case 3: return set(IPPROTO_TCP, TCP_NODELAY, dice.below(2));
        case 4: return set(IPPROTO_TCP, TCP_CORK, dice.below(2));
        case 5: return set(IPPROTO_TCP, TCP_QUICKACK, dice.below(2));
        case 6:
            return set(SOL_SOCKET, SO_MAX_PACING_RATE,
                       dice.below(2) == 0 ? UINT32_MAX : kLeastRate << dice.below(6));
        case 7: return set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1'024u << dice.below(9));
        default: return set(IPPROTO_TCP, TCP_WINDOW_CLAMP, size);
    }
}

}  // namespace mtcp::sim
