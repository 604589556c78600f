// SPDX-License-Identifier: Apache-2.0
// Why a frame, packet or segment was discarded: one list that is the enum, the counter and the
// text. Every discarded packet increments exactly one of these.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtcp {

// name, what a person reads
#define MTCP_DROP_LIST(X)                                                               \
    /* io */                                                                            \
    X(io_bad_descriptor, "descriptor of the other end points outside its memory")       \
    X(io_device_refused, "device refused the frame (interface down, malformed)")        \
    X(io_no_receive_frame, "no free frame to receive into")                             \
    X(io_no_queue, "for us, but the kernel's: on a receive queue that is not opened")   \
    X(io_transmit_full, "transmit ring stayed full")                                    \
    X(io_injected, "discarded by the fault injector")                                   \
    X(io_oversize, "frame larger than the device takes")                                \
    X(io_stale, "waited in the device while no context was there")                      \
    X(handoff_ring_full, "ring to the owning core is full")                             \
    /* ethernet, arp */                                                                 \
    X(ethernet_short, "frame shorter than an Ethernet header")                          \
    X(ethernet_not_ours, "destination address of another station")                      \
    X(ethernet_unknown_type, "EtherType not handled")                                   \
    X(ethernet_vlan, "VLAN tag, none is configured")                                    \
    X(arp_conflict, "another station claims an address of ours")                        \
    X(arp_malformed, "malformed ARP packet")                                            \
    X(arp_not_ours, "ARP for an address that is not ours")                              \
    X(arp_reflected, "our own ARP packet came back")                                    \
    X(arp_spoofed, "ARP answer that contradicts a static or fresh entry")               \
    X(arp_unsolicited, "ARP answer that nobody asked for")                              \
    X(neighbour_queue_full, "too many packets wait for one neighbour")                  \
    X(neighbour_failed, "neighbour did not answer")                                     \
    X(neighbour_table_full, "neighbour table is full")                                  \
    X(no_transmit_frame, "no free frame to transmit")                                   \
    X(no_route, "no route to the destination")                                          \
    /* ipv4 */                                                                          \
    X(ip_short, "packet shorter than its IP header or total length")                    \
    X(ip_bad_version, "IP version not handled")                                         \
    X(ip_bad_header_length, "IP header length below 20 or beyond the packet")           \
    X(ip_bad_checksum, "IP header checksum wrong")                                      \
    X(ip_bad_source, "source address that no host may have")                            \
    X(ip_group_frame, "for our address, in a broadcast or multicast frame")             \
    X(ip_not_ours, "destination address is not ours")                                   \
    X(ip_bad_option, "IP option that may not be honoured (source route)")               \
    X(ip_unknown_protocol, "IP protocol not handled")                                   \
    X(fragment_bad, "fragment of illegal length or offset")                             \
    X(fragment_duplicate, "fragment that was there already")                            \
    X(fragment_overlap, "fragment overlaps another")                                    \
    X(fragment_table_full, "too many datagrams in reassembly")                          \
    X(fragment_timeout, "datagram was not complete in time")                            \
    /* icmp */                                                                          \
    X(icmp_malformed, "malformed or truncated ICMP message")                            \
    X(icmp_bad_checksum, "ICMP checksum wrong")                                         \
    X(icmp_rate_limited, "ICMP answer suppressed by the rate limit")                    \
    X(icmp_ignored, "ICMP type without effect here")                                    \
    X(icmp_stale, "ICMP error for data that is not in flight (RFC 5927)")               \
    /* tcp */                                                                           \
    X(tcp_short, "segment shorter than its header")                                     \
    X(tcp_bad_header_length, "data offset below 5 or beyond the segment")               \
    X(tcp_bad_checksum, "TCP checksum wrong")                                           \
    X(tcp_bad_address, "SYN from or to a broadcast or multicast address, or to itself") \
    X(tcp_bad_port, "port 0")                                                           \
    X(tcp_bad_option, "TCP option with an illegal length")                              \
    X(tcp_bad_flags, "combination of flags without meaning in this state")              \
    X(tcp_not_listening, "no listener and no connection: answered with a reset")        \
    X(tcp_stray_reset, "reset without a connection")                                    \
    X(tcp_outside_window, "segment outside the receive window")                         \
    X(tcp_paws, "old duplicate by its timestamp (RFC 7323)")                            \
    X(tcp_challenge_ack, "answered with a challenge ACK (RFC 5961)")                    \
    X(tcp_bad_ack, "acknowledges what was never sent, or long ago")                     \
    X(tcp_duplicate, "nothing new in it")                                               \
    X(tcp_after_close, "data for a connection the application has closed")              \
    X(tcp_out_of_order_full, "too many out-of-order ranges or bytes")                   \
    X(tcp_no_chunk, "no memory to hold the data")                                       \
    X(tcp_accept_queue_full, "accept queue of the listener is full")                    \
    X(tcp_half_open_full, "SYN backlog is full and cookies are off")                    \
    X(tcp_bad_cookie, "ACK carries no valid SYN cookie")                                \
    X(tcp_no_connection_record, "connection records exhausted")                         \
    X(tcp_ecn_refused, "reset in answer to a SYN that offered ECN: tried without")      \
    X(tcp_time_wait, "segment for a connection in TIME-WAIT")                           \
    X(tcp_broken_invariant, "connection reset after a broken invariant")

enum class Drop : std::uint8_t {
#define MTCP_DROP_ENUM(name, text) name,
    MTCP_DROP_LIST(MTCP_DROP_ENUM)
#undef MTCP_DROP_ENUM
        count_
};

inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::count_);

[[nodiscard]] const char* drop_name(Drop drop);  // "tcp_bad_checksum"
[[nodiscard]] const char* drop_text(Drop drop);  // for people

}  // namespace mtcp
