"""Bad ONNX files, external data: rows OX-19 to OX-25. Nothing outside the model's folder is read, whatever
the file says. See bad_lib.py."""
import os
import shutil

import numpy as np
import onnx

from bad_lib import FILE, HOME, OUT, T, accepted, check, good, listing, main, put, refused, run

PLACE = r"place '|'w'|link|no regular file|hard link|No such file"
BYTES = np.arange(4, dtype=np.float32).tobytes()


def external(entries, dims=(4,), kind=T.FLOAT):
    """entries: {key: value} or [(key, value)] of the tensor's external data."""
    t = onnx.TensorProto(name="w", data_type=kind, dims=dims, data_location=onnx.TensorProto.EXTERNAL)
    for key, v in entries.items() if isinstance(entries, dict) else entries:
        t.external_data.add(key=key, value=str(v))
    return good(inits=[t])


def fresh():
    for p in list(HOME.iterdir()):
        shutil.rmtree(p) if p.is_dir() and not p.is_symlink() else p.unlink()
    (HOME / "w.bin").write_bytes(BYTES)


def rows_of_a_good_one():
    """OX-19: external data is read by a conversion; what runs a model wants one file"""
    fresh()
    accepted("good", external({"location": "w.bin", "offset": 0, "length": 16}))
    got = onnx.load(str(OUT))
    check("its numbers", np.array_equal(onnx.numpy_helper.to_array(got.graph.initializer[0]), [0, 1, 2, 3]))
    refused("OX-19 to run", external({"location": "w.bin"}), "w", "predict", FILE, "teks")


def rows_of_places():
    """OX-20: locations that lead out of the folder, or nowhere"""
    fresh()
    outside = HOME.parent / f"{HOME.name}-outside.bin"
    outside.write_bytes(BYTES)
    (HOME / "a").mkdir()
    try:
        for place in (str(outside), f"../{outside.name}", f"a/../../{outside.name}", f"./../{outside.name}",
                      f"#/../{outside.name}", f"..\\{outside.name}", f"a\\..\\..\\{outside.name}", "", ".",
                      "..",
                      "a", "a/", "./", "x" * 5000, "a/" * 2500 + "w", "~/w.bin", "file:///etc/passwd",
                      "w.bin/",
                      "w.bin/../w.bin", "/dev/zero", "a/../w.bin"):
            refused(f"OX-20 {place[:30]!r}", external({"location": place, "length": 16}), PLACE)
        m = external({"location": "w.bin"}).SerializeToString()
        at = m.index(b"w.bin")
        refused("OX-20 NUL", m[:at] + b"w\0bin" + m[at + 5:], "NUL")
        refused("OX-20 no location", external({"offset": 0, "length": 16}), PLACE)
        # OX-22: the model by its bare name, from the folder it lies in.
        put(external({"location": f"../{outside.name}", "length": 16}))
        refused("OX-22", None, PLACE, "convert", "in.onnx", "-o", "out.onnx", "--to", "fp16")
        os.symlink(HOME.parent, HOME / "link")
        put(external({"location": f"link/{outside.name}", "length": 16}))
        refused("OX-22 a linked folder", None, PLACE, "convert", "in.onnx", "-o", "out.onnx", "--to",
                "fp16")
    finally:
        outside.unlink()


def rows_of_links():
    """OX-21: links, pipes, devices and folders as data files"""
    fresh()
    outside = HOME.parent / f"{HOME.name}-outside.bin"
    outside.write_bytes(BYTES)
    try:
        os.symlink("w.bin", HOME / "inside")
        os.symlink(outside, HOME / "outside")
        os.symlink("/dev/zero", HOME / "zero")
        os.symlink("loop", HOME / "loop")
        os.link(outside, HOME / "hard")
        os.mkfifo(HOME / "pipe")
        (HOME / "real").mkdir()
        (HOME / "real/w.bin").write_bytes(BYTES)
        os.symlink("real", HOME / "folder")
        for place in ("inside", "outside", "zero", "loop", "hard", "pipe", "real", "folder/w.bin"):
            refused(f"OX-21 {place}", external({"location": place, "length": 16}), PLACE)
        accepted("a real folder", external({"location": "real/w.bin", "length": 16}))
    finally:
        outside.unlink()
        (HOME / "hard").unlink(missing_ok=True)


def rows_of_ranges():
    """OX-23: offsets and lengths"""
    fresh()
    for bad in (-1, "abc", "", " 0", "0x0", "1e1", 1 << 63, 1 << 64, (1 << 64) - 8, 17, 4, "+0", "0 "):
        refused(f"OX-23 offset {bad!r}", external({"location": "w.bin", "offset": bad, "length": 16}),
                "'w'|offset")
    for bad in (-1, "abc", 15, 17, 8, 0, 1 << 63, 1 << 64, (1 << 64) - 1):
        refused(f"OX-23 length {bad!r}", external({"location": "w.bin", "offset": 0, "length": bad}),
                "'w'|length")
    refused("OX-23 the sum wraps", external({"location": "w.bin", "offset": (1 << 63) - 8, "length": 16}),
            "'w'|offset")
    refused("OX-23 dims", external({"location": "w.bin"}, (5,)), "'w'")
    refused("OX-23 dims and length", external({"location": "w.bin", "length": 16}, (3,)), "'w'")
    refused("OX-23 huge dims", external({"location": "w.bin"}, (1 << 40, 1 << 40)), "'w'")
    refused("OX-23 missing", external({"location": "nowhere.bin", "length": 16}), "nowhere.bin")
    (HOME / "w.bin").write_bytes(b"")
    refused("OX-23 empty", external({"location": "w.bin", "length": 16}), "'w'|w.bin")


def rows_of_keys():
    """OX-24, OX-25: keys, doubled ones, the marker of an address in memory; raw data as well"""
    fresh()
    entries = [("location", "w.bin"), ("offset", "0"), ("length", "16")]
    accepted("OX-24 unknown key", external(entries + [("colour", "red")]), "colour|external")
    for key, v in entries:
        refused(f"OX-24 {key} twice", external(entries + [(key, v)]), "twice|'w'")
    # Nobody computes it: then it must be said that it was not looked at.
    accepted("OX-24 checksum", external(entries + [("checksum", "0" * 40)]), "checksum")
    for marker in ("*/_ORT_MEM_ADDR_/*", "*/_ORT_MEM_ADDR_/*1", "_ORT_MEM_ADDR_"):
        refused(f"OX-25 {marker}", external({"location": marker, "offset": 4096, "length": 16}), PLACE)
    m = external({"location": "w.bin", "length": 16})
    m.graph.initializer[0].raw_data = BYTES
    refused("raw data as well", m, "'w'")
    t = onnx.TensorProto(name="", data_type=T.FLOAT, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    t.external_data.add(key="location", value="../w.bin")
    refused("in a Constant", good(nodes=[onnx.helper.make_node("Constant", [], ["c"], value=t),
                                         onnx.helper.make_node("Mul", ["x", "c"], ["y"])]),
                                         PLACE)
    branch = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "w"], ["t"])], "t", [],
                                    [onnx.helper.make_tensor_value_info("t", T.FLOAT, None)],
                                    [external({"location": "/etc/passwd",
                                               "length": 16}).graph.initializer[0]])
    refused("in a branch", good(nodes=[onnx.helper.make_node("If", ["k"], ["y"], then_branch=branch,
                                                             else_branch=branch)],
                                inputs=[good().graph.input[0],
                                        onnx.helper.make_tensor_value_info("k", T.BOOL, [])], inits=[]),
                                        PLACE)


def rows_of_outputs():
    """Where the result's own data goes: never over the source's, never out of the output's folder"""
    fresh()
    put(external({"location": "w.bin", "length": 16}))
    before = {k: v for k, *v in listing()}
    for out in ("w.bin", "./w.bin"):
        code, _, error, _ = run("convert", "in.onnx", "-o", out, "--to", "fp16")
        check(f"not over the source's data: {out}", code in (1, 2), f"{code} {error!r}")
    after = {k: v for k, *v in listing()}
    check("the source is as it was", all(after[k] == v for k, v in before.items()))
    code, _, error, _ = run("convert", "in.onnx", "-o", "nowhere/out.onnx", "--to", "fp16")
    check("no such folder", code == 1 and b"nowhere" in error, f"{code} {error!r}")
    (HOME / "out.onnx.data").write_bytes(b"mine")
    accepted("a file of that name beside it", external({"location": "w.bin", "length": 16}))


if __name__ == "__main__":
    main(globals())
