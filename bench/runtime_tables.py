"""The tables of bench-runtime, from {engine: {"rounds": [figures], "failed", "wrong", "file_bytes"}}."""
import measure
import report
import runtime_engines as wanted

MIB = 2**20
LINE_HEADS = ["line", "figure", "Ringkas", "best peer", "name", "ratio", "wanted", ""]


def series(state, key):
    return [r[key] for r in state["rounds"] if key in r]


def middle(state, key):
    values = series(state, key)
    return measure.spread(values) if values else None


def most(state, key):
    """The largest of lists of figures; one that is no number stays so."""
    values = [v for some in series(state, key) for v in some]
    return next((v for v in values if v != v), max(values))


def shown(state, key, scale=1.0):
    values = middle(state, key)
    return report.with_spread([v * scale for v in values]) if values else "-"


def good(state):
    return state["rounds"] and not state["failed"] and not state["wrong"]


def engines(found):
    rows, notes = [], []
    for engine, state in found.items():
        if state["failed"]:
            notes.append(f"{engine.line}, {engine.name}: FAILS: {state['failed']}")
            continue
        resident = middle(state, "resident_bytes")[0]
        rows.append([
            engine.name, engine.line, shown(state, "p50_ms"), shown(state, "p95_ms"),
            shown(state, "rows_per_s"), f"{middle(state, 'load_ms')[0]:.0f}", f"{resident / MIB:.0f}",
            f"{state['file_bytes'] / MIB:.0f}", f"{resident / state['file_bytes']:.2f}",
            f"{most(state, 'off'):.1e}" + (" WRONG" if state["wrong"] else ""),
            f"{most(state, 'off_most'):.1e}"])
    bounds = ", ".join(f"{line} {wanted.BOUND[line]:g}" for line in wanted.LINES)
    notes.append("off: root mean square of the difference from torch's FP32 logits, alone and in calls, "
                 f"over the\nspread of the rows; over the bound ({bounds}) an engine is WRONG and does "
                 "not count.\nAn engine that answers all rows alike has 1. most: the largest difference.")
    heads = ["engine", "line", "batch 1 p50 ms", "p95 ms", f"calls of {wanted.CALL} rows/s", "load ms",
             "resident MiB", "file MiB", "of file", "off", "most"]
    return "\n".join([report.table(heads, rows), *notes])


def program(found):
    rows = []
    for engine in wanted.OURS.values():
        state = found[engine]
        rows.append([f"{engine.name} ({state['rounds'][0]['precision']})", shown(state, "bytes_p50_ms"),
                     shown(state, "bytes_p95_ms"), shown(state, "unsorted_rows_per_s"),
                     shown(state, "peak_gflops")])
    return report.table(["`ringkas bench`: bytes to answer", "batch 1 p50 ms", "p95 ms",
                         f"calls of {wanted.CALL}, as in the file, rows/s", "peak GFLOP/s"], rows)


def verdict(value, bound, least):
    return "met" if (value >= bound if least else value <= bound) else "NOT MET"


def line(name, figure, ours, theirs, peer, ratio, bound, least=True):
    """One line: ratio is what is held against the bound, as median, lowest, highest."""
    sign = "" if bound is None else (">= " if least else "<= ") + report.number(float(bound))
    judged = "" if bound is None or ratio is None else verdict(ratio[0], bound, least)
    cells = [name, figure, report.with_spread(ours) if ours else "-",
             report.with_spread(theirs) if theirs else "-", peer or "-",
             report.with_spread(ratio) if ratio else "-", sign or None, judged]
    return {"name": name, "figure": figure, "ours": ours, "theirs": theirs, "peer": peer, "ratio": ratio,
            "wanted": bound, "verdict": judged, "cells": cells}


def best_peer(found, name, key, highest):
    """The engine of that line, not ours, with the best median; None where none counts."""
    able = [(middle(s, key)[0], e) for e, s in found.items()
            if e.line == name and e.tool != "ringkas" and good(s) and series(s, key)]
    return (max if highest else min)(able, key=lambda pair: pair[0])[1] if able else None


def against(found, name, figure, key, engine, peer, bound):
    """Ours against another engine, round by round; above 1 ours is the faster one."""
    ours = found[engine]
    if peer is None:
        return line(name, figure, middle(ours, key), None, "no peer counts", None, bound)
    a, b = series(ours, key), series(found[peer], key)
    ratio = [x / y for x, y in zip(a, b)] if key == "rows_per_s" else [y / x for x, y in zip(a, b)]
    return line(name, figure, middle(ours, key), middle(found[peer], key), peer.name,
                measure.spread(ratio), bound)


def speed_lines(found):
    out = []
    for name in wanted.LINES:
        engine = wanted.OURS[name]
        for figure, key, bounds in (("batch 1, p50 ms", "p50_ms", wanted.BATCH1),
                                    (f"calls of {wanted.CALL}, rows/s", "rows_per_s", wanted.BATCH32)):
            peer = best_peer(found, name, key, key == "rows_per_s")
            out.append(against(found, name, figure, key, engine, peer, bounds.get(name)))
    old = wanted.PADDED if good(found[wanted.PADDED]) else None
    out.append(against(found, "INT8", "batch 1, p50 ms, old way", "p50_ms", wanted.OURS["INT8"], old,
                       wanted.OLD_WAY_WANTED))
    for name in ("FP16 file", "FP16 file, bf16"):
        out.append(against(found, name, "batch 1, p50 ms, own FP32", "p50_ms", wanted.OURS[name],
                           wanted.OURS["FP32"], wanted.FP16_SPEED))
    return out


def roof_lines(found):
    """Against the highest peak of all rounds: a disturbed one would flatter."""
    out = []
    for name, bound in wanted.OF_PEAK.items():
        state = found[wanted.OURS[name]]
        peak = max(series(state, "peak_gflops"))
        shares = measure.spread([g / peak for g in series(state, "gflops")])
        out.append(line(name, f"calls of {wanted.CALL}, GFLOP/s of the peak", middle(state, "gflops"),
                        [peak] * 3, "measured peak", shares, bound))
    return out


def memory_lines(found):
    def mib(values):
        return [v / MIB for v in values]

    state = found[wanted.OURS["INT8"]]
    out = [line("INT8", "load ms", middle(state, "load_ms"), None, None, middle(state, "load_ms"),
                wanted.INT8_LOAD_MS, least=False)]
    for name, bound in wanted.RESIDENT_OF_FILE.items():
        state = found[wanted.OURS[name]]
        resident, size = middle(state, "resident_bytes"), state["file_bytes"]
        out.append(line(name, "resident MiB of the file", mib(resident), mib([size] * 3), "its file",
                        [r / size for r in resident], bound, least=False))
    for name in ("FP16 file", "FP16 file, bf16"):
        half, whole = found[wanted.OURS[name]], found[wanted.OURS["FP32"]]
        each = [a / b for a, b in zip(series(half, "resident_bytes"), series(whole, "resident_bytes"))]
        out.append(line(name, "resident MiB of own FP32's", mib(middle(half, "resident_bytes")),
                        mib(middle(whole, "resident_bytes")), wanted.OURS["FP32"].name, measure.spread(each),
                        wanted.FP16_RESIDENT, least=False))
    return out


def lines(found):
    return speed_lines(found) + roof_lines(found) + memory_lines(found)
