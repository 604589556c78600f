# SPDX-License-Identifier: Apache-2.0
"""What is measured. docs/performance.md says what each row means."""
import functools
import json
import os
import pathlib
import re
import subprocess
import time

from engine import Candidate, Row
from machine import PORT, WORK, Trouble
from programs import (JUMBO, SERVER_ADDRESS, CLIENT_ADDRESS, Program, mtcp_configuration, options, run_alone, run_floor,
                      run_kernel, run_mtcp, run_testpmd)

CONCURRENCIES = (64, 256, 512)


class Setup:
    """What all rows need to know."""

    def __init__(self, machine, full, tiny, drive, drives, forms, congestion):
        self.machine, self.full, self.tiny = machine, full, tiny
        self.drive, self.drives, self.forms, self.congestion = drive, drives, forms, congestion
        self.seconds = 0.15 if tiny else 1.0
        self.warm_up = 0.1 if tiny else 0.4
        self.fill = 0.1 if tiny else 2.5  # until TIME-WAIT is full: while its tables grow, connections cost more
        self.kernel_seconds = 0.15 if tiny else 0.7
        self.rounds = 1 if tiny else 5 if full else 3
        self.concurrencies = (16,) if tiny else CONCURRENCIES

    def mtcp(self, plan, name=None, group="mtcp", client=(), seconds=None, **more):
        more.setdefault("drive", self.drive)
        span = seconds or self.seconds
        warm_up = self.fill if plan.get("messages") == 1 else self.warm_up
        run = functools.partial(run_mtcp, self.machine, plan, client, seconds=span, warm_up=warm_up, **more)
        return Candidate(name or f"memif c={plan.get('concurrency', 64)}", group, run, span + warm_up + 0.8)

    def variants(self, plan):
        """Beside what the headline compares: an Ethernet header on each frame; no copy and no checksum."""
        return [self.mtcp(plan, "memif Ethernet", "mtcp_ethernet", layer="ethernet"),
                self.mtcp(plan, "memif trusted", "mtcp_trusted", trust=True)]

    def kernel(self, plan, name=None, client=(), **more):
        mode, layout, wire = (more.get(k, d) for k, d in (("mode", "reuseport"), ("layout", "1+1"), ("wire", "loopback")))
        run = functools.partial(run_kernel, self.machine, plan, client, seconds=self.kernel_seconds,
                                warm_up=self.warm_up, congestion=self.congestion, **more)
        return Candidate(name or f"{wire} {mode} {layout} c={plan.get('concurrency', 64)}", "kernel", run,
                         self.kernel_seconds + self.warm_up + 0.5)

    def kernels(self, plan, concurrencies):
        """Every way in which the kernel may be used; the usual ones without --full."""
        modes = ["reuseport", "io_uring"]
        ways = [("loopback", mode, layout) for mode in modes for layout in ("1+1", "2+2")]
        ways.append(("loopback", "affinity", "2+2"))
        if self.full:
            ways = [(wire, mode, layout) for wire in ("loopback", "veth")
                    for mode in ("shared", "reuseport", "affinity", "io_uring") for layout in ("1+1", "2+2")]
        if self.tiny:
            ways = [(wire, mode, "1+1") for wire in ("loopback", "veth") for mode in ("shared", "affinity", "io_uring")]
        if not self.machine.has("bench_uring") or plan.get("close") == "reset":
            ways = [way for way in ways if way[1] != "io_uring"]
        return [self.kernel({**plan, "concurrency": c}, wire=wire, mode=mode, layout=layout)
                for wire, mode, layout in ways for c in concurrencies]

    def both_ends(self, name, group, *arguments, seconds=3.0):
        return Candidate(name, group, functools.partial(run_alone, self.machine, "bench_both_ends", "--cpu",
                                                        self.machine.server_cpu, *arguments), seconds)


connections = lambda result: result["connections_per_second"]  # noqa: E731
messages = lambda result: result["messages_per_second"]  # noqa: E731
gigabits = lambda result: result["gbit_per_second"]  # noqa: E731
p50 = lambda result: result["p50_us"]  # noqa: E731


# ----------------------------------------------------------------------------------------------- connections that come and go

def short_rows(s):
    plan = {"messages": 1, "close": "client"}
    ours = [s.mtcp({**plan, "concurrency": c}) for c in s.concurrencies]
    ours += s.variants({**plan, "concurrency": s.concurrencies[-1]})
    yield Row("short_fin", "connect, 64 B, 64 B, FIN by the client", "/s", connections,
              ours + s.kernels(plan, s.concurrencies), rounds=s.rounds, keep=2)
    some = s.concurrencies[len(s.concurrencies) // 2]
    rounds = 3 if s.full else 1
    for name, close, title in (("short_fin_server", "server", "FIN by the server"), ("short_reset", "reset", "reset")):
        other = {"messages": 1, "close": close, "concurrency": some}
        modes = s.kernels({"messages": 1, "close": close}, [some]) if s.full else [s.kernel(other)]
        yield Row(name, f"connect, 64 B, 64 B, {title}", "/s", connections, [s.mtcp(other), *modes], rounds=rounds)
    for count in (2, 8, 32, 128):
        other = {"messages": count, "close": "client", "concurrency": some}
        yield Row(f"messages_{count}", f"{count} messages on each connection", "messages/s", messages,
                  [s.mtcp(other), s.kernel(other)], rounds=rounds)
    if s.machine.has_two:
        link = {"messages": 1, "concurrency": some}
        yield Row("short_link", "the same over the in-memory link, a thread an end", "/s", lambda r: r["per_second"],
                  [s.both_ends(f"c={some}", "mtcp", "--threads", 2, "--seconds", s.seconds, *options(link))],
                  rounds=rounds)
    if s.full:
        # The kernel's descriptors end at 20,000 a process: the limit is said where it is met.
        for count in (1000, 10_000, 100_000):
            other = {"messages": 1, "concurrency": count}
            kernel = [s.kernel(other)] if count <= 10_000 else []
            yield Row(f"at_a_time_{count}", f"{count} connections at a time", "/s", connections,
                      [s.mtcp(other), *kernel], rounds=2,
                      note="" if kernel else "kernel: limit (20,000 descriptors a process)")


def drive_rows(s):
    plan = {"concurrency": s.concurrencies[len(s.concurrencies) // 2]}
    for name, title, value, count in (("drives_short", "short connections by drive and form of the calls", connections, 1),
                                      ("drives_rr64", "64 B requests by drive and form of the calls", messages, 0)):
        unit = "/s" if count else "requests/s"
        candidates = [s.mtcp({**plan, "messages": count, "form": form}, form, drive, drive=drive)
                      for drive in s.drives for form in s.forms]
        for candidate in candidates:  # a name in the row is one candidate's
            candidate.name = f"{candidate.group} {candidate.name}"
        yield Row(name, title, unit, value, candidates, rounds=3 if s.full else 1)


# ---------------------------------------------------------------------------------------------------------- requests

def request_rows(s):
    plan = {"messages": 0}
    ours = [s.mtcp({**plan, "concurrency": c}) for c in s.concurrencies]
    ours += s.variants({**plan, "concurrency": s.concurrencies[-1]})
    yield Row("rr64", "64 B requests on persistent connections", "requests/s", messages,
              ours + s.kernels(plan, s.concurrencies[-2:]), rounds=s.rounds, keep=2)
    if s.full or s.tiny:
        for c in (1, 32, 128, 4096)[:1 if s.tiny else 4]:
            for size in (1, 64):
                other = {"messages": 0, "concurrency": c, "request": size, "response": size}
                yield Row(f"rr{size}_c{c}", f"{size} B requests on {c} connections", "requests/s", messages,
                          [s.mtcp(other), s.kernel(other)], rounds=3 if s.full else 1)
        for size in (512, 2048, 8192, 1 << 20)[:1 if s.tiny else 4]:
            other = {"messages": 0, "concurrency": 64, "response": size}
            yield Row(f"file_{size}", f"files of {size} B on persistent connections", "requests/s", messages,
                      [s.mtcp(other), s.kernel(other)], rounds=3 if s.full else 1)
            other = {"messages": 1, "concurrency": 64, "response": size}
            yield Row(f"file_{size}_short", f"files of {size} B, a connection each", "requests/s", messages,
                      [s.mtcp(other), s.kernel(other)], rounds=3 if s.full else 1)


def at_seventy_percent(run, plan, **more):
    """First what it can do, then at 70 % of that: latency from the moment a request was due."""
    most = run(plan, **more)["messages_per_second"]
    load = {**plan, "in-flight": plan["concurrency"], "latency": True}
    result = run(load, ("--rate", int(0.7 * most)), **more)
    result["offered_per_second"] = 0.7 * most
    return result


def latency_rows(s):
    one = {"messages": 0, "concurrency": 1, "latency": True}
    yield Row("latency", "round trip of 64 B, unloaded, both ends spinning", "us p50", p50,
              [s.mtcp(one, "memif", drive=s.drive, wait="spinning"), s.kernel(one, "loopback", wait="spinning")],
              better="lower", rounds=s.rounds)
    yield Row("latency_blocking", "round trip of 64 B, unloaded, both ends sleeping", "us p50", p50,
              [s.mtcp(one, "memif", wait="sleeping"), s.kernel(one, "loopback", wait="sleeping")], better="lower",
              rounds=s.rounds if s.full else 1)
    loaded = {"messages": 0, "concurrency": 64}
    ours = functools.partial(run_mtcp, s.machine, drive=s.drive, seconds=s.seconds, warm_up=s.warm_up)
    kernel = functools.partial(run_kernel, s.machine, wait="spinning", congestion=s.congestion, seconds=s.seconds,
                               warm_up=s.warm_up)
    yield Row("latency_70", "round trip of 64 B at 70 % of the most requests, 64 connections", "us p50", p50,
              [Candidate("memif", "mtcp", functools.partial(at_seventy_percent, ours, loaded), 4.5),
               Candidate("loopback", "kernel", functools.partial(at_seventy_percent, kernel, loaded), 4)],
              better="lower", rounds=3 if s.full else 1)


def bulk_rows(s):
    for name, flow, count, always in (("bulk_down", "download", 1, True), ("bulk_up", "upload", 1, False),
                                      ("bulk_down_16", "download", 16, False), ("bulk_up_16", "upload", 16, False)):
        if not (always or s.full or s.tiny):
            continue
        plan = {"messages": 0, "flow": flow, "concurrency": count}
        title = f"bulk, server to client, {count} stream(s)" if flow == "download" else f"bulk, client to server, {count} stream(s)"
        # The kernel's loopback carries packets of 64 KB; a link of ours as large ones as both ends agree on.
        sender = "server" if flow == "download" else "client"
        ours = [s.mtcp(plan, "memif"), s.mtcp(plan, "memif, MTU 9000", owner=sender, frames=JUMBO),
                s.mtcp(plan, "memif trusted", "mtcp_trusted", trust=True)]
        yield Row(name, title, "Gbit/s", gigabits, [*ours, s.kernel(plan, "loopback"),
                                                    s.kernel(plan, "loopback spinning", wait="spinning")],
                  rounds=s.rounds)


# ------------------------------------------------------------------------------------------------- in one process, and floors

def floor_rows(s):
    testpmd = [Candidate("testpmd", "testpmd", run_testpmd, 12)] if s.full else []
    yield Row("floor", "64 B frames echoed over memif, no TCP", "frames/s, both ways", lambda r: r["frames_per_second"],
              [Candidate("memif", "mtcp", functools.partial(run_floor, s.machine, seconds=s.seconds), s.seconds + 0.7),
               Candidate("memif trusted", "mtcp_trusted",
                         functools.partial(run_floor, s.machine, True, seconds=s.seconds), s.seconds + 0.7), *testpmd],
              rounds=s.rounds)


def tick_rows(s):
    amounts = ["--warm-up", 300, "--measured", 300] if s.tiny else [
        "--warm-up", 1_100_000, "--warm-up-limit", 20 if s.full else 4, "--seconds", 1]
    candidates = [s.both_ends(f"c={c}", "mtcp", "--concurrency", c, "--stages", *amounts, seconds=3.2)
                  for c in s.concurrencies]
    if "batch" in s.forms:
        candidates += [s.both_ends(f"batch c={c}", "mtcp_batch", "--form", "batch", "--concurrency", c, "--stages", *amounts,
                                   seconds=3.2) for c in s.concurrencies[:1]]
    candidates.append(s.both_ends("no checksums", "no_checksums", "--no-checksums", "--stages", *amounts, seconds=3.2))
    yield Row("ticks", "ticks of both ends for a short connection, one thread, in-memory link", "ticks",
              lambda r: r["ticks_each"], candidates, better="lower", rounds=s.rounds, two_cores=False)
    yield Row("stages", "instructions of both ends for a short connection, by room", "instructions",
              lambda r: r["instructions_each"],
              [Candidate("callgrind", "mtcp", functools.partial(callgrind, s.machine, 50 if s.tiny else 1000), 12)],
              better="lower", rounds=1, two_cores=False)


def rooms_of(text):
    """Instructions by room of the source tree, from callgrind_annotate."""
    rooms = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\d,]+) (?:\([ \d.]+%\))?\s*(\S+?):(.*)", line)
        if not match or "PROGRAM TOTALS" in line:
            continue
        place = match[2]
        room = (re.search(r"/src/(\w+)/", place) or re.search(r"/(bench|apps)/", place))
        name = room[1] if room else "system"
        rooms[name] = rooms.get(name, 0) + int(match[1].replace(",", ""))
    return rooms


def callgrind(machine, count):
    if subprocess.run(["which", "valgrind"], capture_output=True).returncode != 0:
        raise Trouble("valgrind is not installed")
    out = WORK / "callgrind.out"
    done = subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured_turns*",
                           f"--callgrind-out-file={out}", machine.binary("bench_both_ends"), "--cpu", "-1", "--warm-up",
                           str(count), "--measured", str(count), "--time-wait-max", "500"],
                          capture_output=True, text=True, timeout=300,
                          env=os.environ | {"LD_PRELOAD": machine.binary("libbench_stepping_clock.so")})
    found = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not found:
        raise Trouble(f"callgrind: {done.stderr.strip()[-300:]}")
    result = json.loads(found[-1])
    text = subprocess.run(["callgrind_annotate", "--threshold=100", str(out)], capture_output=True, text=True).stdout
    rooms = {room: instructions / result["client_completed"] for room, instructions in rooms_of(text).items()}
    if not rooms:
        raise Trouble("callgrind saw nothing of measured_turns()")
    return {"instructions_each": sum(rooms.values()), "rooms": rooms}


def scale_rows(s):
    sizes = [300] if s.tiny else [1000, 10_000, 100_000, 1_000_000] if s.full else [1000, 1_000_000]

    def run(count):
        # Each has had its first request before: how often a connection is used is part of what is measured.
        amounts = ["--warm-up", 500, "--measured", 500] if s.tiny else [
            "--warm-up", max(200_000, count + count // 5), "--warm-up-limit", 5 + count / 200_000, "--seconds", 1.5]
        if count >= 5_000_000:
            available = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
            if available < count * 2 * 700:
                raise Trouble(f"{available >> 30} GB of memory are not enough for {count} connections, both ends")
        result = run_alone(s.machine, "bench_both_ends", "--cpu", s.machine.server_cpu, "--messages", 0,
                           "--concurrency", count, "--in-flight", 64, "--time-wait-max", 1000, *amounts)
        result["bytes_each"] = (result["resident_end"] - result["resident_begin"]) / (2 * count)
        return result

    candidates = [Candidate(f"{count} connections", str(count), functools.partial(run, count), 3 + count / 100_000)
                  for count in sizes]
    yield Row("established", "64 B requests over all of so many connections, one thread, in-memory link", "requests/s",
              lambda r: r["per_second"], candidates, rounds=3 if s.full else 2 if not s.tiny else 1, two_cores=False)
    if s.full:
        count = 10_000_000
        yield Row("established_10m", "the same with 10 M connections", "requests/s", lambda r: r["per_second"],
                  [Candidate(f"{count} connections", str(count), functools.partial(run, count), 120)], rounds=1,
                  two_cores=False)
    records = 300 if s.tiny else 300_000

    def time_wait():
        result = run_alone(s.machine, "bench_both_ends", "--cpu", s.machine.server_cpu, "--time-wait-max", records,
                           "--warm-up", records, "--measured", 1)
        result["bytes_each"] = (result["resident_end"] - result["resident_begin"]) / records
        return result
    yield Row("time_wait", "memory of a connection in TIME-WAIT, everything counted", "bytes",
              lambda r: r["bytes_each"], [Candidate(f"{records} records", "mtcp", time_wait, 3)], better="lower",
              rounds=1, two_cores=False)


def core_rows(s):
    if not s.machine.has_two:
        return
    amounts = ["--warm-up", 300, "--measured", 300] if s.tiny else [
        "--warm-up", 150_000, "--warm-up-limit", 3, "--seconds", 1]
    first, second = s.machine.cpus[:2]

    def pairs(cpu, count):
        return functools.partial(run_alone, s.machine, "bench_both_ends", "--cpu", cpu, "--pairs", count,
                                 "--time-wait-max", 100_000, *amounts)
    yield Row("cores", "short connections, a client and server pair on each core", "/s", lambda r: r["per_second"],
              [Candidate(f"CPU {first}", "one", pairs(first, 1), 1.7), Candidate(f"CPU {second}", "one", pairs(second, 1), 1.7),
               Candidate("both", "two", pairs(first, 2), 1.7)], rounds=s.rounds, keep=2)


def idle_rows(s):
    count = 50 if s.tiny else 1000
    span = 0.3 if s.tiny else 2.5

    def run(drive):
        for role, cpu in (("server", s.machine.server_cpu), ("client", s.machine.client_cpu)):
            (WORK / f"{role}.conf").write_text(mtcp_configuration(role, cpu, drive, False, count))
        (WORK / "memif.sock").unlink(missing_ok=True)
        binary, common = s.machine.binary("bench_end"), ["--messages", 0, "--port", PORT, "--wait", "sleeping",
                                                         "--concurrency", count]
        server = Program([binary, "server", "-f", WORK / "server.conf", *common])
        load = None
        try:
            server.wait_for("ready", 20)
            load = Program([binary, "client", "-f", WORK / "client.conf", *common, "--server", SERVER_ADDRESS, "--client",
                            CLIENT_ADDRESS, "--in-flight", 1, "--idle", "--warm-up", 0.1, "--seconds", span + 2])
            load.wait_for("measuring", 30, load.err)
            time.sleep(0.3)
            before, begun = server.cpu_seconds(), time.monotonic()
            time.sleep(span)
            used = server.cpu_seconds() - before
            return {"percent": 100 * used / (time.monotonic() - begun)}
        finally:
            if load:
                load.forget()
            server.forget()
    yield Row("idle", f"CPU of a server with {count} connections that are still", "% of a core",
              lambda r: r["percent"], [Candidate(drive, drive, functools.partial(run, drive), span + 1.5)
                                       for drive in s.drives], better="lower", rounds=1, two_cores=False)


# What summary.json needs comes first: if time runs out, it is the others that get fewer rounds.
FIRST = ["ticks", "short_fin", "rr64", "floor", "latency", "bulk_down", "established", "cores", "idle"]


def all_rows(setup):
    makers = [tick_rows, short_rows, request_rows, floor_rows, latency_rows, bulk_rows, drive_rows, scale_rows, core_rows,
              idle_rows]
    rows = [row for maker in makers for row in maker(setup)]
    return sorted(rows, key=lambda row: FIRST.index(row.name) if row.name in FIRST else len(FIRST))
