"""Converters and judge in a process of their own: a model that makes a runtime crash or hang is a result,
not the end of the run. Worker() here is the caller's side; the script itself is the other one.

One request is one line of JSON, so is its answer. Large values go through files."""
import json
import os
import pickle
import selectors
import subprocess
import sys


class Died(Exception):
    """The process crashed or took too long."""


class Worker:
    def __init__(self, limit_s=60, extra_path=None):
        self.limit_s, self.process = limit_s, None
        self.env = dict(os.environ)
        if extra_path:
            self.env["HALF_EXTRA_PATH"] = str(extra_path)

    def _start(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.env)

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, **request):
        """The answer as a dict; Died."""
        if not self.process or self.process.poll() is not None:
            self.close()
            self._start()
        try:
            self.process.stdin.write(json.dumps(request, default=str).encode() + b"\n")
            self.process.stdin.flush()
            with selectors.DefaultSelector() as waiting:
                waiting.register(self.process.stdout, selectors.EVENT_READ)
                ready = waiting.select(self.limit_s)
            line = self.process.stdout.readline() if ready else b""
        except BrokenPipeError:
            ready, line = True, b""
        if not line:
            if not ready:
                self.close()
                raise Died(f"no answer within {self.limit_s} s")
            code = self.process.wait()
            self.close()
            raise Died(f"the process was ended by signal {-code}" if code < 0 else f"exit {code}")
        return json.loads(line)

    def judged(self, source, half, batches, **options):
        """(passed, stage, reason or distance) of a half model; batches: a file with the pickled inputs."""
        try:
            answer = self.ask(do="judge", source=source, half=half, batches=batches, **options)
        except Died as e:
            return False, "crash", str(e)
        return answer["ok"], answer["stage"], answer["reason"]


def save_batches(path, batches):
    with open(path, "wb") as file:
        pickle.dump(batches, file)
    return path


# ---- the other side ---------------------------------------------------------------------------------

PEERS = ("onnxconverter-common", "onnxruntime")


def peer(name):
    """(source path, out path) -> None: the converter as its users call it, for a model whose inputs and
    outputs stay float. onnxruntime's leaves Casts out of order; its own way of saving sorts them."""
    import onnx
    if name == "onnxconverter-common":
        from onnxconverter_common import float16

        def common(source, out):
            onnx.save(float16.convert_float_to_float16(onnx.load(source), keep_io_types=True), out)
        return common
    from onnxruntime.transformers import float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    def own(source, out):
        made = float16.convert_float_to_float16(onnx.load(source), keep_io_types=True)
        OnnxModel(made).save_model_to_file(str(out))
    return own


def half_nodes(path):
    """Nodes that read or make a half value, Casts aside: whether a converter did anything at all."""
    import onnx
    model = onnx.load(path)
    half, types = onnx.TensorProto.FLOAT16, {}
    try:
        model = onnx.shape_inference.infer_shapes(model)
    except Exception:
        pass
    g = model.graph
    for v in [*g.value_info, *g.input, *g.output]:
        types[v.name] = v.type.tensor_type.elem_type
    types.update({i.name: i.data_type for i in g.initializer})
    return sum(n.op_type != "Cast" and any(types.get(v) == half for v in [*n.input, *n.output])
               for n in g.node)


def serve():
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
    sys.path += os.environ.get("HALF_EXTRA_PATH", "").split(os.pathsep)
    answers_to, sys.stdout = sys.stdout, sys.stderr     # a converter may print
    import half_judge as judge
    known = {}

    def reference(request):
        key = request["source"]
        if key not in known:
            known.clear()
            with open(request["batches"], "rb") as file:
                known[key] = judge.Float(key, pickle.load(file))
        return known[key]

    for line in sys.stdin:
        request = json.loads(line)
        answer = {"ok": True, "stage": "", "reason": ""}
        try:
            if request["do"] == "float":
                reference(request)
            elif request["do"] == "convert":
                peer(request["tool"])(request["source"], request["half"])
                answer["half_nodes"] = half_nodes(request["half"])
            elif request["do"] == "count":
                answer["half_nodes"] = half_nodes(request["half"])
            else:
                answer["reason"] = judge.judge(reference(request), request["half"])
        except judge.Wrong as e:
            answer = {"ok": False, "stage": e.stage, "reason": e.reason}
        except Exception as e:
            answer = {"ok": False, "stage": "convert" if request["do"] == "convert" else request["do"],
                      "reason": f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"}
        answers_to.write(json.dumps(answer) + "\n")
        answers_to.flush()


if __name__ == "__main__":
    serve()
