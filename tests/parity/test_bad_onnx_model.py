"""Bad ONNX files, the model: rows OX-01 to OX-18 and OX-26 to OX-40. See bad_lib.py.
RK_BIG_RUN=1 also converts a chain of a million nodes (a tenth of that otherwise)."""
import os

import numpy as np
import onnx

from bad_lib import (FILE, OUT, T, accepted, check, const, field, good, h, harmless, load, main, plain, put,
                     refused, run, value, varint)

N = h.make_node
BIG = os.environ.get("RK_BIG_RUN", "") not in ("", "0")
EVAL_ROWS = "teks\tpositive\n"


def changed(change, base=None):
    m = base or good()
    change(m)
    return m


def rows_of_the_whole():
    """OX-01, OX-02, OX-03: no graph, no outputs; IR versions; operator sets"""
    refused("OX-01 no graph", changed(lambda m: m.ClearField("graph")), "graph")
    refused("OX-01 empty graph", changed(lambda m: m.graph.Clear()), "output|empty|graph")
    refused("OX-01 no outputs", changed(lambda m: m.graph.ClearField("output")), "output")
    # A graph without inputs only makes constants: nothing is wrong with it for a converter.
    harmless("OX-01 no inputs", good(nodes=[N("Neg", ["w"], ["y"])], inputs=[]))
    for version in (0, 2, 99, 1 << 31, (1 << 63) - 1, -1):
        def set_ir(m, v=version):
            m.ir_version = v
        refused(f"OX-02 {version}", changed(set_ir), r"IR version .*3 to")
    for version in (3, 8, 10):
        def set_good(m, v=version):
            m.ir_version = v
            if v < 4:
                m.graph.input.append(value("w", T.FLOAT, (1,)))
        accepted(f"OX-02 {version}", changed(set_good))
    refused("OX-03 none", changed(lambda m: m.ClearField("opset_import")), "operator set|opset")
    for version in (0, -1, 9999, (1 << 63) - 1):
        def set_opset(m, v=version):
            m.opset_import[0].version = v
        refused(f"OX-03 {version}", changed(set_opset), "operator set")
    refused("OX-03 twice", changed(lambda m: m.opset_import.append(h.make_opsetid("", 11))),
            "twice|operator set")
    refused("OX-03 twice by its other name",
            changed(lambda m: m.opset_import.append(h.make_opsetid("ai.onnx", 11))),
            "twice|operator set")


def rows_of_operators():
    """OX-04: unknown operators pass a conversion with one warning, and nothing that runs a model"""
    odd = [N("Neg", ["x"], ["a"], name="n1"), N("Odd\x1b[31m", ["a"], ["b"], name="n2"),
           N("Odder", ["b"], ["c"], name="n3"), N("Odder", ["c"], ["y"], name="n4")]
    put(good(nodes=odd))
    code, _, error, _ = run("convert", FILE, "-o", OUT, "--to", "fp16", "--json")
    check("OX-04 unknown: converted", code == 0, f"{code} {error}")
    check("OX-04: one line, each of them once, escaped", plain(error) and error.count(b"Odder") == 1
          and b"'Odd\\x1b[31m'" in error, repr(error))
    data = FILE.parent / "rows.tsv"
    data.write_text(EVAL_ROWS, encoding="utf-8")
    refused("OX-04 to run", None, ".", "eval", FILE, "--data", data)
    refused("OX-04 to predict with", None, ".", "predict", FILE, "teks")
    refused("OX-04 no type", good(nodes=[N("", ["x"], ["y"], name="n1")]), "operator|type|n1")
    wrong = good(nodes=[N("Neg", ["x"], ["y"], domain="ai.onnx.ml", name="n1")])
    wrong.opset_import.append(h.make_opsetid("ai.onnx.ml", 3))
    harmless("OX-04 wrong domain", wrong)
    refused("OX-04 domain without a version", good(nodes=[N("Neg", ["x"], ["y"], domain="some.where",
                                                            name="n1")]),
            "some.where")


def rows_of_the_order():
    """OX-05 to OX-09: cycles, wrong order, values nobody makes or two make, inputs too few or too many"""
    for n in (1, 2, 1000):
        nodes = [N("Neg", [f"v{(k - 1) % n}"], [f"v{k}"], name=f"n{k}") for k in range(n)]
        refused(f"OX-05 {n}", good(nodes=nodes + [N("Neg", ["x"], ["y"])]), "n0|v0")
    refused("OX-06", good(nodes=[N("Neg", ["a"], ["y"], name="first"), N("Neg", ["x"], ["a"])]), "first|'y'")
    refused("OX-07", good(nodes=[N("Add", ["x", "nowhere"], ["y"], name="first")]), "nowhere")
    refused("OX-07 in a branch", good(nodes=[
        N("Cast", ["x"], ["c0"], to=9), N("ReduceMax", ["x"], ["m"], keepdims=0),
        N("Cast", ["m"], ["c"], to=9),
        N("If", ["c"], ["y"], then_branch=h.make_graph([N("Neg", ["x"], ["t"])], "t", [], [value("t")]),
          else_branch=h.make_graph([N("Neg", ["nowhere"], ["e"])], "e", [], [value("e")]))]), "nowhere")
    refused("OX-08 two nodes", good(nodes=[N("Neg", ["x"], ["y"]), N("Abs", ["x"], ["y"])]), "'y'")
    refused("OX-08 an input", good(nodes=[N("Neg", ["w"], ["x"]), N("Neg", ["x"], ["y"])]), "'x'")
    refused("OX-08 an initializer", good(nodes=[N("Neg", ["x"], ["w"]), N("Neg", ["w"], ["y"])]), "'w'")
    for row, op, inputs in (("none", "Neg", []), ("too many", "Neg", ["x", "x"]),
                            ("left out", "Add", ["x", ""]),
                            ("one of two", "Mul", ["x"])):
        refused(f"OX-09 {row}", good(nodes=[N(op, inputs, ["y"], name="first")]), "first")


def rows_of_attributes():
    """OX-10, OX-11: attributes that are missing, of another type, twice, unknown, of a function"""
    refused("OX-10 missing", good(nodes=[N("Concat", ["x", "x"], ["y"], name="first")]), "first.*axis")
    refused("OX-10 type", good(nodes=[N("Softmax", ["x"], ["y"], name="first", axis=1.5)]), "first.*axis")
    refused("OX-10 unknown", good(nodes=[N("Softmax", ["x"], ["y"], name="first", axes=1)]), "first.*axes")
    twice = N("Softmax", ["x"], ["y"], name="first", axis=0)
    twice.attribute.append(h.make_attribute("axis", 0))
    refused("OX-10 twice", good(nodes=[twice]), "first.*axis")
    ref = N("Softmax", ["x"], ["y"], name="first")
    ref.attribute.append(onnx.AttributeProto(name="axis", type=onnx.AttributeProto.INT,
                                             ref_attr_name="outer"))
    refused("OX-11", good(nodes=[ref]), "first")


def nested(depth):
    """If in If, so many deep; bytes, for Python's own limit is lower."""
    leaf = h.make_graph([N("Neg", ["x"], ["y0"])], "g", [], [value("y0")])
    body, cond = leaf.SerializeToString(), "c"
    for k in range(depth):
        attributes = b"".join(field(5, field(1, name) + varint(20 << 3) + varint(5) + field(6, body))
                              for name in (b"then_branch",))
        other = field(5, field(1, b"else_branch") + varint(20 << 3) + varint(5) + field(6, h.make_graph(
            [N("Neg", ["x"], [f"e{k}"])], "g", [], [value(f"e{k}")]).SerializeToString()))
        node = field(1, cond.encode()) + field(2, f"y{k + 1}".encode()) + field(4, b"If") + attributes + other
        body = field(1, node) + field(2, b"g") + field(12, value(f"y{k + 1}").SerializeToString())
    body += field(11, value("x").SerializeToString()) + field(11, value("c", T.BOOL, ()).SerializeToString())
    return varint(1 << 3) + varint(8) + field(7, body) + field(8, h.make_opsetid("", 17).SerializeToString())


def rows_of_depth():
    """OX-12, OX-13: subgraphs and functions within one another"""
    accepted("OX-12 8 deep", nested(8))
    refused("OX-12 1000 deep", nested(1000), "deep")
    imports = [h.make_opsetid("", 17), h.make_opsetid("own", 1)]

    def with_functions(functions, first):
        m = good(nodes=[N(first, ["x"], ["y"], domain="own", name="call")], functions=functions)
        m.opset_import.append(h.make_opsetid("own", 1))
        return m
    for n in (1, 2, 50):
        ring = [h.make_function("own", f"f{k}", ["a"], ["b"],
                                [N(f"f{(k + 1) % n}", ["a"], ["b"], domain="own")],
                                imports) for k in range(n)]
        refused(f"OX-13 ring of {n}", with_functions(ring, "f0"), "f0|itself|ring|deep|call")
    for n, ok in ((20, True), (500, False)):
        chain = [h.make_function("own", f"f{k}", ["a"], ["b"], [N(f"f{k + 1}", ["a"], ["b"], domain="own")],
                                 imports) for k in range(n)]
        chain.append(h.make_function("own", f"f{n}", ["a"], ["b"], [N("Neg", ["a"], ["b"])], imports))
        (accepted if ok else lambda row, m: refused(row, m, "deep|call"))(f"OX-13 {n} deep",
                                                                          with_functions(chain, "f0"))
    twofold = [h.make_function("own", f"f{k}", ["a"], ["b"], [N(f"f{k + 1}", ["a"], ["c"], domain="own"),
                                                              N(f"f{k + 1}", ["c"], ["b"], domain="own")],
                                                              imports)
               for k in range(60)]
    twofold.append(h.make_function("own", "f60", ["a"], ["b"], [N("Neg", ["a"], ["b"])], imports))
    harmless("OX-13 2^60 calls", with_functions(twofold, "f0"))
    same = h.make_function("own", "f0", ["a"], ["b"], [N("Neg", ["a"], ["b"])], imports)
    refused("OX-13 one name twice", with_functions([same, same], "f0"), "f0|twice")
    many = with_functions([same], "f0").SerializeToString()
    refused("OX-13 10,001", many + field(25, same.SerializeToString()) * 10000, "functions|twice")


def rows_of_tensors():
    """OX-14 to OX-18: shapes, sizes, values and names of initializers"""
    def shaped(dims, raw=b""):
        t = onnx.TensorProto(name="w", data_type=T.FLOAT, dims=dims)
        if raw:
            t.raw_data = raw
        return good(inits=[t])
    refused("OX-14 -1", shaped([-1], b"\0" * 4), "'w'")
    accepted("OX-14 0, empty", good(nodes=[N("Concat", ["x", "w"], ["y"], axis=0)],
                                    inits=[onnx.TensorProto(name="w", data_type=T.FLOAT, dims=[0])]))
    refused("OX-14 0, data", shaped([0], b"\0" * 4), "'w'")
    refused("OX-14 2^32", shaped([1 << 32, 1 << 32], b"\0" * 4), "'w'")
    refused("OX-14 2^63", shaped([(1 << 63) - 1, 2], b"\0" * 4), "'w'")
    refused("OX-14 rank 9", shaped([1] * 9, b"\0" * 4), "'w'")
    for n in (3, 5, 8):
        refused(f"OX-15 {n} bytes", shaped([1], b"\0" * n), "'w'.*4")
    both = shaped([1], b"\0" * 4)
    both.graph.initializer[0].float_data.append(1)
    refused("OX-15 both", both, "'w'")
    refused("OX-15 neither", shaped([1]), "'w'")
    for kind, bad in ((T.INT8, 128), (T.INT8, -129), (T.UINT8, 256), (T.UINT8, -1), (T.FLOAT16, 65536),
                      (T.FLOAT16, -1), (T.BOOL, 2), (T.INT16, 40000)):
        t = onnx.TensorProto(name="w", data_type=kind, dims=[1], int32_data=[bad])
        refused(f"OX-16 {kind} {bad}", good(nodes=[N("Cast", ["w"], ["f"], to=1),
                                                   N("Mul", ["x", "f"], ["y"])],
                                            inits=[t]), "'w'")
    refused("OX-17 twice", good(inits=[const("w", [1]), const("w", [2])]), "'w'")
    accepted("OX-17 also an input", good(inputs=[value("x"), value("w", T.FLOAT, (1,))]))
    for kind in (0, 99, -1):
        t = onnx.TensorProto(name="w", data_type=kind, dims=[1], raw_data=b"\0" * 4)
        refused(f"OX-18 {kind}", good(inits=[t]), "'w'")
    refused("OX-18 strings in Mul", good(inits=[onnx.TensorProto(name="w", data_type=T.STRING, dims=[1],
                                                                 string_data=[b"a"])]), "'w'")
    refused("OX-18 complex in Neg", good(nodes=[N("Neg", ["w"], ["z"], name="first"), N("Neg", ["x"], ["y"])],
                                         inits=[onnx.TensorProto(name="w", data_type=T.COMPLEX64, dims=[1],
                                                                 raw_data=b"\0" * 8)]), "'w'|first")


def sparse(index, dims, index_dims=None):
    m = good(inits=[])
    m.graph.sparse_initializer.append(onnx.SparseTensorProto(
        values=const("w", [1.5] * len(index)), dims=dims,
        indices=h.make_tensor("at", T.INT64, index_dims or [len(index)], np.ravel(index))))
    return m


def rows_of_sparse_tensors():
    """OX-18: sparse initializers, good ones and bad ones"""
    accepted("good", sparse([0, 3], [8]))
    for row, m in (("past the end", sparse([8], [8])), ("negative", sparse([-1], [8])),
                   ("not in order", sparse([3, 1], [8])), ("twice", sparse([3, 3], [8])),
                   ("an overflow", sparse([0], [1 << 40, 1 << 40])),
                   ("fewer indices", sparse([[0, 1]], [2, 2], [2, 1]))):
        refused(f"OX-18 sparse, {row}", m, "'w'|sparse|at")
    harmless("OX-18 sparse, a huge shape", sparse([0], [1 << 40]))      # nobody makes it dense here


def quantised(scale, zero, axis=None, rows=(2, 3), zero_kind=T.INT8):
    nodes = [N("QuantizeLinear", ["x", "s", "z"], ["q"], name="first",
               **({} if axis is None else {"axis": axis})),
             N("DequantizeLinear", ["q", "s", "z"], ["y"], **({} if axis is None else {"axis": axis}))]
    scales = h.make_tensor("s", T.FLOAT, [len(scale)] if axis is not None else [], scale)
    zeros = h.make_tensor("z", zero_kind, [len(zero)] if axis is not None else [], zero)
    return good(nodes=nodes, inits=[scales, zeros], inputs=[value("x", T.FLOAT, rows)],
                outputs=[value("y", T.FLOAT, rows)])


def rows_of_scales():
    """OX-26, OX-27: scales and zero points"""
    accepted("good", quantised([0.5], [0]))
    accepted("OX-26 denormal", quantised([1e-40], [0]))
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        refused(f"OX-26 {bad}", quantised([bad], [0]), "'s'|scale|first")
    refused("OX-26 zero point of floats", quantised([0.5], [0.0], zero_kind=T.FLOAT), "first|'z'")
    accepted("OX-27 axis", quantised([1, 2, 3], [0, 0, 0], 1))
    accepted("OX-27 negative", quantised([1, 2, 3], [0, 0, 0], -1))
    # The input's shape is not an initializer's: what is known of it decides what can be said.
    harmless("OX-27 length", quantised([1, 2], [0, 0], 1))
    harmless("OX-27 out of range", quantised([1, 2, 3], [0, 0, 0], 5))
    refused("OX-26 lengths", quantised([1, 2, 3], [0, 0], 1), "first|'s'|'z'|shape")


def rows_of_shapes():
    """OX-28 to OX-36: what only running can find: harmless to convert, refused to run"""
    big = h.make_tensor("w", T.INT64, [1], [1 << 40])
    two = h.make_tensor("w", T.INT64, [2], [-1, -1])
    cases = {
        "OX-28 two -1": good(nodes=[N("Reshape", ["x", "w"], ["y"])], inits=[two],
                             outputs=[value("y", T.FLOAT, (1, 8))]),
        "OX-28 product": good(nodes=[N("Reshape", ["x", "w"], ["y"])], inputs=[value("x", T.FLOAT, (8,))],
                              inits=[h.make_tensor("w", T.INT64, [2], [3, 3])],
                              outputs=[value("y", T.FLOAT, (3, 3))]),
        "OX-29 ConstantOfShape": good(nodes=[N("ConstantOfShape", ["w"], ["c"]), N("Add", ["x", "c"], ["y"])],
                                      inits=[big]),
        "OX-29 Expand": good(nodes=[N("Expand", ["x", "w"], ["y"])], inits=[big]),
        "OX-29 Tile": good(nodes=[N("Tile", ["x", "w"], ["y"])], inits=[big]),
        "OX-29 Pad": good(nodes=[N("Pad", ["x", "w"], ["y"])],
                          inits=[h.make_tensor("w", T.INT64, [2], [0, 1 << 40])]),
        "OX-30 MatMul": good(nodes=[N("MatMul", ["x", "w"], ["y"])], inputs=[value("x", T.FLOAT, (2, 3))],
                             inits=[h.make_tensor("w", T.FLOAT, [4, 5], [0] * 20)],
                             outputs=[value("y", T.FLOAT, (2, 5))]),
        "OX-31 Gather": good(nodes=[N("Gather", ["w", "i"], ["g"]), N("Add", ["x", "g"], ["y"])],
                             inits=[const("w", [1, 2]), h.make_tensor("i", T.INT64, [1], [50000])]),
        "OX-32 an axis of 0": good(nodes=[N("Softmax", ["x"], ["y"])], inputs=[value("x", T.FLOAT, (2, 0))],
                                   outputs=[value("y", T.FLOAT, (2, 0))]),
        "OX-33 Cast of NaN": good(nodes=[N("Cast", ["w"], ["i"], to=3), N("Cast", ["i"], ["f"], to=1),
                                         N("Add", ["x", "f"], ["y"])], inits=[const("w", [float("nan")])]),
        "OX-35 declared": good(outputs=[value("y", T.FLOAT, (3, 3))], inputs=[value("x", T.FLOAT, (2,))]),
        "OX-36 one name, two sizes": good(nodes=[N("Add", ["x", "z"], ["y"])],
                                          inputs=[value("x", T.FLOAT, ("n",)), value("z", T.FLOAT, ("n",))]),
    }
    for row, m in cases.items():
        harmless(row, m)
        put(m)
        code, _, error, seconds = run("predict", FILE, "teks")
        check(f"{row}: refused to run", code == 1 and plain(error) and seconds < 10,
              f"{code} {error[:200]!r}")


def rows_of_size():
    """OX-37, OX-38: a million nodes in a chain, one more, a million entries of metadata"""
    head = varint(1 << 3) + varint(8) + field(8, h.make_opsetid("", 17).SerializeToString())
    borders = field(2, b"g") + field(11, value("v0").SerializeToString())

    def chain(n):
        nodes = b"".join(field(1, field(1, b"v%d" % k) + field(2, b"v%d" % (k + 1)) + field(4, b"Identity"))
                         for k in range(n))
        return head + field(7, nodes + borders + field(12, value(f"v{n}").SerializeToString()))
    if not BIG:
        print("SKIP: a chain of a million nodes (RK_BIG_RUN=1 converts it); a tenth of it instead")
    few, many = (100000, 1000000) if BIG else (10000, 100000)
    small = accepted(f"OX-37 {few}", chain(few), None, "--quiet") or 0.1
    seconds = accepted(f"OX-37 {many}", chain(many), None, "--quiet")
    check("OX-37: linear", seconds is None or seconds < 40 * max(small, 0.1), f"{small:.2f} {seconds}")
    refused("OX-37 one more", chain(1000001), "1,?000,?000")
    entry = b"".join(field(14, field(1, b"k%d" % k) + field(2, b"v")) for k in range(1000000))
    seconds = accepted("OX-38 a million", good().SerializeToString() + entry, None, "--quiet")
    check("OX-38: linear", seconds is None or seconds < 20, str(seconds))
    refused("OX-38 twice", good().SerializeToString() + field(14, field(1, b"k") + field(2, b"v")) * 2, "'k'")


def rows_of_the_rest():
    """OX-39, OX-40: training information, annotations, contradicting half types"""
    m = good()
    m.training_info.add().algorithm.name = "a"
    harmless("OX-39 training", m)
    m = good()
    m.graph.quantization_annotation.add(tensor_name="a")
    harmless("OX-39 annotation", m)
    refused("OX-40 output", good(nodes=[N("Cast", ["x"], ["a"], to=10),
                                        N("Neg", ["a"], ["y"], name="first")]),
            "'y'.*float.*float16|'y'.*float16.*float")
    refused("OX-40 inside", good(nodes=[N("Cast", ["x"], ["a"], to=10),
                                        N("Mul", ["a", "w"], ["y"], name="first")]),
            "first.*float16|float16.*float")
    done = run("convert", FILE, "-o", FILE, "--to", "fp16")
    check("AN-19: not over itself", done[0] == 2, str(done))
    accepted("a good one after all of them", good())
    check("as a good one", {i.data_type for i in load(OUT).graph.initializer} == {T.FLOAT16})


if __name__ == "__main__":
    main(globals())
