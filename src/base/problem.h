// SPDX-License-Identifier: Apache-2.0
// A failure of the control plane, told to a person: what failed, why, and how to mend it.
#pragma once

#include <string>
#include <utility>

namespace mtcp {

struct Problem {
    std::string what;  // "cannot attach the XDP program to eth0"
    std::string why;   // "Operation not permitted"
    std::string mend;  // "run as root, or grant CAP_NET_ADMIN and CAP_BPF"
    int error = 0;     // errno for the caller of the C API

    [[nodiscard]] std::string text() const {
        std::string line = what;
        if (!why.empty()) line += ": " + why;
        if (!mend.empty()) line += " (mend: " + mend + ")";
        return line;
    }
};

}  // namespace mtcp
