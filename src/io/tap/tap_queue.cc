// SPDX-License-Identifier: Apache-2.0
// Frames between a TUN/TAP descriptor and buffers, each behind the header of virtio_net.
#include "io/tap/tap_queue.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "io/forked_child.h"
#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kLargestPacket = 65535;

// struct virtio_net_hdr of the virtio specification, §5.1.6; <linux/virtio_net.h> is not C++.
struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_length = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0;
};
constexpr std::size_t kVirtioHeader = sizeof(VirtioHeader);
static_assert(kVirtioHeader == 10);
constexpr unsigned kNeedsChecksum = 1;
constexpr unsigned kDataValid = 2;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr unsigned kGsoEcn = 0x80;  // or-ed to the two above

// A buffer: room for the virtio header, the headroom of frame.h, then the frame. The kernel writes
// only as far as a frame is long, so that a buffer of 64 KB commits the pages it used, no more. The
// stride is an odd number of cache lines: the headers of consecutive frames fall into different
// sets.
constexpr std::size_t kBefore = 64 + kFrameHeadroom;
constexpr std::size_t kStride = 1027 * kCacheLine;
constexpr std::size_t kCapacity = kStride - kBefore;
static_assert(kCapacity >= kEthernetHeader + kLargestPacket);
constexpr std::uint32_t kBuffers = 512;

constexpr std::uint16_t kTcpChecksumOffset = 16;

// By the version the packet itself states.
std::uint8_t gso_type_of(const Frame& frame, Layer layer) {
    return ip_version_of(frame.bytes(), layer) == 6 ? kGsoTcp6 : kGsoTcp4;
}

// What the kernel's header says of a frame it hands us.
void describe(Frame& frame, const VirtioHeader& header) {
    // Needs a checksum: the segment was made on this machine and never crossed a wire. Valid: the
    // device it came through has verified it.
    const bool good = (header.flags & (kNeedsChecksum | kDataValid)) != 0;
    frame.checksum = good ? Checksum::verified : Checksum::in_frame;
    const unsigned type = header.gso_type & ~kGsoEcn;
    const bool joined = type == kGsoTcp4 || type == kGsoTcp6;
    frame.segment_size = joined ? header.gso_size : std::uint16_t{0};
}

}  // namespace

std::unique_ptr<TapQueue> TapQueue::make(int descriptor, const TapConfig& config,
                                         TapOffload granted) {
    std::unique_ptr<TapQueue> queue(new TapQueue(descriptor, config.name));
    queue->region_ = Region::map(kStride * kBuffers, Pages::normal);
    if (queue->region_.data() == nullptr) return nullptr;
    queue->free_.resize(kBuffers);
    for (std::uint32_t i = 0; i < kBuffers; ++i)
        queue->free_[i] = kBuffers - 1 - i;

    Capabilities& can = queue->capabilities_;
    can.layer = config.kind == TapKind::tap ? Layer::ethernet : Layer::ip;
    can.mtu = config.mtu;
    can.frame_size =
        config.mtu + (can.layer == Layer::ethernet ? std::uint32_t{kEthernetHeader} : 0u);
    can.transmit_checksum = granted == TapOffload::checksum_and_segmentation;
    can.transmit_segmentation = can.transmit_checksum ? std::uint32_t{kLargestPacket} : 0u;
    return queue;
}

TapQueue::~TapQueue() { close(); }

void TapQueue::close() {
    if (descriptor_ < 0) return;
    forget_descriptor(descriptor_);
    static_cast<void>(::close(std::exchange(descriptor_, -1)));
}

// Somebody deleted it. Nobody could sleep on the descriptor any more: it is in error for ever.
void TapQueue::lose_interface() {
    log(LogLevel::warning, "%s: the interface was deleted; mend: restart this process",
        name_.c_str());
    close();
}

std::byte* TapQueue::buffer(std::uint32_t index) const {
    return region_.data() + std::size_t{index} * kStride + kBefore;
}

std::size_t TapQueue::receive(std::span<Frame> frames, Instant) {
    std::size_t count = 0;
    while (count < frames.size() && !free_.empty()) {
        const std::uint32_t index = free_.back();
        std::byte* data = buffer(index);
        const ssize_t got = ::read(descriptor_, data - kVirtioHeader, kVirtioHeader + kCapacity);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EBADFD) lose_interface();
        if (got <= static_cast<ssize_t>(kVirtioHeader)) break;
        VirtioHeader header;
        std::memcpy(&header, data - kVirtioHeader, kVirtioHeader);
        free_.pop_back();
        Frame& frame = frames[count++];
        frame = Frame{.data = data,
                      .length = static_cast<std::uint32_t>(got) - std::uint32_t{kVirtioHeader},
                      .capacity = std::uint32_t{kCapacity},
                      .token = index};
        describe(frame, header);
    }
    more_expected_ = count == frames.size() && count != 0;
    return count;
}

std::size_t TapQueue::allocate(std::span<Frame> frames) {
    const std::size_t count = std::min(frames.size(), free_.size());
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t index = free_.back();
        free_.pop_back();
        frames[i] =
            Frame{.data = buffer(index), .capacity = std::uint32_t{kCapacity}, .token = index};
    }
    return count;
}

TapQueue::Sent TapQueue::send(const Frame& frame) {
    VirtioHeader header;
    if (frame.checksum == Checksum::partial) {
        header.flags = kNeedsChecksum;
        header.checksum_start = frame.checksum_start;
        header.checksum_offset = kTcpChecksumOffset;
    }
    const std::uint32_t one_segment = std::uint32_t{frame.header_length} + frame.segment_size;
    if (frame.segment_size != 0 && frame.length > one_segment) {
        header.gso_type = gso_type_of(frame, capabilities_.layer);
        header.gso_size = frame.segment_size;
        header.header_length = frame.header_length;
    }
    // The header goes where the headroom ends or where an earlier layer's header would have gone:
    // one contiguous write, no gather list.
    std::byte* start = frame.data - kVirtioHeader;
    std::memcpy(start, &header, kVirtioHeader);
    for (;;) {
        if (::write(descriptor_, start, kVirtioHeader + frame.length) >= 0) return Sent::yes;
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == ENOBUFS ? Sent::full : Sent::refused;
    }
}

std::size_t TapQueue::transmit(std::span<Frame> frames, Instant) {
    std::size_t taken = 0;
    for (; taken < frames.size(); ++taken) {
        const Sent sent = send(frames[taken]);
        if (sent == Sent::full) break;
        if (sent == Sent::refused) count_drop(Drop::io_device_refused);
    }
    release(frames.first(taken));
    return taken;
}

void TapQueue::release(std::span<Frame> frames) {
    for (const Frame& frame : frames) {
        MTCP_DEBUG_ASSERT(frame.token < kBuffers && free_.size() < kBuffers);
        // Never beyond the capacity reserved when the queue was made.
        free_.push_back(static_cast<std::uint32_t>(frame.token));
    }
}

}  // namespace mtcp::io
