// SPDX-License-Identifier: Apache-2.0
// What the load client is told on its command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace load {

struct Options {
    std::uint32_t address = 0;  // first destination, host byte order
    std::uint16_t port = 80;
    std::string host;  // as written in the URL
    std::string path = "/";
    std::uint32_t addresses = 1;  // destinations: address, address + 1, ...
    int cores = 1;
    std::string configuration_file = "mtcp.conf";
    std::uint64_t concurrency = 64;
    std::uint64_t connections = 0;  // 0: until the duration is over
    std::uint64_t requests_per_connection = 1;
    bool close_by_client = false;  // keep-alive is asked for, and we close after the last answer
    double duration_s = 10;
    double warmup_s = 0;
    double timeout_s = 10;  // of a connection without progress
    std::optional<std::uint64_t> expected_length;
    std::string compare_file;
    std::string json_file;
    bool quiet = false;
};

// Ends the process for --help and for a wrong command line.
Options parse_options(int argc, char** argv);

}  // namespace load
