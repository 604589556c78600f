# SPDX-License-Identifier: Apache-2.0
"""A path that swallows large packets and says nothing of it (RFC 4821): the sender has to find out by itself."""
import json

from sandbox import (Program, binary, expect, expect_true, make_wire, peer_server, sh, size, statistics, test)

SPACE = "beyond"
NETWORK = "10.79.0"
ROUTER, HOST = f"{NETWORK}.1", f"{NETWORK}.2"
NARROW = 1300


def ip_beyond(*command):
    return sh("ip", "netns", "exec", SPACE, *command)


def host_beyond_a_narrow_link(wire, end):
    """The sandbox becomes a router; behind it a host, joined by a link that takes less than its senders know.

    The receiving end of a veth drops in silence what exceeds its own MTU: `end`, "host" or "router", is that one. The
    hole is only in its direction, and nobody is there who could send an ICMP message.
    """
    sh("ip", "netns", "add", SPACE)
    sh("ip", "link", "add", "to_host", "type", "veth", "peer", "name", "to_router")
    sh("ip", "link", "set", "to_router", "netns", SPACE)
    sh("ip", "address", "add", f"{ROUTER}/24", "dev", "to_host")
    sh("ip", "link", "set", "to_host", "up")
    ip_beyond("ip", "address", "add", f"{HOST}/24", "dev", "to_router")
    for device in ("lo", "to_router"):
        ip_beyond("ip", "link", "set", device, "up")
    # What a driver would cut only behind the narrow place passes it whole.
    sh("ethtool", "-K", "to_host", "tso", "off", "gso", "off")
    ip_beyond("ethtool", "-K", "to_router", "tso", "off", "gso", "off")
    if end == "host":
        ip_beyond("ip", "link", "set", "to_router", "mtu", str(NARROW))
    else:
        sh("ip", "link", "set", "to_host", "mtu", str(NARROW))
    # The MSS that the host offers does not tell either.
    ip_beyond("ip", "route", "add", f"{wire.stack}/32", "via", ROUTER, "advmss", "1460")
    sh("sysctl", "-qw", "net.ipv4.ip_forward=1")


def swallowed(device, *where):
    return json.loads(sh(*where, "ip", "-json", "-stats", "link", "show", "dev", device))[0]["stats64"]["rx"]["dropped"]


def drive_from_beyond(wire, *arguments):
    return Program(["ip", "netns", "exec", SPACE, binary("peer_kernel"), "drive", "-a", wire.stack, *arguments]).result(80)


@test("tap", "veth", patience=90, ours=True)
def stack_leaves_a_black_hole(kind):
    """The first connection finds what the path takes, the second knows it."""
    wire = make_wire(kind)
    host_beyond_a_narrow_link(wire, "host")
    running = peer_server(wire, route=f"{NETWORK}.0/24 via {wire.kernel}")
    result = drive_from_beyond(wire, "-o", "S", "-l", size("3m", "50m"), "-n", "2")
    found = statistics(running)
    print(result, {name: count for name, count in found.items() if name.startswith("path_")})
    expect((result["completed"], result["failed"], result["wrong"]), (2, 0, 0), "completed, failed, wrong connections")
    expect_true(swallowed("to_router", "ip", "netns", "exec", SPACE) > 0, "the path swallowed nothing")
    expect(found["path_black_holes"], 1, "black holes left")
    expect_true(found["path_probes"] > found["path_probes_lost"], "no probe found a larger size")


@test("tap", "veth", patience=90, ours=True)
def kernel_leaves_a_black_hole_before_the_stack(kind):
    wire = make_wire(kind)
    host_beyond_a_narrow_link(wire, "router")
    ip_beyond("sysctl", "-qw", "net.ipv4.tcp_mtu_probing=1")
    peer_server(wire, route=f"{NETWORK}.0/24 via {wire.kernel}")
    result = drive_from_beyond(wire, "-o", "R", "-l", size("3m", "50m"))
    print(result)
    expect((result["completed"], result["failed"], result["wrong"]), (1, 0, 0), "completed, failed, wrong connections")
    expect_true(swallowed("to_host") > 0, "the path swallowed nothing")
