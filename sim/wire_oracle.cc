// SPDX-License-Identifier: Apache-2.0
// The rules of the wire, one function a rule.
#include "sim/wire_oracle.h"

#include <algorithm>
#include <utility>

#include "wire/big_endian.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/print.h"

namespace mtcp::sim {

using wire::Flags;
using wire::SequenceNumber;

namespace {

constexpr std::size_t kEthernetMinimum = 60;
constexpr std::int32_t kCookieStep_ms = 64;

}  // namespace

// False: no TCP; `why` says when it is a bad frame.
bool WireOracle::parse(std::span<const std::byte> frame, Seen& seen, std::string& why) const {
    std::span<const std::byte> packet = frame;
    if (layer_ == io::Layer::ethernet) {
        const auto ethernet = wire::parse_ethernet(frame);
        if (!ethernet) {
            why = "a frame without an Ethernet header";
            return false;
        }
        if (ethernet->type != wire::kEtherTypeIpv4) return false;
        packet = frame.subspan(wire::kEthernetHeader);
    }
    const auto header = wire::parse_ipv4(packet);
    if (!header) {
        why = "a bad IP header";
        return false;
    }
    if (header->total_length > mtu_) why = "a packet larger than the MTU";
    if (header->total_length != packet.size() && frame.size() > kEthernetMinimum) {
        why = "bytes behind the IP packet";
    }
    if (!why.empty() || header->protocol != wire::kProtocolTcp) return false;
    const auto bytes =
        packet.subspan(header->header_length, header->total_length - header->header_length);
    if (!wire::tcp_checksum_valid(header->source, header->destination, bytes)) {
        why = "a wrong TCP checksum";
        return false;
    }
    auto segment = wire::parse_segment(bytes);
    if (!segment) {
        why = "a malformed TCP header";
        return false;
    }
    seen.segment = std::move(segment).value();
    seen.options = bytes.size() - seen.segment.payload.size() - wire::kTcpHeaderMin;
    seen.key = {header->source.v4_bits(), header->destination.v4_bits(), seen.segment.source_port,
                seen.segment.destination_port};
    return true;
}

void WireOracle::wrong(const Seen& seen, const std::string& what) {
    const Sender& sender = senders_[seen.key];
    const Sender& peer = senders_[reversed(seen.key)];
    wire::Segment relative = seen.segment;
    relative.seq = SequenceNumber{relative.seq - sender.iss};
    relative.ack = SequenceNumber{relative.ack - peer.iss};
    findings_.add("wire", what + " [" + std::to_string(seen.key.source_port) + " > " +
                              std::to_string(seen.key.destination_port) + " " +
                              std::string(wire::print(relative).view()) + "]");
}

void WireOracle::on_sent(Side from, std::span<const std::byte> frame, Instant now) {
    Seen seen;
    std::string why;
    if (!parse(frame, seen, why)) {
        if (!why.empty()) findings_.add("wire", why);
        return;
    }
    ++segments_;
    Sender& sender = senders_[seen.key];
    Sender& peer = senders_[reversed(seen.key)];
    sender.side = from;
    peer.side = other(from);
    check_flags(seen, sender);
    const Flags flags = seen.segment.flags;
    if (flags.has(Flags::rst)) {
        sender.reset = peer.reset = true;
        return;
    }
    if (flags.has(Flags::syn)) on_syn(seen, sender, peer, now);
    if (!sender.open) {
        // Answers to what is left of an earlier life; nothing to compare them with.
        if (!sender.stale && !follows_unseen_answer(seen, peer))
            wrong(seen, "a segment of a connection that never began");
        return;
    }
    // After a reset an old duplicate may still talk a cookie into a second life.
    if (sender.stale || peer.stale || sender.reset) return;
    if (is_reborn(seen, sender)) return;
    check_options(seen, sender, peer);
    check_data(seen, sender, peer, now);
    if (!flags.has(Flags::ack)) return;
    check_ack(seen, sender, peer);
    check_window(seen, sender, peer);
    check_sack(seen, sender, peer);
    if (peer.open && peer.arrivals.is_told(seen.segment.ack - (peer.iss + 1)))
        wrong(seen, "an acknowledgement that ends where SACK told of more");
}

// On Ethernet a SYN may be dropped while it waits for the neighbour's address, and the answer to
// the peer's SYN after it. When that comes again, it is acknowledged (RFC 9293 §3.10.7.4, fourth)
// from a number that was never seen; and what a server sends early (RFC 7413 §4.2.2) follows it.
bool WireOracle::follows_unseen_answer(const Seen& seen, const Sender& peer) const {
    const wire::Segment& segment = seen.segment;
    if (layer_ != io::Layer::ethernet || !peer.open || peer.established) return false;
    const bool early = peer.syn_bytes != 0 && segment.flags.has(Flags::ack);
    const bool bare = segment.flags.bits == Flags::ack && segment.payload.empty();
    return (early && segment.ack > peer.iss) || (bare && segment.ack == peer.iss + 1);
}

// A delayed segment can talk a cookie, which remembers nothing, into a life that is over: what it
// acknowledges begins anew, and so do its own numbers, as those of a bare ACK show.
bool WireOracle::is_reborn(const Seen& seen, Sender& sender) {
    const wire::Segment& segment = seen.segment;
    const bool back = segment.flags.has(Flags::ack) && sender.acked_any && segment.ack < sender.ack;
    const bool anew = segment.flags.bits == Flags::ack && segment.payload.empty() &&
                      segment.seq == sender.iss + 1 && sender.sent() > 0;
    sender.stale = (back || anew) && ways_[index(sender.side)].cookies;
    return sender.stale;
}

void WireOracle::on_syn(const Seen& seen, Sender& sender, Sender& peer, Instant now) {
    const wire::Segment& segment = seen.segment;
    // A SYN from before the restart may still be answered by what the other end once said.
    if (sender.forgotten && sender.iss == segment.seq) return;
    const bool again = sender.open && sender.iss == segment.seq;
    // The reset is lost, or has refused its offer of ECN alone (RFC 3168 §6.1.1.1).
    if (again && !sender.established && !segment.flags.has(Flags::ack)) sender.reset = false;
    if (again && !sender.stale) {
        // (A SYN-ACK goes by time, and besides for every SYN that comes.)
        if (segment.flags.has(Flags::ack) || !times_tell(sender.side)) return;
        if (const char* const what = sender.pace.on_syn_again(now)) wrong(seen, what);
        return;
    }
    const bool second_life = segment.flags.has(Flags::ack) && sender.open;
    const Side side = sender.side;
    sender = Sender{};
    sender.side = side;
    sender.open = true;
    sender.iss = segment.seq;
    sender.acked = segment.seq;
    sender.mss = segment.options.mss == 0 ? 536 : segment.options.mss;
    sender.offers_scale = segment.options.window_shift != wire::kNoWindowShift;
    sender.shift = sender.offers_scale ? segment.options.window_shift : std::uint8_t{0};
    sender.offers_sack = segment.options.sack_permitted;
    sender.offers_timestamps = segment.options.timestamps;
    // A late SYN found nobody, and the listener behind: the other end knows nothing of it, and
    // nothing will come of it.
    sender.stale = second_life;
    // What the other end still says belongs to the life before, until it begins anew itself; unless
    // it has said no more than SYN either (simultaneous open).
    sender.answered = segment.flags.has(Flags::ack);
    if (!sender.answered && peer.open && (peer.established || peer.answered)) {
        peer.stale = true;
        peer.open = false;
    }
}

void WireOracle::check_flags(const Seen& seen, const Sender& sender) {
    const Flags flags = seen.segment.flags;
    if (flags.all(Flags::syn | Flags::fin) || flags.all(Flags::syn | Flags::rst) ||
        flags.all(Flags::fin | Flags::rst)) {
        wrong(seen, "flags that exclude each other");
    }
    const bool first_syn = flags.has(Flags::syn) && !flags.has(Flags::ack);
    if (!first_syn && !flags.has(Flags::rst | Flags::ack)) wrong(seen, "neither SYN, RST nor ACK");
    // RFC 7413 §4.2.1: with a cookie; or without one, where both ends were told so.
    const bool fast_open = first_syn && (!sender.open || sender.iss != seen.segment.seq);
    if (flags.has(Flags::syn | Flags::rst) && !fast_open && !seen.segment.payload.empty()) {
        wrong(seen, "payload in a SYN or RST");
    }
    if (flags.has(Flags::syn) || !sender.open) return;
    const wire::Options& options = seen.segment.options;
    if (options.mss != 0 || options.sack_permitted ||
        options.window_shift != wire::kNoWindowShift) {
        wrong(seen, "an option that belongs into a SYN");
    }
}

// RFC 7323 §3.2: timestamps in every segment or in none; and they do not go back.
void WireOracle::check_options(const Seen& seen, Sender& sender, const Sender& peer) {
    const wire::Segment& segment = seen.segment;
    if (!segment.flags.has(Flags::syn) && peer.open) {
        const bool agreed = sender.offers_timestamps && peer.offers_timestamps;
        if (segment.options.timestamps != agreed) {
            wrong(seen, agreed ? "no timestamp, though agreed" : "a timestamp nobody agreed on");
        }
    }
    if (!segment.options.timestamps) return;
    const std::uint32_t value = segment.options.ts_value;
    // A cookie keeps what was offered in the low bits of its timestamp, and remembers none: the
    // answers to a SYN and to another with fewer offers may change places within a step.
    const std::int32_t allowed = segment.flags.all(Flags::syn | Flags::ack) ? kCookieStep_ms : 0;
    if (sender.timestamp_known && static_cast<std::int32_t>(value - sender.timestamp) < -allowed) {
        wrong(seen, "a timestamp that goes back");
    }
    const bool newer =
        !sender.timestamp_known || static_cast<std::int32_t>(value - sender.timestamp) > 0;
    if (newer) sender.timestamp = value;
    sender.timestamp_known = true;
    // (A SYN-ACK may answer an old duplicate of a SYN.)
    if (segment.flags.has(Flags::ack) && !segment.flags.has(Flags::syn) && peer.timestamp_known &&
        static_cast<std::int32_t>(segment.options.ts_echo - peer.timestamp) > 0) {
        wrong(seen, "the echo of a timestamp that was never sent");
    } else if (segment.flags.has(Flags::ack) && !segment.flags.has(Flags::syn) &&
               peer.timestamp_arrived &&
               static_cast<std::int32_t>(segment.options.ts_echo - peer.arrived_timestamp) > 0) {
        wrong(seen, "the echo of a timestamp that never arrived");
    }
}

void WireOracle::check_data(const Seen& seen, Sender& sender, const Sender& peer, Instant now) {
    const wire::Segment& segment = seen.segment;
    if (segment.flags.has(Flags::syn)) {
        if (sender.stream.empty()) {
            sender.stream.assign(segment.payload.begin(), segment.payload.end());
            sender.syn_bytes = static_cast<std::uint32_t>(segment.payload.size());
        }
        return;
    }
    const auto length = static_cast<std::uint32_t>(segment.payload.size());
    const std::uint32_t offset = segment.seq - (sender.iss + 1);
    const auto already = static_cast<std::uint32_t>(sender.stream.size());
    // A server may answer the data of a SYN, and that be dropped while it waits for the neighbour's
    // address: what it says first lies behind what was never seen.
    const bool first = !std::exchange(sender.established, true);
    if (first && offset > already && layer_ == io::Layer::ethernet) {
        sender.stale = true;
        return;
    }
    const bool keepalive = length == 0 && segment.seq + 1 <= sender.next();
    if (length == 0 && !segment.flags.has(Flags::fin)) {
        if (offset > sender.sent() && !keepalive) wrong(seen, "a sequence number never reached");
        return;
    }
    if (offset > already) {
        wrong(seen, "data behind a hole that was never sent");
        return;
    }
    if (length > 0 && length + seen.options > peer.mss && peer.open) {
        wrong(seen, "more than the peer's MSS of " + std::to_string(peer.mss));
    }
    for (std::uint32_t i = 0; i < length; ++i) {
        const std::uint32_t at = offset + i;
        if (at < already ? sender.stream[at] != segment.payload[i] : sender.fin) {
            wrong(seen, at < already ? "a byte that changed since it was first sent"
                                     : "data behind a FIN");
            return;
        }
        if (at >= already) sender.stream.push_back(segment.payload[i]);
    }
    if (segment.flags.has(Flags::fin)) {
        if (offset + length != sender.stream.size()) wrong(seen, "FIN before the end of the data");
        sender.fin = true;
    }
    // (Our probes of a closed window carry nothing.)
    const bool of_syn = offset + length <= sender.syn_bytes;
    const SequenceNumber end = segment.seq + segment.length();
    if (peer.window_arrived && !of_syn && end > peer.arrived_edge) {
        wrong(seen, "beyond the window by " + std::to_string(end - peer.arrived_edge));
    }
    if (length > 0) check_pace(seen, sender, peer, already, now);
}

void WireOracle::check_pace(const Seen& seen, Sender& sender, const Sender& peer,
                            std::uint32_t highest, Instant now) {
    const SequenceNumber first = sender.iss + 1;
    const std::uint32_t begin = seen.segment.seq - first;
    const Pace::Sending sending{
        .begin = begin,
        .end = begin + static_cast<std::uint32_t>(seen.segment.payload.size()),
        .acked = sender.acked > first ? sender.acked - first : 0,
        .highest = highest,
        .mss = peer.mss,
        .in_syn = sender.syn_bytes,
        .sack = sender.offers_sack && peer.offers_sack,
        .at = now};
    const auto timer = times_tell(sender.side) ? Pace::Timer::judged : Pace::Timer::left_alone;
    const char* const what = sender.pace.on_sent(sending, timer);
    if (what != nullptr) wrong(seen, what);
}

void WireOracle::on_injected(Side to, std::span<const std::byte>, Instant) {
    for (auto& entry : senders_) {
        if (entry.second.side == to) entry.second.pace.on_heard();
    }
}

void WireOracle::check_ack(const Seen& seen, Sender& sender, const Sender& peer) {
    const SequenceNumber ack = seen.segment.ack;
    if (peer.open && ack > peer.next()) {
        wrong(seen, "acknowledges what was never sent");
    } else if (peer.open && ack > peer.iss + 1 + peer.arrivals.reached()) {
        wrong(seen, "acknowledges what never arrived");
    }
    if (sender.acked_any && ack < sender.ack) wrong(seen, "an acknowledgement that goes back");
    sender.acked_any = true;
    sender.ack = ack;
}

// The window of a SYN is not scaled (RFC 7323 §2.2).
std::uint8_t WireOracle::shift_of(const Seen& seen, const Sender& sender, const Sender& peer) {
    const bool scaled =
        sender.offers_scale && peer.offers_scale && !seen.segment.flags.has(Flags::syn);
    return scaled ? sender.shift : std::uint8_t{0};
}

SequenceNumber WireOracle::edge_of(const Seen& seen, const Sender& sender, const Sender& peer) {
    return seen.segment.ack + (std::uint32_t{seen.segment.window} << shift_of(seen, sender, peer));
}

// RFC 9293 SHLD-14: the right edge does not move left. Scaling may round it down (RFC 7323 §2.4).
void WireOracle::check_window(const Seen& seen, Sender& sender, const Sender& peer) {
    const std::uint8_t shift = shift_of(seen, sender, peer);
    const SequenceNumber edge = edge_of(seen, sender, peer);
    // The window of a SYN is not scaled: a later one may say less than was offered since.
    const bool syn = seen.segment.flags.has(Flags::syn);
    if (!syn && sender.window_known && edge + ((1u << shift) - 1) < sender.edge) {
        wrong(seen, "a right window edge that retreats by " + std::to_string(sender.edge - edge));
    }
    sender.edge = sender.window_known ? wire::higher(sender.edge, edge) : edge;
    sender.window_known = true;
}

// RFC 2018 §4, RFC 2883 §4: blocks name data that was sent; only the first may lie below the ACK.
void WireOracle::check_sack(const Seen& seen, const Sender& sender, Sender& peer) {
    const wire::Options& options = seen.segment.options;
    if (options.sack_count == 0) return;
    if (!sender.offers_sack || !peer.offers_sack) wrong(seen, "SACK without agreement");
    for (std::size_t i = 0; i < options.sack_count; ++i) {
        const wire::SackBlock& block = options.sack[i];
        if (block.begin >= block.end || block.end > peer.next() || block.begin < peer.iss) {
            wrong(seen, "a SACK block for what was never sent");
        } else if (i > 0 && block.begin < seen.segment.ack) {
            wrong(seen, "a SACK block below the acknowledgement");
        }
    }
    if (findings_.none()) check_truth(seen, peer);
}

// What is said of the peer's stream is true of what arrived here: SACK names what is held, D-SACK
// (RFC 2883 §4, the first block) what came twice. What was told of is never given up again, so no
// acknowledgment ends there (RFC 2018 §8 allows it; this stack does not do it).
void WireOracle::check_truth(const Seen& seen, Sender& peer) {
    const wire::Options& options = seen.segment.options;
    const SequenceNumber first = peer.iss + 1;
    for (std::size_t i = 0; i < options.sack_count; ++i) {
        const wire::SackBlock& block = options.sack[i];
        if (block.begin < first) continue;  // of a SYN that came again
        const std::uint32_t begin = block.begin - first;
        const std::uint32_t end = block.end - first;
        const bool within_next = i == 0 && options.sack_count > 1 &&
                                 block.begin >= options.sack[1].begin &&
                                 block.end <= options.sack[1].end;
        const bool twice = block.begin < seen.segment.ack || within_next;
        if (!peer.arrivals.all_arrived(begin, end, twice ? 2 : 1)) {
            wrong(seen, twice ? "D-SACK for what did not come twice"
                              : "a SACK block for what never arrived");
        } else if (!twice) {
            peer.arrivals.note_told(begin, end);
        }
    }
}

void WireOracle::note_arrival(const Seen& seen, Sender& sender, const Sender& peer) {
    const wire::Segment& segment = seen.segment;
    if (!sender.open || segment.flags.has(Flags::rst)) return;
    if (segment.flags.has(Flags::ack)) {
        const SequenceNumber edge = edge_of(seen, sender, peer);
        if (!sender.window_arrived || edge > sender.arrived_edge) sender.arrived_edge = edge;
        sender.window_arrived = true;
    }
    if (segment.options.timestamps) {
        const auto ahead =
            static_cast<std::int32_t>(segment.options.ts_value - sender.arrived_timestamp);
        if (!sender.timestamp_arrived || ahead > 0)
            sender.arrived_timestamp = segment.options.ts_value;
        sender.timestamp_arrived = true;
    }
    const std::uint32_t syn = segment.flags.has(Flags::syn) ? 1 : 0;
    const std::uint32_t offset = segment.seq + syn - (sender.iss + 1);
    const auto length = static_cast<std::uint32_t>(segment.payload.size());
    const auto sent = static_cast<std::uint32_t>(sender.stream.size());
    if (offset > sent || length > sent - offset) return;  // of an earlier life
    sender.arrivals.note(offset, length);
    sender.pace.on_arrival(length);
    if (segment.flags.has(Flags::fin)) sender.arrivals.note_fin(offset + length);
}

void WireOracle::on_delivered(Side, std::span<const std::byte> frame, bool, Instant) {
    Seen seen;
    std::string why;
    // A flipped bit that no checksum covers (of an Ethernet address, of padding) changes nothing.
    if (!parse(frame, seen, why)) return;
    const auto author = senders_.find(seen.key);
    const auto found = senders_.find(reversed(seen.key));
    if (found == senders_.end()) return;
    Sender& sender = found->second;
    sender.pace.on_heard();
    // Later ones have to name the right number, which may be another life's.
    if (seen.segment.flags.has(Flags::rst) && !sender.established) sender.reset = true;
    if (author != senders_.end()) note_arrival(seen, author->second, sender);
    if (!seen.segment.flags.has(Flags::ack)) return;
    if (sender.open && seen.segment.ack > sender.acked && seen.segment.ack <= sender.next()) {
        sender.acked = seen.segment.ack;
    }
}

void WireOracle::forget() {
    for (auto& entry : senders_) {
        entry.second.open = false;
        entry.second.stale = entry.second.forgotten = true;
    }
}

std::string WireOracle::outstanding(Side side) const {
    for (const auto& [key, s] : senders_) {
        const bool counts = s.side == side && s.open && !s.stale && !s.reset && s.sent() > 0;
        if (!counts || s.acked >= s.next()) continue;
        const auto peer = senders_.find(reversed(key));
        if (peer != senders_.end() && peer->second.stale) continue;
        return std::to_string(key.source_port) + " > " + std::to_string(key.destination_port) +
               ", from byte " + std::to_string(s.acked - s.iss) + " on";
    }
    return {};
}

}  // namespace mtcp::sim
