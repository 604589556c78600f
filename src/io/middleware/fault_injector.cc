// SPDX-License-Identifier: Apache-2.0
// Carrying out the fates of frames in both directions.
#include "io/middleware/fault_injector.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/middleware/congestion_mark.h"
#include "io/middleware/software_offload.h"

namespace mtcp::io {
namespace {

// A received frame may be one that the device or the kernel joined (GRO): up to 64 KB and headers.
constexpr std::size_t kHeldBytesMax = 65'536 + 256;
// One frame may need two slots: its copy, and its duplicate.
constexpr std::size_t kSlotsPerFrame = 2;
constexpr Duration kRetryWhenFull = microseconds(50);

// How many slots follow from the faults.
constexpr double kBytesPerHeldFrame = 500;
constexpr double kBytesPerSecondUnlimited = 1e9 / 8;
constexpr double kHeldFramesLeast = 4096;
constexpr double kHeldFramesMost = 65'536;

double frames_held_by(const Faults& faults) {
    const bool limited = faults.rate_bits_per_second != 0;
    const double bytes_per_second =
        limited ? static_cast<double>(faults.rate_bits_per_second) / 8 : kBytesPerSecondUnlimited;
    const Duration overtaken = faults.reorder_ppm != 0 ? faults.reorder_delay : Duration{};
    const auto ns = static_cast<double>((faults.delay + faults.jitter + overtaken).ns);
    const double waiting = limited ? static_cast<double>(faults.queue_bytes) : 0;
    const double bytes = waiting + bytes_per_second * ns / 1e9;
    return bytes / kBytesPerHeldFrame * (1 + faults.duplicate_ppm / 1e6);
}

// Both directions are often given the same faults; they shall not roll the same dice.
Faults with_other_seed(Faults faults) {
    faults.seed ^= 0x5bd1'e995'9d1b'54a3;
    return faults;
}

// Writes a held frame into one of the inner queue; false when it does not fit.
bool restore(const Frame& held, Frame& frame) {
    if (held.length > frame.capacity) return false;
    std::memcpy(frame.data, held.data, held.length);
    frame.length = held.length;
    frame.checksum = held.checksum;
    frame.checksum_start = held.checksum_start;
    frame.segment_size = held.segment_size;
    frame.header_length = held.header_length;
    return true;
}

}  // namespace

std::uint32_t held_frames_for(const Faults& transmit, const Faults& receive) {
    const double frames = frames_held_by(transmit) + frames_held_by(receive);
    return static_cast<std::uint32_t>(std::clamp(frames, kHeldFramesLeast, kHeldFramesMost));
}

Result<std::unique_ptr<FaultInjectorQueue>, Problem> FaultInjectorQueue::create(
    Queue& inner, const FaultInjectorConfig& config) {
    std::unique_ptr<FaultInjectorQueue> injector(new FaultInjectorQueue(inner, config));
    const std::uint32_t wanted = config.held_frames_max != 0
                                     ? config.held_frames_max
                                     : held_frames_for(config.transmit, config.receive);
    const std::uint32_t count = std::max<std::uint32_t>(wanted, kSlotsPerFrame);
    const std::size_t largest =
        std::max<std::size_t>(kHeldBytesMax, inner.capabilities().frame_size);
    if (!injector->slots_.reserve(count, largest)) {
        return failure(Problem{.what = "cannot make a fault injector",
                               .why = "no memory for the frames it holds back",
                               .mend = "lower the delay, rate or queue of the faults",
                               .error = ENOMEM});
    }
    injector->transmit_held_.reserve(count);
    injector->receive_held_.reserve(count);
    return injector;
}

FaultInjectorQueue::FaultInjectorQueue(Queue& inner, const FaultInjectorConfig& config)
    : inner_(inner),
      capabilities_(inner.capabilities()),
      transmit_line_(config.transmit),
      receive_line_(with_other_seed(config.receive)) {
    // Faults befall frames as a wire carries them, not 64 KB at a time.
    capabilities_.transmit_segmentation = 0;
    if (config.transmit.corrupt_ppm != 0 || config.receive.corrupt_ppm != 0) {
        capabilities_.cannot_corrupt = false;
    }
}

std::size_t FaultInjectorQueue::receive(std::span<Frame> frames, Instant now) {
    inner_.set_counters(counters_);  // whoever owns the outer queue knows only that one
    transmit_due(now);
    const std::size_t delivered = deliver_due(frames, now);
    std::span<Frame> rest = frames.subspan(delivered);
    // Nothing is held on this side: what the other side holds must not stop it.
    if (!receive_line_.faults().any()) return delivered + inner_.receive(rest, now);
    rest = rest.first(std::min({rest.size(), kBurst, slots_.available() / kSlotsPerFrame}));
    if (rest.empty()) return delivered;
    const std::size_t arrived = inner_.receive(rest, now);
    std::array<Frame, kBurst> finished;
    std::size_t finished_count = 0;
    std::size_t passed = 0;
    for (std::size_t i = 0; i < arrived; ++i) {
        Frame frame = rest[i];
        if (passes(frame, now)) {
            rest[passed++] = frame;
        } else {
            finished[finished_count++] = frame;
        }
    }
    if (finished_count != 0) inner_.release(std::span(finished).first(finished_count));
    return delivered + passed;
}

std::size_t FaultInjectorQueue::deliver_due(std::span<Frame> frames, Instant now) {
    std::size_t count = 0;
    while (count < frames.size() && receive_held_.any_due(now)) {
        frames[count++] = receive_held_.take().frame;
    }
    return count;
}

bool FaultInjectorQueue::passes(Frame& frame, Instant now) {
    Fate fate;
    if (!survives(frame, receive_line_, receive_held_, now, fate)) return false;
    if (fate.due <= now) return true;
    receive_held_.hold(slots_.copy(frame), fate.due);
    return false;
}

bool FaultInjectorQueue::survives(Frame& frame, FaultLine& line, HeldFrames& held, Instant now,
                                  Fate& fate) {
    fate = line.next(frame.length, now);
    if (fate.lost) {
        count_drop(Drop::io_injected);
        return false;
    }
    const bool copied = fate.duplicated || fate.due > now;
    if (copied && frame.length > slots_.frame_bytes_max()) {
        count_drop(Drop::io_oversize);
        return false;
    }
    if (fate.marked && mark_congestion(frame.bytes(), capabilities_.layer)) line.count_marked();
    // The duplicate stays whole, as on a wire where the frame took two ways.
    if (fate.duplicated) held.hold(slots_.copy(frame), fate.due);
    if (fate.corrupted) corrupt(frame, line);
    return true;
}

void FaultInjectorQueue::corrupt(Frame& frame, FaultLine& line) {
    if (frame.length == 0) return;
    // Without a complete checksum nobody could notice; a device may vouch for one it never made.
    if (frame.checksum != Checksum::in_frame) {
        static_cast<void>(complete_checksum(frame.bytes(), capabilities_.layer));
    }
    frame.checksum = Checksum::in_frame;
    const std::uint32_t bit = line.corrupt_bit(frame.length);
    frame.data[bit / 8] ^= std::byte{1} << (bit % 8);
}

std::size_t FaultInjectorQueue::transmit(std::span<Frame> frames, Instant now) {
    inner_.set_counters(counters_);
    transmit_due(now);
    std::size_t taken = 0;
    while (taken < frames.size()) {
        const std::size_t wanted = std::min(kBurst, frames.size() - taken);
        const std::size_t count = transmit_burst(frames.subspan(taken, wanted), now);
        taken += count;
        if (count < wanted) break;
    }
    transmit_due(now);  // duplicates, and what came behind them
    return taken;
}

std::size_t FaultInjectorQueue::transmit_burst(std::span<Frame> frames, Instant now) {
    std::array<Frame, kBurst> passing;
    std::array<Frame, kBurst> finished;
    std::size_t passing_count = 0;
    std::size_t finished_count = 0;
    std::size_t taken = 0;
    for (; taken < frames.size(); ++taken) {
        // Every frame that passes may have to be held after all, when the inner ring is full.
        if (slots_.available() < kSlotsPerFrame + passing_count) break;
        Frame& frame = frames[taken];
        Fate fate;
        if (!survives(frame, transmit_line_, transmit_held_, now, fate)) {
            finished[finished_count++] = frame;
        } else if (fate.due <= now && !transmit_held_.any_due(now) && !slots_.owns(frame)) {
            passing[passing_count++] = frame;
        } else {
            transmit_held_.hold(slots_.copy(frame), fate.due);
            finished[finished_count++] = frame;
        }
    }
    const std::size_t sent =
        passing_count == 0 ? 0 : transmit_inner(std::span(passing).first(passing_count), now);
    if (sent < passing_count) transmit_retry_ = now + kRetryWhenFull;
    for (std::size_t i = sent; i < passing_count; ++i) {
        transmit_held_.hold(slots_.copy(passing[i]), now);
        finished[finished_count++] = passing[i];
    }
    release(std::span(finished).first(finished_count));
    return taken;
}

void FaultInjectorQueue::transmit_due(Instant now) {
    std::array<HeldFrames::Held, kBurst> due;
    std::array<Frame, kBurst> frames;
    while (transmit_held_.any_due(now) && transmit_retry_ <= now) {
        const std::size_t wanted = std::min(kBurst, transmit_held_.size());
        const std::size_t allocated = inner_.allocate(std::span(frames).first(wanted));
        std::size_t count = 0;
        while (count < allocated && transmit_held_.any_due(now)) {
            due[count] = transmit_held_.take();
            if (restore(due[count].frame, frames[count])) {
                ++count;
            } else {
                slots_.give_back(due[count].frame);
                count_drop(Drop::io_oversize);
            }
        }
        const std::size_t sent = transmit_inner(std::span(frames).first(count), now);
        for (std::size_t i = 0; i < sent; ++i)
            slots_.give_back(due[i].frame);
        for (std::size_t i = sent; i < count; ++i)
            transmit_held_.put(due[i]);
        inner_.release(std::span(frames).subspan(sent, allocated - sent));
        if (allocated == 0 || sent < count) transmit_retry_ = now + kRetryWhenFull;
    }
}

std::size_t FaultInjectorQueue::transmit_inner(std::span<Frame> frames, Instant now) {
    const std::size_t taken = inner_.transmit(frames, now);
    sent_.frames += taken;
    for (const Frame& frame : frames.first(taken))
        sent_.bytes += frame.length;
    return taken;
}

void FaultInjectorQueue::release(std::span<Frame> frames) {
    std::array<Frame, kBurst> inner;
    std::size_t count = 0;
    for (const Frame& frame : frames) {
        if (slots_.owns(frame)) {
            slots_.give_back(frame);
            continue;
        }
        inner[count++] = frame;
        if (count == inner.size()) {
            inner_.release(inner);
            count = 0;
        }
    }
    if (count != 0) inner_.release(std::span(inner).first(count));
}

Instant FaultInjectorQueue::next_deadline() const {
    const Instant transmit = later(transmit_held_.next_due(), transmit_retry_);
    return earlier(inner_.next_deadline(), earlier(receive_held_.next_due(), transmit));
}

}  // namespace mtcp::io
