"""Rows per second of training: Ringkas beside torch, the same batches, one process at a time.

Every round runs each kind of training once in a fresh process; the first steps of a process do not
count. A kind's speed in a round is the batch over the median step; ratios are taken within a round.
"""
import json
import os
import random
import shutil
import statistics
import sys

import indobert
import measure
import report
import settings
import smsa

sys.path.insert(0, str(settings.ROOT / "tests" / "parity"))
from philox import shuffled     # the order Ringkas trains in; parity.training holds the two equal

BATCH, SEED = 16, 42
WARM, STEPS, ROUNDS = (1, 2, 1) if settings.QUICK else (3, 12, settings.ROUNDS)
WORK = settings.OUT / "train"

# name: options of `ringkas train`
OURS = {
    "ringkas f32": ["--compute", "f32"],
    "ringkas bf16": ["--compute", "bf16"],
    "ringkas int8 QAT, bf16": ["--compute", "bf16", "--qat", "int8"],
    "ringkas fp16 QAT, f32": ["--compute", "f32", "--qat", "fp16"],
}
# name: kind and padding of torch_train.py
TORCH = {
    "torch f32, to the longest": ["fp32", "longest"],
    "torch bf16 autocast, to the longest": ["bf16", "longest"],
    "torch eager QAT, to 128": ["qat", "128"],
}
# (ours, theirs, what is asked for)
RATIOS = [
    ("ringkas f32", "torch f32, to the longest", 4.5),
    ("ringkas bf16", "torch bf16 autocast, to the longest", 3.5),
    ("ringkas int8 QAT, bf16", "torch eager QAT, to 128", 10.0),
    ("ringkas fp16 QAT, f32", "torch eager QAT, to 128", None),
]


def prepare():
    """rows.tsv for Ringkas, batches.json (ids and labels, Ringkas' own order) for torch."""
    folder = indobert.make_folder()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    count = BATCH * (WARM + STEPS)
    rows = random.Random(0).sample(smsa.rows("train"), count)
    smsa.write(WORK / "rows.tsv", rows)
    smsa.write(WORK / "valid.tsv", smsa.rows("valid")[:BATCH])
    with open(folder / "config.json", encoding="utf-8") as config:
        label_id = json.load(config)["label2id"]
    ids, order = smsa.encode([text for text, _ in rows]), shuffled(SEED, 0, count)
    steps = [order[i:i + BATCH] for i in range(0, count, BATCH)]
    batches = [{"ids": [ids[r] for r in step], "labels": [label_id[rows[r][1]] for r in step]}
               for step in steps]
    (WORK / "batches.json").write_text(json.dumps(batches), encoding="utf-8")
    return folder, [[len(ids[r]) for r in step] for step in steps]


def train_ours(folder, options, machine):
    """Seconds of each step, from the rate that training.jsonl has of all steps so far."""
    out = WORK / "out"
    shutil.rmtree(out, ignore_errors=True)
    _, peak, _ = measure.run(
        [settings.RINGKAS, "train", "--model", folder, "--train", WORK / "rows.tsv", "--valid",
         WORK / "valid.tsv", "--out", out, "--epochs", 1, "--batch", BATCH, "--seed", SEED, "--json",
         "--threads", settings.THREADS, *options], machine, log=WORK / "ringkas.log")
    with open(out / "training.jsonl", encoding="utf-8") as log:
        rates = [json.loads(line)["rows_per_s"] for line in log]
    shutil.rmtree(out)
    ends = [0.0] + [BATCH * (i + 1) / rate for i, rate in enumerate(rates)]
    return [b - a for a, b in zip(ends, ends[1:])], peak


def train_torch(folder, options, machine):
    text, peak, _ = measure.run(
        [sys.executable, settings.ROOT / "bench" / "torch_train.py", folder, WORK / "batches.json",
         *options], machine, log=WORK / "torch.log")
    return json.loads(text)["seconds"], peak


def one_round(folder, machine, found):
    for name, options in {**OURS, **TORCH}.items():
        train = train_ours if name in OURS else train_torch
        seconds, peak = train(folder, options, machine)
        assert len(seconds) == WARM + STEPS, f"{name}: {len(seconds)} steps"
        kept = seconds[WARM:]
        found[name]["steps"].append(kept)
        found[name]["rows_per_s"].append(BATCH / statistics.median(kept))
        found[name]["peak_bytes"].append(peak)
        print(f"  {name}: {BATCH / statistics.median(kept):.2f} rows/s", file=sys.stderr, flush=True)


def products_peak(machine):
    text, _, _ = measure.run([sys.executable, settings.ROOT / "bench" / "torch_products.py"], machine,
                             log=settings.OUT / "products.log")
    return json.loads(text)


def main():
    machine = measure.Machine()
    folder, lengths = prepare()
    kept = lengths[WARM:]
    needed = 3 * sum(indobert.row_flop(n) for step in kept for n in step)
    peak = products_peak(machine)
    found = {name: {"steps": [], "rows_per_s": [], "peak_bytes": []} for name in {**OURS, **TORCH}}
    for r in range(ROUNDS):
        print(f"round {r + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        one_round(folder, machine, found)

    rows = []
    for name, f in found.items():
        gflops = measure.spread([1e-9 * needed / sum(steps) for steps in f["steps"]])
        roof = peak["bf16" if "bf16" in name else "f32"]
        f.update(gflops=gflops, share_of_peak=gflops[0] / roof, every_step_rows_per_s=measure.spread(
            [BATCH * len(steps) / sum(steps) for steps in f["steps"]]))
        step = measure.spread([s for steps in f["steps"] for s in steps])
        rows.append([name, report.with_spread(measure.spread(f["rows_per_s"])),
                     report.with_spread(f["every_step_rows_per_s"]), report.with_spread(step),
                     gflops[0], f"{f['share_of_peak']:.0%}", f"{max(f['peak_bytes']) / 2**20:.0f}"])
    ratios, ratio_rows = [], []
    for ours, theirs, wanted in RATIOS:
        each = [a / b for a, b in zip(found[ours]["rows_per_s"], found[theirs]["rows_per_s"])]
        ratios.append({"ours": ours, "theirs": theirs, "ratio": measure.spread(each), "wanted": wanted})
        ratio_rows.append([f"{ours} / {theirs}", report.with_spread(measure.spread(each)), wanted])
    tokens = [sum(step) for step in kept]
    width = [max(step) for step in kept]
    about = (f"IndoBERT-base, random weights; SmSA training rows, batch {BATCH}, {len(kept)} steps a round "
             f"after {WARM} that do not count, {ROUNDS} round(s).\n"
             f"A step has {statistics.mean(tokens):.0f} tokens on average; padded to its longest row "
             f"{BATCH * statistics.mean(width):.0f}, to 128 {BATCH * settings.MAX_LENGTH}.\n"
             f"Measured peak of products (oneDNN): f32 {peak['f32']:.0f}, bf16 {peak['bf16']:.0f} GFLOP/s. "
             "GFLOP/s of training count the tokens, no padding.")
    heads = ["training", "rows/s, median step", "rows/s, all steps", "s a step", "GFLOP/s", "of peak",
             "peak MiB"]
    report.publish("train", ["torch", "transformers", "tokenizers"], machine,
                   [about, report.table(heads, rows),
                    report.table(["rows/s against rows/s", "ratio", "wanted"], ratio_rows)],
                   {"batch": BATCH, "rounds": ROUNDS, "tokens": tokens, "widths": width,
                    "products_peak_gflops": peak, "wait_policy": os.environ["OMP_WAIT_POLICY"],
                    "kinds": found, "ratios": ratios})


if __name__ == "__main__":
    main()
