"""Runs one timed process at a time, and says what it used and what else the machine did meanwhile."""
import os
import statistics
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def spread(values):
    """Median, lowest, highest."""
    return [statistics.median(values), min(values), max(values)]


def quantile(values, q):
    """Between the two nearest values in a line."""
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def busy_seconds():
    """Processor seconds of the whole machine that were not idle; stolen ones count as busy."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


class Machine:
    """Collects, over all timed processes, how much of the processors went to others."""

    def __init__(self):
        self.wall = self.foreign = 0.0

    def add(self, wall, busy, own):
        self.wall += wall
        self.foreign += max(0.0, busy - own)

    def foreign_share(self):
        """Of all processors; over a few hundredths, the numbers are not results."""
        return self.foreign / (self.wall * os.cpu_count()) if self.wall else 0.0


def run(argv, machine, env=None, log=None):
    """Runs argv to its end: (stdout, peak resident bytes, seconds). Its stderr goes to the file `log`,
    and its end to ours when it fails."""
    argv = [str(a) for a in argv]
    busy, began = busy_seconds(), time.perf_counter()
    with open(log or os.devnull, "wb") as err, subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=err, env={**os.environ, **(env or {})}) as child:
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    machine.add(wall, busy_seconds() - busy, usage.ru_utime + usage.ru_stime)
    if child.returncode:
        if log:
            with open(log, encoding="utf-8", errors="replace") as err:
                sys.stderr.write("".join(err.readlines()[-15:]))
        raise RuntimeError(f"exit {child.returncode}: {' '.join(argv)}")
    return out.decode(), usage.ru_maxrss * 1024, wall


def resident(key="VmRSS"):
    """Bytes of this process: VmRSS now, VmHWM at most so far."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0
