// SPDX-License-Identifier: Apache-2.0
// Two hosts, a line, and programs that do nothing but send and read.
#include "sim/throughput/bulk.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <map>
#include <memory>

#include "sim/findings.h"
#include "sim/host.h"
#include "sim/sockets.h"
#include "sim/wire.h"
#include "socket/ready_list.h"

namespace mtcp::sim {
namespace {

using socket::EpollBits;
using socket::EpollOperation;

constexpr std::uint16_t kPort = 80;
constexpr std::uint16_t kFirstPort = 5000;  // flow n comes from kFirstPort + n
constexpr std::uint32_t kMtu = 1500;
constexpr std::uint32_t kPayload = kMtu - 52;  // with timestamps
constexpr std::size_t kPiece = 65'536;
constexpr Duration kLookEvery = milliseconds(10);
constexpr std::uint32_t kLargestBuffer = 8u << 20;
constexpr auto kSenderAddress = wire::IpAddress::v4(0x0a000001);
constexpr auto kReceiverAddress = wire::IpAddress::v4(0x0a000002);

HostConfig host_config(const BulkPlan& plan, Side side) {
    HostConfig host;
    const bool a = side == Side::a;
    host.name = a ? "sender" : "receiver";
    host.address = a ? kSenderAddress : kReceiverAddress;
    host.seed = plan.seed * 2 + (a ? 0 : 1);
    host.port = {.mtu = kMtu, .frames = 4096, .seed = plan.seed};
    stack::StackConfiguration& stack = host.stack;
    stack.drive = stack::Drive::run_inline;
    stack.huge_pages = false;
    stack.max_concurrency = 64;
    stack.half_open_max = stack.time_wait_max = 64;
    stack.recoveries_max = stack.reassemblies_max = 64;
    stack.chunks.count = {4096, 32'768, 2048};
    stack.tcp.defaults.send_buffer = stack.tcp.defaults.receive_buffer = kLargestBuffer;
    if (plan.mark > 0) stack.tcp.ecn = tcp::Configuration::Ecn::request;
    return host;
}

// Opens the flows and keeps every one of them full.
class Sender final : public Program {
  public:
    Sender(Host& host, const BulkPlan& plan, std::string& problem)
        : sockets_(host.application()), plan_(plan), problem_(problem), piece_(kPiece) {
        epoll_ = static_cast<int>(sockets_.make_epoll());
        due_ = World::kStart;
    }
    [[nodiscard]] Instant due() const override { return due_; }

    void run(Instant now) override {
        due_ = kNever;
        for (std::size_t i = 0; i < plan_.flows.size(); ++i) {
            const Instant start = World::kStart + plan_.flows[i].start;
            if (i < opened_) continue;
            if (start > now) {
                due_ = start;
                break;
            }
            open(i);
            opened_ = i + 1;
        }
        std::array<socket::EpollEvent, 16> events;
        long count = 0;
        while ((count = sockets_.wait(epoll_, events, 0)) > 0) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
                fill(static_cast<int>(events[i].data));
        }
    }

  private:
    void open(std::size_t number) {
        const int fd = static_cast<int>(sockets_.make(Blocking::never_blocks));
        const auto port = static_cast<std::uint16_t>(kFirstPort + number);
        const std::string& name = plan_.flows[number].congestion;
        const long chosen =
            sockets_.set_option(fd, IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span(name)));
        if (chosen != 0) problem_ = "no congestion control " + name;
        static_cast<void>(sockets_.bind(fd, {kSenderAddress, port}));
        const long answer = sockets_.connect(fd, {kReceiverAddress, kPort});
        if (answer != 0 && answer != -EINPROGRESS)
            problem_ = "connect answered " + std::to_string(answer);
        static_cast<void>(sockets_.watch(
            epoll_, EpollOperation::add, fd,
            {.events = EpollBits::out | EpollBits::edge, .data = static_cast<std::uint64_t>(fd)}));
    }
    void fill(int fd) {
        long answer = 0;
        while ((answer = sockets_.send(fd, piece_, MSG_NOSIGNAL)) > 0) {
        }
        if (answer != -EAGAIN) problem_ = "write answered " + std::to_string(answer);
    }

    Sockets sockets_;
    const BulkPlan& plan_;
    std::string& problem_;
    std::vector<std::byte> piece_;
    int epoll_ = -1;
    std::size_t opened_ = 0;
    Instant due_ = kNever;
};

// Reads whatever comes, and counts it by flow.
class Receiver final : public Program {
  public:
    Receiver(Host& host, std::size_t flows)
        : sockets_(host.application()), bytes_(flows), piece_(kPiece) {
        epoll_ = static_cast<int>(sockets_.make_epoll());
        listener_ = static_cast<int>(sockets_.make(Blocking::never_blocks));
        static_cast<void>(sockets_.bind(listener_, {wire::IpAddress::v4(0), kPort}));
        static_cast<void>(sockets_.listen(listener_, 64));
        watch(listener_);
    }
    [[nodiscard]] Instant due() const override { return kNever; }
    [[nodiscard]] const std::vector<std::uint64_t>& bytes() const { return bytes_; }

    void run(Instant) override {
        std::array<socket::EpollEvent, 16> events;
        long count = 0;
        while ((count = sockets_.wait(epoll_, events, 0)) > 0) {
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
                const int fd = static_cast<int>(events[i].data);
                if (fd == listener_) {
                    accept_all();
                } else {
                    empty(fd);
                }
            }
        }
    }

  private:
    void watch(int fd) {
        static_cast<void>(
            sockets_.watch(epoll_, EpollOperation::add, fd,
                           {.events = EpollBits::in, .data = static_cast<std::uint64_t>(fd)}));
    }
    void accept_all() {
        wire::Endpoint peer;
        long fd = 0;
        while ((fd = sockets_.accept(listener_, peer)) >= 0) {
            sockets_.set_blocking(static_cast<int>(fd), Blocking::never_blocks);
            flow_of_[static_cast<int>(fd)] = peer.port - kFirstPort;
            watch(static_cast<int>(fd));
        }
    }
    void empty(int fd) {
        long answer = 0;
        std::uint64_t& bytes = bytes_[flow_of_[fd]];
        while ((answer = sockets_.receive(fd, piece_, 0)) > 0)
            bytes += static_cast<std::uint64_t>(answer);
    }

    Sockets sockets_;
    std::vector<std::uint64_t> bytes_;
    std::map<int, std::size_t> flow_of_;
    std::vector<std::byte> piece_;
    int epoll_ = -1;
    int listener_ = -1;
};

DirectionPlan direction(const BulkPlan& plan, Side from) {
    DirectionPlan way;
    io::Faults& faults = way.faults;
    faults.delay = nanoseconds(plan.round_trip.ns / 2);
    faults.rate_bits_per_second = plan.rate_bits_per_second;
    faults.seed = plan.seed * 2 + index(from);
    const double product = static_cast<double>(plan.rate_bits_per_second) / 8e9 *
                           static_cast<double>(plan.round_trip.ns);
    // Ten packets at least, or nothing could be sent in a burst.
    faults.queue_bytes = std::max<std::uint64_t>(
        static_cast<std::uint64_t>(std::llround(product * plan.queue)), 10 * kMtu);
    if (from == Side::a) {
        faults.loss_ppm = plan.loss_ppm;
        faults.mark_bytes = static_cast<std::uint64_t>(std::llround(product * plan.mark));
    } else {
        faults.queue_bytes = 100'000'000;  // acknowledgements have room
    }
    return way;
}

class Experiment {
  public:
    explicit Experiment(const BulkPlan& plan)
        : plan_(plan),
          wire_(world_, io::Layer::ip, direction(plan, Side::a), direction(plan, Side::b)) {
        for (const Side side : {Side::a, Side::b}) {
            hosts_[index(side)] =
                std::make_unique<Host>(world_, findings_, host_config(plan, side),
                                       [this, side](std::span<const std::byte> frame, Instant now) {
                                           wire_.send(side, frame, now);
                                       });
            wire_.attach(side, hosts_[index(side)]->port());
        }
        receiver_ = std::make_unique<Receiver>(*hosts_[1], plan.flows.size());
        hosts_[1]->set_program(receiver_.get());
        sender_ = std::make_unique<Sender>(*hosts_[0], plan, result_.problem);
        hosts_[0]->set_program(sender_.get());
    }

    BulkResult run() {
        run_until(World::kStart + plan_.warm_up);
        const std::vector<std::uint64_t> before = receiver_->bytes();
        const Counters counted = hosts_[0]->core().counters();
        double waited_ms = 0;
        int looks = 0;
        const Instant end = World::kStart + plan_.warm_up + plan_.measured;
        for (Instant at = world_.now(); at < end && result_.problem.empty(); ++looks) {
            waited_ms += static_cast<double>(wire_.queueing(Side::a).ns) / 1e6;
            at = at + kLookEvery;
            run_until(at);
        }
        result_.queue_ms = waited_ms / std::max(looks, 1);
        const Counters& now = hosts_[0]->core().counters();
        const auto sent = static_cast<double>(now.segments_out - counted.segments_out);
        result_.resent =
            static_cast<double>(now.segments_retransmitted - counted.segments_retransmitted) /
            std::max(sent, 1.0);
        result_.timeouts = now.retransmission_timeouts - counted.retransmission_timeouts;
        account(before);
        if (!findings_.none()) result_.problem = findings_.texts().front();
        return result_;
    }

  private:
    void run_until(Instant when) {
        while (world_.advance(when)) {
        }
    }
    void account(const std::vector<std::uint64_t>& before) {
        const double seconds = static_cast<double>(plan_.measured.ns) / 1e9;
        double sum = 0;
        double squares = 0;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const auto bytes = static_cast<double>(receiver_->bytes()[i] - before[i]);
            const double rate = bytes * 8 / seconds;
            result_.bits_per_second.push_back(rate);
            sum += rate;
            squares += rate * rate;
        }
        const double possible = static_cast<double>(plan_.rate_bits_per_second) * kPayload / kMtu;
        result_.utilisation = sum / possible;
        const auto flows = static_cast<double>(before.size());
        result_.fairness = squares == 0 ? 0 : sum * sum / (flows * squares);
    }

    const BulkPlan& plan_;
    Findings findings_;
    World world_;
    Wire wire_;
    BulkResult result_;
    std::array<std::unique_ptr<Host>, 2> hosts_;
    std::unique_ptr<Receiver> receiver_;
    std::unique_ptr<Sender> sender_;
};

}  // namespace

BulkResult run_bulk(const BulkPlan& plan) { return Experiment(plan).run(); }

}  // namespace mtcp::sim
