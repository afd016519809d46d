#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/gpu.sh [--device cuda:N] [--name NAME] [--built BUILD]
#        tests/gpu.sh --emulated BUILD [--output FILE]
# On a machine with an NVIDIA GPU: builds for it, checks kernels, model and training, runs compute-sanitizer and the
# benchmarks, and writes tests/bench/results/gpu-NAME.md, in under ten minutes. A part that this machine lacks something
# for is skipped and says so; one that fails makes the exit status 1, but the others still run and the report is
# written. --built: with the programs of the build folder BUILD, made elsewhere for this GPU. --emulated: on the emulated
# GPU, with few cases and the programs of BUILD, to test this.
# DINOR1_GPU_MODEL, _BANK, _PICTURES: a trained model, prompts for it and a folder of JPEG pictures, for what halves cost in
# detections. PYTHON: one with the packages of tests/bench/requirements.txt (python3), for what is compared with PyTorch.
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.." || exit

device=cuda name='' build=$PWD/build-gpu output='' emulated=false built=false
usage() {
    sed -n '5,14s/^# \?//p' "$0" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --device) device=$2 ;;
    --name) name=$2 ;;
    --built) built=true build=$(realpath "$2") ;;
    --emulated) emulated=true build=$(realpath "$2") device=cuda-host ;;
    --output) output=$2 ;;
    *) usage ;;
    esac
    shift 2
done

export LC_ALL=C.UTF-8
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
started=$SECONDS
python=${PYTHON:-python3}
parts=()

# part NAME COMMAND...: exit status 0 passes, 77 is a skip whose last line says why, anything else fails. A line
# "detail: …" of its output goes to the table, lines between "table:" and "end" into the report.
part() {
    parts+=("$1")
    run_part "$@"
}

# The same beside others, until the next join: for what is not timed.
beside() {
    parts+=("$1")
    run_part "$@" &
}
join() {
    wait
}

run_part() {
    local what=$1 start=$SECONDS status=0 result detail log=$logs/$1.log
    shift
    ("$@") >"$log" 2>&1 || status=$?
    detail=$(sed -n 's/^detail: //p' "$log" | tail -n 1)
    [ -n "$detail" ] || detail=$(tail -n 1 "$log" | tr -d '|`' | cut -c 1-200)
    case $status in
    0) result=passed ;;
    77) result=skipped ;;
    124) result="FAILED (took too long)" ;;
    *) result="FAILED (exit status $status)" ;;
    esac
    echo "$what: $result: $detail"
    echo "| $what | $result | $((SECONDS - start)) | $detail |" >"$logs/$what.row"
    if grep -q '^table:$' "$log"; then
        printf '\n## %s\n\n' "$what"
        sed -n '/^table:$/,/^end$/p' "$log" | sed '/^table:$/d; /^end$/d'
    fi >"$logs/$what.detail"
    [ "$status" = 0 ] || [ "$status" = 77 ] ||
        printf '\n## %s\n\n```\n%s\n```\n' "$what" "$(tail -n 40 "$log")" >>"$logs/$what.detail"
}

skip() {
    echo "detail: $*"
    exit 77
}

# Shows COMMAND's whole output in the report.
shown() {
    printf 'table:\n```\n'
    "$@"
    local status=$?
    printf '```\nend\n'
    return $status
}

# Without a GPU there is nothing to test: that is a failure of the call, not a report.
describe_gpu() {
    if $emulated; then
        gpu='emulated on the host' driver=none
        return
    fi
    local index=0
    [[ $device != *:* ]] || index=${device#*:}
    command -v nvidia-smi >/dev/null || { echo "gpu.sh: no nvidia-smi: is there an NVIDIA driver?" >&2 && exit 1; }
    gpu=$(nvidia-smi -i "$index" --query-gpu=name --format=csv,noheader) || exit 1
    driver=$(nvidia-smi -i "$index" --query-gpu=driver_version --format=csv,noheader)
    arch=$(nvidia-smi -i "$index" --query-gpu=compute_cap --format=csv,noheader | tr -d .)
}
describe_gpu
[ -n "$name" ] || name=$(tr 'A-Z ' 'a-z-' <<<"$gpu" | tr -cd 'a-z0-9-')
[ -n "$output" ] || output=tests/bench/results/gpu-$name.md

nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
programs=(tests/opcheck/opcheck tests/golden/test_golden tests/train/test_training_golden tests/cuda/test_cuda_detector
    companion/dinor1 tests/bench/bench-soak tests/bench/bench-train)

build_for_gpu() {
    [ -x "$nvcc" ] || { echo "no nvcc" && return 1; }
    [ -f "$build/build.ninja" ] ||
        PATH=$(dirname "$nvcc"):$PATH meson setup "$build" --buildtype=release -Dtests=enabled -Dcuda=enabled \
            -Dgpu_archs="$arch" || return
    timeout 300 ninja -C "$build" core/backend/cuda/device/libdinor1-cuda.so "${programs[@]}" || return
    echo "detail: for sm_$arch, $("$nvcc" --version | tail -n 1)"
}
$emulated || $built || part build build_for_gpu
if $emulated; then
    export DINOR1_MODULE_PATH=$build/core/backend/cuda/host
else
    export DINOR1_MODULE_PATH=$build/core/backend/cuda/device
fi
opcheck=$build/tests/opcheck/opcheck dinor1=$build/companion/dinor1
models=$PWD/tests/golden/data/models

run_opcheck() {
    if $emulated; then
        for op in softmax linear topk; do "$opcheck" --backend "$device" --op $op || return; done
    else
        timeout 150 "$opcheck" --backend "$device" --require-all --big
    fi
}
beside opcheck run_opcheck

# Without the taps' rows the log is short; the worst one is what counts.
run_golden() { # PROGRAM ARGUMENTS...
    local tap=$logs/${1##*/}.tap
    timeout 120 env DINOR1_TEST_DEVICE="$device" "$@" >"$tap" 2>&1
    local status=$?
    grep -E '^not ok|FAILED|ERROR' "$tap" | head -n 40
    echo "detail: $(grep -c '^ok' "$tap") passed, $(grep -c '^not ok' "$tap") failed"
    return $status
}
only() { # the tests under a path, on the emulated GPU
    $emulated && printf '%s\n' -p "$1"
}
mapfile -t few < <(only /golden/mm-one)
G_TEST_SRCDIR=$PWD/tests/golden beside golden run_golden "$build/tests/golden/test_golden" --keep-going "${few[@]}"
$emulated || G_TEST_SRCDIR=$PWD/tests/train \
    beside training-golden run_golden "$build/tests/train/test_training_golden" "$device"
G_TEST_SRCDIR=$PWD/tests/cuda beside detector run_golden "$build/tests/cuda/test_cuda_detector"
beside training-curve timeout 90 tests/gpu-curve.sh "$dinor1" "$models" "$device"

run_sanitizer() { # TOOL OPS...
    local tool=$1 log=$logs/$1.tool op
    shift
    [ -x "$sanitizer" ] || skip "no compute-sanitizer"
    for op in "$@"; do
        timeout 100 "$sanitizer" --tool "$tool" --error-exitcode 9 "$opcheck" --backend "$device" --op "$op" \
            >"$log" 2>&1 || { tail -n 40 "$log" && return 1; }
    done
    echo "detail: $*"
}
if $emulated; then
    beside memcheck skip "the emulated GPU has the address sanitizer instead"
    beside racecheck skip "the emulated GPU notices a missing barrier by itself"
else
    beside memcheck run_sanitizer memcheck window_attention deformable_attention topk linear
    beside racecheck run_sanitizer racecheck window_attention softmax layer_norm
fi

join

# --- What is timed, one after the other ---

has_torch() {
    "$python" -c 'import safetensors, scipy, torch, transformers' 2>/dev/null
}
bench_model() { # NAME MODEL SIZE ARGUMENTS...
    local log=$logs/$1.log model=$2 size=$3
    shift 3
    shown timeout 120 "$dinor1" bench --model "$model" --size "$size" --prompts 4 --format nv12 --device "$device" "$@" ||
        return
    echo "detail: $size, $*: $(sed -n 's/^one frame: //p' "$log") $(sed -n 's/^\([0-9]* streams.*\)/; \1/p' "$log")"
}
bench() { # NAME MODEL SIZE ARGUMENTS...
    part "$1" bench_model "$@"
}
compare_frames() {
    has_torch || skip "$python lacks torch, transformers, safetensors or scipy"
    "$python" tests/bench/gpu_vs_pytorch.py --dinor1 "$dinor1" --device "$device" --torch-device "$device" --runs 100 \
        --precisions fp16 fp32 --modes 'eager fp16' 'compile fp16' --compile-timeout 110
}
compare_training() {
    has_torch || skip "$python lacks torch, transformers, safetensors or scipy"
    echo "table:"
    timeout 150 "$python" tests/bench/train_vs_pytorch.py --build "$build" --device "$device" --precision bf16 \
        --only swin-t-800 --modes sft --steps 6 --rounds 1 --output "$logs/train.md" | sed '/^# /d' || return
    echo "end"
}
soak() { # MODEL ARGUMENTS...
    local model=$1
    shift
    timeout 120 "$build/tests/bench/bench-soak" --device "$device" "$@" "$model" 2>&1 | sed 's/^[0-9]* frames/detail: &/'
    return "${PIPESTATUS[0]}"
}
# Of what the fp32 run finds above 0.3, how much is found again.
keep_detections() { # PRECISION
    if [ -z "${DINOR1_GPU_MODEL:-}" ] || [ -z "${DINOR1_GPU_BANK:-}" ] || [ -z "${DINOR1_GPU_PICTURES:-}" ]; then
        skip "DINOR1_GPU_MODEL, _BANK and _PICTURES name no trained model, prompts and pictures"
    fi
    timeout 60 "$python" tests/bench/precision.py --dinor1 "$dinor1" --device "$device" --precision "$1" \
        --model "$DINOR1_GPU_MODEL" --prompts "$DINOR1_GPU_BANK" "$DINOR1_GPU_PICTURES"/*.jpg
}
# The table by module and op is of ops run by themselves; the frame above it is not.
if $emulated; then
    cp -r "$models/dino-r1-visual" "$logs/model"
    echo '{"size": {"shortest_edge": 64, "longest_edge": 128}}' >"$logs/model/preprocessor_config.json"
    bench nano "$logs/model" 96x64 --runs 1 --streams 2 --batch 2
    part soak soak "$logs/model" --frames 55 --sizes-every 3 --prompts-every 2
else
    bench nano-800 models/dinor1-nano 1333x800 --runs 200
    if has_torch; then
        "$python" tests/bench/vs_transformers.py --make "$logs"
        mkdir "$logs/swin-t" && mv "$logs/config.json" "$logs/model.safetensors" "$logs/swin-t"
        echo '{"size": {"shortest_edge": 544, "longest_edge": 960}}' >"$logs/swin-t/preprocessor_config.json"
        for batch in 1 8; do
            bench "swin-t-2-streams-of-$batch" "$logs/swin-t" 960x544 --precision fp16 --runs 100 --streams 2 --batch $batch
        done
        part soak soak "$logs/swin-t" --precision fp16 --seconds 45
    else
        part soak soak models/dinor1-nano --precision fp16 --seconds 45
    fi
    for precision in tf32 fp16 bf16; do part "detections-kept-$precision" keep_detections $precision; done
    part frame-against-pytorch compare_frames
    part training-step-against-pytorch compare_training
fi

failed=$(cat "$logs"/*.row | grep -c '| FAILED')
mkdir -p "$(dirname "$output")"
{
    echo "# $gpu"
    echo
    commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
    echo "\`tests/gpu.sh\` on $(date -u +%Y-%m-%d), commit $commit, driver $driver, $(nproc) processors," \
        "$((SECONDS - started)) s."
    echo
    echo "| part | result | s | |"
    echo "| --- | --- | ---: | --- |"
    for one in "${parts[@]}"; do cat "$logs/$one.row"; done
    for one in "${parts[@]}"; do cat "$logs/$one.detail"; done
} >"$output"
echo "$output: ${#parts[@]} parts, $failed failed"
[ "$failed" = 0 ]
