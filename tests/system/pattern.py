# SPDX-License-Identifier: Apache-2.0
"""The pattern of pattern.h and the requests of peer.cc, for the tests' own sockets."""
import struct

PERIOD = 65521


def _table():
    state, out = 12345, bytearray()
    for _ in range(PERIOD):
        state = (state * 1103515245 + 12345) & 0xFFFFFFFF
        out.append((state >> 16) & 0xFF)
    return bytes(out)


TABLE = _table()


def pattern(seed, offset, size):
    at = (seed * 7919 + offset) % PERIOD
    return (TABLE * ((at + size) // PERIOD + 1))[at:at + size]


def request(operation, length=0, seed=0):
    """What a client of `peer serve` sends first; operations: see peer.h."""
    return struct.pack("<4sB3xIIQ", b"PEER", ord(operation), seed, 0, length)


def read_result(data):
    """(bytes received, offset of the first wrong one or None): the answer to operation R."""
    count, wrong = struct.unpack("<QQ", data)
    return count, None if wrong == 2**64 - 1 else wrong
