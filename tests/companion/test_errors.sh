#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Bad inputs, prompts and outputs: exit status and message of each; nothing half-written stays behind.
. "$(dirname "$0")/lib.sh"
make_model dino-r1-visual
make_clip clip.avi 20
make_image image.png
model='--model dino-r1-visual'
prompt='--prompt a=10,5,40,30'
elsewhere='--prompt a=10,5,40,30@clip.avi'

# Inputs
mkdir empty
echo 'not a video' >words.avi
: >nothing.avi
head -c 600 image.png >half.png
gst-launch-1.0 -q audiotestsrc num-buffers=5 ! wavenc ! filesink location=sound.wav
gst-launch-1.0 -q videotestsrc num-buffers=1 ! video/x-raw,width=96,height=64 ! jpegenc ! matroskamux ! \
    filesink location=one.mkv
head -c 400 one.mkv >noframes.mkv
fails 1 "cannot open 'missing.avi': No such file" detect missing.avi $model $prompt
fails 1 "directory 'empty' has no images" detect empty $model $prompt
fails 1 "cannot read 'words.avi': " detect words.avi $model $elsewhere
fails 1 "cannot read 'nothing.avi': " detect nothing.avi $model $elsewhere
fails 1 "'sound.wav': it has no video" detect sound.wav $model $elsewhere
fails 1 "'half.png'" detect half.png $model $elsewhere
fails 1 "'noframes.mkv'" detect noframes.mkv $model $elsewhere
fails 1 "cannot decode 'nosuch://x': GStreamer lacks a plugin" detect nosuch://x $model $elsewhere
fails 2 "expected '#frame=NUMBER'" detect 'clip.avi#frame=x' $model $prompt
export GST_PLUGIN_FEATURE_RANK=jpegdec:NONE,avdec_mjpeg:NONE
fails 1 'lacks a plugin for it: .*JPEG' detect clip.avi $model $prompt
unset GST_PLUGIN_FEATURE_RANK
if [ "$(id -u)" != 0 ]; then
    cp clip.avi locked.avi
    chmod 0 locked.avi
    fails 1 "cannot open 'locked.avi': Permission denied" detect locked.avi $model $prompt
fi

# Models and banks
fails 1 "nomodel" detect clip.avi --model nomodel $prompt
fails 1 "missing.bank" detect clip.avi $model --prompts missing.bank
fails 1 "words.avi" detect clip.avi $model --prompts words.avi
fails 1 "no text encoder" detect clip.avi $model --text cup

# Prompts
for wrong in 'a' 'a=1,2,3' 'a=1,2,3,x' '=1,2,3,4' 'a=1,2,nan,4' 'a=1,2,3,4,5'; do
    fails 2 "prompt '$wrong': expected 'LABEL=X,Y,WIDTH,HEIGHT" detect clip.avi $model --prompt "$wrong"
done
fails 2 'must be numbers' detect clip.avi $model --prompt 'a=1,2,3,4.5.6'
fails 2 'width and height must be above 0' detect clip.avi $model --prompt 'a=1,2,0,4'
fails 2 "'a=100,2,30,40': the box is outside of the picture, which is 96x64" detect clip.avi $model --prompt 'a=100,2,30,40'
fails 2 'outside of the picture' detect clip.avi $model --prompt 'a=-30,2,30,40'
fails 1 "prompt 'a=1,2,3,4@missing.png': cannot open 'missing.png'" detect clip.avi $model --prompt 'a=1,2,3,4@missing.png'
fails 1 'is a directory' detect clip.avi $model --prompt 'a=1,2,3,4@empty'
fails 2 'say which picture' prompt make a.bank $model 'a=1,2,3,4'
check 'no bank after an error' test ! -e a.bank

# Outputs
cp clip.avi before.avi
fails 2 "'clip.avi' is an input" detect clip.avi $model $prompt --output clip.avi
fails 2 "'./clip.avi' is an input" detect clip.avi $model $prompt --json ./clip.avi
fails 2 'is an input' detect image.png $model $prompt --output .
check 'the input is untouched' cmp clip.avi before.avi
fails 2 'expected a name that ends in' detect clip.avi $model $prompt --output marked.gif
fails 2 'can hold one picture' detect clip.avi $model $prompt --output marked.png
check 'no picture after an error' test ! -e marked.png
fails 2 'with several inputs it must be a directory' detect clip.avi image.png $model $prompt --output marked.mp4
fails 2 'the same file' detect image.png ./image.png $model $prompt --output marked/
fails 2 'expected a name that ends in .png' detect clip.avi $model $prompt --frame-png frame.txt
fails 1 "cannot write 'no/lines.jsonl': No such file" detect clip.avi $model $prompt --json no/lines.jsonl
fails 1 "cannot write 'no/marked.avi': No such file" detect clip.avi $model $prompt --output no/marked.avi
fails 1 "cannot write 'empty': Is a directory" detect clip.avi $model $prompt --coco empty
fails 1 "cannot write '/dev/full': No space left" detect clip.avi $model $prompt --json /dev/full
fails 1 'words.avi: line 1, byte 1: ' detect clip.avi $model $prompt --coco out.json --coco-annotations words.avi
echo '{"images": []}' >short.json
fails 1 "short.json: is not a COCO annotation file: it has no list 'categories'" detect clip.avi $model $prompt \
    --coco out.json --coco-annotations short.json

# A full disk, by a limit on the size of files.
trap '' XFSZ
(
    failures=0
    ulimit -f 8
    fails 1 "cannot write 'full.avi'" detect clip.avi $model $prompt --output full.avi
    fails 1 "cannot write 'full.jsonl': File too large" detect clip.avi $model $prompt --threshold 0 --json full.jsonl
    exit $failures
) || fail 'the full disk'
check 'no half file' test ! -e full.avi -a ! -e full.jsonl

# A reader that goes away, an encoder that is not there.
checks=$((checks + 1))
status=0
("$dinor1" detect clip.avi $model $prompt --threshold 0 2>err; echo $? >status) | head -n 1 >out
equals 'status after a broken pipe' 1 "$(cat status)"
finish
