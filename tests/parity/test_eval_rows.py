"""eval reads its rows as a stream: its figures are scikit-learn's of all the answers, its memory does
not grow with the file, a bad row near the end keeps what was counted or is skipped, rows of extreme loss
are listed.

RK_EVAL_ROWS=1000000 runs it on so many rows (60,000 here) and prints time and memory."""
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile

import numpy as np
from scipy import stats
from sklearn.metrics import (balanced_accuracy_score, brier_score_loss, classification_report,
                             confusion_matrix, f1_score, log_loss, matthews_corrcoef, roc_auc_score)

from small_model import RINGKAS, SAMPLE, Checks, answer, ask, ids_of, logits_of, make, rows_of, softmax

ROWS = int(os.environ.get("RK_EVAL_ROWS", "60000"))
NAMES = ["positive", "neutral", "negative"]
c = Checks("eval rows")


def metrics(model):
    texts, labels = rows_of(SAMPLE / "test.tsv")
    truth = np.array([NAMES.index(v) for v in labels])
    z = logits_of(model, ids_of(model, texts))
    p, said = softmax(z), z.argmax(axis=1)
    got = answer("eval", model, "--data", SAMPLE / "test.tsv", "--suspects", 7)
    want = {"accuracy": (said == truth).mean(), "f1_weighted": f1_score(truth, said, average="weighted"),
            "f1_macro": f1_score(truth, said, average="macro"), "mcc": matthews_corrcoef(truth, said),
            "balanced_accuracy": balanced_accuracy_score(truth, said), "log_loss": log_loss(truth, p),
            "brier": brier_score_loss(truth, p)}
    for key, value in want.items():
        c.near(key, got[key], value, 1e-9)
    q = p.astype(np.float32)
    area = [roc_auc_score(truth == k, q[:, k]) for k in range(3)]
    c.near("ROC AUC", [got["per_label"][n]["roc_auc"] for n in NAMES], area, 1e-12)
    c.near("macro area", got["roc_auc_macro"], np.mean(area), 1e-12)
    c.near("weighted area", got["roc_auc_weighted"], np.dot(area, np.bincount(truth)) / len(truth), 1e-12)
    c.true("exact area", got["roc_auc_error"] == 0)
    c.true("confusion", np.array_equal(got["confusion"], confusion_matrix(truth, said)))
    c.true("reliability", sum(b["rows"] for b in got["reliability"]) == len(truth) and
           len(got["reliability"]) == 15)
    c.true("interval round F1", got["f1_macro_ci95"][0] < got["f1_macro"] < got["f1_macro_ci95"][1])
    ms = got["latency_ms"]
    c.true("latency", len(ms["quantiles"]) == 21 and ms["quantiles"] == sorted(ms["quantiles"]) and
           ms["rows"] == 200 and ms["quantiles"][10] == ms["p50"] <= ms["p95"] <= ms["p99"])
    loss = -np.log(p[np.arange(len(truth)), truth])
    worst = np.argsort(-loss, kind="stable")[:7]
    c.true("suspects", [s["line"] for s in got["suspects"]] == (worst + 1).tolist())
    c.near("losses", [s["loss"] for s in got["suspects"]], loss[worst], 1e-9)
    c.true("suspects' words", all(s["text"] == texts[i] and s["label"] == labels[i] and
                                  s["answer"] == NAMES[said[i]]
                                  for s, i in zip(got["suspects"], worst)))
    shown = ask("eval", model, "--data", SAMPLE / "test.tsv", "--suspects", 2)[0]
    theirs = classification_report(truth, said, target_names=NAMES, digits=4)
    for line in theirs.splitlines():
        if line.strip():    # the same lines, up to blanks
            c.true("report line", any(line.split() == mine.split() for mine in shown.splitlines()), line)
    c.says("a suspect shown", r"\n%d  .* -> " % (worst[0] + 1), shown)


def measure(*args, want=0):
    """(object, stderr, peak bytes) of an eval. The peak is what the system tells the program of itself;
    the one that it tells a parent holds the parent's pages before exec too."""
    out, err = ask("eval", *args, "--json", want=want)
    o = json.loads(out)
    return o, err, o["peak_rss_bytes"]


def many_rows(path, rows, bad):
    texts, labels = rows_of(SAMPLE / "test.tsv")
    with open(path, "w", encoding="utf-8") as f:
        for i in range(rows):
            k = i * 7 % len(texts)
            label = "no label of the model" if i + 1 == bad else labels[k]
            f.write(f"{texts[k]} {texts[(k + i) % len(texts)]}\t{label}\n")


def stream(model, folder):
    bad = ROWS * 9 // 10 + 1
    big, small, head = folder / "big.tsv", folder / "small.tsv", folder / "head.tsv"
    many_rows(big, ROWS, bad)
    many_rows(small, 2000, 0)
    many_rows(head, bad - 1, 0)
    _, _, base = measure(model, "--data", small)
    part, err, peak = measure(model, "--data", big, want=1)
    c.says("the bad line's number", rf"big.tsv:{bad}: unknown label .*{bad - 1} rows before it", err)
    c.true("partial", part["partial"] is True and part["rows"] == bad - 1)
    # One row is kept as a float a label and its label (16 bytes, at most twice while the list grows),
    # and one area sorts pairs of 8 bytes. 4 MB are for pages that the allocator does not give back.
    room = ROWS * (2 * 16 + 8) + 4_000_000
    c.true("memory", peak - base <= room, f"grew by {peak - base}, room {room}")
    print(f"{ROWS} rows: peak {peak / 1e6:.1f} MB, {base / 1e6:.1f} MB with 2,000", flush=True)
    whole, _, peak = measure(model, "--data", big, "--on-bad-row", "skip", "--quiet")
    c.true("skips one", whole["skipped_rows"] == 1 and whole["rows"] == ROWS - 1 and
           whole["partial"] is False)
    c.says("tells which", rf"big.tsv:{bad}: ", whole["bad_rows"][0])
    c.true("memory of all", peak - base <= room, f"grew by {peak - base}, room {room}")
    before = answer("eval", model, "--data", head)
    for key in ("accuracy", "f1_macro", "log_loss", "ece", "confusion", "roc_auc_macro", "tokens"):
        c.true(f"partial {key}", part[key] == before[key], f"{part[key]} {before[key]}")
    shown = ask("eval", model, "--data", big, want=1)[0]
    c.says("marked", rf"^PARTIAL: the first {bad - 1} rows only", shown)


def bad_rows(model, folder):
    """Every kind of bad row is passed over, and the good rows round it count."""
    good = b"Makanannya enak sekali.\tpositive\n"
    kinds = [b"no label\n", b"bad \xff byte\tpositive\n", b"nul \x00 byte\tpositive\n", b"\n",
             b"a\tb\tpositive\n", b"unknown\tposit\n", b"x" * 1_500_000 + b"\tpositive\n", b"  \tpositive\n"]
    path = folder / "kinds.tsv"
    path.write_bytes(good + b"".join(k + good for k in kinds))
    got = answer("eval", model, "--data", path, "--on-bad-row", "skip")
    c.true("kinds", got["skipped_rows"] == len(kinds) and got["rows"] == len(kinds) + 1,
           f"{got['skipped_rows']} {got['rows']} {got['bad_rows']}")
    path = folder / "kinds.csv"
    path.write_bytes(b'text,label\nok,positive\nbad "quote,positive\n"two\nlines",negative\n')
    got = answer("eval", model, "--data", path, "--on-bad-row", "skip")
    c.true("CSV", got["skipped_rows"] == 1 and got["rows"] == 2, f"{got['bad_rows']}")
    path = folder / "none.tsv"
    path.write_bytes(b"only\tposit\nbad\tnegativ\n")
    err = ask("eval", model, "--data", path, "--on-bad-row", "skip", want=1)[1]
    c.says("none left", r"none.tsv: has no rows that can be taken; .*none.tsv:1: unknown label", err)
    path.write_bytes(b"")
    c.says("no rows", "empty|no rows", ask("eval", model, "--data", path, want=1)[1])


def progress(model, folder):
    """On a terminal a bar tells rows done, rows of the file, speed and time left."""
    try:
        main, side = pty.openpty()
    except OSError as e:
        print(f"SKIP: progress on a terminal: {e}")
        return
    child = subprocess.Popen([RINGKAS, "eval", model, "--data", folder / "big.tsv", "--on-bad-row",
                              "skip"], stdout=subprocess.DEVNULL, stderr=side,
                             env={**os.environ, "TERM": "xterm"})
    os.close(side)
    seen = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    child.wait()
    os.close(main)
    c.says("progress", rf"eval  \d+/{ROWS}  \d+ rows/s  \d+:\d\d left", seen.decode(errors="replace"))


def seeds(folder, model, other):
    """Mean and interval over models and over saved results, as Student's t has them."""
    names = [model, other]
    got = answer("eval", *names, "--data", SAMPLE / "test.tsv")
    figures = [answer("eval", n, "--data", SAMPLE / "test.tsv") for n in names]
    (group,) = got["summary"]
    c.true("one group", group["n"] == 2 and group["name"] == "fp32" and len(got["models"]) == 2)
    for key in ("accuracy", "f1_weighted", "f1_macro", "mcc", "ece"):
        v = np.array([f[key] for f in figures])
        want = stats.t.interval(0.95, 1, v.mean(), stats.sem(v))
        m = group["metrics"][key]
        c.near(f"seeds {key}", [m["mean"], m["sd"], *m["ci95"]], [v.mean(), v.std(ddof=1), *want], 1e-9)
    saved = []
    for i, f in enumerate(figures):
        saved.append(folder / f"seed{i}.json")
        results = [{"name": "fp32", "eval": f}, {"name": "int8", "eval": {**f, "accuracy": 0.5}}]
        saved[-1].write_text(json.dumps({"version": 1, "results": results} if i else f))
    # the first is an eval, named by its precision; the second a report of two results
    got = answer("eval", *saved)
    by_name = {g["name"]: g for g in got["summary"]}
    c.true("saved", by_name["fp32"]["n"] == 2 and by_name["int8"]["n"] == 1)
    c.near("saved mean", by_name["fp32"]["metrics"]["accuracy"]["mean"], group["metrics"]["accuracy"]["mean"],
           1e-12)
    c.true("one has no interval", by_name["int8"]["metrics"]["accuracy"]["ci95"] == [None, None])
    c.says("table", r"fp32 +2 +accuracy +0\.\d+ +0\.\d+ +\[", ask("eval", *saved)[0])
    (folder / "none.json").write_text('{"version": 1}')
    c.says("no result", "accuracy", ask("eval", folder / "none.json", want=1)[1])


def main():
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        _, model = make(folder)
        _, other = make(folder, seed=7)
        metrics(model)
        bad_rows(model, folder)
        seeds(folder, model, other)
        stream(model, folder)
        progress(model, folder)
    return c.end()


if __name__ == "__main__":
    sys.exit(main())
