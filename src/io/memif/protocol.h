// SPDX-License-Identifier: Apache-2.0
// Memif 2.0 as DPDK's net_memif and VPP speak it: the messages of the control socket and the layout
// of the rings in shared memory. Integers are in host order: both ends are on one machine.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace mtcp::io::memif {

inline constexpr std::uint16_t kVersion = 2 << 8;
inline constexpr std::uint32_t kRingCookie = 0x3e31f20;
inline constexpr unsigned kLog2RingSizeMax =
    14;  // indices are 16 bits and must tell full from empty
inline constexpr std::size_t kRegionsMax = 256;
inline constexpr std::size_t kRingsMax = 256;
inline constexpr std::size_t kNameSize = 32;
inline constexpr std::size_t kSecretSize = 24;

enum class MessageType : std::uint16_t {
    none,
    ack,
    hello,       // master: what it can do
    init,        // slave: which interface it wants
    add_region,  // slave: memory, with a descriptor
    add_ring,    // slave: a ring in it, with an eventfd
    connect,     // slave: that was all
    connected,   // master: in use from now on
    disconnect,  // either
};

enum class Mode : std::uint8_t { ethernet, ip };

using Name = std::array<char, kNameSize>;

#pragma pack(push, 1)
struct Hello {
    Name name;
    std::uint16_t min_version;
    std::uint16_t max_version;
    std::uint16_t max_region;
    std::uint16_t max_m2s_ring;  // the highest index, not the number
    std::uint16_t max_s2m_ring;
    std::uint8_t max_log2_ring_size;
};
struct Init {
    std::uint16_t version;
    std::uint32_t id;
    Mode mode;
    std::array<char, kSecretSize> secret;
    Name name;
};
struct AddRegion {
    std::uint16_t index;
    std::uint64_t size;
};
inline constexpr std::uint16_t kAddRingSlaveToMaster = 1;
struct AddRing {
    std::uint16_t flags;
    std::uint16_t index;
    std::uint16_t region;
    std::uint32_t offset;
    std::uint8_t log2_ring_size;
    std::uint16_t private_header_size;
};
struct Connect {
    Name interface;
};
struct Disconnect {
    std::uint32_t code;
    std::array<char, 96> reason;
};
struct Message {
    MessageType type = MessageType::none;
    union {
        std::array<std::byte, 126> raw{};
        Hello hello;
        Init init;
        AddRegion add_region;
        AddRing add_ring;
        Connect connect;  // and connected
        Disconnect disconnect;
    };
};
#pragma pack(pop)
static_assert(sizeof(Message) == 128);
static_assert(sizeof(Hello) == 43 && sizeof(Init) == 63 && sizeof(AddRegion) == 10);
static_assert(sizeof(AddRing) == 13 && sizeof(Disconnect) == 100);

inline constexpr std::uint16_t kDescriptorNext = 1;  // the frame goes on in the next slot
struct Descriptor {
    std::uint16_t flags = 0;
    std::uint16_t region = 0;
    std::uint32_t length = 0;
    std::uint32_t offset = 0;
    std::uint32_t metadata = 0;
};
static_assert(sizeof(Descriptor) == 16);

inline constexpr std::uint16_t kRingMaskInterrupt = 1;  // the receiver polls: do not wake it
// Slave to master: the slave fills slots and moves `head`, the master empties them and moves
// `tail`. Master to slave: the slave posts empty slots and moves `head`, the master fills them and
// moves `tail`. So `head` is always the slave's and `tail` the master's.
struct RingHeader {
    std::uint32_t cookie;
    std::uint16_t flags;
    std::uint16_t head;
    std::array<std::byte, 56> line_of_head;
    std::uint16_t tail;
    std::array<std::byte, 62> line_of_tail;
};
static_assert(sizeof(RingHeader) == 128 && offsetof(RingHeader, tail) == 64);

// Shared words. The other process may write any of them at any time.
[[nodiscard]] inline std::uint16_t load_acquire(const std::uint16_t& word) {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
inline void store_release(std::uint16_t& word, std::uint16_t value) {
    __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
[[nodiscard]] inline std::uint16_t load_relaxed(const std::uint16_t& word) {
    return __atomic_load_n(&word, __ATOMIC_RELAXED);
}
inline void store_relaxed(std::uint16_t& word, std::uint16_t value) {
    __atomic_store_n(&word, value, __ATOMIC_RELAXED);
}

// Where two ends each store one word and then load the other's, and one must not miss the other.
[[nodiscard]] inline std::uint16_t load_sequential(const std::uint16_t& word) {
    return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}
inline void store_sequential(std::uint16_t& word, std::uint16_t value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

// The one read of a descriptor that the other process wrote: what is checked is what is used. Two
// atomic loads, because a compiler may repeat plain ones.
[[nodiscard]] inline Descriptor copy_once(const Descriptor& shared) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(&shared);
    const std::array<std::uint64_t, 2> copy{__atomic_load_n(words, __ATOMIC_RELAXED),
                                            __atomic_load_n(words + 1, __ATOMIC_RELAXED)};
    return std::bit_cast<Descriptor>(copy);
}

}  // namespace mtcp::io::memif
