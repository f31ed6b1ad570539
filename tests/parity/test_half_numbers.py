"""Faults of other half converters: numbers that half cannot hold. See half_lib.py."""
import os
import time

import numpy as np
from onnx.reference import ReferenceEvaluator

import half_judge as judge
from half_judge import convert
from half_lib import (N, RNG, T, X, Half, check, const, dump, folder, json, main, model, normal, numpy_helper,
                      onnx, value)

LOWEST = float(np.finfo(np.float32).min)


def fault_weights_cut_at_10000():
    """Constants past 10000 were cut although half reaches 65504 (onnxconverter-common #295)."""
    special = np.array([20000, 65504, 65519, -65503.9, np.inf, -np.inf, np.nan, 1e-8, 6e-8, 0, 2049, 2051],
                       np.float32)
    n = len(special)
    c = Half("inside the range", model([N("Gather", ["w", "i"], ["y"])], [value("i", T.INT64, (n,))],
                                       [value("y", T.FLOAT, (n,))], [const("w", special)]),
             {"i": np.arange(n)}, limit=1e-3)
    if c.ok:
        with np.errstate(over="ignore"):
            want = special.astype(np.float16)
        got = numpy_helper.to_array(c.model.graph.initializer[0])
        check("nearest even up to 65504; inf, NaN, 0 stay", np.array_equal(got, want, equal_nan=True),
              str(got))
    for beyond in (65520, 1e5, LOWEST):
        c = Half(f"{beyond:g}", model([N("Mul", ["x", "w"], ["y"])], [value("x", T.FLOAT, (3,))],
                                      [value("y", T.FLOAT, (3,))], [const("w", [beyond, 2, 1])]),
                 {"x": np.array([1e-3, 1, 1], np.float32)}, reference=False)
        if c.ok:
            check(f"{beyond:g} is reported", c.report["kept_float"] and c.report["kept_float"][0]["why"]
                  or c.report["clamped"], dump(c.report))
    for w in ([[70000, 1], [-1e9, 2]], [[LOWEST, 1], [0, 2]]):
        c = Half(f"a matrix with {w[0][0]:g}", model([N("MatMul", ["x", "w"], ["y"])],
                                                     [value("x", T.FLOAT, (1, 2))],
                                                     [value("y", T.FLOAT, (1, 2))],
                                                     [const("w", w)]), {"x": np.zeros((1, 2), np.float32)})
        if c.ok:
            stored = numpy_helper.to_array(c.model.graph.initializer[0])
            check("finite, and reported", np.isfinite(stored).all() and
                  (stored.dtype == np.float32 or c.report["clamped"]), f"{stored} {dump(c.report)}")


def fault_a_warning_for_every_number():
    """Hundreds of lines about tiny weights, raised to 1e-7 (Model-Optimizer #194)."""
    tiny = RNG.uniform(-1e-8, 1e-8, (100, 1000)).astype(np.float32)
    m = model([N("MatMul", ["x", "w"], ["a"]), N("MatMul", ["x", "v"], ["b"]), N("Add", ["a", "b"], ["y"])],
              [value("x", T.FLOAT, ("n", 100))], [value("y", T.FLOAT, ("n", 1000))],
              [const("w", tiny), const("v", normal(100, 1000))])
    c = Half("1e5 of them", m, {"x": normal(2, 100)})
    if c.ok:
        w = next(i for i in c.model.graph.initializer if i.name.startswith("w"))
        got = numpy_helper.to_array(w)
        check("rounded, not raised", np.array_equal(got, tiny.astype(got.dtype)))
        _, _, error = convert(c.path, c.out, json_wanted=False)
        check("one line at most about them", len(error.splitlines()) <= 2, error)


def masks(low, where=False):
    nodes = [N("Cast", ["mask"], ["m"], to=1), N("Sub", ["one", "m"], ["i"]), N("Mul", ["i", "low"], ["b"]),
             N("Neg", ["x"], ["p"]), N("Neg", ["p"], ["s"]), N("Add", ["s", "b"], ["t"])]
    if where:
        nodes[2:] = [N("Cast", ["i"], ["c"], to=9), N("Where", ["c", "low", "x"], ["t"])]
    return model(nodes + [N("Softmax", ["t"], ["y"], axis=-1)],
                 [value("x", T.FLOAT, ("n", 6)), value("mask", T.INT64, ("n", 6))],
                 [value("y", T.FLOAT, ("n", 6))], [const("one", 1), const("low", low)])


def fault_infinite_constants():
    """Infinity in a Min of a LayerNorm, -1e12 in a mask's Mul (TensorRT #2466)."""
    x = normal(3, 8, scale=5)
    for op in ("Min", "Max", "Mul", "Where"):
        for big in (np.inf, -np.inf, 1e12, -1e12):
            if op == "Mul" and np.isinf(big):
                continue        # 0 * inf is NaN in float as well
            nodes = {"Where": [N("Greater", ["x", "zero"], ["c"]), N("Where", ["c", "x", "k"], ["b"])],
                     "Mul": [N("Mul", ["x", "k"], ["b0"]), N("Mul", ["b0", "small"], ["b"])]}
            tail = [N("Clip", ["b", "lo", "hi"], ["y"])]
            m = model(nodes.get(op, [N(op, ["x", "k"], ["b"])]) + tail,
                      [value("x", T.FLOAT, (3, 8))], [value("y", T.FLOAT, (3, 8))],
                      [const("k", big), const("zero", 0.0), const("small", 1e-12), const("lo", -50.0),
                       const("hi", 50.0)])
            Half(f"{op} {big:g}", m, {"x": x})
    mask = np.array([[1] * 6, [1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    Half("half-filled masks", masks(-1e12), {"x": normal(4, 6) - 20, "mask": mask})
    nodes = [N("ReduceMean", ["x"], ["mu"], axes=[-1]), N("Sub", ["x", "mu"], ["d"]),
             N("Mul", ["d", "d"], ["q"]),
             N("ReduceMean", ["q"], ["v"], axes=[-1]), N("Min", ["v", "inf"], ["v1"]),
             N("Add", ["v1", "eps"], ["e"]), N("Sqrt", ["e"], ["s"]), N("Reciprocal", ["s"], ["r"]),
             N("Mul", ["d", "r"], ["y"])]
    Half("Min in a LayerNorm", model(nodes, [value("x", T.FLOAT, (3, 8))], [value("y", T.FLOAT, (3, 8))],
                                     [const("inf", np.inf), const("eps", 1e-12)]), {"x": x})


def every_way(c, feeds):
    """The first output in ONNX Runtime, without and with optimisation, and computed in half."""
    kinds = {i.name: i.type.tensor_type.elem_type for i in c.model.graph.input}
    ready = {k: v.astype(np.float16) if kinds[k] == T.FLOAT16 else v for k, v in feeds.items()}
    for level in judge.LEVELS.values():
        yield judge.session(c.out, level).run(None, ready)[0]
    with np.errstate(all="ignore"):
        yield ReferenceEvaluator(c.model).run(None, ready)[0]


def fault_wholly_masked_rows():
    """NaN for rows that are masked throughout (transformers PR #17306, #17121, #14859)."""
    mask = np.array([[1] * 6, [1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0] * 6])
    x = normal(4, 6, scale=3) - 20
    for low in (-1e4, -65504.0, -1e9, LOWEST):
        for where in (False, True):
            for io in ("keep", "convert"):
                c = Half(f"{low:g}, {'Where' if where else 'Add'}, {io}", masks(low, where),
                         {"x": x[:3], "mask": mask[:3]}, "--io", io)
                # What a row that is masked throughout attends to means nothing; but it is a number.
                for got in every_way(c, {"x": x, "mask": mask}) if c.ok else []:
                    check(f"{low:g}: finite", np.isfinite(got).all(), str(got))
                    check(f"{low:g}: a share each", abs(got[3].sum() - 1) < 1e-2, str(got[3]))
    # Two masks added, as decoders do, the smallest float twice: -inf in float too unless clamped.
    nodes = [N("Where", ["c", "zero", "low"], ["a"]), N("Where", ["d", "zero", "low"], ["b"]),
             N("Max", ["a", "b"], ["e"]), N("Min", ["a", "b"], ["f"]), N("Add", ["x", "f"], ["t"]),
             N("Softmax", ["t"], ["p"]), N("MatMul", ["p", "v"], ["y0"]), N("Mul", ["e", "tiny"], ["z"]),
             N("Add", ["y0", "z"], ["y"])]
    m = model(nodes, [value("x", T.FLOAT, (4, 6)), value("c", T.BOOL, (4, 6)), value("d", T.BOOL, (4, 6))],
              [value("y", T.FLOAT, (4, 6))],
              [const("zero", 0.0), const("low", LOWEST), const("v", normal(6, 6)), const("tiny", 0.0)])
    Half("two masks", m, {"x": x, "c": mask == 1, "d": np.tril(np.ones((4, 6))) == 1})


def fault_sums_over_many():
    """Zeros or NaN after a mean over 262144 elements (onnxconverter-common #323, #299)."""
    for scale in (10, 2e4):
        for sign in (True, False):
            x = RNG.uniform(-1 if sign else 0, 1, (1, 1, 512, 512)).astype(np.float32) * scale
            for op, nodes in (("ReduceMean", [N("ReduceMean", ["a"], ["y"], axes=[2, 3])]),
                              ("GlobalAveragePool", [N("GlobalAveragePool", ["a"], ["y"])]),
                              ("ReduceSum", [N("ReduceSum", ["a", "ax"], ["y"])]),
                              ("ReduceL2", [N("ReduceL2", ["a"], ["y"], axes=[2, 3])]),
                              ("AveragePool", [N("AveragePool", ["a"], ["y"], kernel_shape=[512, 512])]),
                              ("Softmax", [N("Flatten", ["a"], ["f"]), N("Softmax", ["f"], ["s"]),
                                           N("ReduceMax", ["s"], ["y"], keepdims=0)])):
                if sign and op in ("ReduceMean", "GlobalAveragePool", "ReduceSum", "AveragePool"):
                    continue    # the sum is nearly zero: no relative measure
                out = () if op == "Softmax" else (1, 1, 1, 1)
                m = model([N("Neg", ["x"], ["n"]), N("Neg", ["n"], ["a"])] + nodes,
                          [value("x", T.FLOAT, (1, 1, 512, 512))], [value("y", T.FLOAT, out)],
                          [const("ax", [2, 3], np.int64)])
                # A value near 2e4 is off by 8 in half, which an exponential turns into anything.
                limit = 1.0 if op == "Softmax" and scale > 10 else 1e-2
                Half(f"{op}, {scale:g}, {'both signs' if sign else 'positive'}", m, {"x": x}, limit=limit,
                     again=False, reference=op != "AveragePool")


def fault_layernorm_of_large_rows():
    """Rows that equal the bias: the variance overflowed (onnxruntime #12726)."""
    w = [const("g", np.ones(256) + normal(256) / 10), const("b", normal(256)),
         const("w", normal(256, 4) / 16)]
    apart = [N("ReduceMean", ["h"], ["m"], axes=[-1]), N("Sub", ["h", "m"], ["d"]),
             N("Pow", ["d", "two"], ["q"]),
             N("ReduceMean", ["q"], ["v"], axes=[-1]), N("Add", ["v", "eps"], ["e"]), N("Sqrt", ["e"], ["s"]),
             N("Div", ["d", "s"], ["n"]), N("Mul", ["n", "g"], ["ng"]), N("Add", ["ng", "b"], ["ln"])]
    rsqrt = apart[:2] + [N("Mul", ["d", "d"], ["q"])] + apart[3:6] + [N("Reciprocal", ["s"], ["r"]),
                                                                      N("Mul", ["d", "r"], ["n"])] + apart[7:]
    whole = [N("LayerNormalization", ["h", "g", "b"], ["ln"], epsilon=1e-12)]
    rms = [N("Mul", ["h", "h"], ["q"]), N("ReduceMean", ["q"], ["v"], axes=[-1]),
           N("Add", ["v", "eps"], ["e"]),
           N("Sqrt", ["e"], ["s"]), N("Div", ["h", "s"], ["n"]), N("Mul", ["n", "g"], ["ln"])]
    for std in (100, 300, 1000):
        x = normal(6, 256, scale=std)
        x[5] = 1e-3 * normal(256)       # and one where only the epsilon keeps the division alive
        for name, nodes in (("one operator", whole), ("taken apart", apart), ("by reciprocal", rsqrt),
                            ("RMS", rms)):
            m = model([N("Relu", ["x"], ["p"]), N("Neg", ["x"], ["n0"]), N("Relu", ["n0"], ["p2"]),
                       N("Sub", ["p", "p2"], ["h"])] + nodes + [N("MatMul", ["ln", "w"], ["y"])],
                      [value("x", T.FLOAT, ("n", 256))], [value("y", T.FLOAT, ("n", 4))],
                      w + [const("two", 2.0), const("eps", 1e-12)])
            Half(f"{name}, std {std}", m, {"x": x})
            # PAR on every row, not only on the largest.
            for row in (0, 5):
                Half(f"{name}, std {std}, row {row}", m, {"x": x[row:row + 1]}, again=False, reference=False)
        Half(f"opset 9, std {std}",
             model([N("InstanceNormalization", ["x", "one", "zero"], ["y"], epsilon=1e-12)],
                                          [value("x", T.FLOAT, (2, 1, 256))],
                                          [value("y", T.FLOAT, (2, 1, 256))],
                                          [const("one", [1.0]), const("zero", [0.0])], 9),
             {"x": normal(2, 1, 256, scale=std)})


def fault_everything_blocked():
    """All nodes blocked and still NaN; nobody said which values overflow (onnxruntime #21345, PR #23363)."""
    m = model([N("MatMul", ["x", "w"], ["a"], name="n0"), N("Pow", ["a", "two"], ["q"], name="n1"),
               N("ReduceSum", ["q"], ["s"], name="n2", keepdims=1), N("Mul", ["a", "k"], ["b"], name="n3"),
               N("Div", ["b", "s"], ["d"], name="n4"), N("Reshape", ["d", "sh"], ["e"], name="n5"),
               N("Transpose", ["e"], ["f"], name="n6"), N("Relu", ["f"], ["y"], name="n7")],
              [value("x", T.FLOAT, (2, 8))], [value("y", T.FLOAT, (8, 2))],
              [const("w", normal(8, 8)), const("two", 2.0), const("k", 1000.0),
               const("sh", [2, 8], np.int64)])
    feeds = {"x": normal(2, 8, scale=300)}
    ops = ",".join(sorted({n.op_type for n in m.graph.node}))
    for what in (("--keep-op", ops), ("--keep-node", ",".join(n.name for n in m.graph.node))):
        c = Half(f"all by {what[0]}", m, feeds, *what, limit=0)
        if c.ok:
            check("nothing is half", not c.all_nodes("Cast") and c.report["nodes"]["half"] == 0,
                  dump(c.report))
    # Products whose values pass the limit: by a file of measured ranges.
    m = model([N("MatMul", ["x", "w"], ["a"], name="big"), N("MatMul", ["a", "u"], ["b"], name="bigger"),
               N("Mul", ["b", "k"], ["c"], name="down"), N("MatMul", ["c", "w"], ["y"], name="fine")],
              [value("x", T.FLOAT, (2, 8))], [value("y", T.FLOAT, (2, 8))],
              [const("w", normal(8, 8)), const("u", normal(8, 8) * 300), const("k", 1e-4)])
    x = normal(2, 8, scale=30)
    opened = [onnx.helper.make_tensor_value_info(n, T.FLOAT, None) for n in ("a", "b", "c")]
    wide = onnx.ModelProto.FromString(m.SerializeToString())
    wide.graph.output.extend(opened)
    names = [o.name for o in wide.graph.output]
    measured = dict(zip(names, ReferenceEvaluator(wide).run(None, {"x": x})))
    check("the case overflows", np.abs(measured["b"]).max() > 65504)
    file = folder() / "ranges.json"
    file.write_text(json.dumps({k: [float(v.min()), float(v.max())] for k, v in measured.items()}))
    c = Half("by --ranges", m, {"x": x}, "--ranges", str(file))
    if c.ok:
        kept = {k["node"]: k["why"] for k in c.report["kept_float"]}
        check("those that pass the limit stay float", {"bigger", "down"} <= set(kept) and "fine" not in kept,
              str(kept))
    file.write_text(json.dumps({"nowhere": [0, 1]}))
    code, _, error = convert(c.path, c.out, "--ranges", str(file))
    check("a name that is not there is said", "nowhere" in error, f"{code} {error}")
    file.write_text('{"a": "much"}')
    code, _, error = convert(c.path, c.out, "--ranges", str(file))
    check("no ranges in it", code == 1 and error, f"{code} {error}")


def bert(layers=2, width=64, heads=4, vocabulary=200):
    """An encoder as torch exports it: decomposed norms, erf GELU, additive mask of the smallest float."""
    nodes, inits = [], [const("table", normal(vocabulary, width) / 4), const("one", 1.0),
                        const("low", LOWEST),
                        const("two", 2.0), const("eps", 1e-12), const("root2", 2 ** 0.5), const("half", 0.5),
                        const("ax", [1, 2], np.int64), const("root", (width // heads) ** 0.5),
                        const("split", [0, -1, heads, width // heads], np.int64),
                        const("join", [0, -1, width], np.int64)]

    def norm(p, x):
        inits.extend([const(p + "g", 1 + normal(width) / 9), const(p + "b", normal(width) / 9)])
        nodes.extend([N("ReduceMean", [x], [p + "m"], axes=[-1], name=p + "m"),
                      N("Sub", [x, p + "m"], [p + "d"]),
                      N("Pow", [p + "d", "two"], [p + "q"]), N("ReduceMean", [p + "q"], [p + "v"], axes=[-1]),
                      N("Add", [p + "v", "eps"], [p + "e"]), N("Sqrt", [p + "e"], [p + "s"]),
                      N("Div", [p + "d", p + "s"], [p + "n"]), N("Mul", [p + "n", p + "g"], [p + "ng"]),
                      N("Add", [p + "ng", p + "b"], [p + "ln"])])
        return p + "ln"

    def linear(p, x, a, b):
        inits.extend([const(p + "w", normal(a, b) / a ** 0.5), const(p + "c", normal(b) / 9)])
        nodes.extend([N("MatMul", [x, p + "w"], [p + "p"]), N("Add", [p + "p", p + "c"], [p + "o"])])
        return p + "o"
    nodes += [N("Gather", ["table", "ids"], ["emb"]), N("Cast", ["mask"], ["mf"], to=1),
              N("Unsqueeze", ["mf", "ax"], ["mu"]), N("Sub", ["one", "mu"], ["mi"]),
              N("Mul", ["mi", "low"], ["bias"])]
    x = norm("emb_", "emb")
    for i in range(layers):
        p = f"l{i}_"
        for t, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            o = linear(p + t, x, width, width)
            nodes.extend([N("Reshape", [o, "split"], [p + t + "r"]),
                          N("Transpose", [p + t + "r"], [p + t + "t"], perm=perm)])
        nodes.extend([N("MatMul", [p + "qt", p + "kt"], [p + "qk"]), N("Div", [p + "qk", "root"], [p + "sc"]),
                      N("Add", [p + "sc", "bias"], [p + "sb"]), N("Softmax", [p + "sb"], [p + "p"]),
                      N("MatMul", [p + "p", p + "vt"], [p + "c"]),
                      N("Transpose", [p + "c"], [p + "ct"], perm=[0, 2, 1, 3]),
                      N("Reshape", [p + "ct", "join"], [p + "cj"])])
        o = linear(p + "o", p + "cj", width, width)
        nodes.append(N("Add", [o, x], [p + "r1"]))
        y = norm(p + "n1", p + "r1")
        f = linear(p + "f", y, width, width * 4)
        nodes.extend([N("Div", [f, "root2"], [p + "g1"]), N("Erf", [p + "g1"], [p + "g2"]),
                      N("Add", [p + "g2", "one"], [p + "g3"]), N("Mul", [f, p + "g3"], [p + "g4"]),
                      N("Mul", [p + "g4", "half"], [p + "g"])])
        o = linear(p + "h", p + "g", width * 4, width)
        nodes.append(N("Add", [o, y], [p + "r2"]))
        x = norm(p + "n2", p + "r2")
    nodes.append(N("Gather", [x, "first"], ["cls"], axis=1))
    inits.append(const("first", 0, np.int64))
    o = linear("head", "cls", width, 3)
    nodes.append(N("Identity", [o], ["logits"]))
    return model(nodes, [value("ids", T.INT64, ("b", "s")), value("mask", T.INT64, ("b", "s"))],
                 [value("logits", T.FLOAT, ("b", 3))], inits)


def bert_feeds(rows=4, length=12):
    lengths = RNG.integers(2, length + 1, rows)
    return {"ids": RNG.integers(0, 200, (rows, length)),
            "mask": (np.arange(length) < lengths[:, None]).astype(np.int64)}


def fault_mixed_search():
    """All nodes blocked failed; temporary models filled the disk (converter-common #297, #229)."""
    m, feeds = bert(), [bert_feeds(), bert_feeds(1, 3)]
    ops = ",".join(sorted({n.op_type for n in m.graph.node}))
    c = Half("all blocked", m, feeds, "--keep-op", ops, limit=0)
    began = time.monotonic()
    c = Half("BERT", m, feeds)
    check("in seconds", time.monotonic() - began < 60)
    if c.ok:
        check("nothing but the result", sorted(f.name for f in c.out.parent.iterdir()) ==
              ["float.onnx", "half.onnx", "twice.onnx"])
        check("products are half", c.runs_in("MatMul", T.FLOAT16) and c.runs_in("MatMul", T.FLOAT16, 1))
        check("the file is nearly half", os.path.getsize(c.out) < 0.62 * os.path.getsize(c.path),
              f"{os.path.getsize(c.path)} -> {os.path.getsize(c.out)}")


def fault_norm_without_a_kernel():
    """No half kernel for LayerNormalization on a CPU (onnxruntime #15021, #13556, #16341, #12579)."""
    for target in ("any", "ort-cpu"):
        m = bert()
        c = Half(f"decomposed, {target}", m, bert_feeds(), "--target", target, reference=False)
        m = model([N("MatMul", ["x", "w"], ["a"]), N("LayerNormalization", ["a", "g", "b"], ["n"],
                                                     epsilon=1e-12),
                   N("MatMul", ["n", "w"], ["y"])],
                  [value("x", T.FLOAT, ("n", 16))], [value("y", T.FLOAT, ("n", 16))],
                  [const("w", normal(16, 16) / 4), const("g", normal(16)), const("b", normal(16))])
        c = Half(f"one operator, {target}", m, {"x": normal(3, 16)}, "--target", target)
        if c.ok and target == "ort-cpu":
            check("norms are float on a CPU", c.runs_in("LayerNormalization", T.FLOAT))
    import onnxruntime as ort
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
                  ort.GraphOptimizationLevel.ORT_ENABLE_LAYOUT):
        if c.ok:
            options = ort.SessionOptions()
            options.graph_optimization_level = level
            ort.InferenceSession(str(c.out), options, providers=["CPUExecutionProvider"])
            check(f"loads at {level}", True)


def fault_half_logits():
    """A CPU runtime refuses half outputs of a sentiment classifier (deepsparse #1501)."""
    m, feeds = bert(), bert_feeds(16, 20)
    c = Half("classifier", m, feeds)
    if not c.ok:
        return
    g = c.model.graph
    kinds = [i.type.tensor_type.elem_type for i in [*g.input, *g.output]]
    check("ids int64, logits float", kinds == [T.INT64, T.INT64, T.FLOAT], str(kinds))
    import openvino
    core = openvino.Core()
    results = []
    for path in (c.path, c.out):
        compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        results.append(compiled([feeds["ids"], feeds["mask"]])[0])
    check("OpenVINO opens it, same labels", np.array_equal(results[0].argmax(1), results[1].argmax(1)))
    check("OpenVINO answers alike", np.abs(results[0] - results[1]).max() <= 1e-2 * np.abs(results[0]).max())


if __name__ == "__main__":
    main(globals())
