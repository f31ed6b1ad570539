"""A small BERT classifier as other tools write it: torch.onnx's exporters, ONNX Runtime's quantisers.

files(folder) makes them all: a list of (name, path, kind, names of the inputs), kind fp32, dynamic or
static."""
import contextlib
import io
import logging
import warnings

import numpy as np
import onnx
import torch
import transformers
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic,
                                      quantize_static)
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

VOCAB, LONGEST = 300, 40
TWO = ["input_ids", "attention_mask"]
THREE = TWO + ["token_type_ids"]
FOUR = THREE + ["position_ids"]
U8, S8 = QuantType.QUInt8, QuantType.QInt8
warnings.simplefilter("ignore")


class Named(nn.Module):
    """A model called by position, that gives its logits."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *args):
        return self.model(**dict(zip(self.names, args))).logits


def model(attention, disturb, **more):
    torch.manual_seed(7)
    config = BertConfig(**{**{
        "vocab_size": VOCAB, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96,
        "num_hidden_layers": 2, "max_position_embeddings": LONGEST, "num_labels": 3}, **more})
    config._attn_implementation = attention
    made = BertForSequenceClassification(config)
    disturb(made)
    return made.eval()


def feed(row, names):
    length = len(row)
    all_of = {"input_ids": [row], "attention_mask": [[1] * length], "token_type_ids": [[0] * length],
              "position_ids": [list(range(length))]}
    return {n: np.asarray(all_of[n], np.int64) for n in names}


def export(path, made, names, dynamo=False, opset=17, **more):
    row = list(range(5, 14))
    args = tuple(torch.as_tensor(feed(row, names)[n]).repeat(2, 1) for n in names)
    axes = {n: {0: "batch", 1: "sequence"} for n in names}
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with quiet[0], quiet[1], torch.no_grad():
        if dynamo:
            dims = {k: torch.export.Dim.DYNAMIC for k in (0, 1)}
            torch.onnx.export(Named(made, names).eval(), args, path, input_names=names,
                              output_names=["logits"], dynamo=True, opset_version=opset,
                              dynamic_shapes=(tuple(dims for _ in names),), external_data=False)
        else:
            torch.onnx.export(Named(made, names).eval(), args, path, input_names=names,
                              output_names=["logits"], dynamo=False, opset_version=opset,
                              dynamic_axes={**axes, "logits": {0: "batch"}}, **more)


class Rows(CalibrationDataReader):
    """A few rows to calibrate on."""

    def __init__(self, names):
        rng = np.random.default_rng(1)
        self.rows = iter([feed(rng.integers(5, VOCAB, n).tolist(), names) for n in (9, 30, 17, 4)])

    def get_next(self):
        return next(self.rows, None)


PRODUCTS = ["MatMul", "Gemm"]
DYNAMIC = [
    ("dynamic u8", {"weight_type": U8}),
    ("dynamic s8", {"weight_type": S8}),
    ("dynamic s8 per channel", {"weight_type": S8, "per_channel": True}),
    ("dynamic u8 per channel, reduced", {"weight_type": U8, "per_channel": True, "reduce_range": True}),
    ("dynamic s8, products only", {"weight_type": S8, "op_types_to_quantize": ["MatMul"]}),
]
ONLY_WEIGHTS = {"MatMulConstBOnly": True}
STATIC = [
    ("static", {}),
    ("static s8 per channel", {"per_channel": True, "weight_type": S8}),
    ("static u8", {"activation_type": U8, "weight_type": U8}),
    ("static u8 activations, weights only", {"activation_type": U8, "extra_options": ONLY_WEIGHTS}),
    ("static s8 activations, inputs only", {
        "activation_type": S8, "weight_type": S8,
        "extra_options": {**ONLY_WEIGHTS, "OpTypesToExcludeOutputQuantization": PRODUCTS}}),
]


def float_files(folder, disturb):
    """TorchScript and dynamo, opsets 14 to 20, eager and sdpa, folded and not."""
    eager, sdpa = model("eager", disturb), model("sdpa", disturb)
    jobs = [(f"script {kind} opset {opset}", made, TWO, {"opset": opset})
            for kind, made in (("eager", eager), ("sdpa", sdpa)) for opset in (14, 17, 20)]
    jobs += [
        ("script with types", eager, THREE, {}), ("script sdpa with positions", sdpa, FOUR, {}),
        ("script not folded", eager, THREE, {"do_constant_folding": False}),
        ("script sdpa not folded", sdpa, THREE, {"do_constant_folding": False}),
        ("script tanh", model("eager", disturb, hidden_act="gelu_new"), THREE, {}),
        ("script relu, one layer", model("sdpa", disturb, hidden_act="relu", num_hidden_layers=1), TWO, {}),
        ("dynamo eager", eager, TWO, {"dynamo": True, "opset": 18}),
        ("dynamo sdpa", sdpa, THREE, {"dynamo": True, "opset": 20}),
    ]
    out = []
    for name, made, names, how in jobs:
        path = folder / f"{name.replace(' ', '_').replace(',', '')}.onnx"
        export(str(path), made, names, **how)
        out.append((name, path, "fp32", names))
    return out


def quantised_files(folder, floats):
    sources = {name: (path, names) for name, path, _, names in floats}
    out = []
    for i, (name, how) in enumerate(DYNAMIC):
        path, names = sources[("script eager opset 17", "script sdpa with positions", "dynamo sdpa")[i % 3]]
        made = folder / f"dynamic{i}.onnx"
        quantize_dynamic(str(path), str(made), **how)
        out.append((name, made, "dynamic", names))
    for i, (name, how) in enumerate(STATIC):
        path, names = sources[("script eager opset 17", "script sdpa opset 17")[i % 2]]
        made = folder / f"static{i}.onnx"
        quantize_static(str(path), str(made), Rows(names), op_types_to_quantize=PRODUCTS, **how)
        out.append((name, made, "static", names))
    return out


def refused_files(folder, floats):
    """What is read by nobody here: every operator quantised, or sums too; QOperator form."""
    path, names = next((p, n) for name, p, _, n in floats if name == "script eager opset 17")
    every, operators = folder / "every.onnx", folder / "operators.onnx"
    quantize_static(str(path), str(every), Rows(names))
    quantize_static(str(path), str(operators), Rows(names), op_types_to_quantize=PRODUCTS,
                    quant_format=QuantFormat.QOperator)
    sums = folder / "sums.onnx"
    quantize_static(str(path), str(sums), Rows(names), op_types_to_quantize=PRODUCTS + ["Add"])
    return [("static, every operator", every), ("static, sums too", sums), ("static, QOperator", operators)]


def files(folder, disturb):
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    floats = float_files(folder, disturb)
    return floats + quantised_files(folder, floats), refused_files(folder, floats)


def with_noise(path, out, size, seed):
    """The file with noise on what each quantiser reads: `size` of the largest number there, as float sums
    in another order have it."""
    m = onnx.load(path)
    nodes = []
    for i, n in enumerate(m.graph.node):
        if n.op_type in ("QuantizeLinear", "DynamicQuantizeLinear"):
            x, make = n.input[0], onnx.helper.make_node
            nodes += [
                make("RandomNormalLike", [x], [f"random.{i}"], mean=0.0, scale=size,
                     seed=float(1000 * seed + i)),
                make("Abs", [x], [f"abs.{i}"]),
                make("ReduceMax", [f"abs.{i}"], [f"most.{i}"], keepdims=0),
                make("Mul", [f"random.{i}", f"most.{i}"], [f"noise.{i}"]),
                make("Add", [x, f"noise.{i}"], [f"noisy.{i}"])]
            n.input[0] = f"noisy.{i}"
        nodes.append(n)
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    onnx.save(m, out)
