"""A small model trained on the sample rows, and what tests ask the program about it."""
import json
import os
import pathlib
import re
import subprocess

import numpy as np

RINGKAS = os.environ["RINGKAS"]
BUILD = pathlib.Path(os.environ["RK_BUILD"])
SAMPLE = pathlib.Path(os.environ["RK_SOURCE"]) / "data/sample"


def ask(*args, want=0, text=None):
    """(stdout, stderr) of the program; stops the test at another exit code."""
    done = subprocess.run([RINGKAS, *map(str, args)], capture_output=True, text=True, input=text)
    if done.returncode != want:
        raise SystemExit(f"FAIL: exit {done.returncode}, not {want}: {args}\n{done.stderr}")
    return done.stdout, done.stderr


def answer(*args, want=0):
    """The object that --json prints."""
    return json.loads(ask(*args, "--json", "--quiet", want=want)[0])


def make(folder, steps=150, seed=42):
    """Model folder and ONNX file in folder."""
    folder = pathlib.Path(folder)
    start = folder / "init"
    if not start.exists():
        ask("init", "--train", SAMPLE / "train.tsv", "--layers", 1, "--hidden", 32, "--heads", 2,
            "--vocab-size", 800, "--max-length", 64, "--out", start)
    ask("train", "--model", start, "--train", SAMPLE / "train.tsv", "--valid", SAMPLE / "valid.tsv",
        "--out", folder / f"model{seed}", "--max-steps", steps, "--lr", "3e-3", "--max-length", 64,
        "--seed", seed, "--quiet")
    ask("export", folder / f"model{seed}", "-o", folder / f"model{seed}.onnx")
    return folder / f"model{seed}", folder / f"model{seed}.onnx"


def rows_of(path):
    """(texts, labels) of a TSV file."""
    pairs = [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8")]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def ids_of(model, texts):
    out = ask("tokenize", model, text="\n".join(texts) + "\n")[0]
    return [list(map(int, line.split())) for line in out.splitlines()]


def logits_of(model, rows):
    """Logits of token ids by the runtime, as floats."""
    text = "".join(" ".join(map(str, r)) + "\n" for r in rows)
    done = subprocess.run([BUILD / "probe/infer_probe", model], input=text, capture_output=True,
                          text=True, check=True)
    return np.array([[float(v) for v in line.split()] for line in done.stdout.splitlines()[1:]],
                    np.float32)


def softmax(z):
    p = np.exp(z.astype(np.float64) - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


class Checks:
    """Counts what was checked and keeps what failed."""

    def __init__(self, name):
        self.name, self.count, self.failures = name, 0, []

    def true(self, what, ok, told=""):
        self.count += 1
        if not ok:
            self.failures.append(f"{what} {told}")

    def near(self, what, got, want, limit):
        got, want = np.asarray(got, float), np.asarray(want, float)
        off = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        self.true(what, off <= limit, f"off by {off:.3g}, limit {limit:.3g}: {got.ravel()[:6]} "
                                      f"{want.ravel()[:6]}")

    def says(self, what, pattern, text):
        self.true(what, re.search(pattern, text) is not None, f"no /{pattern}/ in {text[-600:]!r}")

    def end(self):
        print(f"{self.name}: {self.count} checks, {len(self.failures)} failures", *self.failures[:20],
              sep="\n  ")
        return 1 if self.failures or not self.count else 0
