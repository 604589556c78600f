// SPDX-License-Identifier: Apache-2.0
// Two network namespaces joined by a veth pair, for tests: `here0`, where the device under test is
// opened, and `there0`, an ordinary kernel on the other side. Both vanish with the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/packet_io.h"

namespace mtcp::io::xdp_testing {

// Why no veth world can be made here; empty when it can.
std::string why_no_veth_world();

// Runs `body` in a child process (so that namespaces end with it) and takes over its failures.
void in_child(const std::function<void()>& body);

struct VethOptions {
    int queues = 1;
    int mtu = 1500;
};

class VethWorld {
  public:
    static constexpr const char* kHere = "here0";    // kernel address 10.9.0.1/24
    static constexpr const char* kThere = "there0";  // kernel address 10.9.0.2/24

    explicit VethWorld(const VethOptions& options = {});
    VethWorld(const VethWorld&) = delete;
    VethWorld& operator=(const VethWorld&) = delete;
    ~VethWorld();

    // Exit status of a shell command in this, or the other, namespace.
    static int run_here(const std::string& command);
    [[nodiscard]] int run_there(const std::string& command) const;
    [[nodiscard]] MacAddress mac_here() const { return mac_here_; }
    [[nodiscard]] MacAddress mac_there() const { return mac_there_; }

  private:
    friend class PeerSocket;
    int namespace_here_ = -1;
    int namespace_there_ = -1;
    int keeper_ = -1;  // process that lives in the other namespace
    MacAddress mac_here_;
    MacAddress mac_there_;
};

using Bytes = std::vector<std::uint8_t>;

// A raw packet socket on there0.
class PeerSocket {
  public:
    explicit PeerSocket(const VethWorld& world);
    PeerSocket(const PeerSocket&) = delete;
    PeerSocket& operator=(const PeerSocket&) = delete;
    ~PeerSocket();

    [[nodiscard]] bool send(const Bytes& frame) const;
    // A TCP segment over IPv4 that the device is asked to cut (virtio_net_hdr).
    [[nodiscard]] bool send_to_be_cut(const Bytes& frame, std::uint16_t segment_size) const;
    // The next frame of `ether_type` sent to there0, or nothing within a second.
    [[nodiscard]] Bytes receive(std::uint16_t ether_type) const;

  private:
    int plain_ = -1;
    int with_header_ = -1;
};

}  // namespace mtcp::io::xdp_testing
