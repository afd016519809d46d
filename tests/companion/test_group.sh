#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 finetune: pictures of a group stay in one batch.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"

# Six pictures; the first three have class 0 alone, the others class 1.
{
    echo '{"categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}], "images": ['
    for i in 0 1 2 3 4 5; do
        echo "{\"id\": $i, \"file_name\": \"ball.png\", \"width\": 80, \"height\": 60}$([ $i = 5 ] || echo ,)"
    done
    echo '], "annotations": ['
    for i in 0 1 2 3 4 5; do
        echo "{\"id\": $((i + 1)), \"image_id\": $i, \"category_id\": $((i / 3)), \"bbox\": [10, 10, 20, 20], \"area\": 400," \
            "\"iscrowd\": 0}$([ $i = 5 ] || echo ,)"
    done
    echo ']}'
} >pairs.json
classes() { grep -o '"prompts":[0-9]*' "$1/log.jsonl" | sort | uniq -c | tr -s ' '; }
common=(finetune tiny.yaml --quiet --set data.train.annotations=pairs.json --set batch_size=3 --set negatives=0 --set epochs=4)

succeeds "${common[@]}" --output together --set group=3
check 'a batch is one group, so of one class' test "$(classes together)" = ' 8 "prompts":1'
succeeds "${common[@]}" --output apart
check 'without groups some batches have both' grep -q '"prompts":2' apart/log.jsonl
fails 1 "group" "${common[@]}" --output bad --set group=2
finish
