// SPDX-License-Identifier: Apache-2.0
// RFC 7413.
#include "tcp/handshake/fast_open.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/siphash.h"
#include "tcp/counting.h"
#include "tcp/path/mss.h"
#include "tcp/take_ack.h"

namespace mtcp::tcp {
namespace {

using Option = FastOpenOffer::Option;

constexpr std::uint8_t kCookieLength = 8;
// Room that is left for options which a middlebox may add to the SYN (as Linux).
constexpr std::uint32_t kOptionSpace = 40;
constexpr std::uint32_t kPauseDoublingsMax = 6;

std::uint64_t cookie_of(const SecretKey& key, const wire::FlowKey& flow) {
    // The client's address, which is the source of the SYN, then ours.
    std::array<std::uint8_t, 32> addresses{};
    const std::size_t skip = flow.remote.is_v4() ? 12 : 0;
    const std::size_t length = 16 - skip;
    std::memcpy(addresses.data(), flow.remote.octet.data() + skip, length);
    std::memcpy(addresses.data() + length, flow.local.octet.data() + skip, length);
    return siphash(key, std::as_bytes(std::span{addresses}).first(2 * length));
}

std::array<std::uint8_t, kCookieLength> little_endian(std::uint64_t word) {
    std::array<std::uint8_t, kCookieLength> bytes{};
    for (std::uint8_t& byte : bytes) {
        byte = static_cast<std::uint8_t>(word);
        word >>= 8;
    }
    return bytes;
}

bool matches(const SecretKey& key, const wire::FlowKey& flow, const wire::Options& options) {
    const auto right = little_endian(cookie_of(key, flow));
    return options.fast_open_length == kCookieLength &&
           std::memcmp(options.fast_open_cookie.data(), right.data(), right.size()) == 0;
}

bool has(const Environment& env, std::uint16_t bits) {
    return (env.configuration.fast_open & bits) != 0;
}

bool is_paused(const Environment& env, Instant now) {
    const FastOpenPause& pause = env.fast_open_pause;
    const Duration length = env.configuration.fast_open_pause;
    if (length.ns == 0 || pause.times == 0) return false;
    const std::uint32_t doublings = std::min(pause.times - 1, kPauseDoublingsMax);
    return now < pause.since + length * (std::int64_t{1} << doublings);
}

}  // namespace

void write_cookie(const SecretKey& key, const wire::FlowKey& flow, wire::Options& options) {
    const auto cookie = little_endian(cookie_of(key, flow));
    options.fast_open_length = kCookieLength;
    std::memcpy(options.fast_open_cookie.data(), cookie.data(), cookie.size());
}

CookieVerdict check_fast_open_cookie(const FastOpenKeys& keys, const wire::FlowKey& flow,
                                     const wire::Options& options) {
    if (matches(keys.primary, flow, options)) return CookieVerdict::current;
    const bool old = keys.has_backup && matches(keys.backup, flow, options);
    return old ? CookieVerdict::of_backup : CookieVerdict::wrong;
}

FastOpenOffer plan_fast_open(Environment& env, const Tcb& tcb, Instant now) {
    FastOpenOffer offer;
    if (!tcb.fast_open.wanted || !has(env, FastOpen::client) || is_paused(env, now)) return offer;
    const Destination* const known = env.destinations.find(tcb.key, now);
    const bool cookie = known != nullptr && known->cookie_length > 0;
    if (tcb.fast_open.without_cookie || has(env, FastOpen::client_without_cookie)) {
        offer.data = true;
    } else {
        offer.option = cookie ? Option::cookie : Option::request;
        offer.data = cookie;
        offer.experimental =
            cookie ? known->cookie_is_experimental
                   : known != nullptr && known->form == Destination::Form::experimental;
    }
    // RFC 7413 §4.1.3: what the server could take last time; options are not known yet.
    std::uint32_t mss = tcb.advertised_mss;
    if (known != nullptr && known->mss != 0) mss = std::min<std::uint32_t>(mss, known->mss);
    if (known != nullptr && known->path_mtu != 0) {
        mss = std::min<std::uint32_t>(mss, known->path_mtu - header_bytes(tcb.key.remote));
    }
    offer.room = mss > kOptionSpace ? mss - kOptionSpace : 0;
    return offer;
}

FastOpenRoom fast_open_room(Environment& env, const OpenRequest& request, Instant now) {
    FastOpenRoom room;
    if (!has(env, FastOpen::client)) return room;
    Tcb tcb{};
    tcb.key = request.key;
    tcb.advertised_mss = mss_to_advertise(request.settings, request.path_mtu, request.key.remote);
    tcb.fast_open.wanted = true;
    tcb.fast_open.without_cookie = request.fast_open == FastOpenWish::without_cookie;
    const FastOpenOffer offer = plan_fast_open(env, tcb, now);
    room.use = offer.data ? FastOpenRoom::Use::data : FastOpenRoom::Use::no_data;
    room.bytes = offer.data ? offer.room : 0;
    return room;
}

std::uint32_t write_fast_open(Environment& env, Tcb& tcb, Instant now, wire::OutgoingSegment& syn) {
    const FastOpenOffer offer = plan_fast_open(env, tcb, now);
    if (offer.option != Option::none) {
        tcb.fast_open.asked = true;
        tcb.fast_open.experimental = offer.experimental;
        tcb.fast_open.trial = env.fast_open_pause.times > 0;
        syn.options.fast_open_length = 0;
        syn.options.fast_open_experimental = offer.experimental;
    }
    if (offer.option == Option::cookie) {
        const Destination& known = *env.destinations.find(tcb.key, now);
        syn.options.fast_open_length = known.cookie_length;
        syn.options.fast_open_cookie = known.cookie;
    }
    if (!offer.data) return 0;
    const std::uint32_t bytes = std::min(bytes_unsent(tcb), offer.room);
    tcb.syn_bytes = static_cast<std::uint16_t>(bytes);
    return bytes;
}

void learn_from_syn_ack(Arrival& a) {
    Tcb& tcb = a.tcb;
    const wire::Options& options = a.seg.options;
    if (!tcb.fast_open.asked && tcb.syn_bytes == 0) return;
    const bool whole = a.seg.ack == tcb.iss + 1 + tcb.syn_bytes;
    tcb.fast_open.took_data = tcb.syn_bytes > 0 && whole;
    if (tcb.fast_open.took_data) count(a.env, &Counters::fast_opens_active);
    Destination* const known = a.env.destinations.obtain(tcb.key, a.now);
    if (known == nullptr) return;
    if (options.mss != 0) known->mss = options.mss;
    if (!tcb.fast_open.asked) return;  // a cookie that nobody asked for is ignored
    if (options.fast_open_length != wire::kNoFastOpen && options.fast_open_length > 0) {
        known->cookie_length = options.fast_open_length;
        known->cookie = options.fast_open_cookie;
        known->cookie_is_experimental = options.fast_open_experimental;
    } else if (known->cookie_length == 0 && tcb.total_retransmissions == 0) {
        using Form = Destination::Form;
        const Form next = tcb.fast_open.experimental ? Form::settled : Form::experimental;
        if (next > known->form) known->form = next;
    }
}

void pause_fast_open(Environment& env, Instant now) {
    if (env.configuration.fast_open_pause.ns == 0) return;
    env.fast_open_pause.since = now;
    ++env.fast_open_pause.times;
    count(env, &Counters::fast_open_pauses);
}

void note_timeout(Environment& env, const Tcb& tcb, Expired expired, Instant now) {
    if (!tcb.fast_open.asked && tcb.syn_bytes == 0) return;
    // Very careful, as Linux: the third time-out in a row, or the end of a connection before that.
    const bool third = tcb.retransmissions == 2;
    const bool short_lived = tcb.retransmissions < 2 && expired == Expired::yes;
    if (third || short_lived) pause_fast_open(env, now);
}

void judge_fast_open(Environment& env, const Tcb& tcb, Instant now) {
    if (!tcb.fast_open.asked) return;
    if (total_received(tcb) > 0) {
        if (tcb.fast_open.trial) env.fast_open_pause.times = 0;
        return;
    }
    // Nothing but a FIN beyond a gap: what the peer sent was swallowed.
    if (tcb.reassembly == kNoIndex) return;
    const Reassembly& record = env.reassemblies[tcb.reassembly];
    if (record.fin_known && record.count == 0) pause_fast_open(env, now);
}

}  // namespace mtcp::tcp
