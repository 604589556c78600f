// SPDX-License-Identifier: Apache-2.0
// Ends of a memif connection that a test scripts message by message and word by word, to say what
// no honest end says.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <functional>
#include <string>
#include <vector>

#include "io/memif/message.h"
#include "io/memif/protocol.h"
#include "io/memif/socket_address.h"
#include "io/memif/testing/ends.h"

namespace mtcp::io::memif::testing {

// Memory with one ring each way and buffers behind them, as both kinds of forged end see it.
struct View {
    std::byte* base = nullptr;
    std::uint64_t size = 0;
    RingHeader* to_master = nullptr;
    RingHeader* to_slave = nullptr;

    static Descriptor& slot(RingHeader* ring, unsigned at) {
        return reinterpret_cast<Descriptor*>(ring + 1)[at];
    }
};

class Conversation {
  public:
    explicit Conversation(FileDescriptor socket) : socket_(std::move(socket)) {}

    // The next message within a second; `descriptor` is kept when asked for.
    MessageType hear(Message* into = nullptr, FileDescriptor* descriptor = nullptr) {
        pollfd polled{socket_.get(), POLLIN, 0};
        if (::poll(&polled, 1, 2000) != 1) return MessageType::none;
        Message message;
        FileDescriptor received;
        if (receive_message(socket_.get(), message, received) != Arrival::message) {
            return MessageType::none;
        }
        if (message.type == MessageType::disconnect) {
            const auto text = message.disconnect.reason;
            reason_ = get_text(text);
        }
        if (into != nullptr) *into = message;
        if (descriptor != nullptr) *descriptor = std::move(received);
        return message.type;
    }
    bool say(const Message& message, int descriptor = -1) {
        return send_message(socket_.get(), message, descriptor);
    }
    [[nodiscard]] const std::string& reason() const { return reason_; }
    [[nodiscard]] int socket() const { return socket_.get(); }
    void hang_up() { socket_.close(); }

  private:
    FileDescriptor socket_;
    std::string reason_;
};

inline FileDescriptor connect_to(const std::string& name) {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const SocketAddress address = make_address(name);
    EXPECT_TRUE(
        eventually([&] { return ::connect(socket.get(), address.get(), address.length) == 0; }));
    return socket;
}

// What a forged slave says, field by field; the defaults are honest.
struct SlaveScript {
    Init init{.version = kVersion, .id = 0, .mode = Mode::ethernet, .secret = {}, .name = {}};
    int seals = F_SEAL_SHRINK;
    bool more_seals_allowed = true;
    std::uint16_t region_index = 0;
    std::uint64_t region_extra = 0;  // claimed beyond the file
    bool with_region_descriptor = true;
    std::uint32_t cookie = kRingCookie;
    std::uint8_t log2_ring_size = 4;
    std::uint16_t ring_region = 0;
    std::uint32_t ring_offset = 0;
    std::uint16_t ring_index = 0;
    bool with_eventfd = true;
    bool ring_twice = false;
};

class ForgedSlave {
  public:
    static constexpr std::uint32_t kBuffers = 4096;  // their offset in the region
    static constexpr std::uint32_t kBufferSize = 2048;
    static constexpr std::uint64_t kRegion = kBuffers + 64 * kBufferSize;

    explicit ForgedSlave(const std::string& socket) : talk_(connect_to(socket)) {}
    ~ForgedSlave() {
        if (view_.base != nullptr) ::munmap(view_.base, view_.size);
    }

    // Goes through the handshake; true when the master says connected.
    bool shake_hands(const SlaveScript& script) {
        make_memory(script);
        if (talk_.hear() != MessageType::hello) return false;
        Message init{.type = MessageType::init};
        init.init = script.init;
        if (!step(init)) return false;
        Message region{.type = MessageType::add_region};
        region.add_region = AddRegion{script.region_index, kRegion + script.region_extra};
        if (!step(region, script.with_region_descriptor ? memory_.get() : -1)) return false;
        for (int i = 0; i < (script.ring_twice ? 2 : 1); ++i) {
            if (!add_ring(script, kAddRingSlaveToMaster, script.ring_offset)) return false;
        }
        if (!add_ring(script, 0, 2048)) return false;
        return talk_.say(Message{.type = MessageType::connect}) &&
               talk_.hear() == MessageType::connected;
    }

    [[nodiscard]] const View& view() const { return view_; }
    Conversation& talk() { return talk_; }

    // Publishes `descriptors` in the ring to the master.
    void send(const std::vector<Descriptor>& descriptors) {
        std::uint16_t head = load_relaxed(view_.to_master->head);
        for (const Descriptor& d : descriptors)
            View::slot(view_.to_master, head++ & 15) = d;
        store_release(view_.to_master->head, head);
    }
    // An honest one: buffer `n`, filled as frame `number` of stream 1.
    Descriptor honest(std::uint32_t n, std::uint32_t number) {
        const Descriptor d{.length = length_of(number), .offset = kBuffers + n * kBufferSize};
        fill(view_.base + d.offset, d.length, 1, number);
        return d;
    }

  private:
    void make_memory(const SlaveScript& script) {
        memory_ = FileDescriptor(::memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        ASSERT_EQ(::ftruncate(memory_.get(), static_cast<off_t>(kRegion)), 0);
        const int seals = script.seals | (script.more_seals_allowed ? 0 : F_SEAL_SEAL);
        ASSERT_EQ(::fcntl(memory_.get(), F_ADD_SEALS, seals), 0);
        void* base = ::mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
        ASSERT_NE(base, MAP_FAILED);
        view_.base = static_cast<std::byte*>(base);
        view_.size = kRegion;
        view_.to_master = reinterpret_cast<RingHeader*>(view_.base);
        view_.to_slave = reinterpret_cast<RingHeader*>(view_.base + 2048);
        view_.to_master->cookie = view_.to_slave->cookie = script.cookie;
    }
    bool step(const Message& message, int descriptor = -1) {
        return talk_.say(message, descriptor) && talk_.hear() == MessageType::ack;
    }
    bool add_ring(const SlaveScript& script, std::uint16_t flags, std::uint32_t offset) {
        Message ring{.type = MessageType::add_ring};
        ring.add_ring = AddRing{.flags = flags,
                                .index = script.ring_index,
                                .region = script.ring_region,
                                .offset = offset,
                                .log2_ring_size = script.log2_ring_size,
                                .private_header_size = 0};
        return step(ring, script.with_eventfd ? event_.get() : memory_.get());
    }

    Conversation talk_;
    FileDescriptor memory_;
    FileDescriptor event_{::eventfd(0, EFD_CLOEXEC)};
    View view_;
};

// Listens where a slave under test connects, and maps what it offers.
class ForgedMaster {
  public:
    explicit ForgedMaster(const std::string& socket)
        : listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        const SocketAddress address = make_address(socket);
        EXPECT_EQ(::bind(listener_.get(), address.get(), address.length), 0);
        EXPECT_EQ(::listen(listener_.get(), 4), 0);
    }
    ~ForgedMaster() { unmap(); }

    static Hello honest_hello() {
        return Hello{.name = {},
                     .min_version = kVersion,
                     .max_version = kVersion,
                     .max_region = 0,
                     .max_m2s_ring = 0,
                     .max_s2m_ring = 0,
                     .max_log2_ring_size = 4};
    }
    Conversation& accept() {
        pollfd polled{listener_.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&polled, 1, 5000), 1) << "the slave does not come";
        talk_ = std::make_unique<Conversation>(
            FileDescriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
        return *talk_;
    }
    // Accepts and goes through the handshake; true when connected was said.
    bool shake_hands(const Hello& hello = honest_hello()) {
        accept();
        Message message{.type = MessageType::hello};
        message.hello = hello;
        talk_->say(message);
        for (;;) {
            FileDescriptor descriptor;
            switch (talk_->hear(&message, &descriptor)) {
                case MessageType::init: break;
                case MessageType::add_region: map(message.add_region, descriptor); break;
                case MessageType::add_ring: {
                    const AddRing ring = message.add_ring;
                    auto* at = reinterpret_cast<RingHeader*>(view_.base + ring.offset);
                    (ring.flags != 0 ? view_.to_master : view_.to_slave) = at;
                    break;
                }
                case MessageType::connect:
                    return talk_->say(Message{.type = MessageType::connected});
                default: return false;
            }
            talk_->say(Message{.type = MessageType::ack});
        }
    }
    [[nodiscard]] const View& view() const { return view_; }
    Conversation& talk() { return *talk_; }

  private:
    void map(const AddRegion& region, const FileDescriptor& memory) {
        unmap();
        view_.size = region.size;
        void* base =
            ::mmap(nullptr, view_.size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
        ASSERT_NE(base, MAP_FAILED);
        view_.base = static_cast<std::byte*>(base);
        EXPECT_NE(::ftruncate(memory.get(), 4096), 0) << "our memory must not shrink";
    }
    void unmap() {
        if (view_.base != nullptr) ::munmap(view_.base, view_.size);
        view_.base = nullptr;
    }

    FileDescriptor listener_;
    std::unique_ptr<Conversation> talk_;
    View view_;
};

}  // namespace mtcp::io::memif::testing
