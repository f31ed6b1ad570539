#!/usr/bin/env bash
# Data files in every format: the same answers from TSV, CSV and JSON Lines, fields by name.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
model=$work/tiny

python3 - "$sample/valid.tsv" <<'END' || fail "making the files"
import csv
import json
import sys
rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[1], encoding="utf-8")]
rows = [r for r in rows if r != ["text", "label"]]
with open("rows.csv", "w", encoding="utf-8", newline="") as file:
    csv.writer(file).writerows(rows)
with open("rows.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps({"text": t, "label": l}) + "\n" for t, l in rows)
with open("named.jsonl", "w", encoding="utf-8", newline="\r\n") as file:
    file.writelines(json.dumps({"kelas": l, "ulasan": t}, ensure_ascii=False) + "\n"
                    for t, l in rows)
END

answers() { "$RINGKAS" eval "$@" --json --quiet 2>err | python3 -c '
import json
import sys
o = json.load(sys.stdin)
print(o["rows"], o["tokens"], o["accuracy"], o["confusion"])' || fail "eval $*: $(cat err)"; }
want=$(answers "$model" --data "$sample/valid.tsv")
for file in rows.csv rows.jsonl "named.jsonl --text-field ulasan --label-field kelas"; do
    # shellcheck disable=SC2086
    got=$(answers "$model" --data $file)
    [ "$got" = "$want" ] || fail "$file: $got; want $want"
done
refuse 1 'named.jsonl:1: no field "text".*--text-field' eval "$model" --data named.jsonl
refuse 1 'named.jsonl:1: no field "label".*--label-field' eval "$model" --data named.jsonl \
    --text-field ulasan
refuse 2 'same name' eval "$model" --data rows.jsonl --label-field text
sed '3s/,.*$//' rows.jsonl >bad.jsonl
refuse_row 1 2 'bad.jsonl:3: not valid JSON' eval "$model" --data bad.jsonl
refuse 1 'bad.jsonl:3: not valid JSON' train --model "$model" --train rows.jsonl --valid bad.jsonl \
    --out out
refuse 1 'bad.jsonl:3: not valid JSON' init --train bad.jsonl --out out

# every command that takes rows takes the names of their fields
named=(--text-field ulasan --label-field kelas)
accept() { "$RINGKAS" "$@" >out.txt 2>err || fail "$*: $(cat err)"; }
accept init --train named.jsonl "${named[@]}" --hidden 32 --heads 2 --vocab-size 400 --out small
accept train --model small --train named.jsonl --valid named.jsonl "${named[@]}" --max-steps 1 \
    --out trained --json
check "rows of JSON Lines" grep -Eq '"rows": ?[1-9][0-9]' out.txt
accept export trained -o m.onnx
accept convert m.onnx -o m16.onnx --to fp16 --check named.jsonl "${named[@]}"
accept compare m.onnx m16.onnx --data named.jsonl "${named[@]}"
accept bench m.onnx --data named.jsonl "${named[@]}" --batch 4 --repeat 1
mkdir rows
for split in train valid test; do cp named.jsonl rows/$split.jsonl; done
accept pipeline --model small --data rows "${named[@]}" --max-length 16 --epochs 1 --out all
finish
