// SPDX-License-Identifier: Apache-2.0
// A hostile process at the other end of a memif. The first byte says how: control messages of any
// content and with any descriptor, to a master or to a slave; or an established session whose
// shared memory (ring indices, descriptors, buffers) changes between any two calls of the queue.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "io/memif/channel.h"
#include "io/memif/link.h"
#include "io/packet_io.h"

namespace mtcp::fuzz {
namespace {

using namespace io;
using namespace io::memif;

constexpr std::uint32_t kBufferSize = 2048;

FileDescriptor memory_file(std::size_t bytes, Sealing sealing) {
    FileDescriptor file(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    MTCP_FUZZ_CHECK(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0);
    if (sealing == Sealing::required)
        MTCP_FUZZ_CHECK(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return file;
}

// --- control messages

void converse(Input& in, MemifRole role) {
    int ends[2];
    MTCP_FUZZ_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) ==
                    0);
    const FileDescriptor peer(ends[1]);
    MemifConfig config{.role = role, .rings = 2, .log2_ring_size = 4};
    if (in.coin()) config.trust = MemifTrust::both_ends_ours;
    if (in.coin()) config.secret = "secret";
    FileDescriptor own(ends[0]);
    Channel channel(std::move(own), config);
    const FileDescriptor sealed = memory_file(1 << 16, Sealing::required);
    const FileDescriptor loose = memory_file(1 << 12, Sealing::trusted);
    const FileDescriptor event(::eventfd(0, EFD_CLOEXEC));
    const int descriptors[] = {-1, sealed.get(), loose.get(), event.get()};
    while (!in.ended() && channel.state() != Channel::State::closed) {
        Message message;
        // Mostly types that exist; then bytes of the input over plausible fields.
        const std::uint8_t type = in.byte();
        message.type = static_cast<MessageType>(type < 200 ? type % 9 : in.word());
        switch (message.type) {
            case MessageType::init: message.init.version = kVersion; break;
            case MessageType::hello:
                message.hello.min_version = message.hello.max_version = kVersion;
                message.hello.max_log2_ring_size = 10;
                break;
            case MessageType::add_region: message.add_region.size = 1 << 16; break;
            case MessageType::add_ring:
                message.add_ring.flags = in.byte() & 1;
                message.add_ring.log2_ring_size = 4;
                message.add_ring.offset = in.byte() * 1024u;
                break;
            default: break;
        }
        if (!in.coin()) {
            const auto bytes = in.take(in.below(sizeof message.raw + 1));
            std::memcpy(message.raw.data(), bytes.data(), bytes.size());
        }
        static_cast<void>(send_message(peer.get(), message, descriptors[in.below(4)]));
        channel.on_readable(in.below(8) == 0 ? Channel::Interface::taken
                                             : Channel::Interface::free);
        Message answer;
        FileDescriptor with;
        while (receive_message(peer.get(), answer, with) == Arrival::message) {
        }
    }
    channel.disconnect("end");
}

// --- rings

struct Shared {
    std::shared_ptr<Session> session;
    std::byte* base = nullptr;
    std::size_t size = 0;
    std::vector<std::size_t> rings;  // offsets of their headers
};

// The memory is the other end's (we are the master).
Shared as_master(const MemifConfig& config) {
    Shared shared;
    constexpr std::size_t kSize = 64 * kBufferSize;
    FileDescriptor file = memory_file(kSize, Sealing::required);
    auto mapped = SharedMemory::map(file, kSize, Sealing::trusted);
    MTCP_FUZZ_CHECK(mapped.ok());
    shared.session = std::make_shared<Session>();
    shared.session->role = MemifRole::master;
    shared.session->both_ends_ours = config.trust == MemifTrust::both_ends_ours;
    shared.session->regions.push_back(std::move(mapped).value());
    shared.base = shared.session->regions[0].data();
    shared.size = kSize;
    shared.rings = {0, 2048};
    for (const std::size_t at : shared.rings)
        reinterpret_cast<RingHeader*>(shared.base + at)->cookie = kRingCookie;
    const auto ring = [](std::uint16_t flags, std::uint32_t offset) {
        Ring made;
        made.placed = AddRing{.flags = flags,
                              .index = 0,
                              .region = 0,
                              .offset = offset,
                              .log2_ring_size = 4,
                              .private_header_size = 0};
        made.interrupt = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        return made;
    };
    shared.session->slave_to_master.push_back(ring(kAddRingSlaveToMaster, 0));
    shared.session->master_to_slave.push_back(ring(0, 2048));
    MTCP_FUZZ_CHECK(locate_rings(*shared.session) == nullptr);
    return shared;
}

// The memory is ours (we are the slave).
Shared as_slave(const MemifConfig& config) {
    Shared shared;
    Hello hello{};
    hello.min_version = hello.max_version = kVersion;
    hello.max_log2_ring_size = 4;
    auto made = make_session(config, hello);
    MTCP_FUZZ_CHECK(made.ok());
    shared.session = std::move(made).value();
    shared.session->both_ends_ours = config.trust == MemifTrust::both_ends_ours;
    shared.base = shared.session->regions[0].data();
    shared.size = shared.session->regions[0].size();
    for (const Ring& ring : shared.session->slave_to_master)
        shared.rings.push_back(
            static_cast<std::size_t>(reinterpret_cast<std::byte*>(ring.header) - shared.base));
    for (const Ring& ring : shared.session->master_to_slave)
        shared.rings.push_back(
            static_cast<std::size_t>(reinterpret_cast<std::byte*>(ring.header) - shared.base));
    return shared;
}

// Which copies are made: see Link::copy_out().
enum class Peer : std::uint8_t { near, far };

class Rings {
  public:
    Rings(Input& in, Shared shared, const MemifConfig& config, Peer peer)
        : in_(in), shared_(std::move(shared)) {
        MTCP_FUZZ_CHECK(pool_.reserve(64, kBufferSize));
        link_ = make_link(shared_.session, 0, 1, config);
        if (peer == Peer::far) link_->assume_far();
    }
    ~Rings() {
        release_all();
        MTCP_FUZZ_CHECK(link_->on_loan() == 0);
    }

    void run() {
        while (!in_.ended()) {
            switch (in_.below(8)) {
                case 0:
                case 1: scribble(); break;
                case 2: index(); break;
                case 3: descriptor(); break;
                case 4: receive(); break;
                case 5: transmit(); break;
                case 6: release_all(); break;
                default:
                    static_cast<void>(link_->prepare_wait());
                    link_->finish_wait();
                    break;
            }
        }
    }

  private:
    RingHeader& ring() {
        return *reinterpret_cast<RingHeader*>(
            shared_.base +
            shared_.rings[in_.below(static_cast<std::uint32_t>(shared_.rings.size()))]);
    }
    // Any bytes, anywhere, as another process writes them.
    void scribble() {
        const std::size_t at = in_.number() % shared_.size;
        const auto bytes = in_.take(std::min<std::size_t>(in_.byte(), shared_.size - at));
        std::memcpy(shared_.base + at, bytes.data(), bytes.size());
    }
    // An index near where it is.
    void index() {
        RingHeader& header = ring();
        std::uint16_t& which = in_.coin() ? header.head : header.tail;
        store_release(which, static_cast<std::uint16_t>(load_relaxed(which) + in_.below(20)));
    }
    void descriptor() {
        auto* slots = reinterpret_cast<Descriptor*>(&ring() + 1);
        Descriptor& d = slots[in_.below(16)];
        d.flags = in_.byte() & 1;
        d.region = in_.below(8) == 0 ? in_.word() : 0;
        d.length = in_.coin() ? in_.word() % kBufferSize : in_.number();
        d.offset = in_.coin() ? 4096 + in_.byte() % 60 * kBufferSize : in_.number();
    }
    void receive() {
        Frame frames[kBurst];
        const std::size_t count =
            link_->receive({frames, 1 + in_.below(kBurst)}, {pool_, &counters_, {}});
        for (std::size_t i = 0; i < count; ++i) {
            // Reading every byte lets a sanitizer see a frame outside of memory.
            for (const std::byte b : frames[i].bytes())
                sum_ += static_cast<unsigned>(b);
            held_.push_back(frames[i]);
        }
    }
    void transmit() {
        Frame frames[8];
        const std::size_t wanted = 1 + in_.below(8);
        std::size_t got = 0;
        for (; got < wanted && !pool_.empty(); ++got) {
            const std::uint32_t index = pool_.take();
            frames[got] = Frame{.data = pool_.data(index),
                                .capacity = pool_.buffer_size(),
                                .token = make_token(kPoolTag, index)};
        }
        for (std::size_t i = 0; i < got; ++i) {
            frames[i].length = 1 + in_.word() % frames[i].capacity;
            std::memset(frames[i].data, 0x55, frames[i].length);
        }
        if (link_->transmits()) {
            static_cast<void>(link_->transmit({frames, got}, {pool_, &counters_, {}}));
        }
        for (std::size_t i = 0; i < got; ++i)
            give_back(frames[i]);
    }
    void give_back(const Frame& frame) {
        if (tag_of(frame) == kPoolTag) return pool_.give_back(index_of(frame));
        link_->release({&frame, 1});
    }
    void release_all() {
        for (const Frame& frame : held_)
            give_back(frame);
        held_.clear();
    }

    Input& in_;
    Shared shared_;
    BufferPool pool_;
    Counters counters_;
    std::unique_ptr<Link> link_;
    std::vector<Frame> held_;
    unsigned sum_ = 0;
};

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mtcp;
    using namespace mtcp::fuzz;
    Input in(data, size);
    const std::uint32_t how = in.below(6);
    if (how < 2) {
        converse(in, how == 0 ? io::MemifRole::master : io::MemifRole::slave);
        return 0;
    }
    const bool master = how % 2 == 0;
    io::MemifConfig config{.role = master ? io::MemifRole::master : io::MemifRole::slave,
                           .log2_ring_size = 4};
    if (size / 2 % 2 != 0) config.trust = io::MemifTrust::both_ends_ours;
    Rings(in, master ? as_master(config) : as_slave(config), config,
          size % 2 == 0 ? Peer::near : Peer::far)
        .run();
    return 0;
}
