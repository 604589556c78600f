// SPDX-License-Identifier: Apache-2.0
// Steps of a script one after another; what to do while a call blocks.
#include "tests/ladder/interpreter.h"

#include <sstream>
#include <utility>

namespace mtcp::ladder {
namespace {

sim::HostConfig host_configuration(const LadderConfiguration& configuration) {
    sim::HostConfig host;
    host.name = "stack";
    host.address = kLocalAddress;
    host.prefix_length = 16;
    host.gateway = kGateway;
    host.stack = configuration.stack;
    host.stack.drive = stack::Drive::run_inline;
    host.stack.huge_pages = false;
    host.stack.max_concurrency = 256;
    host.stack.half_open_max = std::min<std::uint32_t>(host.stack.half_open_max, 256);
    host.stack.time_wait_max = 64;
    host.stack.chunks.count = {4096, 2048, 64};
    host.port.layer = io::Layer::ip;
    host.seed = 42;
    return host;
}

}  // namespace

Interpreter::Interpreter(const Script& script, std::string_view text,
                         const LadderConfiguration& configuration, CallTiming timing)
    : script_(script),
      configuration_(configuration),
      timing_(timing),
      host_(world_, findings_, host_configuration(configuration),
            [this](std::span<const std::byte> frame, Instant now) {
                seen_.push_back(decode(frame, now));
            }),
      sockets_(host_.application()),
      calls_(*this) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);)
        lines_.push_back(line);
    host_.set_waiter([this](Instant deadline) { return wait(deadline); });
    settle();
}

Outcome Interpreter::run() {
    while (next_ < script_.steps.size() && !failed_) {
        const Step& step = script_.steps[next_++];
        execute(step);
    }
    if (!failed_) {
        settle();
        if (!seen_.empty() && !script_.steps.empty()) {
            const SeenPacket& extra = seen_.front();
            TcpSpec tcp = extra.tcp;
            to_script_numbers(tcp, flow_of(extra.source_port, extra.destination_port));
            fail(script_.steps.back().line, "nobody expected " + to_text(tcp));
        }
        for (const std::string& finding : findings_.texts()) {
            fail(script_.steps.empty() ? 0 : script_.steps.back().line, finding);
        }
    }
    Outcome outcome{.passed = !failed_};
    if (failed_) outcome.report = why_ + "\n" + ladder();
    return outcome;
}

// --- time
// -----------------------------------------------------------------------------------------

Instant Interpreter::begin_of(const Step& step) const {
    using Kind = StepTime::Kind;
    const bool absolute =
        step.time.kind == Kind::absolute || step.time.kind == Kind::absolute_range;
    return (absolute ? sim::World::kStart : base_) + step.time.begin;
}

Instant Interpreter::end_of(const Step& step) const {
    if (step.time.kind == StepTime::Kind::any) return kNever;
    return begin_of(step) + (step.time.end - step.time.begin);
}

void Interpreter::advance_to(Instant when) {
    while (world_.advance(when)) {
    }
}

void Interpreter::settle_unless_more_calls() {
    const bool more = timing_ == CallTiming::in_one_turn && next_ < script_.steps.size() &&
                      std::holds_alternative<CallStep>(script_.steps[next_].action) &&
                      begin_of(script_.steps[next_]) <= world_.now();
    if (!more) settle();
}

void Interpreter::execute(const Step& step) {
    const auto* packet = std::get_if<PacketStep>(&step.action);
    if (packet != nullptr && packet->direction == Direction::from_stack) {
        expect(step, *packet);
        base_ = world_.now();
        return;
    }
    if (timing_ == CallTiming::each_settles || begin_of(step) > world_.now()) {
        advance_to(begin_of(step));
    }
    if (packet != nullptr) {
        base_ = world_.now();
        inject(step, *packet);
    } else if (const auto* called = std::get_if<CallStep>(&step.action); called != nullptr) {
        // A call that blocks moves base_ on with the packets that pass meanwhile: its own end is
        // reckoned before.
        const Instant end =
            called->end ? begin_of(step) + (*called->end - step.time.begin) : world_.now();
        base_ = world_.now();
        call(step, *called);
        if (!failed_) check_time(step, end, "the call returned");
    } else {
        base_ = world_.now();
        if (const auto* code = std::get_if<CodeStep>(&step.action); code != nullptr) {
            const std::string complaint = calls_.check_code(code->text);
            if (!complaint.empty()) fail(step.line, complaint);
        }
    }
}

// `when` is the moment the script names; now is when it happened.
void Interpreter::check_time(const Step& step, Instant when, std::string_view what) {
    const Duration off = world_.now() - when;
    if (off <= configuration_.late && off >= Duration{} - configuration_.early) return;
    std::ostringstream text;
    text << what << " at " << static_cast<double>((world_.now() - sim::World::kStart).ns) / 1e9
         << " s, not at " << static_cast<double>((when - sim::World::kStart).ns) / 1e9 << " s";
    fail(step.line, text.str());
}

// --- calls
// ----------------------------------------------------------------------------------------

void Interpreter::call(const Step& step, const CallStep& call) {
    const std::size_t rung = rungs_.size();
    rungs_.push_back({world_.now(), source(step.line), ""});
    const std::string complaint = calls_.run(call);
    settle_unless_more_calls();
    rungs_[rung].actual = complaint.empty() ? "ok" : complaint;
    if (!complaint.empty() && !failed_) fail(step.line, complaint);
}

void Interpreter::on_open(int fd) {
    wire::Endpoint local;
    wire::Endpoint peer;
    if (sockets_.local_name(fd, local) == 0 && sockets_.peer_name(fd, peer) == 0) {
        static_cast<void>(flow_of(local.port, peer.port));
    }
}

void Interpreter::on_written(int fd, std::span<const std::byte> bytes) {
    wire::Endpoint local;
    wire::Endpoint peer;
    if (sockets_.local_name(fd, local) != 0) return;
    // Bytes that went with the SYN: the peer has no name yet.
    if (sockets_.peer_name(fd, peer) != 0) peer = {kRemoteAddress, kServicePort};
    std::vector<std::byte>& written = flow_of(local.port, peer.port).written;
    written.insert(written.end(), bytes.begin(), bytes.end());
}

// The stack's driver, while a call of the script blocks: its packets go on.
socket::Driver::Wake Interpreter::wait(Instant deadline) {
    using Wake = socket::Driver::Wake;
    while (!failed_) {
        settle();
        if (host_.has_events()) return Wake::events;
        if (world_.now() >= deadline) return Wake::deadline;
        if (!pass_time_in_wait(deadline)) break;
    }
    return Wake::interrupted;
}

// One step of the script, or time until something happens. False: nothing ever will.
bool Interpreter::pass_time_in_wait(Instant deadline) {
    const bool more = next_ < script_.steps.size();
    const auto* packet = more ? std::get_if<PacketStep>(&script_.steps[next_].action) : nullptr;
    Instant limit = deadline;
    if (packet != nullptr) {
        const Step& step = script_.steps[next_];
        const bool outgoing = packet->direction == Direction::from_stack;
        const Instant latest = end_of(step) == kNever ? kNever : end_of(step) + configuration_.late;
        const bool ready =
            outgoing ? !seen_.empty() || world_.now() >= latest : world_.now() >= begin_of(step);
        if (ready) {
            ++next_;
            execute(step);
            return !failed_;
        }
        limit = earlier(deadline, outgoing ? latest : begin_of(step));
    }
    if (limit == kNever && world_.next() == kNever) {
        fail(more ? script_.steps[next_].line : script_.steps.back().line,
             "the call blocks for ever");
        return false;
    }
    world_.advance(earlier(limit, world_.next() == kNever ? limit : world_.next()));
    return true;
}

Outcome run_ladder(std::string_view text, const std::string& folder, CallTiming timing) {
    Script script;
    ScriptError error;
    if (!parse_script(text, script, error)) {
        return {.passed = false,
                .report = "line " + std::to_string(error.line) + ": " + error.what};
    }
    LadderConfiguration configuration;
    std::string complaint;
    if (!configure(script, folder, configuration, complaint)) {
        return {.passed = false, .report = complaint};
    }
    return Interpreter(script, text, configuration, timing).run();
}

}  // namespace mtcp::ladder
