#!/usr/bin/env bash
# --clean: every step a switch of its own, stored with the model, and applied again by every command
# and by what is made of the model.
. "$(dirname "$0")/lib.sh"
small() { # DIR OPTIONS...: one step of training
    local dir=$1
    shift
    run 0 train --train train.tsv --valid train.tsv --out "$dir" --max-steps 1 --batch 4 --quiet \
        --max-length 32 "$@"
}
{
    head -n 40 "$sample/train.tsv"
    printf 'Yang ENAK, tidak\x1cmahal! ini 100%%\tpositive\n'
} >rows.tsv
for i in 1 2 3 4; do cat rows.tsv; done >train.tsv
run 0 init --train train.tsv --layers 1 --hidden 16 --heads 2 --vocab-size 300 --max-length 32 \
    --out init --quiet
# Case must be seen after the cleaning: a tokenizer that keeps it.
python3 - <<'END' || fail "the tokenizer is not cased"
import json
for name in ("tokenizer.json", "tokenizer_config.json"):
    with open("init/" + name, encoding="utf-8") as file:
        doc = json.load(file)
    if name == "tokenizer.json":
        doc["normalizer"].update(lowercase=False, strip_accents=False)
    else:
        doc.update(do_lower_case=False, strip_accents=False)
    with open("init/" + name, "w", encoding="utf-8") as file:
        json.dump(doc, file)
END

text=$(printf 'Yang ENAK, tidak\x1cmahal! ini 100%%')
ids() { printf '%s\n' "$1" | "$RINGKAS" tokenize "$2"; }
# STEPS: what is left of the text by them
while IFS='|' read -r steps left; do
    left=$(printf "$left")
    want=$(ids "$left" init)
    small "$steps" --model init --clean "$steps"
    check "$steps: the name is not stored" grep -q "\"clean\": *\"$steps\"" "$steps/ringkas.json"
    got=$(ids "$text" "$steps")
    check "$steps: tokenize: $got, not $want" [ "$got" = "$want" ]
    run 0 export "$steps" -o m.onnx --quiet
    check "$steps: not in the exported file" [ "$(ids "$text" m.onnx)" = "$want" ]
    run 0 convert m.onnx -o half.onnx --to fp16 --quiet
    check "$steps: not in the converted file" [ "$(ids "$text" half.onnx)" = "$want" ]
    # A training that says nothing of cleaning goes on with the model's.
    small on --model "$steps"
    check "$steps: not kept by further training" [ "$(ids "$text" on)" = "$want" ]
    # predict sees the cleaned text: the answer is that of the same weights without cleaning for the
    # text as it is left.
    cp -r "$steps" bare
    python3 - <<'END' || fail "$steps: ringkas.json"
import json
with open("bare/ringkas.json", encoding="utf-8") as file:
    doc = json.load(file)
doc["clean"] = "none"
with open("bare/ringkas.json", "w", encoding="utf-8") as file:
    json.dump(doc, file)
END
    run 0 predict "$steps" "$text"
    cut -f1,2 "$out" >cleaned.txt
    run 0 predict bare "$left"
    check "$steps: predict" cmp -s cleaned.txt <(cut -f1,2 "$out")
    rm -rf "$steps" on bare m.onnx half.onnx
done <<'END'
lower|yang enak, tidak\x1cmahal! ini 100%%
strip-special|ang  tidak\x1cmahal ini\x20
collapse|Yang ENAK, tidak mahal! ini 100%%
stopwords|Yang ENAK, mahal! 100%%
stopwords-keep-negation|Yang ENAK, tidak mahal! 100%%
seed|mahal
lower,strip-special,collapse,stopwords-keep-negation|tidak mahal
END

# Labelled rows: each model cleans them in its own way, so a model and the same without cleaning
# agree to the bit on rows that are clean already, and only there.
small seeded --model init --clean seed
cp -r seeded plain
sed -i 's/"clean": *"seed"/"clean": "none"/' plain/ringkas.json
printf '%s\tpositive\nTidak buruk\tnegative\n' "$text" >raw.tsv
printf 'mahal\tpositive\nburuk\tnegative\n' >hand.tsv
for model in seeded plain; do run 0 export "$model" -o "$model.onnx" --quiet; done
for rows in hand.tsv raw.tsv; do
    run 0 compare plain.onnx seeded.onnx --data "$rows" --json
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["max_logit_diff"] == 0)' \
        "$out" >>equal
done
check "compare: $(tr '\n' ' ' <equal)" [ "$(tr '\n' ' ' <equal)" = "True False " ]
refuse 2 "bleach" train --model init --train train.tsv --valid train.tsv --out no --clean bleach
finish
