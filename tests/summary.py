#!/usr/bin/env python3
"""Sums up CTest's JUnit files: summary.py NAME=FILE.xml ...

Prints every failed test and every skipped one with its reason, then the line
`N passed, N failed, N skipped`. A test that passed but left a part out (a line that starts with
SKIP:, or a cmocka case marked SKIPPED) counts as passed, and its part as skipped. A test that
could not be started has failed. Exit 1 when a test failed or none ran.
"""
import re
import sys
import xml.etree.ElementTree as ET

PART = re.compile(r"^(?:SKIP:\s*(?P<why>.*)|\[\s*SKIPPED\s*\]\s*(?P<case>\w+)\s*)$")


def reason_of(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if line.startswith("SKIP"):
            return line[4:].lstrip(": ")
    return lines[-1] if lines else "no reason given"


def left_out(output):
    """The parts a passed test left out, each once (cmocka repeats them in its summary)."""
    parts = []
    for line in output.splitlines():
        match = PART.match(line.strip())
        if match:
            part = match.group("why") or match.group("case") or "no reason given"
            if part not in parts:
                parts.append(part)
    return parts


def read(path):
    """Yields (test, verdict, output) of one JUnit file."""
    for case in ET.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        skipped = case.find("skipped")
        if case.get("status") == "run":
            verdict = "passed"
        elif skipped is not None and "SKIP_" in (skipped.get("message") or ""):
            verdict = "skipped"
        else:
            verdict = "failed"
        yield case.get("name"), verdict, output


def main(args):
    passed, failed, skipped = 0, [], []
    for arg in args:
        label, _, path = arg.rpartition("=")
        suffix = f" ({label})" if label else ""
        try:
            results = list(read(path))
        except (OSError, ET.ParseError) as error:
            failed.append(f"no results of CTest{suffix}: {error}")
            continue
        for name, verdict, output in results:
            if verdict == "failed":
                failed.append(f"{name}{suffix}")
            elif verdict == "skipped":
                skipped.append(f"{name}{suffix}: {reason_of(output)}")
            else:
                passed += 1
                skipped += [f"{name}{suffix}, a part: {part}" for part in left_out(output)]
    for line in failed:
        print(f"failed: {line}")
    for line in skipped:
        print(f"skipped: {line}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
