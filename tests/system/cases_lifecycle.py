# SPDX-License-Identifier: Apache-2.0
"""How a program on the stack starts, idles, is watched and ends; what it leaves behind."""
import os
import signal
import socket
import time

import sandbox
from sandbox import (Failure, WORK, binary, curl, eventually, expect, expect_true, make_wire, need, server, sh, statistics,
                     test)


@test(("tap", "INT"), ("tap", "TERM"), ("tap", "KILL"), ("veth", "INT"), ("veth", "KILL"), ours=True)
def interface_is_clean_after_the_end(kind, how):
    wire = make_wire(kind)
    running = server(wire)
    # In the middle of a transfer.
    connection = socket.create_connection((wire.stack, 80), timeout=10)
    connection.sendall(b"GET /file HTTP/1.1\r\nHost: h\r\n\r\n")
    connection.recv(1000)
    expect_true(not wire.is_clean(), "nothing to be seen of the stack on the interface while it runs")
    status = running.stop(getattr(signal, "SIG" + how))
    expect(status, -9 if how == "KILL" else 0, "exit status")
    if how != "KILL":
        expect_true("web_server:" in running.text().splitlines()[-1], "no closing line: " + running.text())
    eventually(wire.is_clean, 3, "the interface is not clean")
    again = server(wire)
    expect_true("user-level" in curl(f"http://{wire.stack}/"), "the next start serves")
    again.stop()


@test("tap", "veth", ours=True)
def fork_leaves_the_interface_clean(kind):
    wire = make_wire(kind)
    path = wire.write_configuration()
    probe = wire.program(binary("fork_probe"), path, ready="child: ")
    expect_true("child: EPERM" in probe.text(), probe.text())
    probe.wait_for("parent: alive")
    expect_true(not wire.is_clean(), "the fork took the interface from its parent")
    probe.stop(signal.SIGKILL)
    eventually(wire.is_clean, 3, "the child holds the interface of its dead parent")


@test(*((drive, how) for drive in ("assisted", "paired", "inline") for how in ("closed", "open", "handler", "thread")),
      ours=True)
def what_was_written_is_delivered_at_exit(drive, how):
    wire = make_wire("tap")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # most comes after the program's last call
        listener.bind(("", 2000))
        listener.listen()
        listener.settimeout(20)
        probe = wire.program(binary("exit_probe"), wire.write_configuration(drive=drive), wire.kernel, "2000", how)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            received = 0
            while data := connection.recv(1 << 16):  # a reset is an error
                received += len(data)
        expect(received, 4 << 20, "bytes received")
    probe.finish()


@test("tap", "veth", ours=True)
def second_process_is_told_who_holds_the_interface(kind):
    wire = make_wire(kind)
    first = server(wire)
    second = wire.program(binary("web_server"), "-p", ".", "-f", wire.write_configuration("second.conf"))
    status = second.wait(15)
    print(second.text())
    expect(status, 1, "exit status of the second")
    expect_true(str(first.pid) in second.text() or "web_server" in second.text().split("web_server:", 1)[-1],
                "the second was not told who holds it: " + second.text())
    expect_true("user-level" in curl(f"http://{wire.stack}/"), "the first still serves")


@test(("tap", "paired"), ("veth", "paired"), ("veth", "inline"))
def idle_stack_uses_under_two_percent(kind, mode):
    wire = make_wire(kind)
    running = server(wire, drive=mode)
    curl(f"http://{wire.stack}/")
    time.sleep(1)
    before = running.cpu_seconds()
    time.sleep(10)
    used = running.cpu_seconds() - before
    print(f"{used * 10:.1f} % of a core")
    expect_true(used < 0.2, f"{used * 10:.1f} % of a core while idle")


@test("tap", ours=True)
def mtcp_stat_reads_a_running_stack(kind):
    wire = make_wire(kind)
    running = server(wire)
    for _ in range(5):
        curl(f"http://{wire.stack}/")
    found = statistics(running)
    print(found)
    expect(found["passive_opens"], 5, "connections accepted")
    expect_true(found["segments_in"] >= 5 * 3, "too few segments counted")
    text = sh(binary("mtcp"), "stat", str(running.pid), timeout=10)
    expect_true(len(text) > 100, "nothing printed: " + text)


@test(("tap", "tcpdump"), ("veth", "tcpdump"), ("veth", "tshark"), ours=True)
def capture_is_readable(kind, tool):
    need(tool)
    wire = make_wire(kind)
    running = server(wire, capture=WORK / "seen.pcapng")
    curl(f"http://{wire.stack}/")
    running.stop()
    if tool == "tcpdump":
        text = sh("tcpdump", "-nn", "-r", "seen.pcapng", "tcp port 80")
        expect_true("Flags [S]" in text and "Flags [S.]" in text and "HTTP/1.1 200" in text, text)
    else:
        text = sh("tshark", "-n", "-r", "seen.pcapng", "-Y", "http", "-T", "fields", "-e", "http.response.code")
        expect_true("200" in text.split(), text)
        bad = sh("tshark", "-n", "-r", "seen.pcapng", "-o", "tcp.check_checksum:TRUE", "-Y",
                 f"tcp.checksum.status == 0 && ip.src == {wire.stack}")
        expect(bad, "", "segments of ours with a wrong checksum")


@test("tap", "veth", ours=True)
def original_style_program_echoes(kind):
    wire = make_wire(kind)
    running = wire.program(binary("echo_server"), wire.write_configuration(), "7", ready="port 7")
    data = bytes(range(256)) * 2000
    with socket.create_connection((wire.stack, 7), timeout=20) as connection:
        connection.settimeout(20)
        received = b""
        sent = 0
        while len(received) < len(data):
            if sent < len(data):
                sent += connection.send(data[sent:sent + 20000])
            received += connection.recv(1 << 16)
    expect(received == data, True, "the echo is right")
    for how in (signal.SIGINT, signal.SIGTERM):  # the handlers of mtcp_register_signal
        status = running.stop(how)
        expect(status, 0, "exit status")
        expect_true("ended" in running.text(), "it did not end by its handler")
        running = wire.program(binary("echo_server"), wire.write_configuration(), "7", ready="port 7")
    running.stop()
    too_many = wire.program(binary("echo_server"), wire.write_configuration(num_cores=1), "7", "2", ready="ended")
    expect(too_many.process.wait(10), 1, "exit status with a context too many")


@test("tap", ours=True)
def server_without_a_listener_does_not_say_that_it_listens(kind):
    wire = make_wire(kind)
    running = wire.program(binary("web_server"), "-f", wire.write_configuration(), "--address", "192.0.2.1",
                           ready="connections")
    expect(running.process.wait(10), 1, "exit status")
    expect_true("cannot listen on 192.0.2.1:80: Cannot assign" in running.text(), running.text())
    expect_true("listening on" not in running.text(), running.text())


@test("tap", ours=True)
def wrong_configuration_names_line_and_mend(kind):
    wire = make_wire(kind)
    for more, word in (({"nonsense_key": 1}, "nonsense_key"), ({"num_cores": "many"}, "num_cores"),
                       ({"io": "dpdk"}, "dpdk"), ({"address": "1.2.3"}, "address")):
        path = wire.write_configuration("wrong.conf", **more)
        program = wire.program(binary("web_server"), "-p", ".", "-f", path)
        expect(program.wait(10), 1, f"exit status with {more}")
        text = program.text()
        print(text)
        if word not in text or "wrong.conf" not in text:
            raise Failure(f"{more}: {text}")


@test("veth", ours=True)
def missing_interface_is_named(kind):
    wire = make_wire(kind)
    path = wire.write_configuration("wrong.conf", port="nowhere0")
    program = wire.program(binary("web_server"), "-p", ".", "-f", path)
    expect(program.wait(10), 1, "exit status")
    expect_true("nowhere0" in program.text(), program.text())


@test("tap", ours=True)
def program_for_the_original_api_serves_curl(kind):
    """Built as the original's examples are, against an installed tree, knowing nothing of this one."""
    need("cc", "cmake", "pkg-config", "curl")
    if not list(sandbox.BUILD.glob("libmtcp.so*")):
        raise sandbox.Skip("the library is not built whole")
    tree = WORK / "tree"
    source = sandbox.ROOT / "apps" / "example" / "page_server.c"
    sh("cmake", "--install", str(sandbox.BUILD), "--prefix", str(tree))
    found = next(tree.rglob("mtcp.pc"))
    environment = os.environ | {"PKG_CONFIG_PATH": str(found.parent), "LD_LIBRARY_PATH": str(found.parent.parent)}
    flags = sh("pkg-config", "--cflags", "--libs", "mtcp", env=environment).split()
    sh("cc", "-Wall", "-Werror", "-fgnu89-inline", str(source), "-o", "page_server", *flags, "-lpthread", env=environment)
    wire = make_wire(kind)
    os.environ["LD_LIBRARY_PATH"] = environment["LD_LIBRARY_PATH"]
    running = wire.program("./page_server", "-N", "1", "-f", wire.write_configuration(), ready="core 0 listens")
    for _ in range(20):
        expect(curl(f"http://{wire.stack}/"), "<!doctype html><p>a program for the original API", "the page")
    expect(running.stop(signal.SIGINT), 0, "exit status")
