"""Single jobs of bench-convert, each in a process of its own:

convert_large.py peer TOOL IN OUT       converts as the other tool does; prints the seconds inside, as JSON
convert_large.py make FOLDER BYTES      a model of about so many bytes, its weights in one file beside it
convert_large.py check FLOAT HALF RUN   the checker on both; with RUN=1 loads and compares one row"""
import json
import pathlib
import sys
import time

import settings

sys.path.insert(0, str(settings.ROOT / "tests" / "parity"))
sys.path.append(str(settings.PEERS / "onnxconverter-common"))
SIDE = 4096


def peer(tool, source, out):
    import half_worker
    convert = half_worker.peer(tool)    # importing is not converting
    began = time.perf_counter()
    convert(source, out)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def make(folder, size):
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count, each = max(1, int(size) // (SIDE * SIDE * 4)), SIDE * SIDE * 4
    rng, weights, nodes, last = np.random.default_rng(5), [], [], "x"
    with open(folder / "weights.bin", "wb") as file:
        for k in range(count):
            file.write((rng.standard_normal((SIDE, SIDE), np.float32) / SIDE ** 0.5).tobytes())
            t = TensorProto(name=f"w{k}", data_type=TensorProto.FLOAT, dims=[SIDE, SIDE],
                            data_location=TensorProto.EXTERNAL)
            for key, value in (("location", "weights.bin"), ("offset", k * each), ("length", each)):
                t.external_data.add(key=key, value=str(value))
            weights.append(t)
            nodes += [helper.make_node("MatMul", [last, f"w{k}"], [f"m{k}"]),
                      helper.make_node("Tanh", [f"m{k}"], [f"h{k}"])]
            last = f"h{k}"
    shape = ["rows", SIDE]
    graph = helper.make_graph(nodes, "large",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              folder / "large.onnx")
    print(json.dumps({"bytes": count * each}))


def check(source, half, run):
    import numpy as np
    import onnx
    onnx.checker.check_model(half, full_check=True)
    result = {"checker": True, "off": None}
    if run == "1":
        import half_judge
        x = {"x": np.random.default_rng(6).standard_normal((1, SIDE)).astype(np.float32)}
        want = half_judge.answers(half_judge.session(source, half_judge.OFF), x)
        got = half_judge.answers(half_judge.session(half, half_judge.OFF), x)
        result["off"] = max(half_judge.distance(v, got[k]) for k, v in want.items())
    print(json.dumps(result))


if __name__ == "__main__":
    {"peer": peer, "make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
