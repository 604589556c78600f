// SPDX-License-Identifier: Apache-2.0
// The life of a connection: serving, then closing when the last answer is out, then draining what
// the client still sends, so that a reset does not destroy that answer on its way (RFC 9112 §9.6).
#include "web_server/connection.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace web {
namespace {

constexpr std::size_t kReadSize = 64U << 10U;
constexpr std::size_t kPieceSize = 256U << 10U;  // of a file, per read
constexpr std::size_t kInlineBody = 16U << 10U;  // copied behind its head: one segment, one write
constexpr std::size_t kOutputHigh = 64U << 10U;  // pipelined answers gathered before a write
constexpr std::uint64_t kDrainMax = 1U << 20U;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

Connection::Connection(const Options& options)
    : reader_(RequestReader::Limits{options.target_max, options.request_head_max,
                                    options.request_body_max}) {}

void Connection::open(int socket) {
    socket_ = socket;
    phase_ = Phase::serving;
    progress_ = false;
    waiting_to_write = false;
    reader_.restart();
    input_.clear();
    output_.clear();
    output_at_ = 0;
    body_.reset();
    body_at_ = body_end_ = 0;
    drained_ = 0;
}

bool Connection::at_rest() const {
    return phase_ == Phase::serving && reader_.between_requests() && input_.empty() &&
           output_at_ == output_.size() && body_ == nullptr;
}

bool Connection::take_progress() { return std::exchange(progress_, false); }

Connection::Next Connection::on_readable(Workshop& shop) {
    if (phase_ == Phase::draining) {
        return drain(shop);
    }
    shop.scratch.resize(std::max(shop.scratch.size(), kReadSize));
    const ssize_t got = net::read(shop.context, socket_, shop.scratch.data(), kReadSize);
    if (got < 0 && would_block()) {
        return Next::wait_to_read;
    }
    if (got <= 0) {
        if (got < 0 || !at_rest()) {
            shop.statistics.broken.add(1);
        }
        return got < 0 ? Next::abort : Next::close;
    }
    std::string_view bytes{shop.scratch.data(), static_cast<std::size_t>(got)};
    if (!input_.empty()) {
        input_.append(bytes);
        return advance(shop);
    }
    // The common case parses in place and copies nothing.
    while (!bytes.empty() && phase_ == Phase::serving && body_ == nullptr &&
           output_.size() < kOutputHigh) {
        bytes.remove_prefix(take_request(shop, bytes));
    }
    input_.assign(bytes);
    return advance(shop);
}

Connection::Next Connection::on_writable(Workshop& shop) { return advance(shop); }

// Writes what is due, then parses what waits, until the socket is full or the input empty.
Connection::Next Connection::advance(Workshop& shop) {
    while (true) {
        switch (flush(shop)) {
            case Flushed::blocked: return Next::wait_to_write;
            case Flushed::failed: shop.statistics.broken.add(1); return Next::abort;
            case Flushed::all: break;
        }
        if (phase_ == Phase::closing) {
            return finish(shop);
        }
        if (input_.empty()) {
            return Next::wait_to_read;
        }
        std::size_t used = 0;
        while (used < input_.size() && phase_ == Phase::serving && body_ == nullptr &&
               output_.size() < kOutputHigh) {
            used += take_request(shop, std::string_view{input_}.substr(used));
        }
        input_.erase(0, used);
    }
}

std::size_t Connection::take_request(Workshop& shop, std::string_view bytes) {
    const RequestReader::Step step = reader_.feed(bytes);
    if (step.outcome == RequestReader::Outcome::incomplete) {
        return step.used;
    }
    if (step.outcome != RequestReader::Outcome::complete) {
        refuse(shop, step.outcome);
        return bytes.size();  // nothing behind an error can be trusted
    }
    progress_ = true;
    begin(answer(shop, reader_.request()), shop);
    reader_.restart();
    return step.used;
}

Response Connection::answer(Workshop& shop, const Request& request) {
    if (request.method == Method::other) {
        return respond_status(405, request.method, !request.keep_alive, shop.date, {}, output_);
    }
    if (shop.options.respond_64) {
        return respond_64(request, output_);
    }
    if (!decode_target(request.target, shop.path)) {
        return respond_status(400, request.method, !request.keep_alive, shop.date, {}, output_);
    }
    return respond(request, shop.files.find(shop.path, shop.now), shop.date, output_);
}

void Connection::refuse(Workshop& shop, RequestReader::Outcome outcome) {
    int status = 400;
    switch (outcome) {
        case RequestReader::Outcome::body_too_large: status = 413; break;
        case RequestReader::Outcome::target_too_long: status = 414; break;
        case RequestReader::Outcome::expectation_failed: status = 417; break;
        case RequestReader::Outcome::head_too_large: status = 431; break;
        case RequestReader::Outcome::version_unsupported: status = 505; break;
        case RequestReader::Outcome::malformed:
        case RequestReader::Outcome::complete:
        case RequestReader::Outcome::incomplete: break;
    }
    begin(respond_status(status, Method::other, true, shop.date, {}, output_), shop);
    drained_ = 1;  // the client is in the middle of something: drain before the close
}

void Connection::begin(const Response& response, Workshop& shop) {
    shop.statistics.requests.add(1);
    shop.statistics.by_class[static_cast<std::size_t>(response.status / 100)].add(1);
    if (response.close) {
        phase_ = Phase::closing;
    }
    if (response.file == nullptr || response.first == response.end) {
        return;
    }
    const std::uint64_t size = response.end - response.first;
    if (response.file->in_memory() && size <= kInlineBody) {
        output_.append(response.file->content, response.first, size);
        return;
    }
    body_ = response.file;
    body_at_ = response.first;
    body_end_ = response.end;
}

Connection::Flushed Connection::flush(Workshop& shop) {
    const Flushed text = flush_text(shop);
    return text == Flushed::all && body_ != nullptr ? flush_file(shop) : text;
}

Connection::Flushed Connection::flush_text(Workshop& shop) {
    while (output_at_ < output_.size()) {
        // MSG_MORE: the head travels with the first bytes of its file.
        const ssize_t sent = net::send(shop.context, socket_, output_.data() + output_at_,
                                       output_.size() - output_at_, body_ ? MSG_MORE : 0);
        if (sent < 0) {
            return would_block() ? Flushed::blocked : Flushed::failed;
        }
        output_at_ += static_cast<std::size_t>(sent);
        shop.statistics.bytes_out.add(static_cast<std::uint64_t>(sent));
        progress_ = true;
    }
    output_.clear();
    output_at_ = 0;
    return Flushed::all;
}

Connection::Flushed Connection::flush_file(Workshop& shop) {
    while (body_at_ < body_end_) {
        std::size_t size =
            static_cast<std::size_t>(std::min<std::uint64_t>(body_end_ - body_at_, kPieceSize));
        const char* from = body_->content.data() + body_at_;
        if (!body_->in_memory()) {
            shop.scratch.resize(std::max(shop.scratch.size(), kPieceSize));
            const ssize_t got =
                ::pread(body_->descriptor, shop.scratch.data(), size, static_cast<off_t>(body_at_));
            if (got <= 0) {
                return Flushed::failed;  // cut while we sent it: the length we promised is wrong
            }
            size = static_cast<std::size_t>(got);
            from = shop.scratch.data();
        }
        const ssize_t sent = net::write(shop.context, socket_, from, size);
        if (sent < 0) {
            return would_block() ? Flushed::blocked : Flushed::failed;
        }
        body_at_ += static_cast<std::uint64_t>(sent);
        shop.statistics.bytes_out.add(static_cast<std::uint64_t>(sent));
        progress_ = true;
    }
    body_.reset();
    return Flushed::all;
}

Connection::Next Connection::finish(Workshop& shop) {
    if (drained_ == 0 && input_.empty()) {
        return Next::close;
    }
    phase_ = Phase::draining;
    if (net::shutdown(shop.context, socket_, SHUT_WR) != 0) {
        return Next::close;
    }
    return drain(shop);
}

Connection::Next Connection::drain(Workshop& shop) {
    input_.clear();
    shop.scratch.resize(std::max(shop.scratch.size(), kReadSize));
    const ssize_t got = net::read(shop.context, socket_, shop.scratch.data(), kReadSize);
    if (got < 0 && would_block()) {
        return Next::wait_to_read;
    }
    drained_ += got > 0 ? static_cast<std::uint64_t>(got) : kDrainMax;
    return drained_ < kDrainMax ? Next::wait_to_read : Next::close;
}

}  // namespace web
