# SPDX-License-Identifier: Apache-2.0
"""Rounds: every contestant of a row in turn, again and again, with a probe of the machine before and after each."""
import dataclasses
import statistics
import subprocess
import sys
import time

from machine import Trouble

# What a program that hangs, dies or says something else than it should ends in: it costs a sample, not the run.
GOES_WRONG = (Trouble, OSError, LookupError, TypeError, ValueError, ZeroDivisionError, subprocess.SubprocessError)


@dataclasses.dataclass
class Candidate:
    name: str
    group: str  # the contestant that it is one way of running: the best of a group counts
    run: object  # () -> result, a dict
    seconds: float = 2.0  # about how long it takes


@dataclasses.dataclass
class Row:
    name: str
    title: str
    unit: str
    value: object  # result -> number
    candidates: list
    better: str = "higher"
    rounds: int = 3
    keep: int = 1  # of each group go on after the first round; all of them with --full
    two_cores: bool = True
    note: str = ""


@dataclasses.dataclass
class Found:
    """All samples of one candidate."""
    candidate: Candidate
    samples: list = dataclasses.field(default_factory=list)

    def numbers(self, void=False):
        return [s["value"] for s in self.samples if s["value"] is not None and (void or not s["void"])]

    def best_numbers(self):
        """Those that count; void ones only where there are no others."""
        return self.numbers() or self.numbers(void=True)

    def median(self):
        numbers = self.best_numbers()
        return statistics.median(numbers) if numbers else None

    def is_void(self):
        return not self.numbers()

    def detail(self, key):
        found = [s["result"][key] for s in self.samples if s["value"] is not None and key in s["result"]]
        return statistics.median(found) if found else None


class Progress:
    def __init__(self, total, budget=None):
        self.total, self.done, self.begun, self.budget = total, 0.0, time.monotonic(), budget

    def is_late(self):
        """The rest gets one round each, so that a slow machine has a result in time too."""
        return self.budget is not None and time.monotonic() - self.begun > self.budget

    def note(self, expected):
        self.done += expected

    def head(self):
        spent = time.monotonic() - self.begun
        scale = spent / self.done if self.done > 20 else 1.0
        left = max(0, (self.total - self.done) * scale)
        share = min(99, 100 * self.done / self.total) if self.total else 0
        return f"[{share:3.0f} %, {int(left) // 60}:{int(left) % 60:02d} left]"


def short(number):
    """As people read it: 4 digits and a letter."""
    if number is None:
        return "–"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.4g} {letter}"
    return f"{number:.4g}"


def expected_seconds(row, full):
    everything = sum(c.seconds for c in row.candidates)
    if full or row.rounds == 1:
        return everything * row.rounds
    groups = {}
    for candidate in row.candidates:
        groups.setdefault(candidate.group, []).append(candidate.seconds)
    kept = sum(sum(sorted(times)[-row.keep:]) for times in groups.values())
    return everything + kept * (row.rounds - 1)


def look_at_line(machine):
    try:
        return machine.probe()
    except GOES_WRONG:
        return None  # a busy machine: the sample has no such remark


def measure(machine, row, candidate, number, progress, cache):
    """One sample. What goes wrong is written down, and the run goes on."""
    before = look_at_line(machine) if row.two_cores else None
    for _ in range(machine.tries):
        try:
            result = candidate.run()
            value, void, error = row.value(result), result.get("void", ""), ""
            break
        except GOES_WRONG as trouble:
            result, value, void, error = {}, None, "failed", str(trouble) or type(trouble).__name__
    after = look_at_line(machine) if row.two_cores else None
    progress.note(candidate.seconds)
    where = f"  line {before:.0f} → {after:.0f} ns" if before and after else ""
    mark = f"  FAILED: {error}" if error else f"  void: {void}" if void else ""
    print(f"{progress.head()} {row.name:<18} {candidate.group + ' ' + candidate.name:<40} "
          f"{short(value):>9} {row.unit}{where}{mark}", file=sys.stderr, flush=True)
    cache[candidate.name].samples.append({"round": number, "value": value, "void": void, "error": error,
                                          "probe_before_ns": before, "probe_after_ns": after, "result": result})


def elect(row, found, full):
    """Who goes on after the first round."""
    if full or row.rounds == 1:
        return list(row.candidates)
    sign = 1 if row.better == "higher" else -1
    groups = {}
    for candidate in row.candidates:
        groups.setdefault(candidate.group, []).append(candidate)
    kept = []
    for candidates in groups.values():
        good = [c for c in candidates if found[c.name].median() is not None]
        kept += sorted(good, key=lambda c: sign * found[c.name].median(), reverse=True)[:row.keep]
    return [c for c in row.candidates if c in kept]


def run_row(machine, row, full, progress, found):
    """Fills `found`, candidate by candidate: what is there counts, even if the run is interrupted."""
    found.update({candidate.name: Found(candidate) for candidate in row.candidates})
    for candidate in row.candidates:
        measure(machine, row, candidate, 1, progress, found)
    kept = elect(row, found, full)
    for number in range(2, row.rounds + 1):
        for candidate in (kept if number % 2 else reversed(kept)):
            if progress.is_late():
                progress.note(candidate.seconds)
                continue
            measure(machine, row, candidate, number, progress, found)


def best_of(row, found, group):
    """The candidate of a group whose median is best. Void ones take part, so that a figure of others is never lowered by
    leaving their best out; they are marked."""
    candidates = [f for f in found.values() if f.candidate.group == group and f.median() is not None]
    # The first round elected on one sample: those that went on are better known. Rounds are counted, not figures that are
    # good: who has a void or a failed one took part no less.
    most = max((len(f.samples) for f in candidates), default=0)
    known = [f for f in candidates if len(f.samples) == most]
    pick = max if row.better == "higher" else min
    return pick(known, key=lambda f: f.median(), default=None)
