// SPDX-License-Identifier: Apache-2.0
// What is true of a descriptor now, as epoll bits. Events only say where to look; this looks.
#pragma once

#include <cstdint>

#include "socket/application.h"

namespace mtcp::socket {

// Bits of EpollBits, whether anybody wants them or not.
[[nodiscard]] std::uint32_t readiness(Application& app, const Descriptor& d);
// As readiness(), but OUT is looked for only if it is wanted; when it is and is not there, the
// stack will announce it.
[[nodiscard]] std::uint32_t readiness_for(Application& app, const Descriptor& d,
                                          std::uint32_t wanted);
// What to tell a program that wants `wanted`: HUP never comes without IN or ERR, so that a program
// that knows only those two notices the end.
[[nodiscard]] constexpr std::uint32_t visible_bits(std::uint32_t ready, std::uint32_t wanted) {
    std::uint32_t bits = ready & (wanted | EpollBits::always);
    if ((bits & EpollBits::hup) != 0 && (bits & (EpollBits::readable | EpollBits::err)) == 0) {
        bits |= EpollBits::in;
    }
    return bits;
}

}  // namespace mtcp::socket
