"""Judges a half model against the float model it came from, as the half tests and bench-convert do it.

A model passes when the strict checker takes it, ONNX Runtime's CPU provider opens it with optimisation
off and full, and under both its outputs are those of the float model within LIMIT.

The measure of an output is the largest difference over the largest magnitude of the float answer
(norm-relative, in the maximum norm). A number rounded to half is off by at most 2^-11 = 4.9e-4 of
itself, so LIMIT = 1e-2 leaves room for about 20 such errors in a row and none for a wrong number.
Integers are measured the same way; booleans and strings must be equal. An answer that is not finite must
be the same one, and one that is finite must stay finite. A model that gives two different answers to one
input (random numbers without a seed) is judged by names, types, shapes and finiteness alone.
"""
import json
import os
import subprocess

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort

LIMIT = 1e-2
OFF, FULL = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
LEVELS = {"off": OFF, "full": FULL}
# Types that numpy does not have, and how ONNX Runtime takes them.
FOREIGN = {"tensor(bfloat16)": (ml_dtypes.bfloat16, np.uint16, onnx.TensorProto.BFLOAT16),
           "tensor(float8e4m3fn)": (ml_dtypes.float8_e4m3fn, np.uint8, onnx.TensorProto.FLOAT8E4M3FN),
           "tensor(float8e5m2)": (ml_dtypes.float8_e5m2, np.uint8, onnx.TensorProto.FLOAT8E5M2)}
ort.set_default_logger_severity(4)


class Wrong(Exception):
    """What is wrong with the half model: stage and reason in one line."""

    def __init__(self, stage, reason):
        self.stage, self.reason = stage, " ".join(str(reason).split())[:300]
        super().__init__(f"{stage}: {self.reason}")


def convert(source, out, *options, to="fp16", json_wanted=True):
    """(exit code, JSON object or None, stderr) of `ringkas convert`."""
    argv = [os.environ["RINGKAS"], "convert", source, "-o", out, "--to", to, *options]
    done = subprocess.run([str(a) for a in argv + (["--json"] if json_wanted else [])],
                          capture_output=True, check=False)
    result = json.loads(done.stdout) if done.returncode == 0 and json_wanted else None
    return done.returncode, result, done.stderr.decode("utf-8", "replace").strip()


def session(path, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed(value, kind):
    """One input as ONNX Runtime takes it. A half input gets the float value rounded."""
    if kind in FOREIGN:
        own, bits, number = FOREIGN[kind]
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
            np.asarray(value).astype(own, copy=False).view(bits), number)
    if isinstance(value, (list, tuple)):
        half = "float16" in kind
        return [np.asarray(v).astype(np.float16) if half else np.asarray(v) for v in value]
    value = np.asarray(value)
    if kind == "tensor(float16)" and value.dtype == np.float32:
        with np.errstate(over="ignore"):
            return value.astype(np.float16)
    return value


def answers(opened, feeds):
    """{name: value}; feeds {name: value} may hold None for an optional input that is absent."""
    ready = {i.name: feed(feeds[i.name], i.type) for i in opened.get_inputs()
             if feeds.get(i.name) is not None}
    names = [o.name for o in opened.get_outputs()]
    if any(isinstance(v, ort.OrtValue) for v in ready.values()):
        ready = {k: v if isinstance(v, ort.OrtValue) else ort.OrtValue.ortvalue_from_numpy(v)
                 for k, v in ready.items()}
        got = opened.run_with_ort_values(names, ready)
        return {n: v.numpy() for n, v in zip(names, got)}
    return dict(zip(names, opened.run(None, ready)))


def distance(want, got, convert_io=False):
    """How far one output is off, in the measure above; a Wrong where it cannot be measured."""
    if want is None or got is None:
        if want is not got:
            raise Wrong("answer", "an optional output came or went")
        return 0.0
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(want) != len(got):
            raise Wrong("answer", "a sequence of another length")
        return max([distance(a, b, convert_io) for a, b in zip(want, got)], default=0.0)
    if isinstance(want, dict):
        if not isinstance(got, dict) or want.keys() != got.keys():
            raise Wrong("answer", "a map of other keys")
        return max([distance(np.asarray(want[k]), np.asarray(got[k])) for k in want], default=0.0)
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        raise Wrong("answer", f"shape {list(got.shape)}, not {list(want.shape)}")
    if want.dtype != got.dtype and not (convert_io and want.dtype == np.float32
                                        and got.dtype == np.float16):
        raise Wrong("answer", f"type {got.dtype}, not {want.dtype}")
    if want.dtype.kind in "bOSU":
        if not np.array_equal(want, got):
            raise Wrong("answer", f"{np.sum(want != got)} of {want.size} booleans or strings differ")
        return 0.0
    if not want.size:
        return 0.0
    kind = np.complex128 if want.dtype.kind == "c" else np.float64
    a, b = want.astype(kind), got.astype(kind)
    fine = np.isfinite(a)
    if not np.array_equal(fine, np.isfinite(b)):
        raise Wrong("answer", f"{np.sum(fine & ~np.isfinite(b))} of {a.size} numbers are no longer "
                              f"finite, {np.sum(~fine & np.isfinite(b))} now are")
    if not np.array_equal(a[~fine], b[~fine], equal_nan=True):
        raise Wrong("answer", "another infinity or NaN")
    if not fine.any():
        return 0.0
    scale = np.abs(a[fine]).max()
    worst = np.abs(a[fine] - b[fine]).max()
    return float(worst / scale) if scale else float("inf") if worst else 0.0


class Float:
    """The float model's own answers, once for all converters. Raises what ONNX Runtime raises."""

    def __init__(self, path, batches):
        self.path, self.batches = path, batches
        opened = session(path, OFF)
        self.outputs = [o.name for o in opened.get_outputs()]
        self.inputs = [i.name for i in opened.get_inputs()]
        self.want = [answers(opened, feeds) for feeds in batches]
        again = self.at(OFF)
        # What the float model does not pass, the half model cannot, nor be blamed for.
        self.checks = [full for full in (False, True) if passes(path, full)]
        self.random = False
        for one, two in zip(self.want, again):
            for name, value in one.items():
                try:
                    self.random |= distance(value, two[name]) != 0
                except Wrong:
                    self.random = True

    def at(self, level):
        """The answers anew, at this level of optimisation, which rounds in its own way."""
        opened = session(self.path, level)
        return [answers(opened, feeds) for feeds in self.batches]


def passes(path, full):
    try:
        onnx.checker.check_model(str(path), full_check=full)
    except Exception:
        return False
    return True


def check_file(path, checks=(True,)):
    """checks: for each of them, whether shapes and types are inferred as well."""
    try:
        for full in checks:
            onnx.checker.check_model(str(path), full_check=full)
    except Exception as e:
        raise Wrong("checker", e) from e


def same_kind(want, got):
    """For random outputs."""
    if isinstance(want, (list, tuple)):
        if len(want) != len(got):
            raise Wrong("answer", "a sequence of another length")
        for a, b in zip(want, got):
            same_kind(a, b)
        return
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape or want.dtype != got.dtype:
        raise Wrong("answer", f"{got.dtype}{list(got.shape)}, not {want.dtype}{list(want.shape)}")
    if want.dtype.kind == "f" and np.isfinite(want).all() and not np.isfinite(got).all():
        raise Wrong("answer", "no longer finite")


def judge(reference, path, limit=LIMIT, convert_io=False):
    """The largest distance over all outputs, inputs and levels; raises Wrong. The float answers are
    those without optimisation; for a limit of 0, which wants the same bits, those of the same level."""
    check_file(path, reference.checks)
    worst = 0.0
    for level, value in LEVELS.items():
        try:
            opened = session(path, value)
        except Exception as e:
            raise Wrong(f"load, optimisation {level}", e) from e
        names = [o.name for o in opened.get_outputs()], [i.name for i in opened.get_inputs()]
        if names != (reference.outputs, reference.inputs):
            raise Wrong("names", f"inputs and outputs are now {names[1]}, {names[0]}")
        wanted = reference.want if limit else reference.at(value)
        for feeds, want in zip(reference.batches, wanted):
            try:
                got = answers(opened, feeds)
            except Exception as e:
                raise Wrong(f"run, optimisation {level}", e) from e
            for name in reference.outputs:
                if reference.random:
                    same_kind(want[name], got[name])
                    continue
                off = distance(want[name], got[name], convert_io)
                if off > limit:
                    raise Wrong("answer", f"{name} is off by {off:.3g}, optimisation {level}")
                worst = max(worst, off)
    return worst


def float_values(model):
    """Whether any value of the model is a float tensor (32 bits), subgraphs and functions included."""
    wanted = onnx.TensorProto.FLOAT

    def typed(t):
        kind = t.WhichOneof("value")
        if kind in ("tensor_type", "sparse_tensor_type"):
            return getattr(t, kind).elem_type == wanted
        if kind in ("sequence_type", "optional_type"):
            return typed(getattr(t, kind).elem_type)
        return kind == "map_type" and typed(t.map_type.value_type)

    def nodes(some):
        for n in some:
            for a in n.attribute:
                if a.type == onnx.AttributeProto.TENSOR and a.t.data_type == wanted:
                    return True
                if a.name.startswith("value_float"):
                    return True
                if any(graph(g) for g in [a.g, *a.graphs] if g.node):
                    return True
        return False

    def graph(g):
        infos = [*g.input, *g.output, *g.value_info]
        return (any(typed(i.type) for i in infos) or any(i.data_type == wanted for i in g.initializer)
                or any(i.values.data_type == wanted for i in g.sparse_initializer) or nodes(g.node))

    try:
        model = onnx.shape_inference.infer_shapes(model)
    except Exception:   # what cannot be inferred is looked at as it is
        pass
    return graph(model.graph) or any(nodes(f.node) for f in model.functions)
