"""Faults of other half converters: names, order, inputs and outputs, operators whose rules depend on the
operator set or the runtime. See half_lib.py."""
import numpy as np

from half_lib import N, T, X, Half, check, const, dump, main, model, normal, onnx, value


def kinds_of(infos):
    return [i.type.tensor_type.elem_type for i in infos]


def fault_casts_with_several_readers():
    """A clean-up of Casts rewired only one reader; 1000 Constants (geti issue #5439)."""
    nodes = [N("Cast", ["i"], ["f"], to=1), N("Mul", ["f", "w"], ["a"], name="blocked"),
             N("Neg", ["f"], ["b"]), N("Tanh", ["f"], ["c"]), N("Sum", ["a", "b", "c"], ["s0"])]
    for k in range(1000):
        nodes += [N("Constant", [], [f"k{k}"], value=const("", k / 30000)),
                  N("Add", [f"s{k}", f"k{k}"], [f"s{k + 1}"])]
    m = model(nodes, [value("i", T.INT64)], [value("s1000")], [const("w", 0.5)])
    Half("1000 constants", m, {"i": np.arange(-4, 4)}, "--keep-node", "blocked", reference=False)
    m = model(nodes[:5], [value("i", T.INT64)], [value("s0"), value("f")], [const("w", 0.5)])
    c = Half("three readers and an output", m, {"i": np.arange(-4, 4)}, "--keep-node", "blocked")
    if c.ok:
        check("the kept one reads float", c.runs_in("Mul", T.FLOAT))
        check("the others half", c.runs_in("Neg", T.FLOAT16) and c.runs_in("Tanh", T.FLOAT16))
        check("once per value and type: two Casts of i at most",
              sum(n.op_type == "Cast" and n.input[0] == "i" for n in c.model.graph.node) <= 2)


def fault_round_trip_between_kept_nodes():
    """Casts to half and back between two float nodes (converter-common #271; onnxruntime #19437, #20346)."""
    m = model([N("Mul", ["x", "big"], ["a"], name="one"), N("Div", ["a", "big"], ["b"], name="two"),
               N("Neg", ["b"], ["y"])], [value("x")], [value("y")], [const("big", 1e5)])
    c = Half("1e5 between two nodes", m, {"x": X}, "--keep-node", "one,two")
    if c.ok:
        c.no_half_round_trip()
        check("both are float", c.runs_in("Mul", T.FLOAT) and c.runs_in("Div", T.FLOAT))
    for between in ([N("Reshape", ["a", "shape"], ["r"])], [N("Identity", ["a"], ["r"])],
                    [N("Transpose", ["a"], ["r"])], [N("Unsqueeze", ["a", "ax"], ["q"]),
                                                     N("Squeeze", ["q", "ax"], ["r"])],
                    [N("Split", ["a"], ["p", "q"], axis=0), N("Concat", ["p", "q"], ["r"], axis=0)]):
        name = between[0].op_type
        m = model([N("Exp", ["x"], ["a"])] + between + [N("Log", ["r"], ["y"])], [value("x")], [value("y")],
                  [const("shape", [-1], np.int64), const("ax", [0], np.int64)])
        c = Half(f"{name} in between", m, {"x": np.linspace(0, 40, 8).astype(np.float32)}, "--keep-op",
                 "Exp,Log", limit=1e-6)
        if c.ok:
            c.no_half_round_trip()
        m.graph.node[0].op_type, m.graph.node[-1].op_type = "Tanh", "Softsign"
        Half(f"{name} between small values", m, {"x": X}, "--keep-op", "Tanh,Softsign", limit=1e-6)


def fault_source_casts():
    """Casts of the source between float and half, double, integers; what they round stays rounded."""
    half = [N("Cast", ["x"], ["h"], to=10), N("Mul", ["h", "w"], ["g"]), N("Cast", ["g"], ["f"], to=1),
            N("Sigmoid", ["f"], ["y"])]
    m = model(half, [value("x")], [value("y")], [const("w", 1.5, np.float16)])
    Half("a half island", m, {"x": X})
    m = model([N("Cast", ["x"], ["h"], to=10), N("Cast", ["h"], ["f"], to=1), N("Neg", ["f"], ["y"])],
              [value("x")], [value("y")])
    Half("a rounding on purpose", m, {"x": X}, limit=1e-3)
    m = model([N("Cast", ["x"], ["d"], to=11), N("Mul", ["d", "k"], ["e"]), N("Cast", ["e"], ["f"], to=1),
               N("Neg", ["f"], ["y"])], [value("x")], [value("y")], [const("k", 0.1, np.float64)])
    Half("double", m, {"x": X})
    m = model([N("Mul", ["x", "k"], ["a"]), N("Cast", ["a"], ["i"], to=7), N("Cast", ["i"], ["f"], to=1),
               N("CastLike", ["f", "x"], ["g"]), N("Neg", ["g"], ["y"])], [value("x")], [value("y")],
              [const("k", 2.0)])
    Half("through int64, CastLike", m, {"x": np.arange(8, dtype=np.float32)})


def fault_unnamed_nodes():
    """Cast names made from empty node names; Resize 10's inputs (onnxruntime #14827, PR #27469)."""
    nodes = []
    for k in range(5):
        nodes += [N("Neg", ["x"], [f"v{k}"]), N("CumSum", [f"v{k}", "at"], [f"c{k}"]),
                  N("Neg", [f"c{k}"], [f"e{k}"])]
    m = model(nodes + [N("Sum", [f"e{k}" for k in range(5)], ["y"])], [value("x")], [value("y")],
              [const("at", 0, np.int64)])
    Half("five", m, {"x": X}, "--keep-op", "CumSum")
    for opset in (10, 11, 13, 18, 19):
        inputs = {10: ["a", "scales"], 11: ["a", "roi", "scales"]}.get(opset, ["a", "", "scales"])
        m = model([N("Neg", ["x"], ["a"]), N("Resize", inputs, ["b"], mode="nearest"),
                   N("Neg", ["b"], ["y"])],
                  [value("x", T.FLOAT, (1, 1, 4, 4))], [value("y", T.FLOAT, (1, 1, 8, 8))],
                  [const("scales", [1, 1, 2, 2]), const("roi", [])], opset)
        c = Half(f"Resize {opset}", m, {"x": normal(1, 1, 4, 4)}, reference=opset > 10)
        if c.ok:
            check("scales are float", c.runs_in("Resize", T.FLOAT, 1 if opset == 10 else 2))


def fault_taken_names():
    """The names a converter would choose are taken (onnxconverter-common #259)."""
    taken = ["x_cast", "graph_input_cast0", "graph_output_cast0", "x_fp16", "x_fp32", "x_half", "x_float16",
             "y_fp16", "y_fp32", "w_fp16", "w_half", "Cast_0", "Cast_1", "x_Cast", "x_half_1", "x_fp16_1",
             "w_fp16_1", "y_half", "y_float", "x_float"]
    nodes, last = [], "x"
    for k, name in enumerate(taken):
        nodes.append(N("Mul" if k % 2 else "Add", [last, "w"], [name], name=taken[-k]))
        last = name
    nodes += [N("CumSum", [last, "at"], ["cs"], name="x_fp16_cast"), N("Mul", ["cs", "w"], ["y"], name="y")]
    m = model(nodes, [value("x")], [value("y")], [const("w", 0.9), const("at", 0, np.int64)])
    Half("all at once", m, {"x": X}, "--keep-op", "CumSum")
    # Names of an inner graph are names too.
    inner = onnx.helper.make_graph([N("Neg", ["x"], ["x_fp16"]), N("CumSum", ["x_fp16", "at"], ["x_fp32"])],
                                   "b", [], [value("x_fp32")])
    other = onnx.helper.make_graph([N("Abs", ["x"], ["w_fp16"])], "b", [], [value("w_fp16")])
    m = model([N("If", ["c"], ["o"], then_branch=inner, else_branch=other), N("Mul", ["o", "w"], ["y"])],
              [value("x"), value("c", T.BOOL, ())], [value("y")], [const("w", 0.9), const("at", 0, np.int64)])
    Half("in a branch", m, [{"x": X, "c": np.array(True)}, {"x": X, "c": np.array(False)}], "--keep-op",
         "CumSum", reference=False)


def fault_order_with_kept_io():
    """Casts of inputs stood at the end (onnxconverter-common #208, #256)."""
    nodes = [N("Conv", ["x", "w"], ["c"], pads=[1] * 4),
             N("BatchNormalization", ["c", "s", "b", "mu", "v"], ["n"]), N("Relu", ["n"], ["r"]),
             N("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
             N("GlobalAveragePool", ["p"], ["g"]), N("Flatten", ["g"], ["f"]), N("Gemm", ["f", "k"], ["l"]),
             N("Softmax", ["l"], ["y"])]
    m = model(nodes, [value("x", T.FLOAT, ("n", 3, 8, 8))], [value("y", T.FLOAT, ("n", 5)),
                                                             value("r", T.FLOAT, ("n", 4, 8, 8))],
              [const("w", normal(4, 3, 3, 3)), const("s", np.ones(4)), const("b", normal(4)),
               const("mu", normal(4)), const("v", np.ones(4)), const("k", normal(4, 5))])
    for io in ("keep", "convert"):
        c = Half(io, m, {"x": normal(2, 3, 8, 8)}, "--io", io, reference=False)
        if c.ok:
            want = T.FLOAT if io == "keep" else T.FLOAT16
            g = c.model.graph
            check(f"{io}: types", set(kinds_of([*g.input, *g.output])) == {want})


def fault_outputs_nobody_makes():
    """An output that is an initializer, an input, an Identity of either (winml-cli PR #1280)."""
    for io in ("keep", "convert"):
        kind = T.FLOAT if io == "keep" else T.FLOAT16
        nodes = [N("Neg", ["x"], ["n"]), N("Identity", ["w"], ["iw"]), N("Identity", ["x"], ["ix"]),
                 N("Mul", ["n", "w"], ["y"])]
        outputs = [value("y"), value("w", T.FLOAT, (1,)), value("iw", T.FLOAT, (1,)), value("ix"), value("x")]
        c = Half(f"five, {io}", model(nodes, [value("x")], outputs, [const("w", [1.7])]), {"x": X}, "--io",
                 io)
        if c.ok:
            check(f"{io}: types of outputs", set(kinds_of(c.model.graph.output)) == {kind})
            check(f"{io}: names", [o.name for o in c.model.graph.output] == ["y", "w", "iw", "ix", "x"])
        for what, some, out in (("initializer", [], [value("w", T.FLOAT, (1,))]),
                                ("input", [], [value("x")]),
                                ("Identity", [N("Identity", ["x"], ["y"])], [value("y")]),
                                ("Constant", [N("Constant", [], ["y"], value_floats=[0.25, 3])],
                                 [value("y", T.FLOAT, (2,))])):
            c = Half(f"{what} alone, {io}", model(some, [value("x")], out, [const("w", [1.7])]), {"x": X},
                     "--io", io)
            if c.ok:
                check(f"{what} alone, {io}: type", kinds_of(c.model.graph.output) == [kind])
        m = model([N("Neg", ["x"], ["y"]), N("Neg", ["w"], ["z"])],
                  [value("x"), value("w", T.FLOAT, (1,)), value("unused", T.FLOAT, (2,))],
                  [value("y"), value("z", T.FLOAT, (1,))], [const("w", [1.7])])
        Half(f"initializer with an input, {io}", m, {"x": X, "unused": np.zeros(2, np.float32)}, "--io", io)


def fault_output_that_is_read():
    """Outputs the graph reads too, dead nodes, an operator nobody knows (autoware-ml PR #89)."""
    for io in ("keep", "convert"):
        m = model([N("Neg", ["x"], ["y"]), N("Tanh", ["y"], ["e"]), N("Mul", ["y", "e"], ["z"]),
                   N("Neg", ["z"], ["nobody"])], [value("x")], [value("y"), value("z")])
        c = Half(f"dual use, {io}", m, {"x": X}, "--io", io)
        if c.ok:
            check("the reader takes half", c.runs_in("Tanh", T.FLOAT16))
            check("a dead node survives", any("nobody" in n.output for n in c.model.graph.node))
    m = model([N("Neg", ["x"], ["a"]), N("Odd", ["a", "w"], ["b"], domain="some.where", width=3),
               N("Neg", ["b"], ["y"])], [value("x")], [value("y")], [const("w", 2.0)], domains=["some.where"])
    c = Half("an unknown domain", m, {"x": X}, run=False)
    if c.ok:
        made = {o: n for n in c.model.graph.node for o in n.output}
        odd = c.all_nodes("Odd")[0]
        check("it is named in a warning", "Odd" in c.error and len(c.error.splitlines()) == 1, c.error)
        check("it reads float", c.types()["x"] == T.FLOAT and
              (odd.input[0] == "a" and made["a"].op_type == "Cast" or made[odd.input[0]].op_type == "Cast"
               or c.runs_in("Neg", T.FLOAT)), str(odd.input))
        check("its constant stays float", [i.data_type for i in c.model.graph.initializer] == [T.FLOAT])
        check("its attributes stay", odd.attribute[0].i == 3)
    m = model([N("Neg", ["x"], ["a"]), N("NotYetThere", ["a"], ["b"]), N("Neg", ["b"], ["y"])], [value("x")],
              [value("y")])
    c = Half("an unknown operator", m, {"x": X}, run=False)
    if c.ok:
        check("warned", "NotYetThere" in c.error, c.error)
    # Contrib operators that transformers use are known: both loads and answers are proved.
    m = model([N("MatMul", ["x", "w"], ["a"]), N("Gelu", ["a"], ["b"], domain="com.microsoft"),
               N("SkipLayerNormalization", ["b", "x", "g", "o"], ["y"], domain="com.microsoft",
                 epsilon=1e-12)],
              [value("x", T.FLOAT, (1, 3, 8))], [value("y", T.FLOAT, (1, 3, 8))],
              [const("w", normal(8, 8)), const("g", normal(8)), const("o", normal(8))],
              domains=["com.microsoft"])
    c = Half("contrib operators", m, {"x": normal(1, 3, 8)}, "--target", "ort-cpu", reference=False)
    check("no warning", not c.error, c.error)


def fault_resize_inputs():
    """Resize: half X, empty roi, constant and computed scales, Upsample (onnxruntime #8327, #1760, #1782)."""
    image, shape = normal(1, 2, 4, 4), (1, 2, 4, 4)

    def run(name, nodes, inits=(), opset=13, out=(1, 2, 8, 8)):
        c = Half(name, model([N("Neg", ["x"], ["a"])] + nodes + [N("Neg", ["b"], ["y"])],
                             [value("x", T.FLOAT, shape)], [value("y", T.FLOAT, out)], inits, opset),
                 {"x": image}, reference=False)
        return c
    scales = const("s", [1, 1, 2, 2])
    run("roi empty", [N("Resize", ["a", "", "s"], ["b"], mode="linear")], [scales])
    run("roi given", [N("Resize", ["a", "roi", "s"], ["b"], mode="linear",
                        coordinate_transformation_mode="tf_crop_and_resize")],
        [scales, const("roi", [0, 0, 0, 0, 1, 1, 1, 1])])
    run("scales of no length", [N("Resize", ["a", "", "s0", "to"], ["b"], mode="nearest")],
        [const("s0", []), const("to", [1, 2, 8, 8], np.int64)])
    c = run("scales computed", [N("Shape", ["a"], ["sh"]), N("Cast", ["sh"], ["f"], to=1),
                                N("Mul", ["f", "two"], ["g"]), N("Div", ["g", "f"], ["s4"]),
                                N("Mul", ["s4", "mask"], ["s5"]), N("Max", ["s5", "unit"], ["s"]),
                                N("Resize", ["a", "", "s"], ["b"], mode="cubic")],
            [const("two", 2.0), const("mask", [0.5, 0.5, 1, 1]), const("unit", 1.0)])
    if c.ok:
        check("computed scales are float", c.runs_in("Resize", T.FLOAT, 2))
    run("Upsample 9", [N("Upsample", ["a", "s"], ["b"], mode="nearest")], [scales], 9)
    run("Upsample 7", [N("Upsample", ["a"], ["b"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])], [], 7)


def fault_operator_set_decides():
    """Which operators take half depends on the operator set, not on a list (onnxmltools #699)."""
    cases = (("CumSum", 11, [N("CumSum", ["a", "i"], ["b"])], T.FLOAT, "schema"),
             ("CumSum", 14, [N("CumSum", ["a", "i"], ["b"])], None, ""),
             ("Range", 17, [N("ReduceMax", ["a"], ["m"], keepdims=0), N("Range", ["z", "m", "u"], ["b0"]),
                            N("ReduceSum", ["b0"], ["b1"], keepdims=0), N("Add", ["a", "b1"], ["b"])],
              T.FLOAT, "schema"),
             ("QuantizeLinear", 13, [N("QuantizeLinear", ["a", "s"], ["q"]),
                                     N("DequantizeLinear", ["q", "s"], ["b"])], T.FLOAT, "schema"),
             ("Erf", 9, [N("Erf", ["a"], ["b"])], None, ""),
             ("ReduceMax", 11, [N("ReduceMax", ["a"], ["m"], keepdims=1), N("Sub", ["a", "m"], ["b"])], None,
              ""),
             ("IsInf", 10, [N("IsInf", ["a"], ["t"]), N("Where", ["t", "z", "a"], ["b"])], T.FLOAT, "schema"),
             ("IsInf", 20, [N("IsInf", ["a"], ["t"]), N("Where", ["t", "z", "a"], ["b"])], None, ""))
    for op, opset, nodes, kind, why in cases:
        m = model([N("Neg", ["x"], ["a"])] + nodes + [N("Neg", ["b"], ["y"])], [value("x")], [value("y")],
                  [const("i", 0, np.int64), const("z", 0.0), const("u", 1.0), const("s", 0.05)], opset)
        c = Half(f"{op} {opset}", m, {"x": X}, limit=3e-2 if "Quant" in op else 1e-2, reference=False)
        if not c.ok:
            continue
        if kind:
            check(f"{op} {opset} computes in float", c.runs_in(op, kind))
            told = [k for k in c.report["kept_float"] if k["op"] == op]
            check(f"{op} {opset} is listed with a reason", told and told[0]["why"], dump(c.report))


def fault_schema_limit_or_missing_kernel():
    """CumSum 11 may not be half, TopK has no half kernel on a CPU (onnx #2801; onnxruntime #4147, #7646)."""
    whys = {}
    for opset, target in ((11, "ort-cpu"), (14, "ort-cpu"), (11, "ort-cuda"), (14, "ort-cuda"), (14, "any"),
                          (14, "openvino"), (14, "tensorrt")):
        m = model([N("Neg", ["x"], ["a"]), N("CumSum", ["a", "i"], ["s"]), N("Relu", ["x"], ["r"]),
                   N("TopK", ["r", "k"], ["t", "at"]), N("Neg", ["t"], ["y"])],
                  [value("x")], [value("y"), value("s"), value("at", T.INT64)],
                  [const("i", 0, np.int64), const("k", [3], np.int64)], opset)
        c = Half(f"opset {opset}, {target}", m, {"x": np.array([1, -2, -4, 3, -1, -8, 2, -16], np.float32)},
                 "--target", target, run=target == "ort-cpu", reference=False)
        if not c.ok:
            continue
        whys.update({(k["op"], opset, target): k["why"] for k in c.report["kept_float"]})
        if target == "ort-cpu":
            check("both are float on a CPU", c.runs_in("CumSum", T.FLOAT) and c.runs_in("TopK", T.FLOAT))
        elif target == "ort-cuda":
            check("TopK is half on a GPU", c.runs_in("TopK", T.FLOAT16))
        check("CumSum of opset 11 is float", opset == 14 or c.runs_in("CumSum", T.FLOAT))
    schema, kernel = whys.get(("CumSum", 11, "ort-cuda")), whys.get(("TopK", 14, "ort-cpu"))
    check("the two have their own reasons", schema and kernel and schema != kernel, str(whys))
    c = Half("a misspelt operator type", model([N("Neg", ["x"], ["y"])], [value("x")], [value("y")]),
             {"x": X})
    from half_judge import convert
    code, _, error = convert(c.path, c.out, "--keep-op", "Negg")
    check("is refused by name", code in (1, 2) and "Negg" in error, f"{code} {error}")
    code, _, error = convert(c.path, c.out, "--target", "abacus")
    check("an unknown target is wrong use", code == 2 and "abacus" in error, f"{code} {error}")


if __name__ == "__main__":
    main(globals())
