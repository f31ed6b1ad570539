"""Inference: Ringkas beside ONNX Runtime, OpenVINO and CTranslate2 on the same token ids, in one run.

Every round each engine has a turn in a fresh process; the engines of a line stand side by side, and a
ratio is taken within a round. An engine whose logits are not torch's within a bound does not count."""
import json
import statistics
import sys
import textwrap

import indobert
import measure
import report
import runtime_engines as wanted
import runtime_models
import runtime_tables
import settings
import smsa

ROUNDS = 1 if settings.QUICK else settings.ROUNDS
EVERY = 12 if settings.QUICK else 1    # of the test rows
TURN_SECONDS = 900
LOADS = 3 if settings.QUICK else 9     # processes that open Ringkas's file; their median counts
WORK = runtime_models.WORK
ABOUT = (
    "IndoBERT-base, {layers} layers, random weights; {rows} test rows of SmSA, {tokens} tokens, {rounds} "
    "round(s). Ids in memory to logits in memory. Batch 1: each row at its own length; calls of {call}: rows "
    "sorted by length, padded to the longest of the call by the peers, never padded by Ringkas "
    "(tests/probe/infer_speed.c, through the public interface). Load: to the first answer, files in the page "
    "cache; start of the process and imports are not in it; of Ringkas the median of {loads} processes. "
    "Resident, after that answer: of Ringkas the whole process, of the others what it grew by.")
PROBE = settings.RINGKAS.parent / "probe" / "infer_speed"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Rows:
    """The rows of this run: their ids in the file's order and by length, on disk for all workers."""

    def __init__(self):
        lines = (WORK / "rows.ids").read_text(encoding="ascii").splitlines()[::EVERY]
        self.ids = [list(map(int, line.split())) for line in lines]
        self.order = sorted(range(len(lines)), key=lambda i: len(self.ids[i]))
        self.reference = json.loads((WORK / "reference.json").read_text(encoding="ascii"))[::EVERY]
        self.files = [WORK / "run.ids", WORK / "run_sorted.ids"]
        self.files[0].write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        self.files[1].write_text("".join(f"{lines[i]}\n" for i in self.order), encoding="ascii")
        smsa.write(WORK / "run.tsv", smsa.rows("test")[::EVERY])
        self.flop = sum(indobert.row_flop(len(row)) for row in self.ids)
        columns = list(zip(*self.reference))
        means = [statistics.mean(c) for c in columns]
        self.spread = root_mean_square(x - m for c, m in zip(columns, means) for x in c)

    def off(self, logits, rows):
        """(root mean square of the difference over the spread of the rows, largest difference)"""
        want = [self.reference[i] for i in rows]
        assert len(logits) == len(want) and all(len(row) == indobert.LABELS for row in logits)
        differences = [x - y for a, b in zip(logits, want) for x, y in zip(a, b)]
        return root_mean_square(differences) / self.spread, max(map(abs, differences))


def root_mean_square(values):
    return statistics.fmean(v * v for v in values) ** 0.5


def file_bytes(engine):
    """Of what the engine reads: files, or a folder's files."""
    found = [WORK / name for name in wanted.FILES[engine.step]]
    return sum(f.stat().st_size for path in found for f in ([path] if path.is_file() else path.iterdir()))


def warm_pages(engine):
    """Model files come from the page cache, not from the disk."""
    for name in wanted.FILES[engine.step]:
        for file in [WORK / name] if (WORK / name).is_file() else (WORK / name).iterdir():
            with open(file, "rb") as f:
                while f.read(1 << 24):
                    pass


def loads(engine, machine):
    """Milliseconds to the first answer, of processes that do nothing else."""
    one = WORK / "one.ids"
    one.write_text((WORK / "run.ids").read_text(encoding="ascii").splitlines()[0] + "\n", encoding="ascii")
    command = [PROBE, WORK / wanted.FILES[engine.step][0], engine.option, settings.THREADS, one, one, 1]
    texts = [measure.run(command, machine, log=WORK / "turn.log")[0] for _ in range(LOADS)]
    return [json.loads(text)["load_ms"] for text in texts]


def turn(engine, rows, machine):
    """One process's measurement as figures, its logits held to torch's."""
    file = WORK / wanted.FILES[engine.step][0]
    if engine.tool == "ringkas":
        command = [PROBE, file, engine.option, settings.THREADS, *rows.files, wanted.CALL]
    else:
        command = [sys.executable, settings.ROOT / "bench" / "runtime_peer.py", engine.tool, file,
                   engine.option, *rows.files, wanted.CALL, engine.pad]
    warm_pages(engine)
    text, _, _ = measure.run(["timeout", TURN_SECONDS, *command], machine, log=WORK / "turn.log")
    answer = json.loads(text.splitlines()[-1])    # some engines write to stdout too
    off = [rows.off(answer["logits"], range(len(rows.ids)))]
    figures = {"p50_ms": measure.quantile(answer["ms"], 0.5), "p95_ms": measure.quantile(answer["ms"], 0.95),
               "load_ms": answer["load_ms"], "resident_bytes": answer["resident_bytes"],
               "precision": answer.get("precision")}
    if engine.tool == "ringkas":
        figures["loads_ms"] = loads(engine, machine)
        figures["load_ms"] = statistics.median(figures["loads_ms"])
    if "seconds" in answer:
        figures["rows_per_s"] = len(rows.ids) / answer["seconds"]
        figures["gflops"] = 1e-9 * rows.flop / answer["seconds"]
        off.append(rows.off(answer["logits_in_calls"], rows.order))
    return {**figures, "off": [o[0] for o in off], "off_most": [o[1] for o in off]}


def program(engine, rows, machine):
    """What `ringkas bench` says of the same rows: bytes to answer, in the file's order; and the peak."""
    text, _, _ = measure.run(
        [settings.RINGKAS, "bench", WORK / wanted.FILES[engine.step][0], "--data", WORK / "run.tsv",
         "--batch", wanted.CALL, "--repeat", 1, "--compute", engine.option, "--threads", settings.THREADS,
         "--json"], machine, log=WORK / "program.log")
    said = json.loads(text)["models"][0]
    tokens = sum(map(len, rows.ids))
    if (said["rows"], said["tokens"]) != (len(rows.ids), tokens):
        sys.exit(f"ringkas bench: {said['rows']} rows of {said['tokens']} tokens; the ids of the others "
                 f"have {len(rows.ids)} and {tokens}")
    return {"bytes_p50_ms": said["batch1"]["p50_ms"], "bytes_p95_ms": said["batch1"]["p95_ms"],
            "unsorted_rows_per_s": said["batches"][0]["rows_per_s"], "peak_gflops": said["peak_gflops"]}


def one_round(rows, machine, found):
    for engine in wanted.ENGINES:
        state = found[engine]
        if state["failed"]:
            continue
        try:
            got = turn(engine, rows, machine)
        except (RuntimeError, ValueError, LookupError, AssertionError) as e:
            if engine.tool == "ringkas":
                raise
            state["failed"] = f"{type(e).__name__}: {e}"
            if isinstance(e, RuntimeError):    # "exit CODE: command"; why is in the log
                state["failed"] = f"{str(e).partition(':')[0]}: {runtime_models.reason(WORK / 'turn.log')}"
            say(f"  {engine.line}, {engine.name}: fails: {state['failed']}")
            continue
        if engine.tool == "ringkas":
            got.update(program(engine, rows, machine))
        state["rounds"].append(got)
        calls = f", {got['rows_per_s']:.1f} rows/s" if "rows_per_s" in got else ""
        say(f"  {engine.line}, {engine.name}: {got['p50_ms']:.2f} ms{calls}, off {got['off'][0]:.1e}")


def prepare():
    """{engine: what is known of it so far}"""
    indobert.make_folder()
    failed = runtime_models.make_all()
    found = {}
    for engine in wanted.ENGINES:
        why = failed.get(engine.step)
        if why and engine.tool == "ringkas" or "rows" in failed:
            sys.exit(f"bench-runtime: {why or failed['rows']}")
        found[engine] = {"failed": why, "rounds": [], "file_bytes": 0 if why else file_bytes(engine)}
    return found


def judge(found):
    """Marks engines whose logits are too far off, in any round; True where one of ours is."""
    ours_wrong = False
    for engine, state in found.items():
        bound = wanted.BOUND[engine.line]
        # Not "any over it", which a NaN would pass.
        state["wrong"] = not all(off <= bound for r in state["rounds"] for off in r["off"])
        ours_wrong |= state["wrong"] and engine.tool == "ringkas"
    return ours_wrong


def main():
    machine = measure.Machine()
    found = prepare()
    rows = Rows()
    for r in range(ROUNDS):
        say(f"round {r + 1} of {ROUNDS}")
        one_round(rows, machine, found)
    ours_wrong = judge(found)
    lines = runtime_tables.lines(found)
    about = textwrap.fill(ABOUT.format(layers=indobert.LAYERS, rows=len(rows.ids), rounds=ROUNDS,
                                       tokens=sum(map(len, rows.ids)), call=wanted.CALL, loads=LOADS), 110)
    parts = [about, runtime_tables.engines(found), runtime_tables.program(found),
             report.table(runtime_tables.LINE_HEADS, [line["cells"] for line in lines])]
    record = {"rounds": ROUNDS, "rows": len(rows.ids), "tokens": sum(map(len, rows.ids)),
              "rows_spread": rows.spread,
              "bounds": wanted.BOUND, "engines": [{**e._asdict(), **state} for e, state in found.items()],
              "lines": [{k: v for k, v in line.items() if k != "cells"} for line in lines]}
    report.publish("runtime", list(filter(report.installed, runtime_models.PACKAGES)), machine, parts, record)
    if ours_wrong:
        sys.exit("bench-runtime: logits of Ringkas are out of bounds")


if __name__ == "__main__":
    main()
