"""The runtime on ONNX files of other tools, against ONNX Runtime row by row: torch.onnx's two exporters,
our conversions of their files, ONNX Runtime's dynamic and static quantisers.

Bounds, of the largest logit: FP32 1e-4; FP16 2e-2 (11 bits, each tensor between nodes rounded by one and not
by the other); INT8: what noise of 3e-7 of the largest input of each quantiser makes of the file in ONNX
Runtime itself, twice the most of eight. A row alone and in a ragged batch: the same bits; four engines that
share one file's weights and run at once: the same bits."""
import pathlib
import sys
import tempfile

import numpy as np
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

from foreign_files import LONGEST, THREE, VOCAB, export, feed, files, with_noise
from test_runtime import (DATA, FULL, OFF, check, convert, disturb, distance, failures, make_rows, pretrained,
                          run)

CPU = pathlib.Path("/proc/cpuinfo")
VNNI = CPU.exists() and "vnni" in CPU.read_text()


def by_ort(path, rows, names, level=OFF):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, feed(r, names))[0] for r in rows])


def one_file(name, path, kind, names, rows, folder):
    precision, why, got = run(path, rows)
    if precision is None:
        failures.append(f"{name}: {why}")
        print("FAIL", name, why, flush=True)
        return
    if precision != ("fp32" if kind == "fp32" else "int8"):
        failures.append(f"{name} ran {precision}")
    if kind == "dynamic" and " s8" in name and not VNNI:
        print(f"skip {name}: without VNNI, ONNX Runtime's products of u8 and s8 saturate at 16 bits")
        return
    want = by_ort(path, rows, names)
    limit = 1e-4
    if kind != "fp32":
        spread = 0.0
        for seed in range(8):
            with_noise(path, str(folder / "noisy.onnx"), 3e-7, seed)
            spread = max(spread, distance(by_ort(folder / "noisy.onnx", rows, names), want))
        limit = 2 * spread + 1e-6
        # Most rows have no code at the edge of its bin, and show what is wrong by less than a bin.
        apart = np.median(np.abs(got - want).max(1)) / np.abs(want).max()
        if not name.startswith("e5"):
            check(f"{name}: ONNX Runtime, median row", apart, 1e-5)
    check(f"{name}: {precision}, ONNX Runtime", distance(got, want), limit)
    check(f"{name}: a row at a time, bits that differ",
          (run(path, rows, batch=1, threads=1)[2] != got).sum(), 0)
    check(f"{name}: four at once, bits that differ", (run(path, rows, engines=4)[2] != got).sum(), 0)
    if kind == "dynamic":
        check(f"{name}: at ref, bits that differ", (run(path, rows, isa="ref")[2] != got).sum(), 0)


def halves(name, path, names, rows, folder):
    for io in ("keep", "io"):
        half = folder / "half.onnx"
        convert("convert", path, half, "fp16", io)
        precision, why, got = run(half, rows)
        if precision != "fp16":
            failures.append(f"{name} as FP16, io {io}: {precision} {why}")
            continue
        check(f"{name} as FP16, io {io}, ONNX Runtime", distance(got, by_ort(half, rows, names, FULL)), 2e-2)


def refused(name, path, rows):
    precision, why, _ = run(path, rows)
    ok = precision is None and "node '" in why and "\n" not in why
    if "QOperator" not in name:
        ok = ok and "(DequantizeLinear)" in why
    print(f"{'ok  ' if ok else 'FAIL'} {name} is refused: {why[why.find('node'):]}")
    if not ok:
        failures.append(f"{name}: {precision} {why}")


def real(rng, folder):
    """e5-small-id with a random head: as torch.onnx exports it, and that file quantised."""
    if not (DATA / "e5-small-id").is_dir():
        print(f"skip e5-small-id: not in {DATA}")
        return
    rows = make_rows(rng, 30521, [5, 29, 40])
    plain, quantised = folder / "e5.onnx", folder / "e5.int8.onnx"
    export(str(plain), pretrained(folder / "e5"), THREE)
    quantize_dynamic(str(plain), str(quantised), weight_type=QuantType.QInt8)
    one_file("e5", plain, "fp32", THREE, rows, folder)
    halves("e5", plain, THREE, rows, folder)
    one_file("e5 dynamic s8", quantised, "dynamic", THREE, rows, folder)


def main():
    rng = np.random.default_rng(6)
    rows = make_rows(rng, VOCAB, [LONGEST, 1, 9, 33, 2, 17])
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        good, bad = files(folder, disturb)
        for name, path, kind, names in good:
            one_file(name, path, kind, names, rows, folder)
            if name in ("script eager opset 17", "script sdpa with positions", "dynamo sdpa"):
                halves(name, path, names, rows, folder)
        for name, path in bad:
            refused(name, path, rows)
        print(f"{len(good)} files read, {len(bad)} refused")
        if len(good) < 20:
            failures.append("fewer than 20 files")
        real(rng, folder)
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
