#!/usr/bin/env bash
# The whole road on the sample data: trains a small encoder from nothing, exports, converts,
# measures, and labels two texts with the INT8 file. Called by `make demo` after the build.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
ringkas=${RINGKAS:-build/ringkas}
out=${1:-build/demo}

# Chosen on the validation rows. So small an encoder wants a high rate, and little of it once
# trained.
"$ringkas" pipeline --init --layers 2 --hidden 128 --heads 4 --vocab-size 4000 --max-length 64 \
    --data data/sample --out "$out" --qat fp16,int8 --epochs 8 --batch 16 --lr 1e-3 --warmup 0.1 \
    --dropout 0.3 --qat-epochs 1 --qat-lr 1e-5 --seed 42
echo
echo "Two texts, by the INT8 file ($out/model_int8.onnx):"
"$ringkas" predict "$out/model_int8.onnx" \
    "makanannya enak sekali, pelayannya ramah" \
    "kecewa, pesanan tidak pernah datang"
