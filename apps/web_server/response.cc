// SPDX-License-Identifier: Apache-2.0
// Status lines, conditional requests and ranges.
#include "web_server/response.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "web_server/http_date.h"

namespace web {
namespace {

std::string_view reason(int status) {
    switch (status) {
        case 200: return "OK";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 431: return "Request Header Fields Too Large";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        default: return "Internal Server Error";
    }
}

void begin_head(int status, std::string_view date, std::string& out) {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\nServer: mtcp\r\nDate: {}\r\n",
                   status, reason(status), date);
}

void end_head(bool close, std::string& out) {
    out += close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

// Whether a list of entity tags names this one; a weak mark does not matter for If-None-Match.
bool lists_tag(std::string_view list, std::string_view tag) {
    return list == "*" || list.find(tag) != std::string_view::npos;
}

bool not_modified(const Request& request, const File& file) {
    if (!request.if_none_match.empty()) {  // RFC 9110 §13.2.2: it wins
        return lists_tag(request.if_none_match, file.entity_tag);
    }
    if (request.if_modified_since.empty()) {
        return false;
    }
    const auto since = parse_http_date(request.if_modified_since);
    return since.has_value() && file.modified.tv_sec <= *since;
}

ByteRange wanted_range(const Request& request, const File& file) {
    if (request.range.empty() || request.method != Method::get) {
        return {ByteRange::Kind::whole, 0, file.size};
    }
    const bool still_the_same = request.if_range.empty() || request.if_range == file.entity_tag ||
                                request.if_range == file.last_modified;
    return still_the_same ? parse_range(request.range, file.size)
                          : ByteRange{ByteRange::Kind::whole, 0, file.size};
}

Response respond_file(const Request& request, const std::shared_ptr<const File>& file,
                      std::string_view date, std::string& out) {
    Response response{.file = file, .close = !request.keep_alive};
    if (not_modified(request, *file)) {
        response.status = 304;
        response.file = nullptr;
        begin_head(304, date, out);
        fmt::format_to(std::back_inserter(out), "ETag: {}\r\nLast-Modified: {}\r\n",
                       file->entity_tag, file->last_modified);
        end_head(response.close, out);
        return response;
    }
    const ByteRange range = wanted_range(request, *file);
    response.first = range.first;
    response.end = range.end;
    if (range.kind == ByteRange::Kind::unsatisfiable) {
        response.status = 416;
        response.file = nullptr;
        begin_head(416, date, out);
        fmt::format_to(std::back_inserter(out),
                       "Content-Range: bytes */{}\r\nContent-Length: 0\r\n", file->size);
        end_head(response.close, out);
        return response;
    }
    response.status = range.kind == ByteRange::Kind::part ? 206 : 200;
    begin_head(response.status, date, out);
    if (response.status == 206) {
        fmt::format_to(std::back_inserter(out), "Content-Range: bytes {}-{}/{}\r\n", range.first,
                       range.end - 1, file->size);
    }
    fmt::format_to(std::back_inserter(out),
                   "Content-Type: {}\r\nContent-Length: {}\r\nLast-Modified: {}\r\nETag: {}\r\n"
                   "Accept-Ranges: bytes\r\n",
                   file->type, range.end - range.first, file->last_modified, file->entity_tag);
    end_head(response.close, out);
    if (request.method == Method::head) {
        response.file = nullptr;
    }
    return response;
}

}  // namespace

ByteRange parse_range(std::string_view text, std::uint64_t size) {
    const ByteRange whole{ByteRange::Kind::whole, 0, size};
    if (!text.starts_with("bytes=") || text.find(',') != std::string_view::npos) {
        return whole;
    }
    text.remove_prefix(6);
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
        return whole;
    }
    const std::string_view left = text.substr(0, dash);
    const std::string_view right = text.substr(dash + 1);
    if (left.empty()) {  // the last N bytes
        const auto count = parse_number(right);
        if (!count) {
            return whole;
        }
        if (*count == 0 || size == 0) {
            return {ByteRange::Kind::unsatisfiable, 0, 0};
        }
        return {ByteRange::Kind::part, size - std::min(*count, size), size};
    }
    const auto first = parse_number(left);
    const auto last =
        right.empty() ? std::optional<std::uint64_t>{UINT64_MAX} : parse_number(right);
    if (!first || !last || *last < *first) {
        return whole;
    }
    if (*first >= size) {
        return {ByteRange::Kind::unsatisfiable, 0, 0};
    }
    return {ByteRange::Kind::part, *first, std::min(*last, size - 1) + 1};
}

Response respond_status(int status, Method method, bool close, std::string_view date,
                        std::string_view location, std::string& out) {
    const std::string body = fmt::format("{} {}\n", status, reason(status));
    begin_head(status, date, out);
    if (status == 405) {
        out += "Allow: GET, HEAD\r\n";
    }
    if (!location.empty()) {
        fmt::format_to(std::back_inserter(out), "Location: {}\r\n", location);
    }
    fmt::format_to(std::back_inserter(out),
                   "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n",
                   body.size());
    end_head(close, out);
    if (method != Method::head) {
        out += body;
    }
    return Response{.status = status, .close = close};
}

Response respond(const Request& request, const FileStore::Answer& answer, std::string_view date,
                 std::string& out) {
    const bool close = !request.keep_alive;
    switch (answer.outcome) {
        case FileStore::Outcome::found: return respond_file(request, answer.file, date, out);
        case FileStore::Outcome::missing:
            return respond_status(404, request.method, close, date, {}, out);
        case FileStore::Outcome::overloaded:
            return respond_status(503, request.method, close, date, {}, out);
        case FileStore::Outcome::is_directory: break;
    }
    // Relative links of the page in the directory need the slash. Of several at the beginning one
    // is left: "//name/" would be another host (RFC 3986 §4.2).
    std::string_view target = request.target;
    while (target.starts_with("//")) {
        target.remove_prefix(1);
    }
    const std::size_t query = std::min(target.find('?'), target.size());
    const std::string location =
        fmt::format("{}/{}", target.substr(0, query), target.substr(query));
    return respond_status(301, request.method, close, date, location, out);
}

Response respond_64(const Request& request, std::string& out) {
    static constexpr std::string_view kBody =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    static_assert(kBody.size() == 64);
    const bool close = !request.keep_alive;
    out += "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n";
    end_head(close, out);
    if (request.method != Method::head) {
        out += kBody;
    }
    return Response{.status = 200, .close = close};
}

}  // namespace web
