// SPDX-License-Identifier: Apache-2.0
// Asking the kernel for its interfaces, and files for their content.
#include "api/host.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mtcp::api {
namespace {

std::optional<std::string> read_whole_file(const std::string& path) {
    std::FILE* const file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return std::nullopt;
    std::string text;
    char block[4096];
    for (std::size_t n = 1; n != 0;) {
        n = std::fread(block, 1, sizeof block, file);
        text.append(block, n);
    }
    const int error = std::ferror(file) != 0 ? errno : 0;
    static_cast<void>(std::fclose(file));
    if (error == 0) return text;
    errno = error;  // a directory, for one, opens but cannot be read
    return std::nullopt;
}

std::uint32_t address_bits(const sockaddr* address) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return ntohl(in.sin_addr.s_addr);
}

}  // namespace

const KernelInterface* Host::find(const std::string& name) const {
    const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                    [&name](const KernelInterface& i) { return i.name == name; });
    return found == interfaces.end() ? nullptr : &*found;
}

std::string mend_of_reading(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR: return "name a file that exists; paths are relative to the current directory";
        case EACCES:
        case EPERM: return "let this user read the file, and enter its folder";
        case EISDIR: return "name a file in this folder";
        default: return "";
    }
}

int online_cpus() {
    const long count = ::sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : static_cast<int>(count);
}

Host this_host() {
    Host host;
    host.cpus = online_cpus();
    host.cpus_configured = static_cast<int>(::sysconf(_SC_NPROCESSORS_CONF));
    host.read_file = read_whole_file;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return host;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        const std::string name = entry->ifa_name;
        auto known = std::find_if(host.interfaces.begin(), host.interfaces.end(),
                                  [&name](const KernelInterface& i) { return i.name == name; });
        if (known == host.interfaces.end()) {
            host.interfaces.push_back({.name = name,
                                       .loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0,
                                       .addresses = {}});
            known = host.interfaces.end() - 1;
        }
        if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
        const std::uint32_t mask =
            entry->ifa_netmask == nullptr ? 0xffff'ffff : address_bits(entry->ifa_netmask);
        known->addresses.push_back(
            {wire::IpAddress::v4(address_bits(entry->ifa_addr)), std::popcount(mask)});
    }
    ::freeifaddrs(list);
    return host;
}

}  // namespace mtcp::api
