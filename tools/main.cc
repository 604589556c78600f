// SPDX-License-Identifier: Apache-2.0
// The command `mtcp` and its subcommands.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "bridge.h"
#include "io/open_device.h"
#include "print_error.h"
#include "stat.h"

namespace {

void add_stat(CLI::App& app, mtcp::tools::StatOptions& options) {
    CLI::App* stat = app.add_subcommand("stat", "Counters of a running stack; without PID, a list");
    CLI::Option* pid = stat->add_option("PID", options.pid, "Process that runs the stack")
                           ->check(CLI::Range(1, 1 << 22));
    stat->add_flag("-w,--watch", options.watch, "Again every second, with rates per second")
        ->needs(pid);
    stat->add_option("-n,--rounds", options.rounds, "Watch that many seconds, then end")
        ->check(CLI::Range(1, 1 << 30))
        ->needs(pid);
    stat->add_flag("-c,--per-core", options.per_core, "Each core by itself")->needs(pid);
    stat->add_flag("-j,--json", options.json, "JSON; one line per round with --watch");
}

// The options of every kind of device that can be bridged, a line each.
std::string options_of_devices() {
    std::string text;
    const std::string kinds = mtcp::io::device_kinds();
    for (std::size_t at = 0, end = 0; at < kinds.size(); at = end + 2) {
        end = std::min(kinds.find(", ", at), kinds.size());
        const std::string kind = kinds.substr(at, end - at);
        if (kind == "af_xdp") continue;  // of configuration files only
        text += fmt::format("\n  {:<10} {}", kind + ":", mtcp::io::device_options(kind));
    }
    return text;
}

void add_bridge(CLI::App& app, mtcp::tools::BridgeOptions& options) {
    CLI::App* bridge = app.add_subcommand(
        "bridge", "Join two devices, with a bad wire in between, until a signal");
    bridge->add_option("A", options.device_a, "A device, see below")->required();
    bridge->add_option("B", options.device_b, "Another")->required();
    bridge->add_option("--faults", options.faults,
                       "What befalls frames from A to B: \"loss=1% delay=10ms rate=100mbit\"");
    bridge->add_option("--faults-back", options.faults_back, "The same from B to A");
    bridge->add_option("--seconds", options.seconds, "End after this time")
        ->check(CLI::Range(0.0, 1e9));
    bridge->add_flag("--stats", options.stats, "A line of counts every second");
    bridge->footer(
        "A device is an interface (eth0: everything it carries, by AF_PACKET) or KIND:NAME with\n"
        "options behind commas: tap:bad0,mtu=9000  memif:/run/a.sock,role=master. Kinds and\n"
        "their options:" +
        options_of_devices() + "\nOptions of af_xdp, which only configuration files have: " +
        mtcp::io::device_options("af_xdp") +
        "\nFaults: loss duplicate reorder corrupt (1% or 100ppm), gilbert=A/B/C, delay jitter\n"
        "reorder_delay (10ms), rate (100mbit), queue mark (64k), seed (7).");
}

int cannot_write(int error) {
    mtcp::tools::print_error("mtcp: cannot write the output: {}\n", std::strerror(error));
    return 1;
}

// What was printed may still fail to be written: a full disk, a closed pipe. Where it is more than
// a buffer, fmt::print notices first.
int run(const CLI::App& app, const mtcp::tools::StatOptions& stat,
        const mtcp::tools::BridgeOptions& bridge) {
    try {
        const int status = app.got_subcommand("stat") ? mtcp::tools::run_stat(stat)
                                                      : mtcp::tools::run_bridge(bridge);
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    } catch (const std::system_error& error) {
        return cannot_write(error.code().value());
    }
    return cannot_write(errno);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Look into user-level TCP/IP stacks, and around them"};
    app.require_subcommand(1);
    mtcp::tools::StatOptions stat;
    mtcp::tools::BridgeOptions bridge;
    add_stat(app, stat);
    add_bridge(app, bridge);
    app.set_version_flag("--version", "mtcp " MTCP_VERSION);
    const std::string_view first = argc > 1 ? argv[1] : "-";
    if (!first.starts_with('-') && first != "stat" && first != "bridge") {
        mtcp::tools::print_error("mtcp: no such subcommand: {} (mtcp --help)\n", first);
        return 2;
    }
    CLI11_PARSE(app, argc, argv);
    stat.watch |= stat.rounds != 0;
    return run(app, stat, bridge);
}
