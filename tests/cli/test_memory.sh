#!/usr/bin/env bash
# Memory of an open model: growth of the process by at most 1.25 times the file and 4 MiB for FP16
# and INT8 (weights, tokenizer, and what one text needs); on the way at most 2.25 times the file.
# Four handles on it together take 2 MiB more. For files elsewhere: $RK_BUILD/probe/memory_probe
# MODEL [HANDLES]. RK_MEMORY_MODELS="FILE FILE" measures those and makes none here.
. "$(dirname "$0")/lib.sh"
if grep -q '^RK_SANITIZE:[A-Z]*=ON' "$RK_BUILD/CMakeCache.txt"; then
    echo "SKIP: sanitizers take memory of their own"
    exit 77
fi
MiB=$((1024 * 1024))

make_files() {
    local rows=(--train "$sample/train.tsv" --valid "$sample/valid.tsv" --max-train-rows 16)
    run 0 init --train "$sample/train.tsv" --layers 2 --hidden 768 --heads 12 --vocab-size 2000 \
        --out start --quiet &&
        run 0 train --model start "${rows[@]}" --out model --max-steps 1 --quiet &&
        run 0 train --model model "${rows[@]}" --out model8 --qat int8 --epochs 0 --quiet &&
        run 0 export model -o float.onnx && run 0 export model8 -o qdq.onnx &&
        run 0 convert float.onnx -o fp16.onnx --to fp16 --quiet &&
        run 0 convert qdq.onnx -o int8.onnx --to int8 --quiet || finish
}

field() { sed "s/.*\"$1\": {[^}]*\"$2\": \([0-9]*\).*/\1/" "$out"; }

# within WHAT BYTES LIMIT
within() {
    echo "$1: $2 of at most $3"
    check "$1: $2 bytes, more than $3" [ "$2" -le "$3" ]
}

measure() {
    local file=$1 bytes before opened
    "$RK_BUILD/probe/memory_probe" "$file" 4 >"$out" 2>"$err" || fail "memory_probe: $(cat "$err")"
    bytes=$(stat -c %s "$file")
    before=$(field before rss)
    opened=$(field opened rss)
    within "$file: open" $((opened - before)) $((bytes * 5 / 4 + 4 * MiB))
    within "$file: while it opened" $(($(field opened peak) - before)) $((bytes * 9 / 4 + 4 * MiB))
    within "$file: three more handles" $(($(field handles rss) - opened)) $((MiB / 2))
    within "$file: four handles that have answered" $(($(field answered rss) - before)) \
        $((bytes * 5 / 4 + 6 * MiB))
    within "$file: program and libraries" "$before" $((32 * MiB))
    sed 's/.*"load_ms": \([0-9.]*\).*"precision": \("[a-z0-9]*"\).*/\2, opened in \1 ms/' "$out"
}

if [ -n "${RK_MEMORY_MODELS:-}" ]; then
    for file in $RK_MEMORY_MODELS; do measure "$file"; done
    finish
fi
make_files
measure fp16.onnx
check "fp16.onnx ran otherwise" grep -q '"fp16"' "$out"
measure int8.onnx
check "int8.onnx ran otherwise" grep -q '"int8"' "$out"
finish
