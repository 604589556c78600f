// SPDX-License-Identifier: Apache-2.0
// One connection with one peer: the memory both ends share and where the rings lie in it. Immutable
// once published; it stays mapped until the last queue has let go of it, however the peer ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/memif/memif_config.h"
#include "io/memif/protocol.h"
#include "io/memif/shared_memory.h"

namespace mtcp::io::memif {

struct Ring {
    RingHeader* header = nullptr;  // nullptr: this direction has no such ring
    Descriptor* descriptors = nullptr;
    std::uint32_t size = 0;
    FileDescriptor interrupt;
    // What the peer's message said, until its memory is there.
    AddRing placed{};
};

// Where the slave's buffers lie in region 0.
struct BufferLayout {
    std::uint64_t offset = 0;  // of the first one
    std::uint32_t stride = 0;  // from one to the next
    std::uint32_t per_queue = 0;
};

struct Session {
    MemifRole role = MemifRole::slave;
    bool both_ends_ours = false;  // configured here and said by the peer
    bool peer_is_mtcp = false;
    std::string peer_program;
    std::string peer_interface;
    std::vector<SharedMemory> regions;
    std::vector<Ring> slave_to_master;
    std::vector<Ring> master_to_slave;
    BufferLayout buffers;                       // slave only
    FileDescriptor memory;                      // slave only: region 0, until it is handed over
    std::atomic<bool> peer_broke_rules{false};  // set by a queue, read by the control thread

    // nullptr when the connection has fewer rings than this end has queues.
    [[nodiscard]] const Ring* receive_ring(std::size_t queue) const;
    [[nodiscard]] const Ring* transmit_ring(std::size_t queue) const;
};

// Those of our `queues` for whose frames the peer made no ring, as in "1, 3 to 5"; "" when all can
// send. Either end may have fewer rings than the other has queues.
[[nodiscard]] std::string mute_queues(const Session& session, std::size_t queues);

// The slave's side: memory, rings and eventfds, within what the master's hello allows. The error is
// errno.
[[nodiscard]] Result<std::shared_ptr<Session>, int> make_session(const MemifConfig& config,
                                                                 const Hello& hello);
// Bytes of memory the slave needs; more than kRegionReach cannot be had.
[[nodiscard]] std::uint64_t memory_needed(const MemifConfig& config);

// The master's side, when everything has been received: finds each announced ring in the peer's
// memory. Returns nullptr, or a text that says what is wrong.
[[nodiscard]] const char* locate_rings(Session& session);

}  // namespace mtcp::io::memif
