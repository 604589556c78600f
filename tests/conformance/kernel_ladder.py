#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one of our ladders against the kernel, in the network namespace it is started in.

Packets go through a TUN device, calls to the C library. The order of things is the script's; times
are only waited for. Prints the first difference and exits with 1.
"""
import ctypes
import errno
import fcntl
import operator
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time

LOCAL, GATEWAY, REMOTE = "192.168.0.1", "192.168.0.2", "192.0.2.1"
SERVICE_PORT = 8080
REMOTE_ISS = 0xFFFFFC00
GRACE_S = 1.5  # an answer may be that much later than the script says
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128}
MASK = 0xFFFFFFFF
QUIET_S = 0.1  # after the last line


class Difference(Exception):
    pass


def pattern(position, length):
    return bytes((((position + i) * 2654435761) & MASK) >> 24 for i in range(length))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(protocol, payload, source=REMOTE, destination=LOCAL, tos=0):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


class Flow:
    def __init__(self, local_port, remote_port):
        self.local_port, self.remote_port = local_port, remote_port
        self.base = None      # the kernel's initial sequence number
        self.ts_offset = None  # its timestamps minus the script's
        self.ts_sent = {}     # the script's -> the kernel's


class Segment:
    """One of a script's lines, or a packet of the kernel in the same terms."""

    def __init__(self, flags, seq, length, ack=None, window=None, urgent=0, options=(), payload=b""):
        self.flags, self.seq, self.length, self.ack = flags, seq, length, ack
        self.window, self.urgent, self.options, self.payload = window, urgent, options, payload
        self.ip = []  # (name, value) of the IP header that matter

    def __str__(self):
        letters = "".join(letter for letter in "SFRPUEW." if self.flags & FLAGS[letter])
        text = f"{letters} {self.seq}:{self.seq + self.length}({self.length})"
        text += f" ack {self.ack}" if self.flags & FLAGS["."] else ""
        shown = [" ".join(str(word) for word in option) for option in self.options or () if option[0] != "nop"]
        return text + (f" <{','.join(shown)}>" if shown else "")


def parse_options(text):
    options = []
    for word in filter(None, (item.strip() for item in text.split(","))):
        parts = word.split()
        if parts[0] == "TS":
            options.append(("TS", int(parts[2]), int(parts[4])))
        elif parts[0] == "sack":
            options += [("sack", int(pair.split(":")[0]), int(pair.split(":")[1])) for pair in parts[1:]]
        elif parts[0] in ("mss", "wscale"):
            options.append((parts[0], int(parts[1])))
        elif parts[0] == "FO":
            options.append(("FO", "".join(parts[1:])))  # a cookie in hexadecimal, or the wish for one
        elif parts[0] in ("sackOK", "nop", "eol"):
            options.append((parts[0],))
        else:
            raise Difference(f"option {word} is not understood")
    return options


def text_begins(segment):
    """Where in its stream: the SYN takes the first number, also when it brings text (RFC 7413)."""
    return segment.seq - (0 if segment.flags & FLAGS["S"] else 1)


CODEPOINTS = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}  # RFC 3168 §5
SEGMENT = re.compile(r"([SFRPUEW.]+)\s+(\d+):(\d+)\((\d+)\)(?:\s+ack\s+(\d+))?(?:\s+win\s+(\d+))?(?:\s+urg\s+(\d+))?"
                     r"(?:\s*<(.*)>)?\s*$")


def parse_segment(text):
    brackets = re.match(r"\[(.*?)\]\s*", text)
    if brackets:  # [tos 0x10,ttl 5] [ect0]
        segment = parse_segment(text[brackets.end():])
        for word in brackets.group(1).split(","):
            name, *value = word.split()
            segment.ip.append((name, int(value[0], 0)) if value else ("ecn", CODEPOINTS[name]))
        return segment
    found = SEGMENT.match(text)
    if not found:
        raise Difference(f"not understood: {text}")
    letters, seq, _, length, ack, window, urgent, options = found.groups()
    flags = sum(FLAGS[letter] for letter in letters)
    wild = options == "..."
    return Segment(flags, int(seq), int(length), int(ack or 0), int(window or 0), int(urgent or 0),
                   None if wild else parse_options(options or ""))


class Network:
    def __init__(self):
        for command in ("ip link set lo up", "ip tuntap add tun0 mode tun", f"ip address add {LOCAL}/16 dev tun0"):
            subprocess.run(command.split(), check=True)
        self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.device, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF, TUN without info
        for command in ("ip link set tun0 up", f"ip route add {REMOTE}/32 via {GATEWAY} dev tun0"):
            subprocess.run(command.split(), check=True)
        self.flow = Flow(SERVICE_PORT, 40001)
        self.backlog = []

    def raw(self, deadline):
        """The next TCP packet of the kernel, or None."""
        while not self.backlog:
            ready, _, _ = select.select([self.device], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                return None
            packet = os.read(self.device, 65536)
            if packet[0] >> 4 == 4 and packet[9] == 6:
                self.backlog.append(packet)
        return self.backlog.pop(0)

    def receive(self, deadline):
        packet = self.raw(deadline)
        return None if packet is None else self.decode(packet)

    def decode(self, packet):
        tcp = packet[(packet[0] & 15) * 4:]
        source, destination, seq, ack, offset, flags, window, _, urgent = struct.unpack("!HHIIBBHHH", tcp[:20])
        flow, header = self.flow, offset >> 4 << 2
        flow.local_port, flow.remote_port = source, destination
        if flags & FLAGS["S"]:
            flow.base = seq
        base = flow.base if flow.base is not None else 0
        options, raw = [], tcp[20:header]
        while raw and raw[0] != 0:
            if raw[0] == 1:
                raw = raw[1:]
                continue
            kind, body, raw = raw[0], raw[2:raw[1]], raw[raw[1]:]
            if kind == 2:
                options.append(("mss", struct.unpack("!H", body)[0]))
            elif kind == 3:
                options.append(("wscale", body[0]))
            elif kind == 4:
                options.append(("sackOK",))
            elif kind == 5:
                options += [("sack", (begin - REMOTE_ISS) & MASK, (end - REMOTE_ISS) & MASK)
                            for begin, end in struct.iter_unpack("!II", body)]
            elif kind == 34:
                options.append(("FO", body.hex()))
            elif kind == 8:
                options.append(("TS", *struct.unpack("!II", body)))
        payload = tcp[header:]
        ack = (ack - REMOTE_ISS) & MASK if flags & FLAGS["."] else 0
        # A reset without ACK takes its number from the segment that it answers.
        known = flow.base is not None or flags & FLAGS["S"]
        segment = Segment(flags, (seq - base) & MASK if known else seq, len(payload), ack, window, urgent, options,
                          payload)
        segment.ip = [("tos", packet[1]), ("ttl", packet[8]), ("ecn", packet[1] & 3)]
        return segment

    def inject(self, segment):
        flow = self.flow
        if segment.flags & FLAGS["S"] and not segment.flags & FLAGS["."] and segment.seq == 0 and flow.base is None:
            flow.base = None
        options = b""
        for option in segment.options:
            if option[0] == "nop":
                options += b"\1"
            elif option[0] == "eol":
                options += b"\0"
            elif option[0] == "mss":
                options += struct.pack("!BBH", 2, 4, option[1])
            elif option[0] == "wscale":
                options += struct.pack("!BBB", 3, 3, option[1])
            elif option[0] == "sackOK":
                options += b"\4\2"
            elif option[0] == "FO":
                cookie = bytes.fromhex(option[1])
                options += struct.pack("!BB", 34, 2 + len(cookie)) + cookie
            elif option[0] == "TS":
                echo = flow.ts_sent.get(option[2], option[2] + flow.ts_offset if flow.ts_offset is not None else option[2])
                options += struct.pack("!BBII", 8, 10, option[1] & MASK, echo & MASK)
        blocks = [option for option in segment.options if option[0] == "sack"]
        if blocks:
            options += struct.pack("!BB", 5, 2 + 8 * len(blocks))
            options += b"".join(struct.pack("!II", (b + self.base()) & MASK, (e + self.base()) & MASK)
                                for _, b, e in blocks)
        options += b"\0" * (-len(options) % 4)
        ack = (segment.ack + self.base()) & MASK if segment.flags & FLAGS["."] else 0
        header = struct.pack("!HHIIBBHHH", flow.remote_port, flow.local_port, (segment.seq + REMOTE_ISS) & MASK, ack,
                             (20 + len(options)) // 4 << 4, segment.flags, segment.window & 0xFFFF, 0, segment.urgent)
        tcp = header + options + pattern(text_begins(segment), segment.length)
        pseudo = socket.inet_aton(REMOTE) + socket.inet_aton(LOCAL) + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        wanted = dict(segment.ip)
        os.write(self.device, ip_packet(6, tcp, tos=wanted.get("tos", wanted.get("ecn", 0))))

    def base(self):
        return self.flow.base or 0

    def inject_icmp(self, text):
        codes = {"net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3,
                 "frag_needed": 4}
        found = re.match(r"unreachable (\w+)(?: mtu (\d+))? \[(\d+):\d+\((\d+)\)\]", text)
        if not found:
            raise Difference(f"not understood: icmp {text}")
        code, mtu, seq, length = found.groups()
        quoted = struct.pack("!HHI", self.flow.local_port, self.flow.remote_port, (int(seq) + self.base()) & MASK)
        inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + int(length), 0, 0x4000, 64, 6, 0, socket.inet_aton(LOCAL),
                            socket.inet_aton(REMOTE))
        inner = inner[:10] + struct.pack("!H", checksum(inner)) + inner[12:]
        message = struct.pack("!BBHHH", 3, codes[code], 0, 0, int(mtu or 0)) + inner + quoted
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        os.write(self.device, ip_packet(1, message, source=GATEWAY))


def split_arguments(text):
    arguments, depth, begin = [], 0, 0
    for i, letter in enumerate(text + ","):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            arguments.append(text[begin:i].strip())
            begin = i + 1
    return [argument for argument in arguments if argument]


CONSTANTS = {name: getattr(module, name) for module in (socket, select, os, fcntl) for name in dir(module)
             if name.isupper() and isinstance(getattr(module, name), int)}
CONSTANTS |= {"SOL_TCP": 6, "TCP_USER_TIMEOUT": 18, "SIOCINQ": 0x541B, "FIONREAD": 0x541B, "SIOCOUTQ": 0x5411,
              "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3, "TCP_CONGESTION": 13,
              "TCP_FASTOPEN": 23, "TCP_NOTSENT_LOWAT": 25, "TCP_FASTOPEN_CONNECT": 30, "MSG_FASTOPEN": 0x20000000}


def number(text):
    text = text.strip().strip("[]")
    if text in errno.errorcode.values():
        return getattr(errno, text)
    return sum({int(word, 0) if re.match(r"-?\d|0x", word) else CONSTANTS[word] for word in re.split(r"\s*\|\s*", text)})


# assert tcpi_rto == 200, assert (tcpi_options & TCPI_OPT_SACK) != 0; behind a comma is what Python shows when it fails.
ASSERT = re.compile(r"assert\s*(?:\(\s*tcpi_(\w+)\s*&\s*(\w+)\s*\)|\stcpi_(\w+))\s*(==|!=|<=|>=|<|>)\s*(\d+)"
                    r"\s*(?:$|[,;\n}])")
RELATIONS = {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt,
             ">": operator.gt}
# Where the fields of struct tcp_info lie: bytes before the eighth, then words.
INFO_FIELDS = {"state": 0, "ca_state": 1, "retransmits": 2, "probes": 3, "backoff": 4, "options": 5, "rto": 8,
               "snd_mss": 16, "unacked": 24, "sacked": 28, "lost": 32, "retrans": 36, "rtt": 68, "snd_ssthresh": 76,
               "snd_cwnd": 80, "advmss": 84, "total_retrans": 100}
INFO_FLAGS = {"TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8,
              "TCPI_OPT_ECN_SEEN": 16, "TCPI_OPT_SYN_DATA": 32}
OF_TIME = ("rto", "rtt")  # known, and not compared


class Calls:
    """The socket calls of a script; descriptors by the script's numbers."""

    def __init__(self):
        self.sockets, self.read_at, self.written_at = {}, {}, {}
        self.latest = None

    def run(self, name, arguments, expected):
        try:
            value = getattr(self, "do_" + name)(*arguments, expected=expected)
            return value, 0
        except OSError as error:
            return -1, error.errno

    def add(self, made, expected):
        at = int(expected)
        self.sockets[at] = made
        self.read_at[at] = self.written_at[at] = 0
        return at

    def of(self, fd):
        return self.sockets[int(fd)]

    def do_socket(self, _domain, kind, _protocol, expected):
        made = socket.socket(socket.AF_INET, number(kind))
        made.setsockopt(socket.IPPROTO_TCP, 13, b"reno")  # the namespace's default is the machine's
        return self.add(made, expected)

    def do_bind(self, fd, *_, expected):
        self.of(fd).bind((LOCAL, SERVICE_PORT))
        return 0

    def do_listen(self, fd, backlog, expected):
        self.of(fd).listen(number(backlog))
        return 0

    def do_accept(self, fd, *_, expected):
        made, _ = self.of(fd).accept()
        made.setblocking(True)
        self.latest = made
        return self.add(made, expected)

    def do_connect(self, fd, family, *_, expected):
        self.latest = self.of(fd)
        if family.strip() == "AF_UNSPEC":  # which Python cannot say
            nobody = bytes(16)
            if ctypes.CDLL(None, use_errno=True).connect(self.latest.fileno(), nobody, len(nobody)) != 0:
                raise OSError(ctypes.get_errno(), "connect")
            return 0
        self.of(fd).connect((REMOTE, SERVICE_PORT))
        return 0

    def do_close(self, fd, expected):
        made = self.sockets.pop(int(fd))
        made.close()
        return 0

    def do_shutdown(self, fd, how, expected):
        self.of(fd).shutdown(number(how))
        return 0

    def do_read(self, fd, _buffer, size, expected, flags=0):
        data = self.of(fd).recv(number(size), flags)
        if data != pattern(self.read_at[int(fd)], len(data)):
            raise Difference("other bytes were read than were sent")
        if not flags & socket.MSG_PEEK:
            self.read_at[int(fd)] += len(data)
        return len(data)

    def do_recv(self, fd, buffer, size, flags, expected):
        return self.do_read(fd, buffer, size, expected, number(flags))

    def do_write(self, fd, _buffer, size, expected, flags=0):
        at = self.written_at[int(fd)]
        sent = self.of(fd).send(pattern(at, number(size)), flags | socket.MSG_NOSIGNAL)
        self.written_at[int(fd)] += sent
        return sent

    def do_send(self, fd, buffer, size, flags, expected):
        return self.do_write(fd, buffer, size, expected, number(flags))

    def do_sendto(self, fd, _buffer, size, flags, *_, expected):
        self.latest = self.of(fd)
        data = pattern(self.written_at[int(fd)], number(size))
        sent = self.of(fd).sendto(data, number(flags) | socket.MSG_NOSIGNAL, (REMOTE, SERVICE_PORT))
        self.written_at[int(fd)] += sent
        return sent

    def do_fcntl(self, fd, command, flags="0", expected=None):
        return fcntl.fcntl(self.of(fd), number(command), number(flags))

    def do_ioctl(self, fd, request, value, expected):
        answer = struct.unpack("i", fcntl.ioctl(self.of(fd), number(request), struct.pack("i", 0)))[0]
        if answer != number(value):
            raise Difference(f"ioctl tells {answer}")
        return 0

    def do_setsockopt(self, fd, level, name, value, *_, expected):
        if value.startswith("{"):
            words = [int(word) for word in re.findall(r"=(\d+)", value)]
            self.of(fd).setsockopt(number(level), number(name), struct.pack("ii", *words))
        else:
            self.of(fd).setsockopt(number(level), number(name), number(value))
        return 0

    def do_getsockopt(self, fd, level, name, value, *_, expected):
        answer = self.of(fd).getsockopt(number(level), number(name))
        if answer != number(value):
            raise Difference(f"getsockopt tells {errno.errorcode.get(answer, answer)}")
        return 0

    def do_poll(self, entries, _count, timeout, expected):
        fd, wanted, found = re.match(r"\[\{fd=(\d+), events=([\w|]+), revents=([\w|]+)\}\]", entries).groups()
        poll = select.poll()
        poll.register(self.of(fd), number(wanted))
        events = poll.poll(number(timeout))
        bits = events[0][1] if events else 0
        if bits != number(found):
            raise Difference(f"poll tells {bits:#x}")
        return len(events)

    def do_epoll_create(self, _size, expected):
        return self.add(select.epoll(), expected)

    def do_epoll_ctl(self, epoll, operation, fd, event, expected):
        bits = number(re.match(r"\{events=([\w|]+)", event).group(1))
        calls = {1: "register", 3: "modify"}
        if number(operation) == 2:
            self.of(epoll).unregister(self.of(fd))
        else:
            getattr(self.of(epoll), calls[number(operation)])(self.of(fd), bits)
        return 0

    def do_epoll_wait(self, epoll, event, _count, timeout, expected):
        time.sleep(0.02)  # the kernel's events come in another context
        events = self.of(epoll).poll(number(timeout) / 1000, 1)
        bits = events[0][1] if events else 0
        wanted = number(re.match(r"\{events=([\w|]+)", event).group(1))
        if bits != wanted:
            raise Difference(f"epoll_wait tells {bits:#x}, not {wanted:#x}")
        return len(events)

    def check_code(self, text):
        """`assert tcpi_...`; one that is not understood is a difference."""
        try:
            info = self.latest.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 248)
        except (AttributeError, OSError):
            raise Difference("there is no TCP_INFO") from None
        for begin in re.finditer(r"\bassert\b", text):
            check_assert(text[begin.start():], info)


def check_assert(text, info):
    found = ASSERT.match(text)
    if not found:
        raise Difference(f"not understood: {text.splitlines()[0]}")
    masked, flag, plain, relation, bound = found.groups()
    name = masked or plain
    if name not in INFO_FIELDS or flag and flag not in INFO_FLAGS:
        raise Difference(f"not understood: {found.group()}")
    if name in OF_TIME:
        return
    value = struct.unpack_from("B" if INFO_FIELDS[name] < 8 else "I", info, INFO_FIELDS[name])[0]
    if not RELATIONS[relation](value & INFO_FLAGS[flag] if flag else value, int(bound)):
        raise Difference(f"tcpi_{name} is {value}, not {relation} {bound}")


NUMBER = r"(\+?\d*\.?\d+)"
LINE = re.compile(rf"\s*(?:{NUMBER}(?:~{NUMBER})?(?:\.\.\.{NUMBER})?|(\*))\s+(.*)$")
CALL = re.compile(r"(\w+)\((.*)\)\s*=\s*(-?\w+|\.\.\.)(?:\s+(E\w+))?.*$")


class Runner:
    def __init__(self, script):
        self.text = re.sub(r"/\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.S)
        self.folder = script.parent
        self.network, self.calls = Network(), Calls()
        self.base = time.monotonic()
        self.start = self.base
        self.blocked = None

    def shell(self, commands):
        subprocess.run(["sh", "-c", commands], cwd=self.folder, check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def run(self):
        for commands in re.findall(r"`([^`]*)`", self.text):
            self.shell(commands)
        body = re.sub(r"`[^`]*`", "", self.text)
        self.start = self.base = time.monotonic()
        for at, line in enumerate(body.splitlines(), 1):
            line = re.sub(r"//.*", "", line)
            if not line.strip() or line.startswith("--"):
                continue
            try:
                self.step(line)
            except Difference as difference:
                raise Difference(f"{line.strip()}: {difference}") from None
        self.join()
        self.expect_nothing()

    def step(self, line):
        found = LINE.match(line)
        if not found:
            raise Difference("not understood")
        begin, until, end, any_time, what = found.groups()
        relative = any_time or begin.startswith("+")
        origin = self.base if relative else self.start
        moment = origin + (0 if any_time else float(begin))
        if what.startswith(">"):
            latest = origin + (30 if any_time else float(until or begin)) + GRACE_S
            self.expect(parse_segment(what[1:].strip()), latest)
        else:
            time.sleep(max(0, moment - time.monotonic()))
            if what.startswith("<"):
                self.inject(what[1:].strip())
            elif what.startswith("%{"):
                self.calls.check_code(what)
            else:
                self.call(what, end is not None)
        self.base = time.monotonic()

    def inject(self, what):
        if what.startswith("icmp"):
            self.network.inject_icmp(what[4:].strip())
        else:
            self.network.inject(parse_segment(what))

    def call(self, what, blocks):
        found = CALL.match(what)
        if not found:
            raise Difference("not understood")
        name, arguments, result, error = found.groups()
        self.join()

        def act():
            try:
                value, code = self.calls.run(name, split_arguments(arguments), result)
                wanted = None if result == "..." else number(result)
                if wanted is not None and value != wanted or error and errno.errorcode.get(code) != error:
                    outcome.append(f"answered {value} {errno.errorcode.get(code, '')}")
            except Difference as difference:
                outcome.append(str(difference))
            except Exception as fault:  # pylint: disable=broad-except  # of this program: no agreement either
                outcome.append(f"{type(fault).__name__}: {fault}")

        outcome = []
        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        self.blocked = (what, thread, outcome)
        if not blocks:
            self.join()

    def join(self):
        if self.blocked is None:
            return
        what, thread, outcome = self.blocked
        self.blocked = None
        thread.join(10)
        if thread.is_alive():
            raise Difference(f"{what}: the call does not return")
        if outcome:
            raise Difference(f"{what}: {outcome[0]}")

    def expect(self, want, latest):
        seen = self.network.receive(latest)
        if seen is None:
            raise Difference("nothing came")
        while 0 < seen.length < want.length:  # cut elsewhere: joined, as packetdrill does
            more = self.network.receive(time.monotonic() + 0.3)
            if more is None or more.seq != seen.seq + seen.length:
                raise Difference(f"{seen} came, and then {more}")
            more.length, more.payload, more.seq = seen.length + more.length, seen.payload + more.payload, seen.seq
            seen = more
        self.compare(want, seen)

    def expect_nothing(self):
        """After the last line: what the kernel sends at once, and no line names."""
        end = time.monotonic() + QUIET_S
        extra = self.network.receive(end)
        # (Seen later, on a busy machine, it may be a time-out that was due later.)
        if extra is not None and time.monotonic() <= end + QUIET_S / 2:
            raise Difference(f"nobody expected {extra}")

    def compare(self, want, seen):
        if seen.flags & FLAGS["R"] and not seen.flags & FLAGS["."]:
            same_number = (want.seq, (want.seq + self.network.base()) & MASK)
        else:
            same_number = (want.seq,)
        wrong = seen.flags != want.flags or seen.seq not in same_number or seen.length != want.length
        wrong = wrong or want.flags & FLAGS["."] and seen.ack != want.ack or want.urgent != seen.urgent
        wrong = wrong or any(field not in seen.ip for field in want.ip)
        if wrong or want.options is not None and not self.same_options(want.options, seen.options):
            raise Difference(f"{seen} came")
        if seen.payload and seen.payload != pattern(text_begins(seen), seen.length):
            raise Difference("other bytes were sent than were written")

    def same_options(self, want, seen):
        flow = self.network.flow
        want = [option for option in want if option[0] not in ("nop", "eol")]
        if [option[0] for option in want] != [option[0] for option in seen]:
            return False
        for wanted, live in zip(want, seen):
            if wanted[0] == "TS":
                if flow.ts_offset is None:
                    flow.ts_offset = live[1] - wanted[1]
                flow.ts_sent[wanted[1]] = live[1]
                if wanted[2] != live[2]:
                    return False
            elif wanted != live:
                return False
        return True


def main():
    try:
        Runner(pathlib.Path(sys.argv[1])).run()
    except Difference as difference:
        print(difference)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a call may still block
