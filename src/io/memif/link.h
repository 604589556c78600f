// SPDX-License-Identifier: Apache-2.0
// One queue's share of a session: a ring in each direction. Two kinds: OwnerLink where the shared
// memory is ours (slave), GuestLink where it is the peer's (master).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/cache_line.h"
#include "base/counters.h"
#include "base/line_distance.h"
#include "base/time.h"
#include "io/frame.h"
#include "io/memif/buffer_pool.h"
#include "io/memif/session.h"
#include "io/packet_io.h"

namespace mtcp::io::memif {

// A frame's token: the tag of the link whose memory it lies in, and a number that link knows. Tag 0
// means the queue's own BufferPool.
inline constexpr std::uint32_t kPoolTag = 0;
[[nodiscard]] inline std::uint64_t make_token(std::uint32_t tag, std::uint32_t index) {
    return std::uint64_t{tag} << 32 | index;
}
[[nodiscard]] inline std::uint32_t tag_of(const Frame& frame) {
    return static_cast<std::uint32_t>(frame.token >> 32);
}
[[nodiscard]] inline std::uint32_t index_of(const Frame& frame) {
    return static_cast<std::uint32_t>(frame.token);
}

// Where a link finds private buffers and counts what it discards.
struct LinkContext {
    BufferPool& pool;
    Counters* counters;
    Instant now;

    void count(Drop reason) const {
        if (counters != nullptr) counters->drop(reason);
    }
};

class Link {
  public:
    Link(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag);
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    virtual ~Link() = default;

    [[nodiscard]] virtual std::size_t receive(std::span<Frame> frames, LinkContext context) = 0;
    // Copies frames, wherever they lie, for the peer; returns how many. They stay the caller's.
    [[nodiscard]] virtual std::size_t transmit(std::span<Frame> frames, LinkContext context) = 0;
    // Takes back those of `frames` that carry tag().
    virtual void release(std::span<const Frame> frames) = 0;
    // Asks the peer to wake us; false when frames wait already.
    [[nodiscard]] virtual bool prepare_wait() = 0;
    void finish_wait();

    [[nodiscard]] std::uint32_t tag() const { return tag_; }
    [[nodiscard]] bool transmits() const { return transmit_ != nullptr && !broken_; }
    // Frames in shared memory that callers hold.
    [[nodiscard]] std::size_t on_loan() const { return on_loan_; }
    // An index or descriptor of the peer was impossible: nothing it says is followed any more.
    [[nodiscard]] bool broken() const { return broken_; }
    [[nodiscard]] Session& session() const { return *session_; }
    // For tests: until lines that come from the peer say otherwise.
    void assume_far() { distance_.assume_far(); }
    // The eventfd that the peer writes to, or -1.
    [[nodiscard]] int interrupt() const {
        return receive_ == nullptr ? -1 : receive_->interrupt.get();
    }

  protected:
    // Asks for the lines of the next descriptors, `count` but a burst at most, from slot `first`
    // on. The peer wrote them last, and one by one each would be waited for.
    enum class Use : std::uint8_t { read, write };
    static void fetch_descriptors(const Ring& ring, std::uint32_t first, std::size_t count,
                                  Use use) {
        constexpr std::size_t kPerLine = kCacheLine / sizeof(Descriptor);
        const std::size_t end = std::min(count, kBurst) + kPerLine - 1;
        for (std::size_t i = 0; i < end; i += kPerLine) {
            const Descriptor* const at = &ring.descriptors[(first + i) & (ring.size - 1)];
            use == Use::write ? prefetch_for_write(at) : mtcp::prefetch(at);
        }
    }
    void break_off(LinkContext context);
    // An index of the peer's, `seen` so far. Now and then, when it has moved, the time that it took
    // to come tells how far away the peer is.
    [[nodiscard]] std::uint16_t look_at(const std::uint16_t& index, std::uint16_t seen,
                                        Instant now);
    // Frames go into buffers that the peer will read, each of `room` bytes: in a burst to a far
    // peer past the caches. One alone is awaited, and arrives sooner the other way.
    void begin_copies(std::size_t frames) { copies_far_ = frames > 1 && distance_.is_far(); }
    void copy_out(std::byte* into, const std::byte* from, std::size_t bytes,
                  std::size_t room) const;
    void end_copies() const;
    // No line of a buffer that will be copied into has to come.
    [[nodiscard]] bool copies_far() const { return copies_far_; }
    // Else they are asked for while others are written.
    static void expect_copy(std::byte* into, std::size_t bytes) {
        prefetch_lines_for_write(into, std::min<std::size_t>(bytes, 2 * kCacheLine));
    }
    // To be called after store_sequential() of the index that announces new frames.
    void wake_peer() const;
    // Unmasks the interrupt; afterwards load_sequential() of the ring's index decides.
    void ask_for_interrupt() const;

    std::shared_ptr<Session> session_;
    const Ring* receive_;  // nullptr: this direction has no ring for this queue
    const Ring* transmit_;
    std::uint32_t tag_;
    bool lends_;  // received frames are lent in place, not copied
    bool broken_ = false;
    std::size_t on_loan_ = 0;

  private:
    LineDistance distance_;
    bool copies_far_ = false;
    std::uint32_t looks_left_ = 0;  // before the next that is timed
};

[[nodiscard]] std::unique_ptr<Link> make_link(std::shared_ptr<Session> session, std::size_t queue,
                                              std::uint32_t tag, const MemifConfig& config);

}  // namespace mtcp::io::memif
