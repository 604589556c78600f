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
#include "io/middleware/faults.h"

namespace mtcp::api {

// Where a line stands, for messages.
struct Place {
    std::string file;
    int line = 0;  // 0: the whole file

    [[nodiscard]] std::string text() const {
        return line == 0 ? file : file + ":" + std::to_string(line);
    }
};

// A value whose line may be named once more, when the stack starts.
struct PlacedText {
    std::string text;
    Place place;
};

// nothing: all is well.
using Complaint = std::optional<Problem>;
[[nodiscard]] Problem complain(const Place& place, std::string_view what, std::string why,
                               std::string mend, int error = EINVAL);

// An option of a back end.
struct OptionDraft {
    std::string name;
    std::string value;
    Place place;
};

struct DeviceDraft {
    std::string name;
    Place place;
    bool is_port = false;  // named by `port`, not only by `device`
    std::string kind;      // empty: as `io` says
    std::vector<OptionDraft> options;
    std::optional<PlacedText> capture;
    std::optional<io::Faults> faults;
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
    std::vector<OptionDraft> options;  // io.*
    PlacedText capture;
    io::Faults faults;
    std::vector<DeviceDraft> devices;
    std::vector<AddressDraft> addresses;
    std::vector<RouteDraft> routes;
    std::optional<PlacedText> arp_file;
    std::optional<PlacedText> route_file;
    std::optional<std::uint64_t> receive_buffer, send_buffer;

    // A complaint about the value of the line being read.
    [[nodiscard]] Problem bad(std::string why, std::string mend) const {
        return complain(place, printable(line), std::move(why), std::move(mend));
    }
    void warn(const Place& where, const std::string& text) {
        result.warnings.push_back(where.text() + ": " + text);
    }
    [[nodiscard]] DeviceDraft& device(std::string_view name);
    [[nodiscard]] PlacedText placed(std::string_view value) const {
        return {std::string(value), place};
    }
};

// configuration_network.cc
[[nodiscard]] Complaint check_io(const Reader& reader, std::string_view kind);
[[nodiscard]] Complaint read_io(Reader& reader, std::string_view value);
[[nodiscard]] Complaint read_faults(Reader& reader, std::string_view value, io::Faults& out);
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
