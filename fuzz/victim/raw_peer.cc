// SPDX-License-Identifier: Apache-2.0
// Following a connection by hand.
#include "fuzz/victim/raw_peer.h"

#include <utility>

#include "wire/big_endian.h"

namespace mtcp::victim {
namespace {

using wire::Flags;

bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

Bytes timestamp_option(std::uint32_t value, std::uint32_t echo) {
    Bytes option = bytes_of({1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0});
    wire::store_be32(option.data() + 4, value);
    wire::store_be32(option.data() + 8, echo);
    return option;
}

}  // namespace

bool RawPeer::is_ours(const Heard& heard) const {
    return heard.key.remote == address && heard.key.remote_port == port &&
           heard.key.local_port == victim_port;
}

TcpFields RawPeer::segment(std::uint8_t flags, Bytes payload) const {
    TcpFields fields;
    fields.ip.source = address;
    fields.ip.destination = kVictim;
    fields.source_port = port;
    fields.destination_port = victim_port;
    fields.seq = snd_nxt;
    fields.ack = (flags & Flags::ack) != 0 ? rcv_nxt : 0;
    fields.flags = flags;
    fields.window = own_window;
    fields.payload = std::move(payload);
    if (timestamps) fields.options = timestamp_option(ts_value, ts_echo);
    return fields;
}

void RawPeer::throw_in(const TcpFields& fields) {
    victim_.inject(tcp_packet(fields));
    victim_.settle();
}

void RawPeer::send(const TcpFields& fields) {
    const std::uint32_t end = fields.seq + static_cast<std::uint32_t>(fields.payload.size()) +
                              ((fields.flags & Flags::syn) != 0 ? 1 : 0) +
                              ((fields.flags & Flags::fin) != 0 ? 1 : 0);
    if (before(snd_nxt, end)) snd_nxt = end;
    throw_in(fields);
    listen();
}

void RawPeer::hear(const Heard& heard) {
    const Flags flags = heard.segment.flags;
    if (flags.has(Flags::rst)) {
        was_reset = true;
        return;
    }
    if (flags.has(Flags::syn)) {
        victim_iss = heard.segment.seq.raw;
        rcv_nxt = heard.end();
        acked = heard.segment.ack.raw;
        victim_shift = heard.segment.options.window_shift == wire::kNoWindowShift
                           ? 0
                           : heard.segment.options.window_shift;
        window = heard.segment.window;
    } else {
        if (before(rcv_nxt, heard.end())) rcv_nxt = heard.end();
        if (flags.has(Flags::ack)) {
            acked = heard.segment.ack.raw;
            window = std::uint32_t{heard.segment.window} << victim_shift;
        }
    }
    if (heard.segment.options.timestamps) ts_echo = heard.segment.options.ts_value;
}

std::vector<Heard> RawPeer::listen() {
    std::vector<Heard> ours;
    for (Heard& heard : victim_.take_heard()) {
        if (!is_ours(heard)) continue;
        hear(heard);
        ours.push_back(std::move(heard));
    }
    return ours;
}

bool RawPeer::connect(Bytes options) {
    was_reset = false;
    snd_nxt = iss;
    victim_.take_heard();
    TcpFields syn = segment(Flags::syn);
    syn.options.insert(syn.options.end(), options.begin(), options.end());
    snd_nxt = iss + 1;
    throw_in(syn);
    bool answered = false;
    for (const Heard& heard : listen())
        answered |= heard.has(Flags::syn | Flags::ack);
    if (!answered) return false;
    send(segment(Flags::ack));
    return !was_reset;
}

bool RawPeer::accept(Bytes options) {
    was_reset = false;
    bool asked = false;
    for (const Heard& heard : listen())
        asked |= heard.is(Flags::syn);
    if (!asked) return false;
    snd_nxt = iss;
    TcpFields answer = segment(Flags::syn | Flags::ack);
    answer.options.insert(answer.options.end(), options.begin(), options.end());
    send(answer);
    return !was_reset;
}

}  // namespace mtcp::victim
