#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the arrows between folders: reads the #include lines and compares them with ARROWS.

A room of src/ may include only the rooms its line names. Unit tests (*_test.cc, testing/) may include
anything in src/; so may sim, tests, fuzz and bench, which are therefore not read at all.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder -> what it may include: rooms, single headers, "public" for include/mtcp.
ARROWS = {
    "src/base": set(),
    "src/wire": {"base"},
    "src/io": {"base"},
    "src/net": {"base", "wire", "io/frame.h", "io/packet_io.h"},
    "src/tcp": {"base", "wire"},
    # An address is a word of the whole stack, although it is spelled in wire/.
    "src/socket": {"base", "tcp", "wire/ip_address.h"},
    "src/stack": {"base", "wire", "io", "net", "tcp", "socket"},
    # What stands behind `faults =` is read where the line is known.
    "src/api": {"base", "socket", "stack", "public", "io/middleware/faults.h"},
    "apps": {"public"},
    # io for `mtcp bridge`, which joins two devices and holds no connection.
    "tools": {"public", "base", "io"},
}
# One file, one header, one reason: the exceptions, in full.
EXCEPTIONS: dict[tuple[str, str], str] = {}

ROOMS = {folder.split("/")[1] for folder in ARROWS if folder.startswith("src/")}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.MULTILINE)
PUBLIC = re.compile(r"^(mtcp/)?mtcp_[a-z0-9_]+\.h$")


def target_of(header, bracket):
    """The room or "public" that an include path names; None for a system or local header."""
    if PUBLIC.match(header):
        return "public"
    if bracket == "<":  # <net/if.h> is the system's
        return None
    first = header.split("/")[0]
    return first if "/" in header and first in ROOMS else None


def wrong_includes(folder, allowed):
    own = folder.split("/")[-1] if folder.startswith("src/") else None
    for path in sorted((ROOT / folder).rglob("*")):
        name = str(path.relative_to(ROOT))
        if path.suffix not in {".h", ".cc", ".c"} or path.name.endswith("_test.cc") or "/testing/" in name:
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            bracket, header = match.groups()
            target = target_of(header, bracket)
            if target in (None, own) or target in allowed or header in allowed:
                continue
            if (name, header) in EXCEPTIONS:
                continue
            line = text.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {folder} must not include \"{header}\" (it may use: {', '.join(sorted(allowed)) or 'nothing'})"


def main():
    problems = [problem for folder, allowed in ARROWS.items() for problem in wrong_includes(folder, allowed)]
    print("\n".join(problems) if problems else "layers: every include follows the arrows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
