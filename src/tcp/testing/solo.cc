// SPDX-License-Identifier: Apache-2.0
// The hand-written peer.
#include "tcp/testing/solo.h"

#include <gtest/gtest.h>

#include "tcp/clock.h"
#include "tcp/invariants.h"
#include "tcp/testing/both_ways.h"

namespace mtcp::tcp::testing {
namespace {

std::uint8_t flag_bits(const std::string& letters) {
    std::uint8_t bits = 0;
    for (const char c : letters) {
        switch (c) {
            case 'S': bits |= wire::Flags::syn; break;
            case 'F': bits |= wire::Flags::fin; break;
            case 'R': bits |= wire::Flags::rst; break;
            case 'P': bits |= wire::Flags::psh; break;
            case 'U': bits |= wire::Flags::urg; break;
            case 'E': bits |= wire::Flags::ece; break;
            case 'W': bits |= wire::Flags::cwr; break;
            case '.': bits |= wire::Flags::ack; break;
            default: break;
        }
    }
    return bits;
}

std::string flag_letters(wire::Flags flags) {
    std::string letters;
    if (flags.has(wire::Flags::syn)) letters += 'S';
    if (flags.has(wire::Flags::fin)) letters += 'F';
    if (flags.has(wire::Flags::rst)) letters += 'R';
    if (flags.has(wire::Flags::psh)) letters += 'P';
    if (flags.has(wire::Flags::urg)) letters += 'U';
    if (flags.has(wire::Flags::ece)) letters += 'E';
    if (flags.has(wire::Flags::cwr)) letters += 'W';
    if (flags.has(wire::Flags::ack)) letters += '.';
    return letters;
}

const std::byte kPayload[65'536] = {};

}  // namespace

wire::FlowKey some_flow() {
    return {.local = wire::IpAddress::v4(0x0a000001),
            .remote = wire::IpAddress::v4(0x0a000002),
            .local_port = 40000,
            .remote_port = 80};
}

void prepare(Environment& env, Counters& counters, std::uint32_t pool_size) {
    env.isn_key = {1, 2};
    env.cookie_key = {3, 4};
    env.configuration.fast_open_keys = {.primary = {5, 6}, .backup = {}, .chosen = true};
    ASSERT_TRUE(env.destinations.reserve(16, {7, 8}));
    env.counters = &counters;
    if (pool_size > 0) {
        ASSERT_TRUE(env.recoveries.reserve(pool_size));
        ASSERT_TRUE(env.reassemblies.reserve(pool_size));
        ASSERT_TRUE(env.path_searches.reserve(pool_size));
        ASSERT_TRUE(env.marks.reserve(pool_size));
        ASSERT_TRUE(env.controllers.reserve(pool_size));
    }
}

Solo::Solo(std::uint32_t pool_size) {
    prepare(env, counters, pool_size);
    env.configuration.window_shift = 0;  // numbers on the wire mean what they say, unless asked
    env.configuration.timestamps = Configuration::Use::off;
    settings.receive_buffer = 65535;
    settings.congestion = CongestionAlgorithm::new_reno;  // its figures are plain
    peer_options.mss = 1000;
    peer_options.sack_permitted = true;
    peer_options.window_shift = 0;
}

Solo::~Solo() {
    release(env, tcb);
    EXPECT_EQ(env.recoveries.used(), 0u);
    EXPECT_EQ(env.reassemblies.used(), 0u);
    EXPECT_EQ(env.path_searches.used(), 0u);
    EXPECT_EQ(env.marks.used(), 0u);
}

void Solo::note(const Reaction& reaction) {
    last = reaction;
    events |= reaction.events;
    if (reaction.error != 0) error = reaction.error;
    if (reaction.drop != Drop::count_) last_drop = reaction.drop;
    acked += reaction.acked_bytes;
    received += reaction.received_bytes;
}

void Solo::open() {
    const OpenRequest request{
        .key = some_flow(), .settings = settings, .path_mtu = path_mtu, .fast_open = fast_open};
    note(on_open(env, tcb, request, now));
}

void Solo::connect() {
    open();
    static_cast<void>(out());
    In syn_ack{.flags = "S.", .seq = 0};
    syn_ack.options = peer_options;
    syn_ack.window = peer_window;
    if ((peer_syn_flags & wire::Flags::ece) != 0) syn_ack.flags += 'E';
    segment(syn_ack);
    static_cast<void>(out());
    ASSERT_EQ(tcb.state, State::established);
    events = 0;
}

void Solo::accept(const In& completing) {
    const ListenerSettings listener{.settings = settings, .path_mtu = path_mtu};
    wire::Segment syn;
    syn.seq = kPeerIss;
    syn.flags = {wire::Flags::syn};
    syn.window = static_cast<std::uint16_t>(peer_window);
    syn.options = peer_options;
    syn.flags.bits |= peer_syn_flags;
    const ListenDecision decision =
        on_listen_segment(env, listener, some_flow(), syn, Backlog::has_room, now);
    ASSERT_EQ(decision.verdict, ListenVerdict::record);
    syn_ack_ = decision.reply;
    HalfOpen half = decision.half_open;
    promote(env, listener, half, tcb, now);
    segment(completing);
    ASSERT_EQ(tcb.state, State::established);
    events = 0;
}

void Solo::segment(const In& in) {
    wire::Segment seg;
    seg.options = in.options;
    seg.seq = kPeerIss + in.seq;
    seg.flags = {flag_bits(in.flags)};
    if (seg.flags.has(wire::Flags::ack)) seg.ack = tcb.iss + in.ack;
    seg.window = static_cast<std::uint16_t>(in.window);
    seg.urgent = in.urgent;
    seg.ecn = in.ecn;
    seg.payload = {kPayload, in.length};
    for (const auto& [begin, end] : in.sack) {
        seg.options.sack[seg.options.sack_count++] = {tcb.iss + begin, tcb.iss + end};
    }
    const bool stamped = !seg.flags.has(wire::Flags::syn) && tcb.flags.timestamps;
    if (stamped && !seg.options.timestamps) {
        seg.options.timestamps = true;
        seg.options.ts_value = to_ms(now) - static_cast<std::uint32_t>(in.ts_back);
        if (seg.options.ts_echo == 0) seg.options.ts_echo = to_ms(now) + tcb.ts_offset;
    }
    note(on_segment_both_ways(env, tcb, seg, now));
}

void Solo::send(std::uint32_t bytes, SendHint hint) { note(on_send(env, tcb, bytes, hint, now)); }
void Solo::consume(std::uint32_t bytes) { note(on_consume(env, tcb, bytes, now)); }
void Solo::shutdown(Reading reading) { note(on_shutdown(env, tcb, now, reading)); }
void Solo::close() { note(on_close(env, tcb, now)); }
void Solo::abort() { note(on_abort(env, tcb, now)); }
void Solo::apply_settings(HeldBytes held) { note(on_settings(env, tcb, settings, now, held)); }
void Solo::path_error(PathError e, std::uint16_t mtu, std::uint32_t seq) {
    note(on_path_error(env, tcb, e, mtu, tcb.iss + seq, now));
}

std::string Solo::text_of(const wire::OutgoingSegment& segment) const {
    const auto number = [](std::uint32_t n) { return std::to_string(n); };
    const std::uint32_t seq = segment.seq - tcb.iss;
    std::string line = segment.ecn == 2 ? "[ect0] " : segment.ecn != 0 ? "[ecn] " : "";
    line += flag_letters(segment.flags) + " " + number(seq) + ":" +
            number(seq + segment.data_length) + "(" + number(segment.data_length) + ")";
    if (segment.flags.has(wire::Flags::ack)) line += " ack " + number(segment.ack - kPeerIss);
    for (std::size_t i = 0; i < segment.options.sack_count; ++i) {
        line += (i == 0 ? " sack " : " ") + number(segment.options.sack[i].begin - kPeerIss) + ":" +
                number(segment.options.sack[i].end - kPeerIss);
    }
    return line;
}

std::string Solo::out(std::uint32_t payload_max) {
    std::string lines;
    wire::OutgoingSegment segment;
    sent.clear();
    for (int i = 0; i < 10'000; ++i) {
        expect_one_plan(env, tcb, payload_max);
        const bool promised = pending_work(env, tcb, now) != 0;
        const Polled polled = poll_segment(env, tcb, now, {.payload_max = payload_max}, segment);
        const bool found = polled != Polled::nothing;
        EXPECT_EQ(promised, found);
        if (!found) break;
        EXPECT_EQ(polled == Polled::last, nothing_waits(tcb));
        sent.push_back(segment);
        if (!lines.empty()) lines += " | ";
        lines += text_of(segment);
    }
    const char* broken = check_invariants(env, tcb);
    EXPECT_EQ(broken, nullptr) << broken;
    return lines;
}

std::string Solo::advance(Duration span) {
    const Instant begin = now;
    const Instant end = now + span;
    std::string lines;
    std::vector<wire::OutgoingSegment> all;
    while (deadline(tcb) <= end) {
        now = later(now, deadline(tcb));
        const bool ended = tcb.state == State::closed;
        EXPECT_FALSE(ended);
        if (ended) break;
        note(on_deadline(env, tcb, now));
        const std::string left = out();
        all.insert(all.end(), sent.begin(), sent.end());
        if (left.empty()) continue;
        if (!lines.empty()) lines += " | ";
        lines += "+" + std::to_string((now - begin).milliseconds()) + " " + left;
    }
    now = end;
    sent = all;
    return lines;
}

std::uint16_t Solo::take_events() {
    const std::uint16_t taken = events;
    events = 0;
    return taken;
}

}  // namespace mtcp::tcp::testing
