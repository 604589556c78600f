// SPDX-License-Identifier: Apache-2.0
// Receive, copy, complete, transmit.
#include "io/middleware/bridge.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

// The most bytes of a frame that `to` sends in one piece: a VLAN tag comes on top of its MTU.
std::uint32_t most_bytes(const Frame& frame, const Capabilities& to) {
    constexpr std::uint32_t kTypeOffset = 12;
    constexpr std::uint32_t kTag = 4;
    if (to.layer != Layer::ethernet || frame.length < kTypeOffset + kTag) return to.frame_size;
    const std::byte* const type = frame.data + kTypeOffset;
    const bool tagged = (type[0] == std::byte{0x81} && type[1] == std::byte{0x00}) ||
                        (type[0] == std::byte{0x88} && type[1] == std::byte{0xa8});
    return to.frame_size + (tagged ? kTag : 0);
}

}  // namespace

struct BridgeDirection::Burst {
    std::array<Frame, kBurst> frames;
    std::size_t filled = 0;
    Instant now{};
};

void BridgeDirection::send_due(Instant now) {
    to_.set_counters(&counters_);
    static_cast<void>(to_.transmit({}, now));
}

std::size_t BridgeDirection::move(Instant now) {
    from_.set_counters(&counters_);
    to_.set_counters(&counters_);
    std::array<Frame, kBurst> received;
    const std::size_t count = from_.receive(received, now);
    if (count == 0) return 0;
    Burst burst;
    burst.now = now;
    for (const Frame& frame : std::span(received).first(count)) {
        ++counters_.frames_in;
        counters_.bytes_in += frame.length;
        carry(frame, burst);
    }
    send(burst);
    from_.release(std::span(received).first(count));
    return count;
}

void BridgeDirection::carry(const Frame& frame, Burst& burst) {
    if (frame.segment_size == 0 || goes_whole(frame)) {
        carry_whole(frame, burst);
    } else {
        carry_in_segments(frame, burst);
    }
}

bool BridgeDirection::goes_whole(const Frame& frame) const {
    const Capabilities& can = to_.capabilities();
    return frame.checksum == Checksum::partial && frame.checksum_start != 0 &&
           frame.header_length != 0 && can.transmit_checksum &&
           frame.length <= can.transmit_segmentation;
}

Frame* BridgeDirection::next_frame(Burst& burst) {
    if (burst.filled == burst.frames.size()) send(burst);
    Frame* const frame = &burst.frames[burst.filled];
    if (to_.allocate({frame, 1}) == 1) return frame;
    send(burst);  // what it sends comes back to be allocated, at least with a device that copies
    Frame* const again = &burst.frames[burst.filled];
    if (to_.allocate({again, 1}) == 1) return again;
    counters_.drop(Drop::no_transmit_frame);
    return nullptr;
}

void BridgeDirection::carry_whole(const Frame& frame, Burst& burst) {
    const Capabilities& can = to_.capabilities();
    if (frame.segment_size == 0 && frame.length > most_bytes(frame, can)) {
        counters_.drop(Drop::io_oversize);
        return;
    }
    Frame* const out = next_frame(burst);
    if (out == nullptr) return;
    if (frame.length > out->capacity) {
        counters_.drop(Drop::io_oversize);
        to_.release({out, 1});
        return;
    }
    std::memcpy(out->data, frame.data, frame.length);
    out->length = frame.length;
    if (frame.checksum == Checksum::partial && can.transmit_checksum && frame.checksum_start != 0) {
        out->checksum = Checksum::partial;
        out->checksum_start = frame.checksum_start;
        out->segment_size = frame.segment_size;
        out->header_length = frame.header_length;
    } else if (frame.checksum != Checksum::in_frame) {
        // A device that vouches for a frame need not have seen a complete checksum in it.
        static_cast<void>(complete_checksum(out->bytes(), can.layer));
    }
    ++burst.filled;
}

void BridgeDirection::carry_in_segments(const Frame& frame, Burst& burst) {
    const Capabilities& can = to_.capabilities();
    for (std::size_t i = 0;; ++i) {
        Frame* const out = next_frame(burst);
        if (out == nullptr) return;
        const std::size_t room = std::min(out->capacity, most_bytes(frame, can));
        const std::size_t length = cut_segment(frame, can.layer, i, {out->data, room});
        if (length == 0) {
            if (i == 0) counters_.drop(Drop::io_oversize);
            to_.release({out, 1});
            return;
        }
        out->length = static_cast<std::uint32_t>(length);
        ++burst.filled;
    }
}

void BridgeDirection::send(Burst& burst) {
    const auto frames = std::span(burst.frames).first(burst.filled);
    const std::size_t sent = to_.transmit(frames, burst.now);
    for (const Frame& frame : frames.first(sent)) {
        ++counters_.frames_out;
        counters_.bytes_out += frame.length;
    }
    for (std::size_t i = sent; i < frames.size(); ++i)
        counters_.drop(Drop::io_transmit_full);
    if (sent < frames.size()) to_.release(frames.subspan(sent));
    burst.filled = 0;
}

}  // namespace mtcp::io
