// SPDX-License-Identifier: Apache-2.0
// The data path of the af_xdp back end.
#include "io/af_xdp/af_xdp_queue.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/cache_line.h"
#include "base/log.h"

namespace mtcp::io {
namespace {

// Set on a descriptor whose packet goes on in the next one (XDP_PKT_CONTD, Linux 6.6).
constexpr std::uint32_t kContinued = 1;

// Set in the token of a frame that lies in the joined area.
constexpr std::uint64_t kJoined = std::uint64_t{1} << 63;
// The largest GSO frame of a kernel peer that has not asked for more (64 KiB and the headers).
constexpr std::uint32_t kJoinedSize = 66 * 1024;
constexpr std::uint32_t kJoinedFrames = kBurst;

constexpr Duration kStatisticsInterval = milliseconds(100);
constexpr Duration kKickAgainBusy = milliseconds(1);
constexpr Duration kKickAgainDown = milliseconds(100);
// How long frames are kept for an interface that is down, so that one that flaps loses none. Not
// longer: TIME-WAIT and the quiet time rest on segments that are gone after a lifetime of two
// minutes (RFC 9293 §3.4.2, §3.4.3), and what waits here is not aged by any hop.
constexpr Duration kKeptWhileDown = seconds(1);
// IEEE 802 local experimental EtherType 1: no host takes such a frame for anything.
constexpr std::uint8_t kNobodys[] = {0x88, 0xb5};
constexpr std::uint32_t kTypeOffset = 12;

}  // namespace

AfXdpQueue::AfXdpQueue(Parts parts) : parts_(std::move(parts)), data_(parts_.area->data()) {
    zero_copy_ = parts_.socket.zero_copy();
    // A child would get copies of all pinned pages at fork.
    static_cast<void>(::madvise(data_, parts_.area->size(), MADV_DONTFORK));
}

std::unique_ptr<AfXdpQueue> AfXdpQueue::make(Parts parts) {
    std::unique_ptr<AfXdpQueue> queue(new AfXdpQueue(std::move(parts)));
    if (!queue->fill_stacks()) return nullptr;
    queue->refill();
    return queue;
}

bool AfXdpQueue::fill_stacks() {
    const AreaLayout& layout = parts_.layout;
    joined_area_ = Region::map(std::size_t{kJoinedFrames} * kJoinedSize, Pages::normal);
    buffers_in_flight_.reset(new (std::nothrow) std::uint8_t[layout.transmit_frames]());
    if (joined_area_.data() == nullptr || buffers_in_flight_ == nullptr) return false;
    if (!receive_free_.reserve(layout.receive_buffers)) return false;
    if (!transmit_free_.reserve(layout.transmit_frames)) return false;
    if (!joined_free_.reserve(kJoinedFrames)) return false;
    for (std::uint32_t i = layout.receive_buffers; i > 0; --i) {
        receive_free_.push(std::uint64_t{i - 1} * layout.buffer_size);
    }
    for (std::uint32_t i = layout.transmit_frames; i > 0; --i) {
        transmit_free_.push(layout.transmit_start() + (i - 1) * layout.transmit_frame_size());
    }
    for (std::uint64_t i = kJoinedFrames; i > 0; --i)
        joined_free_.push((i - 1) * kJoinedSize);
    return true;
}

// ---- receiving

std::size_t AfXdpQueue::receive(std::span<Frame> frames, Instant now) {
    now_ = now;
    if (now >= statistics_due_) count_kernel_drops();
    if (kick_pending_) repeat_kick();
    std::size_t count = take_received(frames);
    if (count == 0) {
        refill();
        wake_receiver();
        count = take_received(frames);
    }
    refill();
    return count;
}

// Descriptors may outnumber frames where a frame lies in several buffers.
std::size_t AfXdpQueue::take_received(std::span<Frame> frames) {
    ConsumerRing<xdp_desc>& ring = parts_.socket.received();
    std::size_t count = 0;
    while (count < frames.size()) {
        const auto waiting = ring.waiting(static_cast<std::uint32_t>(frames.size() - count));
        if (waiting == 0) break;
        for (std::uint32_t i = 0; i < waiting; ++i) {
            const xdp_desc& descriptor = ring.slot(i);
            const bool whole =
                (descriptor.options & kContinued) == 0 && joining_ == kNone && !joining_discards_;
            if (whole) [[likely]] {
                lend(descriptor, frames[count++]);
            } else if (gather(descriptor, frames[count])) {
                ++count;
            }
        }
        ring.give_back(waiting);
    }
    return count;
}

void AfXdpQueue::lend(const xdp_desc& descriptor, Frame& frame) {
    const std::uint64_t buffer_mask = parts_.layout.buffer_size - 1;
    frame = Frame{};
    frame.data = data_ + descriptor.addr;
    prefetch(frame.data);
    frame.length = descriptor.len;
    frame.token = descriptor.addr & ~buffer_mask;
    frame.capacity =
        static_cast<std::uint32_t>(frame.token + parts_.layout.buffer_size - descriptor.addr);
    frame.checksum = parts_.received_checksum;
}

// One buffer of a frame that lies in several: copied behind what came before. Returns true when the
// frame is complete.
bool AfXdpQueue::gather(const xdp_desc& descriptor, Frame& frame) {
    const bool last = (descriptor.options & kContinued) == 0;
    if (joining_ == kNone && !joining_discards_) {
        joined_length_ = 0;
        if (joined_free_.size() > 0) {
            joining_ = joined_free_.pop();
        } else {
            joining_discards_ = true;
            count_drop(Drop::io_no_receive_frame);
        }
    }
    if (!joining_discards_ && joined_length_ + descriptor.len > kJoinedSize - kFrameHeadroom) {
        joining_discards_ = true;
        count_drop(Drop::io_oversize);
    }
    std::byte* joined = joined_area_.data() + joining_ + kFrameHeadroom;
    if (!joining_discards_) {
        std::memcpy(joined + joined_length_, data_ + descriptor.addr, descriptor.len);
        joined_length_ += descriptor.len;
    }
    take_back(descriptor.addr & ~std::uint64_t{parts_.layout.buffer_size - 1});
    if (!last) return false;

    const std::uint64_t offset = std::exchange(joining_, kNone);
    if (std::exchange(joining_discards_, false)) {
        if (offset != kNone) joined_free_.push(offset);
        return false;
    }
    frame = Frame{};
    frame.data = joined;
    frame.length = joined_length_;
    frame.capacity = kJoinedSize - static_cast<std::uint32_t>(kFrameHeadroom);
    frame.token = offset | kJoined;
    frame.checksum = parts_.received_checksum;
    return true;
}

// Keeps the fill ring as full as the free buffers allow.
void AfXdpQueue::refill() {
    ProducerRing<std::uint64_t>& ring = parts_.socket.fill();
    const auto room = ring.room(static_cast<std::uint32_t>(receive_free_.size()));
    if (room == 0) return;
    for (std::uint32_t i = 0; i < room; ++i)
        ring.slot(i) = receive_free_.pop();
    ring.submit(room);
}

// The driver may have stopped for want of buffers, or leave the polling to us.
void AfXdpQueue::wake_receiver() {
    if (parts_.busy_poll == BusyPoll::off && !parts_.socket.fill().needs_wakeup()) return;
    const int descriptor = parts_.socket.descriptor();
    if (::recvfrom(descriptor, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) < 0 &&
        errno == EOPNOTSUPP) {
        pollfd polled{descriptor, POLLIN, 0};  // before Linux 5.11
        static_cast<void>(::poll(&polled, 1, 0));
    }
}

// The kernel counts what it could not deliver; a look every 100 ms makes it ours. In copy mode a
// frame without a buffer is counted as no_frame and as dropped, one that is too large as dropped
// only; with zero-copy no_frame are the driver's tries, not frames.
void AfXdpQueue::count_kernel_drops() {
    statistics_due_ = now_ + kStatisticsInterval;
    const XskStatistics kernel = parts_.socket.statistics();
    const std::uint64_t no_frame =
        kernel.receive_ring_full + (zero_copy_ ? kernel.dropped : kernel.no_frame);
    const std::uint64_t oversize =
        zero_copy_ || kernel.dropped < kernel.no_frame ? 0 : kernel.dropped - kernel.no_frame;
    count_up_to(no_frame, no_frame_counted_, Drop::io_no_receive_frame);
    if (oversize > oversize_counted_ && oversize_counted_ == 0) {
        log(LogLevel::warning, "af_xdp on %s: frames too large for a buffer are dropped; mend: %s",
            parts_.name.c_str(), parts_.oversize_mend.c_str());
    }
    count_up_to(oversize, oversize_counted_, Drop::io_oversize);
    if (unclaimed_ != nullptr) look_at_unclaimed();
    if (parts_.watch != nullptr) parts_.watch->look(now_);
    if (parts_.socket.take_error() == ENETDOWN) {
        log(LogLevel::warning,
            "af_xdp on %s: the interface was deleted; mend: restart this process",
            parts_.name.c_str());
        kick_error_told_ = kick_error_;
    }
    if (std::exchange(kick_error_told_, kick_error_) != kick_error_ && kick_error_ != 0) {
        log(LogLevel::warning, "af_xdp on %s: cannot transmit: %s", parts_.name.c_str(),
            std::strerror(kick_error_));
    }
}

// At once, however many: a flood may add a thousand million between two looks of a core that was
// busy or stopped. A total that could not be read is 0.
void AfXdpQueue::count_up_to(std::uint64_t total, std::uint64_t& counted, Drop reason) {
    if (total <= counted) return;
    count_drop(reason, total - counted);
    counted = total;
}

void AfXdpQueue::count_unclaimed(std::uint64_t* frames, std::string warning) {
    unclaimed_ = frames;
    unclaimed_counted_ = std::atomic_ref(*frames).load(std::memory_order_relaxed);
    unclaimed_warning_ = std::move(warning);
}

void AfXdpQueue::look_at_unclaimed() {
    const auto unclaimed = std::atomic_ref(*unclaimed_).load(std::memory_order_relaxed);
    if (unclaimed == unclaimed_counted_) return;
    count_up_to(unclaimed, unclaimed_counted_, Drop::io_no_queue);
    if (unclaimed_warning_.empty()) return;
    log(LogLevel::warning, "%s", unclaimed_warning_.c_str());
    unclaimed_warning_.clear();
}

// ---- transmitting

std::size_t AfXdpQueue::allocate(std::span<Frame> frames) {
    if (transmit_free_.size() < frames.size()) reap_completions();
    const std::size_t count = std::min(frames.size(), transmit_free_.size());
    const auto capacity =
        static_cast<std::uint32_t>(parts_.layout.transmit_frame_size() - kFrameHeadroom);
    for (std::size_t i = 0; i < count; ++i) {
        Frame& frame = frames[i];
        frame = Frame{};
        frame.token = transmit_free_.pop();
        frame.data = data_ + frame.token + kFrameHeadroom;
        frame.capacity = capacity;
        prefetch_for_write(frame.data);
    }
    return count;
}

std::size_t AfXdpQueue::transmit(std::span<Frame> frames, Instant now) {
    now_ = now;
    reap_completions();
    ProducerRing<xdp_desc>& ring = parts_.socket.transmitted();
    const auto wanted = static_cast<std::uint32_t>(frames.size()) * parts_.layout.buffers_per_frame;
    std::uint32_t room = ring.room(wanted);
    // No call when the kernel has taken all, or is about to. While it fails before the new frames
    // join those that may be too old.
    if (room < wanted || failing_since_ != kNever) {
        kick();
        if (given_up_) return refuse(frames);
        room = ring.room(wanted);
    }
    std::size_t taken = 0;
    std::uint32_t used = 0;
    for (; taken < frames.size() && room - used >= parts_.layout.buffers_per_frame; ++taken) {
        const Frame& frame = frames[taken];
        // The kernel would discard it without giving the buffer back.
        if (frame.length == 0 || frame.length > parts_.capabilities.frame_size ||
            (frame.token & kJoined) != 0) [[unlikely]] {
            count_drop(Drop::io_oversize);
            take_back(frame.token);
            continue;
        }
        used += describe(frame, used);
    }
    if (used != 0) {
        ring.submit(used);
        kick();
    }
    return taken;
}

// Writes the descriptors of a frame, one for each buffer that it reaches into; returns how many.
std::uint32_t AfXdpQueue::describe(const Frame& frame, std::uint32_t at) {
    ProducerRing<xdp_desc>& ring = parts_.socket.transmitted();
    auto address = static_cast<std::uint64_t>(frame.data - data_);
    MTCP_DEBUG_ASSERT(address + frame.length <= parts_.layout.size());
    if (parts_.layout.buffers_per_frame == 1) [[likely]] {
        ring.slot(at) = {address, frame.length, 0};
        return 1;
    }
    const std::uint64_t buffer_size = parts_.layout.buffer_size;
    std::uint32_t left = frame.length;
    std::uint32_t count = 0;
    while (left > 0) {
        const std::uint64_t in_buffer = buffer_size - (address & (buffer_size - 1));
        const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, in_buffer));
        left -= length;
        ring.slot(at + count++) = {address, length, left > 0 ? kContinued : 0};
        address += length;
    }
    if (frame.token >= parts_.layout.transmit_start()) {
        const std::uint64_t index =
            (frame.token - parts_.layout.transmit_start()) / parts_.layout.transmit_frame_size();
        buffers_in_flight_[index] = static_cast<std::uint8_t>(count);
    }
    return count;
}

void AfXdpQueue::reap_completions() {
    ConsumerRing<std::uint64_t>& ring = parts_.socket.completion();
    constexpr std::uint32_t kReapMost = 256;
    while (const std::uint32_t count = ring.waiting(kReapMost)) {
        for (std::uint32_t i = 0; i < count; ++i)
            take_back_sent(ring.slot(i));
        ring.give_back(count);
    }
}

// A transmitted frame is free when its last buffer is.
void AfXdpQueue::take_back_sent(std::uint64_t address) {
    const AreaLayout& layout = parts_.layout;
    const std::uint64_t buffer = address & ~std::uint64_t{layout.buffer_size - 1};
    if (buffer < layout.transmit_start() || layout.buffers_per_frame == 1) {
        take_back(buffer);
        return;
    }
    const std::uint64_t index = (buffer - layout.transmit_start()) / layout.transmit_frame_size();
    if (--buffers_in_flight_[index] == 0) {
        transmit_free_.push(layout.transmit_start() + index * layout.transmit_frame_size());
    }
}

void AfXdpQueue::take_back(std::uint64_t token) {
    if ((token & kJoined) != 0) {
        joined_free_.push(token & ~kJoined);
    } else if (token < parts_.layout.transmit_start()) {
        receive_free_.push(token);
    } else {
        transmit_free_.push(token);
    }
}

void AfXdpQueue::release(std::span<Frame> frames) {
    for (const Frame& frame : frames)
        take_back(frame.token);
    if (receive_free_.size() >= kBurst) refill();
}

// Has the kernel send what is in the ring. A copying socket sends a limited number for each call,
// and answers EAGAIN when there is more; older kernels call it a success when they stop because
// the completion ring is full. With zero-copy the driver sends later.
void AfXdpQueue::kick() {
    ProducerRing<xdp_desc>& ring = parts_.socket.transmitted();
    kick_pending_ = false;
    // Also when nobody has called for so long: it may be up again by now.
    if (!given_up_ && failing_since_ <= now_ - kKeptWhileDown) {
        spoil_held();
        given_up_ = true;
    }
    while (ring.needs_wakeup() && !ring.drained()) {
        const std::uint32_t before = ring.consumed();
        const int descriptor = parts_.socket.descriptor();
        const bool done = ::sendto(descriptor, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
        const int error = done ? EAGAIN : errno;
        if (ring.drained() || (done && zero_copy_)) break;
        if (ring.consumed() == before) {
            retry_kick(error);
            return;
        }
    }
    kick_error_ = 0;
    failing_since_ = kNever;
    given_up_ = false;
}

// The kernel takes no more frames than there is room to tell of those that it has sent.
void AfXdpQueue::repeat_kick() {
    reap_completions();
    kick();
}

// EAGAIN, EBUSY, ENOBUFS: the device or the socket is full for the moment. Anything else (ENETDOWN,
// ENXIO) will last longer, and is told.
void AfXdpQueue::retry_kick(int error) {
    const bool busy = error == EAGAIN || error == EBUSY || error == ENOBUFS || error == EINTR;
    kick_pending_ = true;
    kick_again_ = now_ + (busy ? kKickAgainBusy : kKickAgainDown);
    kick_error_ = busy ? 0 : error;
    failing_since_ = busy ? kNever : earlier(failing_since_, now_);
    if (busy) given_up_ = false;
}

// What the ring holds cannot be taken out, for the kernel may begin to read it at any time; it will
// leave one day as frames that mean nothing.
void AfXdpQueue::spoil_held() {
    ProducerRing<xdp_desc>& ring = parts_.socket.transmitted();
    const std::uint32_t held = ring.held();
    bool begins = true;
    for (std::uint32_t i = 0; i < held; ++i) {
        const xdp_desc& descriptor = ring.held_slot(i);
        if (begins) {
            std::memcpy(data_ + descriptor.addr + kTypeOffset, kNobodys, sizeof kNobodys);
            count_drop(Drop::io_device_refused);
        }
        begins = (descriptor.options & kContinued) == 0;
    }
}

std::size_t AfXdpQueue::refuse(std::span<const Frame> frames) {
    for (const Frame& frame : frames)
        take_back(frame.token);
    count_drop(Drop::io_device_refused, frames.size());
    return frames.size();
}

// ---- sleeping

bool AfXdpQueue::prepare_wait() {
    if (kick_pending_) repeat_kick();
    refill();
    ConsumerRing<xdp_desc>& ring = parts_.socket.received();
    if (ring.waiting(1) != 0) return false;
    wake_receiver();
    return ring.waiting(1) == 0;
}

Instant AfXdpQueue::next_deadline() const { return kick_pending_ ? kick_again_ : kNever; }

void AfXdpQueue::abandon() {
    parts_.socket.abandon();
    if (parts_.watch != nullptr) parts_.watch->abandon();
    // Not mapped here (MADV_DONTFORK): unmapping its addresses could hit something else.
    static_cast<void>(parts_.area.release());
    data_ = nullptr;
}

}  // namespace mtcp::io
