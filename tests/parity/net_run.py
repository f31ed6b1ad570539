"""Runs one batch through the training network (tests/probe/net_probe.c) and holds gradients against
others; for the oracles of training."""
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

BUILD = pathlib.Path(os.environ["RK_BUILD"])
LABELS = {0: "positive", 1: "neutral", 2: "negative"}
failures = []


def check(what, value, limit):
    ok = value <= limit
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:g})")
    if not ok:
        failures.append(what)


def probe(folder, rows, labels, compute="f32", qat="none", **options):
    """The probe's tensors, and the ranges it observed for int8; None, None where this processor has
    no bf16 products."""
    with tempfile.TemporaryDirectory() as tmp:
        starts = np.cumsum([0] + [len(r) for r in rows]).astype(np.int32)
        save_file({"ids": np.concatenate([np.asarray(r, np.int32) for r in rows]), "starts": starts,
                   "labels": np.asarray(labels, np.int32)}, f"{tmp}/in.safetensors")
        ran = subprocess.run([BUILD / "probe/net_probe", folder, f"{tmp}/in.safetensors",
                              f"{tmp}/out.safetensors", compute, qat, f"{tmp}/ranges.safetensors"]
                             + [f"{k}={v}" for k, v in options.items()],
                             stderr=subprocess.PIPE, text=True)
        if compute == "bf16" and "no bf16 product for this processor" in ran.stderr:
            return None, None
        assert ran.returncode == 0, f"net_probe: exit {ran.returncode}: {ran.stderr}"
        ranges = load_file(f"{tmp}/ranges.safetensors") if qat == "int8" else None
        return load_file(f"{tmp}/out.safetensors"), ranges


def shake(model):
    """Biases and LayerNorm away from 0 and 1, matrices so large that attention is not flat."""
    with torch.no_grad():
        for w in model.parameters():
            w.add_(torch.randn_like(w) * (0.1 if w.ndim == 1 else 0.05))


def gradients(name, got, grads, limit):
    """Every parameter's gradient, by the norm of its difference. One that is zero but for rounding (a
    key's bias cannot move a softmax) has no relative error; it is held against the largest gradient
    instead."""
    largest = max(np.linalg.norm(g) for g in grads.values())
    worst, where = 0.0, ""
    for n, g in grads.items():
        d = np.linalg.norm(got["grad." + n] - g)
        norm = np.linalg.norm(g)
        rel = d / norm if norm > 1e-6 * largest else d / largest
        if rel > worst:
            worst, where = rel, n
    check(f"{name}: worst gradient ({where})", worst, limit)
    assert set(grads) == {n[5:] for n in got if n.startswith("grad.")}, "every parameter has one"


def gradients_of(params):
    """Of torch parameters by name; zero where the loss does not depend on one."""
    return {n: p.grad.numpy() if p.grad is not None else np.zeros(p.shape, np.float32)
            for n, p in params.items()}
