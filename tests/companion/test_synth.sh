#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# models/dinor1-nano/synth.py makes what dinor1 finetune and eval accept, the same each time. PYTHON: its interpreter.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
nano=$here/../../models/dinor1-nano
python=${PYTHON:-python3}
"$python" -c 'import cv2, numpy, PIL' 2>/dev/null || {
    echo "skipped: $python has no numpy, opencv and pillow"
    exit 77
}
synth() { PYTHONDONTWRITEBYTECODE=1 "$python" "$nano/synth.py" "$@" 2>/dev/null; }
digest() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }

check 'pictures are made' synth train --count 6 --shortest 96 --processes 2
check 'and again' synth again --count 6 --shortest 96 --processes 1
check 'the same ones' test "$(digest train)" = "$(digest again)"
check 'another seed' synth other --count 6 --shortest 96 --seed 2
check 'makes others' test "$(digest train)" != "$(digest other)"
check 'and pictures of what is held out' synth val --split val --count 8 --shortest 96

names() { grep -oE '"name": "[^"]*"' "$@" | cut -d: -f3 | sort -u; }
check 'six pictures' test "$(find train/images -name '*.jpg' | wc -l)" = 6
check 'no class is in both' test -z "$(comm -12 <(names -h train/annotations.json other/annotations.json) <(names -h val/*.json))"
succeeds finetune "$nano/recipe.yaml" --dry-run --output run --set model="$models/dino-r1-visual" \
    --set data.train.annotations=train/annotations.json --set data.train.images=train/images
check 'training takes them' grep -q '^train  *6 images' out
succeeds eval --quiet --model "$models/dino-r1-visual" --annotations val/annotations.json --images val/images \
    --from val/exemplars.json --train-images val/images --per-class 1
finish
