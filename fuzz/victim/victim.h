// SPDX-License-Identifier: Apache-2.0
// A whole core under attack, in virtual time: one in-memory wire to an attacker who writes raw
// packets, and, if wanted, another to an honest host whose connections must not suffer. The tests
// of tests/hostile and the fuzzers work on it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fuzz/victim/packet.h"
#include "io/link/link.h"
#include "sim/sockets.h"
#include "socket/application.h"
#include "stack/core.h"

namespace mtcp::victim {

inline const wire::IpAddress kVictim = wire::IpAddress::v4(0x0a000001);        // 10.0.0.1
inline const wire::IpAddress kAttacker = wire::IpAddress::v4(0x0a000042);      // 10.0.0.66
inline const wire::IpAddress kVictimInside = wire::IpAddress::v4(0x0a010001);  // 10.1.0.1
inline const wire::IpAddress kHonest = wire::IpAddress::v4(0x0a010002);        // 10.1.0.2

enum class HonestHost : std::uint8_t { absent, present };

struct VictimSetup {
    stack::StackConfiguration stack = small_stack();
    HonestHost honest_host = HonestHost::present;
    std::uint32_t mtu = 1500;
    std::uint32_t wire_frames = 2048;  // each way
    std::uint32_t wire_ring = 4096;    // of them at most on the wire
    std::uint64_t seed = 1;

    static stack::StackConfiguration small_stack();
};

// A core, its application side, and who runs it.
class Machine final : public socket::Driver {
  public:
    struct Wire {
        io::Queue* queue;
        const char* name;
        wire::IpAddress address;
    };
    Machine(const stack::StackConfiguration& stack, std::span<const Wire> wires, std::uint64_t seed,
            Instant now);

    stack::Core& core() { return *core_; }
    socket::Application& application() { return *application_; }
    sim::Sockets& sockets() { return *sockets_; }
    Counters& counters() { return counters_; }
    void set_clock(Instant now) { now_ = now; }
    stack::TurnResult turn() { return core_->turn(now_); }
    // Who makes time pass while a call of the application waits.
    std::function<Wake(Instant deadline)> waiter;

    // Driver
    void run_stack() override { static_cast<void>(turn()); }
    void kick() override {}
    Wake wait(Instant deadline) override { return waiter(deadline); }
    [[nodiscard]] Instant now() override { return now_; }
    int event_descriptor() override { return -1; }

  private:
    Instant now_;
    Counters counters_;
    std::unique_ptr<stack::Core> core_;
    std::unique_ptr<socket::Application> application_;
    std::unique_ptr<sim::Sockets> sockets_;
};

class Victim {
  public:
    explicit Victim(const VictimSetup& setup);
    ~Victim();

    [[nodiscard]] Instant now() const { return now_; }
    Machine& machine() { return *victim_; }
    Machine& honest() { return *honest_; }
    [[nodiscard]] bool has_honest() const { return honest_ != nullptr; }
    stack::Core& core() { return victim_->core(); }
    sim::Sockets& sockets() { return victim_->sockets(); }
    Counters& counters() { return victim_->counters(); }
    [[nodiscard]] std::uint64_t drops(Drop reason) { return counters().drops(reason); }

    // Turns of all until nobody has anything to do at this instant.
    void settle();
    void run_for(Duration span);
    // Runs until `done`, for `limit` at most; false when the limit came first.
    bool run_until(const std::function<bool()>& done, Duration limit);
    // When the victim wants to run next, as of its last turn.
    [[nodiscard]] Instant deadline() const { return deadline_; }

    // The attacker's side. What is injected lies on the wire until somebody runs.
    void inject(std::span<const std::byte> packet);
    // What the victim sent since the last call. Packets that are no TCP are in `other`.
    std::vector<Heard> take_heard();
    std::vector<Bytes> take_other();
    void set_listener(std::function<void(const Heard&)> listener) {
        listener_ = std::move(listener);
    }
    // Packets the victim sent to the attacker's wire, ever.
    [[nodiscard]] std::uint64_t packets_heard() const { return packets_heard_; }
    // What is heard is counted and shown to the listener but not kept (floods).
    void keep_nothing() { keeps_ = false; }

    // Ends what the application holds, lets all time-outs pass, and looks for what is left.
    void check_nothing_left();

  private:
    void collect();
    socket::Driver::Wake wait(Machine& who, Instant deadline);
    void set_clocks();

    Instant now_{1'000'000'000'000};
    io::LinkPair outside_;
    io::LinkPair inside_;
    std::unique_ptr<Machine> victim_;
    std::unique_ptr<Machine> honest_;
    io::LinkEnd* attacker_ = nullptr;
    Instant deadline_;
    Instant honest_deadline_ = kNever;
    std::vector<Heard> heard_;
    std::vector<Bytes> other_;
    std::function<void(const Heard&)> listener_;
    std::uint64_t packets_heard_ = 0;
    bool keeps_ = true;
};

}  // namespace mtcp::victim
