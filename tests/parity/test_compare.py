"""compare row by row: flips, the exact McNemar p, intervals, sizes and the Pareto set are what the two
models' answers make them, and the gate passes a model like the base and exits 3 on a damaged one."""
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from scipy import stats
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from small_model import SAMPLE, Checks, answer, ask, ids_of, logits_of, make, rows_of, softmax

NAMES = ["positive", "neutral", "negative"]
TEST = SAMPLE / "test.tsv"
c = Checks("compare")


def damage(source, out, amount, seed=3):
    """Noise on every matrix, `amount` of its own deviation."""
    rng = np.random.default_rng(seed)
    m = onnx.load(source)
    for t in m.graph.initializer:
        w = onnx.numpy_helper.to_array(t)
        if w.ndim == 2 and w.dtype == np.float32:
            w = w + amount * w.std() * rng.standard_normal(w.shape)
            t.CopyFrom(onnx.numpy_helper.from_array(w.astype(np.float32), t.name))
    onnx.save(m, out)


def answers(model, texts):
    z = logits_of(model, ids_of(model, texts))
    return z, softmax(z), z.argmax(axis=1)


def one_pair(base, other):
    texts, labels = rows_of(TEST)
    truth = np.array([NAMES.index(v) for v in labels])
    (za, pa, a), (zb, pb, b) = answers(base, texts), answers(other, texts)
    got = answer("compare", base, other, "--data", TEST, "--flips", 1000)
    right_a, right_b = a == truth, b == truth
    to_wrong, to_right = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    c.true("there is something to see", to_wrong > 3 and to_right > 3, f"{to_wrong} {to_right}")
    c.true("flipped", got["flipped"] == {"to_right": to_right, "to_wrong": to_wrong})
    c.true("changed", got["changed"] == int((a != b).sum()))
    c.near("McNemar", got["mcnemar_p"], binomtest(to_wrong, to_wrong + to_right, 0.5).pvalue, 1e-12)
    c.near("drop", got["accuracy_drop"], right_a.mean() - right_b.mean(), 1e-12)
    c.near("F1 drop", got["f1_drop"], f1_score(truth, a, average="weighted") -
           f1_score(truth, b, average="weighted"), 1e-12)
    c.near("largest logit difference", got["max_logit_diff"], np.abs(za - zb).max(), 1e-5)
    # two bootstraps of 2,000 and 4,000 draws: ends within five standard errors, and a row
    d = right_a.astype(float) - right_b
    theirs = stats.bootstrap((d,), np.mean, n_resamples=4000, method="percentile",
                             rng=np.random.default_rng(1)).confidence_interval
    se = np.sqrt(0.025 * 0.975 * (1 / 2000 + 1 / 4000)) / 0.0584 * d.std() / np.sqrt(len(d))
    c.near("interval", got["accuracy_drop_ci95"], [theirs.low, theirs.high], 5 * se + 1 / len(d))
    c.true("F1 interval", got["f1_drop_ci95"][0] < got["f1_drop"] < got["f1_drop_ci95"][1])

    lost = sorted(np.flatnonzero(right_a & ~right_b), key=lambda r: (-pb[r, b[r]], r))
    won = sorted(np.flatnonzero(~right_a & right_b), key=lambda r: (-pa[r, a[r]], r))
    c.true("the worst first", [f["line"] - 1 for f in got["flips"]] == lost + won)
    for f in got["flips"]:
        r = f["line"] - 1
        c.true("a flip", (f["text"], f["label"], f["base"], f["candidate"], f["way"]) ==
               (texts[r], labels[r], NAMES[a[r]], NAMES[b[r]], "to_wrong" if right_a[r] else "to_right"))
        c.near("its confidence", [f["base_probability"], f["candidate_probability"]],
               [pa[r, a[r]], pb[r, b[r]]], 1e-6)
    few = answer("compare", base, other, "--data", TEST, "--flips", 2)["flips"]
    c.true("two each way", [f["line"] - 1 for f in few] == lost[:2] + won[:2])
    shown = ask("compare", base, other, "--data", TEST, "--flips", 1)[0]
    c.says("shown", rf"Turned wrong: 1 of {to_wrong}\n.*\n{lost[0] + 1}  ", shown)
    c.says("shown too", rf"Turned right: 1 of {to_right}\n.*\n{won[0] + 1}  ", shown)
    return got


def gates(base, other, pair):
    drop, (_, high) = 100 * pair["accuracy_drop"], pair["accuracy_drop_ci95"]
    between = (max(drop, 0) + 100 * high) / 2
    c.true("the upper end is above the drop", 100 * high > between > drop)
    same = answer("compare", base, base, "--data", TEST, "--max-drop", 0)
    c.true("the same model passes", same["gate"] == "pass" and same["mcnemar_p"] == 1 and
           same["flips"] == [] and same["accuracy_drop_ci95"] == [0, 0])
    # none of n rows changed: scipy's exact interval says what so many allow
    allowed = 100 * stats.binomtest(0, same["rows"]).proportion_ci(0.95, "exact").high
    for points, gate in ((allowed - 0.01, "fail"), (allowed + 0.01, "pass")):
        sure = answer("compare", base, base, "--data", TEST, "--max-drop", points, "--confident",
                      want=3 if gate == "fail" else 0)
        c.true(f"what no change shows, {gate}", sure["gate"] == gate and
               abs(sure["gate_value"] - allowed) < 1e-9)
    got = answer("compare", base, other, "--data", TEST, "--max-drop", between)
    c.true("the drop passes", got["gate"] == "pass" and abs(got["gate_value"] - drop) < 1e-9)
    got = answer("compare", base, other, "--data", TEST, "--max-drop", between, "--confident", want=3)
    c.true("its upper end does not", got["gate"] == "fail" and abs(got["gate_value"] - 100 * high) < 1e-9)
    c.says("says so", "drops by up to", ask("compare", base, other, "--data", TEST, "--max-drop", between,
                                            "--confident", want=3)[1])
    c.says("confident of what", "--confident needs --max-drop",
           ask("compare", base, other, "--data", TEST, "--confident", want=2)[1])


def several(base, half, broken, folder):
    got = answer("compare", base, half, broken, "--data", TEST, "--max-drop", 3, want=3)
    models, pairs = got["models"], got["pairs"]
    c.true("all there", [m["model"] for m in models] == [str(base), str(half), str(broken)] and
           [m["role"] for m in models] == ["base", "candidate", "candidate"])
    c.true("gates", [p["gate"] for p in pairs] == ["pass", "fail"] and got["gate"] == "fail")
    c.true("sizes", [m["model_bytes"] for m in models] == [f.stat().st_size for f in (base, half, broken)])
    c.true("memory", models[1]["memory_bytes"] < 0.6 * models[0]["memory_bytes"])
    figures = [(m["accuracy"], -m["model_bytes"], m["latency_ms"]["p50"]) for m in models]
    for m, (accuracy, size, ms) in zip(models, figures):
        # latencies within a twentieth are equal
        beaten = any(a >= accuracy and b >= size and t <= 1.05 * ms and
                     (a > accuracy or b > size or 1.05 * t < ms) for a, b, t in figures)
        c.true("Pareto", m["pareto"] is not beaten)
    c.true("half is in it", models[1]["pareto"] is True)
    out, err = ask("compare", base, half, broken, "--data", TEST, "--max-drop", 3, want=3)
    c.says("names the one that fails", r"(?m)^ringkas: .*broken.onnx: accuracy drops by [0-9.]+ points; "
                                       r"at most 3 allowed$", err.strip())
    c.says("table", r"model +ran +bytes +memory +p50 ms", out)
    c.says("and says so", r"MB +- +- +\d|kB +- +- +\d", ask("compare", base, half, "--data", TEST,
                                                            "--no-latency")[0])
    quick = answer("compare", base, half, broken, "--data", TEST, "--no-latency")
    small = folder / "broken_half.onnx"
    ask("convert", broken, "-o", small, "--to", "fp16")
    pair = answer("compare", base, small, "--data", TEST, "--no-latency")["models"]
    c.true("worse but smaller: both stay", [m["pareto"] for m in pair] == [True, True])
    c.true("not timed", all(m["latency_ms"] is None for m in quick["models"]) and quick["gate"] == "none")


def main():
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        _, base = make(folder)
        _, other = make(folder, seed=7, steps=110)
        broken, half = folder / "broken.onnx", folder / "half.onnx"
        damage(base, broken, 1.5)
        ask("convert", base, "-o", half, "--to", "fp16")
        gates(base, other, one_pair(base, other))
        several(base, half, broken, folder)
    return c.end()


if __name__ == "__main__":
    sys.exit(main())
