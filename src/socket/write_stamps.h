// SPDX-License-Identifier: Apache-2.0
// SO_TIMESTAMPING of what is sent: when the last byte of each write left, and when the peer
// acknowledged it. The stack tells how far a connection has come, and when; what that means for the
// writes of a program is kept here. Only sockets that asked for it are known.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "socket/channel.h"

namespace mtcp::socket {

class WriteStamps {
  public:
    // What MSG_ERRQUEUE tells of.
    struct Notice {
        std::uint32_t what;  // SCM_TSTAMP_SCHED, _SND, _ACK
        std::uint32_t key;
        std::int64_t wall_ns;
    };
    // Bits of SO_TIMESTAMPING that are understood.
    static constexpr std::uint32_t kUnderstood = 0xf92;

    void set(std::uint32_t id, std::uint32_t flags, std::uint32_t key_base);
    // A write ends `end` bytes into the stream, modulo 2^32.
    void note_write(std::uint32_t id, std::uint32_t end);
    // True: there is news for MSG_ERRQUEUE.
    [[nodiscard]] bool advance(std::uint32_t id, const Progress& progress, std::int64_t wall_ns);
    // The oldest notice; false: there is none.
    [[nodiscard]] bool take(std::uint32_t id, Notice& notice);
    [[nodiscard]] bool has_notices(std::uint32_t id) const;
    void forget(std::uint32_t id) { sockets_.erase(id); }

  private:
    // Of a program that does not fetch its notices no more are kept.
    static constexpr std::size_t kMost = 1024;

    struct Write {
        std::uint32_t end;
        bool left;
    };
    struct Socket {
        std::uint32_t flags = 0;
        std::uint32_t key_base = 0;
        std::deque<Write> writes;  // not acknowledged
        std::deque<Notice> notices;

        void tell(std::uint32_t flag, std::uint32_t what, std::uint32_t end, std::int64_t wall_ns);
    };
    std::unordered_map<std::uint32_t, Socket> sockets_;
};

}  // namespace mtcp::socket
