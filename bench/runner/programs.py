# SPDX-License-Identifier: Apache-2.0
"""Running a server and a client, and what came of it."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from machine import ADDRESSES, CLIENT_NAMESPACE, PORT, SERVER_NAMESPACE, WORK, Trouble, inside, sh, time_wait_counters

IDLE_MOST = 0.05  # of the server's CPU: beyond, it is not the server that was measured
RUNNING = []
# The applications' own tables of connections lie on huge pages, as those of the stacks do.
ENVIRONMENT = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Program:
    """A process whose output is kept."""

    def __init__(self, command, cpus=None, space="", stdin=subprocess.DEVNULL):
        command = [str(part) for part in command]
        self.name = os.path.basename(command[0])
        if cpus is not None:
            command = ["taskset", "-c", ",".join(map(str, cpus)), *command]
        self.out, self.err = WORK / f"{self.name}.out", WORK / f"{self.name}.err"
        if self.out.exists():
            self.out, self.err = self.out.with_suffix(".client"), self.err.with_suffix(".client_err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(inside(space) + command, stdin=stdin, stdout=out, stderr=err, env=ENVIRONMENT)
        RUNNING.append(self)

    def type(self, line):
        """For who was started with a pipe for its input."""
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def text(self):
        return self.out.read_text(errors="replace")

    def complaint(self):
        lines = [line for line in self.err.read_text(errors="replace").splitlines() if line != "measuring"]
        return " ".join(lines)[-300:] or f"{self.name} ended with {self.process.poll()}"

    def wait_for(self, word, patience, where=None):
        end = time.monotonic() + patience
        pause = 0.005  # longer and longer: who looks takes a CPU from what is measured
        while word not in (where or self.out).read_text(errors="replace"):
            if self.process.poll() is not None:
                raise Trouble(self.complaint())
            if time.monotonic() > end:
                raise Trouble(f"{self.name} did not say '{word}' within {patience:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def stop(self, patience=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def forget(self):
        self.stop()
        for path in (self.out, self.err):
            path.unlink(missing_ok=True)
        if self in RUNNING:
            RUNNING.remove(self)

    def result(self):
        lines = [line for line in self.text().splitlines() if line.startswith("{")]
        if not lines:
            raise Trouble(self.complaint())
        return json.loads(lines[-1])

    def cpu_seconds(self):
        """On the CPU, all threads, to the nanosecond where the kernel says so."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total * 1e-9


def stop_all():
    for program in list(RUNNING):
        program.forget()


def run_alone(machine, name, *arguments, cpus=None, timeout=300):
    """A program by itself; its JSON."""
    program = Program([machine.binary(name), *arguments], cpus)
    try:
        program.process.wait(timeout)
        return program.result()
    except subprocess.TimeoutExpired:
        raise Trouble(f"{name} did not end within {timeout} s") from None
    finally:
        program.forget()


def options(plan):
    return [part for name, value in plan.items() if value is not None
            for part in ([f"--{name}"] if value is True else [f"--{name}", value])]


def statistics(machine, program):
    """The counters of a running stack, summed over its cores."""
    try:
        return json.loads(sh(machine.binary("mtcp"), "stat", "--json", program.process.pid, timeout=10))["total"]
    except (Trouble, ValueError, KeyError):
        return {}


# ------------------------------------------------------------------------------------------------- our stack, over memif

MAC = {"server": "02:00:00:00:00:0a", "client": "02:00:00:00:00:0b"}
SERVER_ADDRESS, CLIENT_ADDRESS = "10.78.0.1", "10.78.1.1"


JUMBO = ["io.mtu = 9000", "io.buffer_size = 9216"]


def mtcp_configuration(role, cpu, drive, trust, connections, owner="client", layer="ip", frames=()):
    """The stack's defaults, but for what the headline asks for: 1 M records in TIME-WAIT. The owner (memif's slave) has
    the frames in its own memory; what the other end sends is copied there. The layer is what a frame begins with: IP, as
    on the kernel's loopback, where no two stations have to be told apart, or an Ethernet header."""
    other = "client" if role == "server" else "server"
    addresses = {"server": [SERVER_ADDRESS], "client": [f"10.78.1.{i}" for i in range(1, ADDRESSES + 1)]}
    lines = ["io = memif", f"port = {WORK}/memif.sock", f"io.role = {'slave' if role == owner else 'master'}",
             f"io.layer = {layer}", "num_cores = 1", f"core_mask = {1 << cpu:x}", f"drive = {drive}",
             f"max_concurrency = {max(20000, connections + connections // 4)}", "time_wait_max = 1000000"]
    lines += frames
    if trust:
        lines.append("io.trust = ours")
    lines += [f"address = {address}/16" for address in addresses[role]]
    if layer == "ethernet":
        lines.append(f"io.mac = {MAC[role]}")
        lines += [f"neighbour = {address} {MAC[other]}" for address in addresses[other]]
    return "\n".join(lines) + "\n"


def waiting_of(drive):
    """In a drive where the caller runs the stack, asking again is running it; else the stack thread needs the CPU."""
    return "sleeping" if drive == "paired" else "spinning"


def run_mtcp(machine, plan, client=(), drive="inline", trust=False, wait=None, owner="client", layer="ip", frames=(),
             seconds=1.0, warm_up=0.5):
    """One server and one client of ours, a CPU each, joined by memif: the client's result, with counters of both."""
    connections = int(plan.get("concurrency", 64))
    for role, cpu in (("server", machine.server_cpu), ("client", machine.client_cpu)):
        text = mtcp_configuration(role, cpu, drive, trust, connections, owner, layer, frames)
        (WORK / f"{role}.conf").write_text(text)
    (WORK / "memif.sock").unlink(missing_ok=True)
    common = [*options(plan), "--port", PORT, "--wait", wait or waiting_of(drive)]
    binary = machine.binary("bench_end")
    server = Program([binary, "server", "-f", WORK / "server.conf", *common])
    load = None
    try:
        server.wait_for("ready", 20)
        load = Program([binary, "client", "-f", WORK / "client.conf", *common, "--server", SERVER_ADDRESS, "--client",
                        CLIENT_ADDRESS, "--client-addresses", ADDRESSES, "--seconds", seconds, "--warm-up", warm_up,
                        "--hold", *client])
        load.wait_for("}", seconds + warm_up + 60)
        result = load.result()
        mine, theirs = statistics(machine, load), statistics(machine, server)
        load.stop()
        server.stop()
        served = server.result()
        frames = theirs.get("frames_in", 0) + theirs.get("frames_out", 0)
        result["frames_per_message"] = frames / max(served["messages"], 1)
        busy_waits = served["waits"] - served["waits_empty"]
        result["events_per_wait"] = served["events"] / max(busy_waits, 1)
        if theirs.get("switches"):
            result["messages_per_switch"] = served["messages"] / theirs["switches"]
        result["server_failed"] = served["failed"]
        result["time_wait"] = {name: mine.get(name) for name in ("time_wait", "time_wait_reused", "time_wait_recycled")}
        result["retransmitted"] = mine.get("segments_retransmitted", 0) + theirs.get("segments_retransmitted", 0)
        if result["connect_failed"]:
            result["void"] = f"{result['connect_failed']} connects failed"
        return result
    finally:
        if load:
            load.forget()
        server.forget()


def drive_is_known(machine, drive):
    """Does this build of the stack have it?"""
    path = WORK / "drive.conf"
    path.write_text(f"io = link\naddress = 10.0.0.2/24\nnum_cores = 1\ndrive = {drive}\n")
    server = Program([machine.binary("bench_end"), "server", "-f", path])
    try:
        server.wait_for("ready", 10)
        return True
    except Trouble:
        return False
    finally:
        server.forget()


def forms_known(machine):
    """Which calls this build has: as in BSD, and for batches."""
    done = subprocess.run([machine.binary("bench_both_ends"), "--form", "batch", "--cpu", "-1", "--warm-up", "1",
                           "--measured", "1"], capture_output=True, timeout=60)
    return ["bsd", "batch"] if done.returncode == 0 else ["bsd"]


def our_congestion_control(machine):
    path = WORK / "drive.conf"
    path.write_text("io = link\naddress = 10.0.0.2/24\nnum_cores = 1\n")
    server = Program([machine.binary("bench_end"), "server", "-f", path])
    try:
        server.wait_for("ready", 10)
        return server.text().split()[1]
    finally:
        server.forget()


# --------------------------------------------------------------------------------------------------------- the kernel

def run_kernel(machine, plan, client=(), wire="loopback", mode="reuseport", layout="1+1", congestion="reno",
               wait="sleeping", seconds=1.0, warm_up=0.5):
    """The kernel's server and client: mode shared, reuseport, affinity or io_uring; layout threads of server + client."""
    both = [machine.server_cpu, machine.client_cpu]
    server_cpus, client_cpus = (both, both) if layout == "2+2" else (both[:1], both[1:])
    space = (SERVER_NAMESPACE, CLIENT_NAMESPACE) if wire == "veth" else ("", "")
    address = "10.79.0.1" if wire == "veth" else "127.0.0.1"
    binary = machine.binary("bench_uring" if mode == "io_uring" else "bench_end_kernel")
    common = [*options(plan), "--port", PORT, "--wait", wait, "--cc", congestion]
    accept = [] if mode == "io_uring" else ["--accept", mode]
    server = Program([binary, "server", *common, "--cores", len(server_cpus), *accept], server_cpus, space[0])
    load = None
    try:
        server.wait_for("ready", 20)
        before = time_wait_counters(space[1])
        load = Program([binary, "client", *common, "--cores", len(client_cpus), "--server", address,
                        "--server-addresses", ADDRESSES, "--seconds", seconds, "--warm-up", warm_up, *client],
                       client_cpus, space[1])
        load.process.wait(seconds + warm_up + 60)
        result = load.result()
        server.stop()
        result["server_failed"] = server.result()["failed"]
        result["time_wait"] = {name: value - before[name] for name, value in time_wait_counters(space[1]).items()
                               if value != before[name]}
        idle = max(result[f"cpu{cpu}_idle"] for cpu in server_cpus)
        if result["connect_failed"]:
            result["void"] = f"{result['connect_failed']} connects failed"
        elif wait == "sleeping" and idle > IDLE_MOST:
            result["void"] = f"the server's CPU was idle for {idle:.0%}"
        return result
    except subprocess.TimeoutExpired:
        raise Trouble("the kernel's client did not end") from None
    finally:
        if load:
            load.forget()
        server.forget()


# -------------------------------------------------------------------------------------------------------- without TCP

def run_floor(machine, trust=False, seconds=1.0):
    """Frames of 64 bytes over memif, echoed."""
    path = WORK / "floor.sock"
    path.unlink(missing_ok=True)
    more = ",trust=ours" if trust else ""
    binary = machine.binary("bench_floor")
    echo = Program([binary, "echo", f"memif:{path},role=master{more}", "--cpu", machine.server_cpu])
    source = None
    try:
        echo.wait_for("ready", 10)
        source = Program([binary, "source", f"memif:{path},role=slave{more}", "--cpu", machine.client_cpu, "--seconds",
                          seconds])
        source.process.wait(seconds + 30)
        return source.result()
    finally:
        if source:
            source.forget()
        echo.forget()


def testpmd(role, cpu, path, more, **program):
    """DPDK's own ends of a memif, forwarding from the port to itself."""
    name = f"bench_{role}"
    return Program(["dpdk-testpmd", "--no-huge", "-m", 256, "--lcores", f"0@{cpu},1@{cpu}", "--no-pci", "--file-prefix",
                    name, "--vdev", f"net_memif0,role={role},id=0,socket={path},socket-abstract=no,rsize=10", "--",
                    "--forward-mode=io", "--nb-cores=1", "--no-flush-rx", "--total-num-mbufs=8192", *more], **program)


def run_testpmd():
    """Mpps of testpmd's io loop, both ways, by the statistics of one end."""
    if shutil.which("dpdk-testpmd") is None:
        raise Trouble("dpdk-testpmd is not installed")
    path = WORK / "testpmd.sock"
    path.unlink(missing_ok=True)
    server = testpmd("server", 0, path, ["--auto-start", "--stats-period", "1"])
    client = None
    try:
        server.wait_for("Port statistics", 15)
        client = testpmd("client", 1, path, ["-i"], stdin=subprocess.PIPE)
        client.wait_for("testpmd>", 15)
        # The client's memory takes frames once it has polled: those that it sent before would be lost on their way back.
        for command, pause in (("start", 0.5), ("stop", 0.5), ("start tx_first 16", 1)):
            client.type(command)
            time.sleep(pause)
        for _ in range(5):
            client.type("show port stats 0")
            time.sleep(1)
        rates = [int(rx) + int(tx) for rx, tx in re.findall(r"Rx-pps:\s+(\d+).*?\n\s*Tx-pps:\s+(\d+)", client.text())]
        rates = [rate for rate in rates[1:] if rate]
        if not rates:
            raise Trouble("no frame came back")
        return {"frames_per_second": sorted(rates)[len(rates) // 2]}
    finally:
        if client:
            client.forget()
        server.forget()
