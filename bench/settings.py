"""Where things are, and how long to measure: the environment that run.sh sets, read once."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
DATA = pathlib.Path(os.environ["RINGKAS_DATA"]).resolve()
ENCODER = DATA / "indobert-base-p2"
RINGKAS = pathlib.Path(os.environ["RINGKAS"]).resolve()
THREADS = int(os.environ["BENCH_THREADS"])
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
MAX_LENGTH = 128    # tokens, as the old pipeline cuts and pads
