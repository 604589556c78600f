// SPDX-License-Identifier: Apache-2.0
// Runs a script against a whole stack in virtual time: packets go through a raw IP device, calls
// through the application side of a core. A call that blocks lets the script's packets go on
// meanwhile, as packetdrill does.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/host.h"
#include "tests/ladder/calls.h"
#include "tests/ladder/configuration.h"
#include "tests/ladder/packet_codec.h"
#include "tests/ladder/script.h"

namespace mtcp::ladder {

struct Outcome {
    bool passed = false;
    std::string report;  // of a failure: where, why, and the ladder so far
};

// When the stack runs between the calls of a script.
enum class CallTiming : std::uint8_t {
    each_settles,  // after every call until it has nothing left to do
    in_one_turn    // calls that follow each other at once go into one turn, as in an event loop
};

// `folder`: where the commands of the script find their files.
[[nodiscard]] Outcome run_ladder(std::string_view text, const std::string& folder,
                                 CallTiming timing = CallTiming::each_settles);

class Interpreter final : public CallWorld {
  public:
    Interpreter(const Script& script, std::string_view text,
                const LadderConfiguration& configuration, CallTiming timing);
    [[nodiscard]] Outcome run();

    // CallWorld
    [[nodiscard]] sim::Sockets& sockets() override { return sockets_; }
    void on_written(int fd, std::span<const std::byte> bytes) override;
    void on_open(int fd) override;

  private:
    struct Rung {  // a line of the report
        Instant when;
        std::string expected;
        std::string actual;
    };

    void execute(const Step& step);
    void inject(const Step& step, const PacketStep& packet);
    void expect(const Step& step, const PacketStep& packet);
    void compare(const Step& step, const PacketStep& packet, SeenPacket seen);
    void call(const Step& step, const CallStep& call);
    void check_time(const Step& step, Instant when, std::string_view what);
    [[nodiscard]] socket::Driver::Wake wait(Instant deadline);
    [[nodiscard]] bool pass_time_in_wait(Instant deadline);

    [[nodiscard]] Instant begin_of(const Step& step) const;
    [[nodiscard]] Instant end_of(const Step& step) const;
    void advance_to(Instant when);
    void settle() { advance_to(world_.now()); }
    void settle_unless_more_calls();
    [[nodiscard]] bool wait_for_packet(Instant latest);
    void join_fragments(const TcpSpec& expected, SeenPacket& seen);
    [[nodiscard]] std::string difference(const PacketStep& packet, const TcpSpec& expected,
                                         const SeenPacket& seen, const Flow& flow) const;
    [[nodiscard]] std::string wrong_payload(const SeenPacket& seen, const Flow& flow) const;

    [[nodiscard]] Flow& flow_of(std::uint16_t local_port, std::uint16_t remote_port);
    [[nodiscard]] Flow& flow_for(const PacketStep& packet);

    void fail(int line, const std::string& why);
    void note(const Step& step, std::string actual);
    [[nodiscard]] std::string source(int line) const;
    [[nodiscard]] std::string ladder() const;

    const Script& script_;
    std::vector<std::string> lines_;
    LadderConfiguration configuration_;
    CallTiming timing_;
    sim::Findings findings_;
    sim::World world_;
    sim::Host host_;
    sim::Sockets sockets_;
    Calls calls_;

    std::size_t next_ = 0;
    Instant base_ = sim::World::kStart;  // what the next relative time counts from
    std::deque<SeenPacket> seen_;
    std::list<Flow> flows_;
    Flow* current_ = nullptr;  // of packets without ports
    bool failed_ = false;
    std::string why_;
    std::vector<Rung> rungs_;
};

}  // namespace mtcp::ladder
