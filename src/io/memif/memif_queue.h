// SPDX-License-Identifier: Apache-2.0
// One queue of a memif interface: usable before the peer is there, while it changes, and after it
// has gone. Frames on loan stay valid across all of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/memif/link.h"
#include "io/memif/memif_config.h"
#include "io/memif/session_mailbox.h"
#include "io/packet_io.h"

namespace mtcp::io {

class MemifQueue final : public Queue {
  public:
    // nullptr when memory or descriptors are refused. The arguments outlive the queue.
    [[nodiscard]] static std::unique_ptr<MemifQueue> make(const MemifConfig& config,
                                                          const memif::SessionMailbox& mailbox,
                                                          std::size_t index);
    ~MemifQueue() override;

    std::size_t receive(std::span<Frame> frames, Instant now) override;
    std::size_t allocate(std::span<Frame> frames) override;
    // Without a peer frames are taken, dropped and counted, as on a wire that is not plugged in.
    std::size_t transmit(std::span<Frame> frames, Instant now) override;
    void release(std::span<Frame> frames) override;
    // `cannot_corrupt` changes with the peer: to be read once per turn, not once per life.
    [[nodiscard]] const Capabilities& capabilities() const override { return capabilities_; }
    bool prepare_wait() override;
    void finish_wait() override;
    [[nodiscard]] int wait_descriptor() const override { return epoll_.get(); }
    [[nodiscard]] Instant next_deadline() const override;

  private:
    MemifQueue(const MemifConfig& config, const memif::SessionMailbox& mailbox, std::size_t index)
        : config_(config), mailbox_(mailbox), index_(index) {}

    void refresh() {
        if (mailbox_.epoch() != epoch_) [[unlikely]]
            change_session();
    }
    void change_session();
    void release_one(const Frame& frame) {
        if (memif::tag_of(frame) == memif::kPoolTag) [[likely]]
            return pool_.give_back(memif::index_of(frame));
        release_to_link(frame);
    }
    void release_to_link(const Frame& frame);
    [[nodiscard]] std::size_t drop_all(std::span<Frame> frames);
    void report_broken_peer();
    [[nodiscard]] memif::LinkContext context() { return {pool_, counters_, now_}; }

    const MemifConfig& config_;
    const memif::SessionMailbox& mailbox_;
    const std::size_t index_;
    Capabilities capabilities_;
    memif::BufferPool pool_;
    std::uint32_t epoch_ = 0;
    std::uint32_t last_tag_ = memif::kPoolTag;
    std::unique_ptr<memif::Link> link_;                       // nullptr: no peer
    std::vector<std::unique_ptr<memif::Link>> former_links_;  // with frames still on loan
    // Sleeping: edge-triggered on the doorbell and on the ring's eventfd, which are never read. The
    // eventfd is the peer's too, and a read of it could be made to block.
    memif::FileDescriptor epoll_;
    int watched_ = -1;
    bool waiting_ = false;
    bool room_wanted_ = false;  // a frame was refused because the ring was full
    bool reported_broken_ = false;
    Instant now_;  // of the last receive or transmit
};

}  // namespace mtcp::io
