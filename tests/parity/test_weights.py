#!/usr/bin/env python3
"""Weight files against the libraries that define them: what safetensors and torch.save write reads
equal here, what we write reads equal there, and over changed bytes both give the same verdict."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import safetensors
import safetensors.torch
import torch

PROBE = pathlib.Path(os.environ["RK_BUILD"]) / "probe" / "weights_probe"
NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int8: "I8", torch.uint8: "U8", torch.int16: "I16", torch.int32: "I32",
         torch.int64: "I64", torch.bool: "BOOL", torch.uint16: "U16", torch.uint32: "U32",
         torch.uint64: "U64"}
failures = 0


def check(what, ok, detail=""):
    global failures
    if not ok:
        failures += 1
        print(f"FAIL {what} {detail}")


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = (h ^ byte) * 1099511628211 % 2**64
    return h


def raw(t):
    return t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() \
        if t.numel() else b""


def probe(*args):
    """(lines by name, note), or the error as text."""
    r = subprocess.run([PROBE, *map(str, args)], capture_output=True)
    if r.returncode == 1:
        return r.stderr.decode()
    if r.returncode:
        raise SystemExit(f"the probe stopped with {r.returncode} on {args}")
    lines = r.stdout.decode().splitlines()
    note = [x[5:] for x in lines if x.startswith("note ")]
    rows = {}
    for line in lines:
        if not line.startswith("note "):
            name, *rest = line.split("\t")
            rows[name] = rest
    return rows, note[0] if note else None


def wanted(tensors):
    return {n: [NAMES[t.dtype], "[" + ",".join(map(str, t.shape)) + "]", f"{fnv(raw(t)):016x}"]
            for n, t in tensors.items()}


def same(what, path, tensors, note=None):
    got = probe(path)
    if isinstance(got, str):
        check(what, False, got)
        return
    check(what, got[0] == wanted(tensors), f"{got[0]} is not {wanted(tensors)}")
    if path.suffix == ".bin":
        check(what + " order", list(got[0]) == list(tensors))
    check(what + " note", (note is None) == (got[1] is None) and (note or "") in (got[1] or ""),
          got[1])


def every_type():
    t = {}
    for dtype in NAMES:
        base = torch.arange(24) % 2 if dtype == torch.bool else torch.arange(24)
        t[str(dtype)] = base.to(dtype).reshape(2, 3, 4)
    t["scalar"] = torch.tensor(2.5)
    t["none"] = torch.zeros(0, 7)
    t["odd.\u00e9 \"name\""] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    return t


def from_safetensors(folder):
    tensors = every_type()
    path = folder / "all.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    same("safetensors.torch", path, tensors)
    # and what we write of it
    out = folder / "ours.safetensors"
    got = probe(path, out)
    check("written", not isinstance(got, str), got)
    back = safetensors.torch.load_file(out)
    check("written names", set(back) == set(tensors))
    for name, t in tensors.items():
        check("written " + name, back[name].dtype == t.dtype and back[name].shape == t.shape
              and raw(back[name]) == raw(t))
    with safetensors.safe_open(out, "pt") as f:
        check("metadata", f.metadata() == {"format": "pt"}, f.metadata())
    again = folder / "again.safetensors"
    probe(out, again)
    check("the same bytes again", out.read_bytes() == again.read_bytes())


def from_torch(folder):
    tensors = every_type()
    state = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.LayerNorm(3),
                                torch.nn.Embedding(4, 2)).state_dict()
    tied = torch.arange(6.0).reshape(2, 3)
    strides = {"t": tied.t(), "a": tied, "b": tied.view(-1)[1:5], "row": tied[1], "col": tied[:, 1],
               "step": torch.arange(20.0)[3::4], "p": torch.nn.Parameter(tied.clone()),
               "c": torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
               "last": torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)}
    for protocol in (2, 3, 4, 5):
        for name, what in (("types", tensors), ("state", state), ("strides", strides)):
            path = folder / f"{name}{protocol}.bin"
            torch.save(what, path, pickle_protocol=protocol)
            same(f"torch.save {name} protocol {protocol}", path, what)
    path = folder / "renamed.bin"
    (folder / "strides2.bin").rename(path)
    same("renamed", path, strides)
    torch.save({"state_dict": state, "epoch": 3, "best": 0.5, "name": "x", "args": [1, None, True],
                "optimizer": torch.optim.AdamW([torch.nn.Parameter(tied.clone())]).state_dict()},
               folder / "train.bin")
    same("training state", folder / "train.bin", state, "taken from state_dict")
    torch.serialization.set_crc32_options(False)
    torch.save(state, folder / "nocrc.bin")
    torch.serialization.set_crc32_options(True)
    same("CRC off", folder / "nocrc.bin", state, "without check sums")
    for name, what, says in (
            ("legacy", state, "before 1.6"), ("module", torch.nn.Linear(2, 2), "torch.nn.modules"),
            ("broadcast", {"w": torch.ones(1).expand(4)}, "strides overlap"),
            ("complex", {"w": torch.ones(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
            ("sparse", {"w": torch.eye(2).to_sparse()}, "_rebuild_sparse_tensor")):
        path = folder / f"{name}.bin"
        torch.save(what, path, _use_new_zipfile_serialization=name != "legacy")
        got = probe(path)
        check(name, isinstance(got, str) and says in got, got)
    path = folder / "script.bin"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    got = probe(path)
    check("TorchScript", isinstance(got, str) and "TorchScript" in got, got)


def shards(folder):
    tensors = {f"layer.{i}": torch.full((3, i + 1), float(i)) for i in range(6)}
    where = {}
    for k in range(3):
        part = {n: t for i, (n, t) in enumerate(tensors.items()) if i % 3 == k}
        name = f"model-{k + 1:05d}-of-00003.safetensors"
        safetensors.torch.save_file(part, folder / name, metadata={"format": "pt"})
        where.update({n: name for n in part})
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
             "weight_map": dict(sorted(where.items()))}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index, indent=2))
    same("shards", path, tensors)


def verdicts(folder):
    """Each byte of a small file changed four ways (SW-02): accepted only where the reference
    accepts, and then with its content. Where we refuse what it takes is counted and told."""
    header = json.dumps({"__metadata__": {"a": "b"},
                         "w": {"dtype": "F32", "shape": [2, 1], "data_offsets": [4, 12]},
                         "b": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    good = struct.pack("<Q", len(header)) + header + bytes(range(12))
    path = folder / "changed.safetensors"
    stricter, taken = set(), 0
    for at in range(len(good)):
        for value in {0, 255, good[at] ^ 1, good[at] ^ 128} - {good[at]}:
            data = good[:at] + bytes([value]) + good[at + 1:]
            path.write_bytes(data)
            try:
                want = {n: [v["dtype"], "[" + ",".join(map(str, v["shape"])) + "]",
                            f"{fnv(bytes(v['data'])):016x}"]
                        for n, v in safetensors.deserialize(data)}
            except Exception:
                want = None
            got = probe(path)
            if isinstance(got, str):
                if want is not None:
                    stricter.add((at, value))
            else:
                taken += 1
                check(f"byte {at} = {value}", got[0] == want, f"{got[0]} is not {want}")
    print(f"changed bytes: {taken} files taken, {len(stricter)} that only the reference takes")
    check("changed bytes taken", taken > 20, taken)
    check("no verdict stricter than the reference", not stricter, sorted(stricter))


def recorded(folder):
    """ST-34 and other cases where our verdict is the reference's by decision."""
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    shape = lambda *dims: {"a": {"dtype": "F32", "shape": list(dims), "data_offsets": [0, 0]}}
    cases = [("extra key", {"a": dict(entry, more=[1])}, b"1234"), ("no tensors", {}, b""),
             ("null metadata", {"__metadata__": None, "a": entry}, b"1234"),
             ("zero first", shape(0, 2**63 - 1), b""), ("zero last", shape(2**62, 8, 0), b""),
             ("zero in front", shape(0, 2**62, 8), b""), ("2^63", shape(2**63, 4, 0), b""),
             ("F8", {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
             ("F4", {"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}}, b"12"),
             ("list", [], b""), ("short", {"a": entry}, b"123"), ("long", {"a": entry}, b"12345")]
    for name, header, data in cases:
        text = json.dumps(header).encode()
        whole = struct.pack("<Q", len(text)) + text + data
        path = folder / "case.safetensors"
        path.write_bytes(whole)
        try:
            safetensors.deserialize(whole)
            want = True
        except Exception:
            want = False
        check(f"verdict on {name}", want != isinstance(probe(path), str), f"reference: {want}")


def real_file(folder):
    data = pathlib.Path(os.environ["RINGKAS_DATA"]) / "e5-small-id" / "model.safetensors"
    if not data.is_file():
        print(f"not checked: {data} is not there")
        return
    out = folder / "copy.safetensors"
    got = probe(data, out)
    check("real file", not isinstance(got, str), got)
    a, b = safetensors.torch.load_file(data), safetensors.torch.load_file(out)
    check("real file names", set(a) == set(b) == set(got[0]))
    check("real file content", all(np.array_equal(raw(a[n]), raw(b[n])) for n in a))
    torch.save(a, folder / "copy.bin")
    check("real file as torch.save writes it", probe(folder / "copy.bin")[0] == got[0])


def main():
    if not PROBE.is_file():
        print(f"SKIP: {PROBE} is not built")
        return 77
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as name:
        for part in (from_safetensors, from_torch, shards, verdicts, recorded, real_file):
            folder = pathlib.Path(name) / part.__name__
            folder.mkdir()
            part(folder)
    print("weights:", "ok" if not failures else f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
