"""Calibration, new label shares and abstaining: the numbers are scipy's and numpy's, and ONNX Runtime
gives the probabilities of the written files as the runtime does: the calibration itself adds nothing but
its two roundings, so probabilities differ by no more than the logits did before."""
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from scipy.optimize import minimize_scalar

from small_model import SAMPLE, Checks, answer, ask, ids_of, logits_of, make, rows_of, softmax

NAMES = ["positive", "neutral", "negative"]
VALID, TEST = SAMPLE / "valid.tsv", SAMPLE / "test.tsv"
TARGET = np.array([0.6, 0.3, 0.1])
PRIOR = "positive=0.6,neutral=0.3,negative=0.1"
c = Checks("calibrate")


def by_ort(path, rows):
    """Logits as the file gives them, in its own output type."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input_ids": [r], "attention_mask": [[1] * len(r)]})[0]
                           for r in rows])


def truth_of(path):
    return np.array([NAMES.index(v) for v in rows_of(path)[1]])


def loss(scale, z, truth):
    return float(-np.log(softmax(z.astype(np.float64) * scale)[np.arange(len(truth)), truth]).mean())


def em(z, scale, source):
    """Saerens et al. 2002, plainly."""
    p, prior = softmax(z.astype(np.float64) * scale), source.copy()
    for _ in range(20000):
        q = p * (prior / source)
        new = (q / q.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - prior).max() < 1e-13:
            break
        prior = new
    new = np.maximum(new, 0.5 / len(z))     # no share below half a row
    return new / new.sum()


def temperature(model, folder):
    out = folder / "t.onnx"
    z, truth = logits_of(model, ids_of(model, rows_of(VALID)[0])), truth_of(VALID)
    got = answer("calibrate", model, "--data", VALID, "-o", out)
    best = minimize_scalar(loss, bounds=(0.05, 20), args=(z, truth), method="bounded",
                           options={"xatol": 1e-10})
    # the loss is flat at its least point: scipy's place is good to the root of its precision
    c.near("scale", got["scale"], best.x, 1e-6)
    c.near("loss before", got["before"]["log_loss"], loss(1.0, z, truth), 1e-7)
    # a float logit rounds by 2^-24 of itself, and the loss moves by no more than its logits
    c.true("the least loss", got["after"]["log_loss"] <= best.fun + np.abs(z).max() * 2 ** -22)
    c.true("temperature", abs(got["temperature"] * got["scale"] - 1) < 1e-12)
    c.true("no shift", got["prior"] is None and set(got["bias"].values()) == {0.0})
    told = answer("eval", out, "--data", VALID)
    c.true("fitted here", told["fitted_here"] is True)
    c.true("not fitted there", answer("eval", out, "--data", TEST)["fitted_here"] is False)
    c.near("eval's loss", told["log_loss"], got["after"]["log_loss"], 1e-12)
    c.true("answers stay", told["confusion"] == answer("eval", model, "--data", VALID)["confusion"])
    c.near("stored", told["calibration"]["scale"], got["scale"], 0)
    return got["scale"], z, truth


def shares(model, folder, scale, z, truth):
    count = np.bincount(truth, minlength=3) / len(truth)
    got = answer("calibrate", model, "--data", VALID, "-o", folder / "p.onnx", "--target-prior", PRIOR)
    c.near("given shares", [got["bias"][n] for n in NAMES], np.log(TARGET / count), 1e-6)
    got = answer("calibrate", model, "--data", VALID, "-o", folder / "q.onnx", "--target-prior", PRIOR,
                 "--no-temperature")
    c.true("scale alone", got["scale"] == 1.0)

    # rows of other shares: each positive twice, every second negative left out
    skewed = folder / "skewed.tsv"
    texts, labels = rows_of(TEST)
    kept = [t for i, (t, v) in enumerate(zip(texts, labels))
            for _ in range({"positive": 2, "neutral": 1, "negative": i % 2}[v])]
    skewed.write_text("\n".join(kept) + "\n", encoding="utf-8")
    new = logits_of(model, ids_of(model, kept))
    source = softmax(z.astype(np.float64) * scale).mean(axis=0)
    want = em(new, scale, source)
    got = answer("calibrate", model, "--data", VALID, "-o", folder / "em.onnx", "--unlabelled", skewed)
    c.near("EM", [got["prior"]["target"][n] for n in NAMES], want, 1e-7)
    c.near("EM bias", [got["bias"][n] for n in NAMES], np.log(want / source), 1e-5)
    c.true("EM saw the shift", want[0] > source[0] + 0.1 and want[2] < source[2] - 0.05,
           f"{source} {want}")
    same = folder / "same.tsv"
    same.write_text("\n".join(rows_of(VALID)[0]) + "\n", encoding="utf-8")
    got = answer("calibrate", model, "--data", VALID, "-o", folder / "em2.onnx", "--unlabelled", same)
    # the likelihood is flat along labels that the model confuses: rounding of a float logit (1e-7) shows
    # enlarged by up to a thousand
    c.near("EM on the same rows moves nothing", list(got["bias"].values()), [0, 0, 0], 1e-4)


def exact(plain, folder, what):
    """The two nodes, in ONNX Runtime and here. Softmax moves a probability by at most half of the
    largest move of a logit; a float probability rounds by 2^-24, printed figures of double keep it."""
    rows = ids_of(plain, rows_of(TEST)[0])
    out = folder / "exact.onnx"
    got = answer("calibrate", plain, "--data", VALID, "-o", out, "--target-prior", PRIOR)
    onnx.checker.check_model(str(out), full_check=True)
    before, after = by_ort(plain, rows), by_ort(out, rows)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
    scale, bias = constants["calibration.scale"], constants["calibration.bias"]
    kind = before.dtype.type
    c.true(f"{what}: types", scale.dtype == kind and bias.dtype == kind and after.dtype == kind)
    step = float(np.finfo(kind).eps)
    c.near(f"{what}: scale", scale.item(), got["scale"], step * got["scale"])
    # ONNX Runtime may fuse Mul and Add; then one of the two roundings falls away
    room = np.abs(before.astype(float) * float(scale)).max() * step
    c.near(f"{what}: ONNX Runtime's logits", after, (before * scale).astype(kind) + bias, room)
    mine, mine_raw = logits_of(out, rows), logits_of(plain, rows)
    own = (mine_raw * np.float32(scale)).astype(np.float32) + bias.astype(np.float32)
    c.true(f"{what}: ours to the bit", np.array_equal(own, mine))
    gap = np.abs(before.astype(float) - mine_raw).max() * float(scale) + 2 * room
    p, q = softmax(after), softmax(mine)
    c.near(f"{what}: probabilities", q, p, gap / 2 + 1e-15)
    told = [json.loads(line)["probabilities"] for line in
            ask("predict", out, "--json", text="\n".join(rows_of(TEST)[0]) + "\n")[0].splitlines()]
    c.near(f"{what}: predict's", [[t[n] for n in NAMES] for t in told], p, gap / 2 + 2 ** -24)
    c.true(f"{what}: they moved", np.abs(softmax(before) - p).max() > 0.05)
    print(f"{what}: logits apart {np.abs(before.astype(float) - mine_raw).max():.2g}, probabilities "
          f"{np.abs(p - q).max():.2g}", flush=True)
    return out


def every_form(model, onnx_file, folder):
    exact(onnx_file, folder, "fp32")
    half, half_io = folder / "half.onnx", folder / "half_io.onnx"
    ask("convert", onnx_file, "-o", half, "--to", "fp16")
    ask("convert", onnx_file, "-o", half_io, "--to", "fp16", "--io", "convert")
    exact(half, folder, "fp16")
    exact(half_io, folder, "fp16, half outputs")
    ask("train", "--model", model, "--train", SAMPLE / "train.tsv", "--valid", VALID, "--out",
        folder / "q8", "--qat", "int8", "--epochs", "0", "--quiet")
    ask("export", folder / "q8", "-o", folder / "qdq.onnx")
    ask("convert", folder / "qdq.onnx", "-o", folder / "int8.onnx", "--to", "int8")
    exact(folder / "int8.onnx", folder, "int8")
    exact(folder / "qdq.onnx", folder, "int8 by QuantizeLinear")
    # a calibrated file converts like any other
    calibrated = exact(onnx_file, folder, "fp32")
    ask("convert", calibrated, "-o", folder / "h.onnx", "--to", "fp16")
    a, b = answer("eval", calibrated, "--data", TEST), answer("eval", folder / "h.onnx", "--data", TEST)
    c.near("calibrated, then half", a["log_loss"], b["log_loss"], 0.02)
    # and such a file is calibrated anew, whatever type its two constants have by then
    ask("calibrate", folder / "h.onnx", "--data", VALID, "-o", folder / "h2.onnx")
    rows = ids_of(onnx_file, rows_of(TEST)[0])
    fitted = answer("eval", folder / "h2.onnx", "--data", TEST)["calibration"]
    was = {t.name: onnx.numpy_helper.to_array(t).astype(float)
           for t in onnx.load(folder / "h.onnx").graph.initializer if t.name.startswith("calibration.")}
    old, bias, new = was["calibration.scale"], was["calibration.bias"], fitted["scale"]
    raw = (by_ort(folder / "h.onnx", rows) - bias) / old
    # half rounds by eps/2 of a result: product and sum of the old calibration, of the new one, and
    # the new scale itself
    room = np.finfo(np.float16).eps * new * (2.5 * np.abs(raw).max() + np.abs(bias).max() / (2 * old))
    c.near("half, calibrated anew", by_ort(folder / "h2.onnx", rows), raw * new, room)
    # biases of another number than labels
    m = onnx.load(calibrated)
    bias = next(t for t in m.graph.initializer if t.name == "calibration.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.zeros(2, np.float32), bias.name))
    onnx.save(m, folder / "two.onnx")
    c.says("two biases", "one bias of the calibration a label",
           ask("eval", folder / "two.onnx", "--data", TEST, want=1)[1])
    # fitted anew, not on top
    ask("calibrate", calibrated, "--data", VALID, "-o", folder / "again.onnx", "--target-prior", PRIOR)
    c.true("again is the same", (folder / "again.onnx").read_bytes() == calibrated.read_bytes())


def folders(model, onnx_file, folder):
    out = folder / "made"
    a = answer("calibrate", model, "--data", VALID, "-o", out, "--target-prior", PRIOR)
    b = answer("calibrate", onnx_file, "--data", VALID, "-o", folder / "b.onnx", "--target-prior", PRIOR)
    c.near("folder and file", a["scale"], b["scale"], 1e-6)
    ask("export", out, "-o", folder / "c.onnx")
    x, y = (answer("eval", folder / n, "--data", TEST) for n in ("made", "c.onnx"))
    c.near("exported", x["log_loss"], y["log_loss"], 1e-6)
    c.true("carried on", x["calibration"] == y["calibration"] and y["calibration"]["prior"] is not None)
    told = {n: (model / n).read_bytes() for n in ("model.safetensors", "config.json", "vocab.txt")}
    c.true("files copied", all((out / n).read_bytes() == v for n, v in told.items()))
    c.says("not over another", "made: is there already",
           ask("calibrate", model, "--data", VALID, "-o", out, want=2)[1])
    ask("calibrate", out, "--data", VALID, "-o", out)
    z = answer("eval", out, "--data", TEST)
    c.true("in place", z["calibration"]["prior"] is None and z["log_loss"] != x["log_loss"])
    ask("train", "--model", out, "--train", SAMPLE / "train.tsv", "--valid", VALID, "--out",
        folder / "on", "--max-steps", 5, "--quiet")
    c.true("training forgets it", "calibration" not in json.load(open(folder / "on/ringkas.json")))
    for wrong in ({"scale": 0}, {"scale": 1, "bias": [0]}, {"scale": 1, "bias": [0, 0, "x"]},
                  {"scale": 1, "bias": [0, 0, 0], "abstain": {"threshold": 2}}):
        j = json.load(open(out / "ringkas.json"))
        j["calibration"] = wrong
        (folder / "on/ringkas.json").write_text(json.dumps(j))
        c.says("damaged", "calibration: ", ask("eval", folder / "on", "--data", TEST, want=1)[1])


def abstaining(model, folder, scale, z, truth):
    p = softmax(z * np.float32(scale))
    top, right = p.max(axis=1), p.argmax(axis=1) == truth
    for wanted in (0.6, 0.9, 0.95):
        out = folder / f"a{wanted}.onnx"
        got = answer("calibrate", model, "--data", VALID, "-o", out, "--abstain-precision",
                     wanted)["abstain"]
        covered = max((int((top >= t).sum()) for t in np.unique(top)
                       if right[top >= t].mean() >= wanted), default=0)
        kept = top >= got["threshold"]
        c.true(f"coverage for {wanted}", int(kept.sum()) == covered, f"{kept.sum()} {covered}")
        c.near(f"precision for {wanted}", [got["precision"], got["coverage"]],
               [right[kept].mean(), kept.mean()], 1e-12)
        said = ask("predict", out, "--abstain", text="\n".join(rows_of(VALID)[0]) + "\n")[0]
        left = [line.startswith("!abstain\t") for line in said.splitlines()]
        c.true(f"predict for {wanted}", left == (~kept).tolist())
        told = answer("eval", out, "--data", VALID)["abstain"]
        c.true(f"eval for {wanted}", told["answered"] == covered and
               abs(told["accuracy"] - got["precision"]) < 1e-12)
    # new shares: rows weigh as the shares to come have them
    got = answer("calibrate", model, "--data", VALID, "-o", folder / "w.onnx", "--abstain-precision", 0.9,
                 "--target-prior", PRIOR)
    count = np.bincount(truth, minlength=3) / len(truth)
    bias = np.array([got["bias"][n] for n in NAMES], np.float32)
    p = softmax((z * np.float32(got["scale"])).astype(np.float32) + bias)
    kept, weight = p.max(axis=1) >= got["abstain"]["threshold"], (TARGET / count)[truth]
    good = weight * (p.argmax(axis=1) == truth)
    c.near("weighted precision", got["abstain"]["precision"], good[kept].sum() / weight[kept].sum(), 1e-9)
    lines = ask("predict", folder / "w.onnx", "--abstain", "--json", "x", "enak sekali")[0].splitlines()
    c.true("JSON", all(isinstance(json.loads(v)["abstained"], bool) for v in lines))


def limits(model, folder):
    """Rows that are all answered right have no best temperature; the coldest one is taken, and told."""
    texts, _ = rows_of(VALID)
    out = ask("predict", model, text="\n".join(texts) + "\n")[0]
    said = [line.split("\t")[0] for line in out.splitlines()]
    path = folder / "right.tsv"
    path.write_text("".join(f"{t}\t{v}\n" for t, v in zip(texts, said)), encoding="utf-8")
    out, err = ask("calibrate", model, "--data", path, "-o", folder / "cold.onnx", "--json")
    c.true("the limit", abs(json.loads(out)["temperature"] - 0.05) < 1e-6)
    c.says("told", "note: .*right.tsv: the temperature that fits these rows is beyond the limits", err)


def refusals(model, folder):
    out = folder / "never.onnx"
    texts, labels = rows_of(VALID)
    noise = folder / "noise.tsv"
    noise.write_text("".join(f"{t}\t{NAMES[(NAMES.index(v) + 1) % 3]}\n" for t, v in zip(texts, labels)),
                     encoding="utf-8")
    two = folder / "two.tsv"
    two.write_text("".join(f"{t}\t{v}\n" for t, v in zip(texts, labels) if v != "neutral"),
                   encoding="utf-8")
    for want, pattern, data, args in (
            (1, "no threshold gives a precision of 0.99.*the best is", noise,
             ("--abstain-precision", 0.99)),
            (1, "no row of label neutral", two, ("--target-prior", PRIOR)),
            (2, "names no label", VALID, ("--target-prior", "good=0.5,neutral=0.3,negative=0.2")),
            (2, "comes twice", VALID, ("--target-prior", "positive=0.5,positive=0.5")),
            (2, "is missing", VALID, ("--target-prior", "positive=0.5,neutral=0.5")),
            (2, "add up to", VALID, ("--target-prior", "positive=0.5,neutral=0.4,negative=0.4")),
            (2, "no share from 0.000001", VALID, ("--target-prior", "positive=0,neutral=0.5,negative=0.5")),
            (2, "has no =", VALID, ("--target-prior", "positive")),
            (2, "one of them", VALID, ("--target-prior", PRIOR, "--unlabelled", VALID)),
            (1, "nowhere.tsv", "nowhere.tsv", ())):
        c.says("refusal", pattern, ask("calibrate", model, "--data", data, "-o", out, *args, want=want)[1])
        c.true("nothing written", not out.exists())
    c.says("no threshold stored", "stores no threshold", ask("predict", model, "--abstain", "x", want=1)[1])
    c.says("a threshold given", "^!abstain\t", ask("predict", model, "--abstain-below", 1, "x")[0])


def main():
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp)
        model, onnx_file = make(folder)
        found = temperature(onnx_file, folder)
        shares(onnx_file, folder, *found)
        every_form(model, onnx_file, folder)
        folders(model, onnx_file, folder)
        abstaining(onnx_file, folder, *found)
        limits(onnx_file, folder)
        refusals(onnx_file, folder)
    return c.end()


if __name__ == "__main__":
    sys.exit(main())
