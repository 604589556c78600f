// SPDX-License-Identifier: Apache-2.0
// The master's end of a queue: rings and buffers lie in the slave's memory, and every descriptor is
// the slave's word, copied once and checked.
#pragma once

#include <vector>

#include "io/memif/link.h"
#include "io/memif/receive_burst.h"

namespace mtcp::io::memif {

class GuestLink final : public Link {
  public:
    GuestLink(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag);

    std::size_t receive(std::span<Frame> frames, LinkContext context) override;
    std::size_t transmit(std::span<Frame> frames, LinkContext context) override;
    void release(std::span<const Frame> frames) override;
    bool prepare_wait() override;

    // For receive_burst.
    [[nodiscard]] bool lends() const { return lends_; }
    [[nodiscard]] Piece peek(std::uint32_t ahead) const;
    [[nodiscard]] std::uint64_t lend() const { return make_token(tag_, next_); }
    void consume(std::uint32_t slots);
    void consume_lent();
    void prefetch(std::uint32_t ahead) const;

  private:
    // Whether a frame was put; full: the ring has too little room left for it; never: it would have
    // too little empty; bad: a slot points nowhere.
    enum class Put : unsigned char { yes, full, never, bad };

    [[nodiscard]] std::byte* locate(const Descriptor& descriptor) const;
    void expect_put(std::uint16_t at, std::uint32_t length) const;
    [[nodiscard]] Put put(const Frame& frame, std::uint16_t& filled, std::uint16_t head) const;
    void return_slots();

    // Receiving (ring slave to master).
    std::uint16_t next_ = 0;          // the next slot to look at
    std::uint16_t returned_ = 0;      // what `tail` says
    std::vector<std::uint8_t> done_;  // by slot: not on loan any more, but an older one is
    // Transmitting (ring master to slave).
    std::uint16_t filled_ = 0;  // what `tail` says
};

}  // namespace mtcp::io::memif
