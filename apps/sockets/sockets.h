// SPDX-License-Identifier: Apache-2.0
// One name for each socket call, so that a program is built twice from the same source: on mtcp and
// on the kernel (APPS_ON_KERNEL). Every call takes the context first and reports as the BSD call
// does.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstdint>
#include <optional>
#include <string>

#ifdef APPS_ON_KERNEL
#include "sockets/kernel_sockets.h"
#else
#include "sockets/mtcp_sockets.h"
#endif

namespace net {

[[nodiscard]] inline sockaddr_in address_of(std::uint32_t address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = htonl(address);
    result.sin_port = htons(port);
    return result;
}

// "10.0.0.1" in host byte order.
[[nodiscard]] inline std::optional<std::uint32_t> parse_address(const std::string& text) {
    in_addr address{};
    if (inet_pton(AF_INET, text.c_str(), &address) != 1) {
        return std::nullopt;
    }
    return ntohl(address.s_addr);
}

[[nodiscard]] inline std::string to_text(const sockaddr_in& address) {
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return std::string{text} + ":" + std::to_string(ntohs(address.sin_port));
}

inline int bind(Context context, int socket, const sockaddr_in& address) {
    return bind(context, socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

inline int connect(Context context, int socket, const sockaddr_in& address) {
    return connect(context, socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

inline int set_option(Context context, int socket, int level, int name, int value) {
    return setsockopt(context, socket, level, name, &value, sizeof value);
}

inline int set_congestion_control(Context context, int socket, const std::string& name) {
    return setsockopt(context, socket, IPPROTO_TCP, TCP_CONGESTION, name.c_str(),
                      static_cast<socklen_t>(name.size()));
}

// The pending error of a socket (SO_ERROR).
inline int take_error(Context context, int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(context, socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        return errno;
    }
    return error;
}

inline int watch(Context context, int epoll, int operation, int socket, std::uint32_t events,
                 std::uint64_t tag) {
    Event event{};
    event.events = events;
    event.data.u64 = tag;
    return epoll_ctl(context, epoll, operation, socket, &event);
}

}  // namespace net
