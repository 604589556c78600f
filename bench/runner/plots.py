# SPDX-License-Identifier: Apache-2.0
"""Plots by gnuplot: each as SVG and PNG."""
import shutil
import subprocess

from engine import best_of, short

COLOURS = {"mtcp": "#0b6fb8", "kernel": "#b0b0b0", "mtcp_trusted": "#7fbce6"}


def gnuplot(folder, name, body, size=(760, 420)):
    for terminal, suffix in (("svg", "svg"), ("pngcairo", "png")):
        head = f"set terminal {terminal} noenhanced size {size[0]},{size[1]} font 'sans,12' background '#ffffff'\n" \
               f"set output '{folder / name}.{suffix}'\n"
        done = subprocess.run(["gnuplot"], input=head + body, text=True, capture_output=True)
        if done.returncode != 0:
            return f"gnuplot: {done.stderr.strip()[:200]}"
    return ""


def bars(folder, name, title, unit, entries, logarithmic=True):
    """entries: (label, value, colour)"""
    entries = [entry for entry in entries if entry[1]]
    if not entries:
        return ""
    most, least = max(e[1] for e in entries), min(e[1] for e in entries)
    lines = [f"set title '{title}'", f"set ylabel '{unit}'", "set style fill solid noborder", "set boxwidth 0.7",
             "set grid ytics lc '#dddddd'", "set key off", "set format y '%.0s %c'", "set xtics rotate by -20",
             f"set xrange [-0.6:{len(entries) - 0.4}]", "set border 3", "set tics nomirror"]
    if logarithmic and most > 8 * least:
        lines += ["set logscale y", f"set yrange [{least / 3}:{most * 3}]"]
    else:
        lines.append(f"set yrange [0:{most * 1.2}]")
    lines.append("$data << END")
    lines += [f'{i} {value} "{label}" {int(colour[1:], 16)} "{short(value)}"'
              for i, (label, value, colour) in enumerate(entries)]
    lines += ["END", "plot $data using 1:2:4:xtic(3) with boxes lc rgb variable, $data using 1:2:5 with labels offset 0,0.8"]
    return gnuplot(folder, name, "\n".join(lines) + "\n")


def curve(folder, name, title, x, unit, series):
    """series: {name: [(x, y)]}"""
    series = {label: points for label, points in series.items() if len(points) > 1}
    if not series:
        return ""
    lines = [f"set title '{title}'", f"set xlabel '{x}'", f"set ylabel '{unit}'", "set logscale xy",
             "set format y '%.0s %c'", "set format x '%.0s %c'", "set grid lc '#dddddd'", "set key top left",
             "set border 3", "set tics nomirror"]
    plots = []
    for i, (label, points) in enumerate(series.items()):
        lines += [f"$d{i} << END", *(f"{a} {b}" for a, b in points), "END"]
        plots.append(f"$d{i} using 1:2 with linespoints lw 2 pt 7 lc rgb '{COLOURS.get(label, '#555555')}' title '{label}'")
    lines.append("plot " + ", ".join(plots))
    return gnuplot(folder, name, "\n".join(lines) + "\n")


def contest(folder, results, names, file, title, unit):
    entries = []
    for row, found in results.rows:
        if row.name not in names:
            continue
        for group in ("mtcp", "kernel"):
            best = best_of(row, found, group)
            if best:
                entries.append((f"{names[row.name]} {group}", best.median(), COLOURS[group]))
    return bars(folder, file, title, unit, entries)


def kernel_modes(folder, results, name):
    """Our stack beside every way in which the kernel was used: the best concurrency of each."""
    for row, found in results.rows:
        if row.name != name:
            continue
        best = {}
        for f in found.values():
            label = f.candidate.name.rsplit(" c=", 1)[0]
            value = f.median()
            if value and value > best.get((f.candidate.group, label), 0):
                best[(f.candidate.group, label)] = value
        entries = [(label, value, COLOURS.get(group, "#555555"))
                   for (group, label), value in sorted(best.items(), key=lambda item: -item[1])]
        return bars(folder, f"{name}_modes", row.title, row.unit, entries)
    return ""


def draw(folder, results):
    if shutil.which("gnuplot") is None:
        return ["gnuplot is not installed: no plots"]
    problems = [
        kernel_modes(folder, results, "short_fin"), kernel_modes(folder, results, "rr64"),
        contest(folder, results, {"short_fin": "FIN by client", "short_fin_server": "FIN by server",
                                  "short_reset": "reset"}, "short", "Short connections, one server core", "connections/s")]
    counts, series = {"short_fin": 1, **{f"messages_{n}": n for n in (2, 8, 32, 128)}}, {}
    sizes = []
    for row, found in results.rows:
        if row.name in counts:
            for group in ("mtcp", "kernel"):
                best = best_of(row, found, group)
                if best:
                    series.setdefault(group, []).append((counts[row.name], best.median()))
        if row.name in ("established", "established_10m"):
            sizes += [(int(f.candidate.group), f.median()) for f in found.values() if f.median()]
    problems.append(curve(folder, "messages", "Messages per connection", "messages on each connection", "messages/s",
                          series))
    problems.append(curve(folder, "established", "64 B requests over all of so many established connections",
                          "connections", "requests/s", {"mtcp": sizes}))
    return [problem for problem in problems if problem]
