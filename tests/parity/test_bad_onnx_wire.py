"""Bad ONNX files, the protobuf wire: rows OW-01 to OW-14, and sweeps over every byte of a small file."""
import json
import random

import onnx
from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError

from bad_lib import (FILE, OUT, T, accepted, check, const, field, good, h, harmless, load, main, plain, put,
                     refused, run, value, varint)

IR_VERSION, GRAPH, PRODUCER = 1, 7, 2


def rows_varints():
    """OW-01, OW-02: varints that are too long, cut, too large; field numbers and wire types"""
    rest = good().SerializeToString()
    refused("OW-01 11 bytes", b"\x08" + b"\x80" * 10 + b"\x01" + rest, "64 bits|varint")
    refused("OW-01 cut", rest + b"\x08\x80", "cut|end")
    refused("OW-01 above 64 bits", b"\x08" + b"\xff" * 9 + b"\x02" + rest, "64 bits|varint")
    refused("OW-02 number 0", rest + b"\x00\x01", "field number")
    refused("OW-02 number 2^29", rest + varint(1 << 29 << 3) + b"\x01", "field number|64 bits|tag")
    for kind in (6, 7):
        refused(f"OW-02 wire type {kind}", rest + varint(99 << 3 | kind), "wire type")


def rows_lengths():
    """OW-03: lengths past the end"""
    body = good().graph.SerializeToString()
    for length in (1 << 63, (1 << 64) - 1, 1 << 32, 1 << 31, len(body) + 1):
        refused(f"OW-03 {length}", b"\x08\x08" + varint(GRAPH << 3 | 2) + varint(length) + body,
                "announced|left|past|end")


def rows_groups():
    """OW-04, OW-05: groups and messages nested too deep, ends without a beginning"""
    rest = good().SerializeToString()
    refused("OW-04 100,000 groups", rest + varint(99 << 3 | 3) * 100000, "group|wire type|deep")
    refused("OW-04 closed", rest + varint(99 << 3 | 3) * 100000 + varint(99 << 3 | 4) * 100000,
            "group|wire type|deep")
    refused("OW-04 unbalanced end", rest + varint(99 << 3 | 4), "group|wire type")
    body = b""
    for _ in range(200):    # graph { node { attribute { g { ...
        body = field(1, field(5, field(6, body)))
    refused("OW-05", b"\x08\x08" + field(GRAPH, body), "deep")


def rows_fields():
    """OW-06 to OW-09: wrong wire types, packed and not, fields twice, two models in one file"""
    rest = good().SerializeToString()
    refused("OW-06 producer", rest + varint(PRODUCER << 3 | 0) + b"\x05", "wire type")
    refused("OW-06 graph", varint(GRAPH << 3 | 0) + b"\x05" + b"\x08\x08", "wire type")
    refused("OW-06 ir_version", rest + varint(IR_VERSION << 3 | 5) + b"\0\0\0\0", "wire type")
    m = good(inits=[])
    packed = varint(2) + varint(1)
    tensor = (field(1, packed) + varint(1 << 3) + varint(3) + varint(2 << 3) + varint(1) + field(8, b"w") +
              field(9, b"\0" * 24))
    m.graph.ClearField("initializer")
    graph = m.graph.SerializeToString() + field(5, tensor)
    m.ClearField("graph")
    if accepted("OW-07", m.SerializeToString() + field(GRAPH, graph)) is not None:
        check("OW-07: dimensions in order", list(load(OUT).graph.initializer[0].dims) == [2, 1, 3])
    if accepted("OW-08", rest + field(PRODUCER, b"one") + field(PRODUCER, b"two") +
                varint(IR_VERSION << 3) + varint(9)) is not None:
        check("OW-08: the last one wins", load(OUT).ir_version == 9)
    refused("OW-09", rest + rest, "twice|second")


def rows_unknown():
    """OW-10: a million unknown fields, one of 100 MiB: skipped in linear time"""
    rest = good().SerializeToString()
    seconds = accepted("OW-10 many", rest + (varint(99 << 3) + b"\x05") * 1000000, None, "--quiet")
    check("OW-10: linear", seconds is None or seconds < 10, str(seconds))
    seconds = accepted("OW-10 large", rest + field(99, b"\x55" * (100 << 20)), None, "--quiet")
    check("OW-10: at once", seconds is None or seconds < 20, str(seconds))
    OUT.unlink(missing_ok=True)


def rows_values():
    """OW-11, OW-12: packed floats of an odd length, strings"""
    m = good(inits=[])
    tensor = varint(1 << 3) + varint(1) + varint(2 << 3) + varint(1) + field(8, b"w")
    graph = m.graph.SerializeToString()
    m.ClearField("graph")
    for n in (3, 5, 7):
        refused(f"OW-11 {n}", m.SerializeToString() + field(GRAPH,
                                                            graph + field(5, tensor + field(4, b"\0" * n))),
                "packed")
    node = field(2, b"y") + field(4, b"Neg")
    for row, name, says in (("invalid UTF-8", b"a\xff\xfe", "UTF-8"), ("NUL", b"a\0b", "NUL"),
                            ("overlong", b"a\xc0\x80", "UTF-8"), ("surrogate", b"\xed\xa0\x80", "UTF-8")):
        bad = m.SerializeToString() + field(GRAPH, field(1, field(1, name) + node) + field(2, b"g"))
        refused(f"OW-12 {row}", bad, says)
    for name in ("a\nb", "a\x1b[31mb", "a" * 5000, "\u202e", "a'b\"c"):
        refused(f"OW-12 {name[:9]!r}", good(nodes=[h.make_node("Neg", [name], ["y"])], inits=[]),
                "reads|1,?024|long")


def rows_other_forms():
    """OW-13, OW-14: text and JSON forms, more than 2 GiB, no model at all"""
    m = good()
    refused("OW-13 text", text_format.MessageToString(m).encode(), "text")
    refused("OW-13 JSON", json_format.MessageToJson(m).encode(), "JSON")
    refused("OW-13 JSON, compact", json.dumps(json_format.MessageToDict(m)).encode(), "JSON")
    for row, data, says in (("empty", b"", "empty"), ("zeros", b"\0" * 4096, "field number|ONNX|zero"),
                            ("HTML", b"<!DOCTYPE html><html>", "HTML"),
                            ("a zip", b"PK\3\4" + b"\0" * 60, "zip"),
                            ("LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
                             "LFS"),
                            ("an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "ONNX|wire|field")):
        refused(f"AN {row}", data, says)
    with open(FILE, "wb") as file:
        file.write(m.SerializeToString())
        file.truncate(2 << 30)
    code, _, error, seconds = run("convert", FILE, "-o", OUT, "--to", "fp16")
    check("OW-14: refused at once", code == 1 and plain(error) and seconds < 5,
          f"{code} {error!r} {seconds:.1f}")
    check("OW-14: says why",
          b"2 GiB" in error or b"2147483648" in error or b"GB" in error or b"larger" in error,
          repr(error))
    FILE.unlink()


def seed():
    """Integers only, so that a conversion must give the same graph; most kinds of field."""
    return h.make_model(h.make_graph(
        [h.make_node("Add", ["x", "w"], ["a"], name="n1", doc_string="d"),
         h.make_node("Concat", ["a", "v"], ["b"], name="n2", axis=0),
         h.make_node("Cast", ["b"], ["y"], to=6)], "g", [value("x", T.INT64, ("n",))],
        [value("y", T.INT32, ("m",))], [const("w", [3], T.INT64),
                                        h.make_tensor("v", T.INT64, [2], b"\1" * 16, True)]),
        opset_imports=[h.make_opsetid("", 17)], ir_version=8, producer_name="p")


def compare(row, data):
    """Refused by contract, or accepted with what the reference reader reads."""
    put(data)
    code, _, error, _ = run("convert", FILE, "-o", OUT, "--to", "fp16", "--quiet")
    if code == 1:
        return check(f"{row}: one line", plain(error), repr(error)) and False
    if not check(f"{row}: refused or accepted", code == 0, f"exit {code} {error[:200]!r}"):
        return False
    try:
        theirs = onnx.ModelProto.FromString(data)
    except DecodeError:
        return check(f"{row}: the reference reader refuses it", False)
    ours = load(OUT)
    for g in (theirs.graph, ours.graph):
        del g.value_info[:]
        for t in g.initializer:     # raw or typed is the writer's choice
            a = onnx.numpy_helper.to_array(t)
            t.CopyFrom(onnx.numpy_helper.from_array(a, t.name))
    ours, theirs = (m.graph.SerializeToString(deterministic=True) for m in (ours, theirs))
    check(f"{row}: the same content", ours == theirs)
    return True


def rows_sweep():
    """SW-01, SW-02, SW-04: cut after every byte, every byte changed, bytes appended"""
    data = seed().SerializeToString()
    check("the seed is accepted", compare("seed", data))
    for n in range(len(data)):
        # A prefix that ends between two fields is a message of its own.
        compare(f"SW-01 {n}", data[:n])
    for i, old in enumerate(data):
        for new in {0, 255, old ^ 1, old ^ 128} - {old}:
            compare(f"SW-02 {i} {old} {new}", data[:i] + bytes([new]) + data[i + 1:])
    for name, more in (("a byte", b"\x00"), ("zeros", b"\0" * 4096), ("spaces", b" " * 4096),
                       ("itself", data),
                       ("a zip", b"PK\3\4" + b"\0" * 26), ("ELF", b"\x7fELF" + b"\0" * 60)):
        compare(f"SW-04 {name}", data + more)


def rows_numbers():
    """SW-03, SW-05, SW-06: counts and sizes replaced, parts doubled, moved, dropped, spliced"""
    m, limit = seed(), (1 << 63) - 1
    for n in (0, 1, -1, 2, 3, limit, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, -(1 << 63)):
        for where in ("dims", "ir", "opset", "to", "axis", "data_type", "type"):
            bad = onnx.ModelProto.FromString(m.SerializeToString())
            try:
                if where == "dims":
                    bad.graph.initializer[1].dims[0] = n
                elif where == "ir":
                    bad.ir_version = n
                elif where == "opset":
                    bad.opset_import[0].version = n
                elif where in ("to", "axis"):
                    bad.graph.node[2 if where == "to" else 1].attribute[0].i = n
                elif where == "data_type":
                    bad.graph.initializer[0].data_type = n
                else:
                    bad.graph.input[0].type.tensor_type.elem_type = n
            except ValueError:      # does not fit the field's 32 bits
                continue
            harmless(f"SW-03 {where} {n}", bad)
    parts = split(m.SerializeToString())
    inner = split(m.graph.SerializeToString())
    other = split(good(nodes=[h.make_node("Neg", ["x"], ["y"])], inits=[], inputs=[value("x", T.INT64)],
                       outputs=[value("y", T.INT64)]).SerializeToString())
    rng = random.Random(1)
    for k in range(len(parts)):
        for name, some in (("twice", parts + [parts[k]]), ("gone", parts[:k] + parts[k + 1:]),
                           ("last", parts[:k] + parts[k + 1:] + [parts[k]]),
                           ("spliced", parts[:k] + other[min(k, len(other) - 1):])):
            compare(f"SW-05 part {k} {name}", b"".join(some))
    head = b"".join(p for p in parts if p[0] != GRAPH << 3 | 2)
    for k in range(len(inner)):
        for name, some in (("twice", inner + [inner[k]]), ("gone", inner[:k] + inner[k + 1:]),
                           ("last", inner[:k] + inner[k + 1:] + [inner[k]]),
                           ("shuffled", rng.sample(inner, len(inner)))):
            compare(f"SW-05 graph {k} {name}", head + field(GRAPH, b"".join(some)))


def split(data):
    """The top-level fields of a message as bytes."""
    out, at = [], 0

    def number(i):
        n = shift = 0
        while True:
            n |= (data[i] & 127) << shift
            shift, i = shift + 7, i + 1
            if data[i - 1] < 128:
                return n, i
    while at < len(data):
        tag, i = number(at)
        if tag & 7 == 2:
            length, i = number(i)
            i += length
        elif tag & 7 == 0:
            _, i = number(i)
        else:
            i += 4 if tag & 7 == 5 else 8
        out.append(data[at:i])
        at = i
    return out


if __name__ == "__main__":
    main(globals())
