#!/usr/bin/env bash
# Runs one test for CTest: run.sh exec PROGRAM | script FILE | oracle FILE.py | fuzz PROGRAM NAME
# Exit 77 means skipped; the reason is the line that starts with SKIP.
set -u

: "${RK_SOURCE:?}" "${RK_BUILD:?}"
export RK_SOURCE RK_BUILD
export RINGKAS=$RK_BUILD/ringkas
export RINGKAS_DATA=${RINGKAS_DATA:-$(cd "$RK_SOURCE/.." && pwd)/shared/data}
# Two tests run at a time on two cores: threads that spin would only steal from each other.
export OMP_WAIT_POLICY=passive
# 99 keeps a sanitizer's stop apart from every exit code of the program itself.
export ASAN_OPTIONS=exitcode=99:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export UBSAN_OPTIONS=exitcode=99:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1

kind=$1
file=$2
case $kind in
exec)
    exec "$file"
    ;;
script)
    case $file in
    *.py) exec python3 "$file" ;;
    *) exec bash "$file" ;;
    esac
    ;;
oracle)
    python=$RK_SOURCE/build/venv/bin/python
    if [ -n "${RINGKAS_NO_VENV:-}" ]; then
        echo "SKIP: RINGKAS_NO_VENV is set"
        exit 77
    fi
    if [ ! -x "$python" ]; then
        echo "SKIP: no Python oracles in build/venv (make test installs them)"
        exit 77
    fi
    exec "$python" "$file"
    ;;
fuzz)
    inputs=()
    for folder in "$RK_SOURCE/tests/fuzz/corpus/$3" "$RK_SOURCE/tests/data"; do
        if [ -d "$folder" ]; then
            inputs+=("$folder")
        fi
    done
    exec "$file" "${inputs[@]}"
    ;;
esac
echo "run.sh: no such kind: $kind" >&2
exit 1
