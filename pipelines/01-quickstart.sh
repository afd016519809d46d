#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: pipelines/01-quickstart.sh [FILE|URI]
# Installs what it needs (Debian packages, said first), builds into build/, and searches a clip for what looks like one
# box of its first frame. Without an argument: pedestrians, in vtest.avi of Debian's opencv-doc.
#   PROMPT_BOX=x,y,w,h   the example, in pixels of the first frame   LABEL=word   what to call it
#   MODEL=folder   THRESHOLD=0…1   OUT=folder (default ./quickstart-out)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export LC_ALL=C.UTF-8

"$root/tests/install-deps.sh" quickstart
cuda=disabled # minutes to build: not without a GPU
! nvidia-smi -L >/dev/null 2>&1 || cuda=auto
[ -f "$root/build/build.ninja" ] || meson setup "$root/build" "$root" -Dtests=disabled -Dcuda=$cuda
meson compile -C "$root/build"
launch() { meson devenv -C "$root/build" -w "$PWD" gst-launch-1.0 "$@"; }

if [ $# -eq 0 ]; then
    uri=file://$("$root/tests/get-clip.sh" "$root/build")
    PROMPT_BOX=${PROMPT_BOX:-499,156,32,78} LABEL=${LABEL:-person} # the man in the middle
elif [[ $1 == *://* ]]; then
    uri=$1
else
    uri=file://$(realpath -e "$1" | sed 's/%/%25/g; s/ /%20/g; s/#/%23/g; s/?/%3F/g')
fi
if [ -z "${PROMPT_BOX:-}" ]; then
    caps=$(launch -v uridecodebin uri="$uri" ! video/x-raw ! fakesink num-buffers=1)
    width=$(grep -oP 'width=\(int\)\K[0-9]+' <<<"$caps" | tail -n 1)
    height=$(grep -oP 'height=\(int\)\K[0-9]+' <<<"$caps" | tail -n 1)
    PROMPT_BOX=$((width / 3)),$((height / 3)),$((width / 3)),$((height / 3))
    echo "No PROMPT_BOX given: the example is the middle of the first frame, $PROMPT_BOX (x,y,w,h of $width x $height)."
fi

out=${OUT:-$PWD/quickstart-out}
model=${MODEL:-$root/models/dinor1-nano}
mkdir -p "$out"
trained=true threshold=0.3
if grep -q '"trained": *false' "$model/config.json"; then
    trained=false threshold=0.05 # random weights give low scores
fi
launch -e uridecodebin uri="$uri" ! video/x-raw ! queue ! \
    dinor1detect model="$model" prompt-box="$PROMPT_BOX" \
    prompt-label="${LABEL:-object}" threshold="${THRESHOLD:-$threshold}" ! \
    dinor1json location="$out/detections.jsonl" ! dinor1overlay ! videoconvert ! queue ! \
    vp8enc deadline=1 cpu-used=16 end-usage=cq cq-level=20 max-quantizer=40 target-bitrate=8000000 ! webmmux ! \
    filesink location="$out/annotated.webm" | tee "$out/log.txt"
launch -q filesrc location="$out/annotated.webm" ! decodebin ! videoconvert ! pngenc snapshot=true ! \
    filesink location="$out/frame.png"

seconds=$(sed -nE 's/^Execution ended after ([0-9]+):([0-9]+):([0-9.]+)$/\1 \2 \3/p' "$out/log.txt" |
    awk '{ print $1 * 3600 + $2 * 60 + $3 }')
frames=$(wc -l <"$out/detections.jsonl")
echo
echo "$frames frames in $seconds s: $(awk "BEGIN { printf \"%.1f\", $frames / $seconds }") frames a second, everything included."
echo "annotated video  $out/annotated.webm"
echo "detections       $out/detections.jsonl, one line of JSON per frame"
echo "one frame        $out/frame.png"
$trained || echo "This model is not trained yet: its boxes show that the pipeline works, not what is in the picture."
