#!/usr/bin/env bash
# What is odd but taken is said: exactly one line, with the place; nothing with --quiet.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
run 0 predict "$work/tiny" baik
check "a note about nothing" [ ! -s "$err" ]
before=$(cat "$out")

# noted PATTERN ARGS...: exit 0, and one note that matches besides what the command says in any case
noted() {
    local pattern=$1 notes
    shift
    run 0 "$@"
    notes=$(grep '^ringkas: note: ' "$err")
    checks=$((checks + 1))
    if [ "$(wc -l <<<"$notes")" != 1 ] || ! grep -Eq "^ringkas: note: $pattern" <<<"$notes"; then
        fail "want one note /$pattern/ from: ringkas $*"
        sed 's/^/    /' "$err" | head -n 20
    fi
    run 0 "$@" --quiet
    check "talks in spite of --quiet: $*" [ ! -s "$err" ]
}
same_answer() { check "$1: another answer" [ "$before" = "$(cat "$out")" ]; }

# ---- rows ----
marked() { printf '\xef\xbb\xbf'; cat "$1"; }
mkdir data
marked "$sample/train.tsv" >data/train.tsv
cp "$sample/valid.tsv" "$sample/test.tsv" data/
mark='data/train.tsv:1: a byte-order mark, which is dropped$'
noted "$mark" eval "$work/tiny" --data data/train.tsv
noted "$mark" bench "$work/tiny" --data data/train.tsv --repeat 1
noted "$mark" compare "$work/tiny" "$work/tiny" --data data/train.tsv
noted "$mark" init --train data/train.tsv --layers 1 --hidden 8 --heads 2 --out fresh
noted "$mark" train --model "$work/tiny" --train data/train.tsv --valid data/valid.tsv \
    --max-steps 1 --out trained
noted "$mark" pipeline --init --layers 1 --hidden 8 --heads 2 --data data --out piped --epochs 1

# ---- vocabularies ----
# A copy of the small model that has vocab.txt alone.
plain() {
    rm -rf m
    cp -r "$work/tiny" m
    rm m/tokenizer.json
}
everywhere() {  # PATTERN: commands that read the tokenizer
    noted "$1" predict m baik
    same_answer "$1"
    noted "$1" eval m --data "$sample/test.tsv"
    noted "$1" export m -o m.onnx
    noted "$1" train --model m --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
        --max-steps 1 --out trained
}
plain
marked "$work/tiny/vocab.txt" >m/vocab.txt
everywhere 'm/vocab.txt:1: a byte-order mark, which is dropped$'
run 0 tokenize m <<<baik
check "tokenize says it too" grep -q '^ringkas: note: m/vocab.txt:1: ' "$err"
# two lines that the text does not need become others
plain
last=$(sed -n '$=' m/vocab.txt)
token=$(sed -n 300p m/vocab.txt)
sed -i "${last}s/.*/$(sed 's/[]\/*.^$[]/\\&/g' <<<"$token")/" m/vocab.txt
noted "m/vocab.txt:300: token .* comes again in line $last .1 such.; the last line counts" \
    eval m --data "$sample/test.tsv"
plain
sed -i "${last}s/.*//; 301s/.*//" m/vocab.txt
noted 'm/vocab.txt:301: an empty line .2 such.; ' eval m --data "$sample/test.tsv"

# ---- padding ----
edit() {    # FILE STATEMENT: runs Python with the file's JSON as d
    python3 -c 'import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
exec(sys.argv[2])
json.dump(d, open(sys.argv[1], "w", encoding="utf-8"))' "$1" "$2"
}
rm -rf m
cp -r "$work/tiny" m
edit m/tokenizer.json 'd["padding"] = {"pad_id": 5, "pad_token": "[PAD]"}'
everywhere 'm: "padding" names id 5, but the padding token "\[PAD\]" is id 0, which counts$'
rm -rf m
cp -r "$work/tiny" m
edit m/config.json 'd["pad_token_id"] = 7'
everywhere 'm/config.json: "pad_token_id" is 7, but the tokenizer.s padding token is id 0'

# ---- JSON and weights ----
rm -rf m
cp -r "$work/tiny" m
marked "$work/tiny/config.json" >m/config.json
everywhere 'm/config.json:1: a byte-order mark, which is dropped$'
rm -rf m
cp -r "$work/tiny" m
mv m/model.safetensors m/part.safetensors
python3 - m <<'END'
import json, struct, sys
data = open(sys.argv[1] + "/part.safetensors", "rb").read()
head = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
names = [n for n in head if n != "__metadata__"]
json.dump({"metadata": {"total_size": 41}, "weight_map": {n: "part.safetensors" for n in names}},
          open(sys.argv[1] + "/model.safetensors.index.json", "w"))
END
everywhere 'm/model.safetensors.index.json: total_size is 41 but the tensors hold [0-9]+ bytes$'
finish
