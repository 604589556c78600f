// SPDX-License-Identifier: Apache-2.0
// The generic test program: one connection's part in a transfer. A client begins each connection
// with a Request; what follows depends on its operation:
//   S  the server sends `length` bytes and its FIN
//   R  the client sends `length` bytes and its FIN; the server answers with a Result
//   E  the server sends back what the client sends, then its FIN after the client's
//   H  half-close: the client sends `length` bytes and its FIN, then the server sends as many and
//   its X  the server sends `length` bytes and resets A  as R, but the client resets after half of
//   the bytes
// All bytes are of the pattern and checked by whoever receives them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "pattern.h"
#include "sockets/sockets.h"

namespace peer {

struct Request {
    char magic[4] = {'P', 'E', 'E', 'R'};
    char operation = 'S';
    char unused[3] = {};
    std::uint32_t seed = 0;
    std::uint32_t unused_too = 0;
    std::uint64_t length = 0;
};
static_assert(sizeof(Request) == 24);

struct Result {
    std::uint64_t count = 0;
    std::uint64_t first_wrong = UINT64_MAX;
};
static_assert(sizeof(Result) == 16);

struct Totals {
    std::uint64_t opened = 0;
    std::uint64_t completed = 0;
    std::uint64_t failed = 0;
    std::uint64_t wrong = 0;        // connections with a wrong byte or count
    std::uint64_t resets_in = 0;    // that were due: operations X and A
    std::uint64_t resets_lost = 0;  // due, and never seen: a lost reset is not sent again
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::map<std::string, std::uint64_t> failures;  // by reason
};

enum class Role : std::uint8_t { server, client };

struct Surroundings {
    net::Context context{};
    const Pattern& pattern;
    Totals& totals;
};

class Flow {
  public:
    enum class Next : std::uint8_t { wait, again, done };

    void begin(Role role, int socket, const Request& request);
    // Moves bytes until the socket has no more of it, or the share of one call is used up
    // (`again`).
    Next drive(Surroundings&);
    Next failed_with(Surroundings&, const std::string& reason);
    // There was no progress for too long.
    void give_up(Surroundings&);

    [[nodiscard]] int socket() const { return socket_; }
    std::uint32_t generation = 0;
    bool in_use = false;
    bool connected = false;
    std::chrono::steady_clock::time_point progressed;

  private:
    enum class Receiving : std::uint8_t { request, pattern, result, echo, end };
    enum class Sent : std::uint8_t { nothing, shutdown, reset, stay };
    enum class Moved : std::uint8_t { nothing, something, ended, broken };

    void plan_server();
    void plan_client();
    Moved send_some(Surroundings&);
    Moved receive_some(Surroundings&);
    Moved finish_sending(Surroundings&);
    bool take(Surroundings&, const char* bytes, std::size_t size);
    Next at_end(Surroundings&);
    Next broken(Surroundings&, int error);
    [[nodiscard]] bool right_at_end() const;
    [[nodiscard]] bool awaits_reset() const;
    [[nodiscard]] bool all_sent() const { return text_at_ == text_.size() && sent_ == to_send_; }

    int socket_ = -1;
    Role role_ = Role::server;
    Request request_;
    std::string text_;  // to be sent before the pattern: request, result or echo
    std::size_t text_at_ = 0;
    std::uint64_t to_send_ = 0;
    std::uint64_t sent_ = 0;
    Sent after_ = Sent::stay;  // what follows the last byte
    bool after_done_ = false;
    Receiving receiving_ = Receiving::request;
    std::string collected_;  // of a request or a result
    std::uint64_t received_ = 0;
    std::uint64_t first_wrong_ = UINT64_MAX;
    bool ended_ = false;  // the other end's FIN was read
};

}  // namespace peer
