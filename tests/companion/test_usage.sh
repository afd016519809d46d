#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Help, version and mistakes on the command line.
. "$(dirname "$0")/lib.sh"

succeeds --version
check version grep -qE '^dinor1 [0-9]+\.[0-9]+\.[0-9]+$' out
for command in "" detect prompt "prompt make" "prompt add-text" "prompt list" "prompt inspect" "prompt merge" \
    "prompt remove" inspect bench; do
    succeeds $command --help
    check "usage of '$command'" grep -q '^Usage:' out
    succeeds help $command
    check "help of '$command'" grep -q '^Usage:' out
done

fails 2 'a command is missing'
fails 2 "unknown command 'detct'; did you mean 'dinor1 detect'" detct
fails 2 "unknown command 'xyzzy' \(see" xyzzy
fails 2 "did you mean 'dinor1 prompt list'" prompt lst
fails 2 'unknown option --promt; did you mean --prompt\?' detect clip.avi --promt 'a=1,2,3,4'
fails 2 'unknown option --modle; did you mean --model\?' inspect --modle=x
fails 2 '--model is required' inspect
fails 2 '--model is required' detect "$0" --text cup
fails 2 'INPUT is missing' detect --model x
fails 2 'nothing to look for' detect --model x "$0"
fails 2 'threshold is 2, but must be between 0 and 1' detect --model x --text cup --threshold 2 "$0"
fails 2 'threshold is nan' detect --model x --text cup --threshold nan "$0"
fails 2 '--threshold' detect --model x --text cup --threshold high "$0"
fails 2 '--every is 0' detect --model x --text cup --every 0 "$0"
fails 2 '--max-detections is 0' detect --model x --text cup --max-detections 0 "$0"
fails 2 'must be WIDTHxHEIGHT' bench --model x --size 640
fails 2 'must be WIDTHxHEIGHT' inspect --model x --size 0x10
fails 2 '--format is .yuy2.' bench --model x --format yuy2
fails 2 '--runs is 0' bench --model x --runs 0
fails 2 'usage: dinor1 prompt make BANK' prompt make only.bank --model x
fails 2 'usage: dinor1 prompt remove BANK LABEL' prompt remove only.bank
finish
