"""A row's logits are the same bits alone and in any batch, in any order, on one thread and on two; INT8
has the same bits at every level too, and float labels agree across levels.

A small model of each precision on sample rows; where RINGKAS_DATA has e5-small-id and smsa, e5-small-id too
on 40 rows. All 12,760 SmSA rows: RK_ALL_ROWS="FILE FILE ..." names .onnx files or folders (some minutes
each; level ref, which is slow, gets RK_REF_ROWS rows of them, 250 by default)."""
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

from small_model import SAMPLE, Checks, ask, ids_of, make, rows_of
from test_runtime import DATA, levels, run

SMSA, E5 = DATA / "smsa", DATA / "e5-small-id"
REF_ROWS = int(os.environ.get("RK_REF_ROWS", "250"))
c = Checks("batches")


def orders(n, rng):
    """In which order the rows come, and how many a call."""
    yield "batch 7, 1 thread", rng.permutation(n), 7, 1
    yield "batch 32, 2 threads", rng.permutation(n), 32, 2
    yield "all in one call, 2 threads", rng.permutation(n), 0, 2
    yield "alone, 2 threads", rng.permutation(n), 1, 2


def timed(*args, **options):
    start = time.monotonic()
    return (*run(*args, **options), time.monotonic() - start)


def same(what, want, got, seconds):
    off = float(np.abs(want - got).max() / np.abs(want).max()) if got is not None else float("inf")
    labels = int((want.argmax(1) != got.argmax(1)).sum()) if got is not None else -1
    ok = got is not None and want.tobytes() == got.tobytes()
    print(f"{what}: {'equal to the bit' if ok else f'off by {off:.3g} of the largest logit'}, "
          f"{labels} labels differ, {seconds:.1f} s", flush=True)
    c.true(what, ok, f"off by {off:.3g}, {labels} labels differ")


def rows_alike(name, model, rows, compute):
    """Any batch, order and threads at the best level; returns (precision, logits)."""
    precision, level, want, seconds = timed(model, rows, compute=compute, batch=1, threads=1)
    if want is None:
        print(f"SKIP: part: {name} {compute}: {level}")
        return None, None
    print(f"{name}: {precision} at {level}, {len(rows)} rows alone on 1 thread in {seconds:.1f} s; "
          f"labels {np.bincount(want.argmax(1)).tolist()}", flush=True)
    for what, order, batch, threads in orders(len(rows), np.random.default_rng(5)):
        _, _, got, seconds = timed(model, [rows[i] for i in order], compute=compute, batch=batch,
                                   threads=threads)
        if got is not None:
            back = np.empty_like(got)
            back[order] = got
            got = back
        same(f"{name} {precision}, {what}", want, got, seconds)
    return precision, want


def levels_alike(name, model, rows, precision, want, ref_rows):
    for level in levels()[:-1]:
        n = min(len(rows), ref_rows) if level == "ref" else len(rows)
        ran, told, got, seconds = timed(model, rows[:n], isa=level, batch=32, threads=2)
        what = f"{name} {precision} at {level}, {n} rows"
        c.true(f"{what} ran {ran} at {told}", (ran, told) == (precision, level))
        if precision == "int8":
            same(what, want[:n], got, seconds)
        else:
            off = float(np.abs(want[:n] - got).max() / np.abs(want[:n]).max())
            labels = int((want[:n].argmax(1) != got.argmax(1)).sum())
            print(f"{what}: off by {off:.3g} of the largest logit, {labels} labels differ, {seconds:.1f} s",
                  flush=True)
            c.true(what, off <= 1e-4 and labels == 0, f"off by {off:.3g}, {labels} labels")


def whole(name, model, rows, ref_rows):
    precision, want = rows_alike(name, model, rows, "auto")
    levels_alike(name, model, rows, precision, want, ref_rows)
    if precision != "int8":
        rows_alike(name, model, rows, "bf16")


def files(folder, start, train, valid, steps):
    """model.onnx, model_fp16.onnx and model_int8.onnx, trained a little from start."""
    rows = ["--train", train, "--valid", valid, "--quiet"]
    ask("train", "--model", start, *rows, "--out", folder / "model", "--max-steps", steps)
    ask("train", "--model", folder / "model", *rows, "--out", folder / "model-int8", "--qat", "int8",
        "--epochs", 0, "--max-train-rows", 160)
    ask("export", folder / "model", "-o", folder / "model.onnx")
    ask("export", folder / "model-int8", "-o", folder / "qdq.onnx")
    ask("convert", folder / "model.onnx", "-o", folder / "model_fp16.onnx", "--to", "fp16")
    ask("convert", folder / "qdq.onnx", "-o", folder / "model_int8.onnx", "--to", "int8")
    return [folder / f"{n}.onnx" for n in ("model", "model_fp16", "model_int8")]


def all_rows(models):
    texts = [t for part in ("train", "valid", "test") for t in rows_of(SMSA / f"{part}.tsv")[0]]
    assert len(texts) == 12760
    for model in map(pathlib.Path, models):
        whole(model.name, model, ids_of(model, texts), REF_ROWS)


def main():
    if os.environ.get("RK_ALL_ROWS"):
        all_rows(os.environ["RK_ALL_ROWS"].split())
        return c.end()
    with tempfile.TemporaryDirectory() as tmp:
        small = pathlib.Path(tmp) / "small"
        small.mkdir()
        folder, _ = make(small, steps=40)
        texts = rows_of(SAMPLE / "test.tsv")[0][:150]
        for model in files(small, folder, SAMPLE / "train.tsv", SAMPLE / "valid.tsv", 1):
            whole(f"small {model.name}", model, ids_of(model, texts), 150)
        if E5.exists() and SMSA.exists():
            e5 = pathlib.Path(tmp) / "e5"
            e5.mkdir()
            texts = rows_of(SMSA / "test.tsv")[0][:40]
            for model in files(e5, E5, SMSA / "train.tsv", SMSA / "valid.tsv", 20):
                whole(f"e5 {model.name}", model, ids_of(model, texts), 4)
        else:
            print(f"SKIP: part: e5-small-id and smsa are not in {DATA} (RINGKAS_DATA)")
    return c.end()


if __name__ == "__main__":
    sys.exit(main())
