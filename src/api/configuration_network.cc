// SPDX-License-Identifier: Apache-2.0
// Devices, addresses and routes of a configuration.
#include <algorithm>
#include <array>
#include <cerrno>

#include "api/configuration_reader.h"

namespace mtcp::api {
namespace {

constexpr std::array<std::string_view, 5> kKinds{"af_xdp", "tap", "tun", "memif", "link"};

struct Replaced {
    std::string_view kind;
    std::string_view replacement;
};
// Back ends of the original, and what does their work here.
constexpr Replaced kReplaced[] = {
    {"dpdk",
     "io = af_xdp (any interface of the kernel, no driver to bind); to a DPDK program: io = memif"},
    {"psio", "io = af_xdp"},
    {"netmap", "io = af_xdp"},
    {"onvm", "io = memif"},
};

std::string kinds() {
    std::string names;
    for (const std::string_view kind : kKinds)
        names += (names.empty() ? "" : ", ") + std::string(kind);
    return names;
}

stack::InterfaceConfiguration* find_interface(Reader& r, std::string_view name) {
    for (stack::InterfaceConfiguration& i : r.result.stack.interfaces) {
        if (i.name == name) return &i;
    }
    return nullptr;
}

std::string interface_names(const Reader& r) {
    std::string names;
    for (const stack::InterfaceConfiguration& i : r.result.stack.interfaces) {
        names += (names.empty() ? "" : ", ") + i.name;
    }
    return names.empty() ? "none" : names;
}

std::string kernel_names(const Host& host) {
    std::string names;
    for (const KernelInterface& i : host.interfaces) {
        if (!i.loopback) names += (names.empty() ? "" : ", ") + i.name;
    }
    return names.empty() ? "none" : names;
}

}  // namespace

Complaint check_io(const Reader& r, std::string_view kind) {
    if (std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end()) return {};
    for (const Replaced& replaced : kReplaced) {
        if (replaced.kind == kind) {
            return r.bad(
                "packet I/O '" + std::string(kind) + "' of the original is not in this stack",
                std::string(replaced.replacement));
        }
    }
    return r.bad("unknown packet I/O '" + std::string(kind) + "'", "one of " + kinds());
}

Complaint read_io(Reader& r, std::string_view value) {
    if (auto bad = check_io(r, value)) return bad;
    r.io = value;
    return {};
}

Complaint read_faults(Reader& r, std::string_view value, io::Faults& out) {
    auto faults = io::parse_faults(value);
    if (!faults) return r.bad(faults.error().why, faults.error().mend);
    out = *faults;
    return {};
}

Complaint read_port(Reader& r, std::string_view value) {
    std::vector<std::string> names;
    for (const std::string_view word : split_words(value)) {
        if (word != "all") {
            names.emplace_back(word);
            continue;
        }
        for (const KernelInterface& i : r.host.interfaces) {
            if (!i.loopback && !i.addresses.empty()) names.push_back(i.name);
        }
    }
    if (names.empty()) return r.bad("no interface has an address", "name the interfaces");
    for (const std::string& name : names) {
        DeviceDraft& draft = r.device(name);
        draft.is_port = true;
        draft.place = r.place;
    }
    return {};
}

// PREFIX [dev NAME]
Complaint read_address(Reader& r, std::string_view value) {
    const std::vector<std::string_view> words = split_words(value);
    const auto prefix = parse_prefix(words.front());
    const bool named = words.size() == 3 && words[1] == "dev";
    if (!prefix || (words.size() != 1 && !named)) {
        return r.bad("not an address with the length of its network",
                     "address = 10.0.0.2/24 [dev NAME]");
    }
    const std::uint32_t bits = prefix->address.v4_bits();
    if (bits == 0 || bits >> 28 >= 0xe || bits >> 24 == 127) {
        return r.bad("no host may have this address", "address = 10.0.0.2/24 [dev NAME]");
    }
    r.addresses.push_back({*prefix, named ? std::string(words[2]) : std::string{}, r.place});
    return {};
}

Complaint read_gateway(Reader& r, std::string_view value) {
    const std::vector<std::string_view> words = split_words(value);
    const auto gateway = parse_address(words.front());
    const bool named = words.size() == 3 && words[1] == "dev";
    if (!gateway || (words.size() != 1 && !named)) {
        return r.bad("not an address", "gateway = 10.0.0.1 [dev NAME]");
    }
    r.routes.push_back({{wire::IpAddress::v4(0), 0},
                        *gateway,
                        named ? std::string(words[2]) : std::string{},
                        r.place});
    return {};
}

// PREFIX [via GATEWAY] [dev NAME]
Complaint read_route(Reader& r, std::string_view value) {
    const std::vector<std::string_view> words = split_words(value);
    RouteDraft draft{.destination = {}, .device = {}, .place = r.place};
    const auto destination = parse_prefix(words.front() == "default" ? "0.0.0.0/0" : words.front());
    bool good = destination.has_value() && words.size() % 2 == 1 && words.size() > 1;
    for (std::size_t i = 1; good && i + 1 < words.size(); i += 2) {
        if (words[i] == "via") {
            const auto gateway = parse_address(words[i + 1]);
            good = gateway.has_value();
            if (good) draft.gateway = *gateway;
        } else if (words[i] == "dev") {
            draft.device = words[i + 1];
        } else {
            good = false;
        }
    }
    if (!good)
        return r.bad("not a route",
                     "route = 10.1.0.0/16 via 10.0.0.1, or route = 10.1.0.0/16 dev NAME");
    draft.destination = *destination;
    r.routes.push_back(std::move(draft));
    return {};
}

Complaint read_neighbour(Reader& r, std::string_view value) {
    const std::vector<std::string_view> words = split_words(value);
    const auto address = parse_address(words.front());
    const auto mac = words.size() == 2 ? parse_mac(words[1]) : std::nullopt;
    if (!address || !mac) return r.bad("not a neighbour", "neighbour = 10.0.0.9 02:00:00:00:00:09");
    r.result.stack.neighbours.push_back({*address, *mac});
    return {};
}

Complaint read_device(Reader& r, const std::vector<std::string_view>& words,
                      std::string_view value) {
    if (words.size() != 3) return r.bad("not an option of a device", "device NAME OPTION = value");
    DeviceDraft& draft = r.device(words[1]);
    if (words[2] == "io") {
        if (auto bad = check_io(r, value)) return bad;
        draft.kind = value;
    } else if (words[2] == "capture") {
        draft.capture = r.placed(value);
    } else if (words[2] == "faults") {
        return read_faults(r, value, draft.faults.emplace());
    } else {
        draft.options.push_back({std::string(words[2]), std::string(value), r.place});
    }
    return {};
}

namespace {

Complaint finish_device(Reader& r, const DeviceDraft& draft) {
    if (!draft.is_port) {
        return complain(draft.place, "device " + draft.name, "this device is not used",
                        "port = " + draft.name + ", or remove the line");
    }
    const PlacedText& capture = draft.capture ? *draft.capture : r.capture;
    stack::InterfaceConfiguration interface {
        .kind = draft.kind.empty() ? r.io : draft.kind, .name = draft.name, .options = {},
        .addresses = {}, .capture_file = capture.text, .faults = draft.faults.value_or(r.faults)
    };
    // A device's own option replaces the common one.
    std::vector<OptionDraft> options = r.options;
    for (const OptionDraft& option : draft.options) {
        std::erase_if(options, [&option](const auto& o) { return o.name == option.name; });
        options.push_back(option);
    }
    InterfacePlaces places{
        .port = draft.place.text(), .capture = capture.place.text(), .options = {}};
    for (const OptionDraft& option : options) {
        interface.options.emplace_back(option.name, option.value);
        places.options.push_back(option.place.text());
    }
    if (interface.kind == "link" && (!capture.text.empty() || interface.faults.any())) {
        r.warn(capture.text.empty() ? draft.place : capture.place,
               "link has no wire: nothing is captured there, and no faults happen");
    }
    if (interface.kind == "link" && !options.empty()) {
        return complain(options[0].place, "io." + options[0].name, "link has no options",
                        "remove the line, or choose another io");
    }
    if (interface.kind == "af_xdp" && r.host.find(draft.name) == nullptr) {
        return complain(draft.place, "port " + draft.name, "the kernel has no such interface",
                        "one of: " + kernel_names(r.host), ENODEV);
    }
    r.result.stack.interfaces.push_back(std::move(interface));
    r.result.interface_places.push_back(std::move(places));
    return {};
}

Complaint place_address(Reader& r, const AddressDraft& draft) {
    std::vector<stack::InterfaceConfiguration>& interfaces = r.result.stack.interfaces;
    stack::InterfaceConfiguration* interface = find_interface(r, draft.device);
    if (draft.device.empty() && interfaces.size() == 1) interface = &interfaces.front();
    const std::string text =
        to_text(draft.prefix.address) + "/" + std::to_string(draft.prefix.length);
    if (interface == nullptr) {
        return complain(
            draft.place, "address " + text,
            draft.device.empty() ? "there are several ports" : "there is no port " + draft.device,
            "address = " + text + " dev NAME, with NAME one of: " + interface_names(r));
    }
    interface->addresses.push_back(draft.prefix);
    return {};
}

bool contains(const std::vector<stack::Prefix>& prefixes, const wire::IpAddress& address) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&address](const stack::Prefix& p) { return p.address == address; });
}

// An address is ours or the kernel's.
Complaint check_kernel_address(const stack::InterfaceConfiguration& interface, const Place& place) {
    for (const auto& [name, value] : interface.options) {
        const auto kernels = name == "kernel_address" ? parse_prefix(value) : std::nullopt;
        if (kernels && contains(interface.addresses, kernels->address)) {
            return complain(place, "port " + interface.name,
                            value + " cannot be the address of both ends",
                            "io.kernel_address is the kernel's, address is the stack's");
        }
    }
    return {};
}

// The original's way: the stack takes over the address that the kernel has on the interface.
Complaint take_over_addresses(Reader& r, stack::InterfaceConfiguration& interface,
                              const Place& place) {
    const KernelInterface* const kernel =
        interface.kind == "af_xdp" ? r.host.find(interface.name) : nullptr;
    if (!interface.addresses.empty()) {
        for (const stack::Prefix& p : interface.addresses) {
            if (kernel == nullptr || !contains(kernel->addresses, p.address)) continue;
            r.warn(place, "the kernel has " + to_text(p.address) + " on " + interface.name +
                              ", too: it will not see this address's traffic any more");
        }
        return check_kernel_address(interface, place);
    }
    if (kernel == nullptr || kernel->addresses.empty()) {
        return complain(place, "port " + interface.name, "the stack has no address on it",
                        "add a line: address = 10.0.0.2/24 dev " + interface.name);
    }
    interface.addresses = kernel->addresses;
    r.warn(place, "no address for " + interface.name + ": taking over " +
                      to_text(kernel->addresses[0].address) +
                      " from the kernel, which will not see this address's traffic any more; give "
                      "the stack one of "
                      "its own with address = IP/LENGTH dev " +
                      interface.name);
    return {};
}

const stack::InterfaceConfiguration* network_of(const Reader& r, const wire::IpAddress& address) {
    for (const stack::InterfaceConfiguration& i : r.result.stack.interfaces) {
        for (const stack::Prefix& p : i.addresses) {
            if (same_network(p.address, address, p.length)) return &i;
        }
    }
    return nullptr;
}

Complaint place_route(Reader& r, const RouteDraft& draft) {
    stack::RouteConfiguration route{draft.destination, draft.gateway, draft.device};
    if (!draft.device.empty()) {
        if (find_interface(r, draft.device) == nullptr) {
            return complain(draft.place, "route", "there is no port " + draft.device,
                            "one of: " + interface_names(r));
        }
    } else {
        const stack::InterfaceConfiguration* const on = network_of(r, draft.gateway);
        if (on == nullptr) {
            return complain(draft.place, "route via " + to_text(draft.gateway),
                            "the gateway is on no network of ours",
                            "check it against the addresses, or add dev NAME");
        }
        route.interface_name = on->name;
    }
    r.result.stack.routes.push_back(std::move(route));
    return {};
}

}  // namespace

Complaint finish_network(Reader& r) {
    const bool any_port = std::any_of(r.devices.begin(), r.devices.end(),
                                      [](const DeviceDraft& d) { return d.is_port; });
    if (!any_port && r.io == "link") {
        r.device("link0").is_port = true;  // in memory: it needs no name
    } else if (!any_port) {
        return complain({r.source.name, 0}, "no port", "the stack has no interface",
                        "add a line: port = NAME");
    }
    for (const DeviceDraft& draft : r.devices) {
        if (auto bad = finish_device(r, draft)) return bad;
    }
    for (const AddressDraft& draft : r.addresses) {
        if (auto bad = place_address(r, draft)) return bad;
    }
    for (stack::InterfaceConfiguration& interface : r.result.stack.interfaces) {
        const Place place = r.device(interface.name).place;
        if (auto bad = take_over_addresses(r, interface, place)) return bad;
    }
    for (const RouteDraft& draft : r.routes) {
        if (auto bad = place_route(r, draft)) return bad;
    }
    for (const std::string& name : r.result.stack.stat_print) {
        if (find_interface(r, name) != nullptr) continue;
        r.result.warnings.push_back(r.source.name + ": stat_print: there is no port " +
                                    printable(name) + " (ports: " + interface_names(r) + ")");
    }
    return {};
}

}  // namespace mtcp::api
