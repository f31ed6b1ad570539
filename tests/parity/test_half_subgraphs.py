"""Faults of other half converters: If, Loop and Scan bodies, sequences, functions. See half_lib.py."""
import numpy as np

from half_lib import (N, T, X, Half, check, const, graph, h, main, model, normal, numpy_helper, onnx,
                      subgraphs, value)

TRUE, FALSE = np.array(True), np.array(False)


def branches(c, op="If"):
    return [a.g for n in c.all_nodes(op) for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]


def fault_casts_in_the_branch():
    """A branch's Casts landed in the main graph (onnxconverter-common PR #260, PR #291)."""
    then = graph([N("CumSum", ["a", "at"], ["t0"]), N("Mul", ["a", "k"], ["t1"]),
                  N("Add", ["t0", "t1"], ["t"])],
                 [], [value("t")], [const("k", 0.5)], name="then")
    other = graph([N("Tanh", ["a"], ["e0"]), N("Add", ["e0", "w"], ["e"])], [], [value("e")], name="else")
    m = model([N("Neg", ["x"], ["a"]), N("If", ["c"], ["o"], then_branch=then, else_branch=other),
               N("Mul", ["o", "w"], ["y"])],
              [value("x"), value("c", T.BOOL, ())], [value("y")], [const("w", 0.9), const("at", 0, np.int64)])
    feeds = [{"x": X, "c": TRUE}, {"x": X, "c": FALSE}]
    c = Half("two branches", m, feeds, "--keep-op", "CumSum")
    if c.ok:
        inside = [n for g in branches(c) for n in g.node if n.op_type == "Cast"]
        check("Casts live where they are used", inside, "none in the branches")
        stored = {i.name: i.data_type for g in branches(c) for i in g.initializer}
        check("the branch's constant is half", set(stored.values()) == {T.FLOAT16}, str(stored))
        # No value made in a branch is read outside it.
        made = {o for g in branches(c) for n in g.node for o in n.output}
        check("nothing reaches into a branch", not made & {i for n in c.model.graph.node for i in n.input})
    nested = graph([N("If", ["d"], ["u"], then_branch=graph([N("Exp", ["v_in"], ["p"])], [], [value("p")],
                                                            name="p"),
                      else_branch=graph([N("CumSum", ["v_in", "at"], ["q"])], [], [value("q")], name="q")),
                    N("Mul", ["u", "w"], ["v_out"]), N("Identity", ["go"], ["go_out"]),
                    N("Neg", ["v_out"], ["scan"])],
                   [value("i", T.INT64, ()), value("go", T.BOOL, ()), value("v_in")],
                   [value("go_out", T.BOOL, ()), value("v_out"), value("scan")], name="body")
    m = model([N("Tanh", ["x"], ["a"]), N("Loop", ["n", "", "a"], ["last", "all"], body=nested),
               N("Add", ["last", "w"], ["y"])],
              [value("x"), value("n", T.INT64, ()), value("d", T.BOOL, ())],
              [value("y"), value("all", T.FLOAT, (None, "n"))], [const("w", 0.3), const("at", 0, np.int64)])
    Half("If in Loop", m, [{"x": X, "n": np.array(k), "d": np.array(d)} for k in (0, 1, 3)
                           for d in (True, False)], "--keep-op", "CumSum", reference=False)


def loop(kind="Loop"):
    body = graph([N("Mul", ["s_in", "half"], ["m"]), N("Add", ["m", "x"], ["s_out"]),
                  N("Tanh", ["s_out"], ["row"]), N("Identity", ["go"], ["go_out"])],
                 [value("i", T.INT64, ()), value("go", T.BOOL, ()), value("s_in")],
                 [value("go_out", T.BOOL, ()), value("s_out"), value("row")], [const("half", 0.5)],
                 name="body")
    return N("Loop", ["n", "", "s"], ["end", "rows"], body=body)


def fault_loop_state():
    """A Loop's body stayed float while its state was half (onnxruntime #7981)."""
    for state in ([N("Neg", ["x"], ["s"])], [N("Shape", ["x"], ["sh"]), N("ConstantOfShape", ["sh"], ["s"])],
                  [N("CumSum", ["x", "at"], ["s"])]):
        for io in ("keep", "convert"):
            m = model(state + [loop(), N("Neg", ["end"], ["y"])], [value("x"), value("n", T.INT64, ())],
                      [value("y"), value("rows", T.FLOAT, (None, "n"))], [const("at", 0, np.int64)])
            c = Half(f"state of {state[-1].op_type}, {io}", m,
                     [{"x": X, "n": np.array(k)} for k in (0, 1, 5)], "--io", io, reference=False)
            if c.ok and state[-1].op_type != "CumSum":
                body = branches(c, "Loop")[0]
                check("the body computes in half", any(i.data_type == T.FLOAT16 for i in body.initializer)
                      or any(v.type.tensor_type.elem_type == T.FLOAT16 for v in body.output))
    # The state is a node that stays float inside: its type may not change between turns.
    body = graph([N("CumSum", ["s_in", "at"], ["c"]), N("Mul", ["c", "k"], ["s_out"]),
                  N("Identity", ["go"], ["go_out"])],
                 [value("i", T.INT64, ()), value("go", T.BOOL, ()), value("s_in")],
                 [value("go_out", T.BOOL, ()), value("s_out")], [const("k", 0.2)], name="body")
    m = model([N("Neg", ["x"], ["s"]), N("Loop", ["n", "", "s"], ["y"], body=body)],
              [value("x"), value("n", T.INT64, ())], [value("y")], [const("at", 0, np.int64)])
    Half("a float node in the body", m, [{"x": X, "n": np.array(k)} for k in (0, 1, 5)], "--keep-op",
         "CumSum",
         reference=False)
    for keep in ("Loop", "Add", "Mul,Tanh"):
        m = model([N("Neg", ["x"], ["s"]), loop(), N("Neg", ["end"], ["y"])],
                  [value("x"), value("n", T.INT64, ())], [value("y"), value("rows", T.FLOAT, (None, "n"))])
        Half(f"kept {keep}", m, [{"x": X, "n": np.array(k)} for k in (0, 3)], "--keep-op", keep,
             reference=False)


def fault_scan_state():
    """Scan likewise: state, scanned inputs and outputs (onnxruntime #7981)."""
    for opset in (9, 11, 16, 21):
        body = graph([N("Add", ["s", "e"], ["t"]), N("Mul", ["t", "k"], ["s2"]), N("Neg", ["s2"], ["out"])],
                     [value("s", T.FLOAT, (3,)), value("e", T.FLOAT, (3,))],
                     [value("s2", T.FLOAT, (3,)), value("out", T.FLOAT, (3,))], [const("k", 0.7)],
                     name="body")
        m = model([N("Tanh", ["x"], ["a"]), N("Scan", ["s0", "a"], ["last", "rows"], body=body,
                                              num_scan_inputs=1),
                   N("Neg", ["rows"], ["y"])],
                  [value("x", T.FLOAT, ("n", 3)), value("s0", T.FLOAT, (3,))],
                  [value("y", T.FLOAT, ("n", 3)), value("last", T.FLOAT, (3,))], opset=opset,
                  ir=10 if opset > 20 else 8)
        for rows in ([1, 5],):
            Half(f"opset {opset}", m, [{"x": normal(r, 3), "s0": normal(3)} for r in rows], reference=False)


def fault_branch_weights():
    """Half weights in a branch beside a float value from outside (Model-Optimizer PR #1628)."""
    image = (1, 1, 4, 4)
    then = graph([N("Gemm", ["f", "w1"], ["t"])], [], [value("t", T.FLOAT, (1, 3))],
                 [const("w1", normal(16, 3))],
                 name="then")
    other = graph([N("Resize", ["a", "", "sc"], ["r"], mode="nearest"), N("Flatten", ["r"], ["rf"]),
                   N("MatMul", ["rf", "w2"], ["e"])], [], [value("e", T.FLOAT, (1, 3))],
                  [const("sc", [1, 1, 2, 2]), const("w2", normal(64, 3))], name="else")
    for maker in ("Neg", "Tanh"):
        head = [N(maker, ["x"], ["a"]), N("Flatten", ["a"], ["f"])]
        m = model(head + [N("If", ["c"], ["y"], then_branch=then, else_branch=other)],
                  [value("x", T.FLOAT, image), value("c", T.BOOL, ())], [value("y", T.FLOAT, (1, 3))])
        c = Half(f"captured from {maker}", m,
                 [{"x": normal(*image), "c": TRUE}, {"x": normal(*image), "c": FALSE}],
                 *(["--keep-op", "Tanh"] if maker == "Tanh" else []), reference=False)
        if c.ok:
            scales = [i.data_type for g in branches(c) for i in g.initializer if i.dims == [4]]
            check("scales in a branch are float", scales == [T.FLOAT], str(scales))
            weights = [i.data_type for g in branches(c) for i in g.initializer if len(i.dims) == 2]
            check("weights in a branch are half", weights == [T.FLOAT16] * 2, str(weights))


def fault_merged_decoder():
    """A decoder with and without past in one If; shapes cannot be inferred (onnxruntime #20189)."""
    d = 8

    def attention(p, kv):
        return [N("MatMul", [p + "h", "wk"], [p + "kn"]),
                *([N("Concat", ["past", p + "kn"], [p + "k"], axis=1)] if kv else
                  [N("Identity", [p + "kn"], [p + "k"])]),
                N("Transpose", [p + "k"], [p + "kt"], perm=[0, 2, 1]),
                N("MatMul", [p + "h", p + "kt"], [p + "s"]),
                N("Softmax", [p + "s"], [p + "p"]), N("MatMul", [p + "p", p + "k"], [p + "o"]),
                N("Add", [p + "o", p + "h"], [p + "y"])]

    def branch(p, kv):
        free = (None, None, None)
        return graph([N("Gather", ["table", "ids"], [p + "h"]), *attention(p, kv),
                      N("MatMul", [p + "y", "lm"], [p + "logits"])], [],
                     [value(p + "logits", T.FLOAT, free), value(p + "k", T.FLOAT, free)], name=p)
    m = model([N("If", ["use_cache"], ["logits", "present"], then_branch=branch("t_", True),
                 else_branch=branch("e_", False))],
              [value("ids", T.INT64, ("b", "s")), value("past", T.FLOAT, ("b", "p", d)),
               value("use_cache", T.BOOL, ())],
              [value("logits", T.FLOAT, (None, None, None)), value("present", T.FLOAT, (None, None, None))],
              [const("table", normal(11, d)), const("wk", normal(d, d) / 3), const("lm", normal(d, 11) / 3)])
    feeds = [{"ids": np.array([[1, 4, 7]]), "past": normal(1, 0, d), "use_cache": FALSE},
             {"ids": np.array([[2], [3]]), "past": normal(2, 5, d), "use_cache": TRUE}]
    for io in ("keep", "convert"):
        c = Half(io, m, feeds, "--io", io, reference=False)
        if c.ok:
            stored = {i.name: i.data_type for i in c.model.graph.initializer}
            check("shared weights are half, once", list(stored.values()) == [T.FLOAT16] * 3, str(stored))
    # Ranks that differ between the branches: no shape inference can say what comes out.
    then = graph([N("Squeeze", ["a", "ax"], ["t"])], [], [h.make_empty_tensor_value_info("t")], name="then")
    other = graph([N("Mul", ["a", "k"], ["e"])], [], [h.make_empty_tensor_value_info("e")], [const("k", 0.5)],
                  name="else")
    m = model([N("Tanh", ["x"], ["a"]), N("If", ["c"], ["y0"], then_branch=then, else_branch=other),
               N("ReduceSum", ["y0"], ["y"], keepdims=0)],
              [value("x", T.FLOAT, (1, "n")), value("c", T.BOOL, ())], [value("y", T.FLOAT, ())],
              [const("ax", [0], np.int64)])
    Half("branches of two ranks, nothing declared", m,
         [{"x": X[None], "c": TRUE}, {"x": X[None], "c": FALSE}],
         reference=False)


def fault_sequences_and_optionals():
    """Sequences and optionals of floats: every part has one type, inputs and outputs stay."""
    m = model([N("Neg", ["x"], ["a"]), N("Tanh", ["a"], ["b"]), N("SequenceConstruct", ["a", "b"], ["s"]),
               N("SequenceInsert", ["s", "x"], ["s2"]), N("SequenceAt", ["s2", "one"], ["c"]),
               N("ConcatFromSequence", ["s2"], ["d"], axis=0), N("Mul", ["c", "w"], ["y"])],
              [value("x")], [value("y"), value("d", T.FLOAT, (None,))],
              [const("one", 1, np.int64), const("w", 2.0)])
    Half("inside", m, {"x": X}, reference=False)
    m = model([N("SplitToSequence", ["x"], ["s"], axis=0), N("SequenceEmpty", [], ["e"]),
               N("SequenceAt", ["s", "one"], ["a"]), N("Neg", ["a"], ["b"]),
               N("SequenceInsert", ["e", "b"], ["f"]),
               N("SequenceAt", ["f", "zero"], ["y"])],
              [value("x")], [value("y", T.FLOAT, (1,))],
              [const("one", 1, np.int64), const("zero", 0, np.int64)])
    Half("SequenceEmpty, SplitToSequence", m, {"x": X}, reference=False)
    seq = h.make_tensor_sequence_value_info
    m = model([N("SequenceAt", ["s", "one"], ["a"]), N("Mul", ["a", "w"], ["b"]),
               N("SequenceInsert", ["s", "b"], ["t"])],
              [seq("s", T.FLOAT, None)], [seq("t", T.FLOAT, None)],
              [const("one", 1, np.int64), const("w", 2.0)])
    Half("as input and output", m, {"s": [normal(3), normal(3)]}, reference=False)
    body = graph([N("SequenceAt", ["x", "i"], ["e"]), N("Mul", ["e", "w"], ["f"]),
                  N("SequenceInsert", ["acc", "f"], ["acc2"]), N("Identity", ["go"], ["go2"])],
                 [value("i", T.INT64, ()), value("go", T.BOOL, ()), seq("acc", T.FLOAT, None)],
                 [value("go2", T.BOOL, ()), seq("acc2", T.FLOAT, None)], name="body")
    m = model([N("SequenceEmpty", [], ["e0"]), N("SequenceLength", ["x"], ["n"]),
               N("Loop", ["n", "", "e0"], ["s"], body=body), N("ConcatFromSequence", ["s"], ["y"], axis=0)],
              [seq("x", T.FLOAT, None)], [value("y", T.FLOAT, (None,))], [const("w", 0.5)])
    Half("carried by a Loop", m, {"x": [normal(3), normal(3), normal(3)]}, reference=False)
    optional = h.make_optional_type_proto(h.make_tensor_type_proto(T.FLOAT, ["n"]))
    m = model([N("OptionalGetElement", ["o"], ["a"]), N("Mul", ["a", "w"], ["y"])],
              [h.make_value_info("o", optional)], [value("y")], [const("w", 0.5)])
    Half("an optional input", m, {"o": X}, reference=False)


def fault_model_functions():
    """Functions of the model: their bodies follow the types of each call."""
    f = h.make_function("own", "swish_like", ["v", "k"], ["o"],
                        [N("Mul", ["v", "k"], ["a"]), N("Sigmoid", ["a"], ["b"]),
                         N("Mul", ["v", "b"], ["o"])],
                        [h.make_opsetid("", 17)])
    c1 = h.make_function("own", "with_constant", ["v"], ["o"],
                         [N("Constant", [], ["k"], value=const("", 0.5)), N("Add", ["v", "k"], ["o"])],
                         [h.make_opsetid("", 17)])
    c2 = h.make_function("own", "nested", ["v"], ["o"],
                         [N("with_constant", ["v"], ["a"], domain="own"), N("Cast", ["a"], ["i"], to=7),
                          N("Cast", ["i"], ["f"], to=1), N("Add", ["f", "v"], ["o"])],
                         [h.make_opsetid("", 17), h.make_opsetid("own", 1)])
    nodes = [N("Neg", ["x"], ["a"]), N("swish_like", ["a", "w"], ["b"], domain="own"),
             N("CumSum", ["b", "at"], ["c"]), N("swish_like", ["c", "w"], ["d"], domain="own", name="kept"),
             N("nested", ["d"], ["e"], domain="own"), N("with_constant", ["e"], ["y"], domain="own")]
    m = model(nodes, [value("x")], [value("y")], [const("w", 0.75), const("at", 0, np.int64)],
              domains=["own"],
              functions=[f, c1, c2])
    # Steps of .25 so that no sum lies on the border of two integers.
    feeds = {"x": (np.arange(8) / 4 - 0.9).astype(np.float32)}
    Half("called in both types", m, feeds, "--keep-op", "CumSum", tidied=False, reference=False)
    only = model([N("Neg", ["x"], ["a"]), N("swish_like", ["a", "w"], ["b"], domain="own"),
                  N("Neg", ["b"], ["y"])], [value("x")], [value("y")], [const("w", 0.75)], domains=["own"],
                 functions=[f])
    Half("called in half", only, {"x": X}, tidied=False, reference=False)


def fault_inner_shadow():
    """A branch's own initializer that is used twice, and captured values kept float for it alone."""
    shared = normal(8)
    then = graph([N("CumSum", ["k", "at"], ["c"]), N("Mul", ["k", "a"], ["d"]), N("Add", ["c", "d"], ["t"])],
                 [],
                 [value("t")], [numpy_helper.from_array(shared, "k")], name="then")
    other = graph([N("CumSum", ["a", "at"], ["c2"]), N("Mul", ["c2", "w"], ["e"])], [], [value("e")],
                  name="else")
    m = model([N("Tanh", ["x"], ["a"]), N("If", ["c0"], ["o"], then_branch=then, else_branch=other),
               N("Mul", ["o", "w"], ["p"]), N("Mul", ["p", "a"], ["y"])],
              [value("x"), value("c0", T.BOOL, ())], [value("y")],
              [const("w", 0.9), const("at", 0, np.int64)])
    c = Half("both", m, [{"x": X, "c0": TRUE}, {"x": X, "c0": FALSE}], "--keep-op", "CumSum", reference=False)
    if c.ok:
        inner = [i.data_type for g in branches(c) for i in g.initializer]
        check("the branch's initializer is there in both types", sorted(inner) == [T.FLOAT, T.FLOAT16],
              str(inner))
        check("subgraphs survive", sum(1 for _ in subgraphs(c.model.graph)) == 3)


if __name__ == "__main__":
    main(globals())
