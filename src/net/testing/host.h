// SPDX-License-Identifier: Apache-2.0
// A network layer with one Ethernet interface (10.0.0.1/24, gateway 10.0.0.254) over a FakeQueue,
// and the questions that tests ask of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include "net/network.h"
#include "net/testing/packets.h"

namespace mtcp::net::testing {

inline constexpr wire::IpAddress kGatewayIp = ip(10, 0, 0, 254);

inline NetworkConfiguration one_ethernet() {
    InterfaceConfiguration interface;
    interface.name = "eth0";
    interface.mac = io::MacAddress{{0x02, 0, 0, 0, 0, 1}};
    interface.addresses = {Prefix{kOurIp, 24}};
    NetworkConfiguration configuration;
    configuration.interfaces = {interface};
    configuration.routes = {RouteConfiguration{Prefix{ip(0, 0, 0, 0), 0}, kGatewayIp, 0}};
    configuration.announcement = Announcement::silent;
    return configuration;
}

class Host {
  public:
    explicit Host(const NetworkConfiguration& configuration = one_ethernet(),
                  io::Capabilities capabilities = {}, std::size_t frames = 512)
        : random_(1) {
        for (const InterfaceConfiguration& interface : configuration.interfaces) {
            capabilities.layer = interface.layer;
            queues_.push_back(std::make_unique<FakeQueue>(capabilities, frames));
        }
        auto made = Network::create(configuration, counters, random_);
        EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().text());
        network_ = std::move(made).value();
        for (std::size_t i = 0; i < queues_.size(); ++i)
            network_->attach(i, *queues_[i]);
    }

    Network& network() { return *network_; }
    FakeQueue& queue(std::size_t interface = 0) { return *queues_[interface]; }
    void destroy_network() { network_.reset(); }

    // Frames are exactly as long as the bytes, so that a sanitizer sees every byte read beyond.
    Verdict input(const Bytes& bytes, std::size_t interface = 0) {
        held_ = std::make_unique<std::byte[]>(bytes.size());
        std::copy(bytes.begin(), bytes.end(), held_.get());
        io::Frame frame;
        frame.data = held_.get();
        frame.length = static_cast<std::uint32_t>(bytes.size());
        frame.capacity = frame.length;
        frame.checksum = checksum;
        const Verdict verdict = network_->input(interface, frame, now, tcp_in, notice);
        return verdict;
    }
    // What input() says, what it sent, and nothing that was sent before.
    std::vector<Bytes> flush(std::size_t interface = 0) {
        network_->flush(now);
        std::vector<Bytes> sent;
        sent.swap(queue(interface).sent);
        return sent;
    }
    void pass(Duration time) {
        const Instant end = now + time;
        while (network_->deadline() <= end) {
            now = later(now, network_->deadline());
            network_->on_deadline(now);
        }
        now = end;
    }
    // Sends one TCP segment with so much payload.
    bool may_be_cut = false;  // what send_tcp() sends
    bool send_tcp(Path& path, wire::IpAddress destination, std::size_t payload = 0,
                  std::uint16_t segment_size = 0) {
        io::Frame frame;
        if (!network_->allocate(path.interface, frame)) return false;
        Bytes segment = testing::tcp(kOurIp, destination, 80, 1000, 99, pattern(payload));
        wire::store_be16(segment.data() + 16, 0);
        std::memcpy(frame.data + path.header_room, segment.data(), segment.size());
        frame.segment_size = segment_size;
        network_->output(path,
                         {.source = kOurIp,
                          .destination = destination,
                          .length = static_cast<std::uint32_t>(segment.size()),
                          .header = {20, wire::checksum_add(0, std::span(segment).first(20))},
                          .may_be_cut = may_be_cut},
                         frame, now);
        return true;
    }
    Path path_to(wire::IpAddress destination) {
        auto route = network_->route(destination, {});
        EXPECT_TRUE(route.ok());
        return route->path;
    }
    // Makes the peer known: it asks for us and we answer.
    void meet(wire::IpAddress peer = kPeerIp, wire::MacOctets mac = kPeerMac) {
        EXPECT_EQ(input(arp_request(peer, mac, kOurIp)), Verdict::consumed);
        flush();
    }

    [[nodiscard]] std::uint64_t drops() const {
        return std::accumulate(counters.dropped.begin(), counters.dropped.end(), std::uint64_t{0});
    }
    // The one drop counter that is not zero, if it is one.
    [[nodiscard]] std::optional<Drop> only_drop() const {
        std::optional<Drop> found;
        for (std::size_t i = 0; i < kDropCount; ++i) {
            if (counters.dropped[i] == 0) continue;
            if (found || counters.dropped[i] != 1) return std::nullopt;
            found = static_cast<Drop>(i);
        }
        return found;
    }

    Counters counters;
    Instant now{1'000'000'000};
    Inbound tcp_in;
    PathErrorNotice notice;
    io::Checksum checksum = io::Checksum::in_frame;

  private:
    Random random_;
    std::vector<std::unique_ptr<FakeQueue>> queues_;
    std::unique_ptr<Network> network_;
    std::unique_ptr<std::byte[]> held_;
};

}  // namespace mtcp::net::testing
