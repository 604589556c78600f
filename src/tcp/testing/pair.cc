// SPDX-License-Identifier: Apache-2.0
// Two hosts, one wire.
#include "tcp/testing/pair.h"

#include <gtest/gtest.h>

#include "tcp/invariants.h"
#include "tcp/path/ecn.h"
#include "tcp/testing/both_ways.h"
#include "tcp/testing/solo.h"
#include "wire/print.h"

namespace mtcp::tcp::testing {

using wire::Flags;
using wire::OutgoingSegment;
using wire::Segment;

std::byte pattern(int side, std::uint64_t offset) {
    const std::uint64_t mixed =
        (offset + static_cast<std::uint64_t>(side) * 77) * 0x9e3779b97f4a7c15u;
    return static_cast<std::byte>(mixed >> 56);
}

Pair::Pair(std::uint64_t seed, Faults f) : faults(f), random_(seed) {
    for (std::unique_ptr<Host>& host : hosts_) {
        host = std::make_unique<Host>();
        prepare(host->env, host->counters);
    }
    client().key = some_flow();
    server().key = {.local = client().key.remote,
                    .remote = client().key.local,
                    .local_port = client().key.remote_port,
                    .remote_port = client().key.local_port};
    client().env.isn_key = {seed, 1};
    server().env.isn_key = {seed, 2};
}

void Pair::open(int side) {
    Host& h = host(side);
    h.has_tcb = h.was_born = true;
    const OpenRequest request{.key = h.key, .settings = h.settings};
    on_reaction(side, on_open(h.env, h.tcb, request, now_), nullptr);
    turn(side);
}

void Pair::abort(int side) {
    Host& h = host(side);
    if (!h.has_tcb) return;
    on_reaction(side, on_abort(h.env, h.tcb, now_), nullptr);
    turn(side);
}

Instant Pair::next_event() const {
    Instant next = wire_.empty() ? kNever : Instant{wire_.begin()->first};
    for (const std::unique_ptr<Host>& h : hosts_) {
        if (h->has_tcb) next = earlier(next, deadline(h->tcb));
        if (h->half) next = earlier(next, Instant{std::int64_t{h->half->deadline_ms} * 1'000'000});
    }
    return next;
}

void Pair::step() {
    now_ = later(now_, next_event());
    for (int side = 0; side < 2; ++side) {
        Host& h = host(side);
        if (h.has_tcb && deadline(h.tcb) <= now_) {
            on_reaction(side, on_deadline(h.env, h.tcb, now_), nullptr);
            turn(side);
        }
        if (h.half && std::int64_t{h.half->deadline_ms} * 1'000'000 <= now_.ns) {
            const HalfOpenDecision decision =
                on_half_open_deadline(h.env, h.listener, *h.half, now_);
            if (decision.verdict == HalfOpenVerdict::reply) send(side, decision.reply);
            if (decision.verdict == HalfOpenVerdict::drop) h.half.reset();
        }
    }
    while (!wire_.empty() && wire_.begin()->first <= now_.ns) {
        const Packet packet = std::move(wire_.begin()->second);
        wire_.erase(wire_.begin());
        deliver(packet);
    }
}

bool Pair::run(Duration limit) {
    const Instant end = now_ + limit;
    while (true) {
        const bool over = !client().has_tcb && !server().has_tcb && !server().half && wire_.empty();
        if (over) return true;
        if (next_event() > end || ::testing::Test::HasFatalFailure()) return false;
        step();
    }
}

void Pair::run_for(Duration span) {
    const Instant end = now_ + span;
    while (next_event() <= end)
        step();
    now_ = end;
}

void Pair::deliver(const Packet& packet) {
    Result<Segment, Drop> parsed = wire::parse_segment(packet.bytes);
    ASSERT_TRUE(parsed.ok());
    parsed->ecn = packet.ecn;
    arrive(packet.to, *parsed);
}

void Pair::arrive(int side, const Segment& segment) {
    Host& h = host(side);
    if (!h.has_tcb) {
        arrive_without_tcb(side, segment);
        return;
    }
    on_reaction(side, on_segment_both_ways(h.env, h.tcb, segment, now_), &segment);
    turn(side);
}

void Pair::arrive_without_tcb(int side, const Segment& segment) {
    Host& h = host(side);
    OutgoingSegment reply;
    if (h.time_wait) {
        const TimeWaitDecision decision = on_time_wait_segment(h.env, *h.time_wait, segment, now_);
        if (decision.verdict == TimeWaitVerdict::ack) send(side, decision.reply);
        return;
    }
    if (!h.half) {
        HalfOpen cookie;
        const bool listens = side == 1 && !h.was_born;
        if (listens && check_cookie(h.env, h.listener, h.key, segment, now_, cookie)) {
            h.half = cookie;
        } else if (listens) {
            ListenDecision decision =
                on_listen_segment(h.env, h.listener, h.key, segment, Backlog::has_room, now_);
            if (decision.verdict == ListenVerdict::record) h.half = decision.half_open;
            if (decision.verdict != ListenVerdict::drop) send(side, decision.reply);
            return;
        } else {
            if (reset_for(segment, reply)) send(side, reply);
            return;
        }
    }
    HalfOpenDecision decision = on_half_open_segment(h.env, h.listener, *h.half, segment, now_);
    switch (decision.verdict) {
        case HalfOpenVerdict::keep: break;
        case HalfOpenVerdict::reply: send(side, decision.reply); break;
        case HalfOpenVerdict::reset:
            send(side, decision.reply);
            h.half.reset();
            break;
        case HalfOpenVerdict::drop: h.half.reset(); break;
        case HalfOpenVerdict::promote:
            promote(h.env, h.listener, *h.half, h.tcb, now_);
            h.half.reset();
            h.has_tcb = h.was_born = true;
            arrive(side, segment);
            break;
    }
}

void Pair::on_reaction(int side, const Reaction& reaction, const Segment* segment) {
    Host& h = host(side);
    h.events |= reaction.events;
    if (reaction.error != 0) h.error = reaction.error;
    h.acked += reaction.acked_bytes;
    ASSERT_LE(h.acked, h.queued);
    const bool model = h.application.model_streams;
    for (std::size_t i = 0; model && i < reaction.placement_count; ++i) {
        ASSERT_NE(segment, nullptr);
        const Placement& p = reaction.placements[i];
        ASSERT_LE(p.payload_offset + p.length, segment->payload.size());
        const std::uint64_t begin = h.received + p.stream_offset;
        if (h.placed.size() < begin + p.length) h.placed.resize(begin + p.length, false);
        for (std::uint32_t k = 0; k < p.length; ++k) {
            ASSERT_FALSE(h.placed[begin + k]) << "byte " << begin + k << " placed twice";
            h.placed[begin + k] = true;
            ASSERT_EQ(segment->payload[p.payload_offset + k], pattern(1 - side, begin + k));
        }
    }
    for (std::uint32_t k = 0; model && k < reaction.received_bytes; ++k) {
        ASSERT_TRUE(h.received + k < h.placed.size() && h.placed[h.received + k])
            << "byte " << h.received + k << " reported but never placed";
    }
    h.received += reaction.received_bytes;
    if (reaction.has(Events::peer_closed)) {
        h.peer_closed = true;
        ASSERT_EQ(h.received, host(1 - side).queued);
    }
}

void Pair::run_application(int side) {
    Host& h = host(side);
    const Behaviour& b = h.application;
    if (b.reads && h.received > h.consumed) {
        const auto bytes = static_cast<std::uint32_t>(h.received - h.consumed);
        h.consumed = h.received;
        on_reaction(side, on_consume(h.env, h.tcb, bytes, now_), nullptr);
    }
    while (h.queued < b.to_send && can_send(h.tcb) && bytes_queued(h.tcb) < b.send_buffer) {
        std::uint64_t bytes = 1 + random_.below(b.write_max);
        if (bytes > b.to_send - h.queued) bytes = b.to_send - h.queued;
        h.queued += bytes;
        on_reaction(side,
                    on_send(h.env, h.tcb, static_cast<std::uint32_t>(bytes), SendHint::none, now_),
                    nullptr);
    }
    if (h.queued < b.to_send || h.tcb.state == State::closed) return;
    if (b.shuts_down && !h.has_shut_down) {
        h.has_shut_down = true;
        on_reaction(side, on_shutdown(h.env, h.tcb, now_), nullptr);
    }
    if (b.closes && h.peer_closed) on_reaction(side, on_close(h.env, h.tcb, now_), nullptr);
}

void Pair::turn(int side) {
    Host& h = host(side);
    run_application(side);
    drain(side);
    const char* broken = check_invariants(h.env, h.tcb);
    ASSERT_EQ(broken, nullptr) << broken;
    if (state(h.tcb) == State::time_wait) h.time_wait = make_time_wait(h.env, h.tcb, now_);
    if (state(h.tcb) == State::time_wait || state(h.tcb) == State::closed) {
        release(h.env, h.tcb);
        h.has_tcb = false;
        ASSERT_EQ(h.env.recoveries.used(), 0u);
        ASSERT_EQ(h.env.reassemblies.used(), 0u);
    }
}

void Pair::drain(int side) {
    Host& h = host(side);
    OutgoingSegment segment;
    const OutputBudget budget{.payload_max = h.application.payload_max};
    int count = 0;
    while (poll_segment(h.env, h.tcb, now_, budget, segment) != Polled::nothing) {
        ASSERT_LT(++count, 10'000) << "output without end";
        ASSERT_LE(h.acked + segment.data_offset + segment.data_length, h.queued);
        send(side, segment);
    }
}

// Cuts large segments as a device would.
void Pair::send(int side, const OutgoingSegment& segment) {
    Host& h = host(side);
    if (segment.segment_size == 0) {
        put_on_wire(side, segment, h.acked + segment.data_offset);
        return;
    }
    for (std::uint32_t at = 0; at < segment.data_length; at += segment.segment_size) {
        OutgoingSegment piece = segment;
        const std::uint32_t left = segment.data_length - at;
        piece.data_length = left < segment.segment_size ? left : segment.segment_size;
        piece.seq = segment.seq + at;
        if (left > segment.segment_size) {
            piece.flags.bits &= static_cast<std::uint8_t>(~(Flags::psh | Flags::fin));
        }
        put_on_wire(side, piece, h.acked + segment.data_offset + at);
    }
}

void Pair::put_on_wire(int side, const OutgoingSegment& segment, std::uint64_t stream_offset) {
    Host& h = host(side);
    Packet packet{
        .to = 1 - side, .ecn = segment.ecn, .bytes = std::vector<std::byte>(wire::kTcpHeaderMax)};
    const std::size_t header =
        wire::emit_segment(segment, h.key.local_port, h.key.remote_port, packet.bytes);
    ASSERT_EQ(header, wire::kTcpHeaderMin + wire::options_length(segment.options));
    packet.bytes.resize(header);
    packet.bytes.resize(header + segment.data_length);
    for (std::uint32_t k = 0; k < segment.data_length && h.application.model_streams; ++k) {
        packet.bytes[header + k] = pattern(side, stream_offset + k);
    }
    ASSERT_LE(packet.bytes.size() + 20, 1500u);
    ++h.segments_out;
    const Result<Segment, Drop> parsed = wire::parse_segment(packet.bytes);
    ASSERT_TRUE(parsed.ok());
    if (keep_trace) {
        trace.push_back(std::to_string(now_.ns / 1000) + (side == 0 ? " > " : " < ") +
                        std::string(wire::print(*parsed).view()));
    }
    const bool lost = random_.chance(faults.loss_ppm);
    const bool repeated = random_.chance(faults.duplicate_ppm);
    const bool reordered = random_.chance(faults.reorder_ppm);
    const std::uint32_t extra =
        random_.below(1 + static_cast<std::uint32_t>(faults.reorder_span.microseconds()));
    if (lost || (filter && !filter({side, now_, *parsed}))) {
        ++segments_lost;
        return;
    }
    const bool capable = packet.ecn != EcnField::not_capable;
    if (capable && marker && marker({side, now_, *parsed})) packet.ecn = EcnField::marked;
    Instant at = now_ + faults.delay;
    if (reordered) at = at + microseconds(extra);
    if (repeated) wire_.emplace(at.ns + 1'000, packet);
    wire_.emplace(at.ns, std::move(packet));
}

}  // namespace mtcp::tcp::testing
