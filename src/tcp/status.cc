// SPDX-License-Identifier: Apache-2.0
// RFC 9293 §3.10.6: STATUS.
#include "tcp/status.h"

#include "tcp/clock.h"
#include "tcp/congestion/bbr/bbr.h"
#include "tcp/congestion/controller.h"
#include "tcp/connection.h"
#include "tcp/recovery/rtt_estimator.h"
#include "tcp/recovery/side_record.h"
#include "tcp/send/limit_clock.h"
#include "tcp/send/pacer.h"
#include "tcp/take_ack.h"

namespace mtcp::tcp {
namespace {

void describe_recovery(const Environment& env, const Tcb& tcb, Status& status) {
    status.reordering = tcb.reordering;
    status.reorderings = tcb.reorderings;
    status.duplicates = tcb.duplicates;
    status.delivered_bytes = tcb.snd.una - tcb.iss;
    const Recovery* r = record_of(env, tcb);
    if (r == nullptr) {
        const bool repairing = tcb.phase >= Phase::fast_recovery;
        if (repairing) status.retransmitted_bytes = tcb.high_rxt - tcb.snd.una;
        if (tcb.phase == Phase::loss && tcb.recover > tcb.high_rxt) {
            status.lost_bytes = tcb.recover - tcb.high_rxt;
        }
        return;
    }
    status.delivered_bytes = total_delivered(tcb, *r);
    status.sacked_bytes = r->log.sacked_bytes + r->reno_sacked;
    status.lost_bytes = r->log.lost_bytes;
    status.retransmitted_bytes = r->log.resent_bytes;
    if (r->rate.interval_us == 0) return;
    status.delivery_rate = std::uint64_t{1'000'000} * r->rate.delivered / r->rate.interval_us;
    status.rate_app_limited = r->rate.limit == RateSample::Limit::application;
}

void describe_path(const Tcb& tcb, const Configuration& configuration, Status& status) {
    status.rto_us =
        static_cast<std::uint32_t>(backed_off_rto(tcb, configuration.rto_max).microseconds());
    status.srtt_us = tcb.srtt_us;
    status.rttvar_us = tcb.rttvar_us;
    status.rtt_min_us = tcb.rtt_min_us;
    status.send_mss = tcb.mss;
    status.receive_mss = tcb.advertised_mss;
    status.path_mtu = tcb.path_mtu;
    status.cwnd_bytes = tcb.cwnd;
    status.ssthresh_bytes = tcb.ssthresh;
    status.backoff = tcb.backoff;
}

void describe_congestion(const Environment& env, const Tcb& tcb, Status& status) {
    status.congestion = name_of(tcb.settings.congestion);
    const std::uint32_t limit = tcb.settings.max_pacing_rate;
    status.max_pacing_rate = limit == kPacedByWindow ? 0 : limit;
    if (is_paced(tcb)) status.pacing_rate = pacing_rate(env, tcb);
    if (const congestion::Dctcp* const d = congestion::dctcp_of(env, tcb); d != nullptr) {
        status.dctcp_active = true;
        status.dctcp_alpha = d->alpha;
    }
    const congestion::Bbr* const b = congestion::bbr_of(env, tcb);
    if (b == nullptr) return;
    status.bbr_bandwidth = congestion::bbr::bandwidth(*b);
    status.bbr_min_rtt_us = b->min_rtt_us == congestion::kNoRtt ? 0 : b->min_rtt_us;
}

}  // namespace

Status status(const Environment& env, const Tcb& tcb, Instant now) {
    Status status;
    status.key = tcb.key;
    status.state = tcb.state;
    status.phase = tcb.phase;
    status.retransmissions = tcb.retransmissions;
    status.probes = tcb.retransmissions == 0 ? tcb.unanswered_probes : 0;
    status.send_window_shift = tcb.send_window_shift;
    status.receive_window_shift = tcb.receive_window_shift;
    status.timestamps = tcb.flags.timestamps;
    status.selective_ack = tcb.flags.selective_ack;
    status.window_scaling = tcb.flags.window_scaling;
    status.ecn = tcb.ecn.agreed;
    status.ecn_seen = tcb.ecn.seen;
    status.ecn_reduced = tcb.snd.una < tcb.reduced_until;
    status.syn_data = tcb.fast_open.took_data;
    status.syn_bytes = tcb.syn_bytes;
    status.soft_error = tcb.soft_error;
    describe_path(tcb, env.configuration, status);
    describe_congestion(env, tcb, status);
    status.send_window = tcb.snd.wnd;
    status.receive_window = tcb.rcv.wnd;
    status.flight_bytes = tcb.snd.nxt - tcb.snd.una;
    describe_recovery(env, tcb, status);
    status.unsent_bytes = bytes_unsent(tcb);
    status.unread_bytes = tcb.rcv.unread;
    if (tcb.reassembly != kNoIndex) {
        status.out_of_order_bytes = bytes(env.reassemblies[tcb.reassembly]);
    }
    status.total_retransmissions = tcb.total_retransmissions;
    status.bytes_acked = total_acked(tcb);
    status.bytes_received = total_received(tcb);
    status.bytes_retransmitted = tcb.bytes_retransmitted;
    status.since_last_send_ms = to_ms(now) - tcb.last_sent_ms;
    status.since_last_receive_ms = to_ms(now) - tcb.last_received_ms;
    status.busy_ms = limited_ms(tcb, SendLimit::busy, now);
    status.window_limited_ms = limited_ms(tcb, SendLimit::window, now);
    status.iss = tcb.iss;
    status.irs = tcb.irs;
    status.snd_una = tcb.snd.una;
    status.snd_nxt = tcb.snd.nxt;
    status.rcv_nxt = tcb.rcv.nxt;
    return status;
}

}  // namespace mtcp::tcp
