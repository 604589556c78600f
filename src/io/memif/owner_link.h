// SPDX-License-Identifier: Apache-2.0
// The slave's end of a queue: rings and buffers lie in our memory. Of what the master writes there
// only its two indices and the length and chain flag of received slots are read; which buffer a
// slot holds is remembered here.
#pragma once

#include <vector>

#include "io/frame_stack.h"
#include "io/memif/link.h"
#include "io/memif/receive_burst.h"

namespace mtcp::io::memif {

class OwnerLink final : public Link {
  public:
    OwnerLink(std::shared_ptr<Session> session, std::size_t queue, std::uint32_t tag,
              std::uint32_t buffer_size);

    std::size_t receive(std::span<Frame> frames, LinkContext context) override;
    std::size_t transmit(std::span<Frame> frames, LinkContext context) override;
    void release(std::span<const Frame> frames) override;
    bool prepare_wait() override;

    // For receive_burst.
    [[nodiscard]] bool lends() const { return lends_; }
    [[nodiscard]] Piece peek(std::uint32_t ahead) const;
    [[nodiscard]] std::uint64_t lend() const;
    void consume(std::uint32_t slots);
    void consume_lent();
    void prefetch(std::uint32_t ahead) const;

  private:
    [[nodiscard]] std::byte* buffer(std::uint32_t index) const;
    [[nodiscard]] std::uint32_t slot(std::uint32_t position, const Ring& ring) const {
        return position & (ring.size - 1);
    }
    void post_buffers();
    void reclaim();
    bool put(const Frame& frame, LinkContext context);

    std::byte* base_;     // of region 0
    std::byte* buffers_;  // of this queue
    std::uint32_t stride_;
    std::uint32_t buffer_size_;
    FrameStack<std::uint32_t> free_;
    // Receiving (ring master to slave).
    std::vector<std::uint32_t> posted_buffer_;  // by slot
    std::uint16_t posted_ = 0;                  // what `head` says
    std::uint16_t taken_ = 0;                   // the master's `tail`, as far as we followed
    // Transmitting (ring slave to master).
    std::vector<std::uint32_t> sent_buffer_;  // by slot
    std::uint16_t sent_ = 0;                  // what `head` says
    std::uint16_t reclaimed_ = 0;             // the master's `tail`, as far as we followed
    bool tail_impossible_ = false;
};

}  // namespace mtcp::io::memif
