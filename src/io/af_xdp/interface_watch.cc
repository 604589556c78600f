// SPDX-License-Identifier: Apache-2.0
// Three questions that take no lock of the kernel's configuration (rtnl), which whoever configures
// interfaces may hold for long; those of ethtool do.
#include "io/af_xdp/interface_watch.h"

#include <linux/sockios.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "base/log.h"

namespace mtcp::io {
namespace {

constexpr Duration kInterval = seconds(1);

std::string text_of(const MacAddress& mac) {
    char text[18];
    const auto& octet = mac.octet;
    static_cast<void>(std::snprintf(static_cast<char*>(text), sizeof text,
                                    "%02x:%02x:%02x:%02x:%02x:%02x", octet[0], octet[1], octet[2],
                                    octet[3], octet[4], octet[5]));
    return static_cast<const char*>(text);
}

}  // namespace

InterfaceWatch::InterfaceWatch(const InterfaceFacts& opened, std::uint32_t mtu)
    : index_(opened.index), mtu_(mtu), mac_(opened.mac), seen_mtu_(mtu), seen_mac_(opened.mac) {}

// By its index, for it may have been renamed, and for a name that is gone the kernel looks for a
// module.
void InterfaceWatch::look(Instant now) {
    if (now < due_) return;
    due_ = now + kInterval;
    ifreq named{};
    named.ifr_ifindex = index_;
    if (!control_.ask(SIOCGIFNAME, named)) return;
    look_at_mtu(named);
    look_at_mac(named);
}

void InterfaceWatch::look_at_mtu(const ifreq& named) {
    ifreq request = named;
    if (!control_.ask(SIOCGIFMTU, request)) return;
    const auto mtu = static_cast<std::uint32_t>(request.ifr_mtu);
    if (std::exchange(seen_mtu_, mtu) == mtu || mtu >= mtu_) return;
    const auto* name = static_cast<const char*>(named.ifr_name);
    log(LogLevel::warning,
        "af_xdp on %s: the MTU is now %u, and packets of up to %u bytes are still sent, which the "
        "device may drop; mend: ip link set dev %s mtu %u, or restart this process",
        name, mtu, mtu_, name, mtu_);
}

void InterfaceWatch::look_at_mac(const ifreq& named) {
    ifreq request = named;
    if (!control_.ask(SIOCGIFHWADDR, request)) return;
    MacAddress mac;
    std::memcpy(static_cast<void*>(mac.octet), static_cast<const void*>(request.ifr_hwaddr.sa_data),
                sizeof mac.octet);
    if (std::exchange(seen_mac_, mac) == mac || mac == mac_) return;
    const auto* name = static_cast<const char*>(named.ifr_name);
    log(LogLevel::warning,
        "af_xdp on %s: the MAC address is now %s, and frames are still sent from %s, for which the "
        "device may take no answers; mend: ip link set dev %s address %s, or restart this process",
        name, text_of(mac).c_str(), text_of(mac_).c_str(), name, text_of(mac_).c_str());
}

}  // namespace mtcp::io
