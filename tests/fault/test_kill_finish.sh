#!/usr/bin/env bash
# kill -9 while the model folder is put in place, over the folder of an earlier run: what is left is
# the old folder whole, or the new one whole, or a state that --resume goes on from.
. "$RK_SOURCE/tests/cli/lib.sh"
kills=${RK_KILLS:-40}
RANDOM=${RK_SEED:-21}

head -n 60 "$sample/train.tsv" >train.tsv
head -n 20 "$sample/valid.tsv" >valid.tsv
run 0 init --train train.tsv --layers 2 --hidden 256 --heads 2 --vocab-size 2000 --max-length 64 \
    --out start --quiet
exec_train() {
    local dir=$1
    shift
    exec "$RINGKAS" train --model start --train train.tsv --valid valid.tsv --out "$dir" \
        --epochs 1 --batch 16 --threads 1 --quiet "$@"
}
files="config.json model.safetensors quant.safetensors ringkas.json special_tokens_map.json \
tokenizer.json tokenizer_config.json vocab.txt"
# The folder's files but for training.jsonl, as one line; ringkas.json has times in it.
content() {
    local name
    for name in $files; do
        if [ "$name" = ringkas.json ]; then sed '/"seconds"/d' "$1/$name" 2>/dev/null | cksum
        else cksum <"$1/$name" 2>/dev/null || echo none; fi
    done | tr '\n' ' '
}

(exec_train old --seed 1 --qat int8) >/dev/null || fail "the old run"
(exec_train new --seed 2) >/dev/null || fail "the new run"
# A name that is taken by a folder: nothing is replaced, and the state is kept.
cp -r old blocked
rm blocked/vocab.txt
mkdir blocked/vocab.txt
before=$(content blocked)
(exec_train blocked --seed 2) >"$out" 2>"$err"
check "exit 1 where a name is taken" [ $? = 1 ]
one_line 'blocked/vocab.txt: is not a regular file' train --out blocked
check "something is replaced all the same" [ "$(content blocked)" = "$before" ]
check "the state is kept" [ -e blocked/checkpoint-4/state.json ]
check "something is left behind" [ -z "$(find blocked -name '*.tmp-*')" ]
rmdir blocked/vocab.txt
cp old/vocab.txt blocked/
old=$(content old)
new=$(content new)
check "old and new differ" [ "$old" != "$new" ]

between=0
for _ in $(seq "$kills"); do
    rm -rf run
    cp -r blocked run
    (exec_train run --seed 2 --resume) >/dev/null 2>talk &
    pid=$!
    # until the files are being made, then some moment of the making
    for _ in $(seq 2000); do
        compgen -G 'run/finished.tmp-*' >/dev/null && break
        kill -0 "$pid" 2>/dev/null || break
    done
    sleep "0.0$(printf '%02d' $((RANDOM % 25)))"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    is=$(content run)
    if [ -e run/checkpoint-4/state.json ]; then
        compgen -G 'run/finished.tmp-*' >/dev/null && between=$((between + 1))
    else
        check "no state to go on from, and not the new folder" [ "$is" = "$new" ]
        continue
    fi
    (exec_train run --seed 2 --resume) >/dev/null 2>talk || fail "resume: $(cat talk)"
    check "resumed: not the new folder" [ "$(content run)" = "$new" ]
    check "something is left behind: $(ls run)" \
        [ -z "$(find run -name '*.tmp-*' -o -name 'checkpoint-*')" ]
done
check "no kill fell between; the test shows nothing" [ "$between" -gt 0 ]
echo "$kills kills, $between while the folder was made"
finish
