#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/bench/learn/run.sh eight|bccd|more DINOR1 BCCD OUTPUT
# Does training work? DINOR1: the built tool. BCCD: a folder with train.json, val.json, test.json and images/.
#   eight  a tiny model with random weights learns eight pictures by heart: AP50 on these is to reach 0.95
#   bccd   the nano with random weights, supervised and with GRQO at the same budget, three seeds: AP on the test split
#   more   from bccd's supervised models, supervised and with GRQO at other weights
# A run that was stopped goes on where it was. Figures: OUTPUT/eight-4.json, OUTPUT/bccd.md, OUTPUT/more.md.
set -euo pipefail

[ $# = 4 ] || { sed -n '5,10s/^# //p' "$0" >&2 && exit 2; }
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
            finetune "$method-$seed" bccd.yaml --set model="$nano" --set data.train.annotations="$bccd/train.json" \
                --set data.validation.annotations="$bccd/val.json" --set seed="$seed" --set grqo.start=$start
            for per_class in 1 4 16; do
                evaluate "$method-$seed" "$bccd/test.json" "$bccd/train.json" $per_class
            done
        done
    done
    # shellcheck disable=SC2086
    python3 "$here/table.py" compare "$output" 1,4,16 sft,grqo $seeds | tee "$output/bccd.md"
    ;;
more)
    for seed in $seeds; do
        while read -r name options; do
            # shellcheck disable=SC2086
            finetune "$name-$seed" continue.yaml --set model="$output/sft-$seed/model" --set seed="$seed" \
                --set data.train.annotations="$bccd/train.json" --set data.validation.annotations="$bccd/val.json" $options
            evaluate "$name-$seed" "$bccd/test.json" "$bccd/train.json" 4
        done <<'END'
more_sft --set grqo.start=100000
more_kl --set grqo.start=0 --set grqo.alpha=0
more_1 --set grqo.start=0 --set grqo.alpha=1
more_1_nokl --set grqo.start=0 --set grqo.alpha=1 --set grqo.beta=0
more_1_mute --set grqo.start=0 --set grqo.alpha=1 --set grqo.mute=0.667
more_10 --set grqo.start=0 --set grqo.alpha=10
END
    done
    # shellcheck disable=SC2086
    python3 "$here/table.py" compare "$output" 4 more_sft,more_kl,more_1,more_1_nokl,more_1_mute,more_10 $seeds |
        tee "$output/more.md"
    ;;
*) echo "eight, bccd or more, not '$what'" >&2 && exit 2 ;;
esac
