# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced by the tests of the companion tool: TEST DINOR1 MODELS
#   DINOR1  the program
#   MODELS  the golden data's models (random weights)
# Everything happens in a temporary folder that is removed at the end.
set -u
dinor1=$(realpath "$1")
models=$(realpath "$2")
export LC_ALL=C.UTF-8
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cd "$temporary" || exit 99
checks=0
failures=0

# fail MESSAGE: counts and prints a failure, with what the program said last.
fail() {
    failures=$((failures + 1))
    echo "not ok: $*"
    [ ! -s err ] || sed 's/^/    /' err
}

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" >check.log 2>&1 || {
        fail "$what: $*"
        sed 's/^/    /' check.log
    }
}

# run ARGUMENT...: runs the program; its output is in the files out and err, its exit status in $status.
run() {
    status=0
    "$dinor1" "$@" >out 2>err || status=$?
}

# succeeds ARGUMENT...
succeeds() {
    checks=$((checks + 1))
    run "$@"
    [ "$status" = 0 ] || fail "exit status $status, not 0: dinor1 $*"
}

# fails STATUS PATTERN ARGUMENT...: that exit status, one message, which matches, and no half-written files.
fails() {
    local expected=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    run "$@"
    if [ "$status" != "$expected" ]; then
        fail "exit status $status, not $expected: dinor1 $*"
    elif ! grep -qE -- "^dinor1: .*$pattern" err; then
        fail "no message like '$pattern': dinor1 $*"
    fi
    no_temporary_files
}

no_temporary_files() {
    local left
    left=$(find . -name '.*.??????' -type f)
    [ -z "$left" ] || fail "left behind: $left"
}

# equals WHAT EXPECTED ACTUAL
equals() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# json FILE EXPRESSION: prints a Python expression of the parsed file d.
json() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2].strip()))' "$@"
}

# json_lines FILE EXPRESSION: the same, d being the list of all lines' values.
json_lines() {
    python3 -c 'import json, sys; d = [json.loads(l) for l in open(sys.argv[1])]; print(eval(sys.argv[2].strip()))' "$@"
}

# count_frames FILE: decodes it with GStreamer alone.
count_frames() {
    rm -rf frames && mkdir frames
    gst-launch-1.0 -q filesrc location="$1" ! decodebin ! videoconvert ! jpegenc ! multifilesink \
        location=frames/%05d.jpg >/dev/null 2>&1 || echo "cannot decode $1"
    find frames -type f | wc -l
}

# make_clip FILE FRAMES [PATTERN]
make_clip() {
    gst-launch-1.0 -q videotestsrc num-buffers="$2" pattern="${3:-ball}" ! \
        video/x-raw,width=96,height=64,framerate=10/1 ! jpegenc ! avimux ! filesink location="$1"
}

# make_image FILE
make_image() {
    gst-launch-1.0 -q videotestsrc num-buffers=1 ! video/x-raw,width=80,height=60 ! pngenc ! filesink location="$1"
}

# make_model NAME: a copy of a golden model that looks at small pictures.
make_model() {
    cp -r "$models/$1" "$1"
    echo '{"size": {"shortest_edge": 64, "longest_edge": 128}}' >"$1/preprocessor_config.json"
}

finish() {
    echo "$checks checks, $failures failures"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
    exit
}
