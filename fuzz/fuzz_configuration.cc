// SPDX-License-Identifier: Apache-2.0
// Configuration files with their ARP and route tables: bytes 0x01 and 0x02 separate the three
// files. Whatever they say, the answer is a configuration that the network layer takes or explains,
// or a problem with a text.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "api/configuration_file.h"
#include "api/values.h"
#include "base/log.h"
#include "fuzz/input.h"

namespace mtcp::fuzz {
namespace {

std::string arp_file;
std::string route_file;

std::optional<std::string> read_file(const std::string& path) {
    if (path.find("arp") != std::string::npos) return arp_file;
    if (path.find("route") != std::string::npos) return route_file;
    errno = ENOENT;
    return std::nullopt;
}

std::string cut(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    std::string part(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

}  // namespace
}  // namespace mtcp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mtcp;
    using namespace mtcp::fuzz;
    if (size > 1 << 16) return 0;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string main_file = cut(text, '\x01');
    arp_file = cut(text, '\x02');
    route_file = std::string(text);
    api::Host host;
    host.cpus = 4;
    host.read_file = read_file;
    host.interfaces = {{"lo", true, {*api::parse_prefix("127.0.0.1/8")}},
                       {"eth0", false, {*api::parse_prefix("192.0.2.7/24")}},
                       {"eth1", false, {}}};
    const auto parsed = api::parse_configuration({"mtcp.conf", main_file}, {}, host);
    if (!parsed) {
        MTCP_FUZZ_CHECK(!parsed.error().text().empty());
        MTCP_FUZZ_CHECK(parsed.error().error != 0);
        return 0;
    }
    const stack::StackConfiguration& stack = parsed->stack;
    MTCP_FUZZ_CHECK(stack.cores >= 1 && stack.cores <= static_cast<std::size_t>(api::kCoresMax));
    MTCP_FUZZ_CHECK(stack.max_concurrency >= 1);
    MTCP_FUZZ_CHECK(stack.port_first <= stack.port_last);
    MTCP_FUZZ_CHECK(parsed->interface_places.size() == stack.interfaces.size());
    return 0;
}
