// SPDX-License-Identifier: Apache-2.0
// The packet steps of a script: sending, expecting, comparing; and the report of a failure.
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "tests/ladder/interpreter.h"
#include "wire/segment.h"

namespace mtcp::ladder {
namespace {

constexpr std::uint16_t kFirstRemotePort = 40'001;

}  // namespace

// The connection between these ports; a new one becomes the one that packets without ports mean.
Flow& Interpreter::flow_of(std::uint16_t local_port, std::uint16_t remote_port) {
    for (Flow& flow : flows_) {
        if (flow.local_port == local_port && flow.remote_port == remote_port) return flow;
    }
    flows_.push_back({.local_port = local_port, .remote_port = remote_port});
    current_ = &flows_.back();
    return *current_;
}

Flow& Interpreter::flow_for(const PacketStep& packet) {
    if (packet.ports) {
        const bool in = packet.direction == Direction::to_stack;
        return flow_of(in ? packet.ports->destination : packet.ports->source,
                       in ? packet.ports->source : packet.ports->destination);
    }
    return current_ != nullptr ? *current_ : flow_of(kServicePort, kFirstRemotePort);
}

void Interpreter::inject(const Step& step, const PacketStep& packet) {
    note(step, "sent");
    host_.port().deliver(encode(packet, flow_for(packet)));
    if (timing_ == CallTiming::in_one_turn) {
        host_.run_stack();  // one turn; calls at the same instant come before the next
    }
    settle_unless_more_calls();
}

// --- expecting
// ------------------------------------------------------------------------------------

bool Interpreter::wait_for_packet(Instant latest) {
    settle();
    while (seen_.empty()) {
        const Instant next = world_.next();
        if (next == kNever || next > latest) {
            if (latest != kNever) advance_to(latest);
            break;
        }
        world_.advance(next);
    }
    return !seen_.empty();
}

void Interpreter::expect(const Step& step, const PacketStep& packet) {
    const Instant last = end_of(step);
    if (!wait_for_packet(last == kNever ? kNever : last + configuration_.late)) {
        note(step, "(nothing)");
        fail(step.line, "the stack sent nothing");
        return;
    }
    SeenPacket seen = std::move(seen_.front());
    seen_.pop_front();
    compare(step, packet, std::move(seen));
}

// A script names what a large-segment card would be given; our segments arrive cut.
void Interpreter::join_fragments(const TcpSpec& expected, SeenPacket& seen) {
    while (seen.tcp.payload < expected.payload && seen.tcp.payload != 0 && !seen_.empty()) {
        const SeenPacket& next = seen_.front();
        if (next.tcp.seq != seen.tcp.seq + seen.tcp.payload || next.tcp.payload == 0 ||
            next.when != seen.when || next.tcp.ack != seen.tcp.ack) {
            return;
        }
        seen.tcp.payload += next.tcp.payload;
        seen.tcp.flags |= next.tcp.flags;
        seen.payload.insert(seen.payload.end(), next.payload.begin(), next.payload.end());
        seen_.pop_front();
    }
}

void Interpreter::compare(const Step& step, const PacketStep& packet, SeenPacket seen) {
    if (!seen.broken.empty()) {
        note(step, seen.broken);
        fail(step.line, seen.broken);
        return;
    }
    const auto* expected = std::get_if<TcpSpec>(&packet.content);
    if (expected == nullptr) {
        fail(step.line, "only TCP packets can be expected");
        return;
    }
    join_fragments(*expected, seen);
    Flow& flow = flow_of(seen.source_port, seen.destination_port);
    to_script_numbers(seen.tcp, flow);
    for (std::size_t i = 0; i < std::min(seen.tcp.options.size(), expected->options.size()); ++i) {
        OptionSpec& option = seen.tcp.options[i];
        const OptionSpec& wanted = expected->options[i];
        if (option.kind != kOptionTimestamps || wanted.kind != kOptionTimestamps) continue;
        if (!flow.ts_known) {
            flow.ts_known = true;
            flow.ts_offset = option.value - wanted.value;
            option.value = wanted.value;
        }
        flow.ts_sent[wanted.value] = option.value + flow.ts_offset;
    }
    const std::string wrong = difference(packet, *expected, seen, flow);
    note(step, to_text(seen.tcp));
    if (!wrong.empty()) {
        fail(step.line, wrong);
        return;
    }
    if (step.time.kind == StepTime::Kind::any) return;
    const Instant begin = begin_of(step);
    const Instant end = end_of(step);
    if (seen.when >= begin - configuration_.early && seen.when <= end + configuration_.late) return;
    std::ostringstream text;
    text << "sent at " << static_cast<double>((seen.when - sim::World::kStart).ns) / 1e9
         << " s, not at " << static_cast<double>((begin - sim::World::kStart).ns) / 1e9 << " s";
    fail(step.line, text.str());
}

std::string Interpreter::difference(const PacketStep& packet, const TcpSpec& expected,
                                    const SeenPacket& seen, const Flow& flow) const {
    if (packet.ports && (seen.source_port != packet.ports->source ||
                         seen.destination_port != packet.ports->destination)) {
        return "wrong ports";
    }
    if (!packet.ports && current_ != &flow) return "a packet of another connection";
    const TcpSpec& got = seen.tcp;
    if (got.flags != expected.flags) return "wrong flags";
    if (got.seq != expected.seq) return "wrong sequence number";
    if (got.payload != expected.payload) return "wrong length";
    if ((got.flags & wire::Flags::ack) != 0 && got.ack != expected.ack) return "wrong ack";
    if (expected.window && got.window != expected.window) return "wrong window";
    if ((got.flags & wire::Flags::urg) != 0 && got.urgent != expected.urgent)
        return "wrong urgent pointer";
    if (packet.tos && seen.tos != *packet.tos) return "wrong type of service";
    if (packet.ecn && (seen.tos & 3) != *packet.ecn) return "wrong ECN bits";
    if (packet.ttl && seen.ttl != *packet.ttl) return "wrong time to live";
    if (expected.any_options) return wrong_payload(seen, flow);
    if (got.options.size() != expected.options.size()) return "wrong options";
    for (std::size_t i = 0; i < got.options.size(); ++i) {
        OptionSpec option = got.options[i];
        const OptionSpec& wanted = expected.options[i];
        if (option.kind == kOptionTimestamps && wanted.kind == kOptionTimestamps) {
            const auto off = static_cast<std::int32_t>(option.value - wanted.value);
            const std::int64_t off_us = std::int64_t{off} * configuration_.ts_tick_us;
            const std::int64_t allowed =
                std::max(configuration_.late.microseconds(), configuration_.ts_tick_us);
            if (off_us > allowed || -off_us > allowed) return "wrong timestamp";
            option.value = wanted.value;
        }
        if (option != wanted) return "wrong options";
    }
    return wrong_payload(seen, flow);
}

std::string Interpreter::wrong_payload(const SeenPacket& seen, const Flow& flow) const {
    if ((seen.tcp.flags & wire::Flags::syn) != 0) return "";
    for (std::size_t i = 0; i < seen.payload.size(); ++i) {
        const std::size_t position = seen.tcp.seq - 1 + i;
        if (position >= flow.written.size()) return "a byte that was never written";
        if (seen.payload[i] != flow.written[position]) {
            return "byte " + std::to_string(position + 1) + " of the stream is wrong";
        }
    }
    return "";
}

// --- the report
// -----------------------------------------------------------------------------------

std::string Interpreter::source(int line) const {
    const auto index = static_cast<std::size_t>(line - 1);
    if (line < 1 || index >= lines_.size()) return "";
    const std::size_t first = lines_[index].find_first_not_of(" \t");
    return first == std::string::npos ? "" : lines_[index].substr(first);
}

void Interpreter::fail(int line, const std::string& why) {
    if (failed_) return;
    failed_ = true;
    why_ = "line " + std::to_string(line) + ": " + why;
    rungs_.push_back({world_.now(), source(line), "<-- " + why});
    for (std::size_t i = 0; i < seen_.size() && i < 4; ++i) {
        TcpSpec tcp = seen_[i].tcp;
        if (current_ != nullptr) to_script_numbers(tcp, *current_);
        rungs_.push_back({seen_[i].when, "", "then " + to_text(tcp)});
    }
}

void Interpreter::note(const Step& step, std::string actual) {
    rungs_.push_back({world_.now(), source(step.line), std::move(actual)});
}

std::string Interpreter::ladder() const {
    constexpr std::size_t kShown = 24;
    std::string text;
    const std::size_t first = rungs_.size() > kShown ? rungs_.size() - kShown : 0;
    for (std::size_t i = first; i < rungs_.size(); ++i) {
        const Rung& rung = rungs_[i];
        char line[400];
        std::snprintf(line, sizeof line, "%12.6f  %-72.72s | %s\n",
                      static_cast<double>((rung.when - sim::World::kStart).ns) / 1e9,
                      rung.expected.c_str(), rung.actual.c_str());
        text += line;
    }
    return text;
}

}  // namespace mtcp::ladder
