#!/usr/bin/env python3
"""Check the rules of data/sample: format, counts, balance, duplicates, negation words.

Usage: check_sample.py [FOLDER]    FOLDER defaults to data/sample of this repository.
Exit 0 when every rule holds; else 1, with one line `file:line: what; what would be right` each.
A rule about a whole file is reported at its last line.
"""
import os
import re
import sys
import unicodedata

LABELS = ("positive", "neutral", "negative")
SPLITS = {"train.tsv": 900, "valid.tsv": 200, "test.tsv": 200}      # file: fewest rows
SHARE_MIN, SHARE_MAX = 0.30, 0.37                                   # of a label in a split
WORDS_MIN, WORDS_MAX = 5, 30                                        # per row
NEGATIONS = ("tidak", "enggak", "nggak", "gak", "bukan", "belum", "kurang", "jangan", "tanpa",
             "tak")
NEGATED_PER_LABEL = 5       # rows of train.tsv under each label that hold a given negation word
COLLOQUIAL = ("gue", "banget", "bgt", "udah", "dong", "sih", "kok", "deh")
HELD_OUT = ("makanannya enak sekali, pelayannya ramah",             # kept for trying a model
            "kecewa, pesanan tidak pernah datang")


def words(text):
    return re.findall(r"\w+", text.lower())


def fold(text):
    """What two rows may not share: the letters and digits alone, in lower case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def text_faults(text):
    if not text.strip():
        return ["empty text"]
    faults = []
    if text != " ".join(text.split(" ")).strip() or "  " in text:
        faults.append("stray spaces; one space between words, none at the ends")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn") for c in text):
        faults.append("control or invisible character in the text")
    if unicodedata.normalize("NFC", text) != text:
        faults.append("text is not in Unicode NFC")
    count = len(text.split())
    if not WORDS_MIN <= count <= WORDS_MAX:
        faults.append(f"{count} words; {WORDS_MIN} to {WORDS_MAX} are allowed")
    if fold(text) in [fold(h) for h in HELD_OUT]:
        faults.append("this sentence is held out for trying models; reword it")
    return faults


def read_split(path, fail):
    """The well-formed rows of one file as (line, text, label); every other line is a fault."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError as e:
        fail(path, 1, f"cannot be read: {e.strerror}")
        return []
    if data.startswith(b"\xef\xbb\xbf"):
        fail(path, 1, "starts with a byte order mark; plain UTF-8 has none")
    if not data.endswith(b"\n"):
        fail(path, data.count(b"\n") + 1, "no line feed at the end of the file")
    rows = []
    for number, raw in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        if b"\r" in raw:
            fail(path, number, "carriage return; lines end in a line feed only")
            continue
        try:
            fields = raw.decode("utf-8").split("\t")
        except UnicodeDecodeError as e:
            fail(path, number, f"not UTF-8 at byte {e.start} of the line")
            continue
        if len(fields) != 2:
            fail(path, number, f"{len(fields) - 1} tabs; text, one tab, label")
            continue
        text, label = fields
        if label not in LABELS:
            fail(path, number, f"label {label!r}; one of {', '.join(LABELS)}")
            continue
        for fault in text_faults(text):
            fail(path, number, fault)
        rows.append((number, text, label))
    return rows


def check_counts(path, rows, least, fail):
    last = rows[-1][0] if rows else 1
    if len(rows) < least:
        fail(path, last, f"{len(rows)} rows; at least {least}")
    for label in LABELS:
        share = sum(row[2] == label for row in rows) / max(len(rows), 1)
        if not SHARE_MIN <= share <= SHARE_MAX:
            fail(path, last, f"label {label} on {share:.1%} of the rows; "
                             f"{SHARE_MIN:.0%} to {SHARE_MAX:.0%}")
    run = 1
    for before, row in zip(rows, rows[1:]):
        run = run + 1 if row[2] == before[2] else 1
        if run == 12:
            fail(path, row[0], "12 rows of one label in sequence; the rows are to be shuffled")


def check_words(path, rows, fail):
    """The training rows hold each negation word under every label, and the colloquial words."""
    last = rows[-1][0] if rows else 1
    bags = [(set(words(text)), label) for _, text, label in rows]
    for word in NEGATIONS:
        for label in LABELS:
            count = sum(word in bag and label == its for bag, its in bags)
            if count < NEGATED_PER_LABEL:
                fail(path, last, f"negation {word!r} in {count} {label} rows; "
                                 f"at least {NEGATED_PER_LABEL}")
    for word in COLLOQUIAL:
        count = sum(word in bag for bag, _ in bags)
        if count < NEGATED_PER_LABEL:
            fail(path, last, f"colloquial {word!r} in {count} rows; at least {NEGATED_PER_LABEL}")


def main(argv):
    here = os.path.dirname(os.path.abspath(__file__))
    folder = argv[1] if len(argv) > 1 else os.path.join(here, "..", "..", "data", "sample")
    folder = os.path.relpath(folder)
    faults = []

    def fail(path, line, what):
        faults.append(f"{path}:{line}: {what}")

    seen = {}
    total = 0
    for name, least in SPLITS.items():
        path = os.path.join(folder, name)
        rows = read_split(path, fail)
        total += len(rows)
        check_counts(path, rows, least, fail)
        if name == "train.tsv":
            check_words(path, rows, fail)
        for number, text, _ in rows:
            key = fold(text)
            if key in seen:
                fail(path, number, f"same text as {seen[key]}, case and punctuation aside")
            seen.setdefault(key, f"{path}:{number}")
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    print(f"{folder}: {total} rows keep all rules")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
