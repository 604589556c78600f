// SPDX-License-Identifier: Apache-2.0
// A host in the simulator, or one core of it: the core, its device, the application side, and a
// program on top. It is driven as in inline mode: one thread, a turn whenever there is reason for
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "sim/findings.h"
#include "sim/frame_port.h"
#include "sim/sabotage.h"
#include "sim/world.h"
#include "socket/application.h"
#include "stack/core.h"

namespace mtcp::sim {

inline constexpr int kBacklog = 64;

// What listens on a host.
struct ServicePlan {
    int backlog = kBacklog;
    std::uint32_t defer_accept_s = 0;
    // Until the faults end, it closes so often, and opens again after the pause; 0: never.
    Duration closes_every{};
    Duration pause{};
    std::size_t one_core = SIZE_MAX;  // that alone does so; SIZE_MAX: each core does
};

struct HostConfig {
    std::string name = "host";
    wire::IpAddress address;
    int prefix_length = 24;
    io::MacAddress mac;
    wire::IpAddress gateway;  // unspecified: only the network of `address` is reachable
    stack::StackConfiguration stack;
    PortConfig port;
    ServicePlan service;
    Duration program_delay{};  // the program sees events that much later: a busy application
    Sabotage sabotage = Sabotage::none;
    std::uint64_t seed = 1;
    std::size_t cores = 1;  // see machine.h

    // Whether a SYN may be answered with a cookie: always, or because few records are soon full.
    [[nodiscard]] bool may_send_cookies() const {
        using Cookies = tcp::Configuration::Cookies;
        constexpr std::uint32_t kAmple = 64;
        const Cookies cookies = stack.tcp.syn_cookies;
        return cookies == Cookies::always ||
               (cookies == Cookies::when_full &&
                (stack.half_open_max < kAmple || service.backlog < kBacklog));
    }
};

// The program on a host: it is called when the stack posted events, or when it asked to be; it
// never blocks.
class Program {
  public:
    Program() = default;
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    virtual ~Program() = default;
    virtual void run(Instant now) = 0;
    [[nodiscard]] virtual Instant due() const = 0;
};

class Host final : public Actor, public socket::Driver {
  public:
    Host(World& world, Findings& findings, const HostConfig& config, FramePort::Sink sink,
         stack::CoreLinks links = {});

    [[nodiscard]] const std::string& name() const { return config_.name; }
    [[nodiscard]] stack::Core& core() { return *core_; }
    [[nodiscard]] const stack::Core& core() const { return *core_; }
    [[nodiscard]] FramePort& port() { return *port_; }
    // Everything the host knew is gone. The program must be gone before, and the port is another
    // one.
    void power_off();
    void power_on_again(stack::CoreLinks links);
    // Frames the wire gave to this host and its predecessors.
    [[nodiscard]] std::uint64_t frames_delivered() const {
        return delivered_before_ + port_->frames_delivered();
    }
    [[nodiscard]] socket::Application& application() { return *application_; }
    // Another core of this host has put something into its ring.
    void hand_off_waits() { kicked_ = kicked_ || has_handoffs(); }
    void set_program(Program* program) { program_ = program; }
    // The stack wants a turn at this time (kNever: unless something arrives).
    [[nodiscard]] Instant stack_deadline() const { return next_turn_; }
    // Who waits when a call blocks; without one no call may.
    using Waiter = std::function<Wake(Instant deadline)>;
    void set_waiter(Waiter waiter) { waiter_ = std::move(waiter); }
    [[nodiscard]] bool has_events() { return !core_->channel().events.empty(); }

    // Actor
    [[nodiscard]] Instant due() const override;
    void step(Instant now) override;

    // Driver
    void run_stack() override { turn(); }
    void kick() override { kicked_ = true; }
    Wake wait(Instant deadline) override;
    [[nodiscard]] Instant now() override { return world_.now(); }
    [[nodiscard]] std::int64_t time_of_day(Instant when) override { return when.ns; }
    int event_descriptor() override { return -1; }

  private:
    void power_on(stack::CoreLinks links);
    void turn();
    [[nodiscard]] bool has_handoffs() const {
        return config_.sabotage != Sabotage::deaf_cores && core_->has_handoffs();
    }
    [[nodiscard]] bool program_wanted() const;
    [[nodiscard]] bool turn_wanted(Instant now);

    World& world_;
    Findings& findings_;
    HostConfig config_;
    FramePort::Sink sink_;
    std::unique_ptr<FramePort> port_;
    std::uint64_t delivered_before_ = 0;
    Counters counters_;
    std::unique_ptr<stack::Core> core_;
    std::unique_ptr<socket::Application> application_;
    Program* program_ = nullptr;
    Waiter waiter_;
    Instant next_turn_ = World::kStart;
    Instant program_at_ = World::kStart;
    bool kicked_ = false;
};

}  // namespace mtcp::sim
