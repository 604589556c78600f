// SPDX-License-Identifier: Apache-2.0
// By ioctl, not sysfs: a mounted /sys may belong to another network namespace.
#include "io/af_xdp/interface_facts.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "io/af_xdp/control_socket.h"

namespace mtcp::io {
namespace {

std::string driver_of(const ControlSocket& control, const std::string& name) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request = request_for(name);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (!control.ask(SIOCETHTOOL, request)) return {};
    return {static_cast<const char*>(info.driver),
            ::strnlen(static_cast<const char*>(info.driver), sizeof info.driver)};
}

void read_queues(const ControlSocket& control, InterfaceFacts& facts) {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    ifreq request = request_for(facts.name);
    request.ifr_data = reinterpret_cast<char*>(&channels);
    if (!control.ask(SIOCETHTOOL, request)) return;
    facts.receive_queues = channels.rx_count + channels.combined_count;
    facts.transmit_queues = channels.tx_count + channels.combined_count;
    facts.counts_directions = channels.combined_count == 0;
}

Problem no_such_interface(const std::string& name, int error) {
    return {"cannot use the interface '" + name + "'", std::strerror(error),
            "name an interface that `ip link` lists in this network namespace", error};
}

}  // namespace

Result<InterfaceFacts, Problem> read_interface(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ) return failure(no_such_interface(name, ENODEV));
    const ControlSocket control;
    InterfaceFacts facts;
    facts.name = name;

    ifreq request = request_for(name);
    if (!control.ask(SIOCGIFINDEX, request)) return failure(no_such_interface(name, errno));
    facts.index = request.ifr_ifindex;
    if (!control.ask(SIOCGIFFLAGS, request)) return failure(no_such_interface(name, errno));
    facts.up = (request.ifr_flags & IFF_UP) != 0;
    if (!control.ask(SIOCGIFMTU, request)) return failure(no_such_interface(name, errno));
    facts.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
    if (!control.ask(SIOCGIFHWADDR, request)) return failure(no_such_interface(name, errno));
    std::memcpy(static_cast<void*>(facts.mac.octet),
                static_cast<const void*>(request.ifr_hwaddr.sa_data), sizeof facts.mac.octet);
    facts.driver = driver_of(control, name);
    read_queues(control, facts);
    return facts;
}

}  // namespace mtcp::io
