#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Frames of clips as training and evaluation read them: in any order, from several threads, whatever the container can
# seek, they are the frames of reading the clip once. TEST DINOR1 MODELS CLIPS_CHECK
here=$(realpath "$(dirname "$0")")
checker=$(realpath "$3")
. "$here/lib.sh"

source='videotestsrc num-buffers=120 pattern=ball ! video/x-raw,width=96,height=64,framerate=25/1'
sizes='videotestsrc num-buffers=10 ! video/x-raw,width=96,height=64,framerate=10/1 ! c.
    videotestsrc num-buffers=10 ! video/x-raw,width=160,height=120,framerate=10/1 ! c.'

# make FILE ELEMENTS: encodes $source; not where an element is missing.
make() {
    local element
    for element in $(tr '!' '\n' <<<"$2" | awk '{print $1}'); do
        gst-inspect-1.0 "$element" >/dev/null 2>&1 || {
            echo "skipped $1: GStreamer has no $element"
            return
        }
    done
    # shellcheck disable=SC2086
    gst-launch-1.0 -q $source ! $2 ! filesink location="$1" >launch.log 2>&1 || fail "cannot make $1"
}

# same FILE FRAMES: every way to a frame leads to the same pixels.
same() {
    [ -s "$1" ] || return
    checks=$((checks + 1))
    "$checker" "$1" 25 >out 2>err || fail "$1: $(cat out)"
    grep -q "^$2 frames, 50 reads, 0 wrong" out || fail "$1: expected $2 frames, got: $(cat out)"
}

make every-key.avi 'jpegenc ! avimux'
make matroska.webm 'vp8enc keyframe-max-dist=20 deadline=1 ! webmmux'
make ogg.ogv 'theoraenc keyframe-force=16 ! oggmux'
make every-key.mov 'jpegenc ! qtmux'
make two-way.mp4 'avenc_mpeg4 gop-size=25 max-bframes=2 ! mp4mux' # has no times
make two-way.avi 'avenc_mpeg4 gop-size=25 max-bframes=2 ! avimux' # its times are not right after seeking
make raw.y4m 'y4menc'                                             # seeks badly or not at all
check 'two clips at least' test -s every-key.avi -a -s ogg.ogv
for clip in every-key.avi matroska.webm ogg.ogv every-key.mov two-way.mp4 two-way.avi raw.y4m; do
    same "$clip" 120
done

# A clip may change its size, and may end before it should.
for encoding in 'jpegenc ! avimux:avi' 'jpegenc:mjpeg'; do
    # shellcheck disable=SC2086
    gst-launch-1.0 -q concat name=c ! ${encoding%:*} ! filesink location="sizes.${encoding##*:}" $sizes
    same "sizes.${encoding##*:}" 20
done
size=$(stat -c %s every-key.avi)
head -c $((size / 2)) every-key.avi >cut.avi
frames=$("$checker" cut.avi 1 2>/dev/null | cut -d ' ' -f 1)
check 'half of the frames' test "$frames" -gt 40 -a "$frames" -lt 80
same cut.avi "$frames"

# What a set says about a clip is checked against the clip.
make_model dino-r1-visual
mkdir images && mv ./*.avi ./*.mjpeg images
# set_with FILE_NAME: as set.json
set_with() {
    cat >set.json <<JSON
{"images": [{"id": 3, "file_name": "$1", "width": 96, "height": 64}], "categories": [{"id": 1, "name": "ball"}],
 "annotations": [{"id": 1, "image_id": 3, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}]}
JSON
}
prompt=(prompt make a.bank --model dino-r1-visual --from-coco set.json --images images)
set_with 'cut.avi#frame=119'
fails 1 "image 3: .*cut.avi' has no frame 119: it has $frames, counted from 0" "${prompt[@]}"
set_with 'every-key.avi#t=60'
fails 1 "image 3: .*every-key.avi' ends at 4.800 s, before 60.000 s" "${prompt[@]}"
set_with 'sizes.avi#frame=12'
succeeds "${prompt[@]}"
echo 'no clip' >images/text.avi
set_with 'text.avi#frame=1'
fails 1 "image 3: cannot (read|decode) '.*text.avi'" "${prompt[@]}"
finish
