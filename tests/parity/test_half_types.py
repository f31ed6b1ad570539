"""Faults of other half converters: types that do not agree. Every graph is converted by the command and
must load and answer as the float one does (half_lib.Half)."""
import itertools

import numpy as np
import onnx

from half_lib import N, T, X, Half, check, const, h, main, model, normal, numpy_helper, value


def fault_cast_attribute_left():
    """The source's own Cast(to=float) stayed float (onnxconverter-common #320, #331)."""
    c = Half("int", model([N("Cast", ["x"], ["f"], to=1), N("Mul", ["f", "w"], ["y"])],
                          [value("x", T.INT64)], [value("y")], [const("w", 2.5)]), {"x": np.arange(8)})
    if c.ok:
        check("the Cast makes half", c.types()["f"] == T.FLOAT16)
        check("one Cast in, one out", len(c.all_nodes("Cast")) == 2)
    c = Half("float", model([N("Cast", ["x"], ["f"], to=1), N("Add", ["f", "w"], ["y"])],
                            [value("x")], [value("y")], [const("w", 2.5)]), {"x": X})
    if c.ok:
        check("an idle Cast goes", c.report["casts"]["removed"] == 1, str(c.report["casts"]))
    for info in ([], [value("f")], [value("f", T.FLOAT, ("n",)), value("g")]):
        m = model([N("Cast", ["x"], ["f"], to=1), N("Mul", ["f", "w"], ["g"]), N("Relu", ["g"], ["y"])],
                  [value("x", T.INT32)], [value("y")], [const("w", 0.3)], info=info)
        c = Half(f"{len(info)} declared", m, {"x": np.arange(8, dtype=np.int32)})
        if c.ok:
            inferred = c.types()
            declared = {v.name: v.type.tensor_type.elem_type for v in c.model.graph.value_info}
            check("declared types are the inferred ones",
                  all(inferred[k] == v for k, v in declared.items()), str(declared))


def fault_speaker_encoder():
    """A speaker encoder: masked convolutions, squeeze and excite, statistics (onnxruntime #25522)."""
    c, k = 8, 16
    nodes = [N("Shape", ["x"], ["sh"]), N("Gather", ["sh", "two"], ["frames"], axis=0),
             N("Range", ["zero", "frames", "one"], ["steps"]), N("Unsqueeze", ["lengths", "ax1"], ["l1"]),
             N("Less", ["steps", "l1"], ["valid"]), N("Unsqueeze", ["valid", "ax1"], ["v3"]),
             N("Cast", ["v3"], ["m"], to=1)]
    inits = [const("two", 2, np.int64), const("zero", 0, np.int64), const("one", 1, np.int64),
             const("ax1", [1], np.int64), const("ax2", [2], np.int64), const("eps", 1e-10)]
    last = "x"
    for b in range(2):
        p = f"b{b}_"
        inits += [const(p + "dw", normal(c, 1, 3)), const(p + "pw", normal(c, c, 1) / 3),
                  const(p + "s", np.ones(c)), const(p + "o", normal(c) / 9), const(p + "mu", normal(c) / 9),
                  const(p + "var", np.abs(normal(c)) + 0.5), const(p + "w1", normal(c, 4) / 3),
                  const(p + "w2", normal(4, c) / 3)]
        nodes += [N("Mul", [last, "m"], [p + "a"]),
                  N("Conv", [p + "a", p + "dw"], [p + "c"], group=c, pads=[1, 1]),
                  N("Conv", [p + "c", p + "pw"], [p + "d"]),
                  N("BatchNormalization", [p + "d", p + "s", p + "o", p + "mu", p + "var"], [p + "e"]),
                  N("Mul", [p + "e", "m"], [p + "em"]), N("ReduceSum", [p + "em", "ax2"], [p + "sum"]),
                  N("ReduceSum", ["m", "ax2"], [p + "n"]), N("Div", [p + "sum", p + "n"], [p + "q"]),
                  N("Transpose", [p + "q"], [p + "qt"], perm=[0, 2, 1]),
                  N("MatMul", [p + "qt", p + "w1"], [p + "h"]), N("Relu", [p + "h"], [p + "hr"]),
                  N("MatMul", [p + "hr", p + "w2"], [p + "g"]), N("Sigmoid", [p + "g"], [p + "gs"]),
                  N("Transpose", [p + "gs"], [p + "gt"], perm=[0, 2, 1]),
                  N("Mul", [p + "e", p + "gt"], [p + "se"]), N("Add", [p + "se", last], [p + "r"]),
                  N("Relu", [p + "r"], [p + "y"])]
        last = p + "y"
    inits += [const("w_out", normal(2 * c, 5) / 4), const("flat", [0, -1], np.int64)]
    nodes += [N("Mul", [last, "m"], ["zm"]), N("ReduceSum", ["zm", "ax2"], ["zs"]),
              N("ReduceSum", ["m", "ax2"], ["cnt"]), N("Div", ["zs", "cnt"], ["mean"]),
              N("Sub", [last, "mean"], ["dz"]), N("Mul", ["dz", "m"], ["dm"]),
              N("Mul", ["dm", "dm"], ["sq"]), N("ReduceSum", ["sq", "ax2"], ["ss"]),
              N("Div", ["ss", "cnt"], ["v"]), N("Clip", ["v", "eps"], ["vc"]), N("Sqrt", ["vc"], ["std"]),
              N("Concat", ["mean", "std"], ["stat"], axis=1), N("Reshape", ["stat", "flat"], ["fl"]),
              N("MatMul", ["fl", "w_out"], ["raw"]), N("ReduceL2", ["raw"], ["norm"], axes=[1]),
              N("Div", ["raw", "norm"], ["embedding"])]
    m = model(nodes, [value("x", T.FLOAT, ("n", c, "t")), value("lengths", T.INT64, ("n",))],
              [value("embedding", T.FLOAT, ("n", 5))], inits)
    Half("both lengths", m, [{"x": normal(2, c, k), "lengths": np.array([k, 9])},
                             {"x": normal(3, c, 31), "lengths": np.array([31, 1, 20])}])


def fault_shape_arithmetic():
    """Shape, Gather, Cast(to=float), Div with a half tensor (onnxruntime #2974)."""
    m = model([N("Shape", ["x"], ["s"]), N("Gather", ["s", "i"], ["n"], axis=0),
               N("Cast", ["n"], ["f"], to=1), N("Div", ["x", "f"], ["y"])],
              [value("x")], [value("y")], [const("i", 0, np.int64)])
    Half("divides", m, {"x": X})
    m = model([N("Relu", ["x"], ["r"]), N("Shape", ["r"], ["s"]), N("Slice", ["s", "two", "four"], ["hw"]),
               N("Cast", ["hw"], ["f"], to=1), N("Mul", ["f", "scale"], ["g"]), N("Floor", ["g"], ["fl"]),
               N("Cast", ["fl"], ["size"], to=7), N("Concat", ["nc", "size"], ["to"], axis=0),
               N("Resize", ["r", "", "", "to"], ["y"], mode="nearest")],
              [value("x", T.FLOAT, (1, 2, "h", "w"))], [value("y", T.FLOAT, (1, 2, None, None))],
              [const("two", [2], np.int64), const("four", [4], np.int64), const("scale", [2.0, 1.5]),
               const("nc", [1, 2], np.int64)])
    # 3001 columns: a half holds no odd number above 2048, so the size must not be computed in half.
    Half("sizes", m, [{"x": normal(1, 2, 3, 5)}, {"x": normal(1, 2, 2, 3001)}], reference=False)


def fault_dtype_attributes():
    """dtype, output_datatype of made tensors (onnxconverter-common #238, #287; onnxruntime #20570)."""
    one = [const("zero", 0.0)]
    for op, inputs, args in (
            ("RandomNormal", [], {"shape": [8]}), ("RandomUniform", [], {"shape": [8]}),
            ("RandomNormalLike", ["x"], {}), ("RandomUniformLike", ["x"], {}), ("Bernoulli", ["p"], {}),
            ("EyeLike", ["x2"], {}), ("HannWindow", ["size"], {}), ("Multinomial", ["logp"], {})):
        name = {"HannWindow": "output_datatype"}.get(op, "dtype")
        for typed in (None, 6 if op == "Multinomial" else 1):
            extra = {} if typed is None else {name: typed}
            whole = op == "Multinomial"
            nodes = [N("Relu", ["x"], ["p0"]), N("Clip", ["p0", "zero", "unit"], ["p"]),
                     N("Unsqueeze", ["x", "ax"], ["x2"]), N("Log", ["p_pos"], ["logp0"]),
                     N("Unsqueeze", ["logp0", "ax"], ["logp"]), N("Add", ["p", "unit"], ["p_pos"]),
                     N(op, inputs, ["r"], **args, **extra)]
            nodes[3], nodes[4], nodes[5] = nodes[5], nodes[3], nodes[4]
            nodes += [N("Cast", ["r"], ["rf"], to=1)] if whole else [N("Identity", ["r"], ["rf"])]
            nodes += [N("Mul", ["rf", "zero"], ["rz"]), N("ReduceSum", ["rz"], ["rs"], keepdims=0),
                      N("Add", ["x", "rs"], ["y"])]
            c = Half(f"{op} {extra}", model(nodes, [value("x")], [value("y")],
                                            one + [const("unit", 1.0), const("ax", [0], np.int64),
                                                   const("size", 8, np.int64)]), {"x": X},
                     "--target", "ort-cpu", reference=False)
            if not c.ok:
                continue
            made = c.all_nodes(op)[0]
            attribute = [a.i for a in made.attribute if a.name == name]
            kind = c.types()[made.output[0]]
            check(f"{op}: attribute and type agree", not attribute or attribute[0] == kind,
                  f"{attribute} {kind}")
            if op in ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"):
                check(f"{op}: float where the CPU has no half kernel", kind == T.FLOAT, str(kind))


def fault_constant_of_every_kind():
    """A scalar constant stayed float beside a half tensor (onnxruntime #6501; onnxmltools #617)."""
    kinds = {"initializer": None, "value": const("", [0.1]), "value_float": 0.1, "value_floats": [0.1]}
    for kind, v in kinds.items():
        head = [] if v is None else [N("Constant", [], ["c"], **{kind: v})]
        inits = [const("c", 0.1)] if v is None else []
        c = Half(kind, model(head + [N("Neg", ["x"], ["n"]), N("Add", ["n", "c"], ["y"])], [value("x")],
                             [value("y")], inits), {"x": X})
        if c.ok:
            check(f"{kind}: Add computes in half", c.runs_in("Add", T.FLOAT16)
                  and c.runs_in("Add", T.FLOAT16, 1))
            stored = [i.data_type for i in c.model.graph.initializer]
            stored += [a.t.data_type for n in c.all_nodes("Constant") for a in n.attribute]
            check(f"{kind}: stored as half", stored == [T.FLOAT16], str(stored))
    for fill in ({"value": const("", [0.5])}, {}):
        m = model([N("Shape", ["x"], ["s"]), N("ConstantOfShape", ["s"], ["c"], **fill),
                   N("Add", ["x", "c"], ["y"])], [value("x")], [value("y")])
        c = Half(f"ConstantOfShape {len(fill)}", m, {"x": X})
        if c.ok:
            check("the fill is half", c.types()["c"] == T.FLOAT16)
    sparse = h.make_sparse_tensor(const("c", [1.5, -2]), const("at", [1, 6], np.int64), [8])
    m = model([N("Constant", [], ["c"], sparse_value=sparse), N("Add", ["x", "c"], ["y"])],
              [value("x")], [value("y")])
    Half("sparse_value", m, {"x": X}, reference=False)
    m = model([N("Add", ["x", "c"], ["y"])], [value("x")], [value("y")])
    m.graph.sparse_initializer.append(sparse)
    Half("sparse initializer", m, {"x": X}, reference=False)
    # max + eps, as audio is normalised
    m = model([N("Abs", ["x"], ["a"]), N("ReduceMax", ["a"], ["m"], keepdims=1),
               N("Add", ["m", "eps"], ["d"]),
               N("Div", ["x", "d"], ["y"])], [value("x")], [value("y")], [const("eps", 1e-5)])
    Half("max and eps", m, [{"x": X}, {"x": X / 1000}])


def fault_shared_initializer():
    """One initializer for a node that stays float and one that does not (onnxconverter-common #329)."""
    m = model([N("CumSum", ["x", "at"], ["k"]), N("Mul", ["k", "w"], ["a"], name="kept"),
               N("Mul", ["x", "w"], ["b"]), N("Mul", ["b", "u"], ["c"]), N("Add", ["a", "c"], ["y"])],
              [value("x")], [value("y")],
              [const("w", 2.0), const("u", 0.5), const("at", 0, np.int64), const("dead", [1.0, 2.0])])
    c = Half("two readers", m, {"x": X}, "--keep-node", "kept", "--keep-op", "CumSum")
    if c.ok:
        kinds = sorted(i.data_type for i in c.model.graph.initializer if i.dims in ([], [1])
                       and i.data_type != T.INT64)
        check("w twice, u once", kinds == [T.FLOAT, T.FLOAT16, T.FLOAT16], str(kinds))
        check("an unused initializer survives", any(i.name == "dead" for i in c.model.graph.initializer))
    image = normal(1, 4, 4, 4)
    m = model([N("Resize", ["x", "", "w"], ["r"], mode="nearest"), N("Mul", ["w", "two"], ["w2"]),
               N("Reshape", ["w2", "shape"], ["w4"]), N("Mul", ["r", "w4"], ["z"]), N("Neg", ["z"], ["y"])],
              [value("x", T.FLOAT, (1, 4, 4, 4))], [value("y", T.FLOAT, (1, 4, 8, 8))],
              [const("w", [1, 1, 2, 2]), const("two", [0.5]), const("shape", [1, 4, 1, 1], np.int64)])
    c = Half("Resize's scales and a factor", m, {"x": image})
    if c.ok:
        check("scales are float", c.runs_in("Resize", T.FLOAT, 2))
    m = model([N("Mul", ["x", "w"], ["a"]), N("Add", ["a", "w"], ["y"])], [value("x")], [value("y")],
              [const("w", 2.0)])
    c = Half("half readers only", m, {"x": X})
    if c.ok:
        check("no float copy is left", [i.data_type for i in c.model.graph.initializer] == [T.FLOAT16])


def fault_nothing_declared():
    """Shape inference off, or a part cut out of a model (onnxconverter-common #304)."""
    def bare(m):
        del m.graph.value_info[:]
        for o in m.graph.output:
            o.type.tensor_type.ClearField("shape")
        return m
    weights = [const("w", np.eye(4) * 1.5), const("b", [0.1, 0.2, 0.3, 0.4])]
    m = model([N("MatMul", ["x", "w"], ["a"]), N("Add", ["a", "b"], ["r"]), N("Relu", ["r"], ["c"]),
               N("Softmax", ["c"], ["y"])],
              [value("x", T.FLOAT, ("n", 4))], [value("y", T.FLOAT, (None, None))], weights)
    c = Half("bare", bare(m), {"x": normal(2, 4)})
    if c.ok:
        check("the product is half", c.runs_in("MatMul", T.FLOAT16))
    whole = model([N("Gather", ["t", "ids"], ["e"]), N("Mul", ["e", "k"], ["f"]), N("Tanh", ["f"], ["g"]),
                   N("Cast", ["g"], ["q"], to=11), N("Cast", ["q"], ["r"], to=1), N("Neg", ["r"], ["y"])],
                  [value("ids", T.INT64)], [value("y", T.FLOAT, (None, None))],
                  [const("t", normal(5, 4)), const("k", 0.5)], info=[value("f", T.FLOAT, (None, 4))])
    Half("from ids, through double", bare(whole), {"ids": np.array([0, 4, 2])})
    part = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(whole)).extract_model(["f"], ["y"])
    Half("cut out", bare(part), {"f": normal(3, 4)})


def fault_every_block_list():
    """Chains of kept nodes, constants between them: all 2^6 block lists (onnxruntime #11245)."""
    nodes = [N("ReduceMean", ["x"], ["m"], axes=[-1]), N("Sub", ["x", "m"], ["d"]),
             N("Pow", ["d", "two"], ["q"]), N("ReduceMean", ["q"], ["v"], axes=[-1]),
             N("Add", ["v", "eps"], ["e"]), N("Sqrt", ["e"], ["s"]), N("Div", ["d", "s"], ["n"]),
             N("Mul", ["n", "g"], ["ng"]), N("Add", ["ng", "b"], ["ln"]), N("MatMul", ["ln", "wq"], ["Q"]),
             N("MatMul", ["ln", "wk"], ["K"]), N("Transpose", ["K"], ["Kt"], perm=[1, 0]),
             N("MatMul", ["Q", "Kt"], ["sc"]), N("Div", ["sc", "root"], ["sd"]),
             N("Softmax", ["sd"], ["p"]), N("MatMul", ["p", "ln"], ["o"]), N("Add", ["o", "x"], ["y"])]
    m = model(nodes, [value("x", T.FLOAT, ("n", 8))], [value("y", T.FLOAT, ("n", 8))],
              [const("two", 2), const("eps", 1e-6), const("g", normal(8)), const("b", normal(8)),
               const("wq", normal(8, 8) / 3), const("wk", normal(8, 8) / 3), const("root", 8 ** 0.5)])
    ops, feeds = ["Add", "Mul", "Div", "Pow", "Sqrt", "Softmax"], {"x": normal(3, 8)}
    for k in range(1 << len(ops)):
        keep = [o for j, o in enumerate(ops) if k >> j & 1]
        c = Half(f"{keep}", m, feeds, *(["--keep-op", ",".join(keep)] if keep else []),
                 reference=k % 8 == 0, again=k % 8 == 0)
        for op in keep if c.ok else []:
            check(f"{op} stays float", c.runs_in(op, T.FLOAT))


def fault_stale_value_info():
    """Shapes an earlier tool left behind, two input sizes (onnxruntime #14582; converter-common #252)."""
    up = [N("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), N("Relu", ["c"], ["r"]),
          N("DepthToSpace", ["r"], ["d"], blocksize=2), N("Neg", ["d"], ["e"]), N("Neg", ["e"], ["y"])]
    small = (1, 1, 8, 8)
    for what, info in (("old", [value("d", T.FLOAT, small), value("r", T.FLOAT, (1, 4, 4, 4)),
                                value("e", T.FLOAT, small)]),
                       ("of nobody", [value("gone", T.FLOAT, (3,)),
                                      value("d", T.FLOAT, ("a", "b", "c", "d"))])):
        m = model(up, [value("x", T.FLOAT, (1, 1, "h", "w"))], [value("y", T.FLOAT, (1, 1, None, None))],
                  [const("w", normal(4, 1, 3, 3))], info=info)
        Half(what, m, [{"x": normal(1, 1, 4, 4)}, {"x": normal(1, 1, 7, 5)}])


def fault_quantised_model():
    """Q/DQ take half from opset 19 on; integer products' scales are float (pytorch #107023; onnx #5374)."""
    for opset in (10, 13, 19, 21, 23):
        m = model([N("Neg", ["x"], ["a"]), N("QuantizeLinear", ["a", "s", "z"], ["q"]),
                   N("DequantizeLinear", ["q", "s", "z"], ["d"]), N("DequantizeLinear", ["wq", "s"], ["w"]),
                   N("MatMul", ["d", "w"], ["y"])],
                  [value("x", T.FLOAT, ("n", 4))], [value("y", T.FLOAT, ("n", 3))],
                  [const("s", 0.03), const("z", 128, np.uint8),
                   const("wq", np.arange(12).reshape(4, 3) * 9 - 50, np.int8)], opset)
        c = Half(f"opset {opset}", m, {"x": np.linspace(-3, 3, 8).reshape(2, 4).astype(np.float32)},
                 limit=2e-2,
                 reference=False)
        if c.ok and opset < 19:
            check(f"opset {opset}: Q/DQ are float", c.runs_in("QuantizeLinear", T.FLOAT))
    x = normal(2, 4)
    m = model([N("Neg", ["x"], ["a"]), N("DynamicQuantizeLinear", ["a"], ["q", "s", "z"]),
               N("MatMulInteger", ["q", "wq", "z"], ["i"]), N("Cast", ["i"], ["f"], to=1),
               N("Mul", ["s", "ws"], ["t"]), N("Mul", ["f", "t"], ["y"])],
              [value("x", T.FLOAT, ("n", 4))], [value("y", T.FLOAT, ("n", 3))],
              [const("wq", np.arange(12).reshape(4, 3) * 9 - 50, np.int8), const("ws", 0.02)])
    # A code may move by one where rounding to half crosses a border.
    c = Half("DynamicQuantizeLinear", m, {"x": x}, limit=2e-2, reference=False)
    if c.ok:
        check("it computes in float", c.runs_in("DynamicQuantizeLinear", T.FLOAT))
        check("its scale stays float", c.types()["s"] == T.FLOAT)
    m = model([N("QuantizeLinear", ["x", "s", "z"], ["q"]),
               N("QLinearMatMul", ["q", "s", "z", "wq", "s", "zw", "so", "z"], ["o"]),
               N("DequantizeLinear", ["o", "so", "z"], ["d"]), N("Neg", ["d"], ["y"])],
              [value("x", T.FLOAT, ("n", 4))], [value("y", T.FLOAT, ("n", 3))],
              [const("s", 0.03), const("so", 0.2), const("z", 128, np.uint8), const("zw", 0, np.int8),
               const("wq", np.arange(12).reshape(4, 3) * 9 - 50, np.int8)])
    c = Half("QLinearMatMul", m, {"x": x}, limit=5e-2, reference=False)
    if c.ok:
        check("its scales are float", c.runs_in("QLinearMatMul", T.FLOAT, 1))


def fault_secondary_constants():
    """Pad's value, OneHot's, Clip's and others stayed float (onnxruntime #1774)."""
    rows = normal(2, 3, 4)
    for name, nodes, outputs, inits in (
            ("Pad", [N("Pad", ["a", "p", "v"], ["b"])], (None, None, None),
             [const("p", [0, 1, 0, 0, 0, 2], np.int64), const("v", 0.25)]),
            ("Where", [N("Greater", ["a", "v"], ["c"]), N("Where", ["c", "a", "v"], ["b"])], (2, 3, 4),
             [const("v", 0.1)]),
            ("ScatterND", [N("ScatterND", ["a", "i", "u"], ["b"])], (2, 3, 4),
             [const("i", [[0, 1]], np.int64), const("u", [[9, 8, 7, 6]])]),
            ("ScatterElements", [N("ScatterElements", ["a", "i", "u"], ["b"], axis=2)], (2, 3, 4),
             [const("i", np.ones((2, 3, 1)), np.int64), const("u", np.full((2, 3, 1), 5))]),
            ("Clip", [N("Clip", ["a", "lo", "hi"], ["b"])], (2, 3, 4),
             [const("lo", -0.5), const("hi", 0.75)]),
            ("Clip, no low", [N("Clip", ["a", "", "hi"], ["b"])], (2, 3, 4), [const("hi", 0.75)]),
            ("PRelu", [N("PRelu", ["a", "s"], ["b"])], (2, 3, 4), [const("s", [0.1, 0.2, 0.3, 0.4])]),
            ("ThresholdedRelu", [N("ThresholdedRelu", ["a"], ["b"], alpha=0.4)], (2, 3, 4), []),
            ("Trilu", [N("Trilu", ["a"], ["b"])], (2, 3, 4), []),
            ("Dropout", [N("Dropout", ["a", "r"], ["b"])], (2, 3, 4), [const("r", 0.5)]),
            ("OneHot", [N("ArgMax", ["a"], ["i"], axis=2, keepdims=0), N("OneHot", ["i", "d", "v"], ["b"])],
             (2, 3, 5), [const("d", 5, np.int64), const("v", [0.5, 2])])):
        m = model([N("Neg", ["x"], ["a"])] + nodes + [N("Neg", ["b"], ["y"])],
                  [value("x", T.FLOAT, (2, 3, 4))], [value("y", T.FLOAT, outputs)], inits)
        Half(name, m, {"x": rows})


def fault_old_operator_sets():
    """Attributes that became inputs, in-between versions: the schema of the model's own opset."""
    x = normal(2, 4)
    for opset, to in itertools.product((6, 7, 9, 11, 13, 14, 18, 20, 23), ("fp16", "bf16")):
        if to == "bf16" and opset < 13:     # no operator takes it there
            continue
        axes = {"axes": [1]} if opset < 13 else {}
        summed = N("ReduceSum", ["c"] if opset < 13 else ["c", "ax"], ["s"], keepdims=1, **axes)
        clip = N("Clip", ["d", "lo", "hi"], ["c"])
        if opset < 11:
            clip = N("Clip", ["d"], ["c"], min=-1.0, max=1.0)
        inits = [const("w", normal(4, 4))] + ([const("lo", -1.0), const("hi", 1.0)] if opset >= 11 else [])
        inits += [const("ax", [1], np.int64)] if opset >= 13 else []
        m = model([N("MatMul", ["x", "w"], ["d"]), clip, summed, N("Tanh", ["s"], ["t"]),
                   N("Neg", ["t"], ["y"])],
                  [value("x", T.FLOAT, ("n", 4))], [value("y", T.FLOAT, ("n", 1))], inits, opset,
                  ir=10 if opset > 20 else 8)
        c = Half(f"opset {opset} {to}", m, {"x": x}, to=to, reference=opset > 13)
        if c.ok and to == "bf16":
            onnx.checker.check_model(c.model, full_check=True)
            stored = {i.data_type for i in c.model.graph.initializer} - {T.INT64}
            check("bf16 or float only", stored <= {T.BFLOAT16, T.FLOAT}, str(stored))
            check("products in bf16", c.runs_in("MatMul", T.BFLOAT16))
            bits = [np.frombuffer(i.raw_data, np.uint16) for i in c.model.graph.initializer
                    if i.data_type == T.BFLOAT16 and i.dims == [4, 4]]
            want = numpy_helper.to_array(m.graph.initializer[0]).view(np.uint32).ravel()
            want = (want + 0x7fff + (want >> 16 & 1)) >> 16
            check("bf16 rounds to nearest even", bits and np.array_equal(bits[0], want))


if __name__ == "__main__":
    main(globals())
