#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prompt banks: make, list, inspect, merge, remove, add-text, and their use.
. "$(dirname "$0")/lib.sh"
make_model dino-r1-visual
make_model dino-r1
make_clip clip.avi 10
make_image image.png

succeeds prompt make cups.bank --model dino-r1-visual 'cup=10,5,40,30@image.png' 'plate=20,20,30,30@clip.avi#frame=4' \
    'cup=1,2,30,30@image.png'
check 'what was made' grep -q 'cups.bank: 2 classes, 3 exemplars' err
succeeds prompt list cups.bank
equals classes 'cup exemplars 2 plate exemplars 1' "$(tr '\t\n' '  ' <out | sed 's/ $//')"
succeeds prompt inspect cups.bank
check 'hash of the model' grep -qE '^model +[0-9a-f]{64}$' out
check 'first exemplar' grep -q '10,5,40,30@image.png$' out
check 'frame of a clip' grep -q '20,20,30,30@clip.avi#frame=4$' out

# A bank finds what the same examples find.
succeeds detect clip.avi --model dino-r1-visual --prompts cups.bank --threshold 0 --max-detections 5
mv out by-bank
succeeds detect clip.avi --model dino-r1-visual --threshold 0 --max-detections 5 --prompt 'cup=10,5,40,30@image.png' \
    --prompt 'plate=20,20,30,30#frame=4' --prompt 'cup=1,2,30,30@image.png'
check 'bank and examples agree' cmp by-bank out
succeeds detect clip.avi --model dino-r1-visual --threshold 0 --max-detections 5 --prompt 'cup=10,5,40,30@image.png' \
    --prompt 'plate=10,5,40,30@image.png' --prompt 'cup=1,2,30,30@image.png'
check 'another example, another result' test "$(cksum <by-bank)" != "$(cksum <out)"

succeeds prompt make cups.bank --append --model dino-r1-visual 'fork=10,5,40,30@image.png'
check appended grep -q '3 classes, 4 exemplars' err
succeeds prompt make forks.bank --model dino-r1-visual 'fork=1,5,40,30@image.png'
succeeds prompt merge all.bank cups.bank forks.bank
check merged grep -q 'all.bank: 3 classes, 5 exemplars' err
succeeds prompt remove all.bank cup plate
succeeds prompt list all.bank
equals 'after removing' 'fork exemplars 2' "$(tr '\t\n' '  ' <out | sed 's/ $//')"
fails 1 "'all.bank' has no class 'cup'" prompt remove all.bank cup
succeeds prompt make cups.bank --model dino-r1-visual 'cup=10,5,40,30@image.png'
check replaced grep -q '1 classes, 1 exemplars' err

succeeds prompt add-text words.bank taxi 'a yellow car' --model dino-r1
succeeds prompt list words.bank
equals phrase 'taxi text a yellow car' "$(tr '\t\n' '  ' <out | sed 's/ $//')"
fails 1 "'taxi' exists" prompt add-text words.bank taxi car --model dino-r1
fails 1 'text encoder' prompt add-text no.bank taxi car --model dino-r1-visual
fails 1 "cannot merge 'words.bank'" prompt merge mixed.bank cups.bank words.bank
check 'no bank after an error' test ! -e mixed.bank -a ! -e no.bank
fails 1 'cups.bank.*other weights' detect clip.avi --model dino-r1 --prompts cups.bank
fails 1 'missing.bank' prompt list missing.bank
succeeds prompt remove words.bank taxi
succeeds detect image.png --model dino-r1 --prompts words.bank
check 'a bank without classes' grep -q 'warning: .*has no classes' err
finish
