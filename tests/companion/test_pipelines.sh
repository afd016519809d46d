#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The training configurations of pipelines/, on their real clip, shortened.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
configuration=$here/../../pipelines/02-finetune

[ -f "${DINOR1_TEST_CLIP:-}" ] || { echo "skipped: DINOR1_TEST_CLIP names no clip" && exit 77; }
clips=$(dirname "$(realpath "$DINOR1_TEST_CLIP")")

succeeds finetune "$configuration/people.yaml" --quiet --output run --set data.train.images="$clips" --set epochs=4 \
    --set grqo.start=2
equals 'updates, of them with GRQO' '[4, 2]' "$(json_lines run/log.jsonl '[len(d), sum(l["reward_std"] > 0 for l in d)]')"
succeeds prompt make people.bank --model run/model --from-coco "$configuration/people.json" --images "$clips"
succeeds prompt list people.bank
check 'every box is an exemplar' grep -q 13 out
finish
