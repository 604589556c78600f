// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// The XDP program of the af_xdp back end: frames that are for our addresses go to the AF_XDP socket
// of the queue they arrived on, everything else goes on to the kernel.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// The loader sets max_entries of these three to what the configuration asks for.
struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

struct ipv4_key {
    __u32 prefix_length;
    __be32 address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct ipv4_key);
    __type(value, __u8);
} own_ipv4 SEC(".maps");

struct ipv6_key {
    __u32 prefix_length;
    struct in6_addr address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct ipv6_key);
    __type(value, __u8);
} own_ipv6 SEC(".maps");

// Frames for our addresses whose queue has no socket. The library reads it as memory.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} unclaimed SEC(".maps");

// RFC 826, for Ethernet and IPv4. (<linux/if_arp.h> does not compile for the target bpf.)
struct arp_ipv4 {
    __be16 hardware_type;
    __be16 protocol_type;
    __u8 hardware_length;
    __u8 protocol_length;
    __be16 operation;
    __u8 sender_hardware[ETH_ALEN];
    __be32 sender_protocol;
    __u8 target_hardware[ETH_ALEN];
    __be32 target_protocol;
} __attribute__((packed));

// RFC 4861 §4.3.
struct neighbour_solicitation {
    __u8 type;
    __u8 code;
    __sum16 checksum;
    __be32 reserved;
    struct in6_addr target;
};

#define NEIGHBOUR_SOLICITATION 135

// IEEE 802.1Q, behind the type ETH_P_8021Q.
struct vlan_tag {
    __be16 priority_and_vlan;
    __be16 type;
};

#define VLAN_MASK 0x0fff

static __always_inline int is_own_ipv4(__be32 address) {
    struct ipv4_key key = {.prefix_length = 32, .address = address};
    return bpf_map_lookup_elem(&own_ipv4, &key) != 0;
}

static __always_inline int is_own_ipv6(const struct in6_addr* address) {
    struct ipv6_key key = {.prefix_length = 128, .address = *address};
    return bpf_map_lookup_elem(&own_ipv6, &key) != 0;
}

// Requests for our addresses, and answers to ours: both carry our address as the target.
static __always_inline int is_own_arp(const void* start, const void* end) {
    const struct arp_ipv4* arp = start;
    if ((const void*)(arp + 1) > end) return 0;
    if (arp->protocol_type != bpf_htons(ETH_P_IP) || arp->hardware_length != ETH_ALEN) return 0;
    if (arp->protocol_length != 4) return 0;
    return is_own_ipv4(arp->target_protocol);
}

// By address alone, so that fragments without a transport header follow their first one.
static __always_inline int is_own_ipv4_packet(const void* start, const void* end) {
    const struct iphdr* ip = start;
    if ((const void*)(ip + 1) > end) return 0;
    return is_own_ipv4(ip->daddr);
}

// A solicitation for our address goes to a multicast group; the target is inside.
static __always_inline int is_own_ipv6_packet(const void* start, const void* end) {
    const struct ipv6hdr* ip = start;
    if ((const void*)(ip + 1) > end) return 0;
    if (is_own_ipv6(&ip->daddr)) return 1;
    if (ip->nexthdr != IPPROTO_ICMPV6 || ip->daddr.s6_addr[0] != 0xff) return 0;
    const struct neighbour_solicitation* solicitation = (const void*)(ip + 1);
    if ((const void*)(solicitation + 1) > end) return 0;
    return solicitation->type == NEIGHBOUR_SOLICITATION && is_own_ipv6(&solicitation->target);
}

static __always_inline void count_unclaimed(void) {
    __u32 first = 0;
    __u64* count = bpf_map_lookup_elem(&unclaimed, &first);
    if (count != 0) __sync_fetch_and_add(count, 1);
}

static __always_inline int redirect_own(struct xdp_md* frame) {
    const void* start = (const void*)(long)frame->data;
    const void* end = (const void*)(long)frame->data_end;
    const struct ethhdr* ethernet = start;
    const void* packet = ethernet + 1;
    if (packet > end) return XDP_PASS;

    __be16 type = ethernet->h_proto;
    if (type == bpf_htons(ETH_P_8021Q)) {
        // VLAN 0 is none: the tag says nothing but a priority.
        const struct vlan_tag* tag = packet;
        packet = tag + 1;
        if (packet > end || (tag->priority_and_vlan & bpf_htons(VLAN_MASK)) != 0) return XDP_PASS;
        type = tag->type;
    }
    int own = 0;
    if (type == bpf_htons(ETH_P_IP)) {
        own = is_own_ipv4_packet(packet, end);
    } else if (type == bpf_htons(ETH_P_ARP)) {
        own = is_own_arp(packet, end);
    } else if (type == bpf_htons(ETH_P_IPV6)) {
        own = is_own_ipv6_packet(packet, end);
    }
    if (!own) return XDP_PASS;
    // The flags say what becomes of a frame whose queue has no socket.
    int action = (int)bpf_redirect_map(&sockets, frame->rx_queue_index, XDP_PASS);
    if (action == XDP_PASS) count_unclaimed();
    return action;
}

SEC("xdp")
int mtcp_redirect(struct xdp_md* frame) { return redirect_own(frame); }

// The same for frames that lie in several buffers (MTU beyond a page, GSO frames of a kernel peer):
// the kernel lets only a program that says so see them. The headers lie in the first buffer.
SEC("xdp.frags")
int mtcp_redirect_frags(struct xdp_md* frame) { return redirect_own(frame); }

// Offered under both; the kernel asks for the GPL in a program that calls some helpers.
char LICENSE[] SEC("license") = "Dual BSD/GPL";
