#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of the kernel itself: it must be able to find a difference. Needs no root and no device."""
import struct
import sys
import unittest

sys.dont_write_bytecode = True

import kernel_ladder  # noqa: E402
from kernel_ladder import Calls, Difference, Runner, Segment, check_assert  # noqa: E402


def info(options=0, snd_mss=0):
    made = bytearray(104)
    made[5] = options
    struct.pack_into("I", made, 16, snd_mss)
    return bytes(made)


class Quiet:
    """A network on which these packets come."""

    def __init__(self, *packets):
        self.packets = list(packets)

    def receive(self, _deadline):
        return self.packets.pop(0) if self.packets else None


def runner(calls=None, network=None):
    made = Runner.__new__(Runner)  # without a device
    made.calls, made.network, made.blocked = calls or Calls(), network or Quiet(), None
    return made


class Asserts(unittest.TestCase):
    def test_fields_are_compared(self):
        check_assert("assert tcpi_snd_mss == 1000, tcpi_snd_mss", info(snd_mss=1000))
        for relation in ("!= 1000", "< 1000", "> 1000", "<= 999", ">= 1001", "== 999"):
            with self.assertRaisesRegex(Difference, "tcpi_snd_mss is 1000", msg=relation):
                check_assert(f"assert tcpi_snd_mss {relation}, tcpi_snd_mss", info(snd_mss=1000))

    def test_single_options_are_compared(self):
        check_assert("assert (tcpi_options & TCPI_OPT_SYN_DATA) != 0, tcpi_options", info(options=32))
        check_assert("assert (tcpi_options & TCPI_OPT_SYN_DATA) == 0", info(options=31))
        with self.assertRaises(Difference):
            check_assert("assert (tcpi_options & TCPI_OPT_SYN_DATA) == 0", info(options=32))

    def test_what_is_not_understood_is_a_difference(self):
        for text in ("assert tcpi_no_such_field == 0", "assert tcpi_snd_mss == 0 and tcpi_options == 0", "assert True",
                     "assert (tcpi_options & TCPI_OPT_NO_SUCH) == 0"):
            with self.assertRaisesRegex(Difference, "not understood", msg=text):
                check_assert(text, info())

    def test_no_connection_is_a_difference(self):
        with self.assertRaisesRegex(Difference, "no TCP_INFO"):
            Calls().check_code("%{ assert tcpi_snd_mss == 0 }%")


class Steps(unittest.TestCase):
    def test_faults_in_a_call_are_differences(self):
        for call in ("no_such_call(3) = 0", "close(99) = 0", "listen(3) = 0"):
            with self.assertRaisesRegex(Difference, "Error", msg=call):
                runner().call(call, False)

    def test_a_packet_after_the_last_line_is_a_difference(self):
        runner().expect_nothing()
        extra = Segment(kernel_ladder.FLAGS["R"], 1, 0)
        with self.assertRaisesRegex(Difference, "nobody expected R 1:1"):
            runner(network=Quiet(extra)).expect_nothing()


if __name__ == "__main__":
    unittest.main()
