#!/usr/bin/env python3
"""Writes src/text/clean/stopword_list.h: Sastrawi's stop words (PySastrawi, MIT), sorted by bytes,
and where to look one up by its hash (FNV-1a, 32 bits, as stopwords.c computes it).

    build/venv/bin/python tools/make_stopwords.py >src/text/clean/stopword_list.h
"""
import importlib.metadata

from Sastrawi.StopWordRemover.StopWordRemoverFactory import StopWordRemoverFactory

SLOTS = 4096    # a power of two, several times the words: one look finds most


def fnv(word):
    h = 2166136261
    for byte in word:
        h = (h ^ byte) * 16777619 & 0xffffffff
    return h


def slots(words):
    """1 + the word's place in the list, 0 for none; the next free slot takes what finds its own full."""
    table = [0] * SLOTS
    for i, word in enumerate(words):
        at = fnv(word) % SLOTS
        while table[at]:
            at = (at + 1) % SLOTS
        table[at] = i + 1
    return table


def lines(items):
    line = "   "
    for item in items:
        if len(line) + len(item) > 99:
            print(line)
            line = "   "
        line += " " + item
    print(line + "\n};\n")


def main():
    words = sorted({w.encode() for w in StopWordRemoverFactory().get_stop_words()})
    version = importlib.metadata.version("PySastrawi")
    print(f"/* Made by tools/make_stopwords.py from PySastrawi {version}; do not edit. */")
    print("#ifndef RK_TEXT_STOPWORD_LIST_H\n#define RK_TEXT_STOPWORD_LIST_H\n")
    print("#include <stdint.h>\n")
    print("static const char *const stopwords[] = {")
    lines(f'"{word.decode()}",' for word in words)
    print(f"enum {{ STOPWORD_SLOTS = {SLOTS}, STOPWORD_BYTES_MAX = {max(map(len, words))} }};")
    print("static const uint8_t stopword_bytes[] = {")
    lines(f"{len(word)}," for word in words)
    print("static const uint16_t stopword_slots[STOPWORD_SLOTS] = {")
    lines(f"{slot}," for slot in slots(words))
    print("#endif")



main()
