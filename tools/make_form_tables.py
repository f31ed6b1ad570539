#!/usr/bin/env python3
"""Writes form_tables.h and pattern_tables.h of src/text/steps: what the normal forms and the patterns of
tokenizer.json files know of each character.

    build/venv/bin/python tools/make_form_tables.py src/text/steps

As make_unicode_tables.py, it measures the `tokenizers` package, whose parts stand on Unicode
versions of different years. Run it again when scripts/setup.sh names another version of it."""
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
LETTER, NUMBER, SPACE, MARK, NUMERIC, WORD = 1, 2, 4, 8, 16, 32
# Given a compatibility decomposition after this Python's Unicode.
LATE = [*range(0x1E030, 0x1E06E), *range(0x1CCD6, 0x1CCFA), *range(0xA7F1, 0xA7F5)]
nfd, nfkd, nfc = normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()


def classes():
    regex = {bit: pre_tokenizers.Split(Regex(pattern), "removed")
             for bit, pattern in ((LETTER, r"\p{L}"), (NUMBER, r"\p{N}"), (SPACE, r"\s"))}
    digits, strip = pre_tokenizers.Digits(individual_digits=True), normalizers.StripAccents()
    words, found = pre_tokenizers.Whitespace(), {}
    for c in SCALARS:
        s = chr(c)
        bits = sum(bit for bit, split in regex.items() if not split.pre_tokenize_str(s))
        bits |= MARK if strip.normalize_str(s) == "" else 0
        bits |= NUMERIC if len(digits.pre_tokenize_str(f"a{s}b")) == 3 else 0
        bits |= WORD if len(words.pre_tokenize_str(f"a{s}a")) == 1 else 0
        if bits:
            found[c] = bits
    return found


def orders():
    """Combining classes, of the characters that this package reorders."""
    found = {}
    for c in SCALARS:
        s, k = chr(c), unicodedata.combining(chr(c))
        moves = nfd.normalize_str(f"a\u0345{s}") == f"a{s}\u0345" or \
            nfd.normalize_str(f"a{s}\u0334") == f"a\u0334{s}"
        if moves and not k:
            sys.exit(f"U+{c:04X} is reordered, but Python gives it no class")
        if moves:
            found[c] = k
    return found


def pairs():
    """(first, second, composed) of each character that NFC makes."""
    for c in SCALARS:
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) != 2 or parts[0].startswith("<"):
            continue
        a, b = (int(p, 16) for p in parts)
        if nfc.normalize_str(chr(a) + chr(b)) == chr(c):
            yield a, b, c


def same():
    """Characters without the compatibility decomposition that Unicode gives them now."""
    for c in SCALARS:
        own, now = nfkd.normalize_str(chr(c)), unicodedata.normalize("NFKD", chr(c))
        if own == nfd.normalize_str(chr(c)) and (own != now or c in LATE):
            yield c
        elif own != now:
            sys.exit(f"U+{c:04X} has another compatibility decomposition than in Unicode")


def ranges(found):
    out = []
    for c in sorted(found):
        if out and out[-1][1] == c - 1 and out[-1][2] == found[c]:
            out[-1][1] = c
        else:
            out.append([c, c, found[c]])
    return out


def table(file, kind, name, rows):
    print(f"static const {kind} {name}[] = {{", file=file)
    line = "   "
    for row in rows:
        item = " {" + ", ".join(row) + "},"
        if len(line) + len(item) > 98:
            print(line, file=file)
            line = "   "
        line += item
    print(line, "};\n", sep="\n", file=file)


def range_table(file, name, found):
    table(file, "rk_char_range", name,
          ([f"0x{a:x}", f"0x{b:x}", str(k)] for a, b, k in ranges(found)))


def header(file, guard):
    print(f"/* Made by tools/make_form_tables.py from tokenizers {tokenizers.__version__}; do not "
          f"edit. */\n#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
          "#include \"text/unicode/unicode.h\"\n", file=file)


def main():
    folder = sys.argv[1]
    with open(f"{folder}/form_tables.h", "w", encoding="ascii") as file:
        header(file, "RK_TEXT_FORM_TABLES_H")
        print("typedef struct rk_form_pair {\n    uint32_t first, second, composed;\n"
              "} rk_form_pair;\n", file=file)
        range_table(file, "combining_ranges", orders())
        range_table(file, "uncompat_ranges", dict.fromkeys(same(), 1))
        table(file, "rk_form_pair", "composed_pairs",
              ([f"0x{x:x}" for x in p] for p in sorted(pairs())))
        print("#endif", file=file)
    with open(f"{folder}/pattern_tables.h", "w", encoding="ascii") as file:
        header(file, "RK_TEXT_PATTERN_TABLES_H")
        range_table(file, "pattern_ranges", classes())
        print("#endif", file=file)


if __name__ == "__main__":
    main()
