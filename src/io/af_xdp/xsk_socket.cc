// SPDX-License-Identifier: Apache-2.0
// The system calls of AF_XDP themselves rather than libxdp: every step's error can be told, and a
// failed bind needs a fresh socket anyway.
#include "io/af_xdp/xsk_socket.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace mtcp::io {
namespace {

using Step = XskFailure::Step;

Failure<XskFailure> failed(Step step) { return failure(XskFailure{step, errno}); }

int set_option(int descriptor, int option, const void* value, socklen_t size) {
    return ::setsockopt(descriptor, SOL_XDP, option, value, size);
}

}  // namespace

void XskSocket::swap(XskSocket& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(mappings_, other.mappings_);
    std::swap(fill_, other.fill_);
    std::swap(completion_, other.completion_);
    std::swap(received_, other.received_);
    std::swap(transmitted_, other.transmitted_);
}

Result<XskSocket, XskFailure> XskSocket::open(const PacketArea& area, const RingSizes& sizes) {
    XskSocket socket;
    socket.descriptor_ = ::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (socket.descriptor_ < 0) return failed(Step::create);
    xdp_umem_reg registration{};
    registration.addr = reinterpret_cast<std::uint64_t>(area.data);
    registration.len = area.size;
    registration.chunk_size = area.frame_size;
    if (set_option(socket.descriptor_, XDP_UMEM_REG, &registration, sizeof registration) != 0) {
        return failed(Step::register_area);
    }
    if (socket.make_rings(sizes) != 0) return failed(Step::make_rings);
    if (const auto mapped = socket.map_rings(sizes); !mapped) return failure(mapped.error());
    return socket;
}

int XskSocket::make_rings(const RingSizes& sizes) const {
    const std::pair<int, std::uint32_t> rings[] = {{XDP_UMEM_FILL_RING, sizes.fill},
                                                   {XDP_UMEM_COMPLETION_RING, sizes.completion},
                                                   {XDP_RX_RING, sizes.receive},
                                                   {XDP_TX_RING, sizes.transmit}};
    for (const auto& [option, entries] : rings) {
        if (set_option(descriptor_, option, &entries, sizeof entries) != 0) return -1;
    }
    return 0;
}

template <typename Entry>
Result<RingMemory<Entry>, XskFailure> XskSocket::map_ring(Mapping& mapping,
                                                          const xdp_ring_offset& offsets,
                                                          std::uint32_t entries,
                                                          std::uint64_t page_offset) {
    const std::size_t size = offsets.desc + entries * sizeof(Entry);
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                           descriptor_, static_cast<off_t>(page_offset));
    if (address == MAP_FAILED) return failed(Step::map_rings);
    mapping = {address, size};
    // A mapping keeps the socket alive: a forked child must not have it.
    static_cast<void>(::madvise(address, size, MADV_DONTFORK));
    auto* base = static_cast<std::byte*>(address);
    return RingMemory<Entry>{reinterpret_cast<std::uint32_t*>(base + offsets.producer),
                             reinterpret_cast<std::uint32_t*>(base + offsets.consumer),
                             reinterpret_cast<std::uint32_t*>(base + offsets.flags),
                             reinterpret_cast<Entry*>(base + offsets.desc), entries};
}

Result<Done, XskFailure> XskSocket::map_rings(const RingSizes& sizes) {
    xdp_mmap_offsets offsets{};
    socklen_t length = sizeof offsets;
    if (::getsockopt(descriptor_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0) {
        return failed(Step::map_rings);
    }
    if (length != sizeof offsets) return failure(XskFailure{Step::map_rings, EPROTO});
    auto fill =
        map_ring<std::uint64_t>(mappings_[0], offsets.fr, sizes.fill, XDP_UMEM_PGOFF_FILL_RING);
    if (!fill) return failure(fill.error());
    auto completion = map_ring<std::uint64_t>(mappings_[1], offsets.cr, sizes.completion,
                                              XDP_UMEM_PGOFF_COMPLETION_RING);
    if (!completion) return failure(completion.error());
    auto received = map_ring<xdp_desc>(mappings_[2], offsets.rx, sizes.receive, XDP_PGOFF_RX_RING);
    if (!received) return failure(received.error());
    auto transmitted =
        map_ring<xdp_desc>(mappings_[3], offsets.tx, sizes.transmit, XDP_PGOFF_TX_RING);
    if (!transmitted) return failure(transmitted.error());
    fill_ = ProducerRing(*fill);
    completion_ = ConsumerRing(*completion);
    received_ = ConsumerRing(*received);
    transmitted_ = ProducerRing(*transmitted);
    return Done{};
}

Result<Done, XskFailure> XskSocket::bind(int interface_index, std::uint32_t queue,
                                         std::uint16_t flags) {
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_flags = flags;
    address.sxdp_ifindex = static_cast<std::uint32_t>(interface_index);
    address.sxdp_queue_id = queue;
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(descriptor_, generic, sizeof address) != 0) return failed(Step::bind);
    return Done{};
}

bool XskSocket::zero_copy() const {
    xdp_options options{};
    socklen_t length = sizeof options;
    if (::getsockopt(descriptor_, SOL_XDP, XDP_OPTIONS, &options, &length) != 0) return false;
    return (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

XskStatistics XskSocket::statistics() const {
    xdp_statistics counts{};
    socklen_t length = sizeof counts;
    if (::getsockopt(descriptor_, SOL_XDP, XDP_STATISTICS, &counts, &length) != 0) return {};
    return {counts.rx_fill_ring_empty_descs, counts.rx_dropped, counts.rx_ring_full};
}

int XskSocket::take_error() const {
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : 0;
}

void XskSocket::abandon() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    for (Mapping& mapping : mappings_)
        mapping = {};
}

XskSocket::~XskSocket() {
    for (const Mapping& mapping : mappings_) {
        if (mapping.address != nullptr) static_cast<void>(::munmap(mapping.address, mapping.size));
    }
    if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace mtcp::io
