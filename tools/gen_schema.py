#!/usr/bin/env python3
"""Writes src/onnx/schema.def: what each ONNX operator takes and gives, by domain and version.

    build/venv/bin/python tools/gen_schema.py > src/onnx/schema.def

The facts come from the installed onnx package (all domains, all versions) and, for com.microsoft and the
few names that ONNX Runtime adds to the default domain, from the schemas that the installed onnxruntime
registers, the same that its document of contributed operators is made from. src/onnx/schema.h explains
the fields."""
import onnx
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

OTHER = 31                                  # sequences, optionals, maps, sparse tensors
KIND = {"Single": ".", "Optional": "?", "Variadic": "*"}
ATTR = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "p",
        "TYPE_PROTO": "y", "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T",
        "GRAPHS": "G", "SPARSE_TENSORS": "P", "TYPE_PROTOS": "Y"}
UNLIMITED = 65535


def bit(type_str):
    if not type_str.startswith("tensor("):   # sequences, optionals, maps, sparse tensors, opaque
        return OTHER
    number = onnx.TensorProto.DataType.Value(type_str[7:-1].upper())
    if number >= OTHER:
        raise SystemExit(f"element type {type_str} = {number} does not fit the masks")
    return number


def mask_of(types):
    mask = 0
    for t in types:
        mask |= 1 << bit(t)
    return mask


def count(n):
    return UNLIMITED if n > UNLIMITED else n


def wrap(text, width=84):
    """A C string literal, over several lines where it is long."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line + " ")
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\n    ".join(f'"{part}"' for part in lines)


class Runtime:
    """A schema of onnxruntime under the names that the onnx package uses."""

    def __init__(self, s):
        self.name, self.domain, self.since_version = s.name, s.domain, s.since_version
        self.deprecated, self.attributes = s.deprecated, s.attributes
        self.type_constraints = s.type_constraints
        self.min_input, self.max_input = s.min_input, s.max_input
        self.min_output, self.max_output = s.min_output, s.max_output
        self.inputs = [Parameter(p) for p in s.inputs]
        self.outputs = [Parameter(p) for p in s.outputs]


class Parameter:
    def __init__(self, p):
        self.type_str, self.option, self.is_homogeneous = p.typeStr, p.option, p.isHomogeneous


def all_schemas():
    standard = list(onnx.defs.get_all_schemas_with_history())
    names = {s.name for s in standard if s.domain == ""}
    seen = set()
    for s in get_all_operator_schema():
        mine = s.domain == "com.microsoft" or (s.domain == "" and s.name not in names)
        if mine and (s.domain, s.name, s.since_version) not in seen:
            seen.add((s.domain, s.name, s.since_version))
            standard.append(Runtime(s))
    return sorted(standard, key=lambda s: (s.domain, s.name, s.since_version))


def main():
    masks, rows = [], []
    for s in all_schemas():
        if s.deprecated:
            rows.append(f'RK_DEPRECATED("{s.domain}", "{s.name}", {s.since_version})')
            continue
        allowed = {c.type_param_str: c.allowed_type_strs for c in s.type_constraints}
        letters = {}

        def params(formal):
            out = ""
            for p in formal:
                letter = letters.setdefault(p.type_str, chr(ord("A") + len(letters)))
                kind = KIND[p.option.name]
                out += letter + ("+" if kind == "*" and not p.is_homogeneous else kind)
            return out

        ins, outs = params(s.inputs), params(s.outputs)
        variables = ""
        for type_str in letters:
            mask = mask_of(allowed.get(type_str, [type_str]))
            if mask not in masks:
                masks.append(mask)
            variables += f"{masks.index(mask):02x}"
        attributes = " ".join(
            f"{a.name}:{ATTR[a.type.name]}{'!' if a.required else ''}"
            for a in sorted(s.attributes.values(), key=lambda a: a.name))
        rows.append(
            f'RK_OPERATOR("{s.domain}", "{s.name}", {s.since_version}, {s.min_input}, '
            f'{count(s.max_input)}, {s.min_output}, {count(s.max_output)},\n'
            f'    "{ins}", "{outs}",\n    "{variables}",\n    {wrap(attributes)})')
    print(f"/* Made by tools/gen_schema.py from onnx {onnx.__version__} "
          f"and onnxruntime {onnxruntime.__version__}: do not edit.")
    print(" * clang-format off */")
    print("#ifndef RK_TYPES\n#define RK_TYPES(number, mask)\n#endif")
    print("#ifndef RK_OPERATOR\n#define RK_OPERATOR(...)\n#endif")
    print("#ifndef RK_DEPRECATED\n#define RK_DEPRECATED(domain, name, since)\n#endif")
    print(f"#define RK_OPSET_MAX {onnx.defs.onnx_opset_version()}")
    print(f"#define RK_IR_MAX {onnx.IR_VERSION}")
    for i, mask in enumerate(masks):
        print(f"RK_TYPES({i}, 0x{mask:08x})")
    print("\n".join(rows))
    print("#undef RK_TYPES\n#undef RK_OPERATOR\n#undef RK_DEPRECATED")


if __name__ == "__main__":
    main()
