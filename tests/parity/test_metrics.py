#!/usr/bin/env python3
"""Scores and intervals equal scikit-learn's, scipy's and numpy's."""
import os
import subprocess
import sys
import warnings

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import (accuracy_score, confusion_matrix, f1_score,
                             precision_recall_fscore_support)

PROBE = os.path.join(os.environ["RK_BUILD"], "probe", "metrics_probe")
TABLES = 2000
failures = []


def ask(lines):
    """The probe's answers to these requests: one list of numbers each."""
    got = subprocess.run([PROBE], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if got.returncode:
        sys.exit(f"metrics_probe: exit {got.returncode}: {got.stderr.strip()}")
    answers = [[float(x) for x in line.split()] for line in got.stdout.splitlines()]
    if len(answers) != len(lines):
        sys.exit(f"metrics_probe: {len(answers)} answers to {len(lines)} requests")
    return answers


def same(what, got, want, relative=0.0, absolute=0.0):
    got, want = np.asarray(got, float).ravel(), np.asarray(want, float).ravel()
    if got.shape != want.shape or not np.all(
            np.abs(got - want) <= absolute + relative * np.abs(want)):
        failures.append(f"{what}: got {got[:8]}, want {want[:8]}")


def words(values):
    return " ".join(repr(v) if isinstance(v, float) else str(v) for v in values)


def table(rng, number):
    """Truth and predictions; every third table leaves labels out of one of them or of both."""
    labels = 1 + number % 50
    rows = int(rng.integers(1, 400)) if number % 5 else int(rng.integers(1, 8))
    weight = rng.dirichlet(np.full(labels, 0.5))
    truth = rng.choice(labels, rows, p=weight)
    predicted = np.where(rng.random(rows) < rng.random(), truth, rng.integers(0, labels, rows))
    if number % 3 == 0 and labels > 1:
        truth[truth == labels - 1] = 0
        predicted[predicted == labels // 2] = 0
    return labels, truth, predicted


def check_scores(rng):
    tables = [table(rng, i) for i in range(TABLES)]
    answers = ask([f"scores {n} {len(t)} {words(t)} {words(p)}" for n, t, p in tables])
    absent = 0
    for number, ((labels, truth, predicted), got) in enumerate(zip(tables, answers)):
        every = np.arange(labels)
        score = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0)
        weighted = precision_recall_fscore_support(truth, predicted, labels=every,
                                                   average="weighted", zero_division=0)
        macro = f1_score(truth, predicted, labels=every, average="macro", zero_division=0)
        table_of = confusion_matrix(truth, predicted, labels=every)
        absent += int((score[3] == 0).any() or (table_of.sum(axis=0) == 0).any())
        right = int((truth == predicted).sum())
        ci = binomtest(right, len(truth)).proportion_ci(0.95, method="wilson")
        want = np.concatenate([[accuracy_score(truth, predicted), ci.low, ci.high, *weighted[:3],
                                macro], np.stack(score, axis=1).ravel(), table_of.ravel()])
        same(f"table {number} ({labels} labels, {len(truth)} rows)", got, want, absolute=1e-12)
    return f"{TABLES} tables ({absent} with an absent label)"


def check_wilson(rng):
    z = 1.959963984540054
    cases = [(0, 1), (1, 1), (0, 500), (500, 500), (444, 500), (1, 10**6), (10**6 - 1, 10**6)]
    for _ in range(300):
        n = int(rng.integers(1, 5000))
        cases.append((int(rng.integers(0, n + 1)), n))
    for (k, n), got in zip(cases, ask([f"wilson {k} {n} {z!r}" for k, n in cases])):
        ci = binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")
        same(f"wilson {k} of {n}", got, [ci.low, ci.high], absolute=1e-12)
    return f"{len(cases)} Wilson intervals"


def check_mcnemar(rng):
    cases = [(b, c) for b in range(13) for c in range(13) if b + c]
    cases += [(400, 500), (10_000, 10_321), (30_000, 29_000), (1, 900), (0, 60)]
    cases += [tuple(int(v) for v in rng.integers(0, 300, 2) + [0, 1]) for _ in range(200)]
    for (b, c), got in zip(cases, ask([f"mcnemar {b} {c}" for b, c in cases])):
        want = binomtest(b, b + c, 0.5).pvalue
        same(f"mcnemar {b} {c}", got, want, relative=1e-9)
    return f"{len(cases)} McNemar tests"


def check_quantile(rng):
    cases = []
    for _ in range(500):
        values = np.sort(rng.normal(size=int(rng.integers(1, 60))) * 10.0 ** rng.integers(-3, 4))
        cases.append((float(rng.choice([0, 0.025, 0.5, 0.95, 0.975, 0.99, 1, rng.random()])),
                      values))
    lines = [f"quantile {p!r} {len(v)} {words(v.tolist())}" for p, v in cases]
    for (p, values), got in zip(cases, ask(lines)):
        same(f"quantile {p} of {len(values)}", got, np.quantile(values, p), relative=1e-14,
             absolute=1e-14)
    return f"{len(cases)} quantiles"


def spread_of_quantile(means, p, draws):
    """Standard error of a bootstrap quantile from `draws` draws: half of what one standard error of
    the share p on both sides spans."""
    step = np.sqrt(p * (1 - p) / draws)
    low, high = np.quantile(means, [p - step, p + step])
    return float(high - low) / 2


def check_bootstrap(rng):
    """Both intervals come from random draws: they may differ by five standard errors of their
    difference, and by one step of the mean, whose values lie on a grid where d is whole."""
    draws, checked = 20000, 0
    for n in (1, 20, 137, 500, 1500):
        for kind in ("signs", "normal"):
            d = (rng.choice([-1.0, 0.0, 1.0], n, p=[0.03, 0.92, 0.05]) if kind == "signs"
                 else rng.normal(0.3, 2.0, n))
            line = f"bootstrap {draws} {n + 5} {n} {words(d.tolist())}"
            got, again = ask([line, line])
            if got != again:
                failures.append(f"bootstrap n={n} {kind}: {got}, on the rerun {again}")
            means = np.concatenate([d[rng.integers(0, n, (1000, n))].mean(axis=1)
                                    for _ in range(draws // 1000)])
            for i, p in enumerate((0.025, 0.975)):
                room = 5 * np.sqrt(2) * spread_of_quantile(means, p, draws)
                room += 1.0 / n if kind == "signs" else 0.0
                same(f"bootstrap n={n} {kind} at {p}", got[i], np.quantile(means, p),
                     absolute=room)
            checked += 1
    return f"{checked} bootstraps"


def main():
    warnings.filterwarnings("ignore", message="A single label was found")
    rng = np.random.default_rng(20251125)
    done = [check(rng) for check in (check_scores, check_wilson, check_mcnemar, check_quantile,
                                     check_bootstrap)]
    for line in failures[:20]:
        print("FAIL", line)
    print(f"metrics: {', '.join(done)}; {len(failures)} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
