// SPDX-License-Identifier: Apache-2.0
// The original's two tables:
//
//   arp.conf                          route.conf
//   ARP_ENTRY 2                       ROUTES 2
//   10.0.0.9/32 02:00:00:00:00:09     10.1.0.0/16 eth0
//   10.0.1.0/24 02:00:00:00:00:01     10.0.0.1/0 eth0      (/0: the default gateway)
#include <cerrno>
#include <cstring>

#include "api/configuration_reader.h"

namespace mtcp::api {
namespace {

// An ARP entry for a network stands for this many hosts at most.
constexpr int kShortestArpPrefix = 24;

struct Table {
    std::string_view header;  // "ARP_ENTRY", "ROUTES"
    const char* default_path;
    Complaint (*entry)(Reader&, const Place&, std::string_view line,
                       const std::vector<std::string_view>&);
};

Complaint arp_entry(Reader& r, const Place& place, std::string_view line,
                    const std::vector<std::string_view>& words) {
    const auto prefix = words.size() == 2 ? parse_prefix(words[0]) : std::nullopt;
    const auto mac = words.size() == 2 ? parse_mac(words[1]) : std::nullopt;
    if (!prefix || !mac) {
        return complain(place, line, "not an ARP entry",
                        "IP/LENGTH MAC, as 10.0.0.9/32 02:00:00:00:00:09");
    }
    if (prefix->length < kShortestArpPrefix) {
        return complain(
            place, line, "an ARP entry for so many hosts",
            "make that host a gateway: route = " + std::string(words[0]) + " via ITS_ADDRESS");
    }
    const std::uint32_t hosts = std::uint32_t{1} << (32 - prefix->length);
    const std::uint32_t first = prefix->address.v4_bits() & ~(hosts - 1);
    for (std::uint32_t i = 0; i < hosts; ++i) {
        r.result.stack.neighbours.push_back({wire::IpAddress::v4(first + i), *mac});
    }
    return {};
}

Complaint route_entry(Reader& r, const Place& place, std::string_view line,
                      const std::vector<std::string_view>& words) {
    const auto prefix = words.size() == 2 ? parse_prefix(words[0]) : std::nullopt;
    if (!prefix)
        return complain(place, line, "not a route", "NETWORK/LENGTH DEVICE, or GATEWAY/0 DEVICE");
    RouteDraft draft{.destination = *prefix, .device = std::string(words[1]), .place = place};
    if (prefix->length == 0) {
        draft.gateway = prefix->address;
        draft.destination.address = wire::IpAddress::v4(0);
    }
    r.routes.push_back(std::move(draft));
    return {};
}

constexpr Table kArp{"ARP_ENTRY", "config/arp.conf", arp_entry};
constexpr Table kRoutes{"ROUTES", "config/route.conf", route_entry};

Complaint read_table(Reader& r, const Table& table, const std::string& path,
                     std::string_view text) {
    Place place{path, 0};
    std::int64_t announced = -1;
    while (!text.empty()) {
        ++place.line;
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view whole = text.substr(0, end);
        const std::string_view line = trim(whole.substr(0, whole.find('#')));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty()) continue;
        const std::vector<std::string_view> words = split_words(line);
        if (words[0] == table.header) {
            const auto count = words.size() == 2 ? parse_integer(words[1]) : std::nullopt;
            if (!count || *count < 0) {
                return complain(place, line, "not a number of entries",
                                std::string(table.header) + " 2");
            }
            announced = *count;
            continue;
        }
        if (announced-- <= 0) {
            return complain(place, line, "more entries than announced",
                            "correct the number after " + std::string(table.header));
        }
        if (auto bad = table.entry(r, place, line, words)) return bad;
    }
    return {};
}

Complaint read_file(Reader& r, const Table& table, const std::optional<PlacedText>& named) {
    if (!named && r.source.side_files == SideFiles::named_only) return {};
    const std::string path = named ? named->text : table.default_path;
    const std::optional<std::string> text = r.host.read_file(path);
    const int error = errno;
    if (text) return read_table(r, table, path, *text);
    if (!named) return {};  // the defaults need not exist
    return complain(named->place, path, std::string("cannot be read: ") + std::strerror(error),
                    mend_of_reading(error), error);
}

}  // namespace

Complaint read_side_files(Reader& r) {
    if (auto bad = read_file(r, kArp, r.arp_file)) return bad;
    return read_file(r, kRoutes, r.route_file);
}

}  // namespace mtcp::api
