#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/rfc_coverage.md: which code and which test cites each requirement of RFC 9293, and each section of
the other RFCs in docs/requirements/other_rfcs.txt.

A citation is "RFC 9293 MUST-58" (several ids may follow, on the same line) in a comment. It counts for a test
in *_test.cc, tests/, sim/, fuzz/ and *.pkt, else for the code. "Deviation from RFC 9293 SHLD-11" anywhere in
the sources or in docs/decisions/ records that we do otherwise, on purpose.

  rfc_coverage.py            write the table
  rfc_coverage.py --check    fail if the table is stale, if a requirement has neither code and test nor a
                             deviation, or if an RFC of the list has no code or no test
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "rfc_coverage.md"
REQUIREMENTS = ROOT / "docs" / "requirements" / "rfc9293.txt"
OTHERS = ROOT / "docs" / "requirements" / "other_rfcs.txt"

LABEL = re.compile(r"\b(?:MUST|SHLD|MAY|REC)-\d+\b")
OTHER_RFC = re.compile(r"RFC (?!9293)\d+")
# "RFC 7323 §5.2, §5.5"
SECTION = re.compile(r"RFC (\d{3,5})((?:,? (?:and )?§[0-9A-Z]+(?:\.[0-9]+)*)*)")
LEVEL = {"MUST": "must", "SHLD": "should", "MAY": "may", "REC": "should"}


def requirements():
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [field.strip() for field in line.split("|")]


def other_rfcs():
    """(number, title, whether it is to be covered)"""
    for line in OTHERS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            fields = [field.strip() for field in line.split("|")]
            yield int(fields[0]), fields[1], fields[2:] != ["pending"]


def source_files():
    for folder in ("include", "src", "apps", "tools", "sim", "tests", "fuzz"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in {".h", ".cc", ".c", ".pkt", ".py", ".sh"}:
                yield path
    yield from sorted((ROOT / "docs" / "decisions").glob("*.md"))


def is_test(name):
    return name.endswith(("_test.cc", ".pkt")) or "/testing/" in name or name.startswith(("tests/", "sim/", "fuzz/"))


def citations(line):
    """The RFC 9293 labels that a line cites; a label after another RFC's number is not ours."""
    for start in re.finditer(r"RFC 9293", line):
        rest = OTHER_RFC.split(line[start.end():])[0]
        yield from LABEL.findall(rest)


def collect():
    found = {"code": collections.defaultdict(set), "test": collections.defaultdict(set),
             "deviation": collections.defaultdict(set)}
    # number -> section -> files of code, files of tests
    others = collections.defaultdict(lambda: collections.defaultdict(lambda: (set(), set())))
    for path in source_files():
        name = str(path.relative_to(ROOT))
        in_document = path.suffix == ".md"
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if "RFC " not in line:
                continue
            deviates = re.search(r"[Dd]eviation from RFC 9293", line)
            kind = "deviation" if deviates else "test" if is_test(name) else "code"
            if deviates or not in_document:
                for label in citations(line):
                    found[kind][label].add(name)
            if not in_document:
                for number, sections in SECTION.findall(line):
                    if number != "9293":
                        for section in re.findall(r"§([0-9A-Z.]+)", sections) or [""]:
                            others[int(number)][section][is_test(name)].add(name)
    return found, others


def short(names):
    shown = [f"`{name}`" for name in sorted(names)]
    return "<br>".join(shown[:4]) + (f"<br>and {len(shown) - 4} more" if len(shown) > 4 else "")


def order(section):
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in section.split(".")]


def render_others(others):
    """Lines of the tables, and the numbers of those that lack code or a test."""
    lines, missing, listed = [], [], set()
    for number, title, required in other_rfcs():
        listed.add(number)
        sections = others.get(number, {})
        covered = all(any(files[kind] for files in sections.values()) for kind in (0, 1))
        if required and not covered:
            missing.append(number)
        lines += ["", f"### RFC {number}: {title}", ""]
        if not sections:
            lines.append("Not cited.")
            continue
        lines += ["| section | code | tests |", "|---|---|---|"]
        for section, (code, test) in sorted(sections.items(), key=lambda item: order(item[0])):
            lines.append(f"| {'§' + section if section else 'as a whole'} | {short(code)} | {short(test)} |")
    rest = sorted(set(others) - listed)
    lines += ["", "Also cited: " + ", ".join(f"RFC {number}" for number in rest) + "."]
    return lines, missing


def render():
    found, others = collect()
    rows, complete, open_ids = [], 0, []
    listed = list(requirements())
    for label, section, what in listed:
        code, test, deviation = (found[kind][label] for kind in ("code", "test", "deviation"))
        if (code and test) or deviation:
            complete += 1
        else:
            open_ids.append(label)
        rows.append(f"| {label} | {LEVEL[label.split('-')[0]]} | §{section} | {what} | {short(code)} | {short(test)} | "
                    f"{short(deviation)} |")
    known = {row[0] for row in listed}
    cited = set().union(*(set(found[kind]) for kind in found))
    unknown = sorted(cited - known)
    lines = [
        "# RFC coverage", "",
        "Generated by `./dev rfc` from the citations in code and tests; not to be edited.",
        f"RFC 9293: {complete} of {len(listed)} requirements have code and a test, or a recorded deviation.", "",
        "| id | level | section | what | code | tests | deviation |", "|---|---|---|---|---|---|---|", *rows, "",
        "## Other RFCs",
    ]
    other_lines, missing = render_others(others)
    return "\n".join(lines + other_lines + [""]), open_ids, unknown, missing, complete, len(listed)


def main():
    text, open_ids, unknown, missing, complete, total = render()
    status = 0
    if unknown:
        print("rfc: cited, but RFC 9293 has no such requirement:", ", ".join(unknown))
        status = 1
    if "--check" in sys.argv:
        if not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text:
            print("rfc: docs/rfc_coverage.md is stale; ./dev rfc writes it")
            status = 1
        if open_ids:
            print("rfc: neither code and test nor a deviation:", ", ".join(open_ids))
            status = 1
        if missing:
            print("rfc: no code or no test cites:", ", ".join(f"RFC {number}" for number in missing))
            status = 1
    else:
        TABLE.write_text(text, encoding="utf-8")
    print(f"rfc: {complete} of {total} requirements covered")
    return status


if __name__ == "__main__":
    sys.exit(main())
