// SPDX-License-Identifier: Apache-2.0
// What can be set: per core (Configuration) and per connection (Settings, copied from the core's
// defaults or the listener's at birth). Every limit has its name here.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace mtcp::tcp {

enum class CongestionAlgorithm : std::uint8_t { new_reno, cubic, dctcp, bbr };

// As Linux calls it in TCP_CONGESTION.
[[nodiscard]] constexpr const char* name_of(CongestionAlgorithm algorithm) {
    switch (algorithm) {
        case CongestionAlgorithm::new_reno: break;
        case CongestionAlgorithm::cubic: return "cubic";
        case CongestionAlgorithm::dctcp: return "dctcp";
        case CongestionAlgorithm::bbr: return "bbr";
    }
    return "reno";
}
// False: unknown.
[[nodiscard]] constexpr bool algorithm_of(std::string_view name, CongestionAlgorithm& out) {
    using enum CongestionAlgorithm;
    for (const CongestionAlgorithm algorithm : {new_reno, cubic, dctcp, bbr}) {
        if (name != name_of(algorithm)) continue;
        out = algorithm;
        return true;
    }
    if (name != "new_reno" && name != "newreno") return false;
    out = new_reno;
    return true;
}

// Settings::max_pacing_rate of a connection that is paced by its window alone.
inline constexpr std::uint32_t kPacedByWindow = UINT32_MAX;

// Per connection; what setsockopt reaches.
struct Settings {
    std::uint32_t receive_buffer = 256 * 1024;  // SO_RCVBUF, bytes
    std::uint32_t send_buffer = 256 * 1024;     // SO_SNDBUF, bytes (enforced by the socket)
    std::uint32_t user_timeout_ms = 0;      // TCP_USER_TIMEOUT; 0: R2 by count (RFC 9293 §3.8.3)
    std::uint32_t max_pacing_rate = 0;      // SO_MAX_PACING_RATE, bytes/s; 0: not paced but by BBR
    std::uint16_t maximum_segment = 0;      // TCP_MAXSEG; 0: from the MTU
    std::uint16_t keepalive_idle_s = 7200;  // TCP_KEEPIDLE (RFC 9293 MUST-28)
    std::uint16_t keepalive_interval_s = 75;  // TCP_KEEPINTVL
    std::uint8_t keepalive_count : 7 = 9;     // TCP_KEEPCNT
    std::uint8_t quick_start : 1 = 1;     // the first ACKs hardly wait; TCP_QUICKACK 0 makes them
    std::uint8_t type_of_service = 0;     // IP_TOS (RFC 9293 MUST-48)
    std::uint8_t time_to_live = 64;       // IP_TTL (RFC 9293 MUST-49)
    std::uint8_t keepalive : 1 = 0;       // SO_KEEPALIVE (RFC 9293 MUST-25: off)
    std::uint8_t no_delay : 1 = 0;        // TCP_NODELAY (RFC 9293 MUST-17)
    std::uint8_t cork : 1 = 0;            // TCP_CORK
    std::uint8_t quick_ack : 1 = 0;       // TCP_QUICKACK
    std::uint8_t path_discovery : 3 = 1;  // IP_MTU_DISCOVER; 0: routers may cut our packets
    std::uint8_t receive_fixed : 1 = 0;   // SO_RCVBUF was set: it does not grow by itself
    CongestionAlgorithm congestion = CongestionAlgorithm::cubic;  // TCP_CONGESTION
    std::uint8_t syn_retries : 7 = 0;  // TCP_SYNCNT; 0: the core's default
    std::uint8_t send_fixed : 1 = 0;   // SO_SNDBUF was set: it does not grow by itself
};
static_assert(sizeof(Settings) <= 32);

// Bytes that TCP_CORK or MSG_MORE holds back, when a setting changes.
enum class HeldBytes : std::uint8_t { stay, leave };

// What Fast Open cookies are made with (RFC 7413 §4.1.2). The backup is only accepted, so that keys
// can change without a gap.
struct FastOpenKeys {
    SecretKey primary;
    SecretKey backup;
    bool chosen = false;  // or the core makes one up
    bool has_backup = false;
};

// Bits of Configuration::fast_open, those of Linux's tcp_fastopen.
struct FastOpen {
    static constexpr std::uint16_t client = 0x1;
    static constexpr std::uint16_t server = 0x2;
    static constexpr std::uint16_t client_without_cookie = 0x4;
    static constexpr std::uint16_t server_without_cookie = 0x200;
    static constexpr std::uint16_t every_listener = 0x400;  // without TCP_FASTOPEN on it
};

// Does the application want Fast Open (RFC 7413): MSG_FASTOPEN, TCP_FASTOPEN_CONNECT?
enum class FastOpenWish : std::uint8_t { none, cookie, without_cookie };
// What a SYN can carry: on_send() of that much before the SYN leaves goes with it.
struct FastOpenRoom {
    enum class Use : std::uint8_t { off, no_data, data } use = Use::off;
    std::uint32_t bytes = 0;
};

// Per core; read-only after start.
struct Configuration {
    Settings defaults;

    Duration rto_initial = seconds(1);        // RFC 6298 §2.1
    Duration rto_min = milliseconds(200);     // deviation from RFC 6298 §2.4 (1 s), as Linux
    Duration rto_max = seconds(120);          // as Linux; RFC 6298 §2.5 allows >= 60 s
    Duration delayed_ack = milliseconds(40);  // RFC 9293 MUST-40: < 0.5 s
    Duration time_wait = seconds(60);         // deviation from 2 MSL = 4 min, as Linux
    Duration fin_wait_2 = seconds(60);        // orphaned FIN-WAIT-2, as Linux
    Duration persist_max = seconds(120);
    Duration challenge_ack_interval = milliseconds(500);  // per connection (RFC 5961 §7)
    Duration idle_timeout = {0};                          // original's tcp_timeout; 0: off
    std::uint8_t retries_1 = 3;                           // R1 (RFC 9293 SHLD-10)
    std::uint8_t retries_2 = 15;                          // R2, as Linux: about 15 min (SHLD-11)
    std::uint8_t orphan_retries = 8;                      // of who was let go, as Linux
    std::uint8_t syn_retries = 7;                         // > 3 min of SYNs (RFC 9293 MUST-23)
    std::uint8_t syn_ack_retries = 5;                     // as Linux
    std::uint16_t initial_window_segments = 10;           // RFC 6928
    std::uint8_t train_segments_min = 2;                  // of a TSO train, however slow the path
    std::uint16_t mss_floor = 88;                         // smallest MSS honoured from a peer
    std::uint8_t window_shift = 7;                        // offered; allows 8 MB windows
    std::uint32_t receive_buffer_max = 6u << 20;          // what buffers grow to by themselves
    std::uint32_t send_buffer_max = 4u << 20;
    std::uint32_t not_sent_low_water = 0;  // TCP_NOTSENT_LOWAT of new connections; 0: none
    enum class Use : std::uint8_t { off, on };
    Use timestamps = Use::on;
    Use selective_ack = Use::on;
    Use window_scaling = Use::on;
    Use header_prediction = Use::on;
    enum class Ecn : std::uint8_t { off, accept, request };  // RFC 3168; as Linux: not requested
    Ecn ecn = Ecn::accept;
    std::uint16_t fast_open = FastOpen::client;  // RFC 7413
    FastOpenKeys fast_open_keys;
    // Probing for the path MTU (RFC 4821), as Linux's tcp_mtu_probing: never; once nothing comes
    // through that large; from the start.
    enum class PathProbing : std::uint8_t { off, black_hole, always };
    PathProbing path_probing = PathProbing::black_hole;
    std::uint16_t path_base_mss = 1024;         // where a search begins (RFC 4821 §7.2, eff_pmtu)
    Duration path_mtu_lifetime = seconds(600);  // what was learnt of a path is in doubt after that
    Duration fast_open_pause = seconds(3600);   // after a black hole; doubled each time; 0: never
    enum class HyStart : std::uint8_t { off, classic, plus_plus };
    HyStart hystart = HyStart::plus_plus;  // CUBIC leaves slow start early (RFC 9406)
    Use restart_after_idle = Use::on;      // RFC 5681 §4.1
    Use abort_on_overflow = Use::off;      // a full accept queue resets instead of waiting
    Use tail_loss_probe = Use::on;         // RFC 8985 §7
    enum class Cookies : std::uint8_t { off, when_full, always };
    Cookies syn_cookies = Cookies::when_full;
};

}  // namespace mtcp::tcp
