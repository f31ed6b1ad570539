#!/usr/bin/env python3
"""Reads every #include of src/, cli/ and include/, and fails on a wrong arrow.

A file includes headers of its own folder and of folders of lower rank (src/ranks.txt), the public
header, and system headers. cli/ sees the public header only. The libraries that have one house
are included from there only (HOUSE), and only cli/ prints or ends the program.
"""
import os
import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Third-party header: the files that may include it.
HOUSE = {
    "dnnl.h": re.compile(r"^src/compute/(matmul|packed)[a-z0-9_]*\.c$"),
    "onnx.pb-c.h": re.compile(r"^src/onnx/"),
    "zip.h": re.compile(r"^src/file/"),
    "utf8proc.h": re.compile(r"^src/text/"),
}
PRINTS = re.compile(
    r"\b(v?printf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort)\s*\(|\b(stdout|stderr)\b")


def read_ranks():
    ranks = {}
    for line in tree.text("src/ranks.txt").splitlines():
        if line.strip() and not line.startswith("#"):
            rank, name = line.split()
            ranks[name] = int(rank)
    return ranks


def wrong_include(name, header, quoted, ranks):
    """Why `name` may not include `header`, or None."""
    base = os.path.basename(header)
    if base in HOUSE or base.startswith(("dnnl", "oneapi")):
        house = HOUSE["dnnl.h"] if base.startswith(("dnnl", "oneapi")) else HOUSE[base]
        return None if house.match(name) else f"{header} belongs to {house.pattern}"
    if not quoted or header == "ringkas.h":
        return None
    if ".." in header.split("/"):
        return f"{header} climbs out of its folder; name it from src/"
    beside = os.path.join(tree.ROOT, os.path.dirname(name), header)
    if "/" not in header:
        return None if os.path.isfile(beside) else f"{header} is not in this folder"
    if name.startswith("include/"):
        return f"the public header includes {header}"
    if name.startswith("cli/"):
        return f"cli/ sees ringkas.h only, not {header}"
    mine, theirs = name.split("/")[1], header.split("/")[0]
    if theirs not in ranks:
        return f"{header}: no folder src/{theirs} in src/ranks.txt"
    if theirs != mine and ranks[theirs] >= ranks[mine]:
        return (f"src/{mine} (rank {ranks[mine]}) includes {header} (rank {ranks[theirs]}); "
                "only lower ranks")
    return None


def check(name, ranks):
    """Yields (line, complaint)."""
    source = tree.text(name)
    parts = name.split("/")
    if parts[0] == "src" and (len(parts) < 3 or parts[1] not in ranks):
        yield 1, f"{name} lies in no folder of src/ranks.txt"
        return
    for number, line in enumerate(source.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            complaint = wrong_include(name, match.group(2), match.group(1) == '"', ranks)
            if complaint:
                yield number, complaint
    if parts[0] == "src":
        for number, line in enumerate(tree.without_comments(source).splitlines(), 1):
            match = PRINTS.search(line)
            if match:
                yield number, f"{match.group(0).rstrip('( ')}: only cli/ prints or ends the program"


def main():
    ranks, wrong, seen = read_ranks(), 0, 0
    for name in tree.files():
        if name.split("/")[0] in ("src", "cli", "include") and name.endswith((".c", ".h", ".def")):
            seen += 1
            for number, complaint in check(name, ranks):
                print(f"{name}:{number}: {complaint}")
                wrong += 1
    print(f"ranks: {seen} files, {wrong} wrong")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
