#!/usr/bin/env bash
# Wrong use: exit 2, one line that helps, nothing made.
. "$(dirname "$0")/lib.sh"

# Text after "ringkas" and its pattern; the words are split on blanks.
while IFS='|' read -r words pattern; do
    # shellcheck disable=SC2086
    refuse 2 "$pattern" $words
done <<'END'
evl|did you mean eval
--data x|unknown command
train --epohcs 3|unknown option --epohcs .did you mean --epochs
train --epoch 3|unknown option --epoch .did you mean --epochs
train --epochs|--epochs needs a value
train --resume=1|--resume takes no value
train --model a --model b|--model is given twice
train --model a --train b --valid c|--out is needed
train --model a --train b --valid c --out d --qat int9|did you mean int8
train --model a --train b --valid c --out d --epochs 10001|--epochs 10001 is out of range
train --model a --train b --valid c --out d --epochs -1|--epochs -1 is not a whole number
train --model a --train b --valid c --out d --epochs 3x|--epochs 3x is not a whole number
train --model a --train b --valid c --out d --batch 0|--batch 0
train --model a --train b --valid c --out d --batch 99999999999999999999|not a whole number
train --model a --train b --valid c --out d --lr nan|--lr nan
train --model a --train b --valid c --out d --lr -1|--lr -1
train --model a --train b --valid c --out d --lr 1e-5x|--lr 1e-5x
train --model a --train b --valid c --out d --dropout 1|--dropout 1
train --model a --train b --valid c --out d --max-length 1|--max-length 1
train --model a --train b --valid c --out d --threads 0|--threads 0
train --model a --train b --valid c --out d extra|too many arguments
eval|usage: ringkas eval
eval m|--data is needed
eval m --data x --json -xq|unknown option -x
export a b -o x|too many arguments
eval m --data x --isa sse9|want ref, avx2
compare a --data x|usage: ringkas compare
compare a b --data x --max-drop lots|--max-drop lots
convert m.onnx -o x.onnx|--to is needed
convert m.onnx --to fp16|--output is needed
convert m.onnx -o x.onnx --to fp32|--to fp32
convert m.onnx -o x.onnx --to fp16 --io maybe|--io maybe
export m|--output is needed
predict|usage: ringkas predict
pipeline --data d --out o|either --model DIR or --init
pipeline --init --model m --data d --out o|either --model DIR or --init
pipeline --init --data d --out o --qat int4|--qat wants
pipeline --init --data d --out o --qat fp16,|--qat wants
pipeline --init --data d --out o --qat ,int8|--qat wants
pipeline --init --data d --out o --qat fp16,,int8|--qat wants
pipeline --init --data d --out o --qat fp16,fp16|--qat wants
pipeline --init --data d --out o --hidden 30 --heads 4|not a multiple
init --train x --out y --hidden 30 --heads 4|not a multiple
END
refuse 2 '--qat wants' pipeline --init --data d --out o --qat ""
run 2
check "no arguments: no list of commands" grep -q '^Commands' "$err"

# One line whatever the argument holds.
refuse 2 '--batch a.x0ab is not a whole number' eval m --data d --batch $'a\nb'
refuse 2 'from "c.x0ad" on' export m $'c\nd' -o o

# The same file as input and output.
echo x >same.onnx
refuse 2 "both input and output" convert same.onnx -o same.onnx --to fp16
ln same.onnx other.onnx
refuse 2 "both input and output" convert same.onnx -o other.onnx --to fp16
refuse 2 "both input and output" export same.onnx -o ./same.onnx
mkdir folder
refuse 2 "both input and output" train --model folder --train a --valid b --out ./folder
finish
