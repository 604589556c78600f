// SPDX-License-Identifier: Apache-2.0
// A train arrives as one burst at the slowest link of the path, so its length follows the rate: as
// much as leaves in a millisecond. On a path of microseconds longer ones do no harm.
#include "tcp/send/train.h"

#include <algorithm>

#include "tcp/send/pacer.h"

namespace mtcp::tcp {
namespace {

constexpr std::uint32_t kTrainBytesMax = 65'536;
// The bytes allowed for a short round trip are halved with every 512 µs of it.
constexpr unsigned kShortPathShift = 9;

// What leaves in a millisecond at twice (in slow start) or 1.2 times the present rate, bytes.
std::uint64_t bytes_of_a_millisecond(const Tcb& tcb) {
    if (tcb.srtt_us == 0) return kTrainBytesMax;
    const std::uint64_t percent = tcb.cwnd < tcb.ssthresh / 2 ? 200 : 120;
    return tcb.cwnd * percent * 10 / tcb.srtt_us;
}

}  // namespace

std::uint32_t longest_train(const Environment& env, const Tcb& tcb, std::uint32_t device_max) {
    std::uint64_t bytes = bytes_of_a_millisecond(tcb);
    if (is_paced(tcb)) {  // no more than leaves at once
        const std::uint64_t rate = pacing_rate(env, tcb);
        if (rate != 0)
            return std::min(pacing_quantum(rate, tcb.mss),
                            std::max(device_max, std::uint32_t{tcb.mss}));
    }
    const std::uint32_t halvings = tcb.rtt_min_us >> kShortPathShift;
    if (halvings < 17) bytes += kTrainBytesMax >> halvings;
    const std::uint32_t least = env.configuration.train_segments_min * std::uint32_t{tcb.mss};
    if (bytes < least) bytes = least;
    // Two trains of a window, ours or the peer's, at least, so that the ACK of one comes while the
    // other is under way.
    const std::uint32_t window = std::min(tcb.cwnd, tcb.max_wnd);
    if (bytes > window / 2) bytes = window / 2;
    if (bytes > device_max) bytes = device_max;
    return bytes > tcb.mss ? static_cast<std::uint32_t>(bytes) : tcb.mss;
}

}  // namespace mtcp::tcp
