#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/headers.sh
# Compiles every public header alone, as C with gcc and clang and as C++ with g++: each must be complete in itself.
set -euo pipefail
cd "$(dirname "$0")/../core/include"
read -ra flags <<<"$(pkg-config --cflags gobject-2.0) -I. -Wall -Wextra -Wpedantic -Werror -fsyntax-only"

for header in dinor1/*.h; do
    for compiler in "gcc -x c -std=c11" "clang -x c -std=c11" "g++ -x c++ -std=c++11"; do
        echo "$compiler $header"
        printf "#include <%s>\nextern int a_declaration;\n" "$header" | $compiler "${flags[@]}" -
    done
done
