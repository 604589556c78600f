// SPDX-License-Identifier: Apache-2.0
// Eff.snd.MSS = min(SendMSS + 20, MMS_S) - TCPhdrsize - IPoptionsize (RFC 9293 §3.7.1).
#include "tcp/path/mss.h"

namespace mtcp::tcp {

namespace {

std::uint16_t mss_of_path(std::uint16_t path_mtu, const wire::IpAddress& address) {
    const std::uint16_t headers = header_bytes(address);
    return path_mtu > headers + kMssMinimum ? static_cast<std::uint16_t>(path_mtu - headers)
                                            : kMssMinimum;
}

}  // namespace

// RFC 9293 MUST-14, SHLD-5, SHLD-6, MAY-3: in every SYN, from the MTU of the way out.
std::uint16_t mss_to_advertise(const Settings& settings, std::uint16_t path_mtu,
                               const wire::IpAddress& address) {
    std::uint16_t mss = mss_of_path(path_mtu, address);
    if (settings.maximum_segment != 0 && settings.maximum_segment < mss) {
        mss = settings.maximum_segment;
    }
    return mss > kMssMinimum ? mss : kMssMinimum;
}

std::uint16_t mss_of_peer(const Configuration& configuration, std::uint16_t option,
                          const wire::IpAddress& address) {
    if (option == 0) return default_send_mss(address);
    return option > configuration.mss_floor ? option : configuration.mss_floor;
}

// As on Linux, TCP_MAXSEG counts in the handshake, and limits both ways from then on.
void set_peer_mss(Tcb& tcb, std::uint16_t mss) {
    const std::uint16_t most = tcb.settings.maximum_segment;
    tcb.peer_mss = most != 0 && most < mss ? most : mss;
}

void update_effective_mss(Tcb& tcb) {
    std::uint16_t mss = mss_of_path(tcb.path_mtu, tcb.key.remote);
    if (tcb.peer_mss < mss) mss = tcb.peer_mss;
    const std::uint16_t options = tcb.flags.timestamps ? kTimestampsOptionLength : 0;
    mss = mss > options + kMssMinimum ? static_cast<std::uint16_t>(mss - options) : kMssMinimum;
    tcb.mss = mss;
    // Below one segment data would wait for room that never comes; RFC 5681 §3.1.
    if (tcb.cwnd < mss) tcb.cwnd = mss;
    if (tcb.ssthresh < 2u * mss) tcb.ssthresh = 2u * mss;
}

}  // namespace mtcp::tcp
