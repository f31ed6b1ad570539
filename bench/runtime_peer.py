"""How fast another engine answers token ids: what tests/probe/infer_speed.c is for ours.

runtime_peer.py TOOL FILE OPTION ROWS CALLS BATCH PAD

TOOL: ort, openvino or ct2, each at its own fastest settings for a single caller. OPTION: the precision of
the products, as the tool names it. ROWS and CALLS are files of token ids, a row a line. Timed are: from
imported packages to the first answer; each row of ROWS alone, at its own length or padded to PAD tokens;
all rows of CALLS, BATCH in a call and padded to the longest of it (not with PAD). Before each of the two
come calls that do not count: a row of every length, and all of CALLS. Padding is done before a clock
runs. Prints one JSON object."""
import json
import os
import pathlib
import sys
import time

import measure
import numpy as np

THREADS = int(os.environ["BENCH_THREADS"])


def feeds(rows, width=0):
    """Rows in one array of ids and one of the mask, as wide as the longest or as `width`."""
    width = width or max(map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = row
        mask[i, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def ort(file, _):
    import onnxruntime

    def load():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, inputs)[0]
    return load, feeds


def openvino(file, precision):
    import openvino as package

    def load():
        core = package.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        wanted = {"bf16": "BF16", "f16": "FP16"}.get(precision)
        if wanted and wanted not in able:
            sys.exit(f"OpenVINO has no {wanted} on this processor")
        request = core.compile_model(file, "CPU", {
            "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision}).create_infer_request()
        return lambda inputs: request.infer(inputs)[0].copy()
    return load, feeds


def ct2(folder, precision):
    """Takes rows as they are and drops padding itself. The classifier on its pooled output is ours."""
    import ctranslate2
    head = json.loads((pathlib.Path(folder) / "classifier.json").read_text(encoding="ascii"))
    weight, bias = np.array(head["weight"], np.float32).T, np.array(head["bias"], np.float32)

    def load():
        encoder = ctranslate2.Encoder(folder, device="cpu", compute_type=precision, intra_threads=THREADS,
                                      inter_threads=1)
        return lambda rows: np.array(encoder.forward_batch(rows).pooler_output) @ weight + bias
    return load, lambda rows, width=0: rows


TOOLS = {"ort": ort, "openvino": openvino, "ct2": ct2}


def read(file):
    with open(file, encoding="ascii") as lines:
        return [list(map(int, line.split())) for line in lines]


def time_rows(answer, inputs, lengths):
    """Milliseconds of each call, and the logits."""
    for i in {n: i for i, n in enumerate(lengths)}.values():
        answer(inputs[i])
    ms, logits = [], []
    for one in inputs:
        began = time.perf_counter()
        out = answer(one)
        ms.append(1e3 * (time.perf_counter() - began))
        logits += np.asarray(out, np.float32).tolist()
    return ms, logits


def time_calls(answer, inputs):
    for some in inputs:
        answer(some)
    began = time.perf_counter()
    outs = [answer(some) for some in inputs]
    seconds = time.perf_counter() - began
    return seconds, np.concatenate(outs).astype(np.float32).tolist()


def main(tool, file, option, rows_file, calls_file, batch, pad):
    rows, calls, batch, pad = read(rows_file), read(calls_file), int(batch), int(pad)
    load, shaped = TOOLS[tool](file, option)
    first = shaped(rows[:1], pad)
    before = measure.resident()
    began = time.perf_counter()
    answer = load()
    answer(first)
    found = {"load_ms": 1e3 * (time.perf_counter() - began),
             "resident_bytes": measure.resident() - before}
    alone = [shaped([row], pad) for row in rows]
    found["ms"], found["logits"] = time_rows(answer, alone, [1] if pad else list(map(len, rows)))
    if not pad:
        some = [shaped(calls[i:i + batch]) for i in range(0, len(calls), batch)]
        found["seconds"], found["logits_in_calls"] = time_calls(answer, some)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
