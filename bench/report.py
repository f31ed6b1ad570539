"""One result, twice: a table for people (build/bench/NAME.txt, and printed) and JSON beside it."""
import importlib.metadata
import json
import os
import platform
import subprocess

import settings

QUIET = 0.03    # share of the processors that others may have had


def installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(packages):
    ringkas = subprocess.run([settings.RINGKAS, "--version"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.split()[-1]
    found = {"ringkas": ringkas, "python": platform.python_version()}
    for package in packages:
        found[package] = importlib.metadata.version(package)
    return found


def processor():
    name, flags = "unknown processor", []
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = value.split()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
    with open("/proc/meminfo", encoding="ascii") as memory:
        gib = int(memory.readline().split()[1]) / 2**20
    return {"name": name, "processors": os.cpu_count(), "levels": [w for w in wanted if w in flags],
            "memory_gib": round(gib, 1)}


def number(value):
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 \
            else f"{value:.1f}"
    return str(value)


def with_spread(values):
    """median (lowest-highest), or the value alone where all are one."""
    middle, low, high = values
    if low == high:
        return number(middle)
    return f"{number(middle)} ({number(low)}-{number(high)})"


def table(heads, rows):
    """Columns as wide as their widest cell; all but the first to the right."""
    cells = [[c if isinstance(c, str) else "-" if c is None else number(c) for c in row] for row in rows]
    width = [max(len(r[i]) for r in [heads] + cells) for i in range(len(heads))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, width)))
             for r in [heads, ["-" * w for w in width]] + cells]
    return "\n".join(line.rstrip() for line in lines)


def publish(name, packages, machine, parts, record):
    """parts: texts printed one after another. record: what the JSON holds, the machine added."""
    cpu, used, foreign = processor(), versions(packages), machine.foreign_share()
    head = [f"{cpu['name']}, {cpu['processors']} processors, {', '.join(cpu['levels'])}; "
            f"{settings.THREADS} threads; {cpu['memory_gib']} GiB",
            ", ".join(f"{k} {v}" for k, v in used.items())]
    note = [f"Other work had {foreign:.1%} of the processors during the timed runs."
            + ("" if foreign <= QUIET else " NOT A RESULT: the machine was not quiet.")]
    if settings.QUICK:
        note.append("Quick form: too few rows and rounds to be a result.")
    if settings.SMALLER:
        note.append(f"{settings.LAYERS} layers instead of IndoBERT's 12: no result.")
    text = "\n\n".join(["\n".join(head)] + parts + ["\n".join(note)]) + "\n"
    record = {"cpu": cpu, "versions": used, "threads": settings.THREADS, "quick": settings.QUICK,
              "layers": settings.LAYERS,
              "foreign_share": round(foreign, 4), **record}
    (settings.OUT / f"{name}.txt").write_text(text, encoding="utf-8")
    (settings.OUT / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text, end="")
    print(f"also in build/bench/{name}.txt and {name}.json")
