#!/usr/bin/env bash
# The same seed gives the same bits in five runs, on one thread and on two, for plain training, both
# kinds of QAT and what is learned along with them; and a run that is stopped at any of 20 random
# steps each (FP32 and INT8 in turns of options) and resumed ends at the bits of one that was not.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/../support/train_runs.sh"
export OMP_NUM_THREADS=1
seed=${RK_RANDOM_SEED:-$(date +%s)}
RANDOM=$seed
echo "seed $seed (RK_RANDOM_SEED)"
head -n 40 "$sample/valid.tsv" >valid.tsv
common=(model=start train="$sample/train.tsv" valid=valid.tsv rows=96 batch=8 epochs=2 lr=1e-3
    warmup=0.1 seed=5 max_length=48)
steps=24

probe_run 0 init=start out=first layers=2 hidden=48 heads=3 vocab=900 "${common[@]:1}" max_steps=1
# name, options
runs=(
    "fp32"
    "int8 qat=int8"
    "fp16 qat=fp16"
    "options accumulate=2 smoothing=0.1 class_weights=balanced schedule=2 layer_decay=0.8"
    "learned qat=int8 learn=1 delay=3 distill=0.5 hidden_loss=0.1"
    "mse qat=int8 observer=2 delay=0.2"
)
if grep -qw avx512_bf16 /proc/cpuinfo; then
    runs+=("bf16 compute=bf16" "codes qat=int8 compute=bf16")
else
    echo "SKIP: products in bf16: this processor has none"
fi
for entry in "${runs[@]}"; do
    read -ra words <<<"$entry"
    name=${words[0]}
    args=("${common[@]}" "${words[@]:1}")
    probe_run 0 "${args[@]}" out="$name-0"
    for again in 1 2 3 4; do
        OMP_NUM_THREADS=$((again % 2 + 1)) probe_run 0 "${args[@]}" out="$name-$again"
        same "$name-0" "$name-$again"
        rm -rf "$name-$again"
    done
done
resume_at() {   # NAME STOP THREADS ARGS...
    local name=$1 stop=$2
    export OMP_NUM_THREADS=$3
    shift 3
    probe_run 17 "$@" out=stopped stop_at="$stop"
    probe_run 0 "$@" out=stopped resume=1
    same "$name-0" stopped
    rm -rf stopped
}
for ((i = 0; i < 20; i++)); do
    stop=$((RANDOM % (steps - 1) + 1))
    resume_at fp32 $stop $((i % 2 + 1)) "${common[@]}"
    read -ra words <<<"${runs[$((i % 5 + 1))]}"
    [ "${words[0]}" = options ] && stop=$((stop / 2 + 1))   # two batches a step: half as many
    [ "$stop" = 12 ] && [ "${words[0]}" = options ] && stop=11
    resume_at "${words[0]}" $stop $((i % 2 + 1)) "${common[@]}" "${words[@]:1}"
done
finish
