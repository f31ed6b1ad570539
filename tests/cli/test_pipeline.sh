#!/usr/bin/env bash
# The whole road in small: every file is there, the report says what eval says, a stopped run goes
# on.
. "$(dirname "$0")/lib.sh"
mkdir data
head -n 320 "$sample/train.tsv" >data/train.tsv
# CSV is as good; quotes by RFC 4180.
{
    echo text,label
    awk -F'\t' '{ gsub(/"/, "\"\"", $1); printf "\"%s\",%s\r\n", $1, $2 }' "$sample/valid.tsv"
} >data/valid.csv
cp "$sample/test.tsv" data/test.tsv
pipeline() {
    local dir=$1
    shift
    "$RINGKAS" pipeline --init --layers 1 --hidden 32 --heads 2 --vocab-size 600 --max-length 64 \
        --data data --out "$dir" --epochs 2 --lr 2e-3 --threads 1 "$@"
}

pipeline full --qat fp16,int8 >"$out" 2>"$err" || fail "pipeline: $(tail -n 3 "$err")"
for file in model.onnx model_fp16.onnx model_int8.onnx report.json report.html \
    model/model.safetensors model/training.jsonl model-fp16/quant.safetensors \
    model-int8/quant.safetensors; do
    check "lacks full/$file" [ -s "full/$file" ]
done
check "left over: $(ls -A full)" [ "$(ls -A full | wc -l)" = 9 ]
check "the table names the three files" \
    [ "$(grep -cE '^model(_fp16|_int8)?\.onnx ' "$out")" = 3 ]
check "the table has no interval" grep -qE '\[[0-9.]+, [0-9.]+\]' "$out"
check "the report is not named" grep -q '^report: full/report.html$' "$out"
check "the page loads something from elsewhere" \
    [ -z "$(grep -oiE '(src|href)="[^#"]|url\(|@import' full/report.html)" ]

check "the data was reported $(grep -c '^train: 320 rows' "$err") times" \
    [ "$(grep -c '^train: 320 rows' "$err")" = 1 ]
schema=$RK_SOURCE/tests/support/schema.py
check "report.json against its schema" python3 "$schema" "$RK_SOURCE/doc/report.schema.json" \
    full/report.json "$RK_SOURCE/tests/data/report.json"
check "what the page reads against the schema" python3 "$schema" \
    "$RK_SOURCE/doc/report.schema.json" --keys "$RK_SOURCE/src/eval/report_check.c"
check "the hashes" python3 - full/report.json <<'END'
import hashlib, json, os, sys
report = json.load(open(sys.argv[1]))
def same(path, told):
    assert hashlib.sha256(open(path, "rb").read()).hexdigest() == told, path
for result in report["results"]:
    same("full/" + result["file"], result["sha256"])
for split in report["data"].values():
    same(split["path"], split["sha256"])
same(os.path.join(report["model"]["name"], report["model"]["weights"]), report["model"]["sha256"])
assert report["os"].split()[0] == os.uname().sysname and "oneDNN" in report["libraries"]
END

# The report's figures are those of eval, run again on the same files.
for name in fp32:model.onnx fp16:model_fp16.onnx int8:model_int8.onnx; do
    run 0 eval "full/${name#*:}" --data data/test.tsv --json --quiet --threads 1
    check "report of ${name%%:*}" python3 - "$out" full/report.json "${name%%:*}" <<'END'
import json, os, sys
now = json.load(open(sys.argv[1]))
report = json.load(open(sys.argv[2]))
result, = [r for r in report["results"] if r["name"] == sys.argv[3]]
for key in ("accuracy", "f1_weighted", "confusion", "rows", "precision_ran", "model_bytes"):
    assert now[key] == result["eval"][key], key
assert now["precision_ran"] == sys.argv[3], now["precision_ran"]
assert result["model_bytes"] == os.path.getsize("full/" + result["file"])
run, = [r for r in report["runs"] if r["name"] == sys.argv[3]]
assert len(run["curve"]) == run["steps"] and [p["step"] for p in run["curve"]] == \
    list(range(1, run["steps"] + 1))
assert sum(e["kept"] for e in run["epochs"]) == 1
assert report["version"] == 1 and report["data"]["train"]["rows"] == 320
assert [c["candidate"] for c in report["compare"]] == ["fp16", "int8"]
END
done

# Without --qat: half by conversion, and INT8 is left out with a word about it; the file of another
# training does not stay beside the new report.
mkdir plain
cp full/model_int8.onnx plain/
pipeline plain >"$out" 2>"$err" || fail "pipeline without --qat: $(tail -n 3 "$err")"
check "an INT8 file without learned ranges" [ ! -e plain/model_int8.onnx ]
check "no half file" [ -s plain/model_fp16.onnx ]
check "no word about INT8" grep -q '^int8: skipped' "$out"
check "the same training gives another file" cmp -s plain/model.onnx full/model.onnx

# Killed in the second training, then resumed: the same files as without.
(
    exec "$RINGKAS" pipeline --init --layers 1 --hidden 32 --heads 2 --vocab-size 600 \
        --max-length 64 --data data --out part --epochs 2 --lr 2e-3 --threads 1 --qat fp16,int8
) >/dev/null 2>&1 &
pid=$!
for _ in $(seq 2000); do
    [ -s part/model-fp16/training.jsonl ] && break
    sleep 0.01
done
kill -TERM "$pid"
wait "$pid"
code=$?
# It may have come to its end before the signal did; then there is nothing to resume.
check "exit $code after SIGTERM" [ "$code" = 1 ] || [ "$code" = 0 ]
# A folder that another trainer left is no state to go on from.
mkdir -p part/model-int8/checkpoint-9
echo theirs >part/model-int8/checkpoint-9/trainer_state.json
pipeline part --qat fp16,int8 --resume >"$out" 2>"$err" || fail "--resume: $(tail -n 3 "$err")"
for file in model.onnx model_fp16.onnx model_int8.onnx; do
    check "resumed, $file is another" cmp -s "part/$file" "full/$file"
done
check "the other trainer's folder is kept" [ -s part/model-int8/checkpoint-9/trainer_state.json ]
check "the FP32 model was trained again" grep -q 'model was trained before' "$err"

# Another learning rate: not the run that is to go on.
run 1 pipeline --init --layers 1 --hidden 32 --heads 2 --vocab-size 600 --max-length 64 \
    --data data --out part --epochs 2 --lr 3e-3 --threads 1 --qat fp16,int8 --resume --quiet
one_line "trained with another --lr" "pipeline --resume --lr"

# compare: the gate, between a model that learned and one that did not.
learn() {
    local dir=$1
    shift
    run 0 train --model full/init --train "$sample/train.tsv" --valid data/valid.csv --out "$dir" \
        --lr 4e-3 --dropout 0 --threads 1 --quiet "$@"
}
learn better --epochs 4
learn worse --max-steps 1
run 3 compare better worse --data data/test.tsv --max-drop 1 --json --quiet
check "gate" grep -q '"gate": "fail"' "$out"
check "one line about the gate" [ "$(grep -c '^ringkas: .*drops by' "$err")" = 1 ]
run 0 compare worse better --data data/test.tsv --max-drop 1 --json --quiet
check "a gain passes the gate" grep -q '"gate": "pass"' "$out"
run 0 compare better worse --data data/test.tsv --json --quiet
check "no gate was asked for" grep -q '"gate": "none"' "$out"

# No rows file, bad rows, labels of other names: before anything is trained.
mkdir few
cp data/train.tsv few/
refuse 1 "few: holds no valid" pipeline --init --data few --out bad
cp data/train.tsv few/valid.tsv
sed 's/positive$/positif/' data/test.tsv >few/test.tsv
run 1 pipeline --init --layers 1 --hidden 32 --heads 2 --data few --out bad --quiet
one_line "few/test.tsv:[0-9]+: .*positif" "pipeline with a strange label"
check "a model was trained all the same" [ ! -e bad/model ]
finish
