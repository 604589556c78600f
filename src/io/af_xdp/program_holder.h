// SPDX-License-Identifier: Apache-2.0
// Who holds an interface: the processes that keep the XDP program attached to it.
#pragma once

#include <cstdint>
#include <string>

namespace mtcp::io {

struct ProgramHolder {
    std::uint32_t program = 0;  // id of the attached program; 0: none is attached
    int pid = 0;                // 0: attached without a process, or one that may not be looked into
    std::string command;        // of pid
};

ProgramHolder find_program_holder(int interface_index);

}  // namespace mtcp::io
