"""What the tests of bad ONNX files share. A refusal must be one line on stderr that names the file and what
is wrong, with nothing from the file in it that a terminal would obey; no file made or changed; no signal,
no sanitizer report."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import onnx
from onnx import TensorProto as T
from onnx import helper as h

HOME = pathlib.Path(tempfile.mkdtemp(prefix="ringkas-bad-"))
FILE, OUT = HOME / "in.onnx", HOME / "out.onnx"
failures, checks = [], 0


def check(what, ok, detail=""):
    global checks
    checks += 1
    if not ok:
        failures.append(what)
        print(f"FAIL {what} {detail}"[:500], flush=True)
    return bool(ok)


def listing():
    return sorted((str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in HOME.rglob("*"))


def run(*argv, limit_s=60):
    began = time.monotonic()
    try:
        done = subprocess.run([os.environ["RINGKAS"], *map(str, argv)], capture_output=True, timeout=limit_s,
                              cwd=HOME, check=False)
    except subprocess.TimeoutExpired:
        return -1, b"", b"no end", limit_s
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


def put(model):
    """Writes a model, or bytes, to FILE."""
    FILE.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())


def plain(error):
    """One line, printable, not too long."""
    try:
        text = error.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.count("\n") == 1 and text.endswith("\n") and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]",
                                                                           text) \
        and len(text) < 1200


def refused(row, model, pattern, *argv, names="in.onnx"):
    """argv: the command; by default a conversion."""
    if model is not None:
        put(model)
    OUT.unlink(missing_ok=True)
    before = listing()
    code, out, error, _ = run(*(argv or ("convert", FILE, "-o", OUT, "--to", "fp16")))
    ok = code == 1 and not out and plain(error) and error.startswith(b"ringkas: ") and names.encode() in error
    ok = check(f"{row}: refused in one line", ok, f"exit {code} {error[:300]!r}")
    if ok:
        check(f"{row}: says why", re.search(pattern, error.decode(), re.I),
              f"want /{pattern}/: {error.decode()}")
    check(f"{row}: leaves no trace", listing() == before)
    return ok


def accepted(row, model, warning=None, *options):
    """Converted; with a warning, in exactly one line that matches it."""
    if model is not None:
        put(model)
    OUT.unlink(missing_ok=True)
    code, _, error, seconds = run("convert", FILE, "-o", OUT, "--to", "fp16", "--json", *options)
    if not check(f"{row}: accepted", code == 0, f"exit {code} {error[:300]!r}"):
        return None
    if warning:
        check(f"{row}: warns once", plain(error) and re.search(warning, error.decode(), re.I), repr(error))
    elif "--quiet" not in options:
        lines = [x for x in error.decode().splitlines() if "wrote" not in x]
        check(f"{row}: without a warning", not lines, repr(error[:300]))
    return seconds


def harmless(row, model, *argv):
    """Accepted or refused, but in the manner of either."""
    put(model)
    OUT.unlink(missing_ok=True)
    code, _, error, _ = run(*(argv or ("convert", FILE, "-o", OUT, "--to", "fp16", "--quiet")))
    check(f"{row}: no crash", code == 0 or code == 1 and plain(error), f"exit {code} {error[:300]!r}")
    if code:
        check(f"{row}: no half file", not OUT.exists())


def value(name, kind=T.FLOAT, shape=("n",)):
    return h.make_tensor_value_info(name, kind, shape)


def const(name, numbers, kind=T.FLOAT):
    return h.make_tensor(name, kind, [len(numbers)], numbers)


def good(nodes=None, inits=None, inputs=None, outputs=None, opset=17, **more):
    """x -> Neg -> Mul with w -> y, or other parts of it."""
    nodes = nodes if nodes is not None else [h.make_node("Neg", ["x"], ["a"], name="first"),
                                             h.make_node("Mul", ["a", "w"], ["y"], name="second")]
    graph = h.make_graph(nodes, "g", inputs if inputs is not None else [value("x")],
                         outputs if outputs is not None else [value("y")],
                         inits if inits is not None else [const("w", [0.5])])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8, **more)


def varint(n):
    n, out = n & (1 << 64) - 1, b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, data):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def main(names):
    wanted = sys.argv[1:]
    began = time.monotonic()
    for name, test in list(names.items()):
        if name.startswith("rows_") and (not wanted or name in wanted):
            before, start = len(failures), time.monotonic()
            try:
                test()
            except Exception as e:
                check(f"{name} runs to its end", False, f"{type(e).__name__}: {e}")
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {test.__doc__.splitlines()[0]} "
                  f"({time.monotonic() - start:.1f} s)", flush=True)
    subprocess.run(["rm", "-rf", str(HOME)], check=False)
    print(f"{checks} checks, {len(failures)} failed, {time.monotonic() - began:.1f} s")
    sys.exit(1 if failures or not checks else 0)


def load(path):
    return onnx.load(str(path), load_external_data=False)
