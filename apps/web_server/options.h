// SPDX-License-Identifier: Apache-2.0
// What the web server is told on its command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace web {

struct Options {
    int cores = 1;
    std::string configuration_file = "mtcp.conf";
    std::string root = ".";
    std::string address = "0.0.0.0";
    std::uint16_t port = 80;
    int backlog = 4096;
    std::size_t cache_bytes = 64U << 20U;     // file contents kept, per core
    std::size_t cached_file_max = 1U << 20U;  // larger files are read in pieces as they are sent
    std::size_t request_head_max = 16U << 10U;
    std::size_t target_max = 8U << 10U;
    std::size_t request_body_max = 64U << 10U;
    std::chrono::milliseconds idle_timeout{30'000};
    bool respond_64 = false;  // every request is answered with the same 64 bytes
    bool stats = false;
};

// Ends the process for --help and for a wrong command line.
Options parse_options(int argc, char** argv);

}  // namespace web
