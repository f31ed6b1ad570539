#!/usr/bin/env bash
# Every level can be chosen, by --isa and by RINGKAS_ISA, and eval says what ran: precision and
# level, for people and with --json. bf16 runs where the level has it and is refused, not
# replaced, elsewhere.
. "$(dirname "$0")/lib.sh"
tiny model
head -n 30 "$sample/test.tsv" >rows.tsv
run 0 train --model model --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
    --max-train-rows 64 --out model8 --qat int8 --epochs 0 --quiet
run 0 export model -o float.onnx
run 0 convert float.onnx -o fp16.onnx --to fp16 --quiet

# told PRECISION LEVEL: what the last two runs, for people and with --json, say
told() {
    check "$1 at $2: the text says $(grep ^model "$work/text")" \
        grep -qE "^model .*, $1, $2 on [0-9]+ threads?," "$work/text"
    check "$1 at $2: precision_ran" grep -q "\"precision_ran\": \"$1\"" "$out"
    check "$1 at $2: isa" grep -q "\"isa\": \"$2\"" "$out"
}

# both PRECISION LEVEL ARGS...: eval ARGS says that it ran so
both() {
    local precision=$1 level=$2
    shift 2
    run 0 eval "$@" --data rows.tsv --threads 1 --quiet && cp "$out" "$work/text"
    run 0 eval "$@" --data rows.tsv --threads 1 --quiet --json && told "$precision" "$level"
}

levels=()
for level in ref avx2 avx512 vnni amx; do
    if "$RINGKAS" eval model --data rows.tsv --threads 1 --isa "$level" >"$out" 2>"$err"; then
        levels+=("$level")
    else
        check "$level: $(cat "$err")" grep -q "isa $level: this processor has" "$err"
    fi
done
check "no ref" [ "${levels[0]:-}" = ref ]
best=${levels[-1]}
echo "levels: ${levels[*]}"
for level in "${levels[@]}"; do
    both fp32 "$level" model --isa "$level"
    both int8 "$level" model8 --isa "$level"
    export RINGKAS_ISA=$level
    both fp16 "$level" fp16.onnx
    both int8 "$level" model8
    if "$RINGKAS" eval model --data rows.tsv --threads 1 --compute bf16 >"$out" 2>"$err"; then
        both bf16 "$level" model --compute bf16
    else
        check "bf16 at $level: $(cat "$err")" grep -q "no bfloat16 products at level $level" "$err"
    fi
    unset RINGKAS_ISA
done
both fp32 "$best" model
both int8 "$best" model8
# the lower of the two holds; what is above the mask is not there
export RINGKAS_ISA=$best
both fp32 ref model --isa ref
if [ "$best" != ref ]; then
    export RINGKAS_ISA=ref
    refuse 1 "isa $best: this processor has ref" eval model --data rows.tsv --isa "$best"
fi
export RINGKAS_ISA=sse9
refuse 2 "RINGKAS_ISA: .*want ref, avx2" eval model --data rows.tsv
export RINGKAS_ISA=
both fp32 "$best" model
finish
