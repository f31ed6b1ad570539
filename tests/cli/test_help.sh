#!/usr/bin/env bash
# --help of every command: exit 0, on stdout, with every option of the contract and what to teach.
. "$(dirname "$0")/lib.sh"

mentions() {
    local command=$1 word
    shift
    run 0 "$command" --help
    check "$command --help talks on stderr" [ ! -s "$err" ]
    for word in "$@" --threads --quiet --isa --help Usage Example "Exit codes" \
        "ringkas $command"; do
        check "$command --help does not mention $word" grep -qF -- "$word" "$out"
    done
    check "$command --help has no purpose line" grep -q "^$command: ..*" "$out"
    check "$command: a line of its help is over 100 columns" \
        [ -z "$(awk 'length > 100' "$out")" ]
}

mentions init --train --layers --hidden --heads --vocab-size --seed --out
mentions train --model --train --valid --test --out --qat --epochs --batch --lr --weight-decay \
    --warmup --dropout --max-length --clean --compute --seed --resume --max-steps --json \
    "(default 3)" "(default 16)" "(default 2e-5;" "(default 0.01)" "(default 128)" "(default 42)"
mentions export -o --opset "(default 17)"
mentions convert -o --to --io --keep-op --keep-node --check --json
mentions eval --data --batch --compute --on-bad-row --suspects --json
mentions calibrate --data --output --target-prior --unlabelled --abstain-precision --json
mentions compare --data --max-drop --confident --flips --json "  3 "
mentions bench --data --batch --repeat --json
mentions predict --abstain --abstain-below --json
mentions tokenize
mentions inspect --json
mentions pipeline --model --data --out --qat --init --epochs --lr --clean

run 0 --help
for command in init train export convert eval compare calibrate bench predict tokenize inspect \
    pipeline; do
    check "ringkas --help does not list $command" grep -q "^  $command " "$out"
    check "help $command differs from $command --help" \
        cmp -s <("$RINGKAS" help "$command") <("$RINGKAS" "$command" --help)
done
run 0 train --epochs nonsense -h
check "-h after a wrong value" grep -q '^train: ' "$out"
run 0 --version
check "--version" grep -Eq '^ringkas [0-9]+\.[0-9]+\.[0-9]+$' "$out"
finish
