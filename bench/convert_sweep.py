"""convert_sweep.py suite|exports OUT.json: Ringkas and the other half converters over the same models.

suite: every model of onnx's backend tests that has a float value. exports: models as transformers and
torch.onnx write them, by both exporters. A model counts when ONNX Runtime's CPU provider runs it in
float. What passing means is written in tests/parity/half_judge.py."""
import json
import os
import pathlib
import sys
import tempfile

import settings

sys.path.insert(0, str(settings.ROOT / "tests" / "parity"))
import half_judge
import half_worker

TOOLS = ("ringkas", *half_worker.PEERS)
PEERS = settings.PEERS / "onnxconverter-common"


def suite_models(folder):
    import half_suite
    import onnx
    cases = half_suite.cases()
    for case in cases[::20] if settings.QUICK else cases:
        if half_judge.float_values(case.model):
            path = folder / f"{case.name}.onnx"
            onnx.save(case.model, path)
            yield case.name, case.kind, path, case.batches()


def export_models(folder):
    import half_exports
    names = list(half_exports.MODELS)[-2:] if settings.QUICK else half_exports.MODELS
    for name in names:
        for exporter in half_exports.EXPORTERS:
            try:
                path, batches = half_exports.make(name, exporter, folder)
            except Exception as e:
                yield name, exporter, None, f"{type(e).__name__}: {' '.join(str(e).split())[-200:]}"
                continue
            yield name, exporter, pathlib.Path(path), batches


def one(worker, tool, source, half, feeds):
    """{"ok", "stage", "reason", "half_nodes"} of one tool on one model."""
    half.unlink(missing_ok=True)
    answer = {"half_nodes": 0}
    try:
        if tool == "ringkas":
            code, _, error = half_judge.convert(source, half)
            if code:
                return {"ok": False, "stage": "convert", "reason": error, **answer}
            answer["half_nodes"] = worker.ask(do="count", half=str(half)).get("half_nodes", 0)
        else:
            done = worker.ask(do="convert", tool=tool, source=str(source), half=str(half))
            if not done["ok"]:
                return {**done, **answer}
            answer["half_nodes"] = done["half_nodes"]
    except half_worker.Died as e:
        return {"ok": False, "stage": "convert", "reason": str(e), **answer}
    ok, stage, reason = worker.judged(str(source), str(half), str(feeds))
    return {"ok": ok, "stage": stage, "reason": reason, **answer}


def main():
    models = {"suite": suite_models, "exports": export_models}[sys.argv[1]]
    found, left_out = [], []
    with tempfile.TemporaryDirectory(dir=settings.OUT) as folder, \
            half_worker.Worker(90, PEERS) as worker:
        folder = pathlib.Path(folder)
        feeds, half = folder / "feeds", folder / "half.onnx"
        for name, kind, path, batches in models(folder):
            if path is None:
                left_out.append({"name": name, "kind": kind, "reason": f"not exported: {batches}"})
                continue
            half_worker.save_batches(feeds, batches)
            answer = worker.ask(do="float", source=str(path), batches=str(feeds))
            if not answer["ok"]:
                left_out.append({"name": name, "kind": kind, "reason": answer["reason"]})
                continue
            found.append({"name": name, "kind": kind, "tools":
                          {tool: one(worker, tool, path, half, feeds) for tool in TOOLS}})
            if len(found) % 200 == 0:
                print(f"  {len(found)} models", file=sys.stderr, flush=True)
            path.unlink()
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump({"models": found, "left_out": left_out}, out, indent=1)


if __name__ == "__main__":
    os.environ["RINGKAS"] = str(settings.RINGKAS)
    main()
