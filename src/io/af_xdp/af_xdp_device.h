// SPDX-License-Identifier: Apache-2.0
// The af_xdp back end: frames for our addresses by AF_XDP sockets, the interface stays the kernel's
// for everything else.
//
// Privilege: CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF to open; none afterwards. The interface is as
// it was when the device is destroyed or the process ends in any way; a forked child does not keep
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/problem.h"
#include "base/result.h"
#include "io/af_xdp/af_xdp_queue.h"
#include "io/af_xdp/interface_facts.h"
#include "io/af_xdp/redirect_program.h"
#include "io/packet_io.h"

namespace mtcp::io {

enum class XdpMode : std::uint8_t { automatic, native, generic };
enum class ZeroCopy : std::uint8_t { automatic, off };
// Frames in several buffers: where the MTU or the hook can bring them and the kernel allows it.
enum class MultiBuffer : std::uint8_t { automatic, off };

struct AfXdpConfig {
    std::string interface;
    std::vector<Ipv4Prefix4> ipv4_prefixes;  // our addresses
    std::vector<Ipv6Prefix16> ipv6_prefixes;
    std::size_t queues = 0;                 // 0: as many as the interface has both ways
    std::uint32_t frames_per_queue = 4096;  // half to receive, half to transmit
    std::uint32_t frame_size = 0;           // 2048 or 4096 bytes; 0: by the MTU
    RingSizes rings;
    XdpMode mode = XdpMode::automatic;
    ZeroCopy zero_copy = ZeroCopy::automatic;
    MultiBuffer multi_buffer = MultiBuffer::automatic;
    BusyPoll busy_poll = BusyPoll::off;
    std::uint32_t busy_poll_microseconds = 20;
    std::uint32_t busy_poll_budget = 64;  // frames of one poll
    Pages pages = Pages::huge_if_available;
};

class AfXdpDevice final : public Device {
  public:
    // The problem's error: ENODEV no such interface, ENETDOWN it is down, EPERM lacking privilege,
    // EBUSY held by another (whom the problem names), ENOBUFS the memory lock limit, EAFNOSUPPORT a
    // kernel without AF_XDP, EINVAL a bad configuration.
    static Result<std::unique_ptr<AfXdpDevice>, Problem> open(const AfXdpConfig& config);
    ~AfXdpDevice() override;

    [[nodiscard]] std::size_t queue_count() const override { return queues_.size(); }
    [[nodiscard]] Queue& queue(std::size_t index) override { return *queues_[index]; }
    [[nodiscard]] MacAddress mac() const override { return interface_.mac; }
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] XdpHook hook() const { return hook_; }

    // In a forked child: what keeps the interface taken is closed here, not in the parent.
    void abandon();

  private:
    AfXdpDevice(InterfaceFacts interface, XdpHook hook, FrameBuffers buffers);
    static Result<std::unique_ptr<AfXdpDevice>, Problem> open_as(const InterfaceFacts& interface,
                                                                 const AfXdpConfig& config,
                                                                 XdpHook hook,
                                                                 FrameBuffers buffers);
    Result<Done, Problem> open_queue(const AfXdpConfig& config, std::uint32_t index);

    InterfaceFacts interface_;
    XdpHook hook_;
    FrameBuffers buffers_;
    BusyPoll busy_poll_ = BusyPoll::off;
    std::vector<std::unique_ptr<AfXdpQueue>> queues_;
    std::unique_ptr<RedirectProgram> program_;  // destroyed first: nothing comes in any more
};

}  // namespace mtcp::io
