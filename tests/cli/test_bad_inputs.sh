#!/usr/bin/env bash
# Bad files: one line that names the place, exit 1, nothing made, nothing run.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
model=$work/tiny
bad() { python3 "$here/make_bad.py" "$@" || fail "make_bad.py $*"; }

# A copy of the small model whose weights are those of $1.
with_weights() {
    rm -rf "$area/m"
    mkdir "$area/m"
    cp "$model"/*.json "$model"/vocab.txt "$area/m/"
    rm -f "$area/m"/model.safetensors
}

# Every command that reads weights must refuse them alike.
all_refuse() {
    local pattern=$1
    refuse 1 "$pattern" predict m teks
    refuse 1 "$pattern" eval m --data "$sample/test.tsv"
    refuse 1 "$pattern" export m -o m.onnx
    refuse 1 "$pattern" train --model m --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
        --out out --max-steps 1
}

# ---- files that are not there ----
refuse 1 "nowhere" predict nowhere teks
refuse 1 "nowhere" eval nowhere.onnx --data "$sample/test.tsv"
refuse 1 "nowhere.tsv.*No such file" eval "$model" --data nowhere.tsv
refuse 1 "nowhere.tsv.*No such file" train --model "$model" --train nowhere.tsv \
    --valid "$sample/valid.tsv" --out out
refuse 1 "nowhere.tsv.*No such file" train --model "$model" --train "$sample/train.tsv" \
    --valid nowhere.tsv --out out
refuse 1 "nowhere" train --model nowhere --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
    --out out
refuse 1 "nowhere" export nowhere -o m.onnx
refuse 1 "nowhere" convert nowhere.onnx -o m.onnx --to fp16
refuse 1 "nowhere" inspect nowhere
refuse 1 "nowhere.tsv" init --train nowhere.tsv --out out
refuse 1 "holds no train" pipeline --model "$model" --data . --out out
refuse 1 "nowhere" bench nowhere --data "$sample/test.tsv"
refuse 1 "nowhere" compare "$model" nowhere --data "$sample/test.tsv"
refuse 1 "nowhere" tokenize nowhere
: >empty.tsv
refuse 1 "empty.tsv.*(empty|no rows)" eval "$model" --data empty.tsv
refuse 1 "folder|directory|regular" eval "$model" --data "$sample"

# ---- rows (TS-05, TS-19) ----
cp "$sample/valid.tsv" label.tsv
printf 'Layanannya begitu saja.\tpositif\n' >>label.tsv
line=$(wc -l <label.tsv)
refuse_row 1 $((line - 1)) "label.tsv:$line: .*positif.*positive" eval "$model" --data label.tsv
refuse 1 "label.tsv:$line: .*positif.*positive" train --model "$model" \
    --train "$sample/train.tsv" --valid label.tsv --out out
refuse 1 "label.tsv:$line: .*positif.*positive" train --model "$model" \
    --train "$sample/train.tsv" --valid "$sample/valid.tsv" --test label.tsv --out out
refuse 1 "label.tsv:$line: .*positif" compare "$model" "$model" --data label.tsv
sed '3s/\t/ /' "$sample/train.tsv" >tab.tsv
refuse 1 "tab.tsv:3: " train --model "$model" --train tab.tsv --valid "$sample/valid.tsv" \
    --out out
refuse_row 1 2 "tab.tsv:3: " eval "$model" --data tab.tsv
refuse 1 "tab.tsv:3: " init --train tab.tsv --out out
printf 'baik\tpositive\nburuk \xff\tnegative\n' >bytes.tsv
refuse_row 1 1 "bytes.tsv:2: " eval "$model" --data bytes.tsv

# ---- weights ----
name=bert.encoder.layer.0.intermediate.dense.weight
with_weights
bad shape "$model/model.safetensors" m/model.safetensors "$name"
all_refuse "$name.*\[.*\].*\[.*\]"
with_weights
bad missing "$model/model.safetensors" m/model.safetensors "$name"
all_refuse "$name"
with_weights
bad nan "$model/model.safetensors" m/model.safetensors "$name"
all_refuse "$name.*(finite|NaN|nan)"
for share in 0.0001 0.005 0.5 0.999; do
    with_weights
    bad cut "$model/model.safetensors" m/model.safetensors "$share"
    all_refuse "m/model.safetensors.*(truncated|short|bytes|empty)"
done

# ---- PyTorch files ----
with_weights
bad torch "$model/model.safetensors" m/pytorch_model.bin
run 0 predict m "makanannya enak"
cp "$out" "$work/from-torch"
run 0 predict "$model" "makanannya enak"
check "pytorch_model.bin answers differently" cmp -s "$out" "$work/from-torch"
for share in 0 0.01 0.3 0.9 0.999; do
    with_weights
    bad pickle_cut "$model/model.safetensors" m/pytorch_model.bin "$share"
    all_refuse "m/pytorch_model.bin.*pickle|m/pytorch_model.bin.*data.pkl"
done
for share in 0.1 0.5 0.99; do
    with_weights
    bad torch "$model/model.safetensors" whole.bin
    bad cut whole.bin m/pytorch_model.bin "$share"
    rm whole.bin
    all_refuse "m/pytorch_model.bin"
done
with_weights
bad pickle_call "$model/model.safetensors" m/pytorch_model.bin "touch $area/it-ran"
all_refuse "m/pytorch_model.bin.*posix.system"
refuse 1 "posix.system" inspect m/pytorch_model.bin
check "the pickle's call was run" [ ! -e it-ran ]

# ---- ONNX files ----
printf '<!DOCTYPE html><html></html>\n' >page.onnx
refuse 1 "page.onnx.*HTML" eval page.onnx --data "$sample/test.tsv"
refuse 1 "page.onnx.*HTML" convert page.onnx -o x.onnx --to fp16
run 0 export "$model" -o "$work/good.onnx"
for share in 0.0001 0.3 0.999; do
    bad cut "$work/good.onnx" cut.onnx "$share"
    refuse 1 "cut.onnx" predict cut.onnx teks
    refuse 1 "cut.onnx" convert cut.onnx -o x.onnx --to fp16
    refuse 1 "cut.onnx" inspect cut.onnx
done
refuse 1 "good.onnx" convert "$work/good.onnx" -o x.onnx --to int8
finish
