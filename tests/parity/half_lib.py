"""What the half tests share: graphs from parts, one conversion with every check that holds for all, and
the runner. A test file defines functions named fault_*, whose docstring says what went wrong for whom
(public issue numbers), and ends with main(globals())."""
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import half_judge as judge

N = h.make_node
RNG = np.random.default_rng(7)
X = np.linspace(-3, 3, 8).astype(np.float32)
failures, checks, current = [], 0, ""
ROOT = None


def check(what, ok, detail=""):
    global checks
    checks += 1
    if not ok:
        failures.append(what)
        print(f"FAIL {current}: {what} {detail}".rstrip()[:600], flush=True)
    return bool(ok)


def const(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.array(value, dtype), name)


def value(name, kind=T.FLOAT, shape=("n",)):
    return h.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs, outputs, initializers=(), info=(), name="g"):
    return h.make_graph(list(nodes), name, list(inputs), list(outputs), list(initializers),
                        value_info=list(info))


def model(nodes, inputs, outputs, initializers=(), opset=17, info=(), domains=(), functions=(), ir=8):
    imports = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains]
    return h.make_model(graph(nodes, inputs, outputs, initializers, info), opset_imports=imports,
                        ir_version=ir, functions=list(functions))


def normal(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def folder():
    return pathlib.Path(tempfile.mkdtemp(dir=ROOT))


def subgraphs(g):
    """g and every graph within its nodes."""
    yield g
    for n in g.node:
        for a in n.attribute:
            for inner in ([a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs):
                yield from subgraphs(inner)


def tidy(m):
    """Value and node names are unique over all graphs, and each graph is in order."""
    named, made = [], []

    def walk(g, outer):
        seen = outer | {i.name for i in g.input} | {i.name for i in g.initializer} | {""}
        seen |= {s.values.name for s in g.sparse_initializer}
        inputs = {i.name for i in g.input}
        made.extend(i.name for i in g.initializer if i.name not in inputs)
        made.extend(inputs)
        for n in g.node:
            lost = [i for i in n.input if i not in seen]
            check("nodes are in order", not lost, f"{n.name} reads {lost} too early")
            for a in n.attribute:
                for inner in ([a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs):
                    walk(inner, set(seen))
            seen |= set(n.output)
            made.extend(o for o in n.output if o)
            if n.name:
                named.append(n.name)
        lost = [o.name for o in g.output if o.name not in seen]
        check("every output is made", not lost, str(lost))
    walk(m.graph, set())
    for what, names in (("node", named), ("value", made)):
        twice = sorted({x for x in names if names.count(x) > 1}) if len(names) < 5000 else \
            [] if len(names) == len(set(names)) else ["some"]
        check(f"{what} names are unique", not twice, str(twice))


class Half:
    """One conversion by the command, judged: strict checker, ONNX Runtime with optimisation off and
    full, the float answers, onnx's reference evaluator (which computes in half where ONNX Runtime
    computes in float), unique names, order, and that a second conversion changes nothing.
    .ok, .model, .report, .error, .path, .out."""

    def __init__(self, name, source, feeds, *options, to="fp16", limit=judge.LIMIT, reference=True,
                 again=True, tidied=True, run=True):
        self.name, self.model, self.report = name, None, None
        home = folder()
        self.out = home / "half.onnx"
        if isinstance(source, onnx.ModelProto):
            self.path = home / "float.onnx"
            onnx.save(source, self.path)
        else:
            self.path = pathlib.Path(source)
        code, self.report, self.error = judge.convert(self.path, self.out, *options, to=to)
        self.code = code
        self.ok = check(f"{name}: converts", code == 0, self.error)
        if not self.ok:
            return
        self.model = onnx.load(self.out)
        if tidied:
            tidy(self.model)
        self.io = "convert" in options
        feeds = feeds if isinstance(feeds, list) else [feeds]
        if run and to == "bf16":
            self._bfloat(feeds)
        elif run:
            try:
                float_one = judge.Float(self.path, feeds)
                self.worst = judge.judge(float_one, self.out, limit, self.io)
                if reference and not float_one.random:
                    self._evaluate(feeds, float_one.want, limit)
            except judge.Wrong as e:
                self.ok = check(f"{name}: is right", False, e)
        if again:
            twice = home / "twice.onnx"
            code, _, error = judge.convert(self.out, twice, *options, to=to)
            if check(f"{name}: converts again", code == 0, error):
                same = onnx.load(twice).graph == self.model.graph
                check(f"{name}: a second conversion changes nothing", same)

    def _bfloat(self, feeds, limit=8e-2):
        """ONNX Runtime's CPU provider has no kernels of bfloat16; onnx's reference evaluator and OpenVINO
        have. Its digits are three bits fewer than half's, so the limit is eight times that of half."""
        import openvino
        opened = judge.session(self.path, judge.OFF)
        names = [o.name for o in opened.get_outputs()]
        ran = 0
        for each in feeds:
            want = judge.answers(opened, each)
            runs = {"reference": lambda: ReferenceEvaluator(self.model).run(None, each)}
            if not self.io:
                runs["OpenVINO"] = lambda: list(openvino.Core().compile_model(
                    str(self.out), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(each).values())
            for who, how in runs.items():
                try:
                    got = how()
                except Exception as e:   # an operator that it lacks
                    print(f"skip {self.name} in {who}: {type(e).__name__}")
                    continue
                ran += 1
                for name, value in zip(names, got):
                    off = judge.distance(want[name], np.asarray(value).astype(want[name].dtype))
                    check(f"{self.name}: bfloat16 in {who}", off <= limit, f"{name} is off by {off:.3g}")
        self.ran = ran

    def _evaluate(self, feeds, want, limit):
        """In onnx's reference evaluator, where it can run the float model."""
        source = onnx.load(self.path)
        for each, wanted in zip(feeds, want):
            with np.errstate(all="ignore"):
                try:
                    plain = ReferenceEvaluator(source).run(None, each)
                    for o, v in zip(source.graph.output, plain):
                        judge_or_skip(wanted[o.name], v, limit)
                except Exception:   # it lacks the operator, or computes another answer in float
                    return
                kinds = {i.name: i.type.tensor_type.elem_type for i in self.model.graph.input}
                ready = {k: v.astype(np.float16) if kinds.get(k) == T.FLOAT16 else v
                         for k, v in each.items()}
                got = ReferenceEvaluator(self.model).run(None, ready)
            for o, v in zip(self.model.graph.output, got):
                off = judge.distance(wanted[o.name], v, self.io)
                if off > limit:
                    raise judge.Wrong("answer", f"{o.name} is off by {off:.3g} when computed in half")

    def types(self):
        """{value: element type}, inferred anew; main graph only."""
        g = onnx.shape_inference.infer_shapes(self.model, strict_mode=True).graph
        out = {v.name: v.type.tensor_type.elem_type for v in [*g.value_info, *g.input, *g.output]}
        return out | {i.name: i.data_type for i in g.initializer}

    def all_nodes(self, op=None):
        return [n for g in subgraphs(self.model.graph) for n in g.node if op in (None, n.op_type)]

    def runs_in(self, op, kind, at=0):
        """Whether every node of this type reads its input `at` as the type `kind`."""
        types, found = self.types(), self.all_nodes(op)
        return bool(found) and all(types.get(n.input[at]) == kind for n in found)

    def no_half_round_trip(self):
        """No float value goes to half and straight back."""
        made = {o: n for n in self.model.graph.node for o in n.output}
        types = self.types()
        bad = [n.name or n.output[0] for n in self.model.graph.node if n.op_type == "Cast"
               and n.input[0] in made and made[n.input[0]].op_type == "Cast"
               and types.get(n.output[0]) == T.FLOAT and types.get(n.input[0]) == T.FLOAT16
               and types.get(made[n.input[0]].input[0]) == T.FLOAT]
        return check(f"{self.name}: no float edge goes through half", not bad, str(bad))


def judge_or_skip(want, got, limit):
    if judge.distance(want, np.asarray(got)) > limit:
        raise ValueError("the evaluator has its own opinion")


def main(names):
    """Runs every fault_* of a test file, or those named on its command line."""
    global current, ROOT
    wanted = sys.argv[1:]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ringkas-half-") as root:
        ROOT = root
        for name, run in list(names.items()):
            if not name.startswith("fault_") or wanted and name not in wanted:
                continue
            current, before = name[6:], len(failures)
            try:
                run()
            except Exception as e:   # the next faults are still looked at
                check("runs to its end", False, f"{type(e).__name__}: {e}")
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {current}: "
                  f"{(run.__doc__ or '').strip().splitlines()[0]}", flush=True)
    print(f"{checks} checks, {len(failures)} failed, {time.monotonic() - began:.1f} s")
    sys.exit(1 if failures or not checks else 0)


def dump(report):
    return json.dumps(report)[:400]
