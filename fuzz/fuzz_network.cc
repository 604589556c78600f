// SPDX-License-Identifier: Apache-2.0
// The network layer of a core: frames of every protocol, as they are or with their checksums put
// right, fragments, answers, and jumps of the clock. Every frame has exactly one fate, and nothing
// is lost of the device's frames.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "fuzz/input.h"
#include "net/network.h"
#include "net/testing/fake_queue.h"
#include "net/testing/packets.h"

namespace mtcp::fuzz {
namespace {

using net::testing::Bytes;

constexpr std::size_t kFrames = 64;
constexpr std::size_t kFrameMax = 1600;

class Run {
  public:
    Run(const std::uint8_t* data, std::size_t size) : in_(data, size), random_(7) {
        net::NetworkConfiguration configuration;
        net::InterfaceConfiguration ethernet;
        ethernet.name = "eth0";
        ethernet.mac = io::MacAddress{{0x02, 0, 0, 0, 0, 1}};
        ethernet.addresses = {{net::testing::kOurIp, 24}};
        net::InterfaceConfiguration bare;
        bare.name = "tun0";
        bare.layer = io::Layer::ip;
        bare.addresses = {{net::testing::ip(10, 9, 0, 1), 24}};
        configuration.interfaces = {ethernet, bare};
        configuration.routes = {
            {{net::testing::ip(0, 0, 0, 0), 0}, net::testing::ip(10, 0, 0, 254), 0}};
        configuration.announcement =
            in_.coin() ? net::Announcement::announces : net::Announcement::silent;
        configuration.limits.neighbours = 8;
        configuration.limits.reassemblies = 4;
        configuration.limits.reassembly_bytes = 16'384;
        for (const net::InterfaceConfiguration& interface : configuration.interfaces) {
            queues_.push_back(std::make_unique<net::testing::FakeQueue>(
                io::Capabilities{.layer = interface.layer}, kFrames));
        }
        auto made = net::Network::create(configuration, counters_, random_);
        MTCP_FUZZ_CHECK(made.ok());
        network_ = std::move(made).value();
        for (std::size_t i = 0; i < queues_.size(); ++i)
            network_->attach(i, *queues_[i]);
    }

    void run() {
        while (!in_.ended())
            step();
        network_.reset();
        for (const auto& queue : queues_)
            MTCP_FUZZ_CHECK(queue->free_frames() == kFrames);
    }

  private:
    void step() {
        switch (in_.below(8)) {
            case 0: input(bytes_of(in_.take(in_.word() % kFrameMax)), 0); break;
            case 1: input(bytes_of(in_.take(in_.word() % kFrameMax)), 1); break;
            case 2: input(net::testing::ethernet(packet()), 0); break;
            case 3: input(packet(), 1); break;
            case 4: input(arp(), 0); break;
            case 5: pass(Duration{std::int64_t{in_.word()} * 1'000'000}); break;
            case 6: send(); break;
            default: queues_[in_.below(2)]->ring_room = in_.coin() ? SIZE_MAX : in_.byte(); break;
        }
        network_->flush(now_);
        net::PathErrorNotice notice;
        while (network_->poll_failure(notice)) {
        }
    }

    static Bytes bytes_of(std::span<const std::uint8_t> octets) {
        const auto bytes = std::as_bytes(octets);
        return {bytes.begin(), bytes.end()};
    }

    // One that passes the first checks: a right header around bytes of the input.
    Bytes packet() {
        net::testing::IpFields fields;
        fields.source = source();
        fields.destination = in_.coin() ? net::testing::kOurIp : net::testing::ip(10, 9, 0, 1);
        constexpr std::uint8_t kProtocols[] = {6, 1, 17, 0};
        fields.protocol = kProtocols[in_.below(4)];
        fields.identification = in_.byte();
        fields.fragment = in_.word();
        if (in_.coin()) fields.fragment = 0;
        fields.options = bytes_of(in_.take(in_.below(11) * 4));
        fields.options.resize(fields.options.size() / 4 * 4);
        Bytes payload = bytes_of(in_.take(in_.word() % 1400));
        if (fields.protocol == 1 && payload.size() >= 8) {
            const auto type = static_cast<std::uint8_t>(payload[0]);
            const auto code = static_cast<std::uint8_t>(payload[1]);
            wire::emit_icmp_header(type, code, wire::load_be32(payload.data() + 4), payload);
        }
        return net::testing::ipv4(fields, payload);
    }
    wire::IpAddress source() {
        switch (in_.below(4)) {
            case 0: return wire::IpAddress::v4(in_.number());
            case 1: return net::testing::ip(10, 0, 0, in_.byte());
            case 2: return net::testing::kFarIp;
            default: return net::testing::kPeerIp;
        }
    }
    Bytes arp() {
        wire::ArpPacket packet;
        packet.operation = in_.coin() ? wire::ArpOperation::request : wire::ArpOperation::reply;
        packet.sender_mac = net::testing::kPeerMac;
        packet.sender_mac[5] = in_.byte();
        packet.sender = source();
        packet.target = in_.coin() ? net::testing::kOurIp : source();
        return net::testing::arp(packet);
    }

    [[nodiscard]] std::uint64_t drops() const {
        return std::accumulate(counters_.dropped.begin(), counters_.dropped.end(),
                               std::uint64_t{0});
    }

    void input(const Bytes& bytes, std::size_t interface) {
        // Exactly as long as the bytes, so that a sanitizer sees every byte read beyond.
        const auto held = std::make_unique<std::byte[]>(bytes.size());
        std::copy(bytes.begin(), bytes.end(), held.get());
        io::Frame frame;
        frame.data = held.get();
        frame.length = frame.capacity = static_cast<std::uint32_t>(bytes.size());
        net::Inbound tcp;
        net::PathErrorNotice notice;
        const std::uint64_t before = drops();
        const net::Verdict verdict = network_->input(interface, frame, now_, tcp, notice);
        if (verdict == net::Verdict::dropped) {
            MTCP_FUZZ_CHECK(drops() > before);
        }
        if (verdict == net::Verdict::tcp) {
            MTCP_FUZZ_CHECK(tcp.bytes.size() <= 65'535);
            static_cast<void>(net::verify_checksum(tcp, counters_));
            static_cast<void>(wire::parse_segment(tcp.bytes));
        }
    }

    void send() {
        const wire::IpAddress destination = source();
        auto route = network_->route(destination, {});
        if (!route || route->path.interface == net::kLocal) return;
        io::Frame frame;
        if (!network_->allocate(route->path.interface, frame)) return;
        const Bytes segment =
            net::testing::tcp(route->source, destination, 80, 1000, 99, Bytes(in_.byte()));
        std::copy(segment.begin(), segment.end(), frame.data + route->path.header_room);
        const net::TcpPacket packet{
            .source = route->source,
            .destination = destination,
            .length = static_cast<std::uint32_t>(segment.size()),
            .header = {20, wire::checksum_add(0, std::span(segment).first(20))}};
        network_->output(route->path, packet, frame, now_);
    }

    void pass(Duration time) {
        const Instant end = now_ + time;
        for (int i = 0; network_->deadline() <= end; ++i) {
            MTCP_FUZZ_CHECK(i < 100'000);
            now_ = later(now_, network_->deadline());
            network_->on_deadline(now_);
            network_->flush(now_);
        }
        now_ = end;
    }

    Input in_;
    Random random_;
    Counters counters_;
    Instant now_{1'000'000'000};
    std::vector<std::unique_ptr<net::testing::FakeQueue>> queues_;
    std::unique_ptr<net::Network> network_;
};

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    mtcp::fuzz::Run(data, size).run();
    return 0;
}
