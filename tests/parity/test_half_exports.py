"""Models as transformers and torch.onnx export them today, converted, loaded and compared.

Each is written by one exporter here, TorchScript's and dynamo's in turn; RK_ALL_EXPORTS=1 takes both for
each, as bench-convert does."""
import os
import pathlib
import sys
import tempfile
import time

import half_exports
from half_judge import convert
from half_worker import Worker, save_batches

DYNAMO = ("DistilBERT", "Whisper encoder", "CNN", "XLM-R", "LSTM")   # the quick ones
ALL = os.environ.get("RK_ALL_EXPORTS", "") not in ("", "0")


def main():
    wanted = sys.argv[1:] or list(half_exports.MODELS)
    if not ALL:
        print("SKIP: each model by its other exporter (RK_ALL_EXPORTS=1, or make bench-convert)")
    failed, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ringkas-exports-") as folder, Worker(120) as worker:
        for name in wanted:
            for exporter in half_exports.EXPORTERS if ALL else ["dynamo" if name in DYNAMO else "script"]:
                path, batches = half_exports.make(name, exporter, folder)
                half = pathlib.Path(path).with_suffix(".half.onnx")
                feeds = save_batches(path + ".feeds", batches)
                code, report, error = convert(path, half)
                ok, stage, reason = (False, "convert", error) if code else worker.judged(path, half, feeds)
                if ok and report["nodes"]["half"] < 10:
                    ok, stage, reason = False, "convert", f"only {report['nodes']['half']} nodes are half"
                print(f"{'ok  ' if ok else 'FAIL'} {name} ({exporter}): " + (
                    f"off by {reason:.2g}, {report['nodes']['half']} nodes half, "
                    f"{report['nodes']['float']} float" if ok else f"{stage}: {reason}"), flush=True)
                if not ok:
                    failed.append(name)
    print(f"{len(failed)} failed, {time.monotonic() - began:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
