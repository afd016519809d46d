#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Frames of clips as training and evaluation read them: in any order, from several threads, whatever the container can
# seek, they are the frames of reading the clip once. TEST DINOR1 MODELS CLIPS_CHECK NUMBERED_CLIP
here=$(realpath "$(dirname "$0")")
checker=$(realpath "$3")
numbered=$(realpath "$4")
. "$here/lib.sh"

sizes='videotestsrc num-buffers=10 ! video/x-raw,width=96,height=64,framerate=10/1 ! c.
    videotestsrc num-buffers=10 ! video/x-raw,width=160,height=120,framerate=10/1 ! c.'

# make FILE ELEMENTS [KIND [FRAMES]]: encodes 120 frames that show their numbers, of which FRAMES can be read; every
# way to a frame must lead to the right one. Not where an element is missing.
make() {
    local element
    for element in $(tr '!' '\n' <<<"$2" | awk '{print $1}'); do
        gst-inspect-1.0 "$element" >/dev/null 2>&1 || {
            echo "skipped $1: GStreamer has no $element"
            return
        }
    done
    "$numbered" "$1" 120 "$2" ${3:+"$3"} >made 2>err || fail "cannot make $1"
    "$checker" "$1" 25 "${3:-numbered}" >out 2>err
    checks=$((checks + 1))
    grep -q "^${4:-120} frames, 50 reads, 0 wrong" out || fail "$1: expected ${4:-120} frames, got: $(cat out)"
}

# same FILE FRAMES: every way to a frame leads to the same pixels.
same() {
    checks=$((checks + 1))
    "$checker" "$1" 25 >out 2>err || fail "$1: $(cat out)"
    grep -q "^$2 frames, 50 reads, 0 wrong" out || fail "$1: expected $2 frames, got: $(cat out)"
}

make every-key.avi 'jpegenc ! avimux'
make matroska.webm 'vp8enc keyframe-max-dist=20 deadline=1 ! webmmux'
make ogg.ogv 'theoraenc keyframe-force=16 ! oggmux'
make every-key.mov 'jpegenc ! qtmux'
make two-way.mp4 'avenc_mpeg4 gop-size=25 max-bframes=2 ! mp4mux' untimed # has no times
make two-way.avi 'avenc_mpeg4 gop-size=25 max-bframes=2 ! avimux' untimed # its times are not right, least after seeking
make raw.y4m 'y4menc'                                                     # seeks badly or not at all
check 'two clips at least' test -s every-key.avi -a -s ogg.ogv
# H.264, as most clips are: few key frames, and most frames are predicted from later ones.
x264='x264enc name=encoder key-int-max=30 bframes=3 b-adapt=false b-pyramid=true'
for clip in h264.mp4:mp4mux h264.mkv:matroskamux; do
    make "${clip%:*}" "$x264 ! ${clip#*:}"
    [ ! -s "${clip%:*}" ] || check 'order' grep -q '^120 frames, 4 key frames, [6-9][0-9] out of order' made
done
# Frames that last for different times. mp4mux writes that the clip ends before its last frame.
make variable.mp4 "$x264 ! mp4mux" variable 119
make variable.mkv 'vp8enc keyframe-max-dist=20 deadline=1 ! matroskamux' variable

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
set_with 'sizes.mjpeg#t=1'
fails 1 "image 3: .*sizes.mjpeg' does not tell when its frames are shown: .*#frame=" "${prompt[@]}"
fails 1 "sizes.mjpeg' does not tell when its frames are shown: .*#frame=" detect 'images/sizes.mjpeg#t=1' \
    --model dino-r1-visual --prompt 'ball=10,10,20,20'
set_with 'sizes.avi#frame=12'
succeeds "${prompt[@]}"
echo 'no clip' >images/text.avi
set_with 'text.avi#frame=1'
fails 1 "image 3: cannot (read|decode) '.*text.avi'" "${prompt[@]}"
finish
