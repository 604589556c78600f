// SPDX-License-Identifier: Apache-2.0
// The callbacks of http_parser; a limit that is passed ends the parse with an outcome of our own.
#include "web_server/request_reader.h"

#include <strings.h>

namespace web {
namespace {

RequestReader& self(http_parser* parser) { return *static_cast<RequestReader*>(parser->data); }

bool same_name(const std::string& name, const char* other) {
    return strcasecmp(name.c_str(), other) == 0;
}

}  // namespace

void RequestReader::restart() {
    http_parser_init(&parser_, HTTP_REQUEST);
    parser_.data = this;
    request_.method = Method::other;
    request_.target.clear();
    request_.range.clear();
    request_.if_modified_since.clear();
    request_.if_none_match.clear();
    request_.if_range.clear();
    request_.expect.clear();
    request_.hosts = 0;
    field_name_.clear();
    field_ = Field::none;
    in_value_ = false;
    outcome_ = Outcome::incomplete;
    head_bytes_ = 0;
    body_bytes_ = 0;
}

const http_parser_settings& RequestReader::callbacks() {
    static const http_parser_settings settings = [] {
        http_parser_settings result;
        http_parser_settings_init(&result);
        result.on_url = on_url;
        result.on_header_field = on_header_field;
        result.on_header_value = on_header_value;
        result.on_headers_complete = on_headers_complete;
        result.on_body = on_body;
        result.on_message_complete = on_message_complete;
        return result;
    }();
    return settings;
}

RequestReader::Step RequestReader::feed(std::string_view bytes) {
    const std::size_t used =
        http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
    const http_errno error = HTTP_PARSER_ERRNO(&parser_);
    if (outcome_ == Outcome::complete) {
        return {Outcome::complete, used};
    }
    if (error == HPE_OK) {
        return {Outcome::incomplete, used};
    }
    if (outcome_ == Outcome::incomplete) {
        switch (error) {
            case HPE_HEADER_OVERFLOW: outcome_ = Outcome::head_too_large; break;
            case HPE_INVALID_VERSION: outcome_ = Outcome::version_unsupported; break;
            default: outcome_ = Outcome::malformed; break;
        }
    }
    return {outcome_, used};
}

int RequestReader::on_url(http_parser* parser, const char* at, std::size_t size) {
    RequestReader& reader = self(parser);
    if (reader.request_.target.size() + size > reader.limits_.target) {
        return reader.fail(Outcome::target_too_long);
    }
    reader.request_.target.append(at, size);
    return reader.grow_head(size) ? 0 : reader.fail(Outcome::head_too_large);
}

int RequestReader::on_header_field(http_parser* parser, const char* at, std::size_t size) {
    RequestReader& reader = self(parser);
    if (reader.in_value_) {
        reader.in_value_ = false;
        reader.field_name_.clear();
    }
    // Four bytes for the colon, the space and the end of the line: empty headers count too.
    if (!reader.grow_head(size + (reader.field_name_.empty() ? 4 : 0))) {
        return reader.fail(Outcome::head_too_large);
    }
    reader.field_name_.append(at, size);
    return 0;
}

void RequestReader::enter_value() {
    in_value_ = true;
    field_ = Field::none;
    if (same_name(field_name_, "host")) {
        field_ = Field::host;
        request_.hosts = static_cast<std::uint8_t>(request_.hosts < 2 ? request_.hosts + 1 : 2);
    } else if (same_name(field_name_, "range")) {
        field_ = Field::range;
    } else if (same_name(field_name_, "if-modified-since")) {
        field_ = Field::if_modified_since;
    } else if (same_name(field_name_, "if-none-match")) {
        field_ = Field::if_none_match;
    } else if (same_name(field_name_, "if-range")) {
        field_ = Field::if_range;
    } else if (same_name(field_name_, "expect")) {
        field_ = Field::expect;
    }
    if (std::string* text = stored_field(); text != nullptr) {
        text->clear();
    }
}

std::string* RequestReader::stored_field() {
    switch (field_) {
        case Field::range: return &request_.range;
        case Field::if_modified_since: return &request_.if_modified_since;
        case Field::if_none_match: return &request_.if_none_match;
        case Field::if_range: return &request_.if_range;
        case Field::expect: return &request_.expect;
        case Field::host:
        case Field::none: break;
    }
    return nullptr;
}

int RequestReader::on_header_value(http_parser* parser, const char* at, std::size_t size) {
    RequestReader& reader = self(parser);
    if (!reader.grow_head(size)) {
        return reader.fail(Outcome::head_too_large);
    }
    if (!reader.in_value_) {
        reader.enter_value();
    }
    if (std::string* text = reader.stored_field(); text != nullptr) {
        text->append(at, size);
    }
    return 0;
}

int RequestReader::on_headers_complete(http_parser* parser) {
    RequestReader& reader = self(parser);
    Request& request = reader.request_;
    if (parser->http_major != 1) {
        return reader.fail(Outcome::version_unsupported);
    }
    request.http_1_1 = parser->http_minor >= 1;
    request.keep_alive = http_should_keep_alive(parser) != 0;
    request.method = parser->method == HTTP_GET    ? Method::get
                     : parser->method == HTTP_HEAD ? Method::head
                                                   : Method::other;
    const bool has_length = parser->content_length != UINT64_MAX;
    if (has_length && parser->content_length > reader.limits_.body) {
        return reader.fail(Outcome::body_too_large);
    }
    // RFC 9112 §3.2: exactly one Host in HTTP/1.1.
    if ((request.http_1_1 && request.hosts == 0) || request.hosts > 1) {
        return reader.fail(Outcome::malformed);
    }
    // RFC 9110 §10.1.1: the client waits for a word before it sends its body, which nothing here
    // takes: the last word at once.
    const bool has_body =
        (parser->flags & F_CHUNKED) != 0 || (has_length && parser->content_length > 0);
    if (has_body && !request.expect.empty()) {
        return reader.fail(Outcome::expectation_failed);
    }
    return 0;
}

int RequestReader::on_body(http_parser* parser, const char* /*at*/, std::size_t size) {
    RequestReader& reader = self(parser);
    reader.body_bytes_ += size;
    return reader.body_bytes_ <= reader.limits_.body ? 0 : reader.fail(Outcome::body_too_large);
}

int RequestReader::on_message_complete(http_parser* parser) {
    self(parser).outcome_ = Outcome::complete;
    // Stops here, so that a pipelined request stays in the caller's hands.
    http_parser_pause(parser, 1);
    return 0;
}

}  // namespace web
