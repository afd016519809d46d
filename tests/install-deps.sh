#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/install-deps.sh quickstart|tests
# Installs with apt what the quick start or the tests need and the machine lacks; says so first. Needs root or sudo
# only when something is missing.
set -euo pipefail

quickstart=(
    build-essential meson ninja-build pkg-config
    libglib2.0-dev libjson-glib-dev libyaml-dev libopenblas-pthread-dev libcairo2-dev libpango1.0-dev
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav fonts-dejavu-core
)
tests=("${quickstart[@]}" clang clang-format libclang-rt-dev valgrind libc6-dbg binutils python3 git
    libopenmpi-dev openmpi-bin gstreamer1.0-plugins-ugly)

case "${1:-}" in
quickstart) wanted=("${quickstart[@]}") ;;
tests) wanted=("${tests[@]}") ;;
*)
    echo "usage: $0 quickstart|tests" >&2
    exit 2
    ;;
esac

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1) || true
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "All ${#wanted[@]} Debian packages are installed."
    exit 0
fi

echo "Installing with apt: ${missing[*]}"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
