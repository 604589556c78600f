// SPDX-License-Identifier: Apache-2.0
// Interface settings by ioctl: three calls do not warrant a netlink library.
#include "io/tap/kernel_side.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace mtcp::io {
namespace {

Problem problem(const std::string& what, int error) {
    return Problem{.what = what,
                   .why = std::strerror(error),
                   .mend = error == EPERM ? "run as root, or grant CAP_NET_ADMIN" : "",
                   .error = error};
}

ifreq request_for(const std::string& name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    return request;
}

// Makes one ioctl on a throw-away socket of `family`; returns 0 or errno.
int interface_ioctl(int family, unsigned long number, void* argument) {
    const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return errno;
    const int error = ::ioctl(descriptor, number, argument) < 0 ? errno : 0;
    static_cast<void>(::close(descriptor));
    return error;
}

// What the interface has under one of SIOCGIFADDR, SIOCGIFNETMASK; all-zero where it has none.
in_addr present_ipv4(const std::string& name, unsigned long number) {
    ifreq request = request_for(name);
    sockaddr_in value{};
    if (interface_ioctl(AF_INET, number, &request) == 0) {
        std::memcpy(&value, &request.ifr_addr, sizeof value);
    }
    return value.sin_addr;
}

// An interface that was made for this user beforehand needs no privilege where it is as asked.
int set_ipv4(const std::string& name, const in_addr& address, unsigned prefix) {
    const std::uint32_t mask = htonl(prefix == 0 ? 0u : ~std::uint32_t{0} << (32u - prefix));
    if (present_ipv4(name, SIOCGIFADDR).s_addr == address.s_addr &&
        present_ipv4(name, SIOCGIFNETMASK).s_addr == mask) {
        return 0;
    }
    ifreq request = request_for(name);
    sockaddr_in value{};
    value.sin_family = AF_INET;
    value.sin_addr = address;
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    if (const int error = interface_ioctl(AF_INET, SIOCSIFADDR, &request); error != 0) return error;
    value.sin_addr.s_addr = mask;
    std::memcpy(&request.ifr_netmask, &value, sizeof value);
    return interface_ioctl(AF_INET, SIOCSIFNETMASK, &request);
}

unsigned prefix_of(const in6_addr& mask) {
    unsigned bits = 0;
    for (const std::uint8_t octet : mask.s6_addr)
        bits += static_cast<unsigned>(__builtin_popcount(octet));
    return bits;
}

// SIOCGIFADDR knows no IPv6.
bool has_ipv6(const std::string& name, const in6_addr& address, unsigned prefix) {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return false;
    bool found = false;
    for (const ifaddrs* one = all; one != nullptr && !found; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr ||
            one->ifa_addr->sa_family != AF_INET6 || name != one->ifa_name) {
            continue;
        }
        sockaddr_in6 value{};
        sockaddr_in6 mask{};
        std::memcpy(&value, one->ifa_addr, sizeof value);
        std::memcpy(&mask, one->ifa_netmask, sizeof mask);
        found = std::memcmp(&value.sin6_addr, &address, sizeof address) == 0 &&
                prefix_of(mask.sin6_addr) == prefix;
    }
    ::freeifaddrs(all);
    return found;
}

int set_ipv6(const std::string& name, const in6_addr& address, unsigned prefix) {
    if (has_ipv6(name, address, prefix)) return 0;
    in6_ifreq request{};
    request.ifr6_addr = address;
    request.ifr6_prefixlen = prefix;
    request.ifr6_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
    const int error = interface_ioctl(AF_INET6, SIOCSIFADDR, &request);
    return error == EEXIST ? 0 : error;  // there, with another prefix length
}

}  // namespace

Result<Done, Problem> set_mtu(const std::string& name, std::uint32_t mtu) {
    ifreq request = request_for(name);
    const int wanted = static_cast<int>(mtu);
    if (interface_ioctl(AF_INET, SIOCGIFMTU, &request) == 0 && request.ifr_mtu == wanted) {
        return Done{};
    }
    request.ifr_mtu = wanted;
    const int error = interface_ioctl(AF_INET, SIOCSIFMTU, &request);
    if (error != 0) {
        Problem found =
            problem("cannot set the MTU of " + name + " to " + std::to_string(mtu), error);
        if (error == EINVAL) found.mend = "choose an MTU from 68 to 65521";
        return failure(found);
    }
    return Done{};
}

Result<Done, Problem> set_kernel_address(const std::string& name, const std::string& address) {
    const std::size_t slash = address.find('/');
    const std::string host = address.substr(0, slash);
    unsigned prefix = 0;
    bool good = slash != std::string::npos;
    if (good) {
        const char* end = address.data() + address.size();
        const auto parsed = std::from_chars(address.data() + slash + 1, end, prefix);
        good = parsed.ec == std::errc{} && parsed.ptr == end;
    }
    in_addr v4{};
    in6_addr v6{};
    int error = EINVAL;
    if (good && prefix <= 32 && ::inet_pton(AF_INET, host.c_str(), &v4) == 1) {
        error = set_ipv4(name, v4, prefix);
    } else if (good && prefix <= 128 && ::inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
        error = set_ipv6(name, v6, prefix);
    } else {
        return failure(Problem{.what = "bad address '" + address + "' for " + name,
                               .why = "not an address with a prefix length",
                               .mend = "write it like 10.0.0.1/24 or fd00::1/64",
                               .error = EINVAL});
    }
    if (error != 0) return failure(problem("cannot give " + address + " to " + name, error));
    return Done{};
}

Result<Done, Problem> bring_up(const std::string& name) {
    ifreq request = request_for(name);
    int error = interface_ioctl(AF_INET, SIOCGIFFLAGS, &request);
    if (error == 0 && (request.ifr_flags & IFF_UP) == 0) {
        request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
        error = interface_ioctl(AF_INET, SIOCSIFFLAGS, &request);
    }
    if (error != 0) return failure(problem("cannot bring " + name + " up", error));
    return Done{};
}

}  // namespace mtcp::io
