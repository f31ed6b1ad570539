#!/usr/bin/env bash
# bench/run.sh NAME: runs bench/bench_NAME.py with the oracles' Python, alone (a lock).
#   BENCH_QUICK=1     few rows, one round: to see that it works; its numbers are no results
#   BENCH_ROUNDS=3    rounds; a figure is their median
#   BENCH_THREADS=2   threads of every side
#   BENCH_LAYERS=12   of IndoBERT; fewer to try it on a busy machine, no results either
#   RINGKAS_DATA      folder of indobert-base-p2/ and smsa/ (default ../shared/data)
set -u

name=${1:?"run.sh: say which: train, text, convert, runtime"}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
script=bench/bench_$name.py
[ -f "$script" ] || { echo "run.sh: no such benchmark: $name" >&2; exit 2; }

export RINGKAS_DATA=${RINGKAS_DATA:-$root/../shared/data}
wanted_files="indobert-base-p2/config.json"
[ "$name" = convert ] || wanted_files="$wanted_files smsa/train.tsv"
for wanted in $wanted_files; do
    if [ ! -f "$RINGKAS_DATA/$wanted" ]; then
        echo "SKIP: bench-$name: no $wanted in $RINGKAS_DATA (set RINGKAS_DATA)"
        exit 0
    fi
done
if [ ! -x build/venv/bin/python ]; then
    echo "SKIP: bench-$name: no Python of the peers in build/venv (make bench-$name installs it)"
    exit 0
fi

case $name in
convert)
    if ! bench/peers.sh onnxconverter-common; then
        echo "SKIP: bench-convert: no onnxconverter-common"
        exit 0
    fi
    ;;
runtime)    # goes on without those that cannot be had, and says so
    bench/peers.sh onnxconverter-common nncf ctranslate2
    for peer in onnxconverter-common nncf ctranslate2; do
        PYTHONPATH=$root/build/bench-peers/$peer${PYTHONPATH:+:$PYTHONPATH}
    done
    export PYTHONPATH
    ;;
esac

export RINGKAS=${RINGKAS:-$root/build/ringkas}
export BENCH_THREADS=${BENCH_THREADS:-2}
# Alone on the machine, a thread that spins between two loops is ready for the next one. Every side
# gets the same environment.
export OMP_NUM_THREADS=$BENCH_THREADS OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-active}
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
export TOKENIZERS_PARALLELISM=false
mkdir -p build/bench || exit 1
if command -v flock >/dev/null; then
    exec 9>build/bench/.lock
    flock -n 9 || { echo "bench-$name: another benchmark runs; waiting" >&2; flock 9; }
fi
exec build/venv/bin/python "$script"
