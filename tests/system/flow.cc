// SPDX-License-Identifier: Apache-2.0
// Both parts of every operation of peer.h.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "peer.h"

namespace peer {
namespace {

constexpr std::size_t kEchoHigh = 256U << 10U;
constexpr int kMovesPerDrive = 64;  // of up to 64 KB, so that no connection starves the others

}  // namespace

void Flow::begin(Role role, int socket, const Request& request) {
    socket_ = socket;
    role_ = role;
    request_ = request;
    text_.clear();
    text_at_ = 0;
    to_send_ = sent_ = 0;
    after_ = Sent::stay;
    after_done_ = ended_ = false;
    receiving_ = Receiving::request;
    collected_.clear();
    received_ = 0;
    first_wrong_ = UINT64_MAX;
    if (role == Role::client) {
        plan_client();
    }
}

void Flow::plan_client() {
    text_.assign(reinterpret_cast<const char*>(&request_), sizeof request_);
    receiving_ = Receiving::pattern;
    switch (request_.operation) {
        case 'S':
        case 'X': break;
        case 'A':
            to_send_ = request_.length / 2;
            after_ = Sent::reset;
            break;
        case 'R': receiving_ = Receiving::result; [[fallthrough]];
        default: to_send_ = request_.length; after_ = Sent::shutdown;
    }
}

void Flow::plan_server() {
    receiving_ = Receiving::pattern;
    switch (request_.operation) {
        case 'S':
            receiving_ = Receiving::end;
            to_send_ = request_.length;
            after_ = Sent::shutdown;
            break;
        case 'X':
            receiving_ = Receiving::end;
            to_send_ = request_.length;
            after_ = Sent::reset;
            break;
        case 'E': receiving_ = Receiving::echo; break;
        default: break;
    }
}

Flow::Next Flow::drive(Surroundings& around) {
    for (int moves = 0; moves < kMovesPerDrive; ++moves) {
        errno = 0;
        const Moved out = send_some(around);
        if (out == Moved::broken) {
            return broken(around, errno);
        }
        if (out == Moved::ended) {
            return at_end(around);
        }
        const Moved in = receive_some(around);
        if (in == Moved::broken) {
            return broken(around, errno);
        }
        if (in == Moved::ended) {
            return at_end(around);
        }
        if (in == Moved::nothing && out == Moved::nothing) {
            return Next::wait;
        }
    }
    return Next::again;
}

Flow::Moved Flow::send_some(Surroundings& around) {
    const char* from = text_.data() + text_at_;
    std::size_t size = text_.size() - text_at_;
    const bool is_text = size > 0;
    if (!is_text) {
        size =
            static_cast<std::size_t>(std::min<std::uint64_t>(to_send_ - sent_, Pattern::kPieceMax));
        from = around.pattern.at(request_.seed, sent_);
    }
    if (size == 0) {
        return finish_sending(around);
    }
    const ssize_t sent = net::write(around.context, socket_, from, size);
    if (sent < 0) {
        return errno == EAGAIN ? Moved::nothing : Moved::broken;
    }
    around.totals.bytes_out += static_cast<std::uint64_t>(sent);
    if (!is_text) {
        sent_ += static_cast<std::uint64_t>(sent);
        return Moved::something;
    }
    text_at_ += static_cast<std::size_t>(sent);
    if (text_at_ == text_.size()) {
        text_.clear();
        text_at_ = 0;
    }
    return Moved::something;
}

// After the last byte: the FIN, the reset, or nothing; `ended` when the connection is over.
Flow::Moved Flow::finish_sending(Surroundings& around) {
    if (after_done_ || after_ == Sent::stay) {
        return Moved::nothing;
    }
    after_done_ = true;
    if (after_ == Sent::reset) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        net::setsockopt(around.context, socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return Moved::ended;
    }
    if (net::shutdown(around.context, socket_, SHUT_WR) != 0) {
        return Moved::broken;
    }
    return ended_ ? Moved::ended : Moved::something;
}

Flow::Moved Flow::receive_some(Surroundings& around) {
    if (ended_ || (receiving_ == Receiving::echo && text_.size() - text_at_ > kEchoHigh)) {
        return Moved::nothing;
    }
    static thread_local char buffer[Pattern::kPieceMax];
    const ssize_t got = net::read(around.context, socket_, buffer, sizeof buffer);
    if (got < 0) {
        return errno == EAGAIN ? Moved::nothing : Moved::broken;
    }
    if (got > 0) {
        around.totals.bytes_in += static_cast<std::uint64_t>(got);
        errno = EBADMSG;
        return take(around, buffer, static_cast<std::size_t>(got)) ? Moved::something
                                                                   : Moved::broken;
    }
    ended_ = true;
    if (role_ == Role::server && !after_done_ && all_sent()) {  // the answer to the client's FIN
        if (request_.operation == 'R' || request_.operation == 'A') {
            const Result result{received_, first_wrong_};
            text_.assign(reinterpret_cast<const char*>(&result), sizeof result);
        } else if (request_.operation == 'H') {
            to_send_ = request_.length;
        }
    }
    if (after_ == Sent::stay) {
        after_ = Sent::shutdown;
    }
    return after_done_ ? Moved::ended : Moved::something;
}

bool Flow::take(Surroundings& around, const char* bytes, std::size_t size) {
    if (receiving_ == Receiving::request) {
        const std::size_t missing = std::min(sizeof request_ - collected_.size(), size);
        collected_.append(bytes, missing);
        if (collected_.size() < sizeof request_) {
            return true;
        }
        std::memcpy(&request_, collected_.data(), sizeof request_);
        if (std::memcmp(request_.magic, Request{}.magic, sizeof request_.magic) != 0) {
            return false;
        }
        plan_server();
        bytes += missing;
        size -= missing;
        if (size == 0) {
            return true;
        }
    }
    switch (receiving_) {
        case Receiving::result:
            collected_.append(bytes, size);
            return collected_.size() <= sizeof(Result);
        case Receiving::echo: text_.append(bytes, size); [[fallthrough]];
        case Receiving::pattern: {
            const std::uint64_t wrong =
                around.pattern.first_wrong(request_.seed, received_, bytes, size);
            first_wrong_ = std::min(first_wrong_, wrong);
            received_ += size;
            return true;
        }
        case Receiving::end:  // there is nothing to come
        case Receiving::request: break;
    }
    return false;
}

bool Flow::right_at_end() const {
    if (first_wrong_ != UINT64_MAX) {
        return false;
    }
    if (role_ == Role::server) {
        switch (request_.operation) {
            case 'R':
            case 'E':
            case 'H': return received_ == request_.length;
            default: return true;
        }
    }
    if (request_.operation == 'R') {
        Result result;
        if (collected_.size() != sizeof result) {
            return false;
        }
        std::memcpy(&result, collected_.data(), sizeof result);
        return result.count == request_.length && result.first_wrong == UINT64_MAX;
    }
    return request_.operation == 'A' || received_ == request_.length;
}

// Both directions are over, in order or by our own reset.
Flow::Next Flow::at_end(Surroundings& around) {
    if (role_ == Role::client && request_.operation == 'X') {
        return failed_with(around, "an end in order where a reset was due");
    }
    if (!right_at_end()) {
        ++around.totals.wrong;
        return failed_with(around,
                           fmt::format("operation {} ended with {} of {} bytes, first wrong {}",
                                       request_.operation, received_, request_.length,
                                       static_cast<std::int64_t>(first_wrong_)));
    }
    ++around.totals.completed;
    return Next::done;
}

Flow::Next Flow::broken(Surroundings& around, int error) {
    const bool reset = error == ECONNRESET || error == EPIPE;
    if (first_wrong_ != UINT64_MAX) {
        ++around.totals.wrong;
        return failed_with(around, "wrong byte before a reset");
    }
    if (reset && awaits_reset()) {
        ++around.totals.resets_in;
        ++around.totals.completed;
        return Next::done;
    }
    return failed_with(around,
                       fmt::format("operation {}: {}", request_.operation, std::strerror(error)));
}

bool Flow::awaits_reset() const {
    // A server that has not read the request yet: what the client wrote went down with its reset.
    if (role_ == Role::server && receiving_ == Receiving::request) {
        return true;
    }
    return request_.operation == (role_ == Role::client ? 'X' : 'A');
}

void Flow::give_up(Surroundings& around) {
    if (connected && awaits_reset() && first_wrong_ == UINT64_MAX) {
        ++around.totals.resets_lost;
        ++around.totals.completed;
        return;
    }
    failed_with(around, connected ? fmt::format("operation {} stuck: {} received, {} of {} sent",
                                                request_.operation, received_, sent_, to_send_)
                                  : "no connection in time");
}

Flow::Next Flow::failed_with(Surroundings& around, const std::string& reason) {
    ++around.totals.failed;
    ++around.totals.failures[reason];
    return Next::done;
}

}  // namespace peer
