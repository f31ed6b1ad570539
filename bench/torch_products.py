"""The machine's measured peak: the fastest product of BERT's shapes that oneDNN (in torch) reaches.

Prints {"f32", "bf16", "int8": GFLOP/s or null, "each": {shape: {kind: GFLOP/s}}}. The weight is packed
beforehand where the call allows it; the best repeat counts, for a roof is what can be reached.
"""
import json
import os
import time

import torch

SHAPES = [(rows, k, n) for rows in (512, 1024, 2048) for k, n in ((768, 768), (768, 3072), (3072, 768))]
SECONDS = 0.05 if os.environ.get("BENCH_QUICK", "") not in ("", "0") else 0.5


def rate(call, flop):
    for _ in range(3):
        call()
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return flop / best / 1e9


def kinds(rows, k, n):
    """kind: a call without arguments that does one product."""
    x, weight, bias = torch.randn(rows, k), torch.randn(n, k) / 30, torch.zeros(n)
    packed = weight.to_mkldnn()
    x_dnn, bias_dnn = x.to_mkldnn(), bias.to_mkldnn()
    x_half, weight_half, bias_half = x.bfloat16(), weight.bfloat16(), bias.bfloat16()
    x_int = torch.randint(-127, 128, (rows, k), dtype=torch.int8)
    weight_int = torch.randint(-127, 128, (k, n), dtype=torch.int8)
    return {
        "f32": lambda: torch._C._nn.mkldnn_linear(x_dnn, packed, bias_dnn),
        "bf16": lambda: torch.nn.functional.linear(x_half, weight_half, bias_half),
        "int8": lambda: torch._int_mm(x_int, weight_int),
    }


def main():
    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    each, peak = {}, {}
    with torch.inference_mode():
        for rows, k, n in SHAPES:
            rates = {kind: rate(call, 2 * rows * k * n) for kind, call in kinds(rows, k, n).items()}
            each[f"{rows}x{k}x{n}"] = {kind: round(r, 1) for kind, r in rates.items()}
            for kind, r in rates.items():
                peak[kind] = max(peak.get(kind, 0.0), r)
    print(json.dumps({**{kind: round(r, 1) for kind, r in peak.items()}, "each": each}))


if __name__ == "__main__":
    main()
