# SPDX-License-Identifier: Apache-2.0
"""What a system test stands on: the sandbox, the two wires to the kernel, programs, checks.

The sandbox is the kernel's side: 10.77.0.1. The stack is 10.77.0.2, an address that no kernel has.
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

KERNEL = "10.77.0.1"
STACK = "10.77.0.2"


class Skip(Exception):
    """The machine lacks something that this test needs."""


class Failure(Exception):
    """What was found is not what should be."""


# ------------------------------------------------------------------------------------------ the list of tests

@dataclasses.dataclass
class Test:
    name: str
    function: object
    arguments: tuple
    patience: float
    only_full: bool
    soak: bool
    ours: bool


TESTS = {}
FULL = False
ORACLE = False  # the kernel in the stack's place: do the tests themselves tell the truth?
SOAK_MINUTES = None
BUILD = pathlib.Path()
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = pathlib.Path()


def test(*variants, patience=60, only_full=False, soak=False, ours=False):
    """Registers a test: once, or once for each variant (its arguments), named function[a,b].

    ours: of no meaning with the kernel in the stack's place.
    """
    def register(function):
        for variant in variants or [()]:
            arguments = variant if isinstance(variant, tuple) else (variant,)
            suffix = "[" + ",".join(str(a) for a in arguments) + "]" if arguments else ""
            name = function.__name__ + suffix
            TESTS[name] = Test(name, function, arguments, patience, only_full, soak, ours)
        return function
    return register


def size(quick, full):
    return full if FULL else quick


# --------------------------------------------------------------------------------------------------- the sandbox

def sh(*command, check=True, timeout=60, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def enter(options):
    """Called once, by the first process of the new namespaces."""
    global FULL, ORACLE, SOAK_MINUTES, BUILD, WORK
    ORACLE = options.oracle
    FULL, SOAK_MINUTES, BUILD = options.full, options.soak, options.build.resolve()
    sh("mount", "--make-rprivate", "/")
    # Nothing we leave in these can outlive us, and /sys has to show the devices of our own namespace.
    sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    sh("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    WORK = pathlib.Path("/run/work")
    WORK.mkdir()
    os.chdir(WORK)
    sh("ip", "link", "set", "lo", "up")
    # The namespace's own; room for many short connections of kernel clients.
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("10000 65000")


def binary(name):
    if ORACLE:
        if name not in ("peer", "web_server", "web_client") and not name.endswith("_kernel"):
            raise Skip(f"the kernel has no {name}")
        name = name.removesuffix("_kernel") + "_kernel"
    for path in sorted(BUILD.rglob(name)):
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise Failure(f"{name} is not in {BUILD}: ./dev build")


def need(*tools):
    for tool in tools:
        if not any(os.access(os.path.join(folder, tool), os.X_OK) for folder in os.environ["PATH"].split(":")):
            raise Skip(f"{tool} is not installed")


# ------------------------------------------------------------------------------------------------------ the wires

class Wire:
    """How the stack is joined to the kernel of the sandbox."""

    def __init__(self, name="mtcp0", network="10.77.0"):
        self.name = name
        self.kernel = f"{network}.1"
        self.stack = f"{network}.2"

    def configuration(self, **more):
        lines = {"io": self.io, "port": self.name, "address": f"{self.stack}/24", "num_cores": 1}
        lines.update(more)
        return "".join(f"{key.replace('__', '.')} = {value}\n" for key, value in lines.items())

    def write_configuration(self, file_name="mtcp.conf", **more):
        path = WORK / file_name
        path.write_text(self.configuration(**more))
        return str(path)

    def command(self, *command):
        return list(command)

    def program(self, *command, **more):
        return Program(self.command(*command), **more)


class Tap(Wire):
    io = "tap"

    def __init__(self, **where):
        super().__init__(**where)
        if not os.path.exists("/dev/net/tun"):
            raise Skip("no /dev/net/tun")

    def configuration(self, **more):
        return super().configuration(io__kernel_address=f"{self.kernel}/24", **more)

    def is_clean(self):
        return not os.path.exists(f"/sys/class/net/{self.name}")


class Veth(Wire):
    """A pair: one end in the sandbox, the other in a namespace for the stack's process."""
    io = "af_xdp"

    def __init__(self, mode="native", queues=1, **where):
        super().__init__(**where)
        self.mode = mode
        self.space = f"stack_{self.name}"
        self.peer = f"wire_{self.name}"
        sh("ip", "netns", "add", self.space)
        sh("ip", "link", "add", self.peer, "numtxqueues", str(queues), "numrxqueues", str(queues), "type", "veth",
           "peer", "name", self.name, "numtxqueues", str(queues), "numrxqueues", str(queues))
        sh("ip", "link", "set", self.name, "netns", self.space)
        sh("ip", "netns", "exec", self.space, "ip", "link", "set", self.name, "up")
        sh("ip", "netns", "exec", self.space, "ip", "link", "set", "lo", "up")
        sh("ip", "address", "add", f"{self.kernel}/24", "dev", self.peer)
        sh("ip", "link", "set", self.peer, "up")
        if mode == "generic":  # which drops large frames
            sh("ethtool", "-K", self.peer, "tso", "off", "gso", "off")

    def configuration(self, **more):
        if self.mode == "generic":
            more.setdefault("io__mode", "generic")
        return super().configuration(**more)

    def command(self, *command):
        return ["ip", "netns", "exec", self.space, *command]

    def is_clean(self):
        return "xdp" not in sh("ip", "netns", "exec", self.space, "ip", "-d", "link", "show", "dev", self.name)


class Kernel(Veth):
    """The oracle: the other namespace's kernel has the stack's address."""

    def __init__(self, **where):
        super().__init__(**where)
        sh(*self.command("ip", "address", "add", f"{self.stack}/24", "dev", self.name))

    def configuration(self, **more):
        if "faults" in more:
            raise Skip("the kernel injects no faults")
        return ""


def make_wire(kind, **more):
    if ORACLE:
        return Kernel(**more)
    if kind == "tap":
        return Tap(**more)
    if kind == "generic":
        return Veth(mode="generic", **more)
    return Veth(**more)


# --------------------------------------------------------------------------------------------------- the programs

PROGRAMS = []


class Program:
    """A process whose output is kept."""

    def __init__(self, command, ready=None, patience=20):
        self.name = os.path.basename(command[4] if command[:2] == ["ip", "netns"] else command[0])
        self.log = WORK / f"{self.name}.{len(PROGRAMS)}.log"
        self.output = open(self.log, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT)
        PROGRAMS.append(self)
        if ready:
            self.wait_for(ready, patience)

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, word, patience=20):
        end = time.monotonic() + patience
        while word not in self.text():
            if self.process.poll() is not None:
                fail_or_skip(self.name, self.process.returncode, self.text())
            if time.monotonic() > end:
                raise Failure(f"{self.name} did not say '{word}' within {patience} s: {self.text()[-500:]}")
            time.sleep(0.02)
        return self

    def wait(self, patience):
        try:
            return self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {patience} s: {self.text()[-500:]}") from None

    def finish(self, patience=30):
        """Waits for its end, which must be a good one; returns what it printed."""
        status = self.wait(patience)
        if status != 0:
            raise Failure(f"{self.name} ended with {status}: {self.text()[-800:].strip()}")
        return self.text()

    def stop(self, how=signal.SIGINT, patience=20):
        self.process.send_signal(how)
        return self.wait(patience)

    def result(self, patience=60):
        """The JSON line of `peer`, which must have ended well."""
        return json_of(self.finish(patience))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def json_of(text):
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise Failure(f"no JSON in: {text[-500:]}")
    return json.loads(lines[-1])


def fail_or_skip(name, status, text):
    """A machine without XDP is no failure of ours; a call of ours that answers so is one."""
    for pattern, why in [(r"cannot [^\n]*: Operation not (permitted|supported)", "the kernel refuses"),
                         (r"without (the )?(back end )?af_xdp", "built without af_xdp")]:
        if re.search(pattern, text):
            raise Skip(f"{why}: {text.strip().splitlines()[-1]}")
    raise Failure(f"{name} ended with {status}: {text[-800:].strip()}")


def end_programs():
    for program in PROGRAMS:
        if program.process.poll() is None:
            program.process.kill()
    for program in PROGRAMS:
        program.process.wait()


def show_programs():
    for program in PROGRAMS:
        print(f"--- {program.log.name} (status {program.process.poll()})\n{program.text()[-4000:]}")


def server(wire, *arguments, root=None, **configuration):
    """web_server on the stack, serving."""
    path = wire.write_configuration("server.conf", **configuration)
    cores = str(configuration.get("num_cores", 1))
    return wire.program(binary("web_server"), "-p", str(root or www()), "-f", path, "-N", cores, *arguments,
                        ready="listening")


def kernel_server(*arguments, root=None):
    return Program([binary("web_server_kernel"), "-p", str(root or www()), *arguments], ready="listening")


def peer_server(wire, *arguments, **configuration):
    path = wire.write_configuration("peer_server.conf", **configuration)
    cores = str(configuration.get("num_cores", 1))
    return wire.program(binary("peer"), "serve", "-f", path, "-N", cores, *arguments, ready="ready")


def kernel_peer_server(*arguments):
    return Program([binary("peer_kernel"), "serve", *arguments], ready="ready")


def drive(wire, *arguments, patience=120, **configuration):
    """`peer drive` on the stack against the kernel; returns its result."""
    path = wire.write_configuration("peer_client.conf", **configuration)
    return wire.program(binary("peer"), "drive", "-f", path, "-a", wire.kernel, *arguments).result(patience)


def kernel_drive(wire, *arguments, patience=120):
    return Program([binary("peer_kernel"), "drive", "-a", wire.stack, *arguments]).result(patience)


# ----------------------------------------------------------------------------------------------------- the checks

def www():
    """A directory with a page, and a file whose bytes nobody can guess."""
    root = WORK / "www"
    if not root.exists():
        root.mkdir()
        (root / "index.html").write_text("<!doctype html><title>mtcp</title><p>served by a user-level stack\n")
        (root / "file").write_bytes(os.urandom(1 << 20) * size(20, 100))
        (root / "small").write_bytes(os.urandom(2000))
    return root


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def expect(found, wanted, what):
    if found != wanted:
        raise Failure(f"{what}: {found!r}, should be {wanted!r}")


def expect_true(condition, what):
    if not condition:
        raise Failure(what)


def eventually(condition, patience, what):
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"not within {patience} s: {what() if callable(what) else what}")
        time.sleep(0.1)


def curl(*arguments, timeout=60):
    return sh("curl", "-sS", "--max-time", str(timeout), *arguments, timeout=timeout + 5)


def statistics(program):
    """The counters of a running stack: {name: sum over its cores}, and "cores": those of each."""
    found = json.loads(sh(binary("mtcp"), "stat", "--json", str(program.pid)))
    return found["total"] | {"cores": found["cores"]}
