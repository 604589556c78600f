// SPDX-License-Identifier: Apache-2.0
// The state of reading one configuration: shared by the keys (configuration_file.cc), the devices
// and addresses (configuration_network.cc) and the original's side files (side_files.cc).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/configuration_file.h"
#include "api/values.h"

namespace mtcp::api {

// Where a line stands, for messages.
struct Place {
    std::string file;
    int line = 0;
};

// nothing: all is well.
using Complaint = std::optional<Problem>;
[[nodiscard]] Problem complain(const Place& place, std::string_view what, std::string why,
                               std::string mend, int error = EINVAL);

struct DeviceDraft {
    std::string name;
    Place place;
    bool is_port = false;  // named by `port`, not only by `device`
    std::string kind;      // empty: as `io` says
    std::vector<std::pair<std::string, std::string>> options;
    std::optional<std::string> capture;
    std::optional<std::string> faults;
};
struct AddressDraft {
    stack::Prefix prefix;
    std::string device;  // empty: the only one
    Place place;
};
struct RouteDraft {
    stack::Prefix destination;
    wire::IpAddress gateway = wire::IpAddress::v4(0);
    std::string device;  // empty: the one on whose network the gateway is
    Place place;
};

struct Reader {
    const ConfigurationText& source;
    const Host& host;
    Configuration result;
    Place place;            // of the line being read
    std::string_view line;  // as written, for messages

    std::string io = "af_xdp";
    std::vector<std::pair<std::string, std::string>> options;  // io.*
    std::string capture;
    std::string faults;
    std::vector<DeviceDraft> devices;
    std::vector<AddressDraft> addresses;
    std::vector<RouteDraft> routes;
    std::optional<std::pair<std::string, Place>> arp_file;
    std::optional<std::pair<std::string, Place>> route_file;
    std::optional<std::uint64_t> receive_buffer, send_buffer;

    // A complaint about the value of the line being read.
    [[nodiscard]] Problem bad(std::string why, std::string mend) const {
        return complain(place, printable(line), std::move(why), std::move(mend));
    }
    void warn(const Place& where, const std::string& text) {
        result.warnings.push_back(where.file + ":" + std::to_string(where.line) + ": " + text);
    }
    [[nodiscard]] DeviceDraft& device(std::string_view name);
};

// configuration_network.cc
[[nodiscard]] Complaint check_io(const Reader& reader, std::string_view kind);
[[nodiscard]] Complaint read_io(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_port(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_address(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_gateway(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_route(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_neighbour(Reader& reader, std::string_view value);
// `words` is what follows "device" before the '=': a name and an option.
[[nodiscard]] Complaint read_device(Reader& reader, const std::vector<std::string_view>& words,
                                    std::string_view value);
// After the last line: every device gets its kind and addresses, every route its device.
[[nodiscard]] Complaint finish_network(Reader& reader);

// side_files.cc: config/arp.conf and config/route.conf of the original.
[[nodiscard]] Complaint read_side_files(Reader& reader);

}  // namespace mtcp::api
