// SPDX-License-Identifier: Apache-2.0
// Serving, connecting, and handing out events.
#include "sim/peer_program.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>

#include "sim/resettle.h"
#include "socket/ready_list.h"

namespace mtcp::sim {

using socket::EpollBits;
using socket::EpollOperation;

namespace {

constexpr std::uint64_t kServiceMark = UINT64_MAX;

}  // namespace

PeerProgram::PeerProgram(Host& host, const Place& place, const WorldPlan& plan, Findings& findings)
    : host_(host),
      side_(place.side),
      core_(place.core),
      plan_(plan),
      findings_(findings),
      sockets_(host.application()) {
    const std::size_t cores = plan.hosts[index(side_)].cores;
    for (const SessionPlan& session : plan.sessions) {
        const bool meets = session.target == Target::each_other;
        const bool ours = session.client == side_ || (meets && session.server == side_);
        if (!ours || session.id % cores != place.core) continue;
        if (place.from.ns == 0 || session.start > place.from) waiting_.push_back(&session);
    }
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [](const auto* a, const auto* b) { return a->start > b->start; });
}

void PeerProgram::open_service() {
    const ServicePlan& plan = plan_.hosts[index(side_)].service;
    service_ = static_cast<int>(sockets_.make(Blocking::never_blocks));
    long answer = sockets_.bind(service_, {wire::IpAddress::v4(0), kService});
    if (answer == 0 && plan.defer_accept_s != 0) {
        answer = set_number(sockets_, service_, IPPROTO_TCP, TCP_DEFER_ACCEPT, plan.defer_accept_s);
    }
    if (answer == 0) answer = sockets_.listen(service_, plan.backlog);
    if (answer != 0) findings_.add("api", host_.name() + ": no service, " + std::to_string(answer));
    watch_service(EpollOperation::add);
}

// The service closes, with whoever waits in its queue, and opens again.
void PeerProgram::turn_service(Instant now) {
    const ServicePlan& plan = plan_.hosts[index(side_)].service;
    if (service_ < 0) {
        open_service();
        const Instant closes = now + plan.closes_every;
        const bool other = plan.one_core != SIZE_MAX && plan.one_core != core_;
        const bool stays =
            plan.closes_every.ns == 0 || other || closes >= World::kStart + plan_.faults_end;
        service_turns_at_ = stays ? kNever : closes;
        return;
    }
    static_cast<void>(sockets_.close(service_));
    service_ = -1;
    accept_at_ = kNever;
    service_turns_at_ = now + plan.pause;
}

void PeerProgram::watch_service(EpollOperation operation) {
    const long answer = sockets_.watch(epoll_, operation, service_,
                                       {.events = EpollBits::in, .data = kServiceMark});
    if (answer != 0) findings_.add("api", host_.name() + ": watch " + std::to_string(answer));
}

void PeerProgram::run(Instant now) {
    if (epoll_ < 0) {
        epoll_ = static_cast<int>(sockets_.make_epoll());
        turn_service(now);
    }
    if (now >= service_turns_at_) turn_service(now);
    if (now >= accept_at_) {
        accept_at_ = kNever;
        watch_service(EpollOperation::add);
    }
    start_due(now);
    pump_due(now);
    take_events(now);
    sweep();
    due_ = waiting_.empty() ? kNever : World::kStart + waiting_.back()->start;
    due_ = earlier(due_, service_turns_at_);
    for (const auto& [fd, watched] : endpoints_)
        due_ = earlier(due_, watched.endpoint->due());
}

void PeerProgram::start_due(Instant now) {
    while (!waiting_.empty() && World::kStart + waiting_.back()->start <= now) {
        const SessionPlan& session = *waiting_.back();
        waiting_.pop_back();
        start(session, now);
    }
}

void PeerProgram::start(const SessionPlan& session, Instant now) {
    const bool meets = session.target == Target::each_other;
    const Role role = meets && session.client != side_ ? Role::server : Role::client;
    const Side to = role == Role::server ? session.client : session.server;
    wire::Endpoint remote{plan_.hosts[index(to)].address, kService};
    const long fd = sockets_.make(Blocking::never_blocks);
    if (fd < 0) {
        if (!session.may_fail)
            findings_.add("api", host_.name() + ": socket " + std::to_string(fd));
        return;
    }
    long answer = 0;
    if (meets) {
        remote.port = static_cast<std::uint16_t>(kMeetingPort + session.id);
        answer =
            sockets_.bind(static_cast<int>(fd), {plan_.hosts[index(side_)].address, remote.port});
    } else if (session.target == Target::closed_port) {
        remote.port = kClosedPort;
    }
    auto endpoint = std::make_unique<Endpoint>(sockets_, findings_, plan_.sessions,
                                               static_cast<int>(fd), role, &session);
    if (answer == 0 && session.fast_open) {
        answer = sockets_.send_to(static_cast<int>(fd), remote, endpoint->opening_bytes(),
                                  MSG_FASTOPEN | MSG_NOSIGNAL);
        if (answer > 0) endpoint->opened_with(static_cast<std::uint64_t>(answer));
    } else if (answer == 0) {
        answer = sockets_.connect(static_cast<int>(fd), remote);
    }
    if (answer < 0 && answer != -EINPROGRESS) {
        if (!session.may_fail)
            findings_.add("api", host_.name() + ": connect " + std::to_string(answer));
        static_cast<void>(sockets_.close(static_cast<int>(fd)));
        return;
    }
    add(std::move(endpoint), now);
}

void PeerProgram::add(std::unique_ptr<Endpoint> endpoint, Instant now) {
    const int fd = endpoint->fd();
    Watched& watched = endpoints_[fd];
    watched.endpoint = std::move(endpoint);
    watched.registered = false;
    // What came together with the connection is there already.
    if (watched.endpoint->plan() == nullptr) watched.endpoint->pump(0, now);
    after_pump(*watched.endpoint);
}

void PeerProgram::watch(Endpoint& endpoint, EpollOperation operation) {
    Watched& watched = endpoints_[endpoint.fd()];
    const bool edge = plan_.triggering == Triggering::edge;
    const std::uint32_t bits =
        edge ? EpollBits::in | EpollBits::out | EpollBits::read_hup | EpollBits::edge
             : endpoint.wanted();
    if (operation == EpollOperation::modify && bits == watched.bits) return;
    watched.bits = bits;
    const long answer =
        sockets_.watch(epoll_, operation, endpoint.fd(),
                       {.events = bits, .data = static_cast<std::uint64_t>(endpoint.fd())});
    if (answer != 0)
        findings_.add("api", endpoint.text() + ": epoll_ctl " + std::to_string(answer));
}

void PeerProgram::after_pump(Endpoint& endpoint) {
    if (endpoint.result() != Result::running) return;
    Watched& watched = endpoints_[endpoint.fd()];
    if (!endpoint.wants_events()) {
        if (watched.registered) watch(endpoint, EpollOperation::remove);
        watched.registered = false;
        return;
    }
    watch(endpoint, watched.registered ? EpollOperation::modify : EpollOperation::add);
    watched.registered = true;
}

void PeerProgram::accept_all(Instant now) {
    for (bool first = true;; first = false) {
        wire::Endpoint peer;
        const long fd = sockets_.accept(service_, peer);
        if (fd == -EAGAIN && first) {
            findings_.add("epoll truth",
                          host_.name() + ": IN on the service, and nothing to accept");
        }
        if (fd == -EAGAIN) return;
        if (fd < 0) {  // no descriptor left: look again when one may be free, not all the time
            accept_at_ = now + milliseconds(10);
            watch_service(EpollOperation::remove);
            return;
        }
        sockets_.set_blocking(static_cast<int>(fd), Blocking::never_blocks);
        add(std::make_unique<Endpoint>(sockets_, findings_, plan_.sessions, static_cast<int>(fd),
                                       Role::server, nullptr),
            now);
    }
}

void PeerProgram::pump_due(Instant now) {
    for (auto& [fd, watched] : endpoints_) {
        if (watched.endpoint->due() > now) continue;
        watched.endpoint->pump(0, now);
        after_pump(*watched.endpoint);
    }
}

void PeerProgram::take_events(Instant now) {
    std::array<socket::EpollEvent, 16> events;
    for (int rounds = 0; rounds < 1000; ++rounds) {
        const long count = sockets_.wait(epoll_, events, 0);
        if (count < 0) findings_.add("api", host_.name() + ": epoll_wait " + std::to_string(count));
        if (count <= 0) return;
        for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
            if (events[i].data == kServiceMark) {
                accept_all(now);
                continue;
            }
            const auto found = endpoints_.find(static_cast<int>(events[i].data));
            if (found == endpoints_.end() || found->second.endpoint->result() != Result::running) {
                findings_.add("epoll truth", host_.name() + ": event for a closed descriptor");
                continue;
            }
            // Edge triggering tells what changed; only level triggering promises what is.
            const bool level = plan_.triggering == Triggering::level;
            std::uint32_t bits = level ? events[i].events : 0;
            if (plan_.sabotage == Sabotage::lying_epoll) bits |= EpollBits::in;
            found->second.endpoint->pump(bits, now);
            after_pump(*found->second.endpoint);
        }
        sweep();
    }
    findings_.add("epoll truth", host_.name() + ": events without end at one instant");
}

void PeerProgram::sweep() {
    for (auto at = endpoints_.begin(); at != endpoints_.end();) {
        const bool ended = at->second.endpoint->result() != Result::running;
        if (ended) {
            ++finished_;
            const SessionPlan* session = at->second.endpoint->plan();
            const bool refused =
                session != nullptr && session->target == Target::closed_port && !session->may_fail;
            if (refused && at->second.endpoint->error() != ECONNREFUSED) {
                findings_.add("api", at->second.endpoint->text() + ": a closed port, but error " +
                                         std::to_string(at->second.endpoint->error()));
            }
        }
        at = ended ? endpoints_.erase(at) : std::next(at);
    }
}

bool PeerProgram::idle() const { return waiting_.empty() && endpoints_.empty(); }

void PeerProgram::shut_down() {
    if (service_ >= 0) static_cast<void>(sockets_.close(service_));
    if (plan_.sabotage != Sabotage::leaked_descriptor) static_cast<void>(sockets_.close(epoll_));
    host_.set_program(nullptr);
}

std::vector<std::string> PeerProgram::unfinished() const {
    std::vector<std::string> list;
    for (const auto& [fd, watched] : endpoints_) {
        list.push_back(host_.name() + ": " + watched.endpoint->text());
    }
    return list;
}

}  // namespace mtcp::sim
