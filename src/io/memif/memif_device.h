// SPDX-License-Identifier: Apache-2.0
// Frames over shared memory with another process: memif, the protocol of DPDK's net_memif and VPP.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "io/memif/memif_config.h"
#include "io/packet_io.h"

namespace mtcp::io {

namespace memif {
class Control;
class SessionMailbox;
}  // namespace memif
class MemifQueue;

class MemifDevice final : public Device {
  public:
    // Returns at once; the peer may come later, go, and come back. Problems are those that waiting
    // cannot mend: a bad setting, a socket that is taken.
    [[nodiscard]] static Result<std::unique_ptr<MemifDevice>, Problem> open(
        const MemifConfig& config);
    ~MemifDevice() override;

    [[nodiscard]] std::size_t queue_count() const override { return queues_.size(); }
    // Queue i is ring i, both ways. With a peer that has fewer rings the others stay silent.
    [[nodiscard]] Queue& queue(std::size_t index) override;
    [[nodiscard]] MacAddress mac() const override { return config_.mac; }
    [[nodiscard]] std::string description() const override;
    // Whether a peer is there at this moment. Any thread.
    [[nodiscard]] bool connected() const;

  private:
    explicit MemifDevice(const MemifConfig& config);

    MemifConfig config_;
    std::unique_ptr<memif::SessionMailbox> mailbox_;
    std::vector<std::unique_ptr<MemifQueue>> queues_;
    std::unique_ptr<memif::Control> control_;  // last: its thread ends before the rest goes
};

}  // namespace mtcp::io
