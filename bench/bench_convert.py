"""FP16 conversion: Ringkas beside the two converters in use, over the same models in one run.

Four parts: onnx's backend tests, real exports, time and memory on a graph of IndoBERT's size, and a model
with external data. This process stays small: its own size would count in every child's peak."""
import json
import os
import shutil
import statistics
import sys

import indobert
import measure
import report
import settings

WORK = settings.OUT / "convert"
HERE = settings.ROOT / "bench"
TOOLS = ("ringkas", "onnxconverter-common", "onnxruntime")
PASS_WANTED, TIME_WANTED, MEMORY_WANTED = 0.98, 1 / 3, 1.5
LARGE = 256 << 20 if settings.QUICK else 3 << 30
ROUNDS = 1 if settings.QUICK else settings.ROUNDS


def say(text):
    print(text, file=sys.stderr, flush=True)


def sweep(what, machine):
    say(f"sweep over {what}")
    out = WORK / f"{what}.json"
    measure.run([sys.executable, HERE / "convert_sweep.py", what, out], machine,
                log=WORK / f"{what}.log")
    return json.loads(out.read_text(encoding="utf-8"))


def share(models, tool, kind=None):
    some = [m["tools"][tool] for m in models if kind in (None, m["kind"])]
    return sum(t["ok"] for t in some), len(some)


def percent(passed, total):
    return f"{passed} of {total}, {passed / total:.1%}" if total else "-"


def suite_part(machine):
    found = sweep("suite", machine)
    models = found["models"]
    rows = [[kind or "all"] + [percent(*share(models, t, kind)) for t in TOOLS]
            for kind in sorted({m["kind"] for m in models}) + [None]]
    rows.append(["with a node in half"] + [
        str(sum(m["tools"][t]["ok"] and m["tools"][t]["half_nodes"] > 0 for m in models)) for t in TOOLS])
    for stage in ("convert", "checker", "load", "run", "answer", "crash", "names"):
        counts = [sum(not m["tools"][t]["ok"] and m["tools"][t]["stage"].startswith(stage)
                      for m in models) for t in TOOLS]
        if any(counts):
            rows.append([f"failed: {stage}"] + [str(c) for c in counts])
    failed = [f"  {m['name']} ({m['kind']}): {m['tools']['ringkas']['stage']}: "
              f"{m['tools']['ringkas']['reason']}"[:230] for m in models if not m["tools"]["ringkas"]["ok"]]
    passed, total = share(models, "ringkas")
    met = total > 0 and passed / total >= PASS_WANTED
    text = [f"onnx's backend tests with a float value, {total} that ONNX Runtime's CPU provider runs in "
            f"float ({len(found['left_out'])} it does not); wanted of Ringkas {PASS_WANTED:.0%}: "
            f"{'met' if met else 'NOT MET'}",
            report.table(["models that pass", *TOOLS], rows),
            "What Ringkas fails:\n" + "\n".join(failed) if failed else "Ringkas fails none."]
    return text, found


def exports_part(machine):
    found = sweep("exports", machine)
    rows = []
    for m in found["models"]:
        row = [f"{m['name']} ({m['kind']})"]
        for tool in TOOLS:
            t = m["tools"][tool]
            row.append(f"{t['reason']:.1e}, {t['half_nodes']} half" if t["ok"] else f"fails: {t['stage']}")
        rows.append(row)
    rows.append(["all"] + [percent(*share(found["models"], t)) for t in TOOLS])
    text = ["Exports of transformers and torch.onnx, small random models: how far the answers are off, and "
            "nodes in half",
            report.table(["export", *TOOLS], rows)]
    text += [f"left out: {m['name']} ({m['kind']}): {m['reason']}" for m in found["left_out"]]
    return text, found


def graph_of_indobert():
    """The float graph, in a process of its own."""
    path = WORK / "indobert.onnx"
    measure.run([settings.RINGKAS, "export", indobert.make_folder(), "-o", path], measure.Machine(),
                log=WORK / "export.log")
    return path


def size_part(machine):
    path = graph_of_indobert()
    size, found = path.stat().st_size, {t: {"seconds": [], "inside": [], "peak": []} for t in TOOLS}
    for r in range(ROUNDS):
        say(f"IndoBERT's graph, round {r + 1} of {ROUNDS}")
        for tool in TOOLS:
            out = WORK / "half.onnx"
            argv = [settings.RINGKAS, "convert", path, "-o", out, "--to", "fp16", "--quiet"]
            if tool != "ringkas":
                argv = [sys.executable, HERE / "convert_large.py", "peer", tool, path, out]
            text, peak, wall = measure.run(argv, machine, log=WORK / f"{tool}.log")
            found[tool]["seconds"].append(wall)
            found[tool]["inside"].append(wall if tool == "ringkas" else json.loads(text)["seconds"])
            found[tool]["peak"].append(peak)
            found[tool]["bytes"] = out.stat().st_size
            out.unlink()
    rows = [[t, report.with_spread(measure.spread(f["seconds"])),
             report.with_spread(measure.spread(f["inside"])), f"{max(f['peak']) / 2**20:.0f}",
             f"{max(f['peak']) / size:.2f}", f"{f['bytes'] / 2**20:.0f}"] for t, f in found.items()]
    theirs = found["onnxconverter-common"]["inside"]
    ratio = statistics.median(a / b for a, b in zip(found["ringkas"]["seconds"], theirs))
    memory = max(found["ringkas"]["peak"]) / size
    text = [f"IndoBERT's float graph, {size / 2**20:.0f} MiB; ringkas: the whole process, the others also "
            "without start and imports",
            report.table(["converter", "s, whole process", "s, load to save", "peak MiB", "of input",
                          "MiB out"],
                         rows),
            f"ringkas's whole process / onnxconverter-common's load to save: {ratio:.2f} "
            f"(wanted {TIME_WANTED:.2f} at most: {'met' if ratio <= TIME_WANTED else 'NOT MET'}); resident "
            f"{memory:.2f} of the input (wanted {MEMORY_WANTED} at most: "
            f"{'met' if memory <= MEMORY_WANTED else 'NOT MET'})"]
    path.unlink()
    return text, {"bytes": size, "tools": found, "time_ratio": ratio, "memory_ratio": memory}


def available():
    with open("/proc/meminfo", encoding="ascii") as info:
        return next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable:"))


def large_part(machine):
    need = LARGE * 2
    if shutil.disk_usage(WORK).free < need:
        return [f"SKIP: the model with external data needs {need >> 30} GiB of disk"], None
    say("the model with external data")
    home = WORK / "large"
    try:
        text, _, _ = measure.run([sys.executable, HERE / "convert_large.py", "make", home, LARGE],
                                 measure.Machine(), log=WORK / "make.log")
        size, out = json.loads(text)["bytes"], home / "half.onnx"
        _, peak, wall = measure.run([settings.RINGKAS, "convert", home / "large.onnx", "-o", out, "--to",
                                     "fp16", "--quiet"], machine, log=WORK / "large.log")
        written = sum(f.stat().st_size for f in home.iterdir()
                      if f.name not in ("large.onnx", "weights.bin"))
        run = "1" if available() > 4 * LARGE else "0"
        text, _, _ = measure.run([sys.executable, HERE / "convert_large.py", "check", home / "large.onnx",
                                  out,
                                  run], measure.Machine(), log=WORK / "check.log")
        checked = json.loads(text)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    off = checked["off"]
    told = f"a row is off by {off:.1e}" if off is not None else "not run: too little memory"
    return ([f"External data, {size / 2**30:.2f} GiB: {wall:.1f} s, {peak / 2**20:.0f} MiB resident "
             f"({peak / size:.1%} of it), {written / 2**30:.2f} GiB written; strict checker passed; {told}"],
            {"bytes": size, "seconds": wall, "peak_bytes": peak, "written": written, **checked})


def main():
    sys.path.append(str(settings.PEERS / "onnxconverter-common"))     # only for its version
    WORK.mkdir(parents=True, exist_ok=True)
    machine, parts, record = measure.Machine(), [], {}
    for name, part in (("size", size_part), ("large", large_part), ("suite", suite_part),
                       ("exports", exports_part)):
        wanted = os.environ.get("BENCH_PARTS")
        if wanted and name not in wanted.split(","):
            continue
        text, record[name] = part(machine)
        parts += text
    report.publish("convert", ["onnx", "onnxruntime", "onnxconverter-common", "torch", "transformers"],
                   machine, parts, record)


if __name__ == "__main__":
    main()
