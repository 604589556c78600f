# SPDX-License-Identifier: Apache-2.0
"""What came of it: tables for people, JSON for programs, and the comparison with an earlier run."""
import json
import pathlib
import statistics

from engine import best_of, short

KEYS = ["short_fin_vs_best_kernel", "short_fin_per_second", "rr64_vs_best_kernel", "pps_vs_memif_floor",
        "short_ticks_both_ends", "rate_kept_at_1m", "idle_connection_bytes", "latency_p50_vs_kernel",
        "latency_p99_vs_kernel", "bulk_vs_kernel", "two_cores_vs_one", "idle_cpu_percent"]


class Results:
    def __init__(self):
        self.rows = []  # (row, found), in order

    def add(self, row, found):
        self.rows.append((row, found))

    def best(self, name, group):
        for row, found in self.rows:
            if row.name == name:
                return best_of(row, found, group)
        return None

    def figure(self, name, group):
        best = self.best(name, group)
        return best.median() if best else None

    def detail(self, name, group, key):
        best = self.best(name, group)
        return best.detail(key) if best else None

    def summary(self, drive):
        """Exactly the keys of KEYS; null: not measured in this run."""
        def ratio(a, b):
            return a / b if a is not None and b else None
        ours, frames = self.figure("rr64", "mtcp"), self.detail("rr64", "mtcp", "frames_per_message")
        one = self.figure("cores", "one")
        if one is not None:  # both CPUs by themselves: their mean
            each = [f.median() for row, found in self.rows if row.name == "cores" for f in found.values()
                    if f.candidate.group == "one" and f.median() is not None]
            one = statistics.mean(each)
        established = "1000000" if self.figure("established", "1000000") else None
        values = {
            "short_fin_vs_best_kernel": ratio(self.figure("short_fin", "mtcp"), self.figure("short_fin", "kernel")),
            "short_fin_per_second": self.figure("short_fin", "mtcp"),
            "rr64_vs_best_kernel": ratio(ours, self.figure("rr64", "kernel")),
            "pps_vs_memif_floor": ratio(ours * frames if ours and frames else None, self.figure("floor", "mtcp")),
            "short_ticks_both_ends": self.figure("ticks", "mtcp"),
            "rate_kept_at_1m": ratio(self.figure("established", "1000000"), self.figure("established", "1000")),
            "idle_connection_bytes": self.detail("established", established, "bytes_each") if established else None,
            "latency_p50_vs_kernel": ratio(self.detail("latency", "kernel", "p50_us"),
                                           self.detail("latency", "mtcp", "p50_us")),
            "latency_p99_vs_kernel": ratio(self.detail("latency", "kernel", "p99_us"),
                                           self.detail("latency", "mtcp", "p99_us")),
            "bulk_vs_kernel": ratio(self.figure("bulk_down", "mtcp"), self.figure("bulk_down", "kernel")),
            "two_cores_vs_one": ratio(self.figure("cores", "two"), one),
            "idle_cpu_percent": self.figure("idle", drive),
        }
        return {key: None if values[key] is None else round(values[key], 4) for key in KEYS}

    def as_json(self):
        return {row.name: {"title": row.title, "unit": row.unit, "better": row.better, "note": row.note,
                           "candidates": {name: {"group": f.candidate.group, "median": f.median(), "void": f.is_void(),
                                                 "samples": f.samples} for name, f in found.items()}}
                for row, found in self.rows}


# ----------------------------------------------------------------------------------------------------------- tables

def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def line_of(found):
    probes = [s[key] for s in found.samples for key in ("probe_before_ns", "probe_after_ns") if s[key]]
    return f"{min(probes):.0f}–{max(probes):.0f}" if probes else ""


def remarks(found):
    words = sorted({s["void"] for s in found.samples if s["void"]} | {s["error"] for s in found.samples if s["error"]})
    text = ("void: " if found.is_void() else "some void: ") + "; ".join(words) + " " if words else ""
    result = next((s["result"] for s in found.samples if s["value"] is not None), {})
    if "p99_us" in result:
        text += f"p99 {found.detail('p99_us'):.3g}, p99.9 {found.detail('p999_us'):.3g} us"
    if "bytes_each" in result:
        text += (f"{found.detail('bytes_each'):.0f} B each (RSS; records: "
                 f"{found.detail('connection_record_bytes'):.0f} connection with its stream, "
                 f"{found.detail('descriptor_record_bytes'):.0f} descriptor with its interest, "
                 f"{found.detail('half_open_record_bytes'):.0f} "
                 f"half-open, {found.detail('time_wait_record_bytes'):.0f} TIME-WAIT)")
    if "frames_each" in result:
        text += f" {found.detail('frames_each'):.2f} frames"
    if isinstance(result.get("time_wait"), dict):
        text += " " + ", ".join(f"{k} {v}" for k, v in result["time_wait"].items() if v)
    if "client_wait_ticks_each" in result:
        text += (f", {found.detail('client_wait_ticks_each'):.0f} in the client's waits, "
                 f"{found.detail('server_wait_ticks_each'):.0f} in the server's, "
                 f"{found.detail('calls_ticks_each'):.0f} application and its other calls")
    if "events_per_wait" in result:
        text += f" {found.detail('events_per_wait'):.1f} events a wait"
    if "messages_per_switch" in result:
        text += f", {found.detail('messages_per_switch'):.1f} messages a switch"
    if "rooms" in result:
        text += ", ".join(f"{room} {count:.0f}" for room, count in sorted(result["rooms"].items(), key=lambda i: -i[1]))
    return text.strip(" ,")[:220]


def row_table(row, found):
    lines = [["contestant", row.unit, "least", "most", "rounds", "line, ns", "remarks"]]
    order = sorted(found.values(), key=lambda f: (f.candidate.group, -(f.median() or 0)))
    for f in order:
        numbers = f.best_numbers()
        lines.append([f"{f.candidate.group} {f.candidate.name}", short(f.median()),
                      short(min(numbers)) if numbers else "–", short(max(numbers)) if numbers else "–",
                      str(len(f.samples)), line_of(f), remarks(f)])
    return f"### {row.name}: {row.title}\n\n{table(lines)}" + (f"\n\n{row.note}" if row.note else "")


def summary_table(summary):
    return table([["key", "value"]] + [[key, "not measured" if value is None else short(value)]
                                       for key, value in summary.items()])


def conditions_table(conditions):
    return table([["condition", ""]] + [[key, str(value)] for key, value in conditions.items()])


# ---------------------------------------------------------------------------------------------------------- comparison

def load_earlier(path):
    """A results folder or its result.json; SystemExit says what is wrong with it."""
    path = pathlib.Path(path)
    file = path / "result.json" if path.is_dir() else path
    try:
        earlier = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"./dev bench: {file} cannot be read: {error}") from None
    if not isinstance(earlier, dict) or not {"conditions", "rows", "summary"} <= earlier.keys():
        raise SystemExit(f"./dev bench: {file} is no result of this benchmark")
    return earlier


# These may differ between two runs that can be compared.
OF_THE_MOMENT = {"load average at the start", "cache line between the CPUs", "time-stamp counter"}


def verdict(row, before, found):
    """A difference within the spread of either run is none, and one sample has no spread."""
    spans = [[s["value"] for s in f["samples"] if s["value"] is not None and (f["void"] or not s["void"])]
             for f in (before, found)]
    if min(len(span) for span in spans) < 2:
        return "one sample"
    if max(spans[0]) >= min(spans[1]) and max(spans[1]) >= min(spans[0]):
        return "within the spread"
    return "better" if (found["median"] > before["median"]) == (row["better"] == "higher") else "WORSE"


def compare(now, earlier):
    """Medians beside each other, whether the difference is one, and what has no figure any more."""
    lines = [["row", "contestant", "earlier", "now", "now/earlier", ""]]
    for name, row in now["rows"].items():
        other = earlier["rows"].get(name, {"candidates": {}})
        for candidate, found in row["candidates"].items():
            before = other["candidates"].get(candidate)
            if not before or not before["median"]:
                continue
            who = [name, f"{found['group']} {candidate}", short(before["median"]), short(found["median"])]
            if found["median"] is None:
                lines.append([*who, "–", "FAILS NOW"])
            else:
                lines.append([*who, f"{found['median'] / before['median']:.2f}", verdict(row, before, found)])
    for key, value in now["summary"].items():
        before = earlier["summary"].get(key)
        if value is not None and before:
            lines.append(["summary", key, short(before), short(value), f"{value / before:.2f}", ""])
    other = [["condition", "earlier", "now"]]
    for key, value in now["conditions"].items():
        before = earlier["conditions"].get(key)
        if before != value and key not in OF_THE_MOMENT:
            other.append([key, str(before), str(value)])
    text = table(lines)
    return text if len(other) == 1 else "The conditions were not the same:\n\n" + table(other) + "\n\n" + text


# ------------------------------------------------------------------------------------------------------ into the documents

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def publish(folder, document):
    """Tables into a document, between its two marks, and the plots beside it."""
    text = document.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{document} has no marks {BEGIN} and {END}")
    plots_folder = document.parent / "plots"
    plots_folder.mkdir(exist_ok=True)
    images = []
    for plot in sorted(folder.glob("*.svg")):
        (plots_folder / plot.name).write_bytes(plot.read_bytes())
        images.append(f"![{plot.stem}](plots/{plot.name})")
    if not (folder / "tables.md").is_file():
        raise SystemExit(f"./dev bench: {folder} is no results folder: it has no tables.md")
    tables = (folder / "tables.md").read_text().split("\n## Compared with", 1)[0]
    tables = tables.replace("# Results\n", "", 1).replace("\n### ", "\n#### ").replace("\n## ", "\n### ").strip()
    head, tail = text.split(BEGIN)[0], text.split(END, 1)[1]
    document.write_text(head + BEGIN + "\n" + tables + "\n\n" + "\n".join(images) + "\n" + END + tail)
