// SPDX-License-Identifier: Apache-2.0
// HTTP dates by strftime and strptime in the C locale, which the server never changes.
#include "web_server/http_date.h"

#include <time.h>

namespace web {

std::string http_date(std::time_t when) {
    std::tm parts{};
    gmtime_r(&when, &parts);
    char text[64];
    const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return std::string(text, size);
}

std::optional<std::time_t> parse_http_date(const std::string& text) {
    std::tm parts{};
    const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (rest == nullptr || *rest != '\0') {
        return std::nullopt;
    }
    return timegm(&parts);
}

}  // namespace web
