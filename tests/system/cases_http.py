# SPDX-License-Identifier: Apache-2.0
"""The web server and client on the stack, against programs of the distribution on the kernel."""
import json
import re
import socket
import threading

from sandbox import (Failure, Program, WORK, binary, curl, expect, expect_true, kernel_server, make_wire, need, server,
                     sh, sha256, size, test, www)


@test("tap", "veth", "generic")
def curl_fetches_page_and_file(kind):
    need("curl")
    wire = make_wire(kind)
    server(wire)
    root = www()
    expect(curl(f"http://{wire.stack}/"), (root / "index.html").read_text(), "the page")
    curl("-o", "copy", f"http://{wire.stack}/file")
    expect(sha256("copy"), sha256(root / "file"), "SHA-256 of the file")


@test("tap")
def curl_sees_a_whole_http_server(kind):
    need("curl")
    wire = make_wire(kind)
    server(wire)
    url = f"http://{wire.stack}"
    data = (www() / "small").read_bytes()

    def status(*arguments):
        return curl("-o", "answer", "-w", "%{http_code}", "--path-as-is", *arguments)

    expect(status("-r", "10-19", f"{url}/small"), "206", "status of a range")
    expect(open("answer", "rb").read(), data[10:20], "the range")
    expect(status("-I", f"{url}/small"), "200", "status of HEAD")
    expect(status(f"{url}/none"), "404", "status of a missing file")
    expect(status(f"{url}/%2e%2e/%2e%2e/etc/passwd"), "400", "status of a way out")
    expect(status("-X", "DELETE", f"{url}/small"), "405", "status of DELETE")
    expect(status("-r", "5000-", f"{url}/small"), "416", "status of a range beyond the end")
    expect(status(f"{url}/" + "a" * 9000), "414", "status of a long target")
    expect(status("-H", "X: " + "a" * 20000, f"{url}/"), "431", "status of a long head")
    many = curl("-o", "answer", "-w", "%{num_connects}\n", *[f"{url}/small"] * 1, "-o", "answer", f"{url}/small")
    expect(many.split(), ["1", "0"], "connections made for two requests")


@test("tap")
def pipelined_requests_are_answered_in_order(kind):
    wire = make_wire(kind)
    server(wire)
    names = ["small", "index.html", "none", "small"] * 50
    wanted = b"".join(f"GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for name in names)
    received = b""
    with socket.create_connection((wire.stack, 80), timeout=20) as connection:
        connection.sendall(wanted[:-5])
        connection.sendall(wanted[-5:])
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1 << 16):
            received += piece
    statuses = [int(s) for s in re.findall(rb"HTTP/1\.1 (\d+) ", received)]
    expect(statuses, [404 if name == "none" else 200 for name in names], "the statuses")


@test("tap", "veth")
def wrk_finds_no_failure(kind):
    need("wrk")
    wire = make_wire(kind)
    server(wire)
    text = sh("wrk", "-t", "1", "-c", "50", "-d", f"{size(3, 20)}s", f"http://{wire.stack}/small", timeout=90)
    print(text)
    if "Socket errors" in text or "Non-2xx" in text:
        raise Failure("wrk saw failures: " + " ".join(text.split()))
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    expect_true(requests >= 100, f"only {requests} requests")


@test("tap", "veth")
def ab_finds_no_failure(kind):
    need("ab")
    wire = make_wire(kind)
    server(wire)
    for options in [], ["-k"]:
        text = sh("ab", "-q", *options, "-n", str(size(2000, 50000)), "-c", "50", "-s", "20",
                  f"http://{wire.stack}/small", timeout=120)
        print(text)
        failed = int(re.search(r"Failed requests:\s+(\d+)", text).group(1))
        complete = int(re.search(r"Complete requests:\s+(\d+)", text).group(1))
        expect((complete, failed), (size(2000, 50000), 0), "complete and failed requests")
        expect_true("Non-2xx" not in text and "Write errors" not in text, "ab saw other failures")


@test("tap", "veth")
def web_client_loads_a_kernel_server(kind):
    wire = make_wire(kind)
    kernel_server("--port", "8080")
    path = wire.write_configuration("client.conf")
    url = f"http://{wire.kernel}:8080/small"
    for more in (["-n", str(size(2000, 50000)), "-c", "50"],
                 ["-n", "20", "-c", "20", "-r", str(size(100, 2000))]):
        client = wire.program(binary("web_client"), url, "-f", path, "-q", "--json", "result.json",
                              "--compare", str(www() / "small"), *more)
        print(client.finish(90))
        result = json.loads((WORK / "result.json").read_text())
        expect(result["connections"], int(more[1]), "connections")
        expect(result["failed"], 0, "failures")


@test("tap")
def web_client_begins_anew_where_a_server_ends_keep_alive(kind):
    wire = make_wire(kind)
    listener = socket.create_server(("", 8080))

    def serve():
        while True:
            connection, _ = listener.accept()
            for last in (b"", b"", b"Connection: close\r\n"):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + last + b"Content-Length: 2\r\n\r\nok")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    client = wire.program(binary("web_client"), f"http://{wire.kernel}:8080/", "-f", wire.write_configuration("client.conf"),
                          "-q", "--json", "result.json", "-c", "1", "-r", "0", "-n", "5")
    print(client.finish(30))
    result = json.loads((WORK / "result.json").read_text())
    expect((result["connections"], result["requests"], result["failed"]), (5, 15, 0), "connections, requests, failures")


@test(ours=True)
def both_ends_are_ours_over_memif():
    """Two processes of ours, and no kernel between them."""
    lines = "io = memif\nport = /run/memif.sock\nnum_cores = 1\n"
    (WORK / "a.conf").write_text(lines + "io.role = master\naddress = 10.78.0.1/24\n")
    (WORK / "b.conf").write_text(lines + "io.role = slave\naddress = 10.78.0.2/24\n")
    Program([binary("web_server"), "-p", str(www()), "-f", "a.conf"], ready="listening")
    client = Program([binary("web_client"), "http://10.78.0.1/small", "-f", "b.conf", "-q", "-n", "5000", "-c", "64",
                      "--json", "result.json", "--compare", str(www() / "small")])
    print(client.finish(60))
    result = json.loads((WORK / "result.json").read_text())
    expect((result["connections"], result["failed"]), (5000, 0), "connections and failures")


@test("tap")
def failures_of_connect_have_their_names(kind):
    wire = make_wire(kind)
    path = wire.write_configuration("client.conf")

    def failure(url, patience):
        client = wire.program(binary("web_client"), url, "-f", path, "-q", "-n", "1", "-c", "1", "-t", "10",
                              "--json", "result.json")
        client.wait(patience)
        return json.loads((WORK / "result.json").read_text())["failures"]

    expect(failure(f"http://{wire.kernel}:9/", 10), {"refused": 1}, "failures of a closed port")
    expect(failure("http://10.77.0.99/", 20), {"unreachable": 1}, "failures of a missing host")


@test("tap")
def kernel_is_refused_by_a_closed_port(kind):
    wire = make_wire(kind)
    server(wire)
    try:
        socket.create_connection((wire.stack, 81), timeout=5).close()
    except ConnectionRefusedError:
        return
    raise Failure("a closed port did not refuse")


@test("tap", "veth")
def ping_is_answered(kind):
    need("ping")
    wire = make_wire(kind)
    server(wire)
    for options in [], ["-s", "1400"], ["-s", "4000"]:
        text = sh("ping", "-c", "3", "-i", "0.2", "-W", "2", *options, wire.stack)
        expect_true(" 0% packet loss" in text, text)
