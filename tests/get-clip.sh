#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/get-clip.sh FOLDER
# Prints the path of vtest.avi (795 frames of pedestrians, 768x576): the one that Debian's opencv-doc installed, or
# else a copy from that package, unpacked under FOLDER without installing it.
set -euo pipefail

name=usr/share/doc/opencv-doc/examples/data/vtest.avi
folder=$(mkdir -p "$1" && cd "$1" && pwd)

for root in "" "$folder/opencv-doc"; do
    if [ -s "$root/$name" ]; then
        echo "$root/$name"
        exit 0
    fi
done

echo "Fetching vtest.avi out of Debian's package opencv-doc (96 MB)" >&2
mkdir -p "$folder/opencv-doc"
cd "$folder/opencv-doc"
if ! apt-get download -q opencv-doc >&2 </dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q >&2 </dev/null
    apt-get download -q opencv-doc >&2 </dev/null
fi
dpkg-deb --fsys-tarfile opencv-doc_*.deb | tar -x "./$name"
rm opencv-doc_*.deb
echo "$PWD/$name"
