#!/usr/bin/env bash
# Training where something is wrong or odd: numbers that leave the range, a second run on the same
# folder, more labels than anything else, sizes that no kernel likes.
. "$(dirname "$0")/lib.sh"

head -n 60 "$sample/train.tsv" >train.tsv
head -n 20 "$sample/valid.tsv" >valid.tsv
run 0 init --train train.tsv --layers 1 --hidden 20 --heads 5 --vocab-size 300 --max-length 24 \
    --out start --quiet
common=(--train train.tsv --valid valid.tsv --threads 1 --quiet)

# a loss that is no number is told as what it is, and no model is left
run 1 train --model start "${common[@]}" --out far --lr 1e10 --max-steps 1
one_line 'step 1: loss .* on the validation rows: training diverged' train --lr 1e10
check "no model of a run that diverged" [ ! -e far/model.safetensors ]

# inside an epoch too; that a state to go on from is kept is said only where there is one
run 1 train --model start "${common[@]}" --out far --lr 1e10 --max-steps 3
one_line 'step 2: loss .*: training diverged; try a smaller learning rate$' train --lr 1e10
run 1 train --model start "${common[@]}" --out far --lr 1e10 --max-steps 3 --save-every 1
one_line 'step 2: loss .*smaller learning rate; the last checkpoint is kept$' train --save-every 1
check "the state that is kept" [ -e far/checkpoint-1/state.json ]

# codes have no NaN, which must be seen all the same
run 1 train --model start "${common[@]}" --out far --lr 1e10 --max-steps 3 --qat int8 --compute bf16
if grep -q 'no bf16 product for this processor' "$err"; then
    echo "SKIP: products in bf16: this processor has none"
else
    one_line 'step [0-9]*: loss .*training diverged' train --lr 1e10 --qat int8 --compute bf16
fi

# ranges alone, without training: there is no loss of training to tell
for qat in fp16 int8; do
    run 0 train --model start --train train.tsv --valid valid.tsv --threads 1 --out only-$qat \
        --epochs 0 --qat $qat
    check "$qat: a line for people" grep -q \
        '^epoch 0 (the start, not trained for this): train loss none, valid loss [0-9]' "$err"
    check "$qat: the table" grep -Eq '^ *0 +- +[0-9.]+ ' "$out"
    check "$qat: ringkas.json" grep -q '"train_loss": null' only-$qat/ringkas.json
    run 0 train --model start "${common[@]}" --out only-$qat --epochs 0 --qat $qat --json
    check "$qat: JSON" grep -q '"train_loss": null, "valid_loss": [0-9]' "$out"
done

# each epoch tells the recall of each label; one answer for all rows is told as such, and so is a
# loss that guessing reaches too
told=(--train train.tsv --valid valid.tsv --threads 1 --out flat)
share='[01]\.[0-9]{4}'
run 0 train --model start "${told[@]}" --lr 0 --epochs 2
for epoch in 1 2; do
    check "epoch $epoch: recall of each label" grep -Eq \
        "^epoch $epoch: recall of positive $share, neutral $share, negative $share$" "$err"
done
check "nothing learned, and no word about it" grep -Eq \
    '^epoch 2: (every validation row gets the label|a validation loss of .* no better)' "$err"
run 0 train --model start "${told[@]}" --lr 1e-1 --epochs 3
check "one label for all" \
    grep -Eq '^epoch [123]: every validation row gets the label "[a-z]+":' "$err"
run 0 train --model start --train "$sample/train.tsv" --valid "$sample/valid.tsv" --threads 1 \
    --out learns --lr 4e-3 --dropout 0 --epochs 4
check "a run that learns is scolded at its end" \
    [ -z "$(grep -E '^epoch 4: (every|a valid)' "$err")" ]

# one run at a time in a folder; who is turned away leaves the other's lock alone
(exec "$RINGKAS" train --model start "${common[@]}" --out held --epochs 10000 >"$work/held.out" \
    2>"$work/held.err") &
pid=$!
for _ in $(seq 200); do
    [ -e held/.lock ] && [ -e held/training.jsonl ] && break
    sleep 0.1
done
for again in first second; do
    run 1 train --model start "${common[@]}" --out held --epochs 1
    one_line 'held: another run is training into this folder' train --out held
    check "the lock is still there after the $again" [ -e held/.lock ]
done
kill -TERM $pid
wait $pid
check "the first run goes on until it is stopped" [ $? = 1 ]
check "and says how to go on" grep -q 'stopped after step' "$work/held.err"
check "no lock is left" [ ! -e held/.lock ]

# a step's count of subnormals is of its activations too: with weights that stay, it still changes
run 0 train --model start "${common[@]}" --out half --qat fp16 --lr 0 --max-steps 4
check "every step counts the same" \
    [ "$(grep -o '"subnormal": [0-9]*' half/training.jsonl | sort -u | wc -l)" -gt 1 ]

# more labels than hidden numbers, in both types of product
for i in $(seq 1500); do printf 'kata %d baik\tlabel%d\n' $((i % 50)) "$i"; done >many.tsv
run 0 init --train many.tsv --layers 1 --hidden 4 --heads 1 --vocab-size 80 --max-length 8 \
    --out wide --quiet
for compute in f32 bf16; do
    run 0 train --model wide --train many.tsv --valid many.tsv --max-steps 3 --batch 100 \
        --compute $compute --out wide-$compute --threads 1 --quiet
    run 0 predict wide-$compute "kata 3 baik" --json
done

# rows of one token only besides the marks, one row a batch, heads of one number
head -n 30 "$sample/train.tsv" | awk -F '\t' '{ print "a\t" $2 }' >short.tsv
run 0 init --train train.tsv --layers 2 --hidden 3 --heads 3 --vocab-size 200 --max-length 3 \
    --out odd --quiet
for qat in none fp16 int8; do
    run 0 train --model odd --train short.tsv --valid short.tsv --batch 1 --epochs 1 --qat $qat \
        --out odd-$qat --threads 1 --quiet
done

# labels that are named as transformers names nothing: still the names of these rows
sed 's/positive$/LABEL_0/; s/neutral$/LABEL_1/; s/negative$/LABEL_2/' train.tsv >named.tsv
run 0 init --train named.tsv --layers 1 --hidden 8 --heads 2 --vocab-size 100 --max-length 16 \
    --out plain --quiet
run 0 train --model plain --train named.tsv --valid named.tsv --test named.tsv --max-steps 2 \
    --out named --threads 1 --quiet
run 0 predict named "baik"
check "a label of the rows" grep -q '^LABEL_[012]' "$out"
run 0 export named -o named.onnx --quiet
finish
