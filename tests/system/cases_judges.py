# SPDX-License-Identifier: Apache-2.0
"""Our traffic judged by programs that others wrote: tshark's expert, nmap, hping3, scapy."""
import collections
import re
import time

from sandbox import (WORK, Program, curl, expect, expect_true, make_wire, need, server, sh, sha256, statistics,
                     test, www)

WARNING = 0x600000  # of tshark's severities: chat, note, warning, error
# What loss explains, seen from the wire: of either end.
OF_LOSS = re.compile(r"Previous segment|out-of-order|Out-Of-Order|retransmission|Retransmission|Duplicate ACK|"
                     r"ACKed segment that wasn't captured|window is completely full|window full|D-SACK", re.IGNORECASE)


def capture(wire):
    """tcpdump on the kernel's end of the wire."""
    device = getattr(wire, "peer", wire.name)
    # A place of its ring is as large as the longest packet there can be: of the usual two megabytes it makes eight, and
    # a train that comes meanwhile is not seen, which tshark would take for a fault of ours.
    return Program(["tcpdump", "-i", device, "-U", "-s", "0", "-B", "65536", "-w", str(WORK / "wire.pcap"), "tcp"],
                   ready="listening on")


def expert(program, wire):
    """What tshark's expert says about the capture from warnings on: {text: how often}.

    A window of the kernel's that is full is left out: curl was not given the processor, which is no fault of ours.
    """
    time.sleep(0.3)
    program.stop()
    wanted = f"_ws.expert.severity >= {WARNING} && !(tcp.analysis.zero_window && ip.src == {wire.kernel})"
    text = sh("tshark", "-r", str(WORK / "wire.pcap"), "-o", "tcp.check_checksum:FALSE", "-Y", wanted, "-T", "fields",
              "-e", "_ws.expert.severity", "-e", "_ws.expert.message", "-E", "separator=|", "-E", "aggregator=;",
              timeout=120)
    found = collections.Counter()
    for line in text.splitlines():
        severities, _, messages = line.partition("|")
        for severity, message in zip(severities.split(";"), messages.split(";")):
            if int(severity, 0) >= WARNING:
                found[message] += 1
    return found


@test("tap", "veth", patience=120)
def tshark_finds_no_fault(kind):
    need("tshark", "tcpdump", "curl")
    wire = make_wire(kind)
    server(wire)
    listening = capture(wire)
    root = www()
    for _ in range(20):
        curl("-o", "copy", f"http://{wire.stack}/small")
    curl("-o", "copy", f"http://{wire.stack}/file", "-H", "Range: bytes=0-3000000")
    expect(open("copy", "rb").read(), (root / "file").read_bytes()[:3000001], "the file")
    found = expert(listening, wire)
    print(dict(found))
    expect(dict(found), {}, "expert warnings")


@test("tap", patience=120, ours=True)
def tshark_finds_only_loss_under_loss(kind):
    need("tshark", "tcpdump", "curl")
    wire = make_wire(kind)
    server(wire, faults="loss=1% seed=5")
    listening = capture(wire)
    www()
    for _ in range(5):
        curl("-o", "copy", f"http://{wire.stack}/file", "-H", "Range: bytes=0-1000000")
    found = expert(listening, wire)
    print(dict(found))
    unexplained = {text: count for text, count in found.items() if not OF_LOSS.search(text)}
    expect(unexplained, {}, "expert warnings that loss does not explain")


@test("tap", patience=180)
def nmap_finds_nothing_to_predict(kind):
    need("nmap")
    wire = make_wire(kind)
    server(wire)
    text = sh("nmap", "-n", "-Pn", "-O", "-v", "--osscan-guess", "-p", "80,81", wire.stack, timeout=170)
    print(text)
    expect_true("80/tcp open" in text and "81/tcp closed" in text, "nmap: 80 open, 81 closed")
    difficulty = re.search(r"TCP Sequence Prediction: Difficulty=(\d+)", text)
    expect_true(difficulty is not None and int(difficulty.group(1)) >= 200, "sequence numbers can be predicted")
    identification = re.search(r"IP ID Sequence Generation: (.*)", text)
    expect_true(identification is not None and re.search("All zeros|Randomized|random", identification.group(1)),
                f"IP identifications: {identification and identification.group(1)}")


@test("tap", patience=120)
def nmap_scans_see_what_they_see_on_linux(kind):
    """-sX -sN -sF -sM -sA: a closed port answers RST, an open one drops what is no SYN, RST or ACK."""
    need("nmap")
    wire = make_wire(kind)
    server(wire)
    wanted = {"-sS": ("open", "closed"), "-sX": ("open|filtered", "closed"), "-sN": ("open|filtered", "closed"),
              "-sF": ("open|filtered", "closed"), "-sM": ("closed", "closed"), "-sA": ("unfiltered", "unfiltered")}
    for scan, states in wanted.items():
        text = sh("nmap", "-n", "-Pn", scan, "-p", "80,81", "--max-retries", "1", wire.stack, timeout=60)
        found = tuple(re.search(rf"{port}/tcp\s+(\S+)", text).group(1) for port in (80, 81))
        expect(found, states, f"states of 80 and 81 under {scan}")
    curl("-o", "copy", f"http://{wire.stack}/small")


@test("tap", patience=120, ours=True)
def hping_flood_leaves_the_server_up(kind):
    """A real flood of SYNs from everywhere, LAND packets, and clients in between."""
    need("hping3", "curl")
    wire = make_wire(kind)
    program = server(wire)
    flood = Program(["hping3", "-q", "-S", "--flood", "--rand-source", "-p", "80", wire.stack])
    time.sleep(1)
    for _ in range(10):
        curl("-o", "copy", "--retry", "3", f"http://{wire.stack}/small", timeout=20)
    time.sleep(1)
    flood.stop()
    sh("hping3", "-q", "-S", "-c", "20", "-i", "u1000", "-a", wire.stack, "-s", "80", "-k", "-p", "80", wire.stack,
       check=False)
    counters = statistics(program)
    print({name: counters[name] for name in ("segments_in", "cookies_sent", "cookies_accepted", "half_open")
           if name in counters})
    expect_true(counters["cookies_sent"] > 0, "no cookies were needed: the flood was none")
    curl("-o", "copy", f"http://{wire.stack}/small")
    expect(sha256("copy"), sha256(www() / "small"), "SHA-256 of what is served after the flood")


SCAPY = """
import random, socket, sys
from scapy.all import ICMP, IP, TCP, Raw, fragment
source, target, device, mac = sys.argv[1:]
random.seed(1)
packets = []
for _ in range(1500):
    flags = random.randrange(256)
    tcp = TCP(sport=random.randrange(1, 65536), dport=random.choice([80, 81]), flags=flags, seq=random.getrandbits(32),
              ack=random.getrandbits(32), window=random.getrandbits(16), urgptr=random.getrandbits(16))
    kind = random.randrange(6)
    if kind == 0: tcp.options = [(random.randrange(256), bytes(random.randrange(12)))]
    if kind == 1: tcp.dataofs = random.randrange(16)
    ip = IP(src=source, dst=target, tos=random.randrange(256))
    if kind == 2: ip.ihl = random.randrange(16)
    if kind == 3: ip.len = random.randrange(65536)
    if kind == 4: ip.options = bytes([random.randrange(256) for _ in range(4 * random.randrange(1, 4))])
    packet = ip / tcp / Raw(bytes(random.randrange(200)))
    if kind == 5:
        packets += fragment(packet, fragsize=8 * random.randrange(1, 20))
    packets.append(packet)
packets += [IP(src=source, dst=target) / ICMP(type=random.randrange(20), code=random.randrange(20)) / Raw(bytes(random.randrange(60)))
            for _ in range(200)]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((device, 0))
own = open(f"/sys/class/net/{device}/address").read().strip()
header = bytes.fromhex((mac + own).replace(":", "")) + bytes([8, 0])
sent = 0
for packet in packets:
    frame = header + bytes(packet)
    if len(frame) <= 1514:
        out.send(frame)
        sent += 1
print(sent)
"""


@test("tap", patience=180, ours=True)
def scapy_noise_leaves_the_server_up(kind):
    need("curl")
    python = "/usr/bin/python3"
    probe = sh(python, "-c", "import scapy; print('there')", check=False)
    if "there" not in probe:
        need("scapy")
    wire = make_wire(kind)
    program = server(wire)
    script = WORK / "noise.py"
    script.write_text(SCAPY)
    www()
    curl("-o", "copy", f"http://{wire.stack}/small")
    mac = re.search(r"lladdr (\S+)", sh("ip", "neigh", "show", wire.stack)).group(1)
    text = sh(python, str(script), wire.kernel, wire.stack, wire.name, mac, timeout=150)
    expect_true(int(text.split()[-1]) > 1000, f"scapy sent only {text}")
    curl("-o", "copy", f"http://{wire.stack}/small")
    expect(sha256("copy"), sha256(www() / "small"), "SHA-256 of what is served after the noise")
    expect_true(statistics(program)["segments_in"] > 700, "the noise did not arrive")
