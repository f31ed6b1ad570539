#!/usr/bin/env python3
"""Writes src/text/clean/stopword_list.h: Sastrawi's stop words (PySastrawi, MIT), sorted by bytes.

    build/venv/bin/python tools/make_stopwords.py >src/text/clean/stopword_list.h
"""
import importlib.metadata

from Sastrawi.StopWordRemover.StopWordRemoverFactory import StopWordRemoverFactory


def main():
    words = sorted({w.encode() for w in StopWordRemoverFactory().get_stop_words()})
    version = importlib.metadata.version("PySastrawi")
    print(f"/* Made by tools/make_stopwords.py from PySastrawi {version}; do not edit. */")
    print("#ifndef RK_TEXT_STOPWORD_LIST_H\n#define RK_TEXT_STOPWORD_LIST_H\n")
    print("static const char *const stopwords[] = {")
    line = "   "
    for word in words:
        item = f' "{word.decode()}",'
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line + "\n};\n\n#endif")


main()
