// SPDX-License-Identifier: Apache-2.0
// Building the victim and the honest host, letting time pass, and the reckoning.
#include "fuzz/victim/victim.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "fuzz/victim/finding.h"
#include "wire/ipv4.h"
#include "wire/print.h"

namespace mtcp::victim {
namespace {

// Turns of one instant. A core that wants more would never let time pass.
constexpr int kTurnsPerInstant = 5'000;
// Orphans live through all retransmissions, TIME-WAIT and keep-alives at most this long.
constexpr Duration kLongestEnd = seconds(3600 * 3);

[[noreturn]] void give_up(const Problem& problem) {
    std::fprintf(stderr, "victim: %s\n", problem.text().c_str());
    std::abort();
}

io::LinkPair make_wire(const VictimSetup& setup) {
    auto link = io::make_link({.layer = io::Layer::ip,
                               .threads = io::LinkThreads::one,
                               .mtu = setup.mtu,
                               .frame_count = setup.wire_frames,
                               .frame_size = setup.mtu,
                               .ring_frames = setup.wire_ring,
                               .transmit_checksum = false,
                               .cannot_corrupt = false});
    if (!link) give_up(link.error());
    return std::move(link).value();
}

// With MTCP_FUZZ_TRACE in the environment, all that passes the attacker's wire is told.
void trace(const char* who, Instant now, std::span<const std::byte> packet) {
    static const bool wanted = std::getenv("MTCP_FUZZ_TRACE") != nullptr;
    if (!wanted) return;
    const auto ip = wire::parse_ipv4(packet);
    const auto segment = ip ? wire::parse_segment(packet.subspan(ip->header_length))
                            : Result<wire::Segment, Drop>(Failure<Drop>{Drop::ip_short});
    const wire::SegmentText text = segment ? wire::print(*segment) : wire::SegmentText{};
    std::fprintf(stderr, "%10.6f %s %zu bytes  %.*s\n",
                 static_cast<double>(now.ns - 1'000'000'000'000) / 1e9, who, packet.size(),
                 static_cast<int>(text.length), text.characters.data());
}

}  // namespace

stack::StackConfiguration VictimSetup::small_stack() {
    stack::StackConfiguration stack;
    stack.max_concurrency = 256;
    stack.half_open_max = 64;
    stack.time_wait_max = 128;
    stack.recoveries_max = 64;
    stack.reassemblies_max = 64;
    stack.chunks.count = {2048, 1024, 32};
    stack.huge_pages = false;
    return stack;
}

Machine::Machine(const stack::StackConfiguration& stack, std::span<const Wire> wires,
                 std::uint64_t seed, Instant now)
    : now_(now) {
    stack::CoreSetup setup;
    setup.configuration = stack;
    for (const Wire& w : wires) {
        setup.queues.push_back(w.queue);
        setup.network.interfaces.push_back({.name = w.name,
                                            .layer = io::Layer::ip,
                                            .kind = net::InterfaceKind::network,
                                            .partial_checksums = net::PartialChecksums::rejected,
                                            .mac = {},
                                            .mtu = w.queue->capabilities().mtu,
                                            .addresses = {{w.address, 24}}});
    }
    // Forged sources from anywhere are answered into the first wire.
    setup.network.routes.push_back({.destination = {wire::IpAddress::v4(0), 0}, .gateway = {}});
    setup.network.announcement = net::Announcement::silent;
    setup.seed = seed;
    setup.counters = &counters_;
    setup.now = now;
    auto core = stack::Core::create(std::move(setup));
    if (!core) give_up(core.error());
    core_ = std::move(core).value();
    auto application =
        socket::Application::create(core_->view(*this), {.descriptors = stack.max_concurrency,
                                                         .port_first = stack.port_first,
                                                         .port_last = stack.port_last,
                                                         .seed = seed + 1});
    if (!application) give_up(application.error());
    application_ = std::move(application).value();
    sockets_ = std::make_unique<sim::Sockets>(*application_);
}

Victim::Victim(const VictimSetup& setup) : outside_(make_wire(setup)), deadline_(now_) {
    attacker_ = &outside_.b->end(0);
    std::vector<Machine::Wire> wires{{&outside_.a->end(0), "outside", kVictim}};
    if (setup.honest_host == HonestHost::present) {
        inside_ = make_wire(setup);
        wires.push_back({&inside_.a->end(0), "inside", kVictimInside});
    }
    victim_ = std::make_unique<Machine>(setup.stack, wires, setup.seed, now_);
    victim_->waiter = [this](Instant deadline) { return wait(*victim_, deadline); };
    if (setup.honest_host == HonestHost::present) {
        const std::array<Machine::Wire, 1> own{{{&inside_.b->end(0), "inside", kHonest}}};
        honest_ = std::make_unique<Machine>(setup.stack, own, setup.seed + 100, now_);
        honest_->waiter = [this](Instant deadline) { return wait(*honest_, deadline); };
    }
}

Victim::~Victim() = default;

void Victim::set_clocks() {
    victim_->set_clock(now_);
    if (honest_ != nullptr) honest_->set_clock(now_);
}

void Victim::settle() {
    set_clocks();
    for (int i = 0; i < kTurnsPerInstant; ++i) {
        const stack::TurnResult result = victim_->turn();
        deadline_ = result.next_deadline;
        bool busy = result.did_work || deadline_ <= now_;
        if (honest_ != nullptr) {
            const stack::TurnResult other = honest_->turn();
            honest_deadline_ = other.next_deadline;
            busy |= other.did_work || honest_deadline_ <= now_;
        }
        collect();
        if (!busy) return;
    }
    finding("the core wants turn after turn at one instant");
}

void Victim::run_for(Duration span) {
    static_cast<void>(run_until([] { return false; }, span));
}

bool Victim::run_until(const std::function<bool()>& done, Duration limit) {
    const Instant end = now_ + limit;
    settle();
    while (!done()) {
        if (now_ >= end) return false;
        now_ = earlier(end, later(now_, earlier(deadline_, honest_deadline_)));
        settle();
    }
    return true;
}

socket::Driver::Wake Victim::wait(Machine& who, Instant deadline) {
    const Instant patience = now_ + seconds(3600);
    while (true) {
        settle();
        if (!who.core().channel().events.empty()) return socket::Driver::Wake::events;
        if (now_ >= deadline) return socket::Driver::Wake::deadline;
        if (now_ >= patience) return socket::Driver::Wake::interrupted;
        now_ =
            later(now_, earlier(earlier(deadline, patience), earlier(deadline_, honest_deadline_)));
    }
}

void Victim::inject(std::span<const std::byte> packet) {
    trace(">", now_, packet);
    io::Frame frame;
    if (attacker_->allocate({&frame, 1}) == 0) {
        settle();
        if (attacker_->allocate({&frame, 1}) == 0) return finding("the victim keeps our frames");
    }
    const std::size_t length = std::min<std::size_t>(packet.size(), frame.capacity);
    if (length != 0) std::memcpy(frame.data, packet.data(), length);
    frame.length = static_cast<std::uint32_t>(length);
    if (attacker_->transmit({&frame, 1}, now_) == 0) attacker_->release({&frame, 1});
}

void Victim::collect() {
    std::array<io::Frame, io::kBurst> frames;
    while (true) {
        const std::size_t count = attacker_->receive(frames, now_);
        if (count == 0) return;
        for (std::size_t i = 0; i < count; ++i) {
            ++packets_heard_;
            trace("<", now_, frames[i].bytes());
            auto heard = read_tcp(frames[i].bytes());
            if (heard && listener_) listener_(*heard);
            if (!keeps_) continue;
            if (heard) {
                heard_.push_back(std::move(*heard));
            } else {
                other_.emplace_back(frames[i].bytes().begin(), frames[i].bytes().end());
            }
        }
        attacker_->release({frames.data(), count});
    }
}

std::vector<Heard> Victim::take_heard() { return std::exchange(heard_, {}); }
std::vector<Bytes> Victim::take_other() { return std::exchange(other_, {}); }

void Victim::check_nothing_left() {
    std::vector<Machine*> machines{victim_.get()};
    if (honest_ != nullptr) machines.push_back(honest_.get());
    for (Machine* machine : machines) {
        const int most = static_cast<int>(machine->application().table().capacity());
        for (int fd = 0; fd < most; ++fd)
            static_cast<void>(machine->sockets().close(fd));
    }
    static_cast<void>(run_until(
        [&] {
            for (Machine* machine : machines) {
                if (machine->core().levels().flows != 0) return false;
            }
            return true;
        },
        kLongestEnd));
    for (Machine* machine : machines) {
        const stack::Core::Levels levels = machine->core().levels();
        socket::Channel& channel = machine->core().channel();
        // Taking all that is granted to the application counts it.
        std::uint64_t chunks = channel.returned_chunks.size();
        socket::ChunkCache& cache = machine->application().cache();
        while (cache.has_any() && cache.take(socket::ChunkClass::small) != socket::kNoChunk)
            ++chunks;
        const auto expect = [&](const char* what, std::uint64_t level, std::uint64_t wanted) {
            if (level == wanted) return;
            finding(std::string("leak: ") + what + " " + std::to_string(level) + ", not " +
                    std::to_string(wanted));
        };
        expect("chunks", levels.chunks, chunks);
        expect("connections", levels.connections, channel.granted_connections.size());
        expect("half-open records", levels.half_open, 0);
        expect("TIME-WAIT records", levels.time_wait, 0);
        expect("flows", levels.flows, 0);
        expect("recovery records", levels.recoveries, 0);
        expect("reassembly records", levels.reassemblies, 0);
        expect("descriptors", machine->application().table().used(), 0);
    }
}

}  // namespace mtcp::victim
