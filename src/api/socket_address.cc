// SPDX-License-Identifier: Apache-2.0
// sockaddr_in to and from our endpoints.
#include "api/socket_address.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace mtcp::api {

bool names_nobody(const sockaddr* from, socklen_t length) {
    if (from == nullptr || length < sizeof from->sa_family) return false;
    sa_family_t family = AF_INET;
    std::memcpy(&family, from, sizeof family);
    return family == AF_UNSPEC;
}

int read_address(const sockaddr* from, socklen_t length, wire::Endpoint& to) {
    if (from == nullptr) return EFAULT;
    if (length < sizeof(sockaddr_in)) return EINVAL;
    sockaddr_in in{};
    std::memcpy(&in, from, sizeof in);
    if (in.sin_family != AF_INET) return EAFNOSUPPORT;
    to = {wire::IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
    return 0;
}

int write_address(const wire::Endpoint& from, sockaddr* to, socklen_t* length) {
    if (to == nullptr || length == nullptr) return EFAULT;
    if (*length > static_cast<socklen_t>(std::numeric_limits<int>::max())) return EINVAL;
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(from.address.is_unspecified() ? 0 : from.address.v4_bits());
    in.sin_port = htons(from.port);
    std::memcpy(to, &in, std::min<std::size_t>(*length, sizeof in));
    *length = sizeof in;
    return 0;
}

}  // namespace mtcp::api
