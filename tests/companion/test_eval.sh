#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 eval: each way to prompt, both rules, lists of sets and what it writes.
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

# Precision over recall as a picture.
succeeds eval $set_options $drawn --curve curve.svg --quiet
check 'an SVG' python3 -c 'import xml.dom.minidom
assert xml.dom.minidom.parse("curve.svg").documentElement.tagName == "svg"'
succeeds eval $set_options $drawn --curve curve.png --quiet
equals 'a PNG' PNG "$(head -c 4 curve.png | tail -c 3)"
fails 2 'ends in .svg or .png' eval $set_options $drawn --curve curve.pdf
fails 1 "cannot write 'no/curve.svg'" eval $set_options $drawn --curve no/curve.svg

# remake OUT CODE: writes train.json as OUT after the Python CODE changed d; r are the results of the first run.
remake() {
    python3 - "$@" <<'PY'
import json, sys
d, r = (json.load(open(f)) for f in ("train.json", "results.json"))
def found(image, category, first=0, last=1):  # the boxes of the best results
    best = sorted((x for x in r if (x["image_id"], x["category_id"]) == (image, category)), key=lambda x: -x["score"])
    return [{"image_id": image, "category_id": category, "bbox": x["bbox"], "area": 1, "iscrowd": 0}
            for x in best[first:last]]
exec(sys.argv[2])
for i, a in enumerate(d["annotations"]):
    a["id"] = i + 1
json.dump(d, open(sys.argv[1], "w"))
PY
}
# The curve of a class whose best result of each image is right is a line at the top of the picture.
remake found.json 'd["annotations"] = [a for i in range(1, 7) for a in found(i, 10)]'
succeeds eval --model dino-r1-visual --annotations found.json --images images $drawn --curve found.svg
equals 'found again' 1.0000 "$(awk '$1 == "AR1" {print $2}' out)"
# Of each of the two panels, which are 350 pixels a side from y = 40 on: the class and the mean, from precision 1 on.
equals 'curves within their panels' "[(60, 40), (60, 40), (470, 40), (470, 40)]" "$(python3 -c 'import re
curves = []
for style, d in re.findall(r"<path ([^>]*) d=\"([^\"]*)\"", open("found.svg").read()):
    if re.search(r"stroke-width[:=]\"?(1\.6|3)[;\"]", style):
        n = [float(v) for v in re.findall(r"[0-9.]+", d)]
        assert all(n[0] <= x <= n[0] + 350 for x in n[::2]) and all(40 <= y <= 390 for y in n[1::2])
        curves.append((round(n[0]), round(n[1])))
print(sorted(curves))')"

# LVIS: classes that an image says nothing about, has not or has not exhaustively.
lvis='
for image in d["images"]:
    image.update(neg_category_ids=[], not_exhaustive_category_ids=[])
d["categories"] = [{"id": 10, "name": "round", "frequency": "r"}, {"id": 20, "name": "bar", "frequency": "f"},
                   {"id": 30, "name": "nothing", "frequency": "c"}]
d["annotations"] = found(1, 10, 0, 20) + found(2, 20)
'
lvis_run="--model dino-r1-visual --images images $drawn --rule lvis --json figures.json"
remake lvis.json "$lvis"
succeeds eval $lvis_run --annotations lvis.json
equals 'LVIS names' 'AP AP50 AP75 APs APm APl APr APc APf AR300 ARs ARm ARl' \
    "$(json figures.json '" ".join(d["figures"])')"
equals 'only what images are said to have' '1.0 -1.0 1.0' "$(json figures.json \
    '"%.1f %.1f %.1f" % tuple(d["figures"][k] for k in ("APr", "APc", "APf"))')"
remake lvis.json "${lvis}d['images'][0]['neg_category_ids'] = d['images'][2]['neg_category_ids'] = [20]"
succeeds eval $lvis_run --annotations lvis.json
equals 'results of an absent class are wrong' '1.0 True' "$(json figures.json \
    '"%.1f %s" % (d["figures"]["APr"], 0 <= d["figures"]["APf"] < 1)')"
remake lvis.json "${lvis}d['annotations'] = found(1, 10, 1, 20) + found(2, 20)"
succeeds eval $lvis_run --annotations lvis.json
equals 'a result without a box is wrong' True "$(json figures.json '0 <= d["figures"]["APr"] < 1')"
remake lvis.json "${lvis}d['annotations'] = found(1, 10, 1, 20); d['images'][0]['not_exhaustive_category_ids'] = [10]"
succeeds eval $lvis_run --annotations lvis.json
equals 'but not where boxes are missing' '1.0' "$(json figures.json '"%.1f" % d["figures"]["APr"]')"

# Up to 300 results of an image; 100 by COCO's rule.
remake many.json "${lvis}d['categories'] += [{'id': i, 'name': 'c%d' % i, 'frequency': 'f'} for i in range(4)]"
prompts=
for label in round bar nothing c0 c1 c2 c3; do prompts="$prompts $label=10,10,20,20@images/ball.png"; done
succeeds prompt make many.bank --model dino-r1-visual $prompts
many='--model dino-r1-visual --annotations many.json --images images --prompts many.bank --limit 1'
succeeds eval $many --rule lvis --results results.json
equals 'of an image, LVIS' 140 "$(json results.json 'len(d)')"
succeeds eval $many --results results.json
equals 'of an image, COCO' 100 "$(json results.json 'len(d)')"

# Annotations that are bad are errors that name file, entry and id, or left out and counted.
remake bad.json 'd["annotations"][2]["bbox"] = [500, 0, 9, 9]; d["annotations"][3]["category_id"] = 7
d["annotations"][4]["bbox"][2] = -1'
bad="eval --model dino-r1-visual --annotations bad.json --images images $drawn --limit 2"
fails 1 'bad.json: annotations\[2\], id 3: outside the image: bbox \[500, 0, 9, 9\] of image 2' $bad
succeeds $bad --skip-bad
check 'what was left out' grep -q 'warning: left out of bad.json: 3 entries (1 .*, 1 .*, 1 .*), the first: .*id 3: ' err
sed 's/{"id": 7, "image_id"/{"id": 0, "image_id"/' train.json >zero.json
succeeds eval --model dino-r1-visual --annotations zero.json --images images $drawn
check 'what an id of 0 does' grep -q 'the annotation with id 0 counts as missed' err
no_temporary_files
finish
