#!/usr/bin/env bash
# The same seed gives the same bits, and a run that was stopped and resumed equals one that was not:
# for plain training and both kinds of QAT, on one and on two threads.
. "$(dirname "$0")/lib.sh"
probe=$RK_BUILD/probe/train_probe
common=(train="$sample/train.tsv" valid="$sample/valid.tsv" rows=160 batch=16 epochs=2 lr=1e-3
    warmup=0.1 seed=5 max_length=48)

probe_run() {   # CODE ARGS...
    local want=$1 code
    shift
    "$probe" "$@" >"$out" 2>"$err"
    code=$?
    checks=$((checks + 1))
    if [ "$code" != "$want" ]; then
        fail "exit $code, not $want: train_probe $*"
        tail -n 5 "$err"
    fi
}

# The folders must hold the same bytes, but for times: those in ringkas.json, the rates in
# training.jsonl.
same() {
    local file
    for file in model.safetensors quant.safetensors config.json vocab.txt; do
        [ -e "$1/$file" ] || [ -e "$2/$file" ] || continue
        check "$file of $1 and $2" cmp -s "$1/$file" "$2/$file"
    done
    check "steps of $1 and $2" diff -q <(sed 's/, "rows_per_s": [^,}]*//' "$1/training.jsonl") \
        <(sed 's/, "rows_per_s": [^,}]*//' "$2/training.jsonl")
}

probe_run 0 init=start out=first layers=2 hidden=48 heads=3 vocab=900 "${common[@]}" max_steps=1
for threads in 1 2; do
    export OMP_NUM_THREADS=$threads
    for qat in none fp16 int8; do
        name=$qat-$threads
        args=(model=start "${common[@]}")
        [ $qat = none ] || args+=(qat=$qat)
        probe_run 0 "${args[@]}" out=whole-$name
        probe_run 0 "${args[@]}" out=again-$name
        same whole-$name again-$name
        # 10 steps an epoch: in the first, at its end, in the second, one before the last
        for stop in 3 10 14 19; do
            probe_run 17 "${args[@]}" out=stopped-$name-$stop stop_at=$stop
            probe_run 0 "${args[@]}" out=stopped-$name-$stop resume=1
            same whole-$name stopped-$name-$stop
        done
    done
done
for qat in none fp16 int8; do
    same whole-$qat-1 whole-$qat-2
done
probe_run 0 model=start seed=6 "${common[@]}" out=other
other_weights() { [ -s other/model.safetensors ] && ! cmp -s "$1" other/model.safetensors; }
check "another seed gives other weights" other_weights whole-none-1/model.safetensors
# a checkpoint of another run is refused by what differs
probe_run 17 model=start "${common[@]}" out=mixed stop_at=4
probe_run 13 model=start "${common[@]}" out=mixed resume=1 clip=0.5
check "says what differs" grep -q "clip was 1" "$err"
finish
