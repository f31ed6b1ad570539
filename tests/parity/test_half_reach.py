"""Numbers that half cannot hold and that are not constants of the node that would lose them: they come
through casts, defaults of inputs, branches, shapes; and constants whose sum, not they, leaves the range."""
import numpy as np
from onnx import TensorProto as T

from half_lib import Half, N, X, const, graph, main, model, normal, value

WIDE = np.array([1, 12, 20], np.float32)


def branches(count):
    nodes = [N("Exp", ["x"], ["v0"])]
    for i in range(count):
        then, other = (graph([N("Relu", [f"v{i}"], [f"r{i}{t}"])], [], [value(f"r{i}{t}", shape=None)])
                       for t in "ab")
        nodes.append(N("If", ["c"], [f"v{i + 1}"], then_branch=then, else_branch=other))
    return nodes + [N("Log", [f"v{count}"], ["y"])]


def fault_branch_after_branch():
    """What leaves the range in front of twelve branches is still beyond it behind them."""
    m = model(branches(12), [value("x"), value("c", T.BOOL, ())], [value("y")])
    Half("twelve", m, {"x": WIDE, "c": np.array(True)})


def fault_default_of_an_input():
    """An initializer that is an input too: its default is looked at as well."""
    m = model([N("Add", ["x", "k"], ["s"]), N("Softmax", ["s"], ["y"])],
              [value("x"), value("k", T.FLOAT, (8,))], [value("y")], [const("k", [-3.4e38] * 8)])
    Half("a mask", m, {"x": X})


def fault_constants_that_are_cast():
    """An integer or a double past half's range becomes float."""
    for name, kind, number in (("int64", np.int64, 100000), ("int32", np.int32, -70000),
                               ("double", np.float64, 1e5), ("uint64", np.uint64, 2**40)):
        m = model([N("Cast", ["k"], ["f"], to=T.FLOAT), N("Add", ["x", "f"], ["s"]),
                   N("Sub", ["s", "f"], ["y"])], [value("x")], [value("y")], [const("k", number, kind)])
        Half(name, m, {"x": X * np.float32(abs(float(number)) / 10)})


def fault_sizes_and_ranges():
    """An axis of 480,000, a Range of 70,000."""
    m = model([N("Shape", ["x"], ["s"]), N("Cast", ["s"], ["f"], to=T.FLOAT), N("Mul", ["h", "f"], ["y"])],
              [value("x"), value("h", T.FLOAT, (1,))], [value("y")])
    Half("axis", m, {"x": np.zeros(480000, np.float32), "h": np.ones(1, np.float32)})
    m = model([N("Range", ["z", "n", "o"], ["r"]), N("Mul", ["r", "h"], ["y"])],
              [value("n", T.FLOAT, ()), value("h", T.FLOAT, ())], [value("y", shape=None)],
              [const("z", 0), const("o", 1)])
    Half("range", m, {"n": np.array(70000, np.float32), "h": np.array(1e-3, np.float32)})


def fault_zero_divisors():
    """One number of a divisor or of a bound vanishes in half; or a function stands before the division."""
    two = np.array([1, 1e-8], np.float32)
    m = model([N("Div", ["x", "k"], ["y"])], [value("x", T.FLOAT, (2,))], [value("y", T.FLOAT, (2,))],
              [const("k", [1, 1e-9])])
    Half("divisor", m, {"x": two})
    for name, guard in (("bound", [N("Max", ["a", "k"], ["b"])]),
                        ("sum", [N("Add", ["a", "e"], ["c"]), N("Relu", ["c"], ["b"])])):
        m = model([N("Abs", ["x"], ["a"])] + guard + [N("Div", ["x", "b"], ["y"])],
                  [value("x", T.FLOAT, (2,))], [value("y", T.FLOAT, (2,))],
                  [const("k", [1, 1e-9]), const("e", 1e-12)])
        Half(name, m, {"x": np.array([1, 0], np.float32)})


def fault_last_numbers_of_the_range():
    """-65504 for a mask, with a row that is masked throughout; 60000 for a scale."""
    m = model([N("Sub", ["one", "m"], ["i"]), N("Mul", ["i", "k"], ["b"]), N("Add", ["x", "b"], ["s"]),
               N("Softmax", ["s"], ["y"])], [value("x", T.FLOAT, (1, 4)), value("m", T.FLOAT, (1, 4))],
              [value("y", T.FLOAT, (1, 4))], [const("k", -65504), const("one", 1)])
    Half("mask", m, {"x": np.array([[-20, -30, -40, -50]], np.float32), "m": np.zeros((1, 4), np.float32)})
    m = model([N("Mul", ["x", "k"], ["s"]), N("Div", ["s", "k"], ["y"])], [value("x")], [value("y")],
              [const("k", 60000)])
    Half("scale", m, {"x": X})


def fault_angles():
    """Rotary positions: the angle is computed in float, not only its cosine."""
    inv = (1 / 10000 ** (np.arange(0, 64, 2) / 64)).astype(np.float32)
    for name, op, shape in (("Mul", "Mul", (32,)), ("MatMul", "MatMul", (1, 32))):
        m = model([N("Cast", ["p"], ["f"], to=T.FLOAT), N("Unsqueeze", ["f", "ax"], ["u"]),
                   N(op, ["u", "inv"], ["a"]), N("Concat", ["a", "a"], ["b"], axis=1),
                   N("Cos", ["b"], ["y"])],
                  [value("p", T.INT64)], [value("y", T.FLOAT, ("n", 64))],
                  [const("inv", inv.reshape(shape)), const("ax", [1], np.int64)])
        Half(name, m, {"p": np.arange(0, 2000, 37)})


def fault_squares_by_products():
    """A sum of squares that Einsum or MatMul makes."""
    m = model([N("Einsum", ["x", "x"], ["s"], equation="ij,ij->i"), N("Sqrt", ["s"], ["y"])],
              [value("x", T.FLOAT, (2, 64))], [value("y", T.FLOAT, (2,))])
    Half("Einsum", m, {"x": normal(2, 64, scale=60)})
    m = model([N("Transpose", ["x"], ["t"], perm=[1, 0]), N("MatMul", ["x", "t"], ["s"]),
               N("Sqrt", ["s"], ["y"])], [value("x", T.FLOAT, (1, 64))], [value("y", T.FLOAT, (1, 1))])
    Half("MatMul", m, {"x": normal(1, 64, scale=60)})


if __name__ == "__main__":
    main(globals())
