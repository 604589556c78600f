// SPDX-License-Identifier: Apache-2.0
// Moving frames between the two ends of a link, and making links.
#include "io/link/link.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "base/assert.h"

namespace mtcp::io {
namespace {

constexpr std::uint32_t kLargestFrame = 1u << 20;
constexpr std::uint32_t kEthernetHeader = 14;

constexpr std::size_t stride_of(std::uint32_t frame_size) {
    return (kFrameHeadroom + frame_size + kCacheLine - 1) / kCacheLine * kCacheLine;
}

constexpr std::uint32_t owner_of(const Frame& frame) {
    return static_cast<std::uint32_t>(frame.token >> 32);
}
constexpr std::uint32_t index_of(const Frame& frame) {
    return static_cast<std::uint32_t>(frame.token);
}

Failure<Problem> bad_config(std::string why) {
    return failure(Problem{.what = "cannot make an in-memory link",
                           .why = std::move(why),
                           .mend = "correct the options of the link",
                           .error = EINVAL});
}

}  // namespace

LinkEnd::LinkEnd(const LinkConfig& config, std::uint32_t id)
    : capabilities_{.layer = config.layer,
                    .mtu = config.mtu,
                    .frame_size =
                        config.mtu + (config.layer == Layer::ethernet ? kEthernetHeader : 0),
                    .transmit_checksum = config.transmit_checksum,
                    .transmit_segmentation = config.transmit_segmentation,
                    .cannot_corrupt = config.cannot_corrupt},
      threads_(config.threads),
      id_(id),
      frame_count_(config.frame_count),
      frame_size_(config.frame_size),
      stride_(stride_of(config.frame_size)),
      free_(config.frame_count),
      free_count_(config.frame_count),
      incoming_(config.ring_frames),
      returned_(config.threads == LinkThreads::two ? config.frame_count : 2) {
    for (std::uint32_t i = 0; i < frame_count_; ++i)
        free_[i] = frame_count_ - 1 - i;
}

LinkEnd::~LinkEnd() {
    if (doorbell_ >= 0) static_cast<void>(::close(doorbell_));
}

Result<Done, Problem> LinkEnd::open(Pages pages) {
    memory_ = Region::map(frame_count_ * stride_, pages);
    if (memory_.data() == nullptr) {
        return failure(Problem{.what = "cannot make an in-memory link",
                               .why = "no memory for its frames",
                               .mend = "ask for fewer or smaller frames",
                               .error = ENOMEM});
    }
    if (threads_ == LinkThreads::two) {
        doorbell_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (doorbell_ < 0) {
            return failure(Problem{.what = "cannot make the doorbell of an in-memory link",
                                   .why = std::strerror(errno),
                                   .mend = "raise the limit of open files (ulimit -n)",
                                   .error = errno});
        }
    }
    return Done{};
}

void LinkEnd::join(LinkEnd& a, LinkEnd& b) {
    a.peer_ = &b;
    b.peer_ = &a;
}

std::size_t LinkEnd::receive(std::span<Frame> frames, Instant) {
    const std::size_t count = incoming_.pop_burst(frames);
    if (capabilities_.cannot_corrupt) {
        // Such a wire vouches for what it carries, whatever stands in the checksum field.
        for (Frame& frame : frames.first(count))
            frame.checksum = Checksum::verified;
    }
    return count;
}

void LinkEnd::collect_returned() {
    // Frames that came home go on top of the free list: they are the warm ones.
    free_count_ += returned_.pop_burst(std::span(free_).subspan(free_count_));
}

std::size_t LinkEnd::allocate(std::span<Frame> frames) {
    if (threads_ == LinkThreads::two) collect_returned();
    const std::size_t count = frames.size() < free_count_ ? frames.size() : free_count_;
    const std::uint64_t owner = std::uint64_t{id_} << 32;
    std::byte* const first = memory_.data() + kFrameHeadroom;
    const std::uint32_t* top = free_.data() + free_count_;
    for (Frame& frame : frames.first(count)) {
        const std::uint32_t index = *--top;
        frame =
            Frame{.data = first + index * stride_, .capacity = frame_size_, .token = owner | index};
    }
    free_count_ -= count;
    return count;
}

std::size_t LinkEnd::transmit(std::span<Frame> frames, Instant) {
    if (threads_ == LinkThreads::one) return peer_->incoming_.push_burst(frames);
    const std::size_t count = peer_->incoming_.push_burst(frames, std::memory_order_seq_cst);
    // Either we see the flag, or the sleeper, which raises it before it looks, sees the frames.
    if (count != 0 && peer_->sleeping_.load(std::memory_order_seq_cst)) peer_->wake();
    return count;
}

void LinkEnd::wake() {
    if (!sleeping_.exchange(false, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(doorbell_, &one, sizeof one));
}

void LinkEnd::take_home(const Frame& frame) {
    MTCP_DEBUG_ASSERT(id_ == owner_of(frame) && index_of(frame) < frame_count_);
    free_[free_count_++] = index_of(frame);
}

void LinkEnd::release(std::span<Frame> frames) {
    if (threads_ == LinkThreads::one) {
        for (const Frame& frame : frames)
            (owner_of(frame) == id_ ? this : peer_)->take_home(frame);
        return;
    }
    std::array<std::uint32_t, kBurst> homeward;
    std::size_t count = 0;
    for (const Frame& frame : frames) {
        if (owner_of(frame) == id_) {
            take_home(frame);
            continue;
        }
        homeward[count++] = index_of(frame);
        if (count == homeward.size()) send_home(homeward, std::exchange(count, 0));
    }
    send_home(homeward, count);
}

void LinkEnd::send_home(std::span<const std::uint32_t> indices, std::size_t count) {
    const std::size_t sent = peer_->returned_.push_burst(indices.first(count));
    MTCP_ASSERT(sent == count);  // the ring has room for every frame the peer owns
}

bool LinkEnd::prepare_wait() {
    if (threads_ == LinkThreads::one) return incoming_.empty();
    sleeping_.store(true, std::memory_order_seq_cst);
    return incoming_.empty(std::memory_order_seq_cst);
}

void LinkEnd::finish_wait() {
    if (threads_ == LinkThreads::one) return;
    // Who lowered the flag has rung, or is about to: at worst the next wait wakes once for nothing.
    if (sleeping_.exchange(false, std::memory_order_acq_rel)) return;
    std::uint64_t rings = 0;
    static_cast<void>(!::read(doorbell_, &rings, sizeof rings));
}

MacAddress LinkDevice::mac() const {
    if (core_->config.layer == Layer::ip) return {};
    return side_ == Side::a ? core_->config.mac_a : core_->config.mac_b;
}

std::string LinkDevice::description() const {
    return "link" + (name_.empty() ? "" : " " + name_) + (side_ == Side::a ? " (a)" : " (b)") +
           ": " + std::to_string(queue_count()) + " queues, in memory, " +
           (core_->config.layer == Layer::ethernet ? "Ethernet" : "IP");
}

Result<LinkPair, Problem> make_link(const LinkConfig& config) {
    if (config.queues == 0) return bad_config("no queues");
    if (config.frame_count == 0 || config.ring_frames == 0) return bad_config("no frames");
    if (config.frame_size > kLargestFrame) return bad_config("frame_size is above 1 MiB");
    const std::uint32_t header = config.layer == Layer::ethernet ? kEthernetHeader : 0;
    const std::uint32_t packet = std::max(config.mtu, config.transmit_segmentation);
    if (config.frame_size < packet || config.frame_size - packet < header) {
        return bad_config("frame_size " + std::to_string(config.frame_size) +
                          " does not hold a packet of " + std::to_string(packet) + " bytes");
    }
    auto core = std::make_shared<LinkCore>();
    core->config = config;
    for (std::size_t i = 0; i < config.queues; ++i) {
        auto& a = core->a.emplace_back(std::make_unique<LinkEnd>(config, 0));
        auto& b = core->b.emplace_back(std::make_unique<LinkEnd>(config, 1));
        LinkEnd::join(*a, *b);
        for (LinkEnd* end : {a.get(), b.get()}) {
            if (auto opened = end->open(config.pages); !opened) return failure(opened.error());
        }
    }
    return LinkPair{std::make_unique<LinkDevice>(core, LinkDevice::Side::a, ""),
                    std::make_unique<LinkDevice>(core, LinkDevice::Side::b, "")};
}

Result<std::unique_ptr<LinkDevice>, Problem> join_link(std::string_view name,
                                                       const LinkConfig& config) {
    struct Known {
        std::weak_ptr<LinkCore> core;
        bool b_taken = false;
    };
    static std::mutex mutex;
    static std::map<std::string, Known, std::less<>> links;

    const std::scoped_lock lock(mutex);
    std::erase_if(links, [](const auto& entry) { return entry.second.core.expired(); });
    if (const auto found = links.find(name); found != links.end()) {
        std::shared_ptr<LinkCore> core = found->second.core.lock();
        if (core == nullptr || found->second.b_taken) {
            return failure(Problem{.what = "cannot join the link " + std::string(name),
                                   .why = "both its ends are taken",
                                   .mend = "give each pair of ends a name of its own",
                                   .error = EBUSY});
        }
        found->second.b_taken = true;
        return std::make_unique<LinkDevice>(std::move(core), LinkDevice::Side::b,
                                            std::string(name));
    }
    auto link = make_link(config);
    if (!link) return failure(link.error());
    std::shared_ptr<LinkCore> core = link->a->core();
    links.emplace(std::string(name), Known{core, false});
    return std::make_unique<LinkDevice>(std::move(core), LinkDevice::Side::a, std::string(name));
}

}  // namespace mtcp::io
