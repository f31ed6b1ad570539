"""INT8 models with learned ranges on all 12,760 SmSA rows (train, valid, test): ONNX Runtime's labels equal
the integer runtime's on at least 99.8 % of them, in the file as converted, computed operator by operator
(graph optimisation off) and with every fusion. Every learned scale and zero point is in the file to the bit.

RK_SMSA_ALL=FOLDER[:FOLDER...] names model folders of `ringkas train --qat int8`; each takes some minutes."""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from safetensors.numpy import load_file

from test_runtime import DATA, FULL, OFF, by_ort, check, failures, run

RINGKAS = os.environ["RINGKAS"]
SMSA = DATA / "smsa"
SHARE = 0.998


def files(folder, out):
    qdq, int8 = out / "qdq.onnx", out / "int8.onnx"
    for args in (("export", folder, "-o", qdq), ("convert", qdq, "-o", int8, "--to", "int8")):
        subprocess.run([RINGKAS, *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return qdq, int8


def ranges_reach(name, folder, path):
    """Scales of tables lie in the file as a column, the others as they are in the folder."""
    learned = load_file(folder / "quant.safetensors")
    there = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    seen = different = 0
    for key, value in learned.items():
        kind, rest = key.split(".", 1)
        if kind not in ("activation", "weight") or not rest.endswith((".scale", ".zero_point")):
            continue
        got = there.get(rest, there.get(rest + "s"))
        seen += 1
        if got is None or got.size != value.size or got.tobytes() != value.tobytes():
            different += 1
    check(f"{name}: of {seen} learned tensors, not in {path.name} to the bit",
          different if seen > 100 else float("inf"), 0)


def rows_of(model):
    texts = [line.rsplit("\t", 1)[0] for name in ("train", "valid", "test")
             for line in open(SMSA / f"{name}.tsv", encoding="utf-8")]
    done = subprocess.run([RINGKAS, "tokenize", model], check=True, text=True,
                          input="\n".join(texts) + "\n", capture_output=True).stdout
    rows = [list(map(int, line.split()))[:512] for line in done.splitlines()]
    assert len(rows) == len(texts)
    return rows


def labels(name, path, rows):
    ran, isa, ours = run(path, rows)
    if ran != "int8":
        failures.append(f"{name} ran {ran}: {isa}")
        return
    mine = ours.argmax(1)
    counts = np.bincount(mine, minlength=3)
    if counts.max() > 0.95 * len(rows):
        failures.append(f"{name}: nearly every row got one label: {counts}")
    margin = np.sort(ours, 1)
    margin = margin[:, -1] - margin[:, -2]
    for level in (OFF, FULL):
        theirs = by_ort(path, rows, level)
        other = np.flatnonzero(theirs.argmax(1) != mine)
        apart = np.abs(theirs - ours).max(1)
        print(f"{name}, ONNX Runtime {level.name}: labels equal on {len(rows) - len(other)} of {len(rows)} "
              f"rows ({1 - len(other) / len(rows):.5f}); logits apart: median {np.median(apart):.3g}, "
              f"99 % {np.quantile(apart, 0.99):.3g}, most {apart.max():.3g}; margin median "
              f"{np.median(margin):.3g}; margins where labels differ: "
              f"{np.round(np.sort(margin[other])[-8:], 4).tolist()}", flush=True)
        check(f"{name}, ONNX Runtime {level.name}: share of labels that differ", len(other) / len(rows),
              1 - SHARE)


def main():
    asked = os.environ.get("RK_SMSA_ALL")
    if not asked:
        print("SKIP: some minutes; RK_SMSA_ALL=FOLDER[:FOLDER] asks for it (folders of train --qat int8)")
        return 77
    if not SMSA.exists():
        print(f"SKIP: smsa is not in {DATA} (RINGKAS_DATA)")
        return 77
    for folder in map(pathlib.Path, asked.split(":")):
        with tempfile.TemporaryDirectory() as tmp:
            qdq, int8 = files(folder, pathlib.Path(tmp))
            ranges_reach(folder.name, folder, qdq)
            ranges_reach(folder.name, folder, int8)
            labels(folder.name, int8, rows_of(int8))
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
