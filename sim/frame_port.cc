// SPDX-License-Identifier: Apache-2.0
// Frames on loan, to and fro.
#include "sim/frame_port.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "io/middleware/software_offload.h"

namespace mtcp::sim {
namespace {

constexpr std::uint32_t kEthernetHeader = 14;
constexpr int kPoison = 0xdb;

}  // namespace

FramePort::FramePort(const PortConfig& config, Sink sink)
    : config_(config), sink_(std::move(sink)), random_(config.seed) {
    const std::uint32_t header = config.layer == io::Layer::ethernet ? kEthernetHeader : 0;
    const std::uint32_t largest =
        std::max({config.mtu, config.transmit_segmentation, config.largest_arrival}) + header;
    capabilities_ = {.layer = config.layer,
                     .mtu = config.mtu,
                     .frame_size = config.mtu + header,
                     .transmit_checksum = config.transmit_checksum,
                     .transmit_segmentation = config.transmit_segmentation,
                     .cannot_corrupt = false};
    frame_bytes_ = (io::kFrameHeadroom + largest + 127) / 64 * 64;
    memory_.resize(frame_bytes_ * config.frames, std::byte{kPoison});
    cut_.resize(config.mtu + header + 64);
    for (std::uint32_t i = 0; i < config.frames; ++i)
        free_.push_back(i);
}

void FramePort::deliver(std::span<const std::byte> frame) {
    ++delivered_;
    if (config_.swallow_every != 0 && delivered_ % config_.swallow_every == 0) return;
    incoming_.emplace_back(frame.begin(), frame.end());
}

bool FramePort::take(io::Frame& frame) {
    if (free_.empty()) return false;
    // A random one: nobody may rely on the order in which memory comes back.
    std::swap(free_[random_.below(static_cast<std::uint32_t>(free_.size()))], free_.back());
    const std::uint32_t number = free_.back();
    free_.pop_back();
    frame = io::Frame{};
    frame.data = memory_.data() + number * frame_bytes_ + io::kFrameHeadroom;
    frame.capacity = static_cast<std::uint32_t>(frame_bytes_ - io::kFrameHeadroom);
    frame.token = number;
    return true;
}

void FramePort::put_back(const io::Frame& frame) {
    const auto number = static_cast<std::uint32_t>(frame.token);
    MTCP_ASSERT(number < config_.frames);
    MTCP_DEBUG_ASSERT(std::find(free_.begin(), free_.end(), number) == free_.end());
    std::byte* const begin = memory_.data() + number * frame_bytes_;
    const std::size_t used = io::kFrameHeadroom + frame.length;
    std::memset(begin, kPoison, std::min(used, frame_bytes_));
    free_.push_back(number);
}

std::size_t FramePort::receive(std::span<io::Frame> frames, Instant) {
    std::size_t count = 0;
    while (count < frames.size() && !incoming_.empty() && take(frames[count])) {
        const std::vector<std::byte>& bytes = incoming_.front();
        const std::size_t length = std::min<std::size_t>(bytes.size(), frames[count].capacity);
        std::memcpy(frames[count].data, bytes.data(), length);
        frames[count].length = static_cast<std::uint32_t>(length);
        incoming_.pop_front();
        ++received_;
        ++count;
    }
    return count;
}

std::size_t FramePort::allocate(std::span<io::Frame> frames) {
    std::size_t count = 0;
    while (count < frames.size() && take(frames[count]))
        ++count;
    return count;
}

std::size_t FramePort::room(Instant now) const {
    for (const PortConfig::Stall& stall : config_.stalls)
        if (stall.from <= now && now < stall.to) return 0;
    if (config_.ring_frames == 0) return SIZE_MAX;
    const Duration left = later(ring_empty_at_, now) - now;
    const std::int64_t time = config_.frame_time.ns;
    const auto in_ring = static_cast<std::size_t>((left.ns + time - 1) / time);
    return config_.ring_frames - in_ring;
}

void FramePort::fill_ring(std::size_t count, Instant now) {
    const auto frames = static_cast<std::int64_t>(count);
    ring_empty_at_ = later(ring_empty_at_, now) + nanoseconds(frames * config_.frame_time.ns);
}

// What is in the ring is on the wire already: a queue in front of it delays no less than one
// behind.
std::size_t FramePort::transmit(std::span<io::Frame> frames, Instant now) {
    std::size_t count = std::min(frames.size(), room(now));
    refused_ |= count < frames.size();
    if (count != 0 && config_.refuse_ppm != 0 && random_.chance(config_.refuse_ppm)) {
        count = random_.below(static_cast<std::uint32_t>(count));
    }
    fill_ring(count, now);
    for (const io::Frame& frame : frames.first(count)) {
        send(frame, now);
        put_back(frame);
    }
    return count;
}

void FramePort::send(const io::Frame& frame, Instant now) {
    if (frame.segment_size == 0) {
        if (frame.checksum == io::Checksum::partial) {
            MTCP_ASSERT(io::complete_checksum(frame.bytes(), config_.layer));
        }
        sink_(frame.bytes(), now);
        return;
    }
    for (std::size_t i = 0;; ++i) {
        const std::size_t length = io::cut_segment(frame, config_.layer, i, cut_);
        if (length == 0) break;
        sink_({cut_.data(), length}, now);
    }
}

void FramePort::release(std::span<io::Frame> frames) {
    for (const io::Frame& frame : frames)
        put_back(frame);
}

}  // namespace mtcp::sim
