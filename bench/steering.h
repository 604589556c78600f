// SPDX-License-Identifier: Apache-2.0
// The kernel's listeners of one port, chosen by the CPU that receives the SYN: flow and accepting
// thread then live on the same core (the idea of Affinity-Accept).
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

namespace bench {

// Of the group that `listener` is in: listener number i (in the order of listen()) gets what CPU i
// receives.
[[nodiscard]] inline bool steer_by_cpu(int listener) {
    std::array<sock_filter, 2> code{
        sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0,
                    static_cast<__u32>(SKF_AD_OFF) + static_cast<__u32>(SKF_AD_CPU)},
        sock_filter{BPF_RET | BPF_A, 0, 0, 0}};
    const sock_fprog program{.len = code.size(), .filter = code.data()};
    return ::setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) ==
           0;
}

}  // namespace bench
