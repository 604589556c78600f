// SPDX-License-Identifier: Apache-2.0
// From the bytes of a connection to one answer: its status, and a body checked as it comes.
#pragma once

#include <http_parser.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "web_client/results.h"

namespace load {

// What a right answer looks like.
struct Expected {
    std::optional<std::uint64_t> length;
    std::optional<std::string_view> body;
};

class ResponseReader {
  public:
    explicit ResponseReader(const Expected& expected) : expected_(expected) { restart(); }

    enum class Outcome : std::uint8_t { incomplete, complete, failed };
    struct Step {
        Outcome outcome;
        std::size_t used;
    };

    Step feed(std::string_view bytes);
    // The end of the stream, which ends a body without a length.
    Outcome finish();
    void restart();

    [[nodiscard]] Failure failure() const { return failure_; }
    [[nodiscard]] std::uint64_t body_bytes() const { return body_bytes_; }
    [[nodiscard]] bool keep_alive() const { return keep_alive_; }
    [[nodiscard]] bool started() const { return started_; }

  private:
    static const http_parser_settings& callbacks();
    static int on_body(http_parser*, const char* at, std::size_t size);
    static int on_message_complete(http_parser*);

    Expected expected_;
    http_parser parser_{};
    std::uint64_t body_bytes_ = 0;
    Failure failure_ = Failure::malformed;
    bool wrong_ = false;  // the body differs; read on, so that the connection can go on
    bool done_ = false;
    bool keep_alive_ = false;
    bool started_ = false;
};

}  // namespace load
