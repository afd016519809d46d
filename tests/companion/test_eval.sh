#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 eval with each way to prompt, and dinor1 annotate.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"
set_options='--model dino-r1-visual --annotations train.json --images images'
drawn='--from train.json --train-images images --per-class 2'

# The figures are a table of twelve and one of the classes.
succeeds eval $set_options $drawn --results results.json --json figures.json
equals 'figures' 12 "$(grep -cE '^A[PR][0-9sml]* +([01]\.[0-9]{4}|-) ' out)"
equals 'classes' 'bar round' "$(sed '1,/boxes  class$/d' out | awk '{print $6}' | sort | xargs)"
equals 'names' 'AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl' "$(json figures.json '" ".join(d["figures"])')"
equals 'in range' True "$(json figures.json 'all(-1 <= v <= 1 for v in d["figures"].values())')"
equals 'boxes' '[4, 3]' "$(json figures.json '[c["boxes"] for c in d["classes"]]')"
equals 'the images' '[1, 2, 3, 4, 5, 6]' "$(json results.json 'sorted({r["image_id"] for r in d})')"
equals 'the classes' '[10, 20]' "$(json results.json 'sorted({r["category_id"] for r in d})')"
equals 'boxes inside' True "$(json results.json \
    'all(r["bbox"][0] >= 0 and r["bbox"][0] + r["bbox"][2] <= 96.01 for r in d)')"
cp out first
succeeds eval $set_options $drawn --results again.json
check 'the same figures' cmp first out
check 'the same results' cmp results.json again.json
succeeds eval $set_options $drawn --seed 2 --results other.json
checks=$((checks + 1))
! cmp -s results.json other.json || fail 'another seed draws the same boxes'

# A bank drawn from the same boxes gives the same results.
succeeds prompt make drawn.bank --model dino-r1-visual --from-coco train.json --images images --per-class 2
check 'what was drawn' grep -q 'drawn.bank: 2 classes, 4 exemplars' err
succeeds eval $set_options --prompts drawn.bank --results banked.json
check 'the same results from a bank' cmp results.json banked.json
fails 2 'images is required' prompt make drawn.bank --model dino-r1-visual --from-coco train.json

# A picture whose annotations are of another size.
sed 's/"ball.png", "width": 80, "height": 60/"ball.png", "width": 160, "height": 120/' train.json >scaled.json
succeeds eval --model dino-r1-visual --annotations scaled.json --images images $drawn --results scaled-results.json
equals 'boxes in annotated pixels' True "$(python3 -c 'import json
a, b = (json.load(open(f)) for f in ("results.json", "scaled-results.json"))
pairs = [(x, y) for x, y in zip(a, b) if x["image_id"] == 1]
print(len(pairs) > 0 and all(abs(2 * p - q) < 1e-3 for x, y in pairs for p, q in zip(x["bbox"], y["bbox"])))')"

succeeds eval $set_options --same-image --results same.json --json -
equals 'JSON on standard output' 12 "$(json out 'len(d["figures"])')"
equals 'only the classes of an image' '[20]' "$(json same.json \
    'sorted({r["category_id"] for r in d if r["image_id"] == 2})')"
equals 'nothing to ask for' 0 "$(json same.json 'sum(r["image_id"] == 6 for r in d)')"
succeeds eval $set_options --same-image --limit 2 --results limited.json
equals 'limit' '[1, 2]' "$(json limited.json 'sorted({r["image_id"] for r in d})')"

succeeds prompt make round.bank --model dino-r1-visual 'round=10,10,20,20@images/ball.png' 'what=1,1,9,9@images/ball.png'
succeeds eval $set_options --prompts round.bank --results bank.json
check 'a class that is no category' grep -q '1 of 2 classes are no categories' err
equals 'one class' '[10]' "$(json bank.json 'sorted({r["category_id"] for r in d})')"
succeeds prompt make what.bank --model dino-r1-visual 'what=10,10,20,20@images/ball.png'
fails 1 'none of the 1 classes' eval $set_options --prompts what.bank
fails 1 'frequency|neg_category_ids' eval $set_options --same-image --rule lvis
fails 2 'must be coco or lvis' eval $set_options --same-image --rule voc
fails 2 'give one of' eval $set_options
fails 2 'give one of' eval $set_options --same-image --prompts round.bank
fails 2 'train-images is required' eval $set_options --from train.json
fails 1 'ball.png' eval --model dino-r1-visual --annotations train.json --images . --same-image

# Draft annotations of a clip, which are annotations to evaluate with.
succeeds annotate images/clip.avi --model dino-r1-visual --prompts round.bank --every 2 --threshold 0 \
    --output draft.json
equals 'frames' "['clip.avi#frame=0', 'clip.avi#frame=2']" "$(json draft.json '[i["file_name"] for i in d["images"]]')"
equals 'categories' "['round', 'what']" "$(json draft.json '[c["name"] for c in d["categories"]]')"
check 'boxes' test "$(json draft.json 'len(d["annotations"])')" -gt 0
succeeds eval --model dino-r1-visual --annotations draft.json --images images --prompts round.bank
equals 'finds again what it found' True "$(awk '$1 == "AP50" {print ($2 > 0.9) ? "True" : $2}' out)"
fails 2 '--output is required' annotate images/clip.avi --model dino-r1-visual --prompts round.bank
fails 2 'usage: dinor1 annotate' annotate --model dino-r1-visual --prompts round.bank --output draft.json
no_temporary_files
finish
