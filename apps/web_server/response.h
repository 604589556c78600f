// SPDX-License-Identifier: Apache-2.0
// From a request and the file it names to a response: the head as text, and which bytes follow it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "web_server/file_store.h"
#include "web_server/request_reader.h"

namespace web {

struct Response {
    int status = 200;
    std::shared_ptr<const File> file;  // null: the body, if any, is in the head already
    std::uint64_t first = 0;           // of the file's bytes
    std::uint64_t end = 0;             // one past the last
    bool close = false;                // the connection ends after it
};

// Appends the head (and the body of an error) to `out`. `date` is the line of RFC 9110 §6.6.1.
Response respond(const Request& request, const FileStore::Answer& answer, std::string_view date,
                 std::string& out);

// An answer without a file: an error, or a redirection to `location`.
Response respond_status(int status, Method method, bool close, std::string_view date,
                        std::string_view location, std::string& out);

// Always the same 64 bytes, for measurements.
Response respond_64(const Request& request, std::string& out);

struct ByteRange {
    enum class Kind : std::uint8_t { whole, part, unsatisfiable } kind = Kind::whole;
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

// A single range of RFC 9110 §14.1.2; several, or anything malformed, is ignored as the RFC allows.
ByteRange parse_range(std::string_view text, std::uint64_t size);

}  // namespace web
