// SPDX-License-Identifier: Apache-2.0
// What a configuration needs to know of the machine: CPUs, the kernel's interfaces, files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stack/configuration.h"

namespace mtcp::api {

struct KernelInterface {
    std::string name;
    bool loopback = false;
    std::vector<stack::Prefix> addresses;  // IPv4
};

struct Host {
    int cpus = 1;             // online
    int cpus_configured = 0;  // their numbers are below this; 0: below `cpus`
    std::vector<KernelInterface> interfaces;
    // The content of a file; nothing when it cannot be read. errno tells why.
    std::optional<std::string> (*read_file)(const std::string& path) = nullptr;

    [[nodiscard]] const KernelInterface* find(const std::string& name) const;
};

// What to do about a file that read_file() could not read.
[[nodiscard]] std::string mend_of_reading(int error);

[[nodiscard]] int online_cpus();
// The machine this runs on.
[[nodiscard]] Host this_host();

}  // namespace mtcp::api
