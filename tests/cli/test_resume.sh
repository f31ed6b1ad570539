#!/usr/bin/env bash
# The same seed gives the same bits, and a run that was stopped and resumed equals one that was not:
# for plain training and both kinds of QAT, on one and on two threads.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../support/train_runs.sh"
common=(train="$sample/train.tsv" valid="$sample/valid.tsv" rows=160 batch=16 epochs=2 lr=1e-3
    warmup=0.1 seed=5 max_length=48)

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
# The best epoch's weights are what the run ends with, also when later epochs were worse and the run
# was stopped in one of them. At this rate nothing is learned: the first epoch stays the best.
best=(model=start "${common[@]}" seed=6 lr=3e-3 epochs=3)
probe_run 17 "${best[@]}" out=best stop_at=14
check "the first epoch is the best" grep -q '"best_epoch": 1,' best/checkpoint-14/state.json
cp best/checkpoint-14/best.safetensors best/checkpoint-14/state.safetensors .
probe_run 0 "${best[@]}" out=best resume=1
probe_run 0 "${best[@]}" out=best-whole
same best best-whole
holds() {   # FILE MODEL: FILE's floats have every tensor of MODEL among them
    python3 -c 'import json, struct, sys
block, model = (open(p, "rb").read() for p in sys.argv[1:])
size = struct.unpack("<Q", model[:8])[0]
header = json.loads(model[8:8 + size])
at = [v["data_offsets"] for k, v in header.items() if k != "__metadata__"]
sys.exit(not all(model[8 + size + a:8 + size + b] in block for a, b in at))' "$1" "$2"
}
check "it ends with the best weights" holds best.safetensors best/model.safetensors
check "and not with those of the stop" eval '! holds state.safetensors best/model.safetensors'
# a checkpoint of another run is refused by what differs
probe_run 17 model=start "${common[@]}" out=mixed stop_at=14
probe_run 13 model=start "${common[@]}" out=mixed resume=1 clip=0.5
check "says what differs" grep -q "clip was 1" "$err"
start=start
valid=$sample/valid.tsv
resume() {  # FOLDER ARGS...: the same run as the probe's, resumed, with ARGS
    local folder=$1
    shift
    "$RINGKAS" train --model $start --train "$sample/train.tsv" --valid "$valid" \
        --max-train-rows 160 --epochs 2 --lr 1e-3 --warmup 0.1 --seed 5 --max-length 48 \
        --out "$folder" --resume --quiet "$@" >"$out" 2>"$err"
}
refuse_resume() {   # PATTERN FOLDER ARGS...
    local pattern=$1
    shift
    resume "$@"
    check "exit 1" [ $? = 1 ]
    one_line "$pattern" train --resume "$@"
    check "nothing is made" [ ! -e "$1/model.safetensors" ]
}
head -n 150 "$sample/valid.tsv" >fewer.tsv
valid=fewer.tsv
refuse_resume 'mixed/.*another run: validation data was' mixed
valid=$sample/valid.tsv
refuse_resume 'mixed/.*another run: steps was 20 and is 17 now' mixed --max-steps 17
run 0 init --train "$sample/train.tsv" --layers 2 --hidden 48 --heads 3 --vocab-size 900 --seed 6 \
    --out start2
start=start2
refuse_resume 'mixed/.*another run: base model was' mixed
start=start

# Folders of the same name that are not ours stay, and a checkpoint stays until a newer one stands.
cp -r mixed kept
mkdir kept/checkpoint-5
echo theirs >kept/checkpoint-5/trainer_state.json
probe_run 17 model=start "${common[@]}" out=kept qat=int8 stop_at=3 stop_kind=calibrate
check "the old checkpoint is kept" [ -e kept/checkpoint-14/state.json ]
probe_run 17 model=start "${common[@]}" out=kept stop_at=3
check "the new one replaces it" [ -e kept/checkpoint-3 ]
check "the old one is gone" [ ! -e kept/checkpoint-14 ]
probe_run 0 model=start "${common[@]}" out=kept resume=1
check "a folder of another trainer stays" [ "$(cat kept/checkpoint-5/trainer_state.json)" = theirs ]
check "ours are gone" [ ! -e kept/checkpoint-3 ]

# a stop while ranges are measured, before the first step: nothing is left to go on from
for epochs in 0 2; do
    probe_run 17 epochs=$epochs model=start "${common[@]}" out=early qat=int8 stop_at=3 \
        stop_kind=calibrate
    check "told as what it is" grep -q 'stopped while ranges were measured' "$err"
    check "nothing is left" [ ! -e early ]
done

# a state that lacks what it must hold is refused: the best weights once an epoch is over, ranges
# of quantisation-aware training, a counter
lacks() {   # FOLDER FIELD: takes a file from the list of files, or a counter, out of the state
    python3 -c 'import json, sys
path, name = sys.argv[1:]
state = json.load(open(path))
del (state["files"] if name in state["files"] else state)[name]
json.dump(state, open(path, "w"))' "$1"/checkpoint-14/state.json "$2"
}
probe_run 17 model=start "${common[@]}" out=int8 stop_at=14 qat=int8
for part in ranges.safetensors best_ranges.safetensors best_epoch loss_sum learned; do
    rm -rf lacking
    cp -r int8 lacking
    lacks lacking $part
    wrong="\"$part\" must (be a number|list 0 scales)|must list $part\$"
    refuse_resume "lacking/.*($wrong)" lacking \
        --qat int8
done
resume int8 --qat int8
check "the state that lacks nothing" [ $? = 0 ]
check "and ends as the others" cmp -s int8/model.safetensors whole-int8-1/model.safetensors
rm -rf lacking
cp -r mixed lacking
lacks lacking best.safetensors
refuse_resume 'lacking/.*must list best.safetensors$' lacking
finish
