// SPDX-License-Identifier: Apache-2.0
// In-order and out-of-order text.
#include "tcp/receive/accept_text.h"

#include "tcp/counting.h"
#include "tcp/receive/ack_policy.h"
#include "tcp/receive/sack_report.h"
#include "tcp/take_ack.h"

namespace mtcp::tcp {
namespace {

using wire::SequenceNumber;

void move_rcv_nxt(Arrival& a, SequenceNumber to) {
    Tcb& tcb = a.tcb;
    const SequenceNumber old = tcb.rcv.nxt;
    const std::uint32_t bytes = to - old;
    tcb.rcv.nxt = to;
    tcb.rcv.wnd = tcb.rcv.wnd > bytes ? tcb.rcv.wnd - bytes : 0;
    tcb.rcv.unread += bytes;
    a.reaction.received_bytes += bytes;
    a.reaction.events |= Events::readable;
    if (((old.raw ^ to.raw) >> 30) != 0) fold_totals(tcb);
}

void place_in_order(Arrival& a) {
    a.reaction.placements[0] = {0, a.payload_offset, a.length};
    a.reaction.placement_count = 1;
    move_rcv_nxt(a, a.seq + a.length);
}

// RFC 2883 §4.2: of a segment of which parts have arrived before, the first of these is told. One
// that waits to be told already stays.
void note_what_is_held(Arrival& a, const Reassembly& record) {
    if (a.tcb.flags.dsack) return;
    for (std::size_t i = 0; i < record.count; ++i) {
        const SequenceNumber begin = higher(record.range[i].begin, a.seq);
        const SequenceNumber end = lower(record.range[i].end, a.seq + a.length);
        if (begin >= end) continue;
        note_duplicate(a.tcb, begin, end);
        return;
    }
}

// Inserts into the record; returns the end of what could be taken.
SequenceNumber insert_text(Arrival& a, Reassembly& record) {
    note_what_is_held(a, record);
    const SequenceNumber taken = insert(record, a.tcb.rcv.nxt, a.seq, a.seq + a.length, a.reaction);
    for (std::size_t i = 0; i < a.reaction.placement_count; ++i) {
        a.reaction.placements[i].payload_offset += a.payload_offset;
    }
    return taken;
}

// The segment begins at RCV.NXT and later data is waiting: part of a gap is filled.
void accept_gap_filler(Arrival& a) {
    Tcb& tcb = a.tcb;
    Reassembly& record = a.env.reassemblies[tcb.reassembly];
    const bool reaches = record.count > 0 && record.range[0].begin <= a.seq + a.length;
    if (reaches) {
        static_cast<void>(insert_text(a, record));
        move_rcv_nxt(a, take_front(record, tcb.rcv.nxt));
    } else {
        place_in_order(a);
    }
    acknowledge_now(tcb);  // RFC 5681 §4.2
    if (record.count != 0) return;
    // Duplicates that are owed still would bear the new number: of a hole that is not there.
    tcb.owed_acks = 0;
    if (!record.fin_known) release_reassembly(a.env, tcb);
}

bool take_reassembly(Environment& env, Tcb& tcb) {
    if (tcb.reassembly != kNoIndex) return true;
    tcb.reassembly = env.reassemblies.take();
    if (tcb.reassembly == kNoIndex) return false;
    reset(env.reassemblies[tcb.reassembly]);
    return true;
}

// RFC 9293 SHLD-31. Without a record, or without room in it, the segment is as good as lost: it was
// not acknowledged, so the peer sends it again.
void accept_out_of_order(Arrival& a) {
    Tcb& tcb = a.tcb;
    count(a.env, &Counters::out_of_order);
    acknowledge_out_of_order(tcb);
    if (!take_reassembly(a.env, tcb)) {
        a.reaction.drop = Drop::tcp_out_of_order_full;
        return;
    }
    const SequenceNumber taken = insert_text(a, a.env.reassemblies[tcb.reassembly]);
    if (taken == a.seq) {
        a.reaction.drop = Drop::tcp_out_of_order_full;
    } else if (a.reaction.placement_count == 0) {
        a.reaction.drop = Drop::tcp_duplicate;
    }
}

}  // namespace

void accept_text(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (a.seq != tcb.rcv.nxt) {
        accept_out_of_order(a);
    } else if (tcb.reassembly != kNoIndex) {
        accept_gap_filler(a);
    } else {
        place_in_order(a);
        acknowledge_in_order(a.env, tcb, a.length, a.now);
    }
}

bool fin_is_next(Arrival& a) {
    Tcb& tcb = a.tcb;
    if (a.fin) {
        const SequenceNumber fin = a.seq + a.length;
        if (fin == tcb.rcv.nxt) return true;
        if (fin > tcb.rcv.nxt && take_reassembly(a.env, tcb)) {
            Reassembly& record = a.env.reassemblies[tcb.reassembly];
            record.fin_known = true;
            record.fin = fin;
            acknowledge_now(tcb);
        }
    }
    if (tcb.reassembly == kNoIndex) return false;
    const Reassembly& record = a.env.reassemblies[tcb.reassembly];
    return record.fin_known && record.fin == tcb.rcv.nxt;
}

void release_reassembly(Environment& env, Tcb& tcb) {
    if (tcb.reassembly == kNoIndex) return;
    env.reassemblies.give_back(tcb.reassembly);
    tcb.reassembly = kNoIndex;
}

}  // namespace mtcp::tcp
