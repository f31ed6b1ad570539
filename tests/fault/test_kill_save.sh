#!/usr/bin/env bash
# kill -9 at random moments of a training that saves after every step: the newest state is never
# lost, each resumed run goes on from it, and the weights at the end are those of a run that was
# never killed.
. "$RK_SOURCE/tests/cli/lib.sh"
kills=${RK_KILLS:-50}
RANDOM=${RK_SEED:-20}

head -n 160 "$sample/train.tsv" >train.tsv
head -n 20 "$sample/valid.tsv" >valid.tsv
run 0 init --train train.tsv --layers 1 --hidden 64 --heads 2 --vocab-size 2000 --max-length 64 \
    --out start --quiet
# In the background by "(exec_train ...) &", so that the process killed is the program itself.
train() { (exec_train "$@"); }
exec_train() {
    local dir=$1
    shift
    exec "$RINGKAS" train --model start --train train.tsv --valid valid.tsv --out "$dir" \
        --epochs 60 --batch 16 --lr 1e-3 --max-length 64 --threads 1 "$@"
}
last_step() { sed 's/.*"step": *\([0-9]*\).*/\1/' "$1/training.jsonl" | tail -n 1; }
# The step of the newest state that stands under its own name.
newest() {
    local best=0 dir step
    for dir in "$1"/checkpoint-*; do
        step=${dir##*/checkpoint-}
        case $step in *[!0-9]*) continue ;; esac
        [ "$step" -gt "$best" ] && best=$step
    done
    echo "$best"
}

train whole --quiet >/dev/null 2>"$err" || fail "the run that is not killed: $(cat "$err")"
total=$(last_step whole)
check "steps" [ "$total" = 600 ]

killed=0
in_save=0
lost=0
runs=0
weights() { cksum <"$1/model.safetensors"; }
while [ "$killed" -lt "$kills" ] && [ "$runs" -lt 20 ]; do
    # A new run; it is killed and resumed until it ends.
    runs=$((runs + 1))
    rm -rf run
    resume=
    before=0
    while :; do
        # shellcheck disable=SC2086
        (exec_train run --save-every 1 $resume) >/dev/null 2>talk &
        pid=$!
        if [ "$killed" -lt "$kills" ]; then
            sleep "0.$(printf '%03d' $((RANDOM % 400 + 30)))"
            kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
        fi
        wait "$pid" 2>/dev/null
        code=$?
        [ "$code" = 0 ] && break
        [ "$code" = 137 ] || {
            fail "exit $code: $(cat talk)"
            break 2
        }
        ls -d run/*.tmp-* >/dev/null 2>&1 && in_save=$((in_save + 1))
        after=$(newest run)
        # Killed between the state's removal, which is the last thing done, and the exit.
        if [ "$after" = 0 ] && [ "$before" -gt 0 ] && [ -e run/model.safetensors ]; then
            rm -rf run/checkpoint-*.tmp-remove
            break
        fi
        if [ "$after" -lt "$before" ]; then
            lost=$((lost + 1))
            fail "state of step $before is gone; the newest is $after"
        fi
        # What was resumed is what stood there.
        if grep -q 'going on after step' talk &&
            ! grep -q "going on after step $before of" talk; then
            fail "resumed from elsewhere than step $before: $(grep 'going on' talk)"
        fi
        before=$after
        resume=
        [ "$after" -gt 0 ] && resume=--resume
    done
    check "a resumed run ends with other weights" [ "$(weights run)" = "$(weights whole)" ]
    check "something is left behind: $(ls run)" \
        [ -z "$(find run -name '*.tmp-*' -o -name 'checkpoint-*')" ]
done
checks=$((checks + killed))
check "$killed kills, $kills wanted" [ "$killed" -ge "$kills" ]
check "no kill fell into a save; the test shows nothing" [ "$in_save" -gt 0 ]
echo "$killed kills over $runs runs, $in_save inside a save, $lost states lost"
finish
