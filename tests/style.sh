#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/style.sh [BUILD]
# Checks the files of the tree: layout, text hygiene, sizes, who includes whom, and, given a build folder, that
# libdinor1 exports dinor1_ symbols alone. Prints each offence; the exit status is 0 when there is none.
set -uo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."
bad=0
shopt -s lastpipe # complain() ends pipes and sets bad

# Prints TITLE and standard input if there is any.
complain() {
    local lines
    lines=$(head -n 40)
    [ -z "$lines" ] && return
    printf '%s:\n%s\n' "$1" "$lines"
    bad=1
}

mapfile -t files < <(git -c safe.directory='*' ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && echo "$f"; done)
of() { printf '%s\n' "${files[@]}" | grep -E "$1"; }
[ ${#files[@]} -gt 0 ] || { echo "git lists no files here" && exit 1; }
mapfile -t code < <(of '\.(c|cc|h|cu)$')
mapfile -t text < <(of '\.(c|cc|h|cu|sh|py|md|yml|yaml|txt|build)$|^\.ci/run$|^meson_options\.txt$' | grep -v '^tests/[a-z]*/.*\.txt$')
mapfile -t product < <(of '^(core|companion|gst-plugin|draw)/')
mapfile -t logic < <(of '^(core|companion|gst-plugin|draw)/.*\.(c|cc|h|cu)$' | grep -vE '_(tables|data)\.[ch]$')

clang-format --dry-run -Werror "${code[@]}" 2>&1 | grep -E 'error:' | complain 'clang-format -i would change'

grep -nP '\t' "${text[@]}" /dev/null | complain 'tab'
grep -nE ' +$' "${text[@]}" /dev/null | complain 'trailing space'
grep -lP '\r' "${text[@]}" /dev/null | complain 'carriage return'
grep -nP '[\x{00A0}\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]' "${text[@]}" /dev/null |
    complain 'invisible Unicode'
for file in "${text[@]}"; do
    [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ] && echo "$file"
done | complain 'no newline at the end'
for file in "${code[@]}"; do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || echo "$file"
done | complain 'no SPDX line'

grep -nIwE 'TODO|FIXME|XXX|HACK|not implemented|unimplemented' "${product[@]}" /dev/null | complain 'unfinished'
of '' | grep -v '\.md$' | xargs -d '\n' grep -nIE '(/wor[k]/|/tmp/[a-z]|/root[/]|/farm[/]|/home/[a-z])' |
    complain 'path of one machine'

for file in "${logic[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 700 ] || echo "$file: $lines lines"
done | complain 'longer than 700 lines'
for file in "${files[@]}"; do
    size=$(stat -c %s "$file")
    [ "$size" -le $((4 << 20)) ] || [[ $file == models/* ]] || echo "$file: $size bytes"
done | complain 'larger than 4 MiB'

# Arrows: core knows no GStreamer; the plugin and the tool see only public headers, draw/ and their own files.
for file in $(of '^core/.*\.(c|cc|h|cu)$'); do
    grep -HnE '#include *[<"](gst|cairo|pango|draw)/' "$file"
done | complain 'core includes a room above it'
for file in $(of '^(gst-plugin|companion|draw)/.*\.[ch]$'); do
    sed -nE 's/^#include *"([^"]+)".*/\1/p' "$file" | while read -r header; do
        [ -e "$(dirname "$file")/$header" ] || [ -e "${file%%/*}/$header" ] || [ -e "draw/$header" ] ||
            [ "$header" = config.h ] || echo "$file: \"$header\""
    done
done | complain 'includes what is neither public, draw/ nor its own'

if [ $# -gt 0 ]; then
    nm -D --defined-only "$1/core/libdinor1.so" | awk '{print $NF}' | grep -v '^dinor1_' | complain 'exported without the prefix'
    nm -D --defined-only "$1/core/libdinor1.so" | grep ' T dinor1_model_load' >/dev/null || echo "$1/core/libdinor1.so" |
        complain 'exports no dinor1_model_load'
fi
exit $bad
