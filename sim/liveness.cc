// SPDX-License-Identifier: Apache-2.0
// A sum of worst cases, in microseconds.
#include "sim/liveness.h"

#include <algorithm>
#include <cstdint>

#include "sim/resettle.h"

namespace mtcp::sim {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDelayedAck = 40'000;
constexpr std::int64_t kCork = 200'000;
constexpr std::int64_t kRtoMin = 200'000;
constexpr std::int64_t kRtoMax = 120 * kSecond;
constexpr std::int64_t kHeaders = 60;
constexpr std::int64_t kWindow = 262'144;
// Of a full queue, a lost retransmission, a refused frame: each hold-up costs a few of these.
constexpr std::int64_t kTimeouts = 16;
// A service gives up a peer that may be gone after that (endpoint.cc).
constexpr std::int64_t kPatience = 200 * kSecond;

std::int64_t bytes_of(const SessionPlan& session) {
    return std::int64_t{session.rounds} * (session.up_bytes + session.down_bytes) + 8;
}

bool resettles(const SessionPlan& session) {
    return session.habits[0].resettles.ns != 0 || session.habits[1].resettles.ns != 0;
}

// No more than everybody's windows can be in a queue.
std::int64_t queue_time(const WorldPlan& plan, const DirectionPlan& way) {
    const std::uint64_t rate = way.faults.rate_bits_per_second;
    if (rate == 0) return 0;
    std::int64_t most = 0;
    for (const SessionPlan& session : plan.sessions)
        most += std::min<std::int64_t>(bytes_of(session), kWindow);
    most = std::min<std::int64_t>(most, static_cast<std::int64_t>(way.faults.queue_bytes));
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(most) * 8 * kSecond / rate);
}

// There and back, through full queues, programs that look late, frames that come in small bundles.
std::int64_t round_trip(const WorldPlan& plan) {
    std::int64_t us = 0;
    for (std::size_t i = 0; i < 2; ++i) {
        us += plan.wire[i].faults.delay.microseconds() + queue_time(plan, plan.wire[i]);
        us += plan.hosts[i].program_delay.microseconds();
    }
    return us;
}

// What the retransmission, persist or SYN timer has still to run when the wire heals: it doubles,
// so at most what has passed, and as much again.
std::int64_t timer_under_way(const WorldPlan& plan, const SessionPlan& session) {
    const std::int64_t suffered =
        std::max<std::int64_t>(plan.faults_end.microseconds() - session.start.microseconds(), 0);
    return std::min(2 * suffered + kSecond, kRtoMax);
}

std::int64_t smallest_segment(const WorldPlan& plan, const SessionPlan& session) {
    const std::int64_t smallest = std::min<std::int64_t>(
        {session.write_size[0], session.write_size[1], plan.hosts[0].port.mtu - 100});
    return std::max<std::int64_t>(smallest, 1);
}

// Everybody's bytes share the slower direction; small segments carry a header each.
std::int64_t transfer(const WorldPlan& plan) {
    std::int64_t bytes = 0;
    for (const SessionPlan& session : plan.sessions) {
        const std::int64_t smallest = smallest_segment(plan, session);
        const std::int64_t own = bytes_of(session);
        bytes += own + own / smallest * kHeaders;
    }
    std::uint64_t rate = UINT64_MAX;
    for (const DirectionPlan& way : plan.wire) {
        if (way.faults.rate_bits_per_second != 0) {
            rate = std::min(rate, way.faults.rate_bits_per_second);
        }
    }
    if (rate == UINT64_MAX) return 0;
    return static_cast<std::int64_t>(static_cast<double>(bytes) * 8e6 / static_cast<double>(rate));
}

// As many frames as segments, acknowledgments and what is sent again may be, through the slower
// device.
std::int64_t devices(const WorldPlan& plan) {
    std::int64_t frames = 0;
    for (const SessionPlan& session : plan.sessions) {
        const std::int64_t smallest = smallest_segment(plan, session);
        frames += 8 * (1 + bytes_of(session) / smallest + session.rounds);
    }
    const Duration slower = std::max(plan.hosts[0].port.frame_time, plan.hosts[1].port.frame_time);
    return frames * slower.ns / 1000;
}

// Urgent bytes: each is a segment of its own, and a read ends before it.
std::int64_t marks(const SessionPlan& session) {
    std::int64_t count = 0;
    for (const Habits& habits : session.habits)
        count += habits.urgent_every == 0 ? 0 : 2 * bytes_of(session) / habits.urgent_every;
    return count;
}

// As many round trips as the smallest buffer asks for, with the pauses of whoever waits for more.
std::int64_t turns(const WorldPlan& plan, const SessionPlan& session) {
    std::int64_t smallest = INT64_MAX;
    for (const HostConfig& host : plan.hosts) {
        const tcp::Settings& settings = host.stack.tcp.defaults;
        smallest =
            std::min<std::int64_t>({smallest, settings.receive_buffer, settings.send_buffer});
    }
    if (resettles(session)) smallest = std::min<std::int64_t>(smallest, kLeastBuffer);
    const std::int64_t buffer =
        std::clamp<std::int64_t>(smallest / 2, 512, 8 * std::int64_t{plan.hosts[0].port.mtu});
    const std::int64_t trips =
        12 + 4 * std::int64_t{session.rounds} + bytes_of(session) / buffer + marks(session);
    std::int64_t each = round_trip(plan) + kDelayedAck;
    const bool corks = session.cork[0] || session.cork[1] || resettles(session) ||
                       session.habits[0].more || session.habits[1].more;
    if (corks) each += kCork;
    return trips * each;
}

// A queue without room for two segments drops one of each pair. A sender whose peer tells neither
// of SACK nor of timestamps sends it again by a time-out only, which stays as long as it has become
// (RFC 6298 §5.7, Karn's algorithm).
std::int64_t lost_pairs(const WorldPlan& plan, const SessionPlan& session) {
    const std::int64_t mtu = plan.hosts[0].port.mtu;
    const bool narrow =
        std::any_of(plan.wire.begin(), plan.wire.end(), [mtu](const DirectionPlan& way) {
            return way.faults.rate_bits_per_second != 0 &&
                   static_cast<std::int64_t>(way.faults.queue_bytes) < 2 * mtu;
        });
    return narrow ? bytes_of(session) / mtu * timer_under_way(plan, session) : 0;
}

std::int64_t pauses(const SessionPlan& session) {
    std::int64_t us = 0;
    for (std::size_t end = 0; end < 2; ++end) {
        // A read finds a segment at least, or all there is.
        const std::int64_t piece = std::min<std::int64_t>(session.read_size[end], 500);
        us += (bytes_of(session) / std::max<std::int64_t>(piece, 1) + session.rounds + 2 +
               marks(session)) *
              session.read_pause[end].microseconds();
    }
    return us + session.rounds * session.think.microseconds();
}

}  // namespace

Duration time_to_end(const WorldPlan& plan, const SessionPlan& session) {
    const std::int64_t timeout = std::max(2 * round_trip(plan), kRtoMin);
    std::int64_t us = timer_under_way(plan, session) + transfer(plan) + devices(plan) +
                      turns(plan, session) + pauses(session) + kTimeouts * timeout;
    // The two ends come to their end one after the other, each with such a timer.
    us += timer_under_way(plan, session);
    us += lost_pairs(plan, session);
    if (resettles(session)) us += bytes_of(session) * kSecond / kLeastRate;
    const HostConfig& server = plan.hosts[index(session.server)];
    const bool reborn = session.server_may_be_reborn ||
                        server.stack.tcp.syn_cookies == tcp::Configuration::Cookies::always;
    if (session.may_fail || session.may_be_refused || session.aborts() || reborn)
        us += kPatience + kPatience / 4;
    return microseconds(us);
}

}  // namespace mtcp::sim
