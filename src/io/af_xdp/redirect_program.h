// SPDX-License-Identifier: Apache-2.0
// The loaded XDP program of redirect.bpf.c, attached to an interface by a BPF link: the kernel
// takes it off when the link's last descriptor is closed, however the process ends.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/problem.h"
#include "base/result.h"
#include "io/af_xdp/interface_facts.h"

struct bpf_object;

namespace mtcp::io {

struct Ipv4Prefix4 {
    std::array<std::uint8_t, 4> address{};
    int length = 32;
};

struct Ipv6Prefix16 {
    std::array<std::uint8_t, 16> address{};
    int length = 128;
};

// native: in the driver, before the kernel makes a packet of the frame. generic: behind it, on any
// driver.
enum class XdpHook : std::uint8_t { native, generic };
// Whether a frame may lie in several buffers (needs Linux 5.18 to load, 6.6 for the sockets).
enum class FrameBuffers : std::uint8_t { single, several };

struct OwnAddresses {
    std::span<const Ipv4Prefix4> ipv4;
    std::span<const Ipv6Prefix16> ipv6;
};

class RedirectProgram {
  public:
    // Loads and attaches; without sockets it passes everything to the kernel. The problem's error
    // is EBUSY when another program is attached, EPERM without the privilege.
    static Result<std::unique_ptr<RedirectProgram>, Problem> attach(const InterfaceFacts& interface,
                                                                    XdpHook hook,
                                                                    FrameBuffers buffers,
                                                                    const OwnAddresses& own,
                                                                    std::uint32_t queues);
    RedirectProgram(const RedirectProgram&) = delete;
    RedirectProgram& operator=(const RedirectProgram&) = delete;
    ~RedirectProgram();

    // From now on our frames of `queue` go to the AF_XDP socket `descriptor`. Returns an errno or
    // 0.
    int set_socket(std::uint32_t queue, int descriptor);
    // How many frames for us have come to queues without a socket; the kernel goes on counting.
    // nullptr where it cannot be read.
    [[nodiscard]] std::uint64_t* unclaimed() const { return unclaimed_; }
    // In a forked child: lets go of the link, so that it ends with the parent.
    void abandon();

  private:
    RedirectProgram() = default;
    int load(FrameBuffers buffers, std::uint32_t queues, const OwnAddresses& own);
    int fill_own_addresses(const OwnAddresses& own);
    void map_unclaimed();

    bpf_object* object_ = nullptr;
    int program_ = -1;  // of object_
    int sockets_ = -1;  // of object_
    int link_ = -1;
    std::uint64_t* unclaimed_ = nullptr;  // a page of its own
};

}  // namespace mtcp::io
