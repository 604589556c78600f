// SPDX-License-Identifier: Apache-2.0
// From the bytes of a connection to requests, one at a time, with limits on every size.
#pragma once

#include <http_parser.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace web {

enum class Method : std::uint8_t { get, head, other };

struct Request {
    Method method = Method::other;
    std::string target;  // as sent: path and query, or a whole URL
    std::string range;
    std::string if_modified_since;
    std::string if_none_match;
    std::string if_range;
    std::string expect;
    std::uint8_t hosts = 0;  // Host headers seen
    bool keep_alive = false;
    bool http_1_1 = false;
};

class RequestReader {
  public:
    struct Limits {
        std::size_t target = 8U << 10U;
        std::size_t head = 16U << 10U;
        std::size_t body = 64U << 10U;
    };
    enum class Outcome : std::uint8_t {
        incomplete,
        complete,
        malformed,           // 400
        body_too_large,      // 413
        target_too_long,     // 414
        expectation_failed,  // 417
        head_too_large,      // 431
        version_unsupported  // 505
    };
    struct Step {
        Outcome outcome;
        std::size_t used;  // bytes taken; what follows a complete request is the next one's
    };

    explicit RequestReader(const Limits& limits) : limits_(limits) { restart(); }

    Step feed(std::string_view bytes);
    // The request of the last `complete`.
    [[nodiscard]] const Request& request() const { return request_; }
    // Forgets everything: the next byte begins a request. Due after every `complete`.
    void restart();
    // Nothing of the next request has arrived.
    [[nodiscard]] bool between_requests() const { return head_bytes_ == 0; }

  private:
    enum class Field : std::uint8_t {
        none,
        host,
        range,
        if_modified_since,
        if_none_match,
        if_range,
        expect
    };

    static int on_url(http_parser*, const char* at, std::size_t size);
    static int on_header_field(http_parser*, const char* at, std::size_t size);
    static int on_header_value(http_parser*, const char* at, std::size_t size);
    static int on_headers_complete(http_parser*);
    static int on_body(http_parser*, const char* at, std::size_t size);
    static int on_message_complete(http_parser*);
    static const http_parser_settings& callbacks();

    int fail(Outcome outcome) {
        outcome_ = outcome;
        return -1;
    }
    bool grow_head(std::size_t size) {
        head_bytes_ += size;
        return head_bytes_ <= limits_.head;
    }
    void enter_value();
    std::string* stored_field();

    Limits limits_;
    http_parser parser_{};
    Request request_;
    std::string field_name_;
    Field field_ = Field::none;
    bool in_value_ = false;
    Outcome outcome_ = Outcome::incomplete;
    std::size_t head_bytes_ = 0;
    std::size_t body_bytes_ = 0;
};

}  // namespace web
