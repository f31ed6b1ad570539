"""Where things are, and how long to measure: the environment that run.sh sets, read once."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
PEERS = ROOT / "build" / "bench-peers"    # a folder for each tool that peers.sh installs
DATA = pathlib.Path(os.environ["RINGKAS_DATA"]).resolve()
ENCODER = DATA / "indobert-base-p2"
RINGKAS = pathlib.Path(os.environ["RINGKAS"]).resolve()
THREADS = int(os.environ["BENCH_THREADS"])
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
LAYERS = int(os.environ.get("BENCH_LAYERS", "12"))
SMALLER = "" if LAYERS == 12 else f"-{LAYERS}-layers"    # end of the folders made from it
MAX_LENGTH = 128    # tokens, as the old pipeline cuts and pads
