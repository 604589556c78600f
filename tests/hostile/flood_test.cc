// SPDX-License-Identifier: Apache-2.0
// A SYN flood from forged addresses on the very wire on which honest clients come: half a million
// SYNs a second beside 20,000 connections a second. MTCP_FULL_FLOOD=1 in the environment makes it
// ten seconds instead of a quarter.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>

#include "tests/hostile/hostile_fixture.h"

namespace mtcp::victim {
namespace {

constexpr std::size_t kRequest = 64;
constexpr Duration kTick = milliseconds(1);
constexpr Duration kRetry = seconds(1);

double cpu_seconds() {
    timespec t{};
    static_cast<void>(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Load {
    std::uint32_t syns_per_tick = 500;
    std::uint32_t clients_per_tick = 20;
    Duration flood = milliseconds(250);
    Duration after = seconds(3);  // clients go on coming
};

// Honest clients, written by hand so that 20,000 a second cost little: SYN; ACK with 64 bytes and
// FIN; they wait for 64 bytes and FIN, and repeat after a second what was not answered.
class Clients {
  public:
    explicit Clients(Victim& victim) : victim_(victim) {}

    void begin(Instant now) {
        Client client;
        client.began = now;
        clients_.push_back(client);
        send(static_cast<std::uint32_t>(clients_.size() - 1), now);
    }
    void retry(Instant now) {
        while (!waiting_.empty() && waiting_.front().at <= now) {
            const std::uint32_t id = waiting_.front().id;
            waiting_.pop_front();
            if (clients_[id].state != State::done) send(id, now);
        }
    }
    void hear(const Heard& heard, Instant now) {
        const std::uint32_t place = heard.key.remote.v4_bits() - kFirstAddress;
        const std::uint64_t id = std::uint64_t{place} * kPorts + heard.key.remote_port - kFirstPort;
        if (place >= 1u << 16 || id >= clients_.size()) return;
        Client& client = clients_[id];
        if (client.state == State::done) return;
        if (heard.has(Flags::rst)) {
            ++resets_;
            client.state = State::opening;  // and again, when its time has come
            return;
        }
        if (heard.has(Flags::syn | Flags::ack) && client.state == State::opening) {
            client.state = State::asking;
            client.rcv_nxt = heard.segment.seq.raw + 1;
            ask(static_cast<std::uint32_t>(id));
            return;
        }
        if (client.state == State::asking && heard.segment.flags.has(Flags::fin)) {
            client.rcv_nxt = heard.end();
            client.state = State::done;
            client.ended = now;
            TcpFields ack = fields(static_cast<std::uint32_t>(id), Flags::ack);
            ack.seq = kIss + 2 + kRequest;
            ack.ack = client.rcv_nxt;
            victim_.inject(tcp_packet(ack));
        }
    }

    // Of those that began in [from, to): how many there were, and were done within `limit`.
    struct Share {
        std::uint64_t all = 0;
        std::uint64_t in_time = 0;
    };
    [[nodiscard]] Share share(Instant from, Instant to, Duration limit) const {
        Share share;
        for (const Client& client : clients_) {
            if (client.began < from || client.began >= to) continue;
            ++share.all;
            share.in_time += client.ended - client.began <= limit ? 1u : 0u;
        }
        return share;
    }
    [[nodiscard]] std::uint64_t resets() const { return resets_; }

  private:
    enum class State : std::uint8_t { opening, asking, done };
    struct Client {
        Instant began;
        Instant ended = kNever;
        std::uint32_t rcv_nxt = 0;
        State state = State::opening;
    };
    struct Waiting {
        Instant at;
        std::uint32_t id;
    };
    static constexpr std::uint32_t kFirstAddress = 0x0a800000;  // 10.128.0.0
    static constexpr std::uint32_t kFirstPort = 2000;
    static constexpr std::uint32_t kPorts = 60'000;
    static constexpr std::uint32_t kIss = 7000;

    TcpFields fields(std::uint32_t id, std::uint8_t flags) {
        TcpFields fields;
        fields.ip.source = wire::IpAddress::v4(kFirstAddress + id / kPorts);
        fields.ip.destination = kVictim;
        fields.source_port = static_cast<std::uint16_t>(kFirstPort + id % kPorts);
        fields.destination_port = 80;
        fields.flags = flags;
        fields.seq = kIss;
        return fields;
    }
    void ask(std::uint32_t id) {
        TcpFields request = fields(id, Flags::ack | Flags::psh | Flags::fin);
        request.seq = kIss + 1;
        request.ack = clients_[id].rcv_nxt;
        request.payload = Bytes(kRequest, std::byte{'q'});
        victim_.inject(tcp_packet(request));
    }
    void send(std::uint32_t id, Instant now) {
        waiting_.push_back({now + kRetry, id});
        if (clients_[id].state == State::asking) return ask(id);
        TcpFields syn = fields(id, Flags::syn);
        syn.options = bytes_of({2, 4, 5, 0xb4, 4, 2, 1, 1, 3, 3, 7, 1});
        victim_.inject(tcp_packet(syn));
    }

    Victim& victim_;
    std::vector<Client> clients_;
    std::deque<Waiting> waiting_;
    std::uint64_t resets_ = 0;
};

class SynFlood : public Hostile {
  protected:
    void SetUp() override {
        Hostile::SetUp();
        setup.stack.max_concurrency = 16'384;
        setup.stack.half_open_max = 8'192;
        setup.stack.time_wait_max = 16'384;
        setup.stack.chunks.count = {32'768, 8'192, 64};
        setup.wire_frames = 4'096;
    }

    // The application: 64 bytes in, 64 bytes out, close.
    void serve() {
        wire::Endpoint from;
        for (long fd; (fd = sockets().accept(server_, from)) >= 0;) {
            sockets().set_blocking(static_cast<int>(fd), sim::Blocking::never_blocks);
            served_.push_back(static_cast<int>(fd));
        }
        std::byte request[kRequest];
        std::size_t kept = 0;
        for (const int fd : served_) {
            const long n = sockets().receive(fd, request, 0);
            if (n == -EAGAIN) {
                served_[kept++] = fd;
                continue;
            }
            if (n > 0) {
                const std::byte answer[kRequest] = {};
                static_cast<void>(sockets().send(fd, answer, 0));
                // To the end of the stream, so that closing is in order.
                static_cast<void>(sockets().receive(fd, request, 0));
            }
            EXPECT_EQ(sockets().close(fd), 0);
        }
        served_.resize(kept);
    }
    void tick(Clients& clients, const Load& load, std::uint32_t syns) {
        clients.retry(victim().now());
        for (std::uint32_t i = 0; i < syns; ++i) {
            const std::uint64_t any = random_.next();
            forged_.ip.source = wire::IpAddress::v4(0xc6000000 | (any & 0xff'ffff));
            forged_.source_port = static_cast<std::uint16_t>(1 + (any >> 32) % 65'535);
            forged_.seq = static_cast<std::uint32_t>(any >> 24);
            victim().inject(tcp_packet(forged_));
            if (i % 32 != 0) continue;
            for (std::uint32_t k = 0; k * syns < load.clients_per_tick * 32; ++k) {
                if (begun_ < load.clients_per_tick) clients.begin(victim().now()), ++begun_;
            }
        }
        while (begun_ < load.clients_per_tick)
            clients.begin(victim().now()), ++begun_;
        begun_ = 0;
        victim().settle();
        serve();
        victim().run_for(kTick);
    }

    int server_ = -1;
    std::vector<int> served_;
    Random random_{11};
    TcpFields forged_;
    std::uint32_t begun_ = 0;
};

TEST_F(SynFlood, HonestClientsAreServedAllTheWhile) {
    Load load;
    if (std::getenv("MTCP_FULL_FLOOD") != nullptr) load.flood = seconds(10);
    victim();
    EXPECT_EQ(sockets().close(listener), 0);
    victim().settle();
    server_ = listen_on(80, 4096);
    listener = server_;
    Clients clients(victim());
    victim().keep_nothing();
    victim().set_listener([&](const Heard& heard) { clients.hear(heard, victim().now()); });
    forged_.ip.destination = kVictim;
    forged_.destination_port = 80;
    forged_.flags = Flags::syn;
    forged_.options = bytes_of({2, 4, 5, 0xb4, 4, 2, 1, 1});

    const Instant begin = victim().now();
    const Instant end = begin + load.flood;
    const double cpu_begin = cpu_seconds();
    std::uint64_t forged = 0;
    while (victim().now() < end) {
        tick(clients, load, load.syns_per_tick);
        forged += load.syns_per_tick;
    }
    const double cpu = cpu_seconds() - cpu_begin;
    const stack::Core::Levels during = victim().core().levels();
    EXPECT_LE(during.half_open, 4096u + 1);
    bystander().check();
    const Instant stop = end + load.after;
    while (victim().now() < stop)
        tick(clients, load, 0);
    victim().run_for(seconds(1));
    serve();
    victim().run_for(seconds(1));

    const auto under = clients.share(begin, end, seconds(1));
    const auto later = clients.share(end + seconds(2), stop, seconds(1));
    const auto ever = clients.share(begin, stop, seconds(3600));
    std::printf(
        "%llu forged SYNs in %lld ms beside %llu connections, of which %llu were done within 1 s;\n"
        "from 2 s after it on %llu of %llu; in the end %llu of %llu. %llu cookies, %llu accepted.\n"
        "In CPU time: %.0f forged SYNs/s, clients, application and attacker included.\n",
        static_cast<unsigned long long>(forged), static_cast<long long>(load.flood.milliseconds()),
        static_cast<unsigned long long>(under.all), static_cast<unsigned long long>(under.in_time),
        static_cast<unsigned long long>(later.in_time), static_cast<unsigned long long>(later.all),
        static_cast<unsigned long long>(ever.in_time), static_cast<unsigned long long>(ever.all),
        static_cast<unsigned long long>(victim().counters().cookies_sent),
        static_cast<unsigned long long>(victim().counters().cookies_accepted),
        static_cast<double>(forged) / cpu);
    EXPECT_GE(under.all,
              static_cast<std::uint64_t>(load.flood.milliseconds()) * load.clients_per_tick);
    EXPECT_GE(under.in_time * 2, under.all);
    EXPECT_EQ(later.in_time, later.all);
    EXPECT_EQ(ever.in_time, ever.all);
    for (const int fd : served_)
        EXPECT_EQ(sockets().close(fd), 0);
}

// The bare flood, as fast as this machine goes: what one core absorbs, printed.
TEST_F(SynFlood, BareRate) {
    victim();
    victim().keep_nothing();
    forged_.ip.destination = kVictim;
    forged_.destination_port = 80;
    forged_.flags = Flags::syn;
    forged_.options = bytes_of({2, 4, 5, 0xb4});
    std::vector<Bytes> packets;
    for (std::uint32_t i = 0; i < 4096; ++i) {
        forged_.ip.source =
            wire::IpAddress::v4(0xc6000000 + static_cast<std::uint32_t>(random_.below(1 << 24)));
        forged_.source_port = static_cast<std::uint16_t>(1 + random_.below(65'535));
        packets.push_back(tcp_packet(forged_));
    }
    const double cpu_begin = cpu_seconds();
    std::uint64_t forged = 0;
    for (int round = 0; round < 15; ++round) {
        for (const Bytes& packet : packets) {
            victim().inject(packet);
            if (++forged % io::kBurst == 0) victim().settle();
        }
        victim().run_for(milliseconds(1));
    }
    const double cpu = cpu_seconds() - cpu_begin;
    std::printf("%.0f SYNs/s answered with cookies (CPU time, the attacker's work included)\n",
                static_cast<double>(forged) / cpu);
    EXPECT_GE(victim().counters().cookies_sent, forged - 8192);
}

}  // namespace
}  // namespace mtcp::victim
