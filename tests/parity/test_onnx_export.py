"""Exported and converted files against transformers, onnx's strict checker, ONNX Runtime and a numpy
evaluation of the quantised meaning."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import openvino
import torch
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from scipy.special import erf
from transformers import BertConfig, BertForSequenceClassification

BUILD = pathlib.Path(os.environ["RK_BUILD"])
DATA = pathlib.Path(os.environ["RINGKAS_DATA"])
PROBE = BUILD / "probe/convert_probe"
OFF = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
FULL = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
failures = []
torch.set_grad_enabled(False)
ort.set_default_logger_severity(3)


def check(what, ok, detail=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what} {detail}", flush=True)
    if not ok:
        failures.append(what)


def near(what, got, want, limit):
    """Largest difference, as a share of the largest wanted value."""
    share = float(np.abs(got - want).max() / np.abs(want).max())
    check(what, share <= limit and bool(np.isfinite(got).all()), f"{share:.3g} (limit {limit:.3g})")


def probe(*args):
    done = subprocess.run([PROBE, *map(str, args)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def must(*args):
    code, out, err = probe(*args)
    check(f"probe {' '.join(map(str, args[:1] + args[3:]))}", code == 0, err.strip())
    return json.loads(out) if out else None


def make_folder(folder, tokens, vocab, layers, hidden, heads, labels, act):
    torch.manual_seed(11)
    names = {i: f"kelas {i}" for i in range(labels)}
    model = BertForSequenceClassification(BertConfig(
        vocab_size=vocab, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=3 * hidden, max_position_embeddings=48, num_labels=labels, hidden_act=act,
        id2label=names, label2id={v: k for k, v in names.items()}))
    for w in model.parameters():
        w.add_(torch.randn_like(w) * (0.1 if w.ndim == 1 else 0.05))
    model.save_pretrained(folder)
    words = SPECIAL + [f"kata{i}" for i in range(tokens - len(SPECIAL))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "ringkas.json").write_text('{"clean": "lower,collapse", "max_length": 32}')
    return model.eval()


def write_ranges(folder, model):
    """quant.safetensors from the extremes of a few batches, as src/encoder/ranges.h has it."""
    seen = {}

    def watch(site):
        def hook(_, args):
            lo, hi = seen.get(site, (0.0, 0.0))
            seen[site] = (min(lo, args[0].min().item()), max(hi, args[0].max().item()))
        return hook

    hooks = [m.register_forward_pre_hook(watch(n.replace("self.query", "self") + ".input"))
             for n, m in model.named_modules()
             if isinstance(m, torch.nn.Linear) and not n.endswith((".key", ".value"))]
    rng = torch.Generator().manual_seed(5)
    for _ in range(4):
        model(torch.randint(0, model.config.vocab_size, (4, 24), generator=rng))
    for h in hooks:
        h.remove()
    out = {}
    for site, (lo, hi) in seen.items():
        scale = np.float32((hi - lo) / 255.0)
        for key, value in (("scale", scale), ("zero_point", np.uint8(round(-lo / float(scale)))),
                           ("min", np.float32(lo)), ("max", np.float32(hi))):
            out[f"activation.{site}.{key}"] = np.array([value])
    for name, w in model.named_parameters():
        if w.ndim == 2:
            out[f"weight.{name}.scale"] = (w.abs().amax(1).numpy() / np.float32(127)).astype(np.float32)
    save_file(out, folder / "quant.safetensors",
              metadata={"format": "ringkas-quant", "version": "1", "precision": "int8"})


class Meaning:
    """The quantised classifier in numpy, float64 between the roundings."""

    def __init__(self, folder, model):
        self.q = load_file(folder / "quant.safetensors")
        self.c, self.w, self.noise = model.config, {}, None
        for name, w in model.named_parameters():
            w = w.numpy()
            if w.ndim == 2:
                s = self.q[f"weight.{name}.scale"][:, None]
                w = np.clip(np.rint(w / s), -127, 127) * s.astype(np.float64)
            self.w[name] = w.astype(np.float64)

    def site(self, name, x):
        s = self.q[f"activation.{name}.input.scale"][0]
        z = float(self.q[f"activation.{name}.input.zero_point"][0])
        if self.noise:
            x = x * (1 + 1e-6 * self.noise.standard_normal(x.shape))
        return (np.clip(np.rint(x.astype(np.float32) / s) + z, 0, 255) - z) * np.float64(s)

    def linear(self, name, x, site=None):
        return self.site(site or name, x) @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.c.layer_norm_eps)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def row(self, ids):
        e, n, heads = "bert.embeddings.", len(ids), self.c.num_attention_heads
        x = (self.w[e + "word_embeddings.weight"][ids] + self.w[e + "token_type_embeddings.weight"][0]
             + self.w[e + "position_embeddings.weight"][:n])
        x = self.norm(e + "LayerNorm", x)
        for i in range(self.c.num_hidden_layers):
            at = f"bert.encoder.layer.{i}."
            q, k, v = (self.linear(f"{at}attention.self.{p}", x, f"{at}attention.self")
                       .reshape(n, heads, -1).transpose(1, 0, 2) for p in ("query", "key", "value"))
            s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
            s = np.exp(s - s.max(-1, keepdims=True))
            y = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
            x = self.norm(at + "attention.output.LayerNorm",
                          self.linear(at + "attention.output.dense", y) + x)
            y = self.linear(at + "intermediate.dense", x)
            y = y * 0.5 * (1 + erf(y / np.sqrt(2)))
            x = self.norm(at + "output.LayerNorm", self.linear(at + "output.dense", y) + x)
        return self.linear("classifier", np.tanh(self.linear("bert.pooler.dense", x[:1])))[0]

    def sway(self, ids, want):
        """What the model makes of float's own rounding before its quantisers: a code that flips in
        an early layer moves the logits, whoever computes them. The largest of a few tries."""
        worst = 0.0
        for seed in range(4):
            self.noise = np.random.default_rng(seed)
            worst = max(worst, max(np.abs(self.row(r) - w).max() for r, w in zip(ids, want)))
        self.noise = None
        return worst / np.abs(want).max()


def session(path, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(s, ids, mask=None):
    mask = np.ones_like(ids) if mask is None else mask
    return s.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0].astype(np.float32)


def run_openvino(path, ids):
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model({"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]


def strict(path):
    try:
        onnx.checker.check_model(str(path), full_check=True)
        check(f"strict checker: {path.name}", True)
    except Exception as e:  # pylint: disable=broad-except
        check(f"strict checker: {path.name}", False, str(e)[:300])


def batches(tokens):
    rng = np.random.default_rng(3)
    return [rng.integers(0, tokens, shape) for shape in ((1, 1), (3, 7), (2, 31), (1, 48))]


def padded(what, s, tokens, limit):
    """A row answers the same alone and beside a longer one; a row of padding stays finite."""
    rng = np.random.default_rng(4)
    ids, mask = rng.integers(0, tokens, (3, 20)), np.ones((3, 20), np.int64)
    mask[1, 6:], mask[2, :] = 0, 0
    y = run(s, ids, mask)
    near(f"{what}: padded row", y[1:2], run(s, ids[1:2, :6]), limit)
    check(f"{what}: row of padding is finite", bool(np.isfinite(y[2]).all()))


def float_case(root, name, tokens, vocab, layers, hidden, heads, labels, act, opset=17):
    folder = root / name
    folder.mkdir()
    model = make_folder(folder, tokens, vocab, layers, hidden, heads, labels, act)
    full, half, brain = (root / f"{name}{s}.onnx" for s in ("", "_fp16", "_bf16"))
    must("export", folder, full, opset)
    strict(full)
    m = onnx.load(full)
    meta = {p.key: p.value for p in m.metadata_props}
    check(f"{name}: metadata", json.loads(meta["ringkas.labels"]) == [f"kelas {i}" for i in range(labels)]
          and meta["ringkas.clean"] == "lower,collapse" and meta["ringkas.max_length"] == "32"
          and json.loads(meta["ringkas.config"])["vocab"] == tokens)
    table = {t.name: t for t in m.graph.initializer}["bert.embeddings.word_embeddings.weight"]
    check(f"{name}: unreachable rows are left out", list(table.dims) == [tokens, hidden])
    report = must("convert", full, half, "fp16")
    strict(half)
    must("convert", full, brain, "bf16")
    strict(brain)
    # the cube in GELU's tanh form may leave half's range, and the tanh takes it back
    cube = {"Mul", "Add", "Tanh"} if "tanh" in act or act == "gelu_new" else set()
    check(f"{name}: half kept float only statistics and cubes",
          {k["op"] for k in report["kept_float"]} == {"LayerNormalization", "Softmax"} | cube
          and report["clamped"] == 0 and report["nodes"]["half"] > 0)
    for level, label in ((OFF, "off"), (FULL, "full")):
        s, h = session(full, level), session(half, level)
        check(f"{name}: fp16 keeps its outputs float", h.get_outputs()[0].type == "tensor(float)")
        for ids in batches(tokens):
            want = model(torch.tensor(ids)).logits.numpy()
            near(f"{name} {label} fp32 {ids.shape}", run(s, ids), want, 1e-4)
            near(f"{name} {label} fp16 {ids.shape}", run(h, ids), want, 2e-2)
        near(f"{name} OpenVINO fp32", run_openvino(full, ids), want, 1e-4)
        near(f"{name} OpenVINO fp16", run_openvino(half, ids), want, 2e-2)
        padded(f"{name} {label} fp32", s, tokens, 1e-4)
        padded(f"{name} {label} fp16", h, tokens, 2e-2)
    again = root / "again.onnx"
    must("convert", half, again, "fp16")
    check(f"{name}: converting again changes nothing", again.read_bytes() == half.read_bytes())
    must("export", folder, again, opset)
    check(f"{name}: exporting again gives the same bytes", again.read_bytes() == full.read_bytes())
    code, _, err = probe("convert", full, again, "int8")
    check(f"{name}: no int8 without ranges", code == 1 and "no INT8 ranges" in err, err.strip())


def same_scales(name, path, folder, model):
    """Every learned scale and zero point is in the file, bit for bit."""
    q = load_file(folder / "quant.safetensors")
    values = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    ok = True
    for key, want in q.items():
        kind, rest = key.split(".", 1)
        if rest.endswith((".min", ".max")):
            continue
        rows = rest.removesuffix(".scale")
        if kind == "weight" and rows + ".scales" in values:
            got = values[rows + ".scales"].ravel()
        else:
            got = values.get(rest)
        ok = ok and got is not None and got.tobytes() == want[:got.size].tobytes()
    check(f"{name}: scales and zero points are the folder's to the bit", ok)
    w = dict(model.named_parameters())["bert.encoder.layer.0.output.dense.weight"].numpy()
    s = q["weight.bert.encoder.layer.0.output.dense.weight.scale"][:, None]
    codes = values.get("bert.encoder.layer.0.output.dense.weight.codes")
    if codes is not None:
        check(f"{name}: weight codes", bool((codes.T == np.clip(np.rint(w / s), -127, 127)).all()))


def int8_case(root, name, folder, model, tokens, how):
    write_ranges(folder, model)
    ranged, small = root / f"{name}_ranges.onnx", root / f"{name}_int8.onnx"
    must(how, folder, ranged)
    strict(ranged)
    report = must("convert", ranged, small, "int8")
    strict(small)
    layers = model.config.num_hidden_layers
    check(f"{name}: what was quantised", report["quantised"] ==
          {"weights": 6 * layers + 2, "tables": 3, "inputs": 4 * layers + 2}, str(report["quantised"]))
    same_scales(f"{name} ranges", ranged, folder, model)
    same_scales(f"{name} int8", small, folder, model)
    meaning = Meaning(folder, model)
    a, b, c = session(ranged, OFF), session(small, OFF), session(small, FULL)
    session(ranged, FULL)
    for ids in batches(tokens):
        want = np.array([meaning.row(row) for row in ids])
        limit = 1e-5 + 2 * meaning.sway(ids, want)
        near(f"{name} off: int8 file against numpy {ids.shape}", run(b, ids), want, limit)
        near(f"{name} full: int8 file against numpy {ids.shape}", run(c, ids), want, limit)
        check(f"{name}: ranges and int8 files agree {ids.shape}",
              bool((run(a, ids) == run(b, ids)).all()))
    near(f"{name} OpenVINO int8 against numpy", run_openvino(small, ids), want, max(limit, 5e-2))
    padded(f"{name} int8", b, tokens, 5e-2)
    code, _, err = probe("convert", small, root / "never.onnx", "int8")
    check(f"{name}: int8 of int8 is refused", code == 1 and "already" in err, err.strip())
    return ranged, small


def real_case(root):
    source = DATA / "e5-small-id"
    if not source.is_dir():
        print("SKIP part: no e5-small-id under RINGKAS_DATA")
        return
    config = BertConfig.from_pretrained(source)
    torch.manual_seed(2)
    model = BertForSequenceClassification.from_pretrained(source, config=config,
                                                          dtype=torch.float32).eval()
    folder = root / "e5"
    model.save_pretrained(folder)
    for f in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(source / f, folder / f)
    full, half = root / "e5.onnx", root / "e5_fp16.onnx"
    must("export", folder, full)
    must("convert", full, half, "fp16")
    _, small = int8_case(root, "e5", folder, model, 30521, "export")
    sizes = [f.stat().st_size for f in (full, half, small)]
    check("e5: fp16 is at most 51 % of fp32", sizes[1] <= 0.51 * sizes[0], f"{sizes[1] / sizes[0]:.4f}")
    check("e5: int8 is at most 27 % of fp32", sizes[2] <= 0.27 * sizes[0], f"{sizes[2] / sizes[0]:.4f}")
    strict(full)
    strict(half)
    ids = np.random.default_rng(8).integers(5, 30000, (4, 40))
    want = model(torch.tensor(ids)).logits.numpy()
    near("e5 fp32", run(session(full, FULL), ids), want, 1e-4)
    near("e5 fp16", run(session(half, FULL), ids), want, 2e-2)


def main():
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        float_case(root, "two", 60, 60, 2, 32, 4, 2, "gelu")
        float_case(root, "three", 50, 77, 2, 48, 3, 3, "gelu_new", 21)
        float_case(root, "seven", 70, 71, 1, 64, 8, 7, "relu", 19)
        folder = root / "int8"
        folder.mkdir()
        model = make_folder(folder, 60, 64, 2, 32, 4, 3, "gelu")
        int8_case(root, "small", folder, model, 60, "export")
        real_case(root)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
