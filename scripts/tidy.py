#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that no compiler checks: sizes, names, words, licence lines, links of the documents.

Problems fail the run. Functions longer than a screen are listed, and fail it with --strict.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

CODE = {".h", ".cc", ".c"}
SCRIPTS = {".py", ".sh", ".cmake"}
LINE_LENGTH = 100
FILE_LINES = 600
FUNCTION_LINES = 70

BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|\.|$)")
BANNED_WORDS = [
    (re.compile(r"^\s*#\s*if\s+0\b"), "#if 0: delete the code, git remembers it"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "unfinished work belongs into the issue list, not into a file"),
    (re.compile(r"(?<![\w.])/(home|root|work|Users)/\w"), "absolute path of one machine"),
    (re.compile(r"(?i)(?<!user[- ])(?<!user)\b(sub-?)?agents?\b"), "who wrote it is not the reader's matter"),
    (re.compile(r"\bby (an? )?(AI|LLM)\b"), "who wrote it is not the reader's matter"),
]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# Files that quote what they forbid.
SELF = {"scripts/tidy.py", "LICENSE"}


def listed_files():
    """What git would commit; without git (an unpacked archive), everything but the builds."""
    run = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if run.returncode == 0:
        return sorted(ROOT / line for line in set(run.stdout.splitlines()) if (ROOT / line).is_file())
    return sorted(path for path in ROOT.rglob("*")
                  if path.is_file() and path.relative_to(ROOT).parts[0] not in {"build", "results", ".git"})


def read_text(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def check_lines(name, path, lines):
    is_code = path.suffix in CODE
    for number, line in enumerate(lines, 1):
        if is_code and len(line) > LINE_LENGTH and "http" not in line:
            yield f"{name}:{number}: {len(line)} columns, at most {LINE_LENGTH}"
        if line != line.rstrip() and path.suffix in CODE | SCRIPTS:
            yield f"{name}:{number}: space at the end of the line"
        if name in SELF:
            continue
        for pattern, why in BANNED_WORDS:
            if pattern.search(line):
                yield f"{name}:{number}: {why}: {line.strip()[:80]}"


def check_file(name, path, text):
    lines = text.splitlines()
    if path.suffix in CODE | SCRIPTS or path.name in {"CMakeLists.txt", "dev", "run"}:
        if "SPDX-License-Identifier:" not in "\n".join(lines[:3]):
            yield f"{name}:1: no SPDX-License-Identifier line"
    if path.suffix in CODE and len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines, at most {FILE_LINES}"
    if path.suffix in CODE | SCRIPTS and BANNED_NAMES.search(path.stem):
        yield f"{name}: a name that says nothing about what is inside"
    if path.suffix == ".h" and name.startswith("src/") and "#pragma once" not in text:
        yield f"{name}: no #pragma once"
    yield from check_lines(name, path, lines)


def anchors_of(text):
    found = set()
    for line in text.splitlines():
        if line.startswith("#"):
            title = re.sub(r"[`*]", "", line.lstrip("#").strip().lower())
            found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title)))
    return found


def check_links(name, path, text):
    for match in LINK.finditer(text):
        target, _, anchor = match.group(1).partition("#")
        if re.match(r"^[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        line = text.count("\n", 0, match.start()) + 1
        if not file.exists():
            yield f"{name}:{line}: the link {match.group(1)} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors_of(file.read_text(encoding="utf-8")):
            yield f"{name}:{line}: no heading #{anchor} in {target or name}"


def blank_out(text):
    """Comments, strings and characters become spaces, so that braces in them do not count."""
    pattern = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'')
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", " ", text)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def long_functions(name, text):
    """Blocks whose head ends like a function's, outermost only."""
    text = blank_out(text)
    head, depth_of_function, start, depth = "", None, 0, 0
    line = 1
    for character in text:
        if character == "\n":
            line += 1
        if character == "{":
            plain = re.sub(r"alignas\([^()]*\)|\[\[.*?\]\]", "", head)
            is_scope = re.search(r"\b(namespace|struct|class|union|enum|extern)\b[^()]*$", plain)
            if depth_of_function is None and not is_scope and ")" in head and not head.rstrip().endswith("="):
                depth_of_function, start = depth, line
            depth += 1
            head = ""
        elif character == "}":
            depth -= 1
            if depth_of_function == depth:
                if line - start + 1 > FUNCTION_LINES:
                    yield f"{name}:{start}: a function of {line - start + 1} lines, a screen has {FUNCTION_LINES}"
                depth_of_function = None
            head = ""
        elif character == ";" and depth_of_function is None:
            head = ""
        else:
            head += character


def main():
    problems, notes = [], []
    for path in listed_files():
        name = str(path.relative_to(ROOT))
        text = read_text(path)
        if text is None:
            continue
        problems += check_file(name, path, text)
        if path.suffix == ".md":
            problems += check_links(name, path, text)
        if path.suffix in CODE and not path.name.endswith("_test.cc"):
            notes += long_functions(name, text)
    for line in problems:
        print(line)
    for line in notes:
        print("note:", line)
    print(f"tidy: {len(problems)} problems, {len(notes)} long functions")
    return 1 if problems or (notes and "--strict" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
