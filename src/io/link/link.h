// SPDX-License-Identifier: Apache-2.0
// The in-memory back end: two ends joined by queues of frames, in one thread, in two threads, or in
// a test. A frame sent at one end is received at the other without being copied: its 32-byte
// description travels through a ring, and its index travels back to the end that owns the memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cache_line.h"
#include "base/memory.h"
#include "base/problem.h"
#include "base/result.h"
#include "base/spsc_ring.h"
#include "io/packet_io.h"

namespace mtcp::io {

// Who drives the two ends. With one thread there is no doorbell, and frames go home without a ring.
enum class LinkThreads : std::uint8_t { one, two };

struct LinkConfig {
    Layer layer = Layer::ethernet;
    LinkThreads threads = LinkThreads::two;
    std::uint32_t mtu = 1500;  // largest IP packet
    std::size_t queues = 1;    // pairs of rings; queue i of one end meets queue i of the other
    std::uint32_t frame_count = 1024;  // frames each queue owns, to transmit
    std::uint32_t frame_size = 2048;   // bytes usable in each, headroom not counted
    std::uint32_t ring_frames = 512;   // frames in flight each way; rounded up to a power of two
    std::uint32_t transmit_segmentation = 0;  // as in Capabilities; needs a frame_size to match
    bool transmit_checksum = true;
    bool cannot_corrupt = true;  // false where a middleware that corrupts stands in between
    Pages pages = Pages::normal;
    MacAddress mac_a = {{0x02, 0, 0, 0, 0, 0x0a}};
    MacAddress mac_b = {{0x02, 0, 0, 0, 0, 0x0b}};
};

// One end of one pair of rings. Besides what Queue promises, `transmit` also takes frames that were
// received on the same queue (a reply in place); they then go home through the other end's release.
class LinkEnd final : public Queue {
  public:
    LinkEnd(const LinkConfig& config, std::uint32_t id);
    ~LinkEnd() override;

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override;
    void finish_wait() override;
    [[nodiscard]] int wait_descriptor() const override { return doorbell_; }

    // Own frames that can be allocated now; exact only while the other end is still. For tests that
    // look for leaks.
    [[nodiscard]] std::size_t frames_available() const { return free_count_ + returned_.size(); }

    // Maps the memory and opens the doorbell.
    [[nodiscard]] Result<Done, Problem> open(Pages pages);
    static void join(LinkEnd& a, LinkEnd& b);

  private:
    void collect_returned();
    void take_home(const Frame& frame);
    void send_home(std::span<const std::uint32_t> indices, std::size_t count);
    void wake();

    Capabilities capabilities_;
    const LinkThreads threads_;
    const std::uint32_t id_;  // upper half of the token of every frame owned here
    const std::uint32_t frame_count_;
    const std::uint32_t frame_size_;
    const std::size_t stride_;
    LinkEnd* peer_ = nullptr;
    int doorbell_ = -1;
    Region memory_;
    // Last in, first out: the frame that came home last is the warmest.
    std::vector<std::uint32_t> free_;
    std::size_t free_count_ = 0;

    SpscRing<Frame> incoming_;          // the peer pushes
    SpscRing<std::uint32_t> returned_;  // the peer pushes; has room for every frame owned here
    alignas(kCacheLine) std::atomic<bool> sleeping_{false};
};

// Both ends' queues. Lives until both devices are gone, so that neither end's frames vanish under
// the other.
struct LinkCore {
    std::vector<std::unique_ptr<LinkEnd>> a;
    std::vector<std::unique_ptr<LinkEnd>> b;
    LinkConfig config;
};

class LinkDevice final : public Device {
  public:
    enum class Side : std::uint8_t { a, b };
    LinkDevice(std::shared_ptr<LinkCore> core, Side side, std::string name)
        : core_(std::move(core)), side_(side), name_(std::move(name)) {}

    [[nodiscard]] std::size_t queue_count() const override { return ends().size(); }
    [[nodiscard]] Queue& queue(std::size_t index) override { return *ends()[index]; }
    [[nodiscard]] LinkEnd& end(std::size_t index) { return *ends()[index]; }
    [[nodiscard]] MacAddress mac() const override;
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] const std::shared_ptr<LinkCore>& core() const { return core_; }

  private:
    [[nodiscard]] const std::vector<std::unique_ptr<LinkEnd>>& ends() const {
        return side_ == Side::a ? core_->a : core_->b;
    }
    std::shared_ptr<LinkCore> core_;
    Side side_;
    std::string name_;
};

struct LinkPair {
    std::unique_ptr<LinkDevice> a;
    std::unique_ptr<LinkDevice> b;
};

[[nodiscard]] Result<LinkPair, Problem> make_link(const LinkConfig& config);

// Ends that find each other by a name within this process: the first call makes the link with its
// configuration and gets end a, the second gets end b, a third is refused (EBUSY).
[[nodiscard]] Result<std::unique_ptr<LinkDevice>, Problem> join_link(std::string_view name,
                                                                     const LinkConfig& config);

}  // namespace mtcp::io
