#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/gpu.sh [--device cuda:N] [--name NAME]
#        tests/gpu.sh --emulated BUILD [--output FILE]
# On a machine with an NVIDIA GPU: builds for it, checks kernels, model and training, runs compute-sanitizer and the
# benchmarks, and writes tests/bench/results/gpu-NAME.md, in under ten minutes. A part that this machine lacks something
# for is skipped and says so; one that fails makes the exit status 1, but the others still run and the report is
# written. --emulated: on the emulated GPU, with few cases and the programs of the build folder BUILD, to test this.
# DINOR1_GPU_MODEL: a model directory whose frame is timed, besides models/dinor1-nano.
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.." || exit

device=cuda name='' build=$PWD/build-gpu output='' emulated=false
usage() {
    sed -n '5,11s/^# \?//p' "$0" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --device) device=$2 ;;
    --name) name=$2 ;;
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
failed=0
rows=() details=()

# part NAME COMMAND...: exit status 0 passes, 77 is a skip whose last line says why, anything else fails. A line
# "detail: …" of its output goes to the table, lines between "table:" and "end" into the report.
part() {
    local what=$1 start=$SECONDS status=0 result detail log=$logs/$1.log
    shift
    echo "--- $what"
    ("$@") >"$log" 2>&1 || status=$?
    detail=$(sed -n 's/^detail: //p' "$log" | tail -n 1)
    [ -n "$detail" ] || detail=$(tail -n 1 "$log" | tr -d '|`' | cut -c 1-200)
    case $status in
    0) result=passed ;;
    77) result=skipped ;;
    124) result="FAILED (took too long)" ;;
    *) result="FAILED (exit status $status)" ;;
    esac
    rows+=("| $what | $result | $((SECONDS - start)) | $detail |")
    echo "    $result: $detail"
    if [ "$status" = 0 ] && grep -q '^table:$' "$log"; then
        details+=("" "## $what" "" "$(sed -n '/^table:$/,/^end$/p' "$log" | sed '/^table:$/d; /^end$/d')")
    fi
    [ "$status" = 0 ] || [ "$status" = 77 ] || {
        failed=$((failed + 1))
        details+=("" "## $what" "" '```' "$(tail -n 40 "$log")" '```')
    }
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
    companion/dinor1)

build_for_gpu() {
    [ -x "$nvcc" ] || { echo "no nvcc" && return 1; }
    [ -f "$build/build.ninja" ] ||
        PATH=$(dirname "$nvcc"):$PATH meson setup "$build" --buildtype=release -Dtests=enabled -Dcuda=enabled \
            -Dgpu_archs="$arch" || return
    timeout 300 ninja -C "$build" core/backend/cuda/device/libdinor1-cuda.so "${programs[@]}" || return
    echo "detail: for sm_$arch, $("$nvcc" --version | tail -n 1)"
}
$emulated || part build build_for_gpu
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
part opcheck run_opcheck

# Without the taps' rows the log is short; the worst one is what counts.
run_golden() { # PROGRAM ARGUMENTS...
    timeout 120 env DINOR1_TEST_DEVICE="$device" "$@" >"$logs/golden.tap" 2>&1
    local status=$?
    grep -E '^not ok|FAILED|ERROR' "$logs/golden.tap" | head -n 40
    echo "detail: $(grep -c '^ok' "$logs/golden.tap") passed, $(grep -c '^not ok' "$logs/golden.tap") failed"
    return $status
}
only() { # the tests under a path, on the emulated GPU
    $emulated && printf '%s\n' -p "$1"
}
mapfile -t few < <(only /golden/mm-one)
G_TEST_SRCDIR=$PWD/tests/golden part golden run_golden "$build/tests/golden/test_golden" --keep-going "${few[@]}"
train() { # COMMAND...
    grep -q '^| .device. ' docs/finetune.md || skip "training takes no device yet"
    "$@"
}
$emulated || G_TEST_SRCDIR=$PWD/tests/train \
    part training-golden train run_golden "$build/tests/train/test_training_golden" "$device"
G_TEST_SRCDIR=$PWD/tests/cuda part detector run_golden "$build/tests/cuda/test_cuda_detector"
part training-curve train timeout 90 tests/gpu-curve.sh "$dinor1" "$models" "$device"

run_sanitizer() { # TOOL OPS...
    local tool=$1 log=$logs/sanitizer.log op
    shift
    [ -x "$sanitizer" ] || skip "no compute-sanitizer"
    for op in "$@"; do
        timeout 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$opcheck" --backend "$device" --op "$op" \
            >"$log" 2>&1 || { tail -n 40 "$log" && return 1; }
    done
    echo "detail: $*"
}
if $emulated; then
    part memcheck skip "the emulated GPU has the address sanitizer instead"
    part racecheck skip "the emulated GPU notices a missing barrier by itself"
else
    part memcheck run_sanitizer memcheck window_attention deformable_attention topk linear
    part racecheck run_sanitizer racecheck window_attention softmax layer_norm
fi

# The table by module and op is of runs that wait after every op; the frame above it is not.
bench_model() { # MODEL SIZE RUNS
    shown timeout 120 "$dinor1" bench --model "$1" --size "$2" --prompts 4 --runs "$3" --device "$device" || return
    echo "detail: $2: $(sed -n 's/^one frame: //p' "$logs/bench-$4.log")"
}
bench() { # NAME MODEL SIZE RUNS
    part "bench-$1" bench_model "$2" "$3" "$4" "$1"
}
if $emulated; then
    cp -r "$models/dino-r1-visual" "$logs/model"
    echo '{"size": {"shortest_edge": 64, "longest_edge": 128}}' >"$logs/model/preprocessor_config.json"
    bench nano "$logs/model" 96x64 1
else
    bench nano-800 models/dinor1-nano 1333x800 200
    bench nano-544 models/dinor1-nano 960x544 200
    if [ -n "${DINOR1_GPU_MODEL:-}" ]; then
        bench model-800 "$DINOR1_GPU_MODEL" 1333x800 200
        bench model-544 "$DINOR1_GPU_MODEL" 960x544 200
    else
        part bench-model skip "DINOR1_GPU_MODEL names no model"
    fi
fi

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
    printf '%s\n' "${rows[@]}"
    printf '%s\n' "${details[@]}"
} >"$output"
echo "$output: ${#rows[@]} parts, $failed failed"
[ "$failed" = 0 ]
