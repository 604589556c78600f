// SPDX-License-Identifier: Apache-2.0
// Linux counts some things in segments that we count in bytes, and has its own numbers for states.
#include "socket/tcp_info.h"

#include <algorithm>
#include <array>

namespace mtcp::socket {
namespace {

// Values of TCP_ESTABLISHED ... TCP_CLOSING in the kernel, by our State.
constexpr std::array<std::uint8_t, tcp::kStateCount> kLinuxState = [] {
    using S = tcp::State;
    std::array<std::uint8_t, tcp::kStateCount> table{};
    const auto set = [&table](S state, std::uint8_t value) {
        table[static_cast<std::size_t>(state)] = value;
    };
    set(S::established, 1);
    set(S::syn_sent, 2);
    set(S::syn_received, 3);
    set(S::fin_wait_1, 4);
    set(S::fin_wait_2, 5);
    set(S::time_wait, 6);
    set(S::closed, 7);
    set(S::close_wait, 8);
    set(S::last_ack, 9);
    set(S::listen, 10);
    set(S::closing, 11);
    return table;
}();

constexpr std::uint8_t kCongestionReduced = 2;  // TCP_CA_CWR
constexpr std::uint32_t kEndlessSlowStart = 0x7fff'ffff;

std::uint32_t in_segments(std::uint32_t bytes, std::uint32_t mss) {
    return mss == 0 ? 0 : (bytes + mss - 1) / mss;
}

}  // namespace

tcp_info to_tcp_info(const tcp::Status& s) {
    tcp_info info{};
    const std::uint32_t mss = s.send_mss;
    info.tcpi_state = kLinuxState[static_cast<std::size_t>(s.state)];
    const bool repairs = s.phase >= tcp::Phase::fast_recovery;
    info.tcpi_ca_state =
        s.ecn_reduced && !repairs ? kCongestionReduced : static_cast<std::uint8_t>(s.phase);
    info.tcpi_retransmits = s.retransmissions;
    info.tcpi_probes = s.probes;
    info.tcpi_backoff = s.backoff;
    info.tcpi_options = static_cast<std::uint8_t>(
        (s.timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (s.selective_ack ? TCPI_OPT_SACK : 0) |
        (s.window_scaling ? TCPI_OPT_WSCALE : 0) | (s.ecn ? TCPI_OPT_ECN : 0) |
        (s.ecn_seen ? TCPI_OPT_ECN_SEEN : 0) | (s.syn_data ? TCPI_OPT_SYN_DATA : 0));
    info.tcpi_snd_wscale = s.send_window_shift & 0xf;
    info.tcpi_rcv_wscale = s.receive_window_shift & 0xf;
    info.tcpi_rto = s.rto_us;
    info.tcpi_snd_mss = mss;
    info.tcpi_rcv_mss = s.receive_mss;
    info.tcpi_advmss = s.receive_mss;
    info.tcpi_unacked = in_segments(s.flight_bytes, mss);
    info.tcpi_sacked = in_segments(s.sacked_bytes, mss);
    info.tcpi_lost = in_segments(s.lost_bytes, mss);
    info.tcpi_retrans = in_segments(s.retransmitted_bytes, mss);
    info.tcpi_last_data_sent = s.since_last_send_ms;
    info.tcpi_last_data_recv = s.since_last_receive_ms;
    info.tcpi_last_ack_recv = s.since_last_receive_ms;
    info.tcpi_pmtu = s.path_mtu;
    info.tcpi_rtt = s.srtt_us;
    info.tcpi_rttvar = s.rttvar_us;
    info.tcpi_min_rtt = s.rtt_min_us;
    // Slow start that nothing has ended yet: TCP_INFINITE_SSTHRESH.
    const bool endless = s.ssthresh_bytes >= kEndlessSlowStart;
    info.tcpi_snd_ssthresh = endless ? kEndlessSlowStart : in_segments(s.ssthresh_bytes, mss);
    info.tcpi_snd_cwnd =
        std::max(s.cwnd_bytes / std::max(mss, 1u), std::uint32_t{mss == 0 ? 0u : 1u});
    info.tcpi_reordering = s.reordering;
    info.tcpi_reord_seen = s.reorderings;
    info.tcpi_dsack_dups = s.duplicates;
    info.tcpi_delivered = in_segments(s.delivered_bytes, mss);
    info.tcpi_delivery_rate = s.delivery_rate;
    info.tcpi_delivery_rate_app_limited = s.rate_app_limited ? 1 : 0;
    info.tcpi_rcv_space = s.receive_window;
    info.tcpi_total_retrans = s.total_retransmissions;
    info.tcpi_bytes_acked = s.bytes_acked;
    info.tcpi_bytes_received = s.bytes_received;
    info.tcpi_bytes_retrans = s.bytes_retransmitted;
    info.tcpi_notsent_bytes = s.unsent_bytes;
    info.tcpi_busy_time = std::uint64_t{s.busy_ms} * 1'000;
    info.tcpi_rwnd_limited = std::uint64_t{s.window_limited_ms} * 1'000;
    info.tcpi_sndbuf_limited = std::uint64_t{s.buffer_limited_ms} * 1'000;
    info.tcpi_snd_wnd = s.send_window;
    // The SYN counts, and what rode on it goes with it.
    const std::uint64_t with_syn = s.syn_data ? s.syn_bytes : 0;
    const auto delivered = static_cast<std::uint32_t>(s.bytes_acked - with_syn + s.sacked_bytes);
    const bool syn_acked = s.snd_una != s.iss && s.state != tcp::State::syn_sent;
    info.tcpi_delivered = (syn_acked ? 1u : 0u) + in_segments(delivered, mss);
    // All ones: no limit.
    info.tcpi_pacing_rate = s.pacing_rate != 0 ? s.pacing_rate : UINT64_MAX;
    info.tcpi_max_pacing_rate = s.max_pacing_rate != 0 ? s.max_pacing_rate : UINT64_MAX;
    return info;
}

std::size_t to_congestion_info(const tcp::Status& s, tcp_cc_info& info) {
    if (s.bbr_bandwidth != 0) {
        info.bbr.bbr_bw_lo = static_cast<std::uint32_t>(s.bbr_bandwidth);
        info.bbr.bbr_bw_hi = static_cast<std::uint32_t>(s.bbr_bandwidth >> 32);
        info.bbr.bbr_min_rtt = s.bbr_min_rtt_us;
        return sizeof info.bbr;
    }
    if (s.dctcp_active) {
        info.dctcp.dctcp_enabled = 1;
        info.dctcp.dctcp_alpha = s.dctcp_alpha;
        return sizeof info.dctcp;
    }
    return 0;
}

// As Linux: how many wait for accept, and the backlog, of which one more is kept.
tcp_info listening_tcp_info(const Listener& listener) {
    tcp_info info{};
    info.tcpi_state = kLinuxState[static_cast<std::size_t>(tcp::State::listen)];
    info.tcpi_unacked = static_cast<std::uint32_t>(listener.accepted.size());
    info.tcpi_sacked = listener.backlog - 1;
    return info;
}

}  // namespace mtcp::socket
