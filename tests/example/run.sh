#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/example/run.sh BUILD PREFIX
# Installs BUILD into its PREFIX, compiles detect.c against what pkg-config finds there, and runs it: it must find
# something in a test picture and say what is wrong with a bad box. The installed plugin must load.
set -euo pipefail
build=$1 prefix=$2
cd "$(dirname "$0")/../.."

rm -rf "$prefix"
meson install -C "$build" --no-rebuild --quiet
pc=$(find "$prefix" -name dinor1.pc)
export PKG_CONFIG_PATH=${pc%/*}
libdir=$(pkg-config --variable=libdir dinor1)
export LD_LIBRARY_PATH=$libdir GST_PLUGIN_PATH=$libdir/gstreamer-1.0 GST_REGISTRY=$prefix/registry.bin

read -ra flags <<<"$(pkg-config --cflags --libs dinor1)"
gcc -std=gnu11 -Wall -Wextra -Werror -o "$prefix/detect" tests/example/detect.c "${flags[@]}"

picture=$prefix/picture.ppm
gst-launch-1.0 -q videotestsrc num-buffers=1 pattern=ball ! video/x-raw,format=RGB,width=320,height=240 ! \
    filesink location="$prefix/picture.rgb"
{ printf 'P6\n320 240\n255\n' && cat "$prefix/picture.rgb"; } >"$picture"

found=$("$prefix/detect" models/dinor1-nano "$picture" 0 0 40 40 | tee /dev/stderr | wc -l)
[ "$found" -gt 0 ] || { echo "the example finds nothing" && exit 1; }

if message=$("$prefix/detect" models/dinor1-nano "$picture" 400 0 40 40 2>&1); then
    echo "a box outside the picture is accepted" && exit 1
fi
grep -i box <<<"$message"

properties=$(gst-inspect-1.0 dinor1detect) # read to its end: a reader that leaves early would end it with SIGPIPE
grep -q prompt-box <<<"$properties"
"$prefix/bin/dinor1" --version
