// SPDX-License-Identifier: Apache-2.0
// `mtcp bridge A B`: joins two devices, with a bad wire in between.
#pragma once

#include <string>

namespace mtcp::tools {

struct BridgeOptions {
    std::string device_a;
    std::string device_b;
    std::string faults;       // of frames from A to B
    std::string faults_back;  // of frames from B to A
    double seconds = 0;       // 0: until a signal
    bool stats = false;       // a line every second
};

// Returns the exit status.
int run_bridge(const BridgeOptions& options);

}  // namespace mtcp::tools
