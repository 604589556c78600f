// SPDX-License-Identifier: Apache-2.0
// Frames on their way out of one interface: a stash of empty ones, taken from the queue in bursts,
// and the batch that waits for the turn's end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "base/counters.h"
#include "base/time.h"
#include "io/packet_io.h"

namespace mtcp::net {

class Transmitter {
  public:
    // Taken from the queue at once; a small number, as stashed frames are missing elsewhere.
    static constexpr std::size_t kStash = 32;
    // Frames that may wait for a full ring...
    static constexpr std::size_t kBatch = 256;
    // ...of which the last are for answers that nobody would send again: ARP, ICMP, resets.
    static constexpr std::size_t kReserve = 64;

    // A device that has taken nothing for so long is as a wire that loses everything.
    static constexpr Duration kStallMax = seconds(1);

    explicit Transmitter(Counters& counters) : counters_(&counters) {}

    void attach(io::Queue& queue) {
        queue_ = &queue;
        capabilities_ = &queue.capabilities();
    }
    [[nodiscard]] const io::Capabilities& capabilities() const { return *capabilities_; }

    // False: the ring is full and enough waits for it. Who can keep what it would send does so.
    [[nodiscard]] bool has_room() const { return waiting_ < kBatch - kReserve; }
    // False: no frame now. Who cannot keep what he would send counts it, no_transmit_frame.
    [[nodiscard]] bool allocate(io::Frame& frame) {
        if (stashed_ == 0 && !refill()) return false;
        frame = stash_[--stashed_];
        if (stashed_ >= kAhead) prefetch_stashed(kAhead);
        return true;
    }
    // An allocated frame that will not be sent; kept for the next allocate() when there is room.
    void give_back(const io::Frame& frame);
    // Takes a complete frame. A full batch goes to the ring at once; what then finds no room is
    // released and counted io_transmit_full.
    void send(const io::Frame& frame, Instant now) {
        if (waiting_ == kBatch) [[unlikely]] {
            if (!make_room(frame, now)) return;
        }
        batch_[waiting_++] = frame;
        waiting_bytes_ += frame.length;
        if (waiting_ % io::kBurst == 0) flush(now);
    }
    // Gives the batch to the ring; returns the number of frames that it did not take.
    std::size_t flush(Instant now);
    [[nodiscard]] bool has_waiting() const { return waiting_ != 0; }
    // For who was refused just now: has the device taken no frame, and given no empty one, for
    // kStallMax? (It is asked once more: it may have been we who paused.)
    [[nodiscard]] bool is_stalled(Instant now) {
        if (gave_ || now - progress_ < kStallMax) return false;
        flush(now);
        return now - progress_ >= kStallMax;
    }
    // Everything back to the queue, unsent.
    void release_all();

  private:
    static constexpr io::Capabilities kNoQueue{};
    // The lines of an empty frame may lie in the cache of whoever received it last, and then take
    // as long to come as several segments take to be made: they are asked for this many ahead.
    static constexpr std::size_t kAhead = 8;
    void prefetch_stashed(std::size_t ahead) const {
        prefetch_lines_for_write(stash_[stashed_ - ahead].data, 2 * kCacheLine);
    }
    [[nodiscard]] bool refill();
    [[nodiscard]] bool make_room(const io::Frame& frame, Instant now);

    io::Queue* queue_ = nullptr;
    const io::Capabilities* capabilities_ = &kNoQueue;
    Counters* counters_;
    std::size_t stashed_ = 0;
    std::size_t waiting_ = 0;
    std::uint64_t waiting_bytes_ = 0;
    Instant progress_ = kLongAgo;  // when the device took or gave something last
    bool gave_ = false;            // it did since the last flush()
    std::array<io::Frame, kStash> stash_;
    std::array<io::Frame, kBatch> batch_;
};

}  // namespace mtcp::net
