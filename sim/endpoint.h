// SPDX-License-Identifier: Apache-2.0
// One end of a simulated conversation: a state machine over non-blocking calls. It writes and reads
// what its SessionPlan says, checks every byte, and ends as planned.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/findings.h"
#include "sim/plan.h"
#include "sim/sockets.h"
#include "sim/stream_pattern.h"

namespace mtcp::sim {

enum class Role : std::uint8_t { client, server };

// How an end came to its end.
enum class Result : std::uint8_t { running, finished, failed, aborted };

class Endpoint {
  public:
    // A client is told its plan; a server learns it from the first bytes it reads.
    Endpoint(Sockets& sockets, Findings& findings, const std::vector<SessionPlan>& plans, int fd,
             Role role, const SessionPlan* plan);

    // What the client's first call may send, and how much of that it took (TCP Fast Open).
    [[nodiscard]] std::span<const std::byte> opening_bytes();
    void opened_with(std::uint64_t bytes) { sent_ = bytes; }
    // Does what can be done now. `events`: what epoll says, 0 when nobody asked.
    void pump(std::uint32_t events, Instant now);
    // When pump() is wanted although no event comes.
    [[nodiscard]] Instant due() const {
        return earlier(earlier(resume_at_, think_until_),
                       earlier(earlier(abort_at_, idle_at_), resettle_at_));
    }
    // False: it has shut down both directions, and epoll would tell of that for ever.
    [[nodiscard]] bool wants_events() const { return !left_; }
    // The epoll bits to wait for (level triggering).
    [[nodiscard]] std::uint32_t wanted() const;

    [[nodiscard]] Result result() const { return result_; }
    [[nodiscard]] int error() const { return error_; }
    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] const SessionPlan* plan() const { return plan_; }
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t received() const { return received_; }
    [[nodiscard]] std::string text() const;

    static constexpr std::uint32_t kHeader = StreamPattern::kHeader;

  private:
    [[nodiscard]] std::size_t self() const { return role_ == Role::client ? 0 : 1; }
    [[nodiscard]] std::uint64_t total_to_send() const;
    [[nodiscard]] std::uint64_t total_to_receive() const;
    [[nodiscard]] std::uint64_t may_send() const;
    [[nodiscard]] std::uint64_t rounds_answered() const;
    // How much one call may send, to stop before an urgent byte; that one goes alone.
    [[nodiscard]] std::uint64_t most_at_once() const;
    [[nodiscard]] bool next_is_urgent() const;
    // Where the peer's last urgent byte stands in what we receive; UINT64_MAX: nowhere.
    [[nodiscard]] std::uint64_t last_mark() const;
    [[nodiscard]] bool reborn() const {
        return role_ == Role::server && plan_->server_may_be_reborn;
    }
    // Its data came before the ACK that carries the cookie: for the server, of no connection
    // (syn_cookies.h; so on Linux).
    [[nodiscard]] bool outran_its_cookie() const {
        return role_ == Role::client && plan_->server_may_be_reborn && received_ == 0 &&
               error_ == ECONNRESET;
    }
    // As far as this end knows, it waits in the queue of a service, which may close.
    [[nodiscard]] bool may_wait_in_queue() const {
        return role_ == Role::client && plan_->may_be_refused && received_ == 0;
    }
    [[nodiscard]] bool was_refused() const {
        const bool reset = error_ == ECONNREFUSED || error_ == ECONNRESET || error_ == EPIPE;
        return reset && may_wait_in_queue();
    }
    void begin(Instant now);
    void be_patient(Instant now);
    void think(Instant now);
    void resettle(Instant now);
    void leave(Instant now);
    bool peek(std::size_t size);
    void look_for_mark();
    void finish_connect();
    bool read_some(Instant now);
    bool take(std::span<const std::byte> bytes, Instant now);
    bool write_some();
    void conclude();
    void fail(long answer, const char* what);
    void end(Result result, Leaving how = Leaving::close);
    void wrong(const std::string& what);

    Sockets& sockets_;
    Findings& findings_;
    const std::vector<SessionPlan>& plans_;
    int fd_;
    Role role_;
    const SessionPlan* plan_;
    StreamPattern out_{0, StreamPattern::Way::up};
    StreamPattern in_{0, StreamPattern::Way::up};
    bool connected_ = false;
    bool reading_done_ = false;  // the peer's FIN was read
    bool shut_ = false;          // we sent FIN
    bool blocked_ = false;       // a write found no room
    bool promised_in_ = false;   // epoll said that a read finds something
    bool promised_out_ = false;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t rounds_begun_ = 1;
    Instant resume_at_ = kNever;    // a slow reader pauses until then
    Instant think_until_ = kNever;  // the next request waits
    Instant abort_at_ = kNever;
    Instant resettle_at_ = kNever;
    Random dice_;
    int resettles_left_ = 50;
    bool left_ = false;         // shut both directions, and closes when abort_at_ comes
    std::uint64_t moved_ = 0;   // bytes sent and received when it last had patience
    Instant idle_at_ = kNever;  // a service's patience with a peer that may be gone
    Result result_ = Result::running;
    int error_ = 0;
    std::vector<std::byte> buffer_;
};

}  // namespace mtcp::sim
