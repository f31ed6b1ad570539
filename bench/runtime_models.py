"""Makes what bench-runtime reads from IndoBERT-base with random weights, in
build/bench/runtime.

runtime_models.py STEP makes the files of one step, in a process of its own: a step that crashes takes
nothing else with it. make_all() runs the steps whose files are not there or were made by other versions."""
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

import indobert
import report
import runtime_engines
import settings
import smsa

WORK = settings.OUT / ("runtime" + settings.SMALLER)
STEP_SECONDS = 1800
PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf", "ctranslate2",
            "onnxconverter-common")


def path(name):
    return str(WORK / name)


def calibration_rows():
    return smsa.rows("train")[:runtime_engines.CALIBRATION]


def calibration_inputs():
    import numpy as np
    for ids in smsa.encode([text for text, _ in calibration_rows()]):
        yield {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}


def torch_model(attention="sdpa"):
    import torch
    from transformers import BertForSequenceClassification
    torch.set_num_threads(settings.THREADS)
    return BertForSequenceClassification.from_pretrained(indobert.FOLDER, attn_implementation=attention,
                                                         dtype=torch.float32).eval()


def rows(_):
    """The test rows' ids, and their logits by torch, which every engine is held to."""
    import torch
    ids = smsa.encode([text for text, _ in smsa.rows("test")])
    (WORK / "rows.ids").write_text("".join(" ".join(map(str, row)) + "\n" for row in ids), encoding="ascii")
    model = torch_model()
    with torch.inference_mode():
        logits = [model(input_ids=torch.tensor([row])).logits[0].tolist() for row in ids]
    (WORK / "reference.json").write_text(json.dumps(logits), encoding="ascii")


def ringkas(*arguments):
    subprocess.run([str(a) for a in (settings.RINGKAS, *arguments, "--threads", settings.THREADS)],
                   stdout=sys.stderr, check=True)


def ringkas_fp32(out):
    ringkas("export", indobert.FOLDER, "-o", out)


def ringkas_fp16(out):
    ringkas("convert", path("ringkas_fp32.onnx"), "-o", out, "--to", "fp16")


def ringkas_int8(out):
    """Ranges measured on training rows, nothing trained: the speed and the size are those of QAT."""
    folder, float_file = WORK / "qat", WORK / "qat.onnx"
    shutil.rmtree(folder, ignore_errors=True)
    smsa.write(WORK / "calibration.tsv", calibration_rows())
    smsa.write(WORK / "valid.tsv", smsa.rows("valid")[:16])
    ringkas("train", "--model", indobert.FOLDER, "--train", WORK / "calibration.tsv", "--valid",
            WORK / "valid.tsv", "--out", folder, "--epochs", 0, "--qat", "int8", "--quiet")
    ringkas("export", folder, "-o", float_file)
    ringkas("convert", float_file, "-o", out, "--to", "int8")
    shutil.rmtree(folder)
    float_file.unlink()


def export(out, attention="sdpa"):
    import torch
    ids = torch.ones(1, settings.MAX_LENGTH, dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with torch.inference_mode():
        torch.onnx.export(torch_model(attention), (ids, ids), out, opset_version=14, dynamo=False,
                          input_names=["input_ids", "attention_mask"], output_names=["logits"],
                          dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}})


def onnx(out):
    export(out)


def onnx_fused(out):
    """ONNX Runtime's own optimiser for transformers; it knows attention as "eager" exports it."""
    from onnxruntime.transformers import optimizer
    export(path("eager.onnx"), "eager")
    model = optimizer.optimize_model(path("eager.onnx"), model_type="bert", num_heads=12,
                                     hidden_size=indobert.HIDDEN, opt_level=0)
    print(model.get_fused_operator_statistics())
    model.save_model_to_file(out)
    pathlib.Path(path("eager.onnx")).unlink()


def dynamic(source, out, **options):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(path(source), out, weight_type=QuantType.QInt8, **options)


def ort_dynamic(out):
    dynamic("onnx.onnx", out)


def ort_dynamic_channel(out):
    dynamic("onnx.onnx", out, per_channel=True)


def ort_dynamic_fused(out):
    dynamic("onnx_fused.onnx", out, per_channel=True, extra_options={"DefaultTensorType": 1})


def ort_qdq(out):
    """The products only: what is left float is faster than a row of quantise and dequantise."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.rows = calibration_inputs()

        def get_next(self):
            return next(self.rows, None)

    quant_pre_process(path("onnx.onnx"), path("prepared.onnx"), skip_symbolic_shape=True)
    quantize_static(path("prepared.onnx"), out, Rows(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    op_types_to_quantize=["MatMul", "Gemm"])
    pathlib.Path(path("prepared.onnx")).unlink()


def common_fp16(out):
    import onnx as onnx_package
    from onnxconverter_common import float16
    model = float16.convert_float_to_float16(onnx_package.load(path("onnx.onnx")), keep_io_types=True)
    onnx_package.save(model, out)


def openvino_fp32(out):
    import openvino
    openvino.save_model(openvino.convert_model(path("onnx.onnx")), out, compress_to_fp16=False)


def openvino_fp16(out):
    import openvino
    openvino.save_model(openvino.convert_model(path("onnx.onnx")), out, compress_to_fp16=True)


def openvino_int8(out):
    import nncf
    import openvino
    model = openvino.Core().read_model(path("openvino_fp32.xml"))
    model = nncf.quantize(model, nncf.Dataset(list(calibration_inputs())),
                          model_type=nncf.ModelType.TRANSFORMER,
                          subset_size=runtime_engines.CALIBRATION)
    openvino.save_model(model, out)


def ct2(out, quantization):
    """Encoder and pooler: CTranslate2 has no classifier, which runtime_peer.py puts on top."""
    import ctranslate2
    ctranslate2.converters.TransformersConverter(str(indobert.FOLDER)).convert(
        out, quantization=quantization, force=True)
    weights = classifier()
    (pathlib.Path(out) / "classifier.json").write_text(json.dumps(weights), encoding="ascii")


def classifier():
    from safetensors import safe_open
    with safe_open(indobert.FOLDER / "model.safetensors", "np") as f:
        return {key: f.get_tensor(f"classifier.{key}").tolist() for key in ("weight", "bias")}


def ct2_float32(out):
    ct2(out, "float32")


def ct2_bfloat16(out):
    ct2(out, "bfloat16")


def ct2_int8(out):
    ct2(out, "int8")


def reason(log):
    """The last line that says something, of what a process wrote before it failed."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "no word")[:300]


def wanted_stamp(step):
    """What the files of a step depend on."""
    stamp = {"model": (indobert.FOLDER / "model.safetensors").stat().st_mtime_ns,
             "script": hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()}
    if step.startswith("ringkas"):
        return {**stamp, "ringkas": hashlib.sha256(settings.RINGKAS.read_bytes()).hexdigest()}
    for package in PACKAGES:
        stamp[package] = report.installed(package)
    return stamp


def make_all():
    """{step: why it could not}"""
    failed = {}
    WORK.mkdir(parents=True, exist_ok=True)
    for step, results in runtime_engines.FILES.items():
        stamp, log = WORK / f"{step}.made", WORK / f"{step}.log"
        wanted = json.dumps(wanted_stamp(step))
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted and \
                all((WORK / r).exists() for r in results):
            continue
        print(f"making {', '.join(results)}", file=sys.stderr, flush=True)
        with open(log, "wb") as out:
            code = subprocess.run(["timeout", str(STEP_SECONDS), sys.executable, __file__, step], stdout=out,
                                  stderr=out).returncode
        if code:
            failed[step] = f"not made, exit {code}: {reason(log)}"
            print(f"  {failed[step]}", file=sys.stderr, flush=True)
        else:
            stamp.write_text(wanted, encoding="ascii")
    return failed


if __name__ == "__main__":
    globals()[sys.argv[1]](path(runtime_engines.FILES[sys.argv[1]][0]))
