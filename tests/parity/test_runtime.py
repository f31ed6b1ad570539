"""The runtime on model folders and their ONNX files, against transformers (float, half), the twin (INT8)
and ONNX Runtime.

Float and half weights: within 1e-4 of the largest logit at every level. INT8: within what the model
itself makes of float rounding noise before its quantisers (measured here), the same bits at every level,
in every batch and on any number of threads. A file gives the bits of the folder it came from."""
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.numpy import save_file
from transformers import BertConfig, BertForSequenceClassification
from transformers.activations import ACT2FN

from twin import Twin

BUILD = pathlib.Path(os.environ["RK_BUILD"])
DATA = pathlib.Path(os.environ["RINGKAS_DATA"])
LABELS = {0: "positive", 1: "neutral", 2: "negative"}
failures = []
GELU = torch.nn.functional.gelu
torch.set_grad_enabled(False)


def check(what, value, limit):
    ok = value <= limit
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:.3g})", flush=True)
    if not ok:
        failures.append(what)


def run(model, rows, compute="auto", isa="best", batch=0, threads=2, engines=1):
    """(precision, isa, logits) of the probe."""
    text = "".join(" ".join(map(str, r)) + "\n" for r in rows)
    done = subprocess.run([BUILD / "probe/infer_probe", model, compute, isa, str(batch), str(engines)],
                          input=text, capture_output=True, text=True, check=False,
                          env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    if done.returncode:
        return None, done.stderr.strip(), None
    lines = done.stdout.splitlines()
    precision, level, _ = lines[0].split()
    return precision, level, np.array([[float(v) for v in line.split()] for line in lines[1:]],
                                      np.float32)


def levels():
    best = run("/nonexistent", [])
    names = ["ref", "avx2", "avx512", "vnni", "amx"]
    return [n for n in names if "isa" not in run("/nonexistent", [], isa=n)[1]] if best else []


def disturb(model):
    """Biases and LayerNorm away from 0 and 1, matrices large enough that attention is not flat."""
    for w in model.parameters():
        w.add_(torch.randn_like(w) * (0.1 if w.ndim == 1 else 0.05))


def make(folder, labels=LABELS, **sizes):
    torch.manual_seed(7)
    config = BertConfig(id2label=labels, label2id={v: k for k, v in labels.items()}, **sizes)
    model = BertForSequenceClassification(config)
    disturb(model)
    model.save_pretrained(folder)
    return model.eval()


def pretrained(folder):
    """e5-small-id with a head of random weights."""
    torch.manual_seed(7)
    model = BertForSequenceClassification.from_pretrained(
        DATA / "e5-small-id", num_labels=3, id2label=LABELS, dtype=torch.float32,
        label2id={v: k for k, v in LABELS.items()})
    for part in (model.bert.pooler.dense, model.classifier):
        part.weight.normal_(0, 0.05)
    model.save_pretrained(folder)
    return model.eval()


def reference(model, rows):
    model = model.double()
    out = np.concatenate([model(input_ids=torch.as_tensor([r])).logits.numpy() for r in rows])
    model.float()
    return out


def make_rows(rng, vocab, lengths):
    return [rng.integers(5, vocab, n).tolist() for n in lengths]


def distance(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max()) if a is not None else float("inf")


def convert(*args):
    subprocess.run([BUILD / "probe/convert_probe", *map(str, args)], check=True,
                   stdout=subprocess.DEVNULL)


def by_ort(path, rows, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input_ids": [r], "attention_mask": [[1] * len(r)]})[0]
                           for r in rows])


OFF = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
FULL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL


def float_files(name, folder, rows):
    convert("graph", folder, folder / "fp32.onnx")
    convert("convert", folder / "fp32.onnx", folder / "fp16.onnx", "fp16")
    convert("convert", folder / "fp32.onnx", folder / "bf16.onnx", "bf16")
    first = run(folder, rows)[2]
    precision, _, got = run(folder / "fp32.onnx", rows)
    check(f"{name}: {precision} file, bits that differ from the folder", (got != first).sum(), 0)
    precision16, _, half = run(folder / "fp16.onnx", rows)
    for level in (OFF, FULL):
        check(f"{name}: {precision} file, ONNX Runtime {level.name}",
              distance(got, by_ort(folder / "fp32.onnx", rows, level)), 1e-4)
        check(f"{name}: {precision16} file, ONNX Runtime {level.name}",
              distance(half, by_ort(folder / "fp16.onnx", rows, level)), 2e-2)
    precision_b, why, got = run(folder / "bf16.onnx", rows)
    if precision_b == "bf16":
        check(f"{name}: bf16 file", distance(got, first), 5e-2)
    else:
        print(f"skip {name}: bf16 file: {why}")
    if (precision, precision16) != ("fp32", "fp16"):
        failures.append(f"{name}: files ran {precision}, {precision16}")


def int8_files(name, folder, rows, first, limit):
    convert("graph", folder, folder / "qdq.onnx")
    convert("convert", folder / "qdq.onnx", folder / "int8.onnx", "int8")
    for file in ("qdq.onnx", "int8.onnx"):
        precision, _, got = run(folder / file, rows)
        check(f"{name}: {file}, bits that differ from the folder", (got != first).sum(), 0)
        if precision != "int8":
            failures.append(f"{name}: {file} ran {precision}")
    check(f"{name}: int8.onnx, ONNX Runtime", distance(first, by_ort(folder / "int8.onnx", rows, OFF)),
          limit)


def float_and_half(name, folder, model, rows, isas):
    want = reference(model, rows)
    for isa in isas:
        precision, level, got = run(folder, rows, isa=isa)
        check(f"{name}: fp32 at {isa}", distance(got, want), 1e-4)
        if (precision, level) != ("fp32", isa):
            failures.append(f"{name}: ran {precision} {level}, not fp32 {isa}")
    if run(folder, rows[:1], compute="bf16")[0] == "bf16":
        check(f"{name}: bf16", distance(run(folder, rows, compute="bf16")[2], want), 5e-2)
    else:
        print(f"skip {name}: bf16: {run(folder, rows[:1], compute='bf16')[1]}")

    # Half: the matrices of the same model rounded, all else as it is.
    save_file({"none": np.zeros(1, np.float32)}, folder / "quant.safetensors",
              {"format": "ringkas-quant", "version": "1", "precision": "fp16"})
    kept = {n: w.clone() for n, w in model.named_parameters()}
    for w in model.parameters():
        if w.ndim == 2:
            w.copy_(w.half().float())
    want = reference(model, rows)
    for isa in isas:
        precision, _, got = run(folder, rows, isa=isa)
        check(f"{name}: {precision} at {isa}", distance(got, want), 1e-4)
        if precision != "fp16":
            failures.append(f"{name}: ran {precision}, not fp16")
    for n, w in model.named_parameters():
        w.copy_(kept[n])
    (folder / "quant.safetensors").unlink()


class Noisy(Twin):
    """The twin with float rounding noise before its quantisers."""
    noise = 0.0

    def site(self, name, x):
        if self.noise:
            x = x + torch.randn_like(x) * x.abs() * self.noise
        return super().site(name, x)


def qparams(lo, hi):
    """As src/quant/qparams.h has it."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = np.float32((float(hi) - float(lo)) / 255)
    return scale, int(np.clip(np.rint(-float(lo) / float(scale)), 0, 255))


def int8(name, folder, model, rows, isas):
    torch.nn.functional.gelu = ACT2FN[model.config.hidden_act]    # the twin's activation
    params = dict(model.named_parameters())
    config = model.config.to_dict()
    seen = Twin(config, params, "int8")
    seen.logits(rows)
    tensors, ranges = {}, {}
    for site, (lo, hi) in seen.seen.items():
        lo, hi = np.float32(lo), np.float32(hi)
        ranges[site] = qparams(lo, hi)
        tensors[f"activation.{site}.scale"] = np.array([ranges[site][0]], np.float32)
        tensors[f"activation.{site}.zero_point"] = np.array([ranges[site][1]], np.uint8)
        tensors[f"activation.{site}.min"] = np.array([lo], np.float32)
        tensors[f"activation.{site}.max"] = np.array([hi], np.float32)
    for n, w in params.items():
        if w.ndim == 2:
            scale = np.maximum(np.abs(w.numpy()).max(1) / np.float32(127), np.float32(1e-12))
            tensors[f"weight.{n}.scale"] = scale.astype(np.float32)
    save_file(tensors, folder / "quant.safetensors",
              {"format": "ringkas-quant", "version": "1", "precision": "int8"})

    want = Twin(config, params, "int8", ranges).logits(rows).numpy()
    noisy = Noisy(config, params, "int8", ranges)
    noisy.noise = 3e-7
    spread = max(distance(noisy.logits(rows).numpy(), want) for _ in range(4))
    first = None
    for isa in isas:
        precision, level, got = run(folder, rows, isa=isa)
        if precision != "int8":
            failures.append(f"{name}: ran {precision} {level}, not int8")
            continue
        if first is None:
            first = got
            check(f"{name}: int8 at {isa}, model's own noise {spread:.2g}", distance(got, want),
                  4 * spread + 1e-6)
        check(f"{name}: int8 at {isa}, bits that differ from {isas[0]}", (got != first).sum(), 0)
    for batch, threads in ((1, 1), (1, 2), (3, 2), (0, 1), (0, 3)):
        got = run(folder, rows, batch=batch, threads=threads)[2]
        check(f"{name}: int8, batch {batch}, {threads} threads, bits that differ", (got != first).sum(),
              0)
    int8_files(name, folder, rows, first, 4 * spread + 1e-6)
    if run(folder, rows[:1], compute="bf16")[0] is not None:
        failures.append(f"{name}: bf16 of an INT8 model was not refused")
    torch.nn.functional.gelu = GELU
    (folder / "quant.safetensors").unlink()


# ---- the same graph written otherwise, and graphs that are no BERT classifier ----

def rename(m):
    """Every value and node under another name: structure is what counts."""
    fixed = {v.name for v in [*m.graph.input, *m.graph.output]}
    for n in m.graph.node:
        n.name = ""
        for names in (n.input, n.output):
            for i, v in enumerate(names):
                if v and v not in fixed:
                    names[i] = f"v{hash(v) & 0xffffffffff}"
    for t in m.graph.initializer:
        t.name = f"v{hash(t.name) & 0xffffffffff}"


def swap_adds(m):
    """Operands of every Add, and of the mask's Mul, the other way round."""
    for n in m.graph.node:
        if n.op_type == "Add" or n.name == "mask.bias":
            n.input.reverse()


def constants(m):
    """Initializers of one element as Constant nodes."""
    for t in [t for t in m.graph.initializer if not t.dims or list(t.dims) == [1]]:
        m.graph.initializer.remove(t)
        m.graph.node.insert(0, onnx.helper.make_node("Constant", [], [t.name], value=t))


def gemm(m):
    """The classifier as Gemm with its weight turned."""
    product = next(n for n in m.graph.node if n.output[0] == "classifier.MatMul")
    add = next(n for n in m.graph.node if n.output[0] == "logits")
    w = next(t for t in m.graph.initializer if t.name == product.input[1])
    w.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(w).T.copy(), w.name))
    m.graph.node.remove(product)
    add.CopyFrom(onnx.helper.make_node("Gemm", [product.input[0], w.name, "classifier.bias"], ["logits"],
                                       transB=1))


def node(m, name):
    return next(n for n in m.graph.node if n.name == name)


def tensor(m, name, value):
    t = next(t for t in m.graph.initializer if t.name == name)
    old = onnx.numpy_helper.to_array(t)
    t.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value, old.dtype).reshape(old.shape), name))


def op(name, kind):
    return lambda m: setattr(node(m, name), "op_type", kind)


def reads(name, slot, value):
    return lambda m: node(m, name).input.__setitem__(slot, value)


L0, L1 = "bert.encoder.layer.0", "bert.encoder.layer.1"
WRONG = [
    ("tanh for erf", op(f"{L1}.intermediate.act.2", "Tanh"), "intermediate.activation"),
    ("no pooler tanh", op("bert.pooler.output", "Relu"), "bert.pooler.output"),
    ("residual of another layer", reads(f"{L1}.output.residual", 1, f"{L0}.output.LayerNorm.output"),
     L1),
    ("value of another layer", reads(f"{L1}.attention.self.value.MatMul", 0, "bert.embeddings.output"),
     L1),
    ("mask is a constant", reads("mask.unsqueezed", 0, "const.axes12"), "mask"),
    ("mask adds nothing", lambda m: tensor(m, "const.mask_bias", -1.0), "mask.bias"),
    ("scores not scaled", lambda m: tensor(m, "const.head_divisor", 2.5), "scores"),
    ("last token", lambda m: tensor(m, "const.first", 1), "pooler.first"),
    ("positions from 1", lambda m: tensor(m, "const.axis0", 1), "embeddings"),
    ("two type tables", reads("embeddings.sum", 1, "embeddings.type"), "embeddings"),
    ("other epsilon", lambda m: node(m, f"{L0}.output.LayerNorm.output").attribute[1].__setattr__("f", 1e-5),
     L0),
]
WRONG_INT8 = [
    ("one zero point too few", lambda m: next(
        t for t in m.graph.initializer if t.name == f"{L0}.output.dense.weight.zero_point").CopyFrom(
        onnx.numpy_helper.from_array(np.ones(59, np.int8), f"{L0}.output.dense.weight.zero_point")),
     "weight"),
    ("other scale on the way back", lambda m: (
        m.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.5), "other")),
        node(m, f"{L1}.output.dense.input.dequantized").input.__setitem__(1, "other")), L1),
]


def edited(source, target, edit):
    m = onnx.load(source)
    edit(m)
    onnx.save(m, target)


def written_otherwise(folder, rows):
    """On the small odd model: two files, three layers, hidden 60."""
    for file in ("fp32.onnx", "int8.onnx"):
        want = run(folder / file, rows)[2]
        for edit in (rename, swap_adds, constants) + ((gemm,) if file == "fp32.onnx" else ()):
            edited(folder / file, folder / "edited.onnx", edit)
            precision, why, got = run(folder / "edited.onnx", rows)
            check(f"{file}, {edit.__name__}: bits that differ",
                  (got != want).sum() if precision else float("inf"), 0)
            if not precision:
                print("    ", why)
    for file, wrong in (("fp32.onnx", WRONG), ("int8.onnx", WRONG_INT8)):
        for name, edit, place in wrong:
            edited(folder / file, folder / "edited.onnx", edit)
            precision, why, _ = run(folder / "edited.onnx", rows)
            ok = precision is None and place in why and "edited.onnx: " in why and "\n" not in why
            print(f"{'ok  ' if ok else 'FAIL'} {name}: {why[why.find('edited.onnx'):]}")
            if not ok:
                failures.append(f"{name}: {why}")


def float_batches(name, folder, rows, isas):
    for isa in isas:
        first = run(folder, rows, isa=isa)[2]
        for batch, threads in ((1, 1), (2, 2), (0, 3)):
            got = run(folder, rows, isa=isa, batch=batch, threads=threads)[2]
            check(f"{name}: fp32 at {isa}, batch {batch}, {threads} threads, bits that differ",
                  (got != first).sum(), 0)


def main():
    rng = np.random.default_rng(5)
    isas = levels()
    print("levels:", *isas)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        cases = [
            ("wide", make(tmp / "wide", vocab_size=1000, num_hidden_layers=2),
             make_rows(rng, 1000, [1, 2, 17, 64, 33])),
            ("odd", make(tmp / "odd", {0: "a", 1: "b", 2: "c", 3: "d", 4: "e"}, vocab_size=101,
                         hidden_size=60, num_attention_heads=3, intermediate_size=77,
                         num_hidden_layers=3, max_position_embeddings=50),
             make_rows(rng, 101, [50, 1, 3, 16, 49])),
            ("one layer", make(tmp / "one layer", {0: "a", 1: "b"}, vocab_size=40, hidden_size=16,
                               num_attention_heads=4, intermediate_size=40, num_hidden_layers=1,
                               max_position_embeddings=20, hidden_act="relu"),
             make_rows(rng, 40, [20, 1, 7])),
            ("tanh", make(tmp / "tanh", {0: "a", 1: "b"}, vocab_size=40, hidden_size=24,
                          num_attention_heads=2, intermediate_size=50, num_hidden_layers=2,
                          max_position_embeddings=20, hidden_act="gelu_new"),
             make_rows(rng, 40, [20, 1, 7])),
        ]
        if (DATA / "e5-small-id").is_dir():
            cases.append(("e5", pretrained(tmp / "e5"), make_rows(rng, 30521, [5, 29, 40])))
        else:
            print(f"skip e5-small-id: not in {DATA}")
        for name, model, rows in cases:
            some = isas if name != "e5" else [isas[0], isas[-1]]    # it is large
            float_and_half(name, tmp / name, model, rows, some)
            float_files(name, tmp / name, rows)
            int8(name, tmp / name, model, rows, some)
        written_otherwise(tmp / "odd", cases[1][2])
        float_batches("wide", tmp / "wide", cases[0][2], isas)
    print(f"{len(failures)} failures", *failures, sep="\n  ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
