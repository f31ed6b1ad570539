#!/usr/bin/env bash
# train --seeds: each seed is the run that it is alone, the summary is theirs, and --resume takes
# what is done. And the options of training that must not be silently ignored.
. "$(dirname "$0")/lib.sh"
tiny start
args=(train --model start --train "$sample/train.tsv" --valid "$sample/valid.tsv" --epochs 1
    --max-train-rows 160 --lr 1e-3 --quiet)
run 0 "${args[@]}" --out many --seeds 3,1 --json
cp "$out" many.json
for seed in 3 1; do
    run 0 "${args[@]}" --out alone-$seed --seed $seed --json
    cp "$out" alone-$seed.json
    check "seed $seed" cmp -s many/seed-$seed/model.safetensors alone-$seed/model.safetensors
done
check "the summary" python3 - <<'PY'
import json
many = json.load(open("many.json"))
f1 = [json.load(open(f"alone-{s}.json"))["best"]["valid_f1_weighted"] for s in (3, 1)]
mean = sum(f1) / 2
sd = abs(f1[0] - f1[1]) / 2 ** 0.5
s = many["summary"]["valid_f1_weighted"]
assert [x["seed"] for x in many["seeds"]] == [3, 1]
assert abs(s["mean"] - mean) < 1e-12 and abs(s["sd"] - sd) < 1e-12
half = 12.706204736174705 * sd / 2 ** 0.5      # Student's t, 1 degree of freedom, 97.5 %
assert abs(s["ci95"][1] - (mean + half)) < 1e-9
assert many["best"]["seed"] == (3 if f1[0] >= f1[1] else 1)
PY
before=$(stat -c %Y.%i many/seed-3/model.safetensors)
run 0 "${args[@]}" --out many --seeds 3,2 --resume
check "a seed that was done stays" [ "$before" = "$(stat -c %Y.%i many/seed-3/model.safetensors)" ]
check "the other is trained" [ -e many/seed-2/model.safetensors ]
for other in "--schedule cosine" "--class-weights balanced" "--label-smoothing 0.1" \
    "--clean seed"; do
    # shellcheck disable=SC2086
    refuse 1 "seed-3: was trained with another ${other%% *}" "${args[@]}" --out many --seeds 3 \
        --resume $other
done
for list in 1,1 1, ,1 x 1,-2 99999999999999999999; do
    refuse 2 "^ringkas: train: --seeds $list: different whole numbers" "${args[@]}" --out no \
        --seeds "$list"
done
refuse 2 'either --seed or --seeds' "${args[@]}" --out no --seeds 1 --seed 2
refuse 2 'train: --observer and --learn-ranges are of' "${args[@]}" --out no --observer mse
refuse 2 'train: --qat-delay is of --qat' "${args[@]}" --out no --qat-delay 5
refuse 2 'a teacher needs a share' "${args[@]}" --out no --teacher start
refuse 2 'train: --percentile is of --observer' "${args[@]}" --out no --percentile 90
refuse 2 'train: --distill-temperature needs --distill' "${args[@]}" --out no \
    --distill-temperature 3
refuse 2 'class weights: "x=2" names no label' "${args[@]}" --out no --class-weights x=2
refuse 2 'class weights: 0 for "positive"; above 0' "${args[@]}" --out no --class-weights positive=0
refuse 2 'class weights: "positive=2" comes twice' "${args[@]}" --out no \
    --class-weights positive=1,positive=2
refuse 2 'class weights: "2" has no =' "${args[@]}" --out no --class-weights positive=1,2

# no better epoch for a while: the run ends there, says so, and keeps the best
run 0 "${args[@]:0:7}" --epochs 9 --max-train-rows 64 --lr 0 --out level --patience 2 --json
check "ends by patience" [ "$(grep -c . level/training.jsonl)" -lt 30 ]
check "says so" grep -q 'ended after epoch 3 of 9: no better one in 2' "$err"

# the card tells of the epoch that was kept, though QAT lists its start before the first one
run 0 "${args[@]:0:7}" --epochs 3 --max-train-rows 640 --lr 2e-3 --quiet --qat int8 --out card \
    --json
check "the card" python3 - <<'PY'
import json, re
t = json.load(open("card/ringkas.json"))["training"]
best = next(e for e in t["epochs"] if e["epoch"] == t["best_epoch"])
values = re.findall(r"value: ([0-9.]+)", open("card/README.md").read())
assert t["best_epoch"] > 0 and abs(float(values[0]) - best["valid_accuracy"]) < 1e-12
assert abs(float(values[1]) - best["valid_f1_weighted"]) < 1e-12
PY
# epochs in which quantisation slept use up no patience
run 0 "${args[@]:0:7}" --epochs 4 --max-train-rows 64 --lr 0 --out slept --qat int8 \
    --qat-delay 0.5 \
    --patience 1
check "slept" grep -q 'ended after epoch 3 of 4' "$err"
finish
