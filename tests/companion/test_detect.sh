#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `dinor1 detect` reads and writes.
. "$(dirname "$0")/lib.sh"
make_model dino-r1-visual
make_model dino-r1
make_clip clip.avi 20
mkdir images
for i in 10 9 1; do make_image images/p$i.png; done
look="--model dino-r1-visual --prompt a=10,5,40,30 --prompt b=50,20,30,30 --threshold 0 --max-detections 7"

# One line a frame, in order, with times; the same to a file and to standard output.
succeeds detect clip.avi $look
mv out lines.jsonl
equals lines 20 "$(wc -l <lines.jsonl)"
equals frames True "$(json_lines lines.jsonl '[x["frame"] for x in d] == list(range(20))')"
equals times True "$(json_lines lines.jsonl '[x["pts"] for x in d] == [n * 100000000 for n in range(20)]')"
equals sizes "{(96, 64)}" "$(json_lines lines.jsonl '{(x["width"], x["height"]) for x in d}')"
equals detections "{7}" "$(json_lines lines.jsonl '{len(x["detections"]) for x in d}')"
equals inside True "$(json_lines lines.jsonl 'all(0 <= b["box"][0] and b["box"][0] + b["box"][2] <= 96.01 and
    0 <= b["box"][1] and b["box"][1] + b["box"][3] <= 64.01 for x in d for b in x["detections"])')"
check summary grep -qE '^dinor1: 20 frames, 140 detections in .* frames/s on cpu' err
check 'no progress in a pipe' test "$(wc -l <err)" = 1
succeeds detect clip.avi $look --json again.jsonl
check 'same lines' cmp lines.jsonl again.jsonl
equals 'standard output' 0 "$(wc -c <out)"
succeeds detect clip.avi $look --quiet --json again.jsonl
equals quiet 0 "$(wc -c <err)"

# One frame by number and by time is that frame.
succeeds detect 'clip.avi#frame=7' $look --prompt 'c=1,2,30,30#frame=3'
equals 'frame 7' '[7]' "$(json_lines out '[x["frame"] for x in d]')"
prompts='--prompt a=10,5,40,30@clip.avi --threshold 0 --max-detections 3 --model dino-r1-visual'
succeeds detect clip.avi $prompts
sed -n 's/.*"detections"//p' out | sed -n 8p >frame7
for fragment in frame=7 t=0.7 t=0.79; do
    succeeds detect "clip.avi#$fragment" $prompts
    equals "lines of #$fragment" 1 "$(wc -l <out)"
    check "frame by #$fragment" cmp frame7 <(sed -n 's/.*"detections"//p' out)
done
gst-launch-1.0 -q filesrc location=clip.avi ! decodebin ! videoconvert ! vp8enc keyframe-max-dist=5 ! webmmux ! \
    filesink location=clip.webm
for n in 3 5 7 19; do
    succeeds detect "clip.webm#frame=$n" $prompts
    mv out by-number
    succeeds detect "clip.webm#t=$((n / 10)).$((n % 10))" $prompts
    check "frame $n between key frames" cmp <(sed 's/.*"pts"//' by-number) <(sed 's/.*"pts"//' out)
done
fails 1 'no frame 20: it has 20' detect 'clip.avi#frame=20' $look
fails 1 'ends at 2.000 s' detect 'clip.avi#t=2.5' $look

# Annotated files: as many frames as the clip, and pictures that differ from it by the boxes.
for ending in mp4 mov mkv avi webm; do
    succeeds detect clip.avi $look --output marked.$ending
    equals "frames of .$ending" 20 "$(count_frames marked.$ending)"
done
succeeds detect clip.avi $look --output marked.avi --frame-png frame.png@4 --json all.jsonl --coco all.json --every 5
equals 'all frames are drawn' 20 "$(count_frames marked.avi)"
check 'a PNG' test "$(head -c 4 frame.png | tail -c 3)" = PNG
equals 'every fifth frame' '[0, 5, 10, 15]' "$(json_lines all.jsonl '[x["frame"] for x in d]')"
equals 'COCO images' '[1, 6, 11, 16]' "$(json all.json 'sorted({x["image_id"] for x in d})')"
equals 'COCO results' 28 "$(json all.json 'len(d)')"
equals 'COCO keys' '[1, 2] 4' "$(json all.json 'sorted({x["category_id"] for x in d}), len(d[0]["bbox"])' | tr -d '()' |
    sed 's/, \([0-9]*\)$/ \1/')"
check summary grep -q '20 frames (4 searched), 28 detections' err

# Images, in natural order; a directory of annotated ones.
succeeds detect images clip.avi $look --output marked/ --json images.jsonl
equals order 'p1.png p9.png p10.png' "$(json_lines images.jsonl '" ".join(x["source"].split("/")[-1] for x in d[:3])')"
equals files 'clip.mp4 p1.png p10.png p9.png' "$(find marked -type f -printf '%f\n' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
equals 'frames of a clip among images' 20 "$(count_frames marked/clip.mp4)"
succeeds detect images/p1.png --model dino-r1-visual --prompt a=10,5,40,30 --threshold 1 --output plain.png
succeeds detect images/p1.png $look --output boxes.png
check 'boxes are drawn' test "$(cksum <plain.png)" != "$(cksum <boxes.png)"

# COCO's own ids; frames that are not among its images are left out.
cat >truth.json <<'END'
{"images": [{"id": 70, "file_name": "p9.png"}, {"id": 71, "file_name": "sub/p10.png"},
            {"id": 72, "file_name": "clip.avi#frame=3"}],
 "categories": [{"id": 5, "name": "b"}, {"id": 6, "name": "a"}], "annotations": []}
END
succeeds detect images clip.avi $look --coco ids.json --coco-annotations truth.json
equals images '[70, 71, 72]' "$(json ids.json 'sorted({x["image_id"] for x in d})')"
equals categories '[5, 6]' "$(json ids.json 'sorted({x["category_id"] for x in d})')"
check 'frames left out' grep -q 'warning: 20 frames are not among the images' err
fails 1 "truth.json' has no category 'c' \(it has: " detect images $look --prompt c=1,2,30,30 --coco ids.json \
    --coco-annotations truth.json

# Words, and words beside examples.
succeeds detect images/p1.png --model dino-r1 --text 'taxi=a yellow car' --text dog --prompt a=10,5,40,30 --threshold 0
check 'three classes' test "$(json_lines out 'len({b["label"] for b in d[0]["detections"]})')" -ge 2

# Ctrl-C in the middle: complete files of the frames so far.
make_clip long.avi 2000
: >lines # the loop must not find it missing
set -m
"$dinor1" detect long.avi $look --json - --output stopped.mkv >lines 2>err &
pid=$!
while [ "$(wc -l <lines)" -lt 3 ] && kill -0 $pid; do sleep 0.05; done
kill -INT $pid
wait $pid
equals 'status after Ctrl-C' 130 $?
set +m
written=$(wc -l <lines)
check 'stopped early' test "$written" -lt 2000
equals 'frames after Ctrl-C' "$written" "$(count_frames stopped.mkv)"
no_temporary_files
finish
