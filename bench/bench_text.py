"""Rows per second of the text side, one thread each: Ringkas beside the `tokenizers` package and the old
pipeline's Python cleaning, on all rows of SmSA.

Both sides hold the texts in memory and give ids in memory. Within a round every kind has its turn; a
ratio is taken within a round. Time is the processor's, of the process that works: with one thread that
is what a clock on the wall shows where nothing else runs.
"""
import os
import re
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import measure
import report
import settings
import smsa

FILES = [settings.DATA / "smsa" / f"{split}.tsv" for split in ("train", "valid", "test")]
ROUNDS = 1 if settings.QUICK else max(settings.ROUNDS, 7)
UNCUT = 1 << 20
PROBE = settings.RINGKAS.parent / "probe" / "text_speed"
OURS = {"ringkas, WordPiece": f"none {UNCUT}",
        "ringkas, cleaning and WordPiece": f"seed {settings.MAX_LENGTH}"}
TURNS = 1 if settings.QUICK else 20    # of ours in one measurement, which would be too short otherwise
# (ours, theirs, what is asked for)
RATIOS = [("ringkas, WordPiece", "tokenizers, encode_batch", 8.0),
          ("ringkas, WordPiece", "tokenizers, encode_batch_fast", None),
          ("ringkas, cleaning and WordPiece", "python, cleaning and tokenizer", 50.0),
          ("ringkas, cleaning and WordPiece", "python, cleaning (words in a set) and tokenizer", None)]


def peers(texts):
    """name: what makes the ids of all texts, as lists of numbers for the check."""
    from Sastrawi.StopWordRemover.StopWordRemoverFactory import StopWordRemoverFactory
    from transformers import BertTokenizerFast
    tokenizer = BertTokenizerFast.from_pretrained(settings.ENCODER)
    backend = tokenizer.backend_tokenizer
    as_list = StopWordRemoverFactory().get_stop_words()    # the old pipeline looks words up in it
    as_set = frozenset(as_list)

    def clean(text, stop):
        text = re.sub(r"[^a-z\s]", "", text.lower())
        text = re.sub(r"\s+", " ", text).strip()
        return " ".join(w for w in text.split() if w not in stop)

    def pipeline(stop):
        return tokenizer([clean(t, stop) for t in texts], truncation=True, max_length=settings.MAX_LENGTH,
                         padding="max_length")

    def plain(encode):
        backend.no_truncation()
        backend.no_padding()
        return encode(texts)

    return {"tokenizers, encode_batch": lambda: plain(backend.encode_batch),
            "tokenizers, encode_batch_fast": lambda: plain(backend.encode_batch_fast),
            "python, cleaning and tokenizer": lambda: pipeline(as_list),
            "python, cleaning (words in a set) and tokenizer": lambda: pipeline(as_set)}


class Ours:
    """text_speed, which answers one measurement a line."""

    def __init__(self):
        self.child = subprocess.Popen([PROBE, settings.ENCODER, *FILES], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, "OMP_NUM_THREADS": "1"})

    def run(self, kind):
        self.child.stdin.write(f"{OURS[kind]} {TURNS}\n")
        self.child.stdin.flush()
        rows, tokens, seconds = self.child.stdout.readline().split()
        return int(rows), int(tokens), float(seconds)

    def close(self):
        self.child.stdin.close()
        if self.child.wait():
            sys.exit(f"text_speed: exit {self.child.returncode}")


def main():
    machine = measure.Machine()
    texts = [text for split in ("train", "valid", "test") for text, _ in smsa.rows(split)]
    theirs, ours = peers(texts), Ours()
    # The same rows and as many tokens; parity.tokenizer and parity.clean hold the ids equal.
    whole = sum(len(e.ids) for e in theirs["tokenizers, encode_batch"]())
    cleaned = sum(map(sum, theirs["python, cleaning and tokenizer"]()["attention_mask"]))
    for kind, tokens in zip(OURS, (whole, cleaned)):
        got = ours.run(kind)
        if got[:2] != (len(texts), tokens):
            sys.exit(f"{kind}: {got[:2]} rows and tokens, the others have {(len(texts), tokens)}")
    found = {name: [] for name in (*OURS, *theirs)}
    for r in range(ROUNDS):
        print(f"round {r + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        began, busy = time.perf_counter(), measure.busy_seconds()
        used = 0.0
        for kind in OURS:
            seconds = ours.run(kind)[2]
            used += seconds * TURNS
            found[kind].append(len(texts) / seconds)
        for kind, make in theirs.items():
            start = time.process_time()
            made = make()
            seconds = time.process_time() - start
            del made
            used += seconds
            found[kind].append(len(texts) / seconds)
        machine.add(time.perf_counter() - began, measure.busy_seconds() - busy, used)
    ours.close()

    ratios, ratio_rows = [], []
    for a, b, wanted in RATIOS:
        each = measure.spread([x / y for x, y in zip(found[a], found[b])])
        ratios.append({"ours": a, "theirs": b, "ratio": each, "wanted": wanted})
        ratio_rows.append([f"{a} / {b}", report.with_spread(each), wanted])
    about = (f"All {len(texts)} rows of SmSA, one thread, {ROUNDS} round(s). Texts in memory to ids in "
             f"memory: WordPiece uncut\nand unpadded ({whole} tokens), the cleaned ones cut at "
             f"{settings.MAX_LENGTH} ({cleaned} tokens) and, by the Python side\nas in the old pipeline, "
             "padded to it.")
    rows = [[name, report.with_spread(measure.spread(rates))] for name, rates in found.items()]
    report.publish("text", ["transformers", "tokenizers", "PySastrawi"], machine,
                   [about, report.table(["text to ids", "rows a second of the processor"], rows),
                    report.table(["rows/s against rows/s", "ratio", "wanted"], ratio_rows)],
                   {"rounds": ROUNDS, "rows": len(texts), "tokens": {"raw": whole, "cleaned": cleaned},
                    "kinds": found, "ratios": ratios})


if __name__ == "__main__":
    main()
