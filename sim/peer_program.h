// SPDX-License-Identifier: Apache-2.0
// The program on a simulated host: a service and clients, over one epoll.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/endpoint.h"
#include "sim/findings.h"
#include "sim/host.h"
#include "sim/plan.h"
#include "sim/sockets.h"

namespace mtcp::sim {

inline constexpr std::uint16_t kService = 80;
inline constexpr std::uint16_t kClosedPort = 81;
// Both ends of session n that open simultaneously use port kMeetingPort + n.
inline constexpr std::uint16_t kMeetingPort = 2000;

class PeerProgram final : public Program {
  public:
    // Runs on one of the host's cores, with its share of the sessions. Those before `from` are none
    // of its business: they died with the program before it.
    struct Place {
        Side side = Side::a;
        std::size_t core = 0;
        Duration from{};
    };
    PeerProgram(Host& host, const Place& place, const WorldPlan& plan, Findings& findings);

    void run(Instant now) override;
    [[nodiscard]] Instant due() const override { return due_; }

    // All sessions of this host have begun and all its connections have ended.
    [[nodiscard]] bool idle() const;
    // The service's socket goes too; after that the host holds nothing.
    void shut_down();
    // Connections that still run, for the report of a world that does not end.
    [[nodiscard]] std::vector<std::string> unfinished() const;
    [[nodiscard]] std::uint32_t finished() const { return finished_; }
    // Calls `visit` for every connection that runs.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (const auto& entry : endpoints_)
            visit(*entry.second.endpoint);
    }

  private:
    void open_service();
    void turn_service(Instant now);
    void watch_service(socket::EpollOperation operation);
    void start(const SessionPlan& session, Instant now);
    void accept_all(Instant now);
    void add(std::unique_ptr<Endpoint> endpoint, Instant now);
    void after_pump(Endpoint& endpoint);
    void watch(Endpoint& endpoint, socket::EpollOperation operation);
    void start_due(Instant now);
    void pump_due(Instant now);
    void take_events(Instant now);
    void sweep();

    Host& host_;
    Side side_;
    std::size_t core_;
    const WorldPlan& plan_;
    Findings& findings_;
    Sockets sockets_;
    int epoll_ = -1;
    int service_ = -1;
    struct Watched {
        std::unique_ptr<Endpoint> endpoint;
        std::uint32_t bits = 0;
        bool registered = false;
    };
    std::map<int, Watched> endpoints_;         // by descriptor
    std::vector<const SessionPlan*> waiting_;  // not yet begun, soonest last
    Instant due_ = World::kStart;
    Instant accept_at_ = kNever;
    Instant service_turns_at_ = kNever;  // it closes, or opens again
    std::uint32_t finished_ = 0;
};

}  // namespace mtcp::sim
