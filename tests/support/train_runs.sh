# Runs of the training probe, and what two of them must have in common; sourced after
# tests/cli/lib.sh.
probe=$RK_BUILD/probe/train_probe

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
