#!/usr/bin/env bash
# predict and tokenize: every text an answer or a clear error, in order, nothing lost.
. "$(dirname "$0")/lib.sh"
tiny "$work/tiny"
run 0 export "$work/tiny" -o tiny.onnx
long=$(yes "enak sekali" | head -n 5000 | tr '\n' ' ')

for model in "$work/tiny" tiny.onnx; do
    printf 'makanannya enak\n\n%s\n\xf0\x9f\x98\x80 mantap \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd\nlast' \
        "$long" >in.txt
    run 0 predict "$model" <in.txt
    check "$model: want one line per text" [ "$(wc -l <"$out")" = 5 ]
    check "$model: three fields a line" [ -z "$(awk -F'\t' 'NF != 3' "$out")" ]
    check "$model: the texts are not echoed in order" cmp -s <(cut -f3 "$out") <(cat in.txt; echo)
    check "$model: labels" [ -z "$(cut -f1 "$out" | grep -vxE 'positive|neutral|negative')" ]
    check "$model: shares" [ -z "$(cut -f2 "$out" | grep -vxE '[01]\.[0-9]{4}')" ]
    check "$model: talks on stderr" [ ! -s "$err" ]
done

# The same texts as arguments, and in batches of any size, get the same answers.
run 0 predict tiny.onnx "makanannya enak" "" -- "-tidak enak"
check "arguments" [ "$(cut -f3 "$out" | tr '\n' '|')" = "makanannya enak||-tidak enak|" ]
awk -F'\t' '{ print $1 }' "$sample/test.tsv" >texts
run 0 predict tiny.onnx <texts
cp "$out" all
check "150 answers" [ "$(wc -l <all)" = "$(wc -l <texts)" ]
for i in 1 64 65 128 150; do
    check "line $i alone" [ "$("$RINGKAS" predict tiny.onnx "$(sed -n "${i}p" texts)")" = \
        "$(sed -n "${i}p" all)" ]
done
run 0 predict tiny.onnx --threads 1 <texts
check "one thread answers differently" cmp -s all "$out"

# Bad bytes: an error that names the line; the others are answered.
printf 'satu\ndua \xff\xfe\ntiga\n\xc0\x80\nlima\n' >bytes
run 1 predict tiny.onnx <bytes
check "lines 2 and 4 are named" \
    [ "$(grep -oE '^ringkas: standard input:[0-9]+: invalid UTF-8' "$err" | grep -oE '[0-9]+:' |
        tr -d '\n')" = "2:4:" ]
check "two lines on stderr" [ "$(wc -l <"$err")" = 2 ]
check "a line for each" \
    [ "$(cut -f3 "$out" | tr '\n' '|')" = 'satu|dua \xff\xfe|tiga|\xc0\x80|lima|' ]
check "errors stand in their places" [ "$(cut -f1 "$out" | grep -n '^!error$' | tr '\n' '|')" = \
    "2:!error|4:!error|" ]
run 1 predict tiny.onnx --json <bytes
python3 - "$out" <<'END' || fail "predict --json on bad bytes"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert len(rows) == 5, rows
assert [r.get("line") for r in rows] == [None, 2, None, 4, None], rows
assert [r.get("text") for r in rows] == ["satu", None, "tiga", None, "lima"], rows
for r in rows[::2]:
    assert r["label"] == max(r["probabilities"], key=r["probabilities"].get)
    assert abs(sum(r["probabilities"].values()) - 1) < 1e-5
    assert list(r["probabilities"]) == ["positive", "neutral", "negative"]
END
# TS-25
printf 'a\tb\x01\x1b[31m\\ \xc2\x9b\r\n' >control
run 0 predict tiny.onnx <control
check "control bytes are not escaped: $(cat "$out")" \
    [ "$(cut -f3 "$out")" = 'a\tb\x01\x1b[31m\\ \xc2\x9b' ]
head -c 1500000 /dev/zero | tr '\0' 'a' >huge
echo >>huge
echo baik >>huge
run 1 predict tiny.onnx <huge
check "a line over 1 MiB" grep -q '^ringkas: standard input:1: .*1 MiB' "$err"
check "the line behind it" [ "$(sed -n 2p "$out" | cut -f3)" = baik ]
run 0 predict tiny.onnx </dev/null
check "nothing in, nothing out" [ ! -s "$out" ]
run 0 predict tiny.onnx "<script>alert(1)</script> \$(touch ran) %s%n"
check "text is not text" [ "$(cut -f3 "$out")" = "<script>alert(1)</script> \$(touch ran) %s%n" ]

# Weights whose products leave the range of numbers: an error, not a label with no share.
cp -r "$work/tiny" far
python3 - far/model.safetensors <<'END'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
head = json.loads(data[8:8 + size])
def fill(name, value):
    first, last = (8 + size + at for at in head[name]["data_offsets"])
    data[first:last] = struct.pack("<f", value) * ((last - first) // 4)
fill("classifier.weight", 3e38)
fill("bert.pooler.dense.bias", 9.0)
open(sys.argv[1], "wb").write(data)
END
run 1 predict far "satu"
check "says that a logit is not finite" grep -q '^ringkas: argument 1: .*not finite' "$err"
check "an error in place of the label" [ "$(cut -f1 "$out")" = '!error' ]
run 1 predict far "satu" --json
check "one object that tells it" grep -q '"error": ".*not finite' "$out"

# An answer comes before the next line is written: two ends of a conversation.
mkfifo to from
for command in predict tokenize; do
    "$RINGKAS" $command tiny.onnx <to >from &
    exec 3>to 4<from
    for word in baik buruk biasa; do
        echo "$word" >&3
        answer=
        IFS= read -r -t 10 answer <&4
        [ $command = predict ] && want=$word || want=$("$RINGKAS" tokenize tiny.onnx <<<"$word")
        check "$command: no answer to $word before the next line" \
            [ "${answer##*$'\t'}" = "$want" ]
    done
    exec 3>&- 4<&-
    wait $! || fail "$command over pipes"
done

# tokenize
printf 'makanannya enak\n\nrusak \xff\n%s\n' "$long" >in.txt
run 1 tokenize tiny.onnx <in.txt
check "a line of ids per line" [ "$(wc -l <"$out")" = 4 ]
check "ids only" [ -z "$(sed 3d "$out" | grep -vxE '[0-9]+( [0-9]+)+')" ]
check "an empty text has two ids" [ "$(sed -n 2p "$out" | wc -w)" = 2 ]
check "the bad line is empty" [ -z "$(sed -n 3p "$out")" ]
check "cut to the model's length" [ "$(sed -n 4p "$out" | wc -w)" = 64 ]
check "line 3 is named" grep -q '^ringkas: standard input:3: invalid UTF-8' "$err"
run 0 tokenize "$work/tiny" <texts
cp "$out" folder-ids
run 0 tokenize tiny.onnx <texts
check "folder and file give other ids" cmp -s folder-ids "$out"
finish
