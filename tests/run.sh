#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/run.sh [--quick]
# Installs what the tests need, builds with gcc and clang, runs every suite, again under sanitizers and valgrind, and
# checks style, headers and the installed library. --quick: the gcc build, its tests and the style only.
# Logs: build-tests/logs/. The last line says how many passed; the exit status is 0 only when none failed.
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

quick=false
case "${1:-}" in
--quick) quick=true ;;
"") ;;
*) echo "usage: $0 [--quick]" >&2 && exit 2 ;;
esac

export LC_ALL=C.UTF-8 OPENBLAS_NUM_THREADS=2
work=$PWD/build-tests
logs=$work/logs
passed=0 failed=0 skipped=0
summary=()
rm -rf "$logs" && mkdir -p "$logs"

tally() { # NAME PASSED FAILED SKIPPED SECONDS
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    summary+=("$(printf '%-28s %4d passed %3d failed %3d skipped %5d s' "$@")")
    echo "${summary[-1]}"
}

# One check: exit status 0 passes, 77 is a skip, anything else fails and shows the end of its log.
step() { # NAME COMMAND...
    local name=$1 start=$SECONDS status=0
    shift
    echo "--- $name"
    "$@" >"$logs/$name.log" 2>&1 || status=$?
    case $status in
    0) tally "$name" 1 0 0 $((SECONDS - start)) ;;
    77) tail -n 3 "$logs/$name.log" && tally "$name" 0 0 1 $((SECONDS - start)) ;;
    *) tail -n 60 "$logs/$name.log" && tally "$name" 0 1 0 $((SECONDS - start)) ;;
    esac
    return $status
}

# One run of meson test: every test of it counts, and a run without any test is a failure.
suite() { # NAME BUILD ARGUMENTS...
    local name=$1 build=$2 start=$SECONDS status=0
    shift 2
    echo "--- $name"
    rm -f "$build/meson-logs/$name"*.json
    meson test -C "$build" --no-rebuild --print-errorlogs --logbase "$name" "$@" >"$logs/$name.log" 2>&1 || status=$?
    local results ok bad skip
    results=$(cat "$build/meson-logs/$name"*.json) # meson adds the wrapper's name
    ok=$(grep -cE '"result": "(OK|EXPECTEDFAIL)"' <<<"$results")
    skip=$(grep -c '"result": "SKIP"' <<<"$results")
    bad=$(($(grep -c '"result": ' <<<"$results") - ok - skip))
    [ $bad != 0 ] || { [ $status = 0 ] && [ $ok != 0 ]; } || bad=1
    [ $bad = 0 ] || tail -n 120 "$logs/$name.log"
    tally "$name" $ok $bad $skip $((SECONDS - start))
}

build() { # FOLDER COMPILER OPTIONS...; $targets: what of it, all if empty
    local folder=$1 compiler=$2 cxx=g++
    shift 2
    [ "$compiler" = gcc ] || cxx=clang++
    if [ -f "$folder/build.ninja" ]; then
        meson configure "$folder" "$@" || return
    else
        CC=$compiler CXX=$cxx meson setup "$folder" --werror "$@" || return
    fi
    meson compile -C "$folder" ${targets:-}
}

finish() {
    echo
    echo "=== summary"
    printf '%s\n' "${summary[@]}"
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}

tests/install-deps.sh tests || { echo "cannot install what the tests need" >&2 && exit 1; }
DINOR1_TEST_CLIP=$(tests/get-clip.sh "$work") && export DINOR1_TEST_CLIP

step build-gcc build "$work/gcc" gcc -Dtests=enabled -Dcuda=disabled -Dprefix="$work/prefix" || finish
suite tests-gcc "$work/gcc"
step style tests/style.sh "$work/gcc"
$quick && finish

step headers tests/headers.sh
step gpu-script tests/gpu.sh --emulated "$work/gcc" --output "$logs/gpu.md"
step example tests/example/run.sh "$work/gcc" "$work/prefix"
DINOR1_CPU_MASK=0 suite golden-reference "$work/gcc" --suite golden
DINOR1_CPU_MASK=1 suite golden-generic "$work/gcc" --suite golden
suite valgrind "$work/gcc" --suite memory --timeout-multiplier 10 \
    --wrap 'valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'
# Nothing here can run the GPU's kernels, but they must compile for every kind of GPU, and the module must load: a machine
# without a driver says so. Without nvcc the emulator's tests must do.
build_cuda() {
    local archs=80,86,89,90,100
    if ! command -v nvcc && [ ! -x /usr/local/cuda/bin/nvcc ]; then
        echo "no nvcc here: the CUDA module was not compiled, its kernels ran on the emulated GPU only"
        return 77
    fi
    if [ -f "$work/cuda/build.ninja" ]; then
        meson configure "$work/cuda" -Dgpu_archs=$archs || return
    else
        meson setup "$work/cuda" -Dtests=disabled -Dcuda=enabled -Dgpu_archs=$archs || return
    fi
    meson compile -C "$work/cuda" dinor1-cuda || return
    DINOR1_MODULE_PATH=$work/cuda/core/backend/cuda/device "$work/gcc/companion/dinor1" inspect --model models/dinor1-nano \
        --size 96x64 | tee "$work/device.txt"
    grep -E '^on (cuda:0, |cpu, .*\(auto: cuda:0: (NVIDIA|no CUDA-capable device))' "$work/device.txt"
}
step build-cuda build_cuda
step build-clang build "$work/clang" clang -Dtests=enabled -Dcuda=disabled

# Whole stacks, so that the suppressions find the library that keeps the memory.
export ASAN_OPTIONS=detect_stack_use_after_return=1:fast_unwind_on_malloc=0
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export GST_REGISTRY_FORK=no
if step build-sanitizers build "$work/asan" clang -Dtests=enabled -Dcuda=disabled -Dfuzzing=enabled -Dbuildtype=debugoptimized \
    -Db_ndebug=false -Db_sanitize=address,undefined -Db_lundef=false; then
    suite tests-sanitizers "$work/asan" --timeout-multiplier 5
fi
# The GPU's kernels under sanitizers: opcheck's cases but for those of real models, golden data and gradients. gcc, since
# clang optimises the attentions only in minutes a file.
if targets='opcheck dinor1-cuda-host test_emulator test_golden test_training_golden test_cuda_detector' step build-kernels build "$work/asan-kernels" gcc -Dtests=enabled \
    -Dcuda=disabled -Dbuildtype=debugoptimized -Db_ndebug=false -Db_sanitize=address,undefined; then
    suite tests-kernels "$work/asan-kernels" --timeout-multiplier 3 opcheck-cuda-host-{1..3} cuda-emulator \
        golden-cuda-host training_golden-cuda-host cuda-detector
fi
finish
