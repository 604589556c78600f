// SPDX-License-Identifier: Apache-2.0
// What the SYN can carry is the stack's knowledge: it is asked, and answers within a turn.
#include "socket/fast_open.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "socket/stream_socket.h"

namespace mtcp::socket {
namespace {

tcp::FastOpenRoom ask(Application& app, const Descriptor& d, const wire::Endpoint& remote) {
    const DescriptorDetails& details = app.details(d);
    FastOpenQuery query{};
    query.key.local = d.bound != 0 ? details.local.address : wire::IpAddress::v4(0);
    query.key.remote = remote.address;
    query.settings = details.settings;
    query.wish = wish_of(app, d);
    app.post({.kind = RequestKind::fast_open, .value = reinterpret_cast<std::uint64_t>(&query)});
    app.run_stack();
    return query.answer;
}

constexpr std::size_t kKeyBytes = 16;
static_assert(sizeof(SecretKey) == kKeyBytes);

std::uint64_t little_endian(const std::byte* at) {
    std::uint64_t word = 0;
    for (std::size_t i = 8; i-- > 0;)
        word = word << 8 | std::to_integer<std::uint64_t>(at[i]);
    return word;
}
void store_little_endian(std::uint64_t word, std::byte* at) {
    for (std::size_t i = 0; i < 8; ++i)
        at[i] = static_cast<std::byte>(word >> (8 * i));
}

}  // namespace

bool read_keys(std::span<const std::byte> from, tcp::FastOpenKeys& keys) {
    const bool two = from.size() == 2 * kKeyBytes;
    if (from.size() != kKeyBytes && !two) return false;
    keys = {.primary = {little_endian(from.data()), little_endian(from.data() + 8)},
            .backup = {},
            .chosen = true,
            .has_backup = two};
    if (two) keys.backup = {little_endian(from.data() + 16), little_endian(from.data() + 24)};
    return true;
}

std::size_t write_keys(const tcp::FastOpenKeys& keys, std::span<std::byte> to) {
    std::array<std::byte, 2 * kKeyBytes> bytes{};
    store_little_endian(keys.primary.k0, bytes.data());
    store_little_endian(keys.primary.k1, bytes.data() + 8);
    store_little_endian(keys.backup.k0, bytes.data() + 16);
    store_little_endian(keys.backup.k1, bytes.data() + 24);
    const std::size_t held = !keys.chosen ? 0 : keys.has_backup ? 2 * kKeyBytes : kKeyBytes;
    const std::size_t given = std::min(to.size(), held);
    std::memcpy(to.data(), bytes.data(), given);
    return given;
}

tcp::FastOpenWish wish_of(Application& app, const Descriptor& d) {
    return app.details(d).fast_open_no_cookie != 0 ? tcp::FastOpenWish::without_cookie
                                                   : tcp::FastOpenWish::cookie;
}

bool has_fast_open(Application& app, Descriptor& d) {
    return ask(app, d, {}).use != tcp::FastOpenRoom::Use::off;
}

bool defer_connect(Application& app, Descriptor& d, const wire::Endpoint& remote) {
    if (ask(app, d, remote).use != tcp::FastOpenRoom::Use::data) return false;
    d.deferred = 1;
    d.cut_off = d.error_taken = 0;
    app.own_details(d).deferred_remote = remote;
    app.raise(d, EpollBits::writable);
    return true;
}

long open_with_data(Application& app, Descriptor& d, const wire::Endpoint& remote, ByteCursor from,
                    int flags) {
    const tcp::FastOpenRoom room = ask(app, d, remote);
    if (room.use == tcp::FastOpenRoom::Use::off && d.deferred == 0) return -EOPNOTSUPP;
    if (const long wrong = check_unopened(app, d); wrong != 0) return wrong;
    if (const long wrong = check_destination(app, remote); wrong != 0) return wrong;
    const auto bytes = static_cast<std::uint32_t>(std::min<std::size_t>(from.left(), room.bytes));
    const bool blocking = d.non_blocking == 0 && (flags & MSG_DONTWAIT) == 0;
    const bool rest_follows = blocking && bytes < from.left();
    const RequestKind kind = rest_follows ? RequestKind::more : RequestKind::write;
    const long early = start_connection(app, d, remote, wish_of(app, d), {from, bytes, kind});
    if (early < 0) return early;
    if (!blocking) return early > 0 ? early : -EINPROGRESS;
    const long result = wait_for_connection(app, d);
    if (result == -EINPROGRESS && early > 0) return early;  // SO_SNDTIMEO is over
    if (result < 0 || from.left() == 0) return result < 0 ? result : early;
    const int others = flags & ~MSG_FASTOPEN;
    if (early == 0) return send_to_stream(app, d, from, others);
    return early + std::max(send_bytes(app, d, from, others), 0L);  // an error is the next call's
}

}  // namespace mtcp::socket
