#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/bench/learn/run.sh eight|bccd DINOR1 BCCD OUTPUT
# Does training work? DINOR1: the built tool. BCCD: a folder with train.json, val.json, test.json and images/.
#   eight  a tiny model with random weights learns eight pictures by heart: AP50 on these is to reach 0.95
#   bccd   the nano with random weights, supervised and with GRQO at the same budget, three seeds: AP on the test split
# A run that was stopped goes on where it was. Figures: OUTPUT/eight.json, OUTPUT/bccd.md.
set -euo pipefail

[ $# = 4 ] || { sed -n '5,9s/^# //p' "$0" >&2 && exit 2; }
what=$1 dinor1=$2 bccd=$(realpath "$3") output=$4
here=$(cd "$(dirname "$0")" && pwd)
nano=$here/../../../models/dinor1-nano
seeds=${SEEDS:-1 2 3}
mkdir -p "$output"

finetune() { # NAME CONFIG OPTIONS...
    local name=$1 config=$2
    shift 2
    [ -f "$output/$name/report.html" ] && return
    "$dinor1" finetune "$here/$config" --output "$output/$name" --set data.train.images="$bccd/images" \
        --set data.validation.images="$bccd/images" --resume "$@"
}

evaluate() { # NAME ANNOTATIONS EXEMPLARS PER_CLASS
    local figures=$output/$1-$4.json
    [ -f "$figures" ] ||
        "$dinor1" eval --quiet --model "$output/$1/model" --annotations "$2" --images "$bccd/images" --from "$3" \
            --train-images "$bccd/images" --per-class "$4" --json "$figures"
}

case $what in
eight)
    python3 "$here/table.py" subset "$bccd/train.json" 8 "$output/eight-images.json"
    finetune eight eight.yaml --set model="$here/tiny" --set data.train.annotations="$output/eight-images.json" \
        --set data.validation.annotations="$output/eight-images.json"
    evaluate eight "$output/eight-images.json" "$output/eight-images.json" 4
    python3 "$here/table.py" atleast "$output/eight-4.json" AP50 0.95
    ;;
bccd)
    for seed in $seeds; do
        for method in sft grqo; do
            start=1
            [ $method = grqo ] || start=100000
            finetune $method-$seed bccd.yaml --set model="$nano" --set data.train.annotations="$bccd/train.json" \
                --set data.validation.annotations="$bccd/val.json" --set seed="$seed" --set grqo.start=$start
            for per_class in 1 4 16; do
                evaluate $method-$seed "$bccd/test.json" "$bccd/train.json" $per_class
            done
        done
    done
    # shellcheck disable=SC2086
    python3 "$here/table.py" compare "$output" $seeds | tee "$output/bccd.md"
    ;;
*) echo "eight or bccd, not '$what'" >&2 && exit 2 ;;
esac
