# SPDX-License-Identifier: Apache-2.0
"""The machine: what it is, which CPUs are used, where programs and namespaces come from."""
import json
import os
import pathlib
import platform
import socket
import subprocess

WORK = pathlib.Path("/run/bench")  # inside the private mount namespace: gone with it
SERVER_NAMESPACE = "bench_server"
CLIENT_NAMESPACE = "bench_client"
# Should this program be killed, the sandbox's first process dies, and with it everything in it.
SANDBOX = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
           "--mount-proc"]
ADDRESSES = 64
PORT = 8000  # of every listener: outside the range of local ports


class Trouble(Exception):
    """A measurement cannot be made; the text says why."""


def sh(*command, check=True, timeout=60):
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{command[0]} did not end within {timeout} s") from None
    if check and done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def inside(space):
    return ["ip", "netns", "exec", space] if space else []


class Machine:
    def __init__(self, build):
        self.build = build
        self.tries = 1  # more where it is only asked whether a row runs, and a busy machine may starve it
        self.cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu = self.cpus[0]
        self.client_cpu = self.cpus[1] if len(self.cpus) > 1 else self.cpus[0]
        self.has_two = len(self.cpus) > 1

    def binary(self, name):
        for path in (self.build / "bench" / name, self.build / "tools" / name):
            if path.is_file():
                return str(path)
        raise Trouble(f"{name} is not in {self.build}")

    def has(self, name):
        try:
            return bool(self.binary(name))
        except Trouble:
            return False

    def probe(self):
        """Cache-line round trip between the two CPUs in nanoseconds, p50; None where there is only one."""
        if not self.has_two:
            return None
        found = json.loads(sh(self.binary("bench_probe"), self.server_cpu, self.client_cpu))
        return found.get("ping_pong_p50_ns")

    def facts(self):
        probe = json.loads(sh(self.binary("bench_probe"), self.server_cpu, self.client_cpu))
        model = "unknown"
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
        return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "server_cpu": self.server_cpu,
                "client_cpu": self.client_cpu, "kernel": platform.release(), "memory_mb": memory,
                "ticks_per_second": probe["ticks_per_second"], "ping_pong_p50_ns": probe.get("ping_pong_p50_ns"),
                "load_average": os.getloadavg()[0]}


def write(path, text):
    pathlib.Path(path).write_text(f"{text}\n")


def prepare_namespace(space):
    """The same for every namespace in which the kernel is measured."""
    settings = {"net/ipv4/ip_local_port_range": "10000 65535", "net/core/somaxconn": "65535",
                "net/ipv4/tcp_max_syn_backlog": "65535", "net/ipv4/tcp_congestion_control": "reno"}
    for name, value in settings.items():
        if space:
            sh(*inside(space), "sh", "-c", f"echo '{value}' > /proc/sys/{name}")
        else:
            write(f"/proc/sys/{name}", value)


def congestion_of_kernel(wanted):
    """The same as ours where this kernel has it, else its plainest. Sockets are told; a namespace takes few as default."""
    with socket.socket() as trial:
        try:
            trial.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, wanted.encode())
            return wanted
        except OSError:
            return "reno"


def enter_sandbox():
    sh("mount", "--make-rprivate", "/")
    for place in ("/run", "/dev/shm"):
        sh("mount", "-t", "tmpfs", "tmpfs", place)
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    WORK.mkdir()
    sh("ip", "link", "set", "lo", "up")
    for space in (SERVER_NAMESPACE, CLIENT_NAMESPACE):
        sh("ip", "netns", "add", space)
        sh(*inside(space), "ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "wire0", "netns", SERVER_NAMESPACE, "type", "veth", "peer", "name", "wire1", "netns",
       CLIENT_NAMESPACE)
    batch = WORK / "addresses"
    write(batch, "\n".join(f"address add 10.79.0.{i}/16 dev wire0" for i in range(1, ADDRESSES + 1)))
    sh(*inside(SERVER_NAMESPACE), "ip", "-batch", batch)
    sh(*inside(CLIENT_NAMESPACE), "ip", "address", "add", "10.79.1.1/16", "dev", "wire1")
    for space, wire in ((SERVER_NAMESPACE, "wire0"), (CLIENT_NAMESPACE, "wire1")):
        sh(*inside(space), "ip", "link", "set", wire, "up")
    for space in ("", SERVER_NAMESPACE, CLIENT_NAMESPACE):
        prepare_namespace(space)


def time_wait_counters(space):
    """TcpExtTW* and what else says that ports ran out, since the namespace was made."""
    text = sh(*inside(space), "cat", "/proc/net/netstat")
    lines = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
    names, values = lines[0][1:], lines[1][1:]
    return {name: int(value) for name, value in zip(names, values) if name.startswith("TW")}
