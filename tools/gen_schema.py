#!/usr/bin/env python3
"""Writes src/onnx/schema.def: what each standard ONNX operator takes and gives, by version.

    build/venv/bin/python tools/gen_schema.py > src/onnx/schema.def

The facts come from the installed onnx package. src/onnx/schema.h explains the fields."""
import onnx

OTHER = 31                                  # sequences, optionals, maps, sparse tensors
KIND = {"Single": ".", "Optional": "?", "Variadic": "*"}
ATTR = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "p",
        "TYPE_PROTO": "y", "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T",
        "GRAPHS": "G", "SPARSE_TENSORS": "P", "TYPE_PROTOS": "Y"}
UNLIMITED = 65535


def bit(type_str):
    if not type_str.startswith("tensor("):
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


def main():
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""]
    schemas.sort(key=lambda s: (s.name, s.since_version))
    masks, rows = [], []
    for s in schemas:
        if s.deprecated:
            rows.append(f'RK_DEPRECATED("{s.name}", {s.since_version})')
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
            f'RK_OPERATOR("{s.name}", {s.since_version}, {s.min_input}, {count(s.max_input)}, '
            f'{s.min_output}, {count(s.max_output)}, "{ins}", "{outs}", "{variables}",\n'
            f"    {wrap(attributes)})")
    print(f"/* Made by tools/gen_schema.py from onnx {onnx.__version__}: do not edit.")
    print(" * clang-format off */")
    print("#ifndef RK_TYPES\n#define RK_TYPES(number, mask)\n#endif")
    print("#ifndef RK_OPERATOR\n#define RK_OPERATOR(...)\n#endif")
    print("#ifndef RK_DEPRECATED\n#define RK_DEPRECATED(name, since)\n#endif")
    print(f"#define RK_OPSET_MAX {onnx.defs.onnx_opset_version()}")
    print(f"#define RK_IR_MAX {onnx.IR_VERSION}")
    for i, mask in enumerate(masks):
        print(f"RK_TYPES({i}, 0x{mask:08x})")
    print("\n".join(rows))
    print("#undef RK_TYPES\n#undef RK_OPERATOR\n#undef RK_DEPRECATED")


if __name__ == "__main__":
    main()
