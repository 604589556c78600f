// SPDX-License-Identifier: Apache-2.0
// The command `mtcp` and its subcommands.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "bridge.h"
#include "io/open_device.h"
#include "stat.h"

namespace {

void add_stat(CLI::App& app, mtcp::tools::StatOptions& options) {
    CLI::App* stat = app.add_subcommand("stat", "Counters of a running stack; without PID, a list");
    stat->add_option("PID", options.pid, "Process that runs the stack")
        ->check(CLI::Range(1, 1 << 22));
    stat->add_flag("-w,--watch", options.watch, "Again every second, with rates per second");
    stat->add_option("-n,--rounds", options.rounds, "Watch that many seconds, then end");
    stat->add_flag("-c,--per-core", options.per_core, "Each core by itself");
    stat->add_flag("-j,--json", options.json, "JSON; one line per round with --watch");
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
        ->check(CLI::NonNegativeNumber);
    bridge->add_flag("--stats", options.stats, "A line of counts every second");
    bridge->footer(
        "A device is an interface (eth0: everything it carries, by AF_PACKET) or KIND:NAME with\n"
        "options behind commas: tap:bad0,mtu=9000  memif:/run/a.sock,role=master. Kinds: " +
        mtcp::io::device_kinds() +
        ".\nFaults: loss duplicate reorder corrupt (1% or 100ppm), gilbert=A/B/C, delay jitter\n"
        "reorder_delay (10ms), rate (100mbit), queue (64k), seed (7).");
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Look into user-level TCP/IP stacks, and around them"};
    app.require_subcommand(1);
    mtcp::tools::StatOptions stat;
    mtcp::tools::BridgeOptions bridge;
    add_stat(app, stat);
    add_bridge(app, bridge);
    CLI11_PARSE(app, argc, argv);
    return app.got_subcommand("stat") ? mtcp::tools::run_stat(stat)
                                      : mtcp::tools::run_bridge(bridge);
}
