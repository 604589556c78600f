// SPDX-License-Identifier: Apache-2.0
// The command line of the web server.
#include "web_server/options.h"

#include <CLI/CLI.hpp>

#include "sockets/sockets.h"

namespace web {

Options parse_options(int argc, char** argv) {
    Options options;
    CLI::App app{std::string{"HTTP/1.1 server of a directory of files, on the stack: "} +
                 net::kStack};
    app.add_option("-p,--www", options.root, "directory to serve")
        ->check(CLI::ExistingDirectory)
        ->capture_default_str();
    app.add_option("-N,--cores", options.cores,
                   "cores, one listener each; num_cores in the configuration file, where there is "
                   "one, must be as many")
        ->check(CLI::Range(1, net::kCoresMax))
        ->capture_default_str();
    app.add_option("-f,--config", options.configuration_file,
                   "configuration file of mtcp (not read where the stack is the kernel's)")
        ->capture_default_str();
    app.add_option("--address", options.address, "address to listen on")->capture_default_str();
    app.add_option("--port", options.port, "port to listen on")
        ->check(CLI::Range(1, 65535))
        ->capture_default_str();
    app.add_option("-b,--backlog", options.backlog, "connections waiting for accept, per core")
        ->capture_default_str();
    app.add_option("--cache", options.cache_bytes,
                   "bytes of file contents kept in memory, per core")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--request-head-max", options.request_head_max,
                   "bytes of request line and headers; more is answered with 431")
        ->transform(CLI::AsSizeValue(false));
    double idle_seconds = std::chrono::duration<double>{options.idle_timeout}.count();
    app.add_option("--idle-timeout", idle_seconds, "seconds without progress before a close")
        ->check(CLI::Range(1.0, 86400.0))
        ->capture_default_str();
    app.add_flag("--respond-64", options.respond_64,
                 "answer every request with the same 64 bytes (benchmarks)");
    app.add_flag("--stats", options.stats, "one line of rates each second on standard error");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    options.idle_timeout = std::chrono::milliseconds{static_cast<std::int64_t>(idle_seconds * 1e3)};
    return options;
}

}  // namespace web
