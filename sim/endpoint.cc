// SPDX-License-Identifier: Apache-2.0
// The state machine of one end of a conversation.
#include "sim/endpoint.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sim/resettle.h"
#include "socket/ready_list.h"

namespace mtcp::sim {

using socket::EpollBits;
using Way = StreamPattern::Way;

namespace {

constexpr Duration kPatience = seconds(200);
// Between shutdown(SHUT_RDWR) and close.
constexpr Duration kShutBeforeClose = milliseconds(200);
constexpr std::uint64_t kDice = 0x9e3779b97f4a7c15u;

}  // namespace

Endpoint::Endpoint(Sockets& sockets, Findings& findings, const std::vector<SessionPlan>& plans,
                   int fd, Role role, const SessionPlan* plan)
    : sockets_(sockets),
      findings_(findings),
      plans_(plans),
      fd_(fd),
      role_(role),
      plan_(plan),
      connected_(role == Role::server && plan == nullptr),
      dice_(kDice * static_cast<std::uint64_t>(2 + fd)),
      buffer_(65'536) {
    if (plan_ == nullptr) return;
    out_ = {plan_->id, role == Role::client ? Way::up : Way::down};
    in_ = {plan_->id, role == Role::client ? Way::down : Way::up};
}

std::uint64_t Endpoint::total_to_send() const {
    const std::uint64_t round = role_ == Role::client ? plan_->up_bytes : plan_->down_bytes;
    return round * plan_->rounds + (role_ == Role::client ? kHeader : 0);
}

std::uint64_t Endpoint::total_to_receive() const {
    const std::uint64_t round = role_ == Role::client ? plan_->down_bytes : plan_->up_bytes;
    return round * plan_->rounds + (role_ == Role::client ? 0 : kHeader);
}

// How far the conversation allows this end to have sent by now.
std::uint64_t Endpoint::may_send() const {
    if (plan_->duplex) return total_to_send();
    if (role_ == Role::client) {
        std::uint64_t rounds = rounds_answered() + 1;
        if (plan_->think.ns != 0) rounds = std::min(rounds, rounds_begun_);
        return std::min(total_to_send(), kHeader + plan_->up_bytes * rounds);
    }
    if (received_ < kHeader) return 0;
    std::uint64_t asked =
        plan_->up_bytes == 0 ? plan_->rounds : (received_ - kHeader) / plan_->up_bytes;
    const bool waits = plan_->ending == Ending::client_half_closes && !reading_done_;
    if (waits) asked = std::min<std::uint64_t>(asked, plan_->rounds - 1);
    return plan_->down_bytes * std::min<std::uint64_t>(asked, plan_->rounds);
}

std::uint64_t Endpoint::rounds_answered() const {
    return plan_->down_bytes == 0 ? plan_->rounds : received_ / plan_->down_bytes;
}

bool Endpoint::next_is_urgent() const {
    const std::uint32_t every = plan_->habits[self()].urgent_every;
    return every != 0 && (sent_ + 1) % every == 0;
}

std::uint64_t Endpoint::most_at_once() const {
    if (role_ == Role::client && sent_ == 0) return kHeader;
    const std::uint64_t size = std::min<std::uint64_t>(plan_->write_size[self()], buffer_.size());
    const std::uint32_t every = plan_->habits[self()].urgent_every;
    if (every == 0) return size;
    return next_is_urgent() ? 1 : std::min(size, every - 1 - sent_ % every);
}

std::uint64_t Endpoint::last_mark() const {
    const std::uint32_t every = plan_->habits[1 - self()].urgent_every;
    return every == 0 || total_to_receive() < every ? UINT64_MAX
                                                    : total_to_receive() / every * every - 1;
}

std::uint32_t Endpoint::wanted() const {
    std::uint32_t bits = 0;
    if (connected_ && !reading_done_ && resume_at_ == kNever) bits |= EpollBits::in;
    if (!connected_ || blocked_) bits |= EpollBits::out;
    return bits;
}

std::string Endpoint::text() const {
    std::string text = role_ == Role::client ? "client" : "server";
    text += " of session " + (plan_ == nullptr ? std::string("?") : std::to_string(plan_->id));
    text += " (fd " + std::to_string(fd_) + ", sent " + std::to_string(sent_) + ", received " +
            std::to_string(received_) + (connected_ ? "" : ", not connected") +
            (reading_done_ ? ", read FIN" : "") + (shut_ ? ", sent FIN" : "") +
            (blocked_ ? ", blocked" : "") + ")";
    return text;
}

void Endpoint::wrong(const std::string& what) {
    findings_.add("byte stream", text() + ": " + what);
}

void Endpoint::end(Result result, Leaving how) {
    result_ = result;
    const bool resets = result == Result::aborted && how == Leaving::reset;
    const long answer = resets ? sockets_.abort(fd_) : sockets_.close(fd_);
    if (answer < 0) findings_.add("api", text() + ": close answered " + std::to_string(answer));
    resume_at_ = think_until_ = abort_at_ = idle_at_ = resettle_at_ = kNever;
}

void Endpoint::fail(long answer, const char* what) {
    error_ = static_cast<int>(-answer);
    const bool excused = plan_ == nullptr || plan_->may_fail || plan_->aborts() ||
                         plan_->target != Target::listener || reborn() || outran_its_cookie() ||
                         was_refused();
    if (!excused) {
        findings_.add("liveness", text() + ": " + what + " failed, " + std::strerror(error_));
    }
    end(Result::failed);
}

// Called when the plan is known and the connection stands.
void Endpoint::begin(Instant now) {
    if (plan_->abort_after[self()].ns != 0) abort_at_ = now + plan_->abort_after[self()];
    const Habits& habits = plan_->habits[self()];
    const auto set = [this](int level, int name, std::uint32_t value) {
        if (const long answer = set_number(sockets_, fd_, level, name, value); answer != 0)
            findings_.add("api", text() + ": setsockopt answered " + std::to_string(answer));
    };
    if (habits.resettles.ns != 0) resettle_at_ = now + habits.resettles;
    if (plan_->no_delay[self()]) set(IPPROTO_TCP, TCP_NODELAY, 1);
    if (plan_->cork[self()]) set(IPPROTO_TCP, TCP_CORK, 1);
    if (const KeepAlive& keep = habits.keep_alive; keep.idle_s != 0) {
        set(IPPROTO_TCP, TCP_KEEPIDLE, keep.idle_s);
        set(IPPROTO_TCP, TCP_KEEPINTVL, keep.interval_s);
        set(IPPROTO_TCP, TCP_KEEPCNT, keep.count);
        set(SOL_SOCKET, SO_KEEPALIVE, 1);
    }
    if (habits.user_timeout_ms != 0) set(IPPROTO_TCP, TCP_USER_TIMEOUT, habits.user_timeout_ms);
    if (plan_->habits[1 - self()].urgent_every != 0) set(SOL_SOCKET, SO_OOBINLINE, 1);
}

// A reset that was lost, or an old ACK that brought a SYN cookie back to life, leaves this end
// alone for ever; as every real service, it has a limit, or asks by keep-alive probes.
void Endpoint::be_patient(Instant now) {
    const bool asks =
        plan_ != nullptr && plan_->habits[self()].keep_alive.idle_s != 0 && connected_;
    const bool peer_may_be_gone =
        plan_ == nullptr ||
        (!asks && (plan_->aborts() || plan_->may_fail || reborn() || may_wait_in_queue()));
    const bool moved = std::exchange(moved_, sent_ + received_) != sent_ + received_;
    if (!peer_may_be_gone) idle_at_ = kNever;
    if (peer_may_be_gone && (moved || idle_at_ == kNever)) idle_at_ = now + kPatience;
}

// A connection lies idle between an answer and the next request.
void Endpoint::think(Instant now) {
    if (plan_ == nullptr || role_ != Role::client || plan_->think.ns == 0) return;
    if (now >= think_until_) {
        think_until_ = kNever;
        ++rounds_begun_;
    }
    const bool answered = rounds_answered() >= rounds_begun_ && rounds_begun_ < plan_->rounds;
    if (answered && think_until_ == kNever) think_until_ = now + plan_->think;
}

void Endpoint::resettle(Instant now) {
    if (const long answer = change_a_setting(sockets_, fd_, dice_); answer != 0)
        findings_.add("api", text() + ": setsockopt answered " + std::to_string(answer));
    resettle_at_ = --resettles_left_ == 0 ? kNever : now + plan_->habits[self()].resettles;
}

// Before its time, as the plan says.
void Endpoint::leave(Instant now) {
    const Leaving how = plan_->habits[self()].leaving;
    if (left_ || how != Leaving::shut_both || sockets_.shutdown(fd_, SHUT_RDWR) != 0) {
        end(Result::aborted, how);
        return;
    }
    left_ = true;
    abort_at_ = now + kShutBeforeClose;
    resume_at_ = think_until_ = idle_at_ = resettle_at_ = kNever;
}

void Endpoint::finish_connect() {
    const long error = sockets_.error(fd_);
    if (error != 0) {
        fail(error > 0 ? -error : error, "connect");
        return;
    }
    wire::Endpoint peer;
    connected_ = sockets_.peer_name(fd_, peer) == 0;
}

void Endpoint::pump(std::uint32_t events, Instant now) {
    if (result_ != Result::running) return;
    if (now >= idle_at_) {
        end(Result::aborted, Leaving::reset);
        return;
    }
    if (now >= abort_at_) leave(now);
    if (left_ || result_ != Result::running) return;
    if (now >= resettle_at_) {
        resettle(now);
        if (events == 0 && due() > now) return;  // which says nothing of the peer
    }
    be_patient(now);
    if (!connected_) {
        finish_connect();
        if (!connected_) return;
        begin(now);
    }
    promised_in_ = (events & EpollBits::in) != 0;
    promised_out_ = (events & EpollBits::out) != 0 && blocked_;
    // The end of a connection is looked at at once, however slow the reader.
    const bool over = (events & (EpollBits::err | EpollBits::hup)) != 0;
    if (now >= resume_at_ || over) resume_at_ = kNever;
    bool moved = true;
    while (moved && result_ == Result::running) {
        moved = read_some(now);
        think(now);
        if (plan_ != nullptr && result_ == Result::running && write_some()) moved = true;
        if (plan_ != nullptr && result_ == Result::running) conclude();
    }
}

bool Endpoint::read_some(Instant now) {
    if (reading_done_ || resume_at_ != kNever) return false;
    look_for_mark();
    const std::size_t size = plan_ == nullptr
                                 ? kHeader
                                 : std::min<std::size_t>(plan_->read_size[self()], buffer_.size());
    if (plan_ != nullptr && plan_->habits[self()].peeks && !peek(size)) return false;
    const long answer = sockets_.receive(fd_, std::span(buffer_).first(size), 0);
    if (answer == -EAGAIN) {
        if (promised_in_) {
            findings_.add("epoll truth", text() + ": IN was reported, and read finds nothing");
        }
        return false;
    }
    promised_in_ = false;
    if (answer < 0) {
        fail(answer, "read");
        return false;
    }
    if (answer == 0) {
        reading_done_ = true;
        if (plan_ == nullptr) {
            end(Result::finished);
        } else if (received_ != total_to_receive() && !plan_->aborts()) {
            wrong("FIN after " + std::to_string(received_) + " of " +
                  std::to_string(total_to_receive()) + " bytes");
        }
        return true;
    }
    return take(std::span(buffer_).first(static_cast<std::size_t>(answer)), now);
}

// False: that was the end of it.
bool Endpoint::peek(std::size_t size) {
    const long answer = sockets_.receive(fd_, std::span(buffer_).first(size), MSG_PEEK);
    if (answer == 0 || answer == -EAGAIN) return true;  // the read will find the same
    if (answer < 0) {
        fail(answer, "look");
        return false;
    }
    const auto seen = std::span(buffer_).first(static_cast<std::size_t>(answer));
    if (in_.first_difference(received_, seen) == seen.size()) return true;
    wrong("looked at, a byte is wrong");
    end(Result::failed);
    return false;
}

// RFC 6093 §3: the mark is told, and only where an urgent byte is.
void Endpoint::look_for_mark() {
    if (plan_ == nullptr || plan_->habits[1 - self()].urgent_every == 0) return;
    int at_mark = 0;
    const long answer = sockets_.control(fd_, SIOCATMARK, at_mark);
    if (answer < 0 || at_mark == 0) return;
    if ((received_ + 1) % plan_->habits[1 - self()].urgent_every != 0) {
        findings_.add("urgent",
                      text() + ": a mark where no byte is urgent, " + std::to_string(received_));
    }
}

bool Endpoint::take(std::span<const std::byte> bytes, Instant now) {
    if (plan_ == nullptr) {
        std::uint32_t id = 0;
        std::uint32_t check = 0;
        if (bytes.size() == kHeader) {
            std::memcpy(&id, bytes.data(), 4);
            std::memcpy(&check, bytes.data() + 4, 4);
        }
        // A header in pieces would need a buffer; it travels in one segment and is read whole.
        if (bytes.size() != kHeader || check != ~id || id >= plans_.size()) {
            wrong("the header of the stream is damaged");
            end(Result::failed);
            return false;
        }
        plan_ = &plans_[id];
        out_ = {id, Way::down};
        in_ = {id, Way::up};
        begin(now);
    } else if (const std::size_t at = in_.first_difference(received_, bytes); at != bytes.size()) {
        wrong("byte " + std::to_string(received_ + at) + " is wrong");
        end(Result::failed);
        return false;
    }
    // A read stops before the mark (as on Linux); of marks that follow each other closely, only the
    // last is sure to be told of.
    if (received_ < last_mark() && last_mark() < received_ + bytes.size()) {
        findings_.add("urgent", text() + ": a read went past the last mark, byte " +
                                    std::to_string(last_mark()));
    }
    received_ += bytes.size();
    if (received_ > total_to_receive()) wrong("more bytes than were sent");
    if (plan_->read_pause[self()].ns != 0) resume_at_ = now + plan_->read_pause[self()];
    return true;
}

bool Endpoint::write_some() {
    const std::uint64_t limit = may_send();
    if (sent_ >= limit || shut_) return false;
    // The header leaves in a call of its own, whole: 8 bytes always find room.
    const std::span<std::byte> bytes =
        std::span(buffer_).first(std::min(limit - sent_, most_at_once()));
    out_.fill(sent_, bytes);
    const Habits& habits = plan_->habits[self()];
    int flags = MSG_NOSIGNAL;
    if (next_is_urgent()) flags |= MSG_OOB;
    if (habits.more && sent_ + bytes.size() < limit) flags |= MSG_MORE;
    if (habits.records) flags |= MSG_EOR;
    const long answer = sockets_.send(fd_, bytes, flags);
    if (answer == -EAGAIN) {
        if (promised_out_) {
            findings_.add("epoll truth", text() + ": OUT was reported, and write finds no room");
        }
        promised_out_ = false;
        blocked_ = true;
        return false;
    }
    promised_out_ = blocked_ = false;
    if (answer < 0) {
        fail(answer, "write");
        return false;
    }
    sent_ += static_cast<std::uint64_t>(answer);
    return true;
}

std::span<const std::byte> Endpoint::opening_bytes() {
    std::uint64_t most = kHeader + plan_->write_size[0] / 4;
    if (plan_->habits[0].urgent_every != 0)
        most = std::min<std::uint64_t>(most, plan_->habits[0].urgent_every - 1);
    const auto bytes = std::span(buffer_).first(std::min({may_send(), most, buffer_.size()}));
    out_.fill(0, bytes);
    return bytes;
}

// The plan's ending, as soon as this end has come to it.
void Endpoint::conclude() {
    const bool sent_all = sent_ == total_to_send();
    const bool received_all = received_ == total_to_receive();
    switch (plan_->ending) {
        case Ending::client_closes:
            if (role_ == Role::client && sent_all && received_all) end(Result::finished);
            break;
        case Ending::server_closes:
            if (role_ == Role::server && sent_all && received_all) end(Result::finished);
            break;
        case Ending::client_half_closes:
            if (role_ == Role::client && sent_all && !shut_) {
                shut_ = true;
                const long answer = sockets_.shutdown(fd_, SHUT_WR);
                if (answer < 0) fail(answer, "shutdown");
            } else if (role_ == Role::server && reading_done_ && sent_all) {
                end(Result::finished);
            }
            break;
    }
    // The other end closed first: nothing more to wait for.
    if (result_ == Result::running && reading_done_ && (sent_all || plan_->aborts())) {
        end(Result::finished);
    }
}

}  // namespace mtcp::sim
