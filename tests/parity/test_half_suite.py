"""A part of the sweep over onnx's backend tests that bench-convert makes whole: every model that is not
one of the node tests, and each eighth of those. RK_WHOLE_SUITE=1 takes all; a name takes that test.

KNOWN lists what fails for a reason that no converter can mend; it may not grow."""
import os
import sys
import tempfile
import time

import onnx

import half_suite
from half_judge import convert, float_values
from half_worker import Worker, save_batches

STEP = 1 if os.environ.get("RK_WHOLE_SUITE", "") not in ("", "0") else 8
KNOWN = {}


def chosen():
    cases = half_suite.cases()
    if len(sys.argv) > 1:
        return [c for c in cases if c.name in sys.argv[1:]]
    nodes = [c for c in cases if c.kind == "node"]
    return [c for c in cases if c.kind != "node"] + nodes[::STEP]


def main():
    began, counts, failed, mended = time.monotonic(), {}, [], []
    if STEP > 1:
        print("SKIP: seven of each eight node tests (RK_WHOLE_SUITE=1, or make bench-convert)")
    with tempfile.TemporaryDirectory(prefix="ringkas-suite-") as folder, Worker(60) as worker:
        source, half, feeds = (os.path.join(folder, n) for n in ("float.onnx", "half.onnx", "feeds"))
        for case in chosen():
            if not float_values(case.model):
                counts["without a float value"] = counts.get("without a float value", 0) + 1
                continue
            source = os.path.join(folder, case.name + ".onnx")
            onnx.save(case.model, source)
            save_batches(feeds, case.batches())
            if not worker.ask(do="float", source=source, batches=feeds)["ok"]:
                counts["not run by the runtime as float"] = counts.get("not run by the runtime as float",
                                                                       0) + 1
                continue
            code, _, error = convert(source, half)
            ok, stage, reason = (False, "convert", error) if code else worker.judged(source, half, feeds)
            counts["passed" if ok else "failed"] = counts.get("passed" if ok else "failed", 0) + 1
            if not ok and case.name not in KNOWN:
                print(f"FAIL {case.name}: {stage}: {reason}"[:400], flush=True)
                failed.append(case.name)
            elif ok and case.name in KNOWN:
                mended.append(case.name)
    for name in mended:
        print(f"FAIL {name} passes now: take it off KNOWN")
    print(", ".join(f"{v} {k}" for k, v in sorted(counts.items())) + f"; {time.monotonic() - began:.1f} s")
    return 1 if failed or mended or not counts.get("passed") else 0


if __name__ == "__main__":
    sys.exit(main())
