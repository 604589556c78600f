// SPDX-License-Identifier: Apache-2.0
// A whole core in virtual time against a hostile peer: packets built relative to the live
// connection, raw packets, fragments, ICMP, calls of the application and jumps of the clock, in any
// order. What must hold after each step is in victim/wire_watch.h and check() below; at the end
// nothing is left.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/victim/finding.h"
#include "fuzz/victim/raw_peer.h"
#include "fuzz/victim/victim.h"
#include "fuzz/victim/wire_watch.h"
#include "wire/big_endian.h"
#include "wire/icmp.h"

namespace mtcp::fuzz {
namespace {

using namespace victim;
using wire::Flags;

constexpr std::size_t kPeers = 4;
constexpr std::size_t kSocketsMax = 12;
constexpr int kStepsMax = 300;

VictimSetup setup_of(std::uint8_t how) {
    VictimSetup setup;
    setup.honest_host = HonestHost::absent;
    setup.wire_frames = 256;
    setup.stack.max_concurrency = 32;
    setup.stack.half_open_max = (how & 1) != 0 ? 2 : 16;
    setup.stack.time_wait_max = (how & 2) != 0 ? 1 : 16;
    setup.stack.recoveries_max = setup.stack.reassemblies_max = (how & 4) != 0 ? 1 : 16;
    setup.stack.chunks.count = {64, 32, 4};
    if ((how & 8) != 0) setup.stack.chunks.count = {512, 128, 16};
    setup.stack.tcp.defaults.receive_buffer = setup.stack.tcp.defaults.send_buffer = 16'384;
    using Cookies = tcp::Configuration::Cookies;
    setup.stack.tcp.syn_cookies = (how & 16) != 0 ? Cookies::always : Cookies::when_full;
    using Use = tcp::Configuration::Use;
    setup.stack.tcp.header_prediction = (how & 32) != 0 ? Use::off : Use::on;
    setup.stack.tcp.timestamps = (how & 64) != 0 ? Use::off : Use::on;
    return setup;
}

// A socket of the victim's application, and what must be read from and written to it.
struct Held {
    int fd = -1;
    bool listens = false;
    std::uint32_t written = 0;
    std::uint32_t read = 0;
    bool origin_known = false;
    std::uint32_t origin = 0;  // the peer's first number + 1
};

class Run {
  public:
    Run(const std::uint8_t* data, std::size_t size)
        : in_(data, size), victim_(setup_of(in_.byte())) {
        for (std::size_t i = 0; i < kPeers; ++i) {
            const auto port = static_cast<std::uint16_t>(40'000 + i);
            peers_[i] = std::make_unique<RawPeer>(victim_, port);
            peers_[i]->iss = peers_[i]->snd_nxt = static_cast<std::uint32_t>(0xffff'f000u * i);
        }
        victim_.keep_nothing();
        victim_.set_listener([this](const Heard& heard) { hear(heard); });
        Held listener{.fd = make_socket(), .listens = true};
        static_cast<void>(victim_.sockets().bind(listener.fd, {{}, 80}));
        static_cast<void>(victim_.sockets().listen(listener.fd, 4));
        held_.push_back(listener);
        victim_.settle();
    }

    void run() {
        for (int i = 0; !in_.ended() && i < kStepsMax; ++i)
            step();
        victim_.settle();
        victim_.check_nothing_left();
    }

  private:
    // --- what is heard
    void hear(const Heard& heard) {
        watch_.on_heard(heard);
        for (auto& peer : peers_) {
            if (heard.key.remote_port != peer->port) continue;
            peer->victim_port = heard.key.local_port;
            peer->hear(heard);
        }
    }

    // --- one step
    void step() {
        const std::uint8_t what = in_.byte();
        questions_ = 0;
        const bool waits = (what & 0x80) != 0;  // the next step shares the burst
        switch (what % 16) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4: segment(); break;
            case 5: handshake(); break;
            case 6: answer_data(); break;
            case 7: raw(); break;
            case 8: fragments(); break;
            case 9: icmp(); break;
            case 10:
            case 11:
            case 12:
            case 13: call(); break;
            default: pass(); break;
        }
        if (waits) {
            owed_ += questions_;
            return;
        }
        victim_.settle();
        check();
        owed_ = 0;
    }

    void check() {
        watch_.check_answers(questions_ + owed_ + extra_);
        extra_ = 0;
        MTCP_FUZZ_CHECK(victim_.drops(Drop::tcp_broken_invariant) == 0);
        for (const Held& h : held_) {
            if (h.listens) continue;
            tcp::Status status;
            if (!ask(h.fd, status)) continue;
            MTCP_FUZZ_CHECK(status.snd_una <= status.snd_nxt);
            if (status.snd_una == status.snd_nxt) continue;
            if (victim_.deadline() == kNever) finding("data is outstanding and no timer runs");
        }
    }

    bool ask(int fd, tcp::Status& status) {
        socket::Application& app = victim_.machine().application();
        const socket::Descriptor* d = app.table().find(fd);
        if (d == nullptr || d->kind != socket::DescriptorKind::stream) return false;
        if (d->connection == kNoIndex) return false;
        app.post({.kind = socket::RequestKind::status,
                  .index = d->connection,
                  .value = reinterpret_cast<std::uint64_t>(&status)});
        victim_.settle();
        return status.state != tcp::State::closed;
    }

    // --- packets
    RawPeer& peer() { return *peers_[in_.below(kPeers)]; }

    void inject(const Bytes& packet) {
        ++questions_;
        watch_.on_injected(packet);
        victim_.inject(packet);
    }

    std::uint32_t near(std::uint32_t edge) {
        switch (in_.below(10)) {
            case 0: return edge + in_.word() % 3000;
            case 1: return edge - in_.word() % 3000;
            case 2: return edge + 1;
            case 3: return edge - 1;
            case 4: return edge + in_.below(16) * 1448u;
            case 5: return in_.number();
            default: return edge;
        }
    }

    Bytes options(const RawPeer& p) {
        Bytes bytes;
        const std::uint8_t which = in_.byte();
        const auto put16 = [&](std::uint16_t v) {
            bytes.push_back(static_cast<std::byte>(v >> 8));
            bytes.push_back(static_cast<std::byte>(v));
        };
        const auto put32 = [&](std::uint32_t v) {
            put16(static_cast<std::uint16_t>(v >> 16));
            put16(static_cast<std::uint16_t>(v));
        };
        const auto put = [&](unsigned kind, unsigned length) {
            bytes.push_back(static_cast<std::byte>(kind));
            bytes.push_back(static_cast<std::byte>(length));
        };
        if ((which & 1) != 0) put(2, 4), put16(in_.word());
        if ((which & 2) != 0) put(3, 3), bytes.push_back(static_cast<std::byte>(in_.byte() % 16));
        if ((which & 4) != 0) put(4, 2);
        if ((which & 8) != 0) {
            put(8, 10);
            put32((which & 32) != 0 ? in_.number() : p.ts_value);
            put32((which & 64) != 0 ? in_.number() : p.ts_echo);
        }
        if ((which & 16) != 0) {
            const std::uint32_t blocks = 1 + in_.below(3);
            put(5, 2 + 8 * blocks);
            for (std::uint32_t i = 0; i < blocks; ++i) {
                const std::uint32_t begin = near(p.rcv_nxt - in_.word() % 8000);
                put32(begin);
                put32(begin + in_.word() % 3000);
            }
        }
        if ((which & 128) != 0) {
            const auto any = std::as_bytes(in_.take(in_.below(16)));
            bytes.insert(bytes.end(), any.begin(), any.end());
        }
        if (bytes.size() > 40) bytes.resize(40);
        return bytes;
    }

    void segment() {
        RawPeer& p = peer();
        TcpFields fields = p.segment(in_.coin() ? Flags::ack : in_.byte());
        fields.seq = near(in_.below(4) == 0 ? p.acked + p.window : p.snd_nxt);
        fields.ack = near(p.rcv_nxt);
        const std::uint8_t how = in_.byte();
        if ((how & 1) != 0) fields.window = in_.word();
        if ((how & 2) != 0) fields.urgent = in_.word();
        if ((how & 4) != 0) fields.ip.tos = in_.byte();
        if ((how & 8) != 0) {
            // Bytes are a function of their number, so that overlaps agree.
            const std::uint32_t syn = (fields.flags & Flags::syn) != 0 ? 1 : 0;
            fields.payload = pattern(fields.seq + syn, in_.word() % 1460);
        }
        if ((how & 0x30) == 0x30) {
            fields.options = options(p);
        } else {
            p.ts_value += how & 7;
        }
        if (how >= 0xf0) fields.checksum = Checksum::wrong;
        if (how % 64 == 63) {
            fields.header_words = in_.below(16) & 0xff;
            reads_any_ = true;  // the header's bytes may count as the payload's
        }
        last_ = tcp_packet(fields);
        inject(last_);
        const bool in_order = fields.seq == p.snd_nxt && fields.checksum == Checksum::right;
        if (in_order) {
            p.snd_nxt += static_cast<std::uint32_t>(fields.payload.size()) +
                         ((fields.flags & Flags::fin) != 0 ? 1 : 0);
        }
    }

    // A whole handshake, so that the fuzzer need not find it: as a client, or answering a SYN.
    void handshake() {
        RawPeer& p = peer();
        p.timestamps = in_.coin();
        Bytes options = bytes_of({2, 4, 5, 0xb4, 1, 3, 3, in_.below(15), 4, 2, 1, 1});
        if (in_.coin()) options.clear();
        if (in_.coin()) {
            p.iss = in_.number();
            p.victim_port = 80;
            p.snd_nxt = p.iss;
            TcpFields syn = p.segment(Flags::syn);
            syn.options.insert(syn.options.end(), options.begin(), options.end());
            inject(tcp_packet(syn));
        } else {
            p.snd_nxt = p.iss;
            TcpFields answer = p.segment(Flags::syn | Flags::ack);
            answer.options.insert(answer.options.end(), options.begin(), options.end());
            inject(tcp_packet(answer));
        }
        p.snd_nxt = p.iss + 1;
        victim_.settle();
        inject(tcp_packet(p.segment(Flags::ack)));
    }

    // Acknowledges everything, perhaps with data: the honest thing.
    void answer_data() {
        RawPeer& p = peer();
        p.ts_value += 1;
        TcpFields fields =
            p.segment(Flags::ack | Flags::psh, pattern(p.snd_nxt, in_.word() % 1400));
        last_ = tcp_packet(fields);
        inject(last_);
        p.snd_nxt += static_cast<std::uint32_t>(fields.payload.size());
    }

    // The last packet with bytes changed, or bytes of the input.
    void raw() {
        Bytes packet = last_;
        if (packet.empty() || in_.below(8) == 0) {
            const auto bytes = std::as_bytes(in_.take(in_.byte()));
            packet.assign(bytes.begin(), bytes.end());
        }
        const std::uint32_t changes = in_.below(6);
        for (std::uint32_t i = 0; i < changes && !packet.empty(); ++i) {
            // Headers only: the payload's bytes are a function of the number.
            packet[in_.byte() % std::min<std::size_t>(packet.size(), 60)] =
                static_cast<std::byte>(in_.byte());
        }
        if (in_.below(8) == 0) packet.resize(packet.size() * in_.byte() / 256);
        if (in_.below(10) != 0) fix_checksums(packet);
        reads_any_ = true;  // a changed number or length moves bytes that were another's
        inject(packet);
    }

    void fragments() {
        RawPeer& p = peer();
        TcpFields fields = p.segment(Flags::ack, pattern(p.snd_nxt, in_.word() % 2000));
        const Bytes segment = tcp_bytes(fields);
        fields.ip.identification = in_.byte();
        const std::uint32_t parts = 1 + in_.below(4);
        const std::size_t step = (segment.size() / parts + 8) / 8 * 8;
        for (std::size_t at = 0; at < segment.size(); at += step) {
            const std::size_t length = std::min(step, segment.size() - at);
            std::size_t claimed = at / 8;
            if (in_.below(6) == 0) claimed = in_.word() & 0x1fff;
            const bool more = at + length < segment.size();
            fields.ip.fragment = static_cast<std::uint16_t>(claimed | (more ? 0x2000 : 0));
            inject(ip_packet(fields.ip, std::span(segment).subspan(at, length)));
        }
        reads_any_ = true;
    }

    void icmp() {
        RawPeer& p = peer();
        TcpFields quoted;
        quoted.ip.source = kVictim;
        quoted.ip.destination = p.address;
        quoted.source_port = p.victim_port;
        quoted.destination_port = p.port;
        quoted.seq = near(p.rcv_nxt);
        Bytes quote = tcp_packet(quoted);
        quote.resize(std::min<std::size_t>(quote.size(), 20 + in_.below(21)));
        Bytes message(wire::kIcmpHeader);
        message.insert(message.end(), quote.begin(), quote.end());
        constexpr std::uint8_t kTypes[] = {3, 3, 3, 4, 5, 8, 11, 12};
        const std::uint8_t type = kTypes[in_.below(8)];
        wire::emit_icmp_header(type, in_.below(16) & 0xff, in_.word(), message);
        IpFields ip;
        ip.source = in_.coin() ? p.address : wire::IpAddress::v4(in_.number());
        ip.destination = kVictim;
        ip.protocol = 1;
        last_ = ip_packet(ip, message);
        inject(last_);
        extra_ += 64;  // a narrower path sends again what is in flight, as bare segments perhaps
    }

    // --- calls
    int make_socket() {
        return static_cast<int>(victim_.sockets().make(sim::Blocking::never_blocks));
    }

    void call() {
        Held& h = held_[in_.byte() % held_.size()];
        extra_ += 4;
        switch (in_.below(12)) {
            case 0:
            case 1: accept(); break;
            case 2:
            case 3: read(h); break;
            case 4:
            case 5:
            case 6: write(h); break;
            case 7:
                static_cast<void>(victim_.sockets().shutdown(h.fd, static_cast<int>(in_.below(3))));
                break;
            case 8: close(h); break;
            case 9: connect(); break;
            case 10: option(h); break;
            default: listen(h); break;
        }
    }

    void accept() {
        if (held_.size() >= kSocketsMax) return;
        for (const Held& h : held_) {
            if (!h.listens) continue;
            wire::Endpoint from;
            const long fd = victim_.sockets().accept(h.fd, from);
            if (fd < 0) continue;
            victim_.sockets().set_blocking(static_cast<int>(fd), sim::Blocking::never_blocks);
            held_.push_back({.fd = static_cast<int>(fd)});
            return;
        }
    }
    void learn_origin(Held& h) {
        if (h.origin_known) return;
        tcp::Status status;
        if (!ask(h.fd, status) || status.state == tcp::State::syn_sent) return;
        h.origin = status.irs.raw + 1;
        h.origin_known = true;
    }
    void read(Held& h) {
        if (h.listens) return;
        learn_origin(h);
        std::array<std::byte, 4096> room;
        const std::size_t size = 1 + in_.word() % room.size();
        const int flags = in_.below(8) == 0 ? MSG_PEEK : 0;
        const long n = victim_.sockets().receive(h.fd, std::span(room).first(size), flags);
        if (n <= 0) return;
        if (h.origin_known && !reads_any_) {
            const auto got = static_cast<std::size_t>(n);
            if (Bytes(room.begin(), room.begin() + n) != pattern(h.origin + h.read, got)) {
                finding("the application read bytes that nobody sent, at " +
                        std::to_string(h.read));
            }
        }
        if (flags == 0) h.read += static_cast<std::uint32_t>(n);
    }
    void write(Held& h) {
        if (h.listens) return;
        const Bytes bytes = pattern(h.written, in_.word() % 8192);
        constexpr int kFlags[] = {0, 0, 0, MSG_MORE, MSG_OOB, 0, 0, 0};
        const long n = victim_.sockets().send(h.fd, bytes, kFlags[in_.below(8)]);
        if (n > 0) h.written += static_cast<std::uint32_t>(n);
    }
    void close(Held& h) {
        if (h.listens && in_.below(8) != 0) return;
        static_cast<void>(in_.coin()  ? victim_.sockets().close(h.fd)
                          : h.listens ? victim_.sockets().close(h.fd)
                                      : victim_.sockets().abort(h.fd));
        h = held_.back();
        held_.pop_back();
        if (held_.empty()) held_.push_back({.fd = make_socket()});
    }
    void connect() {
        if (held_.size() >= kSocketsMax) return;
        Held h{.fd = make_socket()};
        if (h.fd < 0) return;
        RawPeer& p = peer();
        if (in_.coin()) {
            const auto port = static_cast<std::uint16_t>(in_.coin() ? 80 : 12'000 + in_.byte());
            static_cast<void>(victim_.sockets().bind(h.fd, {kVictim, port}));
        }
        static_cast<void>(victim_.sockets().connect(h.fd, {p.address, p.port}));
        held_.push_back(h);
    }
    void option(Held& h) {
        struct Option {
            int level, name;
        };
        constexpr Option kOptions[] = {{SOL_SOCKET, SO_RCVBUF},        {SOL_SOCKET, SO_SNDBUF},
                                       {IPPROTO_TCP, TCP_NODELAY},     {IPPROTO_TCP, TCP_CORK},
                                       {IPPROTO_TCP, TCP_QUICKACK},    {SOL_SOCKET, SO_KEEPALIVE},
                                       {IPPROTO_TCP, TCP_KEEPIDLE},    {IPPROTO_TCP, TCP_MAXSEG},
                                       {IPPROTO_TCP, TCP_USER_TIMEOUT}};
        const Option& o = kOptions[in_.below(std::size(kOptions))];
        // A listener whose buffer shrinks between SYN-ACK and ACK takes back what it offered.
        if (h.listens && o.name == SO_RCVBUF && o.level == SOL_SOCKET) return;
        const int value = in_.coin() ? in_.byte() & 1 : in_.word();
        static_cast<void>(victim_.sockets().set_option(h.fd, o.level, o.name,
                                                       std::as_bytes(std::span(&value, 1))));
        extra_ += 8;
    }
    void listen(Held& h) {
        if (victim_.sockets().listen(h.fd, static_cast<int>(in_.below(4))) == 0) h.listens = true;
    }

    void pass() {
        const std::uint8_t how = in_.byte();
        // Each timer that fires may send.
        extra_ += 1'000'000;
        if (how < 100 && victim_.deadline() != kNever) {
            const Duration wait = later(victim_.deadline(), victim_.now()) - victim_.now();
            victim_.run_for(wait);
        } else {
            victim_.run_for(microseconds(std::int64_t{in_.word()} << how % 14));
        }
    }

    Input in_;
    Victim victim_;
    WireWatch watch_;
    std::array<std::unique_ptr<RawPeer>, kPeers> peers_;
    std::vector<Held> held_;
    Bytes last_;
    std::uint64_t questions_ = 0;
    std::uint64_t owed_ = 0;
    std::uint64_t extra_ = 0;
    bool reads_any_ = false;
};

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    mtcp::fuzz::Run(data, size).run();
    return 0;
}
