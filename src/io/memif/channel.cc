// SPDX-License-Identifier: Apache-2.0
// The handshake:  master  hello →            ack →  …  ack →         connected →
//                 slave         init → add_region → add_ring → … → connect →
#include "io/memif/channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace mtcp::io::memif {
namespace {

// More messages than any honest handshake takes are read in one go only up to here.
constexpr int kMessagesPerRound = 64;

// An eventfd cannot be told from other descriptors by fstat; /proc can tell, where it is mounted.
bool is_eventfd(int descriptor) {
    const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
    std::array<char, 64> target{};
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    return length < 0 || std::string_view(target.data(), static_cast<std::size_t>(length)) ==
                             "anon_inode:[eventfd]";
}

Mode mode_of(Layer layer) { return layer == Layer::ethernet ? Mode::ethernet : Mode::ip; }

}  // namespace

Channel::Channel(FileDescriptor socket, const MemifConfig& config)
    : config_(config), socket_(std::move(socket)) {
    if (config_.role == MemifRole::master) send_hello();
}

void Channel::on_readable(Interface interface) {
    for (int i = 0; i < kMessagesPerRound && state_ != State::closed; ++i) {
        Message message;
        FileDescriptor descriptor;
        switch (receive_message(socket_.get(), message, descriptor)) {
            case Arrival::nothing: return;
            case Arrival::closed: close("the other end is gone"); return;
            case Arrival::message: handle(message, std::move(descriptor), interface); break;
        }
    }
}

void Channel::handle(const Message& message, FileDescriptor descriptor, Interface interface) {
    const bool master = config_.role == MemifRole::master;
    const State now = state_;
    switch (message.type) {
        case MessageType::hello:
            if (!master && now == State::greeting) return on_hello(message.hello);
            break;
        case MessageType::ack:
            if (!master && now == State::negotiating) return on_ack();
            break;
        case MessageType::connected:
            if (!master && now == State::negotiating) return on_connected(message.connect);
            break;
        case MessageType::init:
            if (master && now == State::greeting) return on_init(message.init, interface);
            break;
        case MessageType::add_region:
            if (master && now == State::negotiating)
                return on_add_region(message.add_region, descriptor);
            break;
        case MessageType::add_ring:
            if (master && now == State::negotiating) {
                return on_add_ring(message.add_ring, std::move(descriptor));
            }
            break;
        case MessageType::connect:
            if (master && now == State::negotiating) return on_connect(message.connect);
            break;
        case MessageType::disconnect: {
            const auto reason = message.disconnect.reason;
            return close("the other end says: " + get_text(reason));
        }
        case MessageType::none: break;
    }
    disconnect("unexpected message");
}

void Channel::close(const std::string& reason) {
    socket_.close();
    state_ = State::closed;
    reason_ = reason;
}

void Channel::disconnect(const std::string& reason) {
    if (state_ == State::closed) return;
    Message message{.type = MessageType::disconnect};
    std::array<char, 96> text{};
    put_text(text, reason);
    message.disconnect = Disconnect{.code = 0, .reason = text};
    static_cast<void>(send_message(socket_.get(), message, -1));
    close(reason);
}

void Channel::send(const Message& message, int descriptor) {
    if (!send_message(socket_.get(), message, descriptor)) close("the other end is gone");
}

void Channel::acknowledge() { send(Message{.type = MessageType::ack}); }

std::string_view Channel::own_program() const {
    return config_.trust == MemifTrust::both_ends_ours ? kProgramNameOurs : kProgramName;
}

void Channel::note_program(std::string_view name) {
    session_->peer_program = name;
    session_->peer_is_mtcp = name == kProgramName || name == kProgramNameOurs;
    session_->both_ends_ours =
        name == kProgramNameOurs && config_.trust == MemifTrust::both_ends_ours;
}

// ---- slave

void Channel::on_hello(const Hello& hello) {
    if (hello.min_version > kVersion || hello.max_version < kVersion) {
        return disconnect("no common protocol version");
    }
    auto made = make_session(config_, hello);
    if (!made.ok())
        return disconnect(std::string("no memory to share: ") + std::strerror(made.error()));
    session_ = std::move(*made);
    session_->role = MemifRole::slave;
    const Name name = hello.name;
    note_program(get_text(name));

    Message message{.type = MessageType::init};
    message.init = Init{.version = kVersion, .id = config_.id, .mode = mode_of(config_.layer)};
    config_.secret.copy(message.init.secret.data(), kSecretSize);
    Name own{};
    put_text(own, own_program());
    message.init.name = own;
    state_ = State::negotiating;
    queue_offer();
    send(message);
}

void Channel::queue_offer() {
    Message region{.type = MessageType::add_region};
    region.add_region = AddRegion{.index = 0, .size = session_->regions[0].size()};
    offer_.push_back({region, session_->memory.get()});
    for (const std::vector<Ring>* rings :
         {&session_->slave_to_master, &session_->master_to_slave}) {
        for (const Ring& ring : *rings) {
            Message add{.type = MessageType::add_ring};
            add.add_ring = ring.placed;
            offer_.push_back({add, ring.interrupt.get()});
        }
    }
    Message connect{.type = MessageType::connect};
    Name interface {};
    put_text(interface, config_.name);
    connect.connect.interface = interface;
    offer_.push_back({connect});
}

void Channel::on_ack() {
    if (offered_ == offer_.size()) return disconnect("unexpected message");
    const Outgoing& next = offer_[offered_++];
    send(next.message, next.descriptor);
}

void Channel::on_connected(const Connect& connected) {
    if (offered_ != offer_.size()) return disconnect("unexpected message");
    const Name interface = connected.interface;
    session_->peer_interface = get_text(interface);
    session_->memory.close();
    state_ = State::connected;
}

// ---- master

void Channel::send_hello() {
    Message message{.type = MessageType::hello};
    Name name{};
    put_text(name, own_program());
    const auto last_ring = static_cast<std::uint16_t>(config_.rings - 1);
    message.hello = Hello{.name = name,
                          .min_version = kVersion,
                          .max_version = kVersion,
                          .max_region = std::uint16_t{kRegionsMax - 1},
                          .max_m2s_ring = last_ring,
                          .max_s2m_ring = last_ring,
                          .max_log2_ring_size = std::uint8_t{kLog2RingSizeMax}};
    send(message);
}

void Channel::on_init(const Init& init, Interface interface) {
    if (init.version != kVersion) return disconnect("no common protocol version");
    if (init.id != config_.id) return disconnect("no interface with this id");
    if (interface == Interface::taken) return disconnect("already connected");
    if (init.mode != mode_of(config_.layer)) return disconnect("other interface mode");
    if (!config_.secret.empty()) {
        std::array<char, kSecretSize> expected{};
        config_.secret.copy(expected.data(), kSecretSize);
        const auto given = init.secret;
        // Every byte is looked at: the time taken tells nothing about the secret.
        unsigned different = 0;
        for (std::size_t i = 0; i < kSecretSize; ++i) {
            different |= static_cast<unsigned>(expected[i] ^ given[i]);
        }
        if (different != 0) return disconnect("wrong secret");
    }
    session_ = std::make_shared<Session>();
    session_->role = MemifRole::master;
    session_->slave_to_master.resize(config_.rings);
    session_->master_to_slave.resize(config_.rings);
    const Name name = init.name;
    note_program(get_text(name));
    state_ = State::negotiating;
    acknowledge();
}

void Channel::on_add_region(const AddRegion& add, const FileDescriptor& descriptor) {
    if (!descriptor.open()) return disconnect("region without a descriptor");
    if (add.index != session_->regions.size() || add.index >= kRegionsMax) {
        return disconnect("bad region index");
    }
    const Sealing sealing = session_->both_ends_ours ? Sealing::trusted : Sealing::required;
    auto mapped = SharedMemory::map(descriptor, add.size, sealing);
    if (!mapped.ok()) return disconnect(mapped.error());
    session_->regions.push_back(std::move(*mapped));
    acknowledge();
}

void Channel::on_add_ring(const AddRing& add, FileDescriptor descriptor) {
    if (!descriptor.open()) return disconnect("ring without a descriptor");
    if (add.index >= config_.rings) return disconnect("bad ring index");
    if (!is_eventfd(descriptor.get())) return disconnect("ring without an eventfd");
    // A wake-up must not block. (The file is shared: a malicious peer could undo this and fill the
    // counter. It would stop the core that serves it, and gain nothing else.)
    if (::fcntl(descriptor.get(), F_SETFL, O_NONBLOCK) != 0) return disconnect("bad eventfd");
    auto& rings = (add.flags & kAddRingSlaveToMaster) != 0 ? session_->slave_to_master
                                                           : session_->master_to_slave;
    Ring& ring = rings[add.index];
    if (ring.interrupt.open()) return disconnect("ring announced twice");
    ring.placed = add;
    ring.interrupt = std::move(descriptor);
    acknowledge();
}

void Channel::on_connect(const Connect& connect) {
    if (const char* wrong = locate_rings(*session_); wrong != nullptr) return disconnect(wrong);
    const Name theirs = connect.interface;
    session_->peer_interface = get_text(theirs);
    Message message{.type = MessageType::connected};
    Name interface {};
    put_text(interface, config_.name);
    message.connect.interface = interface;
    state_ = State::connected;
    send(message);
}

}  // namespace mtcp::io::memif
