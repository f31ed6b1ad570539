#!/usr/bin/env bash
# What cannot be written to standard output is an error; numbers do not depend on the locale.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
model=$work/tiny

full() {
    local code
    "$RINGKAS" "$@" >/dev/full 2>"$err"
    code=$?
    check "exit $code on a full device: $*" [ "$code" = 1 ]
    check "full, and no word about it: $*" grep -q '^ringkas: standard output: ' "$err"
    "$RINGKAS" "$@" >&- 2>"$err"
    code=$?
    check "exit $code on a closed stdout: $*" [ "$code" = 1 ]
    check "closed, and no word about it: $*" grep -q '^ringkas: standard output: ' "$err"
}
full --help
full --version
full predict "$model" teks
full predict "$model" teks --json
full eval "$model" --data "$sample/valid.tsv" --json --quiet
full eval "$model" --data "$sample/valid.tsv" --quiet
full inspect "$model" --json
full bench "$model" --data "$sample/valid.tsv" --repeat 1 --json --quiet
full compare "$model" "$model" --data "$sample/valid.tsv" --json --quiet

# Streams that are closed at the start: the first file opened must not take their place.
"$RINGKAS" export "$model" -o closed.onnx >&- 2>&- <&-
code=$?
check "exit $code of export with all streams closed" [ "$code" = 0 ]
"$RINGKAS" train --model "$model" --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
    --out closed --max-steps 3 >&- 2>&-
code=$?
check "exit $code of train without a stdout; its table is lost" [ "$code" = 1 ]
check "talk got into the log" [ "$(grep -cv '^{"step": [0-9]*, .*}$' closed/training.jsonl)" = 0 ]
"$RINGKAS" export "$model" -o open.onnx 2>/dev/null
check "a closed stream changed the file" cmp -s closed.onnx open.onnx

export_json() { LC_ALL=$1 LANG=$1 "$RINGKAS" predict "$model" enak buruk --json 2>/dev/null; }
plain=$(export_json C)
check "the probabilities have no decimal point" grep -q '"probability": 0\.' <<<"$plain"
for locale in de_DE.UTF-8 tr_TR.UTF-8 C.UTF-8 no_SUCH.locale; do
    check "other answers under $locale" [ "$(export_json $locale)" = "$plain" ]
done

# --json: exactly one object on stdout, and with --quiet nothing on stderr.
one_object() {
    run 0 "$@" --json --quiet
    check "talks in spite of --quiet: $*" [ ! -s "$err" ]
    check "not one JSON object: $*" python3 -c '
import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
assert isinstance(json.loads(text), dict) and text.count("\n") == 1' "$out"
}
# fields FILE PATH...: all of them must be there.
fields() {
    local file=$1
    shift
    check "fields of $file" python3 - "$file" "$@" <<'END'
import json, sys
whole = json.load(open(sys.argv[1], encoding="utf-8"))
bad = 0
for path in sys.argv[2:]:
    value = whole
    for key in path.split("."):
        if isinstance(value, list):
            value = value[0] if value else {}
        value = value.get(key, None) if isinstance(value, dict) else None
    if value is None:
        print("    lacks", path)
        bad = 1
sys.exit(bad)
END
}
one_object eval "$model" --data "$sample/valid.tsv"
fields "$out" rows accuracy precision_weighted recall_weighted f1_weighted f1_macro \
    per_label.positive.precision per_label.neutral.recall per_label.negative.f1 \
    per_label.negative.support confusion accuracy_ci95 latency_ms.p50 latency_ms.p95 \
    latency_ms.mean rows_per_s model_bytes rss_bytes precision_ran isa threads
one_object bench "$model" open.onnx --data "$sample/valid.tsv" --repeat 1
fields "$out" models.model models.precision_ran models.isa models.threads models.load_ms \
    models.rss_bytes models.model_bytes models.batch1.p50_ms models.batch1.p95_ms \
    models.batch1.p99_ms models.batches.batch models.batches.rows_per_s \
    models.batches.tokens_per_s models.batches.gflops models.batches.share_of_peak \
    models.peak_gflops
check "shares are speeds over the peak" python3 - "$out" <<'END'
import json, sys
models = json.load(open(sys.argv[1], encoding="utf-8"))["models"]
shares = [(b["share_of_peak"], b["gflops"] / m["peak_gflops"]) for m in models
          for b in m["batches"]]
sys.exit(not shares or any(got <= 0 or abs(got / want - 1) > 1e-9 for got, want in shares))
END
one_object compare "$model" open.onnx --data "$sample/valid.tsv"
fields "$out" rows flipped.to_right flipped.to_wrong mcnemar_p accuracy_drop accuracy_drop_ci95 \
    f1_drop max_logit_diff gate
one_object inspect "$model"
fields "$out" layers hidden heads parameters labels tensors.name tensors.shape
one_object inspect open.onnx
one_object inspect "$model/model.safetensors"
one_object convert open.onnx -o half.onnx --to fp16
fields "$out" nodes.half nodes.float casts.added casts.removed casts.kept clamped bytes.in bytes.out
one_object train --model "$model" --train "$sample/train.tsv" --valid "$sample/valid.tsv" \
    --test "$sample/test.tsv" --out trained --max-steps 2
fields "$out" rows steps seconds rows_per_s peak_rss_bytes best.epoch best.valid_accuracy \
    best.valid_f1_weighted test.rows test.accuracy test.precision_ran
one_object init --train "$sample/train.tsv" --out fresh --layers 1 --hidden 16 --heads 2

# The gate: a model against one that answers at random.
run 0 compare "$model" "$model" --data "$sample/valid.tsv" --max-drop 0 --json --quiet
check "gate" grep -q '"gate": "pass"' "$out"
finish
