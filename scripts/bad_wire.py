# SPDX-License-Identifier: Apache-2.0
"""What scripts/goodput and scripts/beside_kernel share: namespaces, devices without offloads, programs, the bridge."""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OWN_FOLDERS = ("/run", "/dev/shm")  # of the namespaces alone
SANDBOX = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
           "--mount-proc"]


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def numbers(text):
    return [float(word) for word in text.split(",")]


def add_arguments(parser):
    parser.add_argument("--rate", type=float, default=100, help="Mbit/s")
    parser.add_argument("--rtt", type=float, default=20, help="ms")
    parser.add_argument("--queue", type=float, default=1, help="in products of rate and round trip")
    parser.add_argument("--stack-options", default="", help="further lines for mtcp.conf, between commas")
    parser.add_argument("--priority", type=int, default=0, help="run all programs at this SCHED_RR priority")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--inside", action="store_true", help="(the script calls itself with it)")


def check_writable(path):
    """Ends here, not after the measurement, where `path` cannot be written."""
    # Inside, these are other folders, which go with the measurement (furnish()).
    for own in OWN_FOLDERS:
        if path.is_relative_to(own):
            sys.exit(f"{path} cannot be written: {own} is hidden while it is measured; name a file elsewhere")
    try:
        there = path.exists()
        with open(path, "a"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        sys.exit(f"{path} cannot be written: {error.strerror}; name a file in a folder that is there")


def sh(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def binary(build, name):
    for path in sorted(build.rglob(name)):
        if path.is_file() and os.access(path, os.X_OK) and "install" not in path.parts:
            return str(path)
    sys.exit(f"{name} is not in {build}: ./dev build release")


def again_inside(program, arguments):
    """Runs the script again as root of namespaces that vanish with it; the exit status."""
    if os.geteuid() != 0:
        sys.exit("needs root")
    return subprocess.run(SANDBOX + [sys.executable, program, "--inside"] + arguments).returncode


def furnish():
    """Makes the namespaces usable: a /run and a /sys of their own."""
    for target in OWN_FOLDERS:
        sh("mount", "-t", "tmpfs", "tmpfs", target)
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    os.makedirs("/run/netns")
    sh("ip", "link", "set", "lo", "up")


class Stage:
    """Devices and programs of one run."""

    def __init__(self, options):
        self.options = options
        self.programs = []
        self.wire = None
        self.spaces = []
        self.devices = []

    def start(self, space, *command):
        before = ["ip", "netns", "exec", space] if space else []
        if self.options.priority:
            before = ["chrt", "--rr", str(self.options.priority)] + before
        program = subprocess.Popen(before + list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.programs.append(program)
        return program

    def without_offloads(self, device, prefix=()):
        sh(*prefix, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off")

    def space(self, name, outer, inner, address=None):
        """A namespace with one device, whose other end is `outer`."""
        sh("ip", "netns", "add", name)
        self.spaces.append(name)
        sh("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        self.devices.append(outer)
        self.without_offloads(outer)
        self.without_offloads(inner, ("ip", "netns", "exec", name))
        sh("ip", "link", "set", outer, "up")
        sh("ip", "-n", name, "link", "set", inner, "up")
        sh("ip", "-n", name, "link", "set", "lo", "up")
        if address:
            sh("ip", "-n", name, "address", "add", f"{address}/24", "dev", inner)

    def configuration(self, name, address, device):
        """A file for our stack on `device`."""
        path = pathlib.Path("/run") / f"{name}.conf"
        lines = ["io = af_xdp", f"port = {device}", f"address = {address}/24", "num_cores = 1"]
        lines += [line for line in self.options.stack_options.split(",") if line]
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def bad_wire(self, from_device, to_device, seed, there="", back=""):
        """`mtcp bridge`: a line of `rate` and `rtt` with a queue; `there`, `back`: further faults."""
        o = self.options
        product = int(o.rate * 1e6 / 8 * o.rtt / 1e3)
        common = f"rate={o.rate:g}mbit delay={o.rtt / 2 * 1000:g}us seed={seed}"
        self.wire = self.start(None, binary(o.build, "mtcp"), "bridge", from_device, to_device,
                               "--faults", f"{common} queue={int(product * o.queue)} {there}".strip(),
                               "--faults-back", f"{common} queue=16m {back}".strip())

    def settle(self):
        """Until the bridge has opened its devices; it says nothing unless it cannot."""
        time.sleep(0.2)
        if self.wire.poll() is not None:
            sys.exit(f"mtcp bridge does not start: {self.wire.communicate()[0].strip()}")

    def receiver(self, address):
        server = self.start("receiver", binary(self.options.build, "peer_kernel"), "serve", "-a", address)
        while "ready" not in (line := server.stdout.readline()):
            if not line:
                sys.exit("the receiver does not start")

    def end(self):
        for program in self.programs:
            if program.poll() is None:
                program.send_signal(signal.SIGTERM)
        for program in self.programs:
            try:
                program.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.communicate()
        for name in self.spaces:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        for name in self.devices:
            subprocess.run(["ip", "link", "delete", name], capture_output=True)
