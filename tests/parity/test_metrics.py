#!/usr/bin/env python3
"""Scores and intervals equal scikit-learn's, scipy's and numpy's."""
import os
import subprocess
import sys
import warnings

import numpy as np
from scipy import stats
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, brier_score_loss,
                             confusion_matrix, f1_score, log_loss, matthews_corrcoef,
                             precision_recall_fscore_support, roc_auc_score)

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
        macro = precision_recall_fscore_support(truth, predicted, labels=every, average="macro",
                                                zero_division=0)
        # F1 of a label that nothing has and nobody answers counts as 0 in the mean, and is no mean
        # of precision and recall
        assert macro[2] == f1_score(truth, predicted, labels=every, average="macro", zero_division=0)
        table_of = confusion_matrix(truth, predicted, labels=every)
        absent += int((score[3] == 0).any() or (table_of.sum(axis=0) == 0).any())
        right = int((truth == predicted).sum())
        ci = binomtest(right, len(truth)).proportion_ci(0.95, method="wilson")
        want = np.concatenate([[accuracy_score(truth, predicted), ci.low, ci.high, *weighted[:3],
                                *macro[:3], balanced_accuracy_score(truth, predicted),
                                matthews_corrcoef(truth, predicted)],
                               np.stack(score, axis=1).ravel(), table_of.ravel()])
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


def probabilities(rng, labels, rows, number):
    """Softmax of logits; every second table has few different ones, so that scores tie, and every
    seventh is sure of itself, so that probabilities are exactly 0 and 1."""
    logits = rng.normal(size=(rows, labels)) * rng.choice([0.3, 2.0, 8.0])
    if number % 2:
        logits = np.round(logits)
    if number % 7 == 0:
        logits *= 200.0
    logits = logits.astype(np.float32).astype(np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def areas(truth, scores):
    """One label against the rest, as float scores are handed out; nan where undefined. By ranks,
    which is quick, and for one label of each table by scikit-learn, which must agree."""
    found, asked = np.full(scores.shape[1], np.nan), 0
    for k in range(scores.shape[1]):
        has, score = truth == k, scores[:, k].astype(np.float32)
        n = int(has.sum())
        if 0 < n < len(truth):
            ranks = stats.rankdata(score)[has].sum()
            found[k] = (ranks - n * (n + 1) / 2) / (n * (len(truth) - n))
            if asked < 1:
                same("area by ranks", found[k], roc_auc_score(has, score), absolute=1e-12)
            asked += 1
    return found


def bins_of(truth, p):
    """Rows, right ones and summed confidence of 15 bins (low, high]."""
    top, right = p.max(axis=1), p.argmax(axis=1) == truth
    place = np.searchsorted(np.arange(1, 15) / 15, top)
    return np.stack([np.bincount(place, w, 15) for w in (np.ones(len(top)), right, top)], axis=1)


def check_probabilities(rng):
    cases, lines = [], []
    for number in range(TABLES):
        labels, truth, _ = table(rng, number)
        p = probabilities(rng, labels, len(truth), number)
        cases.append((labels, truth, p))
        lines.append(f"probs 0 {labels} {len(truth)} {words(truth)} {words(p.ravel().tolist())}")
    undefined = 0
    for number, ((labels, truth, p), got) in enumerate(zip(cases, ask(lines))):
        every, what = np.arange(labels), f"probabilities {number} ({labels} labels, {len(truth)} rows)"
        bins = bins_of(truth, p)
        ece = float(np.abs(bins[:, 1] - bins[:, 2]).sum() / len(truth))
        if labels > 1:
            want = [log_loss(truth, p, labels=every), brier_score_loss(truth, p, labels=every)]
        else:       # scikit-learn refuses one label; by their definitions
            want = [-np.log(1 - np.finfo(float).eps), 0.0]
        same(what, got[:4], [*want, ece, 0.0], absolute=1e-12)
        area = areas(truth, p)
        undefined += int(np.isnan(area).sum())
        mine = np.array(got[4:4 + labels])
        if not np.array_equal(np.isnan(mine), np.isnan(area)):
            failures.append(f"{what}: undefined areas differ")
        known = ~np.isnan(area)
        same(what + ", areas", mine[known], area[known], absolute=1e-12)
        if labels > 2 and known.all():
            q = p.astype(np.float32).astype(float)
            if np.abs(q.sum(axis=1) - 1).max() < 1e-9:
                ovr = roc_auc_score(truth, q, multi_class="ovr", labels=every)
                same(what + ", macro area", mine.mean(), ovr, absolute=1e-12)
        same(what + ", bins", got[4 + labels:], bins, absolute=1e-10)
        if number % 50 == 0:    # the same bins as calibration_curve's
            full = bins[bins[:, 0] > 0]
            right, mean = calibration_curve(p.argmax(axis=1) == truth, p.max(axis=1), n_bins=15)
            same(what + ", curve", np.stack([full[:, 1], full[:, 2]]) / full[:, 0],
                 np.stack([right, mean]), absolute=1e-12)
    return f"{TABLES} tables of probabilities ({undefined} labels without an area)"


def check_binned_areas(rng):
    """Past the budget scores are counted in bins; the bound that is told must hold and be small."""
    labels, rows = 3, 4000
    truth = rng.integers(0, labels, rows)
    p = probabilities(rng, labels, rows, 2)
    p[np.arange(rows), truth] += 0.3
    p /= p.sum(axis=1, keepdims=True)
    got, exact = ask([f"probs {budget} {labels} {rows} {words(truth)} {words(p.ravel().tolist())}"
                      for budget in (48_000, 0)])
    off = got[3]
    if not 0 < off < 5e-3 or exact[3] != 0:
        failures.append(f"binned areas: told to be off by {off}, exact ones by {exact[3]}")
    same("binned areas", got[4:4 + labels], exact[4:4 + labels], absolute=off)
    return f"areas from bins within {off:.1g}"


def spread_of_quantile(means, p, draws):
    """Standard error of a bootstrap quantile from `draws` draws: half of what one standard error of
    the share p on both sides spans."""
    step = np.sqrt(p * (1 - p) / draws)
    low, high = np.quantile(means, [p - step, p + step])
    return float(high - low) / 2


def near_interval(what, got, result, draws, step):
    """Both intervals come from random draws: they may differ by five standard errors of their
    difference, and by one step of a figure that lies on a grid."""
    theirs = result.bootstrap_distribution
    mine = [result.confidence_interval.low, result.confidence_interval.high]
    for i, p in enumerate((0.025, 0.975)):
        room = 5 * np.sqrt(spread_of_quantile(theirs, p, draws) ** 2 +
                           spread_of_quantile(theirs, p, len(theirs)) ** 2) + step
        same(f"{what} at {p}", got[i], mine[i], absolute=room)


def scipy_interval(data, figure, seed, paired=False):
    return stats.bootstrap(data, figure, paired=paired, vectorized=False, n_resamples=2000,
                           method="percentile", rng=np.random.default_rng(seed))


def check_bootstrap(rng):
    """Means of counted values against scipy's percentile bootstrap of the rows themselves."""
    draws, checked = 20000, 0
    for n in (1, 20, 137, 500, 1500):
        for kind in ("signs", "normal"):
            value, count = ((np.array([-1.0, 0.0, 1.0]), rng.multinomial(n, [0.03, 0.92, 0.05]))
                            if kind == "signs" else (rng.normal(0.3, 2.0, n), np.ones(n, int)))
            pairs = [x for c, v in zip(count, value.tolist()) for x in (int(c), v)]
            line = f"mean {draws} {n + 5} {len(value)} {words(pairs)}"
            got, again = ask([line, line])
            if got != again:
                failures.append(f"bootstrap n={n} {kind}: {got}, on the rerun {again}")
            d = np.repeat(value, count)
            if len(d) == 1:
                same(f"bootstrap of one {kind}", got, [d[0], d[0]], absolute=1e-12)
            else:
                near_interval(f"bootstrap n={n} {kind}", got, scipy_interval((d,), np.mean, n),
                              draws, 1.0 / n if kind == "signs" else 0.0)
            checked += 1
    # counts far past what is drawn one by one: the two binomial roads against the normal one
    for p in (1e-5, 0.3, 0.999):
        n = 10 ** 7
        ones = int(n * p)
        got = ask([f"mean {draws} 9 2 {ones} 1.0 {n - ones} 0.0"])[0]
        want = stats.binom.ppf([0.025, 0.975], n, ones / n) / n
        sd = np.sqrt(p * (1 - p) / n)
        # a quantile's standard error is sqrt(q (1 - q) / draws) / density, density at 1.96 0.0584/sd
        room = 5 * np.sqrt(0.025 * 0.975 / draws) / 0.0584 * sd + 1.0 / n
        same(f"bootstrap of {n} rows, share {p}", got, want, absolute=room)
        checked += 1
    return f"{checked} bootstraps"


def check_f1_intervals(rng):
    """F1 and paired drops from resampled tables against scipy's bootstrap of the rows."""
    checked = 0
    for rows, labels in ((150, 2), (400, 3), (300, 6)):
        truth = rng.choice(labels, rows, p=rng.dirichlet(np.full(labels, 3.0)))
        base = np.where(rng.random(rows) < 0.85, truth, rng.integers(0, labels, rows))
        other = np.where(rng.random(rows) < 0.9, base, rng.integers(0, labels, rows))
        every = np.arange(labels)

        def fast(t, p, average):
            table_of = np.bincount(t * labels + p, minlength=labels * labels).reshape(labels, labels)
            t_of, p_of = table_of.sum(axis=1), table_of.sum(axis=0)
            f1 = 2 * np.diag(table_of) / np.maximum(t_of + p_of, 1)
            return float(f1.mean() if average == "macro" else (f1 * t_of).sum() / len(t))

        for average in ("weighted", "macro"):
            same("f1", fast(truth, base, average), f1_score(
                truth, base, labels=every, average=average, zero_division=0), absolute=1e-12)
        f1 = ask([f"f1 {labels} {rows} {words(truth)} {words(base)}"])[0]
        drop = ask([f"drop {labels} {rows} {words(truth)} {words(base)} {words(other)}"])[0]
        for i, average in enumerate(("weighted", "macro")):
            result = scipy_interval((truth, base), lambda t, p, a=average: fast(t, p, a), rows, True)
            near_interval(f"F1 {average} of {rows}", f1[2 * i:2 * i + 2], result, 2000, 0.0)
        lost = scipy_interval((truth, base, other),
                              lambda t, b, c: float((b == t).mean() - (c == t).mean()), rows, True)
        near_interval(f"drop of {rows}", drop[:2], lost, 2000, 1.0 / rows)
        lost = scipy_interval((truth, base, other), lambda t, b, c: fast(t, b, "weighted") -
                              fast(t, c, "weighted"), rows, True)
        # a row more or less moves a drop by about one row's share: its values crowd at these steps
        near_interval(f"F1 drop of {rows}", drop[2:], lost, 2000, 1.0 / rows)
        checked += 4
    return f"{checked} F1 and paired intervals"


def check_student(rng):
    degrees = [*range(1, 40), 99, 100, 1000, 5001]
    for df, got in zip(degrees, ask([f"student {df}" for df in degrees])):
        same(f"t of {df}", got, stats.t.ppf(0.975, df), relative=1e-11)
    for n in (2, 3, 5, 20):
        v = rng.normal(0.88, 0.01, n)
        want = [v.mean(), v.std(ddof=1), *stats.t.interval(0.95, n - 1, v.mean(), stats.sem(v))]
        same(f"summary of {n}", ask([f"summary {n} {words(v.tolist())}"])[0], want, relative=1e-11)
    return f"{len(degrees)} Student quantiles"


def check_refusals():
    """No rows is no figure (an empty file once gave 0 or nan elsewhere)."""
    for line in ("scores 2 0", "scores 0 0"):
        got = subprocess.run([PROBE], input=line + "\n", capture_output=True, text=True)
        if got.returncode == 0 or "at least one is needed" not in got.stderr:
            failures.append(f"{line}: not refused: {got.stdout!r} {got.stderr!r}")
    return "refusals"


def main():
    for message in ("A single label was found", "y_pred contains classes not in y_true"):
        warnings.filterwarnings("ignore", message=message)
    rng = np.random.default_rng(20251125)
    done = [check(rng) for check in (check_scores, check_wilson, check_mcnemar, check_quantile,
                                     check_probabilities, check_binned_areas, check_bootstrap,
                                     check_f1_intervals, check_student)]
    done.append(check_refusals())
    for line in failures[:20]:
        print("FAIL", line)
    print(f"metrics: {', '.join(done)}; {len(failures)} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
