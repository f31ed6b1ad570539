"""What `convert --json` and `inspect` say of a model is what onnx reads in it; bfloat16 by the same rules.
See half_lib.py."""
import json
import os
import subprocess

import numpy as np
import onnx

import half_suite
from half_judge import Wrong, check_file, convert, float_values, passes
from half_lib import (N, T, X, Half, check, const, dump, folder, graph, main, model, normal, numpy_helper,
                      subgraphs, value)


def sample():
    then = graph([N("Mul", ["a", "k"], ["t"], name="in_then")], [], [value("t")], [const("k", 0.5)],
                 name="then")
    other = graph([N("CumSum", ["a", "at"], ["e"], name="in_else")], [], [value("e")], name="else")
    return model([N("Cast", ["i"], ["f"], to=1, name="c1"), N("Cast", ["f"], ["f2"], to=1, name="c2"),
                  N("Mul", ["f2", "w"], ["a"], name="m1"), N("Mul", ["a", "w"], ["a2"], name="m2"),
                  N("If", ["c"], ["o"], then_branch=then, else_branch=other, name="if"),
                  N("Add", ["o", "a2"], ["y0"], name="add"), N("MatMul", ["y0", "big"], ["y"], name="mm")],
                 [value("i", T.INT64, (3,)), value("c", T.BOOL, ())], [value("y", T.FLOAT, (2,))],
                 [const("w", 0.9), const("at", 0, np.int64), const("big", [[1e5, 1], [1, 1], [1, 1]])])


def fault_counts():
    """The counts of the report are those of the file."""
    for options in ((), ("--keep-node", "m1"), ("--io", "convert")):
        m = sample()
        c = Half(f"{options}", m, [{"i": np.arange(3), "c": np.array(v)} for v in (True, False)], *options,
                 limit=3e-2, reference=False)
        if not c.ok:
            continue
        r = c.report
        check("keys", {"nodes", "kept_float", "casts", "clamped", "bytes"} <= set(r), dump(r))
        # Casts of the source that stay, and those added.
        check("casts", len(c.all_nodes("Cast")) == r["casts"]["added"] + r["casts"]["kept"],
              f"{len(c.all_nodes('Cast'))} in the file; {dump(r['casts'])}")
        before = sum(n.op_type == "Cast" for g in subgraphs(m.graph) for n in g.node)
        check("no Cast is lost", r["casts"]["kept"] + r["casts"]["removed"] == before, dump(r["casts"]))
        check("bytes", r["bytes"] == {"in": os.path.getsize(c.path), "out": os.path.getsize(c.out)})
        names = {n.name: n.op_type for g in subgraphs(c.model.graph) for n in g.node}
        for k in r["kept_float"]:
            check("kept nodes are there", names.get(k["node"], k["op"]) == k["op"] and k["why"], dump(k))
        if options[:1] == ("--keep-node",):
            check("the one that was asked for", any(k["node"] == "m1" and "--keep-node" in k["why"]
                                                    or k["node"] == "m1" for k in r["kept_float"]))
        counted = r["nodes"]["half"] + r["nodes"]["float"]
        check("nodes", counted >= len(r["kept_float"]) and counted <= len(names) + 2, dump(r))


def fault_clamped_are_listed():
    """Each constant that was clamped is named with its count."""
    m = model([N("MatMul", ["x", "w"], ["a"]), N("MatMul", ["a", "u"], ["y"])],
              [value("x", T.FLOAT, (1, 3))], [value("y", T.FLOAT, (1, 2))],
              [const("w", [[1e5, 1], [-1e9, 2], [7e4, 3]]), const("u", [[1, 2], [3, 1e30]])])
    c = Half("two tensors", m, {"x": np.zeros((1, 3), np.float32)}, run=False)
    if c.ok:
        stored = [numpy_helper.to_array(i) for i in c.model.graph.initializer]
        number = sum(int((np.abs(v.astype(np.float64)) == 65504).sum()) for v in stored)
        check("all finite", all(np.isfinite(v).all() for v in stored))
        check("counted", c.report["clamped"] == number, f"{number}: {dump(c.report)}")
        check("named", not number or "w" in json.dumps(c.report), dump(c.report))


def fault_inspect():
    """inspect: operators, types, sizes and the precision of a converted file."""
    c = Half("a model", sample(), {"i": np.arange(3), "c": np.array(True)}, limit=3e-2, reference=False)
    if not c.ok:
        return
    done = subprocess.run([os.environ["RINGKAS"], "inspect", "--json", c.out], capture_output=True,
                          check=False)
    if not check("inspect reads it", done.returncode == 0, done.stderr):
        return
    told = json.loads(done.stdout)
    ops = {}
    for g in subgraphs(c.model.graph):
        for n in g.node:
            ops[n.op_type] = ops.get(n.op_type, 0) + 1
    check("operators, those of branches too", told["operators"] == ops, f"{told['operators']} {ops}")
    check("bytes", told["bytes"] == os.path.getsize(c.out))
    half = [i for g in subgraphs(c.model.graph) for i in g.initializer if i.data_type == T.FLOAT16]
    seen = told["initializers"].get("float16", {})
    check("half tensors", seen.get("tensors") == len(half), f"{seen}, {len(half)} in the file")
    check("a precision map", "precision" in told and "float16" in json.dumps(told["precision"]),
          str(list(told)))


def fault_bf16():
    """bfloat16: the strict checker takes each eighth of onnx's models, converted."""
    home, counts = folder(), {"passed": 0, "refused": 0}
    for case in half_suite.cases()[::8]:
        opset = max([o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx")], default=0)
        if opset < 13 or not float_values(case.model):
            continue
        onnx.save(case.model, home / "in.onnx")
        if not passes(home / "in.onnx", True):
            continue
        code, _, error = convert(home / "in.onnx", home / "out.onnx", to="bf16")
        if not check(f"{case.name} converts", code == 0, error):
            continue
        try:
            check_file(home / "out.onnx")
            counts["passed"] += 1
        except Wrong as e:
            check(case.name, False, e)
    check("there were some", counts["passed"] > 50, str(counts))
    m = model([N("MatMul", ["x", "w"], ["a"]), N("Relu", ["a"], ["y"])], [value("x", T.FLOAT, ("n", 4))],
              [value("y", T.FLOAT, ("n", 4))], [const("w", normal(4, 4) * 1e30)])
    c = Half("past half's range", m, {"x": normal(2, 4)}, to="bf16", run=False)
    if c.ok:
        check("nothing is clamped", c.report["clamped"] == 0 and not c.report["kept_float"], dump(c.report))


def fault_check_rows():
    """A file of labelled rows: the result must give the same labels, or nothing is written."""
    m = model([N("Neg", ["x"], ["y"])], [value("x")], [value("y")])
    c = Half("a model without a tokenizer", m, {"x": X})
    rows = folder() / "rows.tsv"
    rows.write_text("teks\tpositive\n", encoding="utf-8")
    out = folder() / "out.onnx"
    code, _, error = convert(c.path, out, "--check", str(rows))
    check("cannot be checked, and says so", code == 1 and error and not out.exists(), f"{code} {error}")


if __name__ == "__main__":
    main(globals())
