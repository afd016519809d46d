#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: pipelines/02-finetune.sh
# Trains on thirteen boxes of a clip (02-finetune/people.json), then searches the whole clip with what it learned.
# Stopped half-way (Ctrl-C, or killed), it goes on where it was.   OUT=folder (default ./finetune-out)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${OUT:-$PWD/finetune-out}

"$root/tests/install-deps.sh" quickstart
cuda=disabled # minutes to build: not without a GPU
! nvidia-smi -L >/dev/null 2>&1 || cuda=auto
[ -f "$root/build/build.ninja" ] || meson setup "$root/build" "$root" -Dtests=disabled -Dcuda=$cuda
meson compile -C "$root/build"
clip=$("$root/tests/get-clip.sh" "$root/build")
meson devenv -C "$root/build" -w "$PWD" dinor1 finetune "$root/pipelines/02-finetune/people.yaml" --output "$out" \
    --set data.train.images="$(dirname "$clip")" --resume
echo "curves           $out/report.html"
MODEL=$out/model THRESHOLD=0.3 OUT=$out exec "$root/pipelines/01-quickstart.sh"
