// SPDX-License-Identifier: Apache-2.0
// Unix socket addresses by path, or "@name" in the abstract namespace.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace mtcp::io::memif {

struct SocketAddress {
    sockaddr_un address{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&address);
    }
};

[[nodiscard]] inline bool is_abstract(const std::string& name) {
    return !name.empty() && name[0] == '@';
}
[[nodiscard]] inline bool fits_address(const std::string& name) {
    return name.size() > (is_abstract(name) ? 1u : 0u) &&
           name.size() < sizeof(sockaddr_un::sun_path);
}
// Precondition: fits_address(name).
[[nodiscard]] inline SocketAddress make_address(const std::string& name) {
    SocketAddress result;
    result.address.sun_family = AF_UNIX;
    name.copy(result.address.sun_path, name.size());
    const std::size_t header = sizeof result.address - sizeof result.address.sun_path;
    if (is_abstract(name)) {
        result.address.sun_path[0] = '\0';
        result.length = static_cast<socklen_t>(header + name.size());
    } else {
        result.length = static_cast<socklen_t>(header + name.size() + 1);
    }
    return result;
}

}  // namespace mtcp::io::memif
