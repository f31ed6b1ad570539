"""What bench-runtime measures: the files to make, the engines that run them, what is wanted of ours."""
import typing

CALL = 32          # rows in a call
CALIBRATION = 128  # training rows that ranges are measured on, ours and theirs

# What makes each file or folder, in this order (runtime_models.py): name of the step, its results.
FILES = {
    "rows": ["rows.ids", "reference.json"],
    "ringkas_fp32": ["ringkas_fp32.onnx"],
    "ringkas_fp16": ["ringkas_fp16.onnx"],
    "ringkas_int8": ["ringkas_int8.onnx"],
    "onnx": ["onnx.onnx"],
    "onnx_fused": ["onnx_fused.onnx"],
    "ort_dynamic": ["ort_dynamic.onnx"],
    "ort_dynamic_channel": ["ort_dynamic_channel.onnx"],
    "ort_dynamic_fused": ["ort_dynamic_fused.onnx"],
    "ort_qdq": ["ort_qdq.onnx"],
    "common_fp16": ["common_fp16.onnx"],
    "openvino_fp32": ["openvino_fp32.xml", "openvino_fp32.bin"],
    "openvino_fp16": ["openvino_fp16.xml", "openvino_fp16.bin"],
    "openvino_int8": ["openvino_int8.xml", "openvino_int8.bin"],
    "ct2_float32": ["ct2_float32"],
    "ct2_bfloat16": ["ct2_bfloat16"],
    "ct2_int8": ["ct2_int8"],
}


class Engine(typing.NamedTuple):
    name: str
    line: str          # the line of the second table it belongs to
    tool: str          # ringkas, or what runtime_peer.py runs
    step: str          # of FILES
    option: str = ""   # precision of the products, as the tool names it
    pad: int = 0       # tokens that batch 1 is padded to


OLD_WAY = "old way"
ENGINES = [
    Engine("ringkas FP32", "FP32", "ringkas", "ringkas_fp32", "f32"),
    Engine("ONNX Runtime", "FP32", "ort", "onnx"),
    Engine("ONNX Runtime, fused", "FP32", "ort", "onnx_fused"),
    Engine("OpenVINO", "FP32", "openvino", "openvino_fp32", "f32"),
    Engine("CTranslate2", "FP32", "ct2", "ct2_float32", "float32"),
    Engine("ringkas bf16", "bf16", "ringkas", "ringkas_fp32", "bf16"),
    Engine("OpenVINO, bf16 hint", "bf16", "openvino", "openvino_fp32", "bf16"),
    Engine("CTranslate2 bfloat16", "bf16", "ct2", "ct2_bfloat16", "bfloat16"),
    Engine("ringkas INT8", "INT8", "ringkas", "ringkas_int8", "auto"),
    Engine("ONNX Runtime dynamic", "INT8", "ort", "ort_dynamic"),
    Engine("ONNX Runtime dynamic, per channel", "INT8", "ort", "ort_dynamic_channel"),
    Engine("ONNX Runtime dynamic, fused", "INT8", "ort", "ort_dynamic_fused"),
    Engine("ONNX Runtime static QDQ", "INT8", "ort", "ort_qdq"),
    Engine("OpenVINO, nncf", "INT8", "openvino", "openvino_int8", "f32"),
    Engine("OpenVINO, nncf, bf16 hint", "INT8", "openvino", "openvino_int8", "bf16"),
    Engine("CTranslate2 int8", "INT8", "ct2", "ct2_int8", "int8"),
    Engine("ONNX Runtime dynamic, padded to 128", OLD_WAY, "ort", "ort_dynamic", pad=128),
    Engine("ringkas FP16 file", "FP16 file", "ringkas", "ringkas_fp16", "f32"),
    Engine("ONNX Runtime, converted", "FP16 file", "ort", "common_fp16"),
    Engine("OpenVINO, FP16 weights", "FP16 file", "openvino", "openvino_fp16", "f32"),
    Engine("OpenVINO, FP16 weights, f16 hint", "FP16 file", "openvino", "openvino_fp16", "f16"),
    Engine("ringkas FP16 file, bf16", "FP16 file, bf16", "ringkas", "ringkas_fp16", "bf16"),
    Engine("OpenVINO, FP16 weights, bf16 hint", "FP16 file, bf16", "openvino", "openvino_fp16", "bf16"),
]
LINES = ("FP32", "bf16", "INT8", "FP16 file", "FP16 file, bf16")
OURS = {e.line: e for e in ENGINES if e.tool == "ringkas"}
PADDED = next(e for e in ENGINES if e.line == OLD_WAY)

# Logits that are further from torch's FP32 ones belong to a broken engine: root mean square of the
# difference over that of the rows' own spread (each logit less its mean over the rows). 1 is what an
# engine gets that answers every row alike.
BOUND = {"FP32": 1e-3, "bf16": 0.5, "INT8": 0.8, OLD_WAY: 0.8, "FP16 file": 0.1,
         "FP16 file, bf16": 0.5}

# What is wanted: times the best peer of the line; share of the measured peak; milliseconds; ratios.
BATCH1 = {"FP32": 1.3, "bf16": 1.5, "INT8": 1.6, "FP16 file": 1.5, "FP16 file, bf16": 1.5}
BATCH32 = {"FP32": 1.25, "bf16": 1.2, "INT8": 1.3}
OF_PEAK = {"FP32": 0.85, "bf16": 0.80, "INT8": 0.70}
OLD_WAY_WANTED = 5.0         # INT8 against the padded one, batch 1
FP16_SPEED = 1.15            # FP16 file against our own FP32, batch 1
FP16_RESIDENT = 0.5          # at most, of our own FP32's
INT8_LOAD_MS = 150.0         # below
RESIDENT_OF_FILE = {"FP16 file": 1.25, "INT8": 1.25}    # at most
