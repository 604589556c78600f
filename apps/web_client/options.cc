// SPDX-License-Identifier: Apache-2.0
// The command line of the load client.
#include "web_client/options.h"

#include <http_parser.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "sockets/sockets.h"

namespace load {
namespace {

bool parse_url(const std::string& written, Options& options) {
    const bool has_scheme = written.find("://") != std::string::npos;
    const std::string url = has_scheme ? written : "http://" + written;
    http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(url.data(), url.size(), 0, &parts) != 0 ||
        (parts.field_set & (1U << UF_HOST)) == 0) {
        return false;
    }
    const auto part = [&](http_parser_url_fields field) {
        return (parts.field_set & (1U << field)) != 0
                   ? url.substr(parts.field_data[field].off, parts.field_data[field].len)
                   : std::string{};
    };
    options.host = part(UF_HOST);
    const auto address = net::parse_address(options.host);
    if (part(UF_SCHEMA) != "http" || !address) {
        return false;
    }
    options.address = *address;
    options.port = (parts.field_set & (1U << UF_PORT)) != 0 ? parts.port : std::uint16_t{80};
    options.path = part(UF_PATH).empty() ? "/" : part(UF_PATH);
    if (const std::string query = part(UF_QUERY); !query.empty()) {
        options.path += "?" + query;
    }
    return true;
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    std::string url;
    std::uint64_t length = 0;
    double duration = -1;
    CLI::App app{std::string{"HTTP load client on the stack: "} + net::kStack};
    app.add_option("url", url, "http://ADDRESS[:PORT]/PATH (an IPv4 address, no name)")->required();
    app.add_option("-N,--cores", options.cores,
                   "cores, each with its share of the connections; num_cores in the configuration "
                   "file, where there is one, must be as many")
        ->check(CLI::Range(1, net::kCoresMax));
    app.add_option("-f,--config", options.configuration_file,
                   "configuration file of mtcp (not read where the stack is the kernel's)")
        ->capture_default_str();
    app.add_option("-c,--concurrency", options.concurrency, "connections at a time, all cores")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}))
        ->capture_default_str();
    app.add_option("-n,--connections", options.connections,
                   "connections in all (default: as many as the duration allows)");
    app.add_option("-r,--requests", options.requests_per_connection,
                   "requests on each connection, one after the other; 0: no limit (keep-alive)")
        ->capture_default_str();
    app.add_flag("--client-closes", options.close_by_client,
                 "do not ask the server to close after the last request; close it here");
    app.add_option("-d,--duration", duration, "seconds to run (10 if -n is not given)")
        ->check(CLI::Range(0.001, 1e7));
    app.add_option("--warmup", options.warmup_s, "seconds before counting begins")
        ->check(CLI::Range(0.0, 1e7));
    app.add_option("-t,--timeout", options.timeout_s, "seconds without progress before giving up")
        ->check(CLI::Range(0.001, 1e7))
        ->capture_default_str();
    app.add_option("--addresses", options.addresses,
                   "use this many destination addresses, counted up from the URL's")
        ->check(CLI::Range(1U, 65'536U));
    auto* expect = app.add_option("--expect-length", length, "bytes every body must have");
    app.add_option("--compare", options.compare_file, "every body must equal this file")
        ->check(CLI::ExistingFile);
    app.add_option("--json", options.json_file, "write the result to this file ('-': output)");
    app.add_flag("-q,--quiet", options.quiet, "no progress lines");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    if (!parse_url(url, options)) {
        std::fprintf(stderr, "web_client: %s is no http://ADDRESS[:PORT]/PATH\n", url.c_str());
        std::exit(2);
    }
    if (expect->count() > 0) {
        options.expected_length = length;
    }
    options.duration_s = duration >= 0 ? duration : options.connections > 0 ? 1e9 : 10;
    return options;
}

}  // namespace load
