#!/usr/bin/env bash
# karpathy/llm.c #19 (PR #21, #168): flags of the compiler that change training. Flags that take NaN
# away are refused when the library is compiled. With RK_BUILD_LEVELS=1 the library is built anew by
# each compiler that is there, at -O0 and at -O3, and the first 20 losses must be those of the build
# in use, on one thread and on two (minutes a build; the loops of src/compute keep their own -O3).
. "$(dirname "$0")/lib.sh"

compilers=()
for cc in gcc clang; do
    command -v $cc >/dev/null && compilers+=($cc)
done
[ ${#compilers[@]} -gt 0 ] || { echo "SKIP: neither gcc nor clang is here"; exit 77; }
compile() {  # COMPILER FLAG
    "$1" -std=c17 "$2" -D_POSIX_C_SOURCE=200809L -I"$RK_SOURCE/src" -I"$RK_SOURCE/include" \
        -fsyntax-only "$RK_SOURCE/src/base/status.c" 2>"$err"
}
for cc in "${compilers[@]}"; do
    for flag in -O0 -O2 -O3; do
        check "$cc $flag" compile $cc $flag
    done
    for flag in -Ofast -ffast-math -ffinite-math-only; do
        check "$cc $flag is taken" eval "! compile $cc $flag"
        check "$cc $flag: told why" grep -q 'Ringkas needs NaN and infinity' "$err"
    done
done
if [ -z "${RK_BUILD_LEVELS:-}" ]; then
    echo "SKIP part: losses of other builds (RK_BUILD_LEVELS=1 asks for them)"
    finish
fi

head -n 320 "$sample/train.tsv" >train.tsv
head -n 16 "$sample/valid.tsv" >valid.tsv
run 0 init --train train.tsv --layers 2 --hidden 48 --heads 3 --vocab-size 600 --max-length 48 \
    --out start --quiet
losses() {   # PROGRAM FILE THREADS
    OMP_NUM_THREADS=$3 "$1" model=start train=train.tsv valid=valid.tsv out="$2" max_steps=20 \
        lr=1e-3 seed=5 max_length=48 >"$out" 2>"$err" || tail -n 3 "$err"
    sed 's/.*"loss": \([^,}]*\).*/\1/' "$2/training.jsonl" >"$2.losses"
}
losses "$RK_BUILD/probe/train_probe" ours 2
check "20 losses" [ "$(wc -l <ours.losses)" = 20 ]
apart() {   # FILE: largest difference of its losses from ours
    paste ours.losses "$1" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > m) m = d }
        END { printf "%g", m; exit NR != 20 }'
}
for cc in "${compilers[@]}"; do
    for level in -O0 -O3; do
        cmake -S "$RK_SOURCE" -B "$work/$cc$level" -DCMAKE_BUILD_TYPE=Release \
            -DCMAKE_C_COMPILER=$cc -DCMAKE_C_FLAGS_RELEASE=$level >"$out" 2>"$err" &&
            cmake --build "$work/$cc$level" -j2 --target probe_train_probe >"$out" 2>"$err" ||
            { fail "$cc $level does not build"; tail -n 5 "$out" "$err"; continue; }
        for threads in 1 2; do
            losses "$work/$cc$level/probe/train_probe" "l$cc$level$threads" $threads
            far=$(apart "l$cc$level$threads.losses")
            echo "$cc $level, $threads threads: losses differ by $far"
            check "$cc $level, $threads threads: $far" awk "BEGIN { exit !($far <= 1e-4) }"
        done
    done
done
finish
