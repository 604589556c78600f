// SPDX-License-Identifier: Apache-2.0
// The callbacks of http_parser for answers.
#include "web_client/response_reader.h"

#include <cstring>

namespace load {
namespace {

ResponseReader& self(http_parser* parser) { return *static_cast<ResponseReader*>(parser->data); }

}  // namespace

const http_parser_settings& ResponseReader::callbacks() {
    static const http_parser_settings settings = [] {
        http_parser_settings result;
        http_parser_settings_init(&result);
        result.on_body = on_body;
        result.on_message_complete = on_message_complete;
        return result;
    }();
    return settings;
}

void ResponseReader::restart() {
    http_parser_init(&parser_, HTTP_RESPONSE);
    parser_.data = this;
    body_bytes_ = 0;
    failure_ = Failure::malformed;
    wrong_ = false;
    done_ = false;
    started_ = false;
}

ResponseReader::Step ResponseReader::feed(std::string_view bytes) {
    started_ = true;
    const std::size_t used =
        http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
    if (!done_) {
        const bool going_on = HTTP_PARSER_ERRNO(&parser_) == HPE_OK;
        return {going_on ? Outcome::incomplete : Outcome::failed, used};
    }
    const bool wrong_length = (expected_.length && *expected_.length != body_bytes_) ||
                              (expected_.body && expected_.body->size() != body_bytes_);
    if (parser_.status_code / 100 != 2) {
        failure_ = Failure::bad_status;
    } else if (wrong_) {
        failure_ = Failure::wrong_body;
    } else if (wrong_length) {
        failure_ = Failure::wrong_length;
    } else {
        return {Outcome::complete, used};
    }
    return {Outcome::failed, used};
}

ResponseReader::Outcome ResponseReader::finish() {
    if (!started_) {
        failure_ = Failure::closed_early;
        return Outcome::failed;
    }
    const Step step = feed({});  // how http_parser is told of the end
    if (step.outcome == Outcome::failed && !done_) {
        failure_ = Failure::closed_early;
    }
    return step.outcome == Outcome::incomplete ? Outcome::failed : step.outcome;
}

int ResponseReader::on_body(http_parser* parser, const char* at, std::size_t size) {
    ResponseReader& reader = self(parser);
    const std::optional<std::string_view>& body = reader.expected_.body;
    if (body && !reader.wrong_) {
        const std::uint64_t from = reader.body_bytes_;
        reader.wrong_ =
            from + size > body->size() || std::memcmp(body->data() + from, at, size) != 0;
    }
    reader.body_bytes_ += size;
    return 0;
}

int ResponseReader::on_message_complete(http_parser* parser) {
    ResponseReader& reader = self(parser);
    reader.done_ = true;
    reader.keep_alive_ = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

}  // namespace load
