"""The road on real weights and real rows: e5-small-id is trained for some steps on SmSA by the
program, its FP32, FP16 and INT8 files pass the strict checker and load in ONNX Runtime, and on all 500
test rows both give the same logits (FP32 1e-4, FP16 2e-2 of the largest logit) or labels (INT8,
see MOST_DIFFERENT). `compare` lets the INT8 file pass its gate and refuses a damaged
one; calibration and new label shares, written into the files, move the probabilities in ONNX Runtime
as they do here.

RK_SMSA_RUN=FOLDER takes the files of a finished `ringkas pipeline` instead of training here."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

from small_model import softmax
from test_compare import damage
from test_runtime import DATA, FULL, OFF, by_ort, check, distance, failures, run

RINGKAS = os.environ["RINGKAS"]
# Of 500 labels of the INT8 file. The wish is 99.5 %; a model that is only calibrated after 160 steps does
# not hold it on more rows (99.15 % of 1,760), as codes near a tie flip. At 99.5 % more than 8 of 500 differ
# with a chance of 1 in 1,000. For a model of QAT parity.smsa_all holds 99.8 % on all 12,760 rows.
MOST_DIFFERENT = 8
SMSA, E5 = DATA / "smsa", DATA / "e5-small-id"
STEPS = "160"


def ringkas(*args):
    return subprocess.run([RINGKAS, *map(str, args)], check=True, capture_output=True, text=True).stdout


def make_files(folder):
    rows = ["--train", SMSA / "train.tsv", "--valid", SMSA / "valid.tsv", "--quiet"]
    ringkas("train", "--model", E5, *rows, "--out", folder / "model", "--max-steps", STEPS)
    ringkas("train", "--model", folder / "model", *rows, "--out", folder / "model-int8", "--qat",
            "int8", "--epochs", "0")
    ringkas("export", folder / "model", "-o", folder / "model.onnx")
    ringkas("export", folder / "model-int8", "-o", folder / "qdq.onnx")
    ringkas("convert", folder / "model.onnx", "-o", folder / "model_fp16.onnx", "--to", "fp16")
    ringkas("convert", folder / "qdq.onnx", "-o", folder / "model_int8.onnx", "--to", "int8")


def compare(folder):
    texts = [line.rsplit("\t", 1)[0] for line in open(SMSA / "test.tsv", encoding="utf-8")]
    done = subprocess.run([RINGKAS, "tokenize", folder / "model.onnx"], check=True, text=True,
                          input="\n".join(texts) + "\n", capture_output=True).stdout
    rows = [list(map(int, line.split())) for line in done.splitlines()]
    assert len(rows) == len(texts) == 500
    size = {}
    for name, precision, limit in (("model", "fp32", 1e-4), ("model_fp16", "fp16", 2e-2),
                                   ("model_int8", "int8", None)):
        path = folder / f"{name}.onnx"
        size[name] = path.stat().st_size
        onnx.checker.check_model(str(path), full_check=True)
        ran, _, ours = run(path, rows)
        if ran != precision:
            failures.append(f"{name} ran {ran}, not {precision}")
        for level in (OFF, FULL):
            theirs = by_ort(path, rows, level)
            different = int((theirs.argmax(1) != ours.argmax(1)).sum())
            what = f"{name}, ONNX Runtime {level.name}: {different} labels differ, logits"
            check(what, distance(theirs, ours), limit if limit else 1.0)
            if different > {"fp32": 0, "fp16": 2, "int8": MOST_DIFFERENT}[precision]:
                failures.append(what)
    check("FP16 bytes as a share of FP32's", size["model_fp16"] / size["model"], 0.51)
    check("INT8 bytes as a share of FP32's", size["model_int8"] / size["model"], 0.27)
    # the rows do not all get one label, or equal labels would say nothing
    if len(np.unique(ours.argmax(1))) < 2:
        failures.append("every row got one label")


def part(folder, name, rows):
    """The first rows of a split, as a file."""
    path = folder / f"{name}_{rows}.tsv"
    lines = open(SMSA / f"{name}.tsv", encoding="utf-8").readlines()[:rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def gates(run_folder, folder, rows):
    """The gate of 3 points: INT8 within it, the damaged file far outside."""
    base, data = run_folder / "model.onnx", part(folder, "test", rows)
    broken = folder / "damaged.onnx"
    damage(base, broken, 0.6)
    for name, path, want in (("INT8", run_folder / "model_int8.onnx", 0), ("damaged", broken, 3)):
        done = subprocess.run([RINGKAS, "compare", base, path, "--data", data, "--max-drop", "3",
                               "--no-latency", "--json", "--quiet"], capture_output=True, text=True)
        told = json.loads(done.stdout)
        print(f"{name}: accuracy {100 * told['candidate_eval']['accuracy']:.2f} against "
              f"{100 * told['base_eval']['accuracy']:.2f}, drop {100 * told['accuracy_drop']:.2f} points, "
              f"{[round(100 * v, 2) for v in told['accuracy_drop_ci95']]}, p {told['mcnemar_p']:.3g}, "
              f"logits {told['max_logit_diff']:.3g}, exit {done.returncode}", flush=True)
        if done.returncode != want or told["gate"] != ("fail" if want else "pass"):
            failures.append(f"{name}: exit {done.returncode}, gate {told['gate']}")


def calibration(run_folder, folder):
    valid = part(folder, "valid", 300)
    texts = [line.rsplit("\t", 1)[0] for line in open(part(folder, "test", 60), encoding="utf-8")]
    done = subprocess.run([RINGKAS, "tokenize", run_folder / "model.onnx"], check=True, text=True,
                          input="\n".join(texts) + "\n", capture_output=True).stdout
    rows = [list(map(int, line.split())) for line in done.splitlines()]
    for name in ("model", "model_int8"):
        plain, out = run_folder / f"{name}.onnx", folder / f"{name}_calibrated.onnx"
        told = json.loads(ringkas("calibrate", plain, "--data", valid, "-o", out, "--target-prior",
                                  "positive=0.3,neutral=0.4,negative=0.3", "--json", "--quiet"))
        print(f"{name}: temperature {told['temperature']:.3f}, log loss {told['before']['log_loss']:.4f} -> "
              f"{told['after']['log_loss']:.4f}, calibration error {told['before']['ece']:.4f} -> "
              f"{told['after']['ece']:.4f}", flush=True)
        onnx.checker.check_model(str(out), full_check=True)
        raw, new = by_ort(plain, rows, FULL), by_ort(out, rows, FULL)
        mine_raw, mine = run(plain, rows)[2], run(out, rows)[2]
        # softmax moves by half of the largest move of a logit at most; two roundings of 2^-24 a side
        gap = np.abs(raw - mine_raw).max() * told["scale"] + 4 * np.abs(mine).max() * 2 ** -24
        check(f"{name} calibrated: probabilities", float(np.abs(softmax(new) - softmax(mine)).max()), gap / 2)
        moved = np.abs(softmax(new) - softmax(raw)).max()
        if moved < 0.01:
            failures.append(f"{name}: calibration moved probabilities by {moved} only")


def main():
    if not (SMSA.exists() and E5.exists()):
        print(f"SKIP: smsa and e5-small-id are not in {DATA} (RINGKAS_DATA)")
        return 77
    with tempfile.TemporaryDirectory() as tmp:
        made = pathlib.Path(os.environ.get("RK_SMSA_RUN", tmp))
        if made == pathlib.Path(tmp):
            make_files(made)
        compare(made)
        gates(made, pathlib.Path(tmp), 500 if "RK_SMSA_RUN" in os.environ else 200)
        calibration(made, pathlib.Path(tmp))
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
