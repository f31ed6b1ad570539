"""The road on real weights and real rows: e5-small-id is trained for some steps on SmSA by the
program, its FP32, FP16 and INT8 files pass the strict checker and load in ONNX Runtime, and on all 500
test rows both give the same logits (FP32 1e-4, FP16 2e-2 of the largest logit) or labels (INT8
99.5 %).

RK_SMSA_RUN=FOLDER takes the files of a finished `ringkas pipeline` instead of training here."""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

from test_runtime import DATA, FULL, OFF, by_ort, check, distance, failures, run

RINGKAS = os.environ["RINGKAS"]
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
            same = float((theirs.argmax(1) == ours.argmax(1)).mean())
            what = f"{name}, ONNX Runtime {level.name}: labels equal {same:.4f}, logits"
            check(what, distance(theirs, ours), limit if limit else 1.0)
            if same < (1.0 if precision == "fp32" else 0.995):
                failures.append(what)
    check("FP16 bytes as a share of FP32's", size["model_fp16"] / size["model"], 0.51)
    check("INT8 bytes as a share of FP32's", size["model_int8"] / size["model"], 0.27)
    # the rows do not all get one label, or equal labels would say nothing
    if len(np.unique(ours.argmax(1))) < 2:
        failures.append("every row got one label")


def main():
    if not (SMSA.exists() and E5.exists()):
        print(f"SKIP: smsa and e5-small-id are not in {DATA} (RINGKAS_DATA)")
        return 77
    if os.environ.get("RK_SMSA_RUN"):
        compare(pathlib.Path(os.environ["RK_SMSA_RUN"]))
    else:
        with tempfile.TemporaryDirectory() as tmp:
            make_files(pathlib.Path(tmp))
            compare(pathlib.Path(tmp))
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
