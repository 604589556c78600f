# SPDX-License-Identifier: Apache-2.0
"""Bytes both ways between the stack and the kernel, every one checked, without and with faults.

`accept`: the kernel connects to the stack; `connect`: the stack connects to the kernel.
"""
import hashlib
import random
import socket
import time

from pattern import pattern, read_result, request
from sandbox import (Failure, drive, expect, expect_true, kernel_drive, kernel_peer_server, make_wire, peer_server, size,
                     statistics, test)

BOTH = [("tap", "accept"), ("tap", "connect"), ("veth", "accept"), ("veth", "connect")]


def run_peers(wire, role, *arguments, patience=120, **configuration):
    """One run of `peer drive` against `peer serve`, with the stack in the given role."""
    if role == "accept":
        serving = peer_server(wire, **configuration)
        result = kernel_drive(wire, *arguments, patience=patience)
    else:
        serving = kernel_peer_server()
        result = drive(wire, *arguments, patience=patience, **configuration)
    print(result)
    expect(result["failed"] + result["wrong"], 0, "failed or wrong connections")
    expect(serving.stop(), 0, "exit status of the server")
    return result


@test(*BOTH, patience=120)
def large_transfer_each_way(kind, role):
    wire = make_wire(kind)
    for operation in "SR":
        result = run_peers(wire, role, "-o", operation, "-l", size("200m", "1g"), patience=300)
        expect(result["completed"], 1, "completed connections")


@test(*BOTH)
def many_transfers_of_every_kind(kind, role):
    count = size(400, 10000)
    result = run_peers(make_wire(kind), role, "-o", "SREHXA", "-l", "100000", "--random-length", "-n", str(count), "-c", "40")
    expect(result["completed"], count, "completed connections")


@test(("1%", "accept"), ("1%", "connect"), ("2%", "accept"), ("2%", "connect"), ("5%", "accept"), ("5%", "connect"),
      patience=150)
def transfer_with_loss(loss, role):
    length = {"1%": size("20m", "100m"), "2%": size("5m", "10m"), "5%": size("500k", "1m")}[loss]
    result = run_peers(make_wire("tap"), role, "-o", "SR", "-l", length, "-n", "4", "-c", "2", patience=400,
                       faults=f"loss={loss} seed=7")
    expect(result["completed"], 4, "completed connections")


@test("accept", "connect", patience=150)
def transfer_with_ten_percent_of_everything(role):
    result = run_peers(make_wire("tap"), role, "-o", "SRE", "-l", "100k", "-n", "6", "-c", "3", patience=400,
                       faults="loss=10% duplicate=5% reorder=10% reorder_delay=2ms seed=7")
    expect(result["completed"], 6, "completed connections")


@test("accept", "connect")
def corrupted_bytes_never_reach_the_application(role):
    result = run_peers(make_wire("tap"), role, "-o", "SRE", "-l", size("1m", "20m"), "-n", "6", "-c", "3", patience=200,
                       faults="corrupt=0.5% seed=3", io__offload="off")
    expect(result["completed"], 6, "completed connections")


@test(("tap", "accept"), ("veth", "connect"))
def transfer_over_a_slow_line(kind, role):
    result = run_peers(make_wire(kind), role, "-o", "SR", "-l", "2m", "-n", "4", "-c", "2",
                       faults="delay=10ms rate=50mbit queue=128k")
    expect(result["completed"], 4, "completed connections")


@test("tap", "veth")
def hashes_agree_with_python_sockets(kind):
    """The same transfers by sockets that share no code with the peer program."""
    wire = make_wire(kind)
    peer_server(wire)
    length, seed = size(20, 200) << 20, 4711
    with socket.create_connection((wire.stack, 7000), timeout=30) as connection:
        connection.sendall(request("S", length, seed))
        digest, count = hashlib.sha256(), 0
        while piece := connection.recv(1 << 18):
            digest.update(piece)
            count += len(piece)
    expect(count, length, "bytes received")
    expect(digest.hexdigest(), hashlib.sha256(pattern(seed, 0, length)).hexdigest(), "their SHA-256")
    with socket.create_connection((wire.stack, 7000), timeout=30) as connection:
        connection.sendall(request("R", length, seed) + pattern(seed, 0, length))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(64):
            answer += piece
    expect(read_result(answer), (length, None), "what the stack received")


@test("tap", "veth")
def half_closed_connection_still_carries_data(kind):
    wire = make_wire(kind)
    peer_server(wire)
    length = 300000
    with socket.create_connection((wire.stack, 7000), timeout=20) as connection:
        connection.sendall(request("H", length, 5) + pattern(5, 0, length))
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
    expect(received == pattern(5, 0, length), True, "the answer after our FIN is right")


@test("tap", "veth")
def reset_reaches_the_kernel(kind):
    wire = make_wire(kind)
    peer_server(wire)
    with socket.create_connection((wire.stack, 7000), timeout=20) as connection:
        connection.sendall(request("X", 1000))
        try:
            while connection.recv(1 << 16):
                pass
        except ConnectionResetError:
            return
    raise Failure("the connection ended in order")


@test("tap", "veth")
def slow_reader_closes_the_window_and_gets_every_byte(kind):
    wire = make_wire(kind)
    running = peer_server(wire)
    length, received = 8 << 20, 0
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    connection.settimeout(30)
    connection.connect((wire.stack, 7000))
    connection.sendall(request("S", length, 3))
    chance = random.Random(1)
    time.sleep(3)  # the window is closed; the stack probes it
    probes = statistics(running)
    while piece := connection.recv(chance.choice([100, 3000, 65536, 1 << 20])):
        if piece != pattern(3, received, len(piece)):
            raise Failure(f"wrong bytes at {received}")
        received += len(piece)
        if chance.random() < 0.01:
            time.sleep(0.05)
    expect(received, length, "bytes received")
    print(probes)
    expect_true(probes["zero_window_probes"] > 0, "the stack never probed the closed window")


@test("tap")
def slow_reader_on_the_stack_stops_the_kernel(kind):
    """A server that reads nothing for a while must not lose what was sent to it, nor take it all."""
    wire = make_wire(kind)
    peer_server(wire, "--receive-buffer", "8192")
    length = 4 << 20
    with socket.create_connection((wire.stack, 7000), timeout=60) as connection:
        connection.sendall(request("R", length, 9) + pattern(9, 0, length))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(64):
            answer += piece
    expect(read_result(answer), (length, None), "what the stack received")
