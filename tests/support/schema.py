"""schema.py SCHEMA.json REPORT.json...: checks reports against doc/report.schema.json (the part of
JSON Schema that it uses), that each of their fields is in it, and that each field has a description.
schema.py SCHEMA.json --keys FILE.c: each key of the tables { "key", KIND, ...} there is in it."""
import json
import re
import sys

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"$schema", "title", "type", "description", "properties", "additionalProperties", "items",
         "minItems", "maxItems", "minimum", "maximum", "required"}


def is_a(value, kind):
    if kind in ("integer", "number"):
        whole = isinstance(value, int) or (isinstance(value, float) and kind == "number")
        return whole and not isinstance(value, bool)
    return isinstance(value, KINDS[kind])


def validate(schema, value, place, faults):
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(is_a(value, kind) for kind in kinds):
        faults.append("%s: %r is not %s" % (place, value, " or ".join(kinds)))
        return
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                faults.append("%s: lacks %s" % (place, key))
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if inner is None:
                faults.append("%s.%s: is not documented" % (place, key))
            else:
                validate(inner, item, "%s.%s" % (place, key), faults)
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            faults.append("%s: %d items" % (place, len(value)))
        for i, item in enumerate(value):
            validate(schema["items"], item, "%s[%d]" % (place, i), faults)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            faults.append("%s: %r is out of range" % (place, value))


def described(schema, place, faults, keys):
    for word in set(schema) - KNOWN:
        faults.append("%s: %s is not understood here" % (place, word))
    if not schema.get("description"):
        faults.append("%s: has no description" % place)
    for key, inner in schema.get("properties", {}).items():
        keys.add(key)
        described(inner, place + "." + key, faults, keys)
    for word in ("items", "additionalProperties"):
        if word in schema:
            described(schema[word], place + "[]", faults, keys)


def main(argv):
    schema = json.load(open(argv[0]))
    faults, keys = [], set()
    described(schema, "schema", faults, keys)
    if argv[1] == "--keys":
        read = re.findall(r'\{ "(\w+)", [A-Z_]+,', open(argv[2]).read())
        if len(read) < 50:
            faults.append("%s: only %d keys found" % (argv[2], len(read)))
        faults += ["%s is read but not in the schema" % k for k in sorted(set(read) - keys)]
    else:
        for path in argv[1:]:
            validate(schema, json.load(open(path)), path, faults)
    print("\n".join(faults[:20]) if faults else "%d fields, all described" % len(keys))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
