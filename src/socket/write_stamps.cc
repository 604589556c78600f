// SPDX-License-Identifier: Apache-2.0
#include "socket/write_stamps.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

namespace mtcp::socket {
namespace {

bool is_reached(std::uint32_t end, std::uint32_t edge) {
    return static_cast<std::int32_t>(edge - end) >= 0;
}

}  // namespace

static_assert(WriteStamps::kUnderstood ==
              (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
               SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_CMSG |
               SOF_TIMESTAMPING_OPT_TSONLY));

void WriteStamps::set(std::uint32_t id, std::uint32_t flags, std::uint32_t key_base) {
    Socket& socket = sockets_[id];
    const bool numbers = (flags & ~socket.flags & SOF_TIMESTAMPING_OPT_ID) != 0;
    if (numbers) socket.key_base = key_base;
    socket.flags = flags;
}

void WriteStamps::note_write(std::uint32_t id, std::uint32_t end) {
    const auto found = sockets_.find(id);
    if (found == sockets_.end() || found->second.writes.size() == kMost) return;
    found->second.writes.push_back({.end = end, .left = false});
}

void WriteStamps::Socket::tell(std::uint32_t flag, std::uint32_t what, std::uint32_t end,
                               std::int64_t wall_ns) {
    // Without SOFTWARE times are taken, and not told.
    if ((flags & flag) == 0 || (flags & SOF_TIMESTAMPING_SOFTWARE) == 0) return;
    if (notices.size() == kMost) return;
    const bool numbered = (flags & SOF_TIMESTAMPING_OPT_ID) != 0;
    notices.push_back({.what = what, .key = numbered ? end - key_base - 1 : 0, .wall_ns = wall_ns});
}

bool WriteStamps::advance(std::uint32_t id, const Progress& progress, std::int64_t wall_ns) {
    const auto found = sockets_.find(id);
    if (found == sockets_.end()) return false;
    Socket& socket = found->second;
    for (Write& write : socket.writes) {
        if (!is_reached(write.end, progress.sent)) break;
        if (write.left) continue;
        write.left = true;
        socket.tell(SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED, write.end, wall_ns);
        socket.tell(SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND, write.end, wall_ns);
    }
    while (!socket.writes.empty() && is_reached(socket.writes.front().end, progress.acknowledged)) {
        socket.tell(SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK, socket.writes.front().end, wall_ns);
        socket.writes.pop_front();
    }
    return !socket.notices.empty();
}

bool WriteStamps::take(std::uint32_t id, Notice& notice) {
    const auto found = sockets_.find(id);
    if (found == sockets_.end() || found->second.notices.empty()) return false;
    notice = found->second.notices.front();
    found->second.notices.pop_front();
    return true;
}

bool WriteStamps::has_notices(std::uint32_t id) const {
    const auto found = sockets_.find(id);
    return found != sockets_.end() && !found->second.notices.empty();
}

}  // namespace mtcp::socket
