// SPDX-License-Identifier: Apache-2.0
// What a packet I/O back end is. A *device* is an interface to a wire; a *queue* is one core's pair
// of receive and transmit rings on it. Every call moves a burst; nothing is called per packet.
//
// The concept is what tests and middleware are written against; `Queue` is its run-time form, one
// indirect call per burst.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/counters.h"
#include "base/time.h"
#include "io/frame.h"

namespace mtcp::io {

// The most frames moved by one call on the stack's own paths.
inline constexpr std::size_t kBurst = 64;

enum class Layer : std::uint8_t { ethernet, ip };

struct Capabilities {
    Layer layer = Layer::ethernet;
    std::uint32_t mtu = 1500;         // largest IP packet
    std::uint32_t frame_size = 1514;  // most bytes of a single transmitted frame (without TSO)
    bool transmit_checksum = false;   // takes Checksum::partial
    std::uint32_t transmit_segmentation = 0;  // TSO: largest IP packet it cuts; 0: none
    bool cannot_corrupt = false;  // both ends are ours, in memory: checksums may be skipped
};

template <typename Io>
concept PacketIo = requires(Io& io, const Io& constant, std::span<Frame> frames, Instant now) {
    // Fills `frames` with received frames, oldest first; returns how many. Each is on loan until
    // released.
    { io.receive(frames, now) } -> std::same_as<std::size_t>;
    // Fills `frames` with empty frames to write into (length 0); returns how many there were.
    { io.allocate(frames) } -> std::same_as<std::size_t>;
    // Sends allocated frames, in order; returns how many it took. What it took is the queue's
    // again; the rest stays with the caller (ring full), to be offered again or released.
    { io.transmit(frames, now) } -> std::same_as<std::size_t>;
    // Returns received frames, or allocated ones that were never sent.
    { io.release(frames) } -> std::same_as<void>;

    { constant.capabilities() } -> std::same_as<const Capabilities&>;

    // Sleeping: `prepare_wait` asks for a wake-up through `wait_descriptor` (poll for POLLIN; -1 if
    // there is none) and returns false when frames wait already. `finish_wait` undoes it and
    // drains the descriptor.
    { io.prepare_wait() } -> std::same_as<bool>;
    { io.finish_wait() } -> std::same_as<void>;
    { constant.wait_descriptor() } -> std::same_as<int>;
    // When to come back although nothing arrives (a delayed frame becomes due); kNever if not.
    { constant.next_deadline() } -> std::same_as<Instant>;
};

// The run-time form of PacketIo.
class Queue {
  public:
    Queue() = default;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    virtual ~Queue() = default;

    virtual std::size_t receive(std::span<Frame> frames, Instant now) = 0;
    virtual std::size_t allocate(std::span<Frame> frames) = 0;
    virtual std::size_t transmit(std::span<Frame> frames, Instant now) = 0;
    virtual void release(std::span<Frame> frames) = 0;
    [[nodiscard]] virtual const Capabilities& capabilities() const = 0;
    virtual bool prepare_wait() = 0;
    virtual void finish_wait() = 0;
    [[nodiscard]] virtual int wait_descriptor() const = 0;
    [[nodiscard]] virtual Instant next_deadline() const { return kNever; }
    // Where the queue counts what it discards; set once by the core that owns the queue. A queue
    // without counters (nullptr) discards all the same.
    void set_counters(Counters* counters) { counters_ = counters; }

  protected:
    void count_drop(Drop reason, std::uint64_t number = 1) {
        if (counters_ != nullptr) counters_->drop(reason, number);
    }
    Counters* counters_ = nullptr;
};
static_assert(PacketIo<Queue>);

struct MacAddress {
    std::uint8_t octet[6] = {};
    friend constexpr bool operator==(const MacAddress&, const MacAddress&) = default;
};

// An open interface. Back ends provide `static Result<std::unique_ptr<XDevice>, Problem>
// open(...)`.
class Device {
  public:
    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    [[nodiscard]] virtual std::size_t queue_count() const = 0;
    [[nodiscard]] virtual Queue& queue(std::size_t index) = 0;
    // All-zero on an L3 device.
    [[nodiscard]] virtual MacAddress mac() const = 0;
    // One line for the log and `doctor`: "af_xdp on veth0: 2 queues, native mode, copy".
    [[nodiscard]] virtual std::string description() const = 0;
};

}  // namespace mtcp::io
