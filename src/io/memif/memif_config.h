// SPDX-License-Identifier: Apache-2.0
// What one end of a memif connection is told at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "io/packet_io.h"

namespace mtcp::io {

enum class MemifRole : std::uint8_t {
    master,  // listens on the socket (DPDK: server)
    slave,   // connects to it and provides the memory (DPDK: client)
};

enum class MemifTrust : std::uint8_t {
    // The other end may do anything to the shared memory at any time: frames are copied out of it
    // before anybody looks at them, and its memory is mapped only if it is sealed.
    untrusted,
    // Both ends belong to us. If the other end says the same in the handshake, frames are lent in
    // place and checksums are skipped.
    both_ends_ours,
};

struct MemifConfig {
    std::string socket = "/run/mtcp/memif.sock";  // "@name": abstract
    std::uint32_t id = 0;                         // both ends name the same
    MemifRole role = MemifRole::slave;
    std::size_t rings = 1;         // queues; the slave uses fewer when the master has fewer
    unsigned log2_ring_size = 10;  // slots of a ring; the slave's word counts
    std::uint32_t buffer_size = 2048;
    std::uint32_t mtu = 1500;
    Layer layer = Layer::ethernet;
    MemifTrust trust = MemifTrust::untrusted;
    std::string secret;         // "": none asked for
    std::string name = "mtcp";  // of the interface, shown by the other end
    MacAddress mac;             // all-zero: a random one
};

}  // namespace mtcp::io
