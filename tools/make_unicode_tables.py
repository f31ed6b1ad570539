#!/usr/bin/env python3
"""Writes src/text/unicode/unicode_tables.h: what each character is to the tokenizer.

    build/venv/bin/python tools/make_unicode_tables.py >src/text/unicode/unicode_tables.h

The tables are measured on the `tokenizers` package, character by character, because its parts
stand on Unicode versions of different years (categories 8, decomposition 9, lower-casing 17), and
ids must be equal to its own. Run it again when scripts/setup.sh names another version of it."""
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
REMOVED, SPACE, MARK, PUNCT, HAN = 1, 2, 4, 8, 16


def bert(**on):
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return normalizers.BertNormalizer(**{name: on.get(name, False) for name in names})


def classes():
    clean, han = bert(clean_text=True), bert(handle_chinese_chars=True)
    strip, split = bert(strip_accents=True), pre_tokenizers.BertPreTokenizer()
    found = {}
    for c in SCALARS:
        s = chr(c)
        bits = REMOVED if clean.normalize_str(s) == "" else 0
        bits |= HAN if han.normalize_str(s) == f" {s} " else 0
        bits |= MARK if strip.normalize_str(s) == "" else 0
        parts = [part for part, _ in split.pre_tokenize_str(f"a{s}b")]
        bits |= SPACE if parts == ["a", "b"] else PUNCT if parts == ["a", s, "b"] else 0
        if bits:
            found[c] = bits
    return found


def reordered():
    """Characters that decomposition moves behind others but does not remove: their class, as
    canonical ordering has it, where this package knows one."""
    nfd, strip = normalizers.NFD(), bert(strip_accents=True)
    found = {}
    for c in SCALARS:
        s, k = chr(c), unicodedata.combining(chr(c))
        moves = nfd.normalize_str("a\u0345" + s) == f"a{s}\u0345" or \
            nfd.normalize_str(f"a{s}\u0334") == f"a\u0334{s}"
        if not moves or strip.normalize_str(s) == "" or c < 0x300:
            continue
        # The two neighbours of the class that Python names must sort as that class would.
        if not k:
            sys.exit(f"U+{c:04X} is reordered, but Python gives it no class")
        for probe in "\u0334\u05b0\u0321\u0316\u0301\u0345":
            p = unicodedata.combining(probe)
            if (nfd.normalize_str(f"a{probe}{s}") == f"a{s}{probe}") != (k < p):
                sys.exit(f"U+{c:04X} is not of class {k}")
        found[c] = k
    return found


def undecomposed():
    """Characters that newer Unicode versions decompose and this package does not. Those newer than
    this Python's tables are listed by hand (Unicode 16)."""
    nfd = normalizers.NFD()
    late = [0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7, 0x113C8,
            *range(0x16121, 0x16129), *range(0x16D68, 0x16D6B)]
    for c in SCALARS:
        own = nfd.normalize_str(chr(c))
        if own == chr(c) and (unicodedata.normalize("NFD", chr(c)) != own or c in late):
            yield c
        elif own != chr(c) and unicodedata.normalize("NFD", chr(c)) != own:
            sys.exit(f"U+{c:04X} decomposes otherwise than in Unicode")


def lowered():
    lower = bert(lowercase=True)
    for c in SCALARS:
        s = lower.normalize_str(chr(c))
        if s == chr(c):
            continue
        if len(s) == 1:
            yield c, ord(s) - c
        elif c != 0x130:
            sys.exit(f"U+{c:04X} becomes {len(s)} characters")


def runs(values):
    """[first, last, value] of neighbours with equal values."""
    out = []
    for c, value in sorted(values):
        if out and out[-1][1] == c - 1 and out[-1][2] == value:
            out[-1][1] = c
        else:
            out.append([c, c, value])
    return out


def steps(pairs):
    """[first, last, step, delta]: runs of every or of every second character."""
    out = []
    for c, delta in pairs:
        if out and out[-1][3] == delta:
            first, last, step, _ = out[-1]
            if c - last == step or (first == last and c - last == 2):
                out[-1][1:3] = [c, c - last]
                continue
        out.append([c, c, 1, delta])
    return out


def table(name, kind, rows, comment):
    print(f"\n/* {comment} */\nstatic const {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        hexed = [f"0x{v:x}" for v in row[:2]] if isinstance(row, (list, tuple)) else [f"0x{row:x}"]
        rest = [str(v) for v in row[2:]] if isinstance(row, (list, tuple)) else []
        item = "{" + ", ".join(hexed + rest) + "}," if rest else hexed[0] + ","
        if len(line) + 1 + len(item) > 100:
            print(line)
            line = "   "
        line += " " + item
    print(line + "\n};")


def main():
    print("/* Made by tools/make_unicode_tables.py, measured on tokenizers "
          f"{tokenizers.__version__}; do not edit. */")
    print("#ifndef RK_TEXT_UNICODE_TABLES_H\n#define RK_TEXT_UNICODE_TABLES_H\n")
    print('#include <stdint.h>\n\n#include "text/unicode/unicode.h"')
    print("\ntypedef struct rk_lower_range {\n    uint32_t first, last;\n    int32_t step, delta;\n"
          "} rk_lower_range;")
    table("class_ranges", "rk_char_range", runs(classes().items()),
          "1 removed, 2 white space, 4 mark, 8 punctuation, 16 Han")
    table("order_ranges", "rk_char_range", runs(reordered().items()),
          "kept by the stripping of accents and moved: canonical combining class")
    table("undecomposed", "uint32_t", list(undecomposed()),
          "decomposed by newer Unicode versions only")
    table("lower_ranges", "rk_lower_range", steps(sorted(lowered())),
          "every step-th character from first to last: what to add")
    print("\n#endif")


main()
