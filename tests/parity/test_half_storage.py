"""Faults of other half converters: where and how the bytes of a tensor are stored. See half_lib.py.
RK_BIG_RUN=1 also converts a model of more than 2 GiB (a sparse file; the result needs 1.2 GiB of disk)."""
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import external_data_helper

import half_lib
from half_judge import convert
from half_lib import N, T, X, Half, check, const, folder, h, main, model, normal, numpy_helper, value

# Started by a small process, for a child's peak counts what its parent held when it was started.
LAUNCH = ("import os, sys\n"
          "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)\n"
          "_, status, usage = os.wait4(pid, 0)\n"
          "print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, usage.ru_utime + usage.ru_stime)\n")


def peak(*argv):
    """(exit code, peak resident bytes, processor seconds, stderr)"""
    done = subprocess.run([sys.executable, "-S", "-E", "-c", LAUNCH, *map(str, argv)], capture_output=True,
                          text=True, check=True)
    code, kilobytes, seconds = done.stdout.splitlines()[-1].split()
    return int(code), int(kilobytes) * 1024, float(seconds), done.stderr


def bytes_of(place):
    return sum(f.stat().st_size for f in place.iterdir())


def refers_to(m):
    """Bytes of external data that the model points at, by file."""
    found = {}
    for t in external_data_helper._get_all_tensors(m):
        if external_data_helper.uses_external_data(t):
            info = external_data_helper.ExternalDataInfo(t)
            found[info.location] = found.get(info.location, 0) + (info.length or 0)
    return found


def weights():
    return model([N("MatMul", ["x", "w1"], ["a"]), N("Add", ["a", "b1"], ["b"]), N("Relu", ["b"], ["c"]),
                  N("Constant", [], ["w2"], value=numpy_helper.from_array(normal(64, 32) / 8, "w2t")),
                  N("MatMul", ["c", "w2"], ["y"])],
                 [value("x", T.FLOAT, ("n", 48))], [value("y", T.FLOAT, ("n", 32))],
                 [const("w1", normal(48, 64) / 7), const("b1", normal(64))])


def fault_external_bytes():
    """Half types over float bytes, in files beside the model (onnxconverter-common #308)."""
    feeds = {"x": normal(3, 48)}
    for name, args in (("one file", {}), ("many files", {"all_tensors_to_one_file": False}),
                       ("in Constants too", {"convert_attribute": True}),
                       ("large ones only", {"size_threshold": 4096})):
        home = folder()
        onnx.save(weights(), home / "in.onnx", save_as_external_data=True,
                  **{"size_threshold": 0, "location": None, **args})
        size = bytes_of(home)
        source = onnx.load(home / "in.onnx", load_external_data=False)
        check(f"{name}: the source is external", refers_to(source))
        c = Half(name, home / "in.onnx", feeds)
        if c.ok:
            made = sum(f.stat().st_size for f in c.out.parent.iterdir() if "twice" not in f.name)
            check(f"{name}: the size halves", made < 0.55 * size + 600, f"{size} -> {made}")
            kinds = {i.data_type for i in c.model.graph.initializer}
            kinds |= {a.t.data_type for n in c.all_nodes("Constant") for a in n.attribute}
            check(f"{name}: all are half", kinds == {T.FLOAT16}, str(kinds))
    # Parts of one file at offsets, in another order, one part shared by two tensors, data between them.
    home = folder()
    m, blob = weights(), b"\x55" * 64
    for t in reversed(m.graph.initializer):
        onnx.external_data_helper.set_external_data(t, "all.bin", len(blob), len(t.raw_data))
        blob += t.raw_data + b"\xaa" * 60
        t.ClearField("raw_data")
        t.data_location = onnx.TensorProto.EXTERNAL
    twin = m.graph.initializer.add()
    twin.CopyFrom(m.graph.initializer[1])
    twin.name = "b1_twin"
    m.graph.node.insert(2, N("Add", ["b", "b1_twin"], ["bb"]))
    m.graph.node[3].input[0] = "bb"
    (home / "all.bin").write_bytes(blob)
    onnx.save(m, home / "in.onnx")
    Half("offsets", home / "in.onnx", feeds)
    # No length: to the end of the file.
    home, m = folder(), weights()
    t = m.graph.initializer[0]
    (home / "w.bin").write_bytes(b"\0" * 128 + t.raw_data)
    del t.external_data[:]
    t.ClearField("raw_data")
    t.data_location = onnx.TensorProto.EXTERNAL
    for key, v in (("location", "w.bin"), ("offset", "128")):
        t.external_data.add(key=key, value=v)
    onnx.save(m, home / "in.onnx")
    Half("no length", home / "in.onnx", feeds)
    # In a folder below the model's own.
    home, m = folder(), weights()
    (home / "data").mkdir()
    t = m.graph.initializer[0]
    (home / "data/w.bin").write_bytes(t.raw_data)
    onnx.external_data_helper.set_external_data(t, "data/w.bin", 0, len(t.raw_data))
    t.ClearField("raw_data")
    t.data_location = onnx.TensorProto.EXTERNAL
    onnx.save(m, home / "in.onnx")
    Half("a folder below", home / "in.onnx", feeds)


def fault_converted_twice_to_one_place():
    """The data file grew with every run (mobius #488, PR #489)."""
    home, out = folder(), folder()
    onnx.save(weights(), home / "in.onnx", save_as_external_data=True, size_threshold=0)
    sizes, listed = [], []
    for _ in range(3):
        code, _, error = convert(home / "in.onnx", out / "out.onnx")
        if not check("converts", code == 0, error):
            return
        sizes.append(bytes_of(out))
        listed.append(sorted(f.name for f in out.iterdir()))
        for name, size in refers_to(onnx.load(out / "out.onnx", load_external_data=False)).items():
            # Between two tensors a writer may align to a page.
            real = (out / name).stat().st_size
            check("the data file holds what is referred to", size <= real <= size + 4096 * 4,
                  f"{size} {real}")
    check("the size stays", len(set(sizes)) == 1, str(sizes))
    check("no file is left over", len({tuple(x) for x in listed}) == 1, str(listed))
    before = {f.name: f.read_bytes() for f in home.iterdir()}
    code, _, error = convert(home / "in.onnx", home / "in.onnx")
    check("not over its own source", code == 2, f"{code} {error}")
    code, _, error = convert(home / "in.onnx", home / "half.onnx")
    check("beside its source", code == 0, error)
    check("the source is as it was",
          all((home / name).read_bytes() == data for name, data in before.items()))


def fault_bits_of_a_half():
    """Half in int32_data is a bit pattern; floats round to even (onnx #3715, #3204, #1539, #1190)."""
    special = np.array([0, -0.0, 1, -2.5, 65504, 65519.99, -65504, 1e-8, 2.9802e-8, 2.99e-8, 6e-8, 6.1e-5,
                        2049, 2051, 2053, 0.1, -1 / 3, 1e-30, np.inf, -np.inf, np.nan, 1.00048828125,
                        1.0014648], np.float32)
    with np.errstate(over="ignore"):
        want = special.astype(np.float16)
    for how in ("raw_data", "float_data"):
        t = numpy_helper.from_array(special, "w")
        if how == "float_data":
            t = h.make_tensor("w", T.FLOAT, special.shape, special.tolist())
        n = len(special)
        m = model([N("Gather", ["w", "i"], ["y"])], [value("i", T.INT64, (n,))],
                  [value("y", T.FLOAT, (n,))], [t])
        c = Half(how, m, {"i": np.arange(n)}, limit=1e-3)
        if c.ok:
            w = next(i for i in c.model.graph.initializer if i.data_type == T.FLOAT16)
            check(f"{how}: written as raw_data", w.HasField("raw_data") and not w.int32_data)
            got = np.frombuffer(w.raw_data, np.uint16)
            fine = np.isfinite(special) | np.isinf(special)
            check(f"{how}: to the bit", np.array_equal(got[fine], want.view(np.uint16)[fine]), str(got))
            check(f"{how}: NaN stays NaN", np.isnan(got.view(np.float16)[~fine]).all())


def fault_half_read_from_int32_data():
    """Half tensors in int32_data, read as integers (openvino PR #6338; AMDMIGraphX #162)."""
    bits = np.array([0, 0x8000, 0x3c00, 0xbc00, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x0001, 0x8001,
                     0x03ff,
                     0x0400, 0xd555], np.uint16)
    halves = bits.view(np.float16)
    n = len(bits)
    for how in ("raw_data", "int32_data"):
        t = onnx.TensorProto(name="w", data_type=T.FLOAT16, dims=[n])
        if how == "raw_data":
            t.raw_data = bits.tobytes()
        else:
            t.int32_data.extend(int(b) for b in bits)
        m = model([N("Cast", ["w"], ["f"], to=1), N("Mul", ["x", "f"], ["y"])],
                  [value("x", T.FLOAT, (n,))], [value("y", T.FLOAT, (n,))], [t])
        c = Half(how, m, {"x": np.ones(n, np.float32)}, limit=0)
        if c.ok:
            w = next(i for i in c.model.graph.initializer if i.name == "w" or i.data_type == T.FLOAT16)
            check(f"{how}: the bits stay", np.array_equal(numpy_helper.to_array(w).view(np.uint16), bits))
            check(f"{how}: numpy agrees", np.array_equal(numpy_helper.to_array(w), halves, equal_nan=True))
        # A float node that reads it: widened exactly.
        c = Half(f"{how}, kept float", m, {"x": np.ones(n, np.float32)}, "--keep-op", "Mul", limit=0)


def fault_larger_than_a_message():
    """More than 2 GB, or as much as memory holds (onnxruntime #15063; onnx #3588; converter-common #215)."""
    big = os.environ.get("RK_BIG_RUN", "") not in ("", "0")
    count, side = (34, 4096) if big else (6, 2048)     # squares of float: 2.1 GiB, or 96 MiB
    home, out = folder(), folder()
    if not big:
        print("SKIP: more than 2 GiB (RK_BIG_RUN=1 converts that)")
    if big and os.statvfs(home).f_bavail * os.statvfs(home).f_frsize < 4 << 30:
        print("SKIP: less than 4 GiB of disk for the large model")
        return
    inits, nodes, last = [], [], "x"
    for k in range(count):
        t = onnx.TensorProto(name=f"w{k}", data_type=T.FLOAT, dims=[side, side],
                             data_location=onnx.TensorProto.EXTERNAL)
        for key, v in (("location", "w.bin"), ("offset", k * side * side * 4), ("length", side * side * 4)):
            t.external_data.add(key=key, value=str(v))
        inits.append(t)
        nodes += [N("MatMul", [last, f"w{k}"], [f"m{k}"]), N("Add", [f"m{k}", last], [f"h{k}"])]
        last = f"h{k}"
    m = model(nodes, [value("x", T.FLOAT, ("n", side))], [value(last, T.FLOAT, ("n", side))], inits)
    onnx.save(m, home / "in.onnx")
    with open(home / "w.bin", "wb") as file:    # holes, and a diagonal in each
        for k in range(count):
            for i in range(0, side, 512):
                file.seek((k * side * side + i * (side + 1)) * 4)
                file.write(np.float32(1 / (k + 2)).tobytes())
        file.truncate(count * side * side * 4)
    total = count * side * side * 4
    code, used, seconds, error = peak(os.environ["RINGKAS"], "convert", home / "in.onnx", "-o",
                                      out / "out.onnx",
                                      "--to", "fp16")
    if not check("converts", code == 0, error):
        return
    print(f"    {total >> 20} MiB in {seconds:.1f} processor seconds, {used >> 20} MiB resident")
    check("memory does not grow with the file", used < 80 << 20, f"{used >> 20} MiB for {total >> 20}")
    check("the size halves", bytes_of(out) < 0.51 * total, str(bytes_of(out)))
    onnx.checker.check_model(str(out / "out.onnx"), full_check=True)
    if not big:
        one, x = half_lib.judge.Float(home / "in.onnx", [{"x": normal(2, side)}]), None
        half_lib.judge.judge(one, out / "out.onnx")
        check("answers", x is None)
    else:
        half = onnx.load(out / "out.onnx", load_external_data=False)
        for k in (0, count - 1):
            t = next(i for i in half.graph.initializer if i.name == f"w{k}")
            external_data_helper.load_external_data_for_tensor(t, str(out))
            got = numpy_helper.to_array(t)
            right = got[512, 512] == np.float16(1 / (k + 2)) and np.count_nonzero(got) == side // 512
            check(f"w{k} is right", right)


def fault_nothing_half_written():
    """Atomic: a run that fails leaves neither a file nor a broken older one."""
    home = folder()
    onnx.save(weights(), home / "in.onnx", save_as_external_data=True, size_threshold=0, location="w.bin")
    (home / "out.onnx").write_bytes(b"older")
    with open(home / "w.bin", "r+b") as file:
        file.truncate(100)
    before = sorted(f.name for f in home.iterdir())
    code, _, error = convert(home / "in.onnx", home / "out.onnx")
    check("a cut data file is refused by name", code == 1 and "w.bin" in error, f"{code} {error}")
    check("the older file stands", (home / "out.onnx").read_bytes() == b"older")
    check("nothing is left behind", sorted(f.name for f in home.iterdir()) == before)
    m = model([N("Neg", ["x"], ["y"])], [value("x")], [value("y")])
    c = Half("a good one", m, {"x": X})
    check("nothing beside it", [f.name for f in c.out.parent.iterdir()
                                if f.name not in ("float.onnx", "half.onnx", "twice.onnx")] == [])


if __name__ == "__main__":
    main(globals())
