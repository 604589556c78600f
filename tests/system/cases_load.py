# SPDX-License-Identifier: Apache-2.0
"""Many connections at a time, several cores, and the soak: in the end nothing is left over."""
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


@test(patience=150, soak=True)
def soak_of_mixed_connections_with_loss():
    """Both directions at once, two stacks against the kernel, 2 % loss each way."""
    seconds = (sandbox.SOAK_MINUTES or size(0.5, 2)) * 60
    accepting = make_wire("tap")
    connecting = make_wire("tap", name="mtcp1", network="10.78.0")
    faults = "loss=2% duplicate=0.5% reorder=1% reorder_delay=1ms"
    server_on_stack = peer_server(accepting, "--patience", "30", faults=f"{faults} seed=11", tcp_timewait=1)
    before = levels(server_on_stack)
    server_on_kernel = kernel_peer_server("--patience", "30")
    load = ["-o", "SRESRESREHXA", "-l", "1000000", "--random-length", "-n", "100000000", "-c", "50",
            "-d", str(seconds), "--patience", "30"]
    path = connecting.write_configuration("soak.conf", faults=f"{faults} seed=12", tcp_timewait=1)
    client_on_kernel = Program([binary("peer_kernel"), "drive", "-a", accepting.stack, *load])
    client_on_stack = connecting.program(binary("peer"), "drive", "-f", path, "-a", connecting.kernel, *load)
    results = [client_on_kernel.result(seconds + 90), client_on_stack.result(seconds + 90)]
    for result in results:
        print(result)
        expect((result["failed"], result["wrong"]), (0, 0), f"failed and wrong connections of the {result['stack']}")
        expect_true(result["completed"] > seconds, "too few connections for a soak")
    nothing_is_left(server_on_stack, before, 120)
    expect(server_on_stack.stop(), 0, "exit status of the server on the stack")
    expect(server_on_kernel.stop(), 0, "exit status of the server on the kernel")
