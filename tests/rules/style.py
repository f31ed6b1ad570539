#!/usr/bin/env python3
"""What a formatter does not see: tabs, trailing blanks, the end of the file, long lines and files,
names of one machine's folders, hosts of package registries."""
import re
import sys

import tree

LINE_MAX, FILE_MAX = 100, 600
PYTHON_LINE_MAX = 110   # graphs that tests build read as one row a node
CODE = (".c", ".h", ".def", ".py", ".sh")
TEXT = CODE + (".md", ".cmake", ".txt", ".yml", ".yaml", ".map")
PLAIN = ("Makefile", "LICENSE", ".ci/run", ".gitignore", ".clang-format")
# Inputs are what they are: broken on purpose, or someone else's layout.
INPUTS = ("tests/data/", "tests/fuzz/corpus/", "data/")
MACHINE = re.compile(r"(?<![\w.}$)])/(?:work|root|home|farm)/")
HOST = re.compile(r"pypi\.org|pythonhosted\.org|crates\.io|npmjs\.(?:org|com)|"
                  r"(?:deb|ftp)\.debian\.org|download\.pytorch\.org|proxy\.golang\.org")


def check(name):
    """Yields (line, complaint)."""
    source = tree.text(name)
    code, made_of_tabs = name.endswith(CODE), name == "Makefile"
    lines = source.split("\n")
    line_max = PYTHON_LINE_MAX if name.endswith(".py") else LINE_MAX
    if source and not source.endswith("\n"):
        yield len(lines), "no newline at the end of the file"
    if source.endswith("\n\n"):
        yield len(lines) - 1, "empty line at the end of the file"
    if name.endswith((".c", ".h")) and len(lines) - 1 > FILE_MAX:
        yield len(lines) - 1, f"more than {FILE_MAX} lines: two jobs?"
    for number, line in enumerate(lines, 1):
        if "\t" in line and not made_of_tabs:
            yield number, "tab"
        if line != line.rstrip():
            yield number, "blank or carriage return at the end of the line"
        if code and len(line) > line_max:
            yield number, f"{len(line)} columns; at most {line_max}"
        if MACHINE.search(line):
            yield number, "names a folder of one machine"
        if HOST.search(line):
            yield number, "names the host of a package registry"


def main():
    wrong, seen = 0, 0
    for name in tree.files():
        if name.startswith(INPUTS) or not (name.endswith(TEXT) or name in PLAIN):
            continue
        seen += 1
        for number, complaint in check(name):
            print(f"{name}:{number}: {complaint}")
            wrong += 1
    print(f"style: {seen} files, {wrong} wrong")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
