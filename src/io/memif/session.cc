// SPDX-License-Identifier: Apache-2.0
// Laying out the slave's memory, and finding one's way in a peer's.
#include "io/memif/session.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

#include "base/cache_line.h"

namespace mtcp::io::memif {
namespace {

constexpr std::uint64_t kPage = 4096;

std::uint64_t ring_bytes(unsigned log2_size) {
    const std::uint64_t bytes = sizeof(RingHeader) + (sizeof(Descriptor) << log2_size);
    return (bytes + 2 * kCacheLine - 1) / (2 * kCacheLine) * (2 * kCacheLine);
}

BufferLayout lay_out_buffers(const MemifConfig& config, std::size_t rings, unsigned log2_size) {
    BufferLayout layout;
    layout.offset = (ring_bytes(log2_size) * rings + kPage - 1) / kPage * kPage;
    std::uint64_t lines = (kFrameHeadroom + config.buffer_size + kCacheLine - 1) / kCacheLine;
    // An odd number of lines: the headers of neighbouring frames fall into different cache sets.
    lines |= 1;
    layout.stride = static_cast<std::uint32_t>(lines * kCacheLine);
    // A ring's worth posted for receiving, one in flight, one on loan.
    layout.per_queue = std::uint32_t{3} << log2_size;
    return layout;
}

std::uint64_t end_of(const BufferLayout& layout, std::size_t queues) {
    return layout.offset + std::uint64_t{layout.stride} * layout.per_queue * queues;
}

// Places `count` fresh rings one after the other from `offset` in region 0; returns errno.
int place_rings(Session& session, std::vector<Ring>& rings, std::size_t count, unsigned log2_size,
                std::uint64_t& offset, std::uint16_t flags) {
    rings.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        Ring& ring = rings[i];
        ring.placed.flags = flags;
        ring.placed.index = static_cast<std::uint16_t>(i);
        ring.placed.offset = static_cast<std::uint32_t>(offset);
        ring.placed.log2_ring_size = static_cast<std::uint8_t>(log2_size);
        ring.size = std::uint32_t{1} << log2_size;
        ring.header = reinterpret_cast<RingHeader*>(session.regions[0].data() + offset);
        ring.descriptors = reinterpret_cast<Descriptor*>(ring.header + 1);
        ring.header->cookie = kRingCookie;
        // Nobody is to be woken before he says that he sleeps.
        ring.header->flags = kRingMaskInterrupt;
        ring.interrupt = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        if (!ring.interrupt.open()) return errno;
        offset += ring_bytes(log2_size);
    }
    return 0;
}

const char* locate(const Session& session, Ring& ring) {
    if (!ring.interrupt.open()) return nullptr;  // never announced
    const AddRing placed = ring.placed;
    if (placed.region >= session.regions.size()) return "ring in an unknown region";
    if (placed.log2_ring_size < 1 || placed.log2_ring_size > kLog2RingSizeMax)
        return "bad ring size";
    const SharedMemory& region = session.regions[placed.region];
    const std::uint64_t bytes = sizeof(RingHeader) + (sizeof(Descriptor) << placed.log2_ring_size);
    if (!region.contains(placed.offset, bytes)) return "ring outside its region";
    if (placed.offset % sizeof(Descriptor) != 0) return "ring is not aligned";
    auto* header = reinterpret_cast<RingHeader*>(region.data() + placed.offset);
    if (__atomic_load_n(&header->cookie, __ATOMIC_RELAXED) != kRingCookie) return "bad ring cookie";
    ring.header = header;
    ring.descriptors = reinterpret_cast<Descriptor*>(header + 1);
    ring.size = std::uint32_t{1} << placed.log2_ring_size;
    return nullptr;
}

const Ring* find(const std::vector<Ring>& rings, std::size_t queue) {
    return queue < rings.size() && rings[queue].header != nullptr ? &rings[queue] : nullptr;
}

}  // namespace

const Ring* Session::receive_ring(std::size_t queue) const {
    return find(role == MemifRole::slave ? master_to_slave : slave_to_master, queue);
}

const Ring* Session::transmit_ring(std::size_t queue) const {
    return find(role == MemifRole::slave ? slave_to_master : master_to_slave, queue);
}

std::string mute_queues(const Session& session, std::size_t queues) {
    std::string text;
    const auto is_mute = [&](std::size_t i) { return session.transmit_ring(i) == nullptr; };
    for (std::size_t i = 0; i < queues; ++i) {
        if (!is_mute(i)) continue;
        const std::size_t first = i;
        while (i + 1 < queues && is_mute(i + 1))
            ++i;
        text.append(text.empty() ? "" : ", ").append(std::to_string(first));
        if (i > first) text.append(" to ").append(std::to_string(i));
    }
    return text;
}

std::uint64_t memory_needed(const MemifConfig& config) {
    return end_of(lay_out_buffers(config, 2 * config.rings, config.log2_ring_size), config.rings);
}

Result<std::shared_ptr<Session>, int> make_session(const MemifConfig& config, const Hello& hello) {
    const std::size_t to_master = std::min(config.rings, std::size_t{hello.max_s2m_ring} + 1);
    const std::size_t to_slave = std::min(config.rings, std::size_t{hello.max_m2s_ring} + 1);
    const unsigned log2_size = std::min(config.log2_ring_size, unsigned{hello.max_log2_ring_size});
    if (log2_size == 0) return failure(EPROTO);
    auto session = std::make_shared<Session>();
    session->buffers = lay_out_buffers(config, to_master + to_slave, log2_size);
    const std::uint64_t bytes = end_of(session->buffers, std::max(to_master, to_slave));
    auto memory = SharedMemory::create(bytes, session->memory);
    if (!memory.ok()) return failure(memory.error());
    session->regions.push_back(std::move(*memory));
    std::uint64_t offset = 0;
    int error = place_rings(*session, session->slave_to_master, to_master, log2_size, offset,
                            kAddRingSlaveToMaster);
    if (error == 0) {
        error = place_rings(*session, session->master_to_slave, to_slave, log2_size, offset, 0);
    }
    if (error != 0) return failure(error);
    return session;
}

const char* locate_rings(Session& session) {
    for (std::vector<Ring>* rings : {&session.slave_to_master, &session.master_to_slave}) {
        for (Ring& ring : *rings) {
            if (const char* wrong = locate(session, ring); wrong != nullptr) return wrong;
        }
    }
    return nullptr;
}

}  // namespace mtcp::io::memif
