"""The models of the onnx package's backend tests, with their recorded inputs."""
import pathlib
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

DATA = pathlib.Path(onnx.__file__).parent / "backend/test/data"
FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")


class Case:
    """One model with its inputs: .name, .kind, .model, .batches() as [{input name: value}]."""

    def __init__(self, name, kind, model, sets):
        self.name, self.kind, self.model, self._sets = name, kind, model, sets

    def batches(self):
        names = [i.name for i in self.model.graph.input]
        return [dict(zip(names, values)) for values in self._sets()]


def _of_file(path, info):
    """A recorded value: its kind is that of the graph's input."""
    data, kind = path.read_bytes(), info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def _folder(path, kind):
    model = onnx.load(path / "model.onnx")

    def sets():
        return [[_of_file(s / f"input_{i}.pb", info) for i, info in enumerate(model.graph.input)
                 if (s / f"input_{i}.pb").exists()] for s in sorted(path.glob("test_data_set_*"))]
    return Case(path.name, kind, model, sets)


def _plain(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _nodes():
    """In later releases of onnx the node models are made on the spot."""
    if (DATA / "node").is_dir():
        return [_folder(p, "node") for p in sorted((DATA / "node").iterdir())
                if (p / "model.onnx").exists()]
    from onnx.backend.test.case.node import collect_testcases
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        made = collect_testcases(None)
    return [Case(c.name, "node", c.model, lambda c=c: [[_plain(v) for v in ins] for ins,
                                                       _ in c.data_sets]) for c in made]


def cases():
    """All of them, in an order that is always the same."""
    found = _nodes()
    for kind in FOLDERS:
        found += [_folder(p, kind) for p in sorted((DATA / kind).iterdir())
                  if (p / "model.onnx").exists()]
    return sorted(found, key=lambda c: (c.kind, c.name))
