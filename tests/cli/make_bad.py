"""Bad weight files for the command line tests: make_bad.py KIND SOURCE TARGET [ARGUMENT]

SOURCE is a good model.safetensors; TARGET the file to write."""
import io
import json
import pickle
import struct
import sys
import zipfile


def read_safetensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + length]), data[8 + length:]


def write_safetensors(path, header, body):
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def shape(source, target, name):
    """One tensor with its sides swapped, or a vector as a matrix: same bytes, wrong shape."""
    header, body = read_safetensors(source)
    sides = header[name]["shape"]
    header[name]["shape"] = sides[::-1] if len(sides) > 1 else [1] + sides
    write_safetensors(target, header, body)


def missing(source, target, name):
    """Without one tensor; those behind it move up."""
    header, body = read_safetensors(source)
    begin, end = header.pop(name)["data_offsets"]
    for key, entry in header.items():
        if key != "__metadata__" and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [x - (end - begin) for x in entry["data_offsets"]]
    write_safetensors(target, header, body[:begin] + body[end:])


def nan(source, target, name):
    header, body = read_safetensors(source)
    at = header[name]["data_offsets"][0]
    write_safetensors(target, header, body[:at] + struct.pack("<f", float("nan")) + body[at + 4:])


def cut(source, target, share):
    data = open(source, "rb").read()
    with open(target, "wb") as file:
        file.write(data[:int(len(data) * float(share))])


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Rebuild:
    """Pickles as torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, ...)."""

    def __init__(self, storage, sides):
        self.storage, self.sides = storage, sides


class Pickler(pickle._Pickler):
    """The pickle that torch.save writes, without torch."""

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", Global("torch", "FloatStorage"), obj.key, "cpu", obj.count)
        return None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(b"c" + obj.module.encode() + b"\n" + obj.name.encode() + b"\n")
            return
        if isinstance(obj, Rebuild):
            strides, step = [], 1
            for side in reversed(obj.sides):
                strides.insert(0, step)
                step *= side
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.write(b"(")
            for part in (obj.storage, 0, tuple(obj.sides), tuple(strides), False):
                self.save(part)
            self.save(Global("collections", "OrderedDict"))
            self.write(b")RtR")
            return
        super().save(obj, save_persistent_id)


class Global:
    def __init__(self, module, name):
        self.module, self.name = module, name


def torch_parts(source):
    """(pickle, {name in the zip: bytes}) of the source's tensors as torch.save lays them out."""
    header, body = read_safetensors(source)
    header.pop("__metadata__", None)
    state, files = {}, {}
    for number, (name, entry) in enumerate(header.items()):
        begin, end = entry["data_offsets"]
        files[f"archive/data/{number}"] = body[begin:end]
        state[name] = Rebuild(Storage(str(number), (end - begin) // 4), entry["shape"])
    stream = io.BytesIO()
    Pickler(stream, 2).dump(state)
    return stream.getvalue(), files


def write_zip(target, data, files):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        for name, content in files.items():
            archive.writestr(name, content)


def torch(source, target):
    """A good pytorch_model.bin."""
    data, files = torch_parts(source)
    write_zip(target, data, files)


def pickle_cut(source, target, share):
    data, files = torch_parts(source)
    write_zip(target, data[:int(len(data) * float(share))], files)


def pickle_call(source, target, command):
    """Its pickle calls os.system(command) when it is believed."""
    data, files = torch_parts(source)
    call = b"cposix\nsystem\n(X" + struct.pack("<I", len(command)) + command.encode() + b"tR0"
    write_zip(target, data[:2] + call + data[2:], files)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
