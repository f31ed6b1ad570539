#!/usr/bin/env python3
"""Cleaning equals the old pipeline's Python: lower, strip, collapse, Sastrawi's stop words; all
steps and their combinations, on all SmSA rows and on generated strings."""
import itertools
import random
import re
import sys
import unicodedata

from Sastrawi.StopWordRemover.StopWordRemoverFactory import StopWordRemoverFactory

import textgen

GENERATED = 50000
STOP = set(StopWordRemoverFactory().get_stop_words())
NEGATION = re.compile(r"(tidak|bukan|belum|jangan|enggak)(kah|lah|nya|kan)?|tak|kurang|tanpa")
STEPS = ("lower", "strip-special", "collapse", "stopwords", "stopwords-keep-negation")


def cleaned(steps, text):
    if "lower" in steps:
        text = text.lower()
    if "strip-special" in steps:
        text = re.sub(r"[^a-z\s]", "", text)
    if "collapse" in steps:
        text = re.sub(r"\s+", " ", text).strip()
    if "stopwords-keep-negation" in steps:
        stop = {w for w in STOP if not NEGATION.fullmatch(w)}
        text = " ".join(w for w in text.split() if w not in stop)
    elif "stopwords" in steps:
        text = " ".join(w for w in text.split() if w not in STOP)
    return text


def check(what, steps, texts):
    name = ",".join(steps) or "none"
    return textgen.compare(f"{what}, {name}", textgen.probe_clean(name, texts),
                           [cleaned(steps, t) for t in texts], texts)


def main():
    rng = random.Random(textgen.seed())
    combinations = [c for n in range(6) for c in itertools.combinations(STEPS, n)]
    bad, words = 0, set()
    for path, texts in textgen.rows():
        what = path.rsplit("/", 1)[-1]
        words.update(w for t in texts[:500] for w in t.split())
        if what == "test.tsv":
            bad += sum(check(what, c, texts) for c in combinations)
        for steps in (STEPS[:4], STEPS[:3] + STEPS[4:]):
            bad += check(what, steps, texts)
        seed = [" ".join(w for w in re.sub(r"\s+", " ", re.sub(r"[^a-z\s]", "", t.lower())).strip()
                         .split() if w not in STOP) for t in texts]
        bad += textgen.compare(f"{what}, seed", textgen.probe_clean("seed", texts), seed, texts)
    words = sorted(words | STOP)

    # Case is stable for characters that this Python knows; newer ones are beyond it.
    def known(c):
        return unicodedata.category(c) != "Cn"

    texts = [" ".join(rng.choice(sorted(STOP)) for _ in range(rng.randint(1, 30)))
             for _ in range(200)]
    texts += textgen.strings(rng, GENERATED, words, known)
    for steps in combinations:
        some = texts if steps == STEPS[:4] else texts[:10200] if len(steps) in (1, 4) else texts[:2000]
        bad += check("generated", steps, some)
    # Every known character beside and between sigmas, whose lower case depends on neighbours.
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000 and known(chr(c))]
    texts = [f"A{c}\u03A3{c}" for c in every] + [f"{c}\u03A3 \u03A3{c}b" for c in every]
    bad += check("sigmas", ("lower",), texts)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
