# SPDX-License-Identifier: Apache-2.0
"""Many connections at a time, several cores, and the soak: in the end nothing is left over."""
from collections import Counter
import pathlib
import shutil
import time

import sandbox
from sandbox import (Program, binary, eventually, expect, expect_true, kernel_drive, kernel_peer_server, make_wire, need,
                     peer_server, server, sh, size, statistics, test)

# What a context holds ready for its application counts as used: the levels are compared with an idle context's,
# and small chunks may rest on the application's side as well.
LEVELS = {"connections": 0, "half_open": 0, "chunks_used": 512}


def levels(program):
    found = statistics(program)
    return {name: found[name] for name in LEVELS}


def nothing_is_left(program, before, patience=75):
    """Every level back to what it was: no flow, no half-open record, no buffer."""
    def too_high():
        now = levels(program)
        return {name: (now[name], before[name]) for name, slack in LEVELS.items() if now[name] > before[name] + slack}
    eventually(lambda: not too_high(), patience, lambda: f"left over (now, before): {too_high()}")


@test(("tap", "accept"), ("tap", "connect"), ("veth", "accept"), patience=120)
def thousands_of_connections_at_a_time(kind, role):
    wire = make_wire(kind)
    count = str(size(3000, 15000))
    load = ["-o", "E", "-l", "2000", "-n", count, "-c", count, "--hold", size("3", "10")]
    if role == "accept":
        running = peer_server(wire, max_concurrency=20000)
        before = levels(running)
        result = kernel_drive(wire, *load, patience=100)
        nothing_is_left(running, before)
    else:
        kernel_peer_server()
        result = sandbox.drive(wire, *load, patience=100, max_concurrency=20000)
    print(result)
    expect((result["completed"], result["failed"]), (int(count), 0), "completed and failed connections")


@test("tap", "veth", patience=90)
def many_short_connections_leave_nothing(kind):
    wire = make_wire(kind)
    running = server(wire)
    before = levels(running)
    count = size(5000, 100000)
    client = Program([binary("web_client_kernel"), f"http://{wire.stack}/small", "-q", "-n", str(count), "-c", "64"])
    print(client.finish(80))
    nothing_is_left(running, before)
    expect(statistics(running)["passive_opens"], count, "connections accepted")


@test("native", "generic", patience=90, ours=True)
def two_cores_share_a_veth(mode):
    """In generic mode all frames land on queue 0, and the other core's flows are handed over."""
    need("wrk")
    wire = sandbox.Veth(mode=mode, queues=2)
    running = server(wire, num_cores=2)
    text = sh("wrk", "-t", "1", "-c", "64", "-d", f"{size(3, 20)}s", f"http://{wire.stack}/small", timeout=60)
    print(text)
    expect_true("Socket errors" not in text and "Non-2xx" not in text, "wrk saw failures: " + text)
    client = Program([binary("web_client_kernel"), f"http://{wire.stack}/small", "-q", "-n", "1000", "-c", "32"])
    print(client.finish(60))
    found = statistics(running)
    print(found)
    if mode == "generic":
        expect_true(all(core["passive_opens"] > 0 for core in found["cores"]), "a core accepted nothing")
        expect_true(found["handoffs_in"] > 0, "no frame was handed to the other core")


# What a phase of the soak does to frames, both ways, and the longest transfer that is fair under it.
SOAK_PHASES = [("loss=2% duplicate=0.5% reorder=1% reorder_delay=1ms", "1m"),
               ("loss=0% duplicate=1% reorder=3% reorder_delay=3ms", "4m"),
               ("loss=5% corrupt=0.5% reorder=1% reorder_delay=2ms", "200k"),
               ("loss=0.5% corrupt=1% duplicate=2% delay=5ms jitter=3ms", "1m"),
               ("loss=10% duplicate=2% reorder=5% reorder_delay=5ms corrupt=0.2%", "50k")]


def end_backing_off():
    """Time-outs of two seconds at most, and many of them.

    With 10 % loss each way one connection in some hundred thousand loses everything eight times in a row. Then either
    stack gives up what its program has closed, and answers the peer, which may have it all but for one acknowledgment,
    by a reset. And after a handshake that was repeated the first time-out is of seconds, so that a few make it minutes,
    longer than a program's patience. Neither is a fault of a stack.
    """
    for name, value in (("tcp_rto_max_ms", 2000), ("tcp_retries2", 60), ("tcp_orphan_retries", 60),
                        ("tcp_syn_retries", 10), ("tcp_synack_retries", 10)):
        setting = pathlib.Path("/proc/sys/net/ipv4") / name
        if setting.exists():  # the first of them since Linux 6.15
            setting.write_text(str(value))


def witness(wire):
    """How every connection over the wire began and ended, as the kernel saw it, for whoever has to explain a failure."""
    device = getattr(wire, "peer", wire.name)
    eventually(lambda: pathlib.Path("/sys/class/net", device).exists(), 10, f"no {device}")
    log = sandbox.BUILD / "system-tests" / f"soak.{wire.name}.pcap"
    return log, Program(["tcpdump", "-Z", "root", "-n", "-i", device, "-s", "96", "-B", "8192", "-w", str(log),
                         "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0"], ready="listening")


def soak_phase(number, accepting, connecting, seconds):
    """Both directions at once, two stacks against the kernel; in the end every level is what it was."""
    faults, longest = SOAK_PHASES[number % len(SOAK_PHASES)]
    print(f"--- phase {number}: {faults}, up to {longest}, {seconds:.0f} s", flush=True)
    # A checksum that the device completes is not there when the bit flips.
    more = {"io__offload": "off"} if "corrupt" in faults else {}
    # A reset that is lost is not sent again: whoever waits for one asks by keep-alive probes.
    patience = ["--patience", "120", "--keepalive", "5"]
    end_backing_off()
    taps = {"tap": more, "af_xdp": {}}
    settings = {"tcp_timewait": 1, "rto_max": "2000", "orphan_retries": 60, "syn_retries": 10,
                "syn_ack_retries": 10}
    server_on_stack = peer_server(accepting, *patience, faults=f"{faults} seed={11 + number}", **settings,
                                  **taps[accepting.io])
    before = levels(server_on_stack)
    server_on_kernel = kernel_peer_server(*patience, "-p", str(7001 + number))
    load = ["-o", "SRESRESREHXA", "-l", longest, "--random-length", "-n", "100000000", "-c", "50", "-d", str(seconds),
            *patience, "--seed", str(number)]
    path = connecting.write_configuration("soak.conf", faults=f"{faults} seed={12 + number}", **settings,
                                          **taps[connecting.io])
    client_on_kernel = Program([binary("peer_kernel"), "drive", "-a", accepting.stack, *load])
    client_on_stack = connecting.program(binary("peer"), "drive", "-f", path, "-a", connecting.kernel, "-p",
                                         str(7001 + number), *load)
    witnesses = [witness(wire) for wire in (accepting, connecting)] if shutil.which("tcpdump") else []
    for client in (client_on_kernel, client_on_stack):
        client.wait(seconds + 200)
    print({name: count for name, count in statistics(server_on_stack).items() if count and name != "cores"})
    results = [client_on_kernel.result(), client_on_stack.result()]
    for result in results:
        print(result, flush=True)
        expect((result["failed"], result["wrong"]), (0, 0), f"failed and wrong connections of the {result['stack']}")
        expect_true(result["completed"] > seconds, "too few connections for a soak")
    nothing_is_left(server_on_stack, before, 120)
    expect(server_on_stack.stop(), 0, "exit status of the server on the stack")
    expect(server_on_kernel.stop(), 0, "exit status of the server on the kernel")
    for log, program in witnesses:
        program.stop()
        log.unlink()
    return Counter({name: sum(result[name] for result in results) for name in ("completed", "bytes_in", "bytes_out")})


@test(patience=900, soak=True)
def soak_of_mixed_connections_with_loss():
    """30 s at 2 % loss; with --soak MINUTES, phases of every kind of fault over both back ends for so long."""
    if not sandbox.SOAK_MINUTES:
        soak_phase(0, make_wire("tap"), make_wire("tap", name="mtcp1", network="10.78.0"), size(30, 120))
        return
    # Over an hour, each kind of fault comes round several times.
    begun, total = time.monotonic(), sandbox.SOAK_MINUTES * 60
    seconds = min(total / len(SOAK_PHASES), 120)
    number, sum_of_all = 0, Counter()
    while number < len(SOAK_PHASES) or time.monotonic() - begun < total:
        kinds = (("tap", "veth"), ("veth", "tap"))[number % 2]
        accepting = make_wire(kinds[0], name=f"soak{number}a", network=f"10.{80 + number % 80}.1")
        connecting = make_wire(kinds[1], name=f"soak{number}b", network=f"10.{80 + number % 80}.2")
        sum_of_all += soak_phase(number, accepting, connecting, seconds)
        number += 1
        print(f"--- after {time.monotonic() - begun:.0f} s: {dict(sum_of_all)}", flush=True)
