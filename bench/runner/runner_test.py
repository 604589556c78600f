#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the runner makes of samples, without measuring anything."""
import contextlib
import io
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import engine  # noqa: E402
import results  # noqa: E402
from engine import Candidate, Found, Progress, Row  # noqa: E402


def sample(value, void=""):
    return {"value": value, "void": void, "error": "", "result": {}, "probe_before_ns": None, "probe_after_ns": None}


def found_of(name, *samples, group="kernel"):
    return Found(Candidate(name, group, None), list(samples))


def row_of(*candidates, better="higher", rounds=1):
    return Row("row", "title", "/s", lambda result: result["value"], list(candidates), better=better, rounds=rounds)


def whole_of(*found, better="higher", conditions=()):
    outcome = results.Results()
    outcome.add(row_of(better=better), {f.candidate.name: f for f in found})
    return {"conditions": dict(conditions), "rows": outcome.as_json(), "summary": {}}


def quietly(call, *arguments):
    with contextlib.redirect_stderr(io.StringIO()):
        return call(*arguments)


class Samples(unittest.TestCase):
    def test_nothing_that_goes_wrong_with_one_sample_ends_the_run(self):
        def fail(error):
            raise error
        for error in (subprocess.TimeoutExpired("valgrind", 300), ValueError("no JSON"), KeyError("value"), OSError("gone"),
                      TypeError("null"), IndexError("no line")):
            candidates = [Candidate("bad", "mtcp", lambda e=error: fail(e)), Candidate("good", "mtcp", lambda: {"value": 7})]
            machine = types.SimpleNamespace(tries=1, probe=lambda e=error: fail(e))
            row, found = row_of(*candidates, rounds=2), {}
            quietly(engine.run_row, machine, row, False, Progress(1), found)
            self.assertIsNone(found["bad"].median())
            self.assertEqual(found["good"].median(), 7)

    def test_void_counts_only_where_there_is_no_other(self):
        self.assertEqual(found_of("a", sample(9, "idle"), sample(5), sample(6)).median(), 5.5)
        self.assertEqual(found_of("a", sample(9, "idle"), sample(7, "idle")).median(), 8)

    def test_one_void_sample_does_not_take_the_best_way_out(self):
        best = found_of("best", sample(100), sample(90, "idle"), sample(102))
        other = found_of("other", sample(50), sample(51), sample(52))
        row = row_of(best.candidate, other.candidate)
        self.assertIs(engine.best_of(row, {"best": best, "other": other}, "kernel"), best)

    def test_who_went_on_is_better_known(self):
        lucky = found_of("lucky", sample(100))
        known = found_of("known", sample(90), sample(91))
        row = row_of(lucky.candidate, known.candidate)
        self.assertIs(engine.best_of(row, {"lucky": lucky, "known": known}, "kernel"), known)


class Comparison(unittest.TestCase):
    def last_cell(self, earlier, now, better="higher"):
        text = results.compare(whole_of(now, better=better), whole_of(earlier, better=better))
        return text.splitlines()[-1].split("|")[-2].strip()

    def test_verdicts(self):
        slow, fast = found_of("a", sample(10), sample(11)), found_of("a", sample(20), sample(21))
        wide, once = found_of("a", sample(5), sample(15)), found_of("a", sample(30))
        self.assertEqual(self.last_cell(slow, fast), "better")
        self.assertEqual(self.last_cell(fast, slow), "WORSE")
        self.assertEqual(self.last_cell(slow, fast, "lower"), "WORSE")
        self.assertEqual(self.last_cell(slow, wide), "within the spread")
        self.assertEqual(self.last_cell(slow, once), "one sample")

    def test_void_samples_are_no_spread_of_a_median_without_them(self):
        now = found_of("a", sample(10, "idle"), sample(20), sample(21))
        self.assertEqual(self.last_cell(found_of("a", sample(10), sample(11)), now), "better")

    def test_what_has_no_figure_any_more_is_told(self):
        self.assertEqual(self.last_cell(found_of("a", sample(10)), found_of("a", sample(None, "failed"))), "FAILS NOW")

    def test_other_conditions_are_told(self):
        one = found_of("a", sample(1))
        text = results.compare(whole_of(one, conditions={"build": "fast", "load average at the start": "1"}),
                               whole_of(one, conditions={"build": "release", "load average at the start": "2"}))
        self.assertIn("| build", text)
        self.assertNotIn("load average", text)

    def test_what_is_no_result_is_refused_in_a_line(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "result.json"
            with self.assertRaises(SystemExit):
                results.load_earlier(folder)
            for text in ("", "{}", "[]", '{"rows": {}}'):
                file.write_text(text)
                with self.assertRaises(SystemExit):
                    results.load_earlier(folder)


if __name__ == "__main__":
    unittest.main()
