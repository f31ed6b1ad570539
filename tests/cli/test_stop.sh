#!/usr/bin/env bash
# SIGINT and SIGTERM end the step and leave a state that --resume goes on from, to the same weights;
# a resumed run must be the same run.
. "$(dirname "$0")/lib.sh"
run 0 init --train "$sample/train.tsv" --layers 2 --hidden 64 --heads 2 --vocab-size 1000 \
    --max-length 64 --out start --quiet
train() { (exec_train "$@"); }
exec_train() {
    local dir=$1
    shift
    exec "$RINGKAS" train --model start --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
        --out "$dir" --epochs 4 --lr 1e-3 --threads 1 "$@"
}
weights() { cksum <"$1/model.safetensors"; }
lines() { wc -l 2>/dev/null <"$1" || echo 0; }
# until_step DIR N PID: until the log has N lines or the program has gone.
until_step() {
    for _ in $(seq 600); do
        [ "$(lines "$1/training.jsonl")" -ge "$2" ] && return 0
        kill -0 "$3" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

train whole --quiet >/dev/null || fail "the run that is not stopped"
for signal in TERM INT HUP; do
    # Background jobs of a script ignore SIGINT unless told not to.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$RINGKAS" train --model start --train "$sample/train.tsv" \
        --valid "$sample/valid.tsv" --out "run $signal" --epochs 4 --lr 1e-3 \
        --threads 1 >"$out" 2>"$err" &
    pid=$!
    until_step "run $signal" 45 "$pid" || fail "no 45 steps before SIG$signal"
    kill -"$signal" "$pid"
    wait "$pid"
    code=$?
    check "exit $code after SIG$signal" [ "$code" = 1 ]
    check "no word about SIG$signal" grep -q '^ringkas: .*stopped after step' "$err"
    check "no command to go on with" grep -q "^ringkas: to go on: ringkas train .*--resume$" "$err"
    check "a result is printed all the same" [ ! -s "$out" ]
    check "the model is there before it is trained" [ ! -e "run $signal/model.safetensors" ]
    # The command that was offered works as it stands.
    command=$(sed -n 's/^ringkas: to go on: ringkas //p' "$err")
    bash -c "\"\$RINGKAS\" $command --quiet" >/dev/null 2>"$err" || fail "resume: $(cat "$err")"
    check "stopped by SIG$signal and resumed: other weights" \
        [ "$(weights "run $signal")" = "$(weights whole)" ]
    check "the log has each step once" \
        [ "$(sed 's/.*"step": *\([0-9]*\),.*/\1/' "run $signal/training.jsonl" | tr '\n' ' ')" = \
        "$(seq -s ' ' "$(lines whole/training.jsonl)") " ]
done

# No state to go on from, and a state of another run.
mkdir none
run 1 train --model start --train "$sample/train.tsv" --valid "$sample/valid.tsv" --out none \
    --resume
one_line "none.*" "train --resume without a state"
(exec_train part --save-every 5) >/dev/null 2>&1 &
pid=$!
until_step part 12 "$pid" || fail "no 12 steps"
kill -9 "$pid"
wait "$pid" 2>/dev/null
run 1 train --model start --train "$sample/train.tsv" --valid "$sample/valid.tsv" --out part \
    --epochs 4 --lr 2e-3 --threads 1 --resume --quiet
one_line "part/.*another run.*lr" "train --resume with another rate"

# A stop while the ranges of INT8 are measured, before the first step, is heard there. The model is
# large enough for that to take a few seconds.
run 0 init --train "$sample/train.tsv" --layers 6 --hidden 384 --heads 6 --vocab-size 1000 \
    --max-length 64 --out large --quiet
(exec "$RINGKAS" train --model large --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
    --out ranges --qat int8 --threads 1) >"$out" 2>"$err" &
pid=$!
for _ in $(seq 600); do
    [ -e ranges/.lock ] && break
    sleep 0.02
done
kill -TERM "$pid"
wait "$pid"
check "exit 1 after SIGTERM" [ $? = 1 ]
check "stopped while ranges are measured: $(tail -n 1 "$err")" \
    grep -q '^ringkas: stopped while ranges were measured' "$err"
check "a way to go on that is none" [ -z "$(grep 'to go on' "$err")" ]
check "nothing is left" [ ! -e ranges ]
finish
