#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: models/dinor1-nano/train.sh DINOR1 OUTPUT [EPOCHS_SMALL [EPOCHS_FULL]]
# Makes the data (PYTHON: an interpreter with numpy, opencv and pillow) and trains dinor1-nano from nothing: first on small
# and easy pictures (144 pixels high, four times as many a second), then on full ones. Started again it goes on where it was,
# and with more epochs it trains longer. After each epoch the model is in OUTPUT/small-N or OUTPUT/full-N.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '5,8s/^# //p' "$0" >&2 && exit 2; }
dinor1=$(realpath "$1") output=$2 n_small=${3:-3} n_full=${4:-40}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$output/from/small"
output=$(realpath "$output")
cp "$here/config.json" "$output/from/small"
sed 's/"shortest_edge": 264/"shortest_edge": 144/; s/"longest_edge": 470/"longest_edge": 256/' \
    "$here/preprocessor_config.json" >"$output/from/small/preprocessor_config.json"

make_data() { # NAME OPTIONS...
    [ -s "$output/data/$1/annotations.json" ] || "${PYTHON:-python3}" "$here/synth.py" "$output/data/$1" "${@:2}"
}

train() { # NAME MODEL EPOCHS OPTIONS...
    local name=$1 model=$2 epochs=$3
    for ((epoch = 1; epoch <= epochs; epoch++)); do
        [ ! -d "$output/$name-$epoch" ] || continue
        "$dinor1" finetune "$here/recipe.yaml" --resume --set model="$model" --output "$output/$name" \
            --set data.train.annotations="$output/data/$name/annotations.json" \
            --set data.train.images="$output/data/$name/images" --set epochs="$epoch" "${@:4}"
        cp -r "$output/$name/model" "$output/$name-$epoch"
    done
}

make_data small --count 4000 --shortest 144 --classes 4 --hardness 0.5
make_data val --count 240 --split val --seed 2
train small "$output/from/small" "$n_small" --set from_scratch=true
# The same weights for pictures of the model's own size.
rm -rf "$output/from/full"
cp -r "$output/small-$n_small" "$output/from/full"
cp "$here/preprocessor_config.json" "$output/from/full"
make_data full --count 8000 --seed 3
train full "$output/from/full" "$n_full"
