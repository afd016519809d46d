#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 annotate, and the way of its drafts through labelling tools: what these export trains, evaluates and prompts.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"
succeeds prompt make round.bank --model dino-r1-visual 'round=10,10,20,20@images/ball.png' 'what=1,1,9,9@images/ball.png'
draft='annotate images/clip.avi --model dino-r1-visual --prompts round.bank --threshold 0'

# Draft annotations of a clip, which are annotations to evaluate with.
succeeds $draft --every 2 --output draft.json
equals 'frames' "['clip.avi#frame=0', 'clip.avi#frame=2']" "$(json draft.json '[i["file_name"] for i in d["images"]]')"
equals 'categories' "['round', 'what']" "$(json draft.json '[c["name"] for c in d["categories"]]')"
check 'boxes' test "$(json draft.json 'len(d["annotations"])')" -gt 0
equals 'boxes are boxes to CVAT' True "$(json draft.json 'all(a["segmentation"] == [] for a in d["annotations"])')"
succeeds eval --model dino-r1-visual --annotations draft.json --images images --prompts round.bank
equals 'finds again what it found' True "$(awk '$1 == "AP50" {print ($2 > 0.9) ? "True" : $2}' out)"
fails 2 '--output is required' annotate images/clip.avi --model dino-r1-visual --prompts round.bank
fails 2 'usage: dinor1 annotate' annotate --model dino-r1-visual --prompts round.bank --output draft.json

# Frames as pictures, without loss, under names that no tool changes.
cp images/clip.avi 'images/a clip (1).avi'
succeeds annotate 'images/a clip (1).avi#frame=2' --model dino-r1-visual --prompts round.bank --output one.json \
    --pictures odd
equals 'a name for tools' a_clip__1_-000002.png "$(ls odd)"
succeeds $draft --output draft.json --pictures pictures/new
equals 'pictures' 'clip-000000.png clip-000001.png clip-000002.png clip-000003.png' "$(ls pictures/new | xargs)"
equals 'file names' "$(ls pictures/new | xargs)" "$(json draft.json '" ".join(i["file_name"] for i in d["images"])')"
succeeds eval --model dino-r1-visual --annotations draft.json --images pictures/new --prompts round.bank --limit 3
cp out of-draft
equals 'the pictures are the frames' True "$(awk '$1 == "AP50" {print ($2 > 0.9) ? "True" : $2}' out)"
succeeds annotate images/ball.png --model dino-r1-visual --prompts round.bank --output one.json --pictures odd
equals 'of an image' "['ball.png']" "$(json one.json '[i["file_name"] for i in d["images"]]')"
fails 2 'is an input; it would be overwritten' annotate images/ball.png --model dino-r1-visual --prompts round.bank \
    --output one.json --pictures images
fails 1 "cannot make directory 'draft.json/x'" $draft --output one.json --pictures draft.json/x

# What the tools make of the draft, in all members and their types:
# - CVAT, "COCO 1.0", annotations/instances_default.json, as of Datumaro's exporter, which it uses
#   (https://docs.cvat.ai/docs/manual/advanced/formats/format-coco/ and
#   https://github.com/cvat-ai/datumaro, plugins/data_formats/coco): empty strings in info, licenses and images, ids from
#   1, boxes rounded to two digits, attributes of its own.
# - Label Studio, "COCO", result.json, as of its converter (https://github.com/HumanSignal/label-studio-sdk,
#   converter/converter.py, convert_to_coco): ids from 0, categories in the order of its labels, boxes out of per cent,
#   eight digits before the names of uploaded files, a size of null where it could not open the picture. file_name is
#   relative to the export, to its own folder of uploads, or with a '\' if it runs on Windows.
python3 - <<'PY'
import json
d = json.load(open("draft.json"))
names = {c["id"]: c["name"] for c in d["categories"]}
sizes = {i["id"]: (i["width"], i["height"]) for i in d["images"]}
cvat = {
    "licenses": [{"name": "", "id": 0, "url": ""}],
    "info": {k: "" for k in ("contributor", "date_created", "description", "url", "version", "year")},
    "categories": [{"id": i, "name": n, "supercategory": ""} for i, n in sorted(names.items())],
    "images": [{"id": i["id"], "width": i["width"], "height": i["height"], "file_name": i["file_name"], "license": 0,
                "flickr_url": "", "coco_url": "", "date_captured": 0} for i in d["images"]],
    "annotations": [{"id": a["id"], "image_id": a["image_id"], "category_id": a["category_id"], "segmentation": [],
                     "area": round(a["area"], 4), "bbox": [round(v, 2) for v in a["bbox"]], "iscrowd": 0,
                     "attributes": {"occluded": False, "rotation": 0.0, "track_id": a["id"], "keyframe": True}}
                    for a in d["annotations"]]}
json.dump(cvat, open("instances_default.json", "w"))

labels = sorted(names.values(), reverse=True)
def per_cent(a):
    w, h = sizes[a["image_id"]]
    x, y, bw, bh = (v / s * 100 for v, s in zip(a["bbox"], (w, h, w, h)))
    return [x * w / 100, y * h / 100, bw * w / 100, bh * h / 100]
def studio(prefix, separator):
    images = [{"width": i["width"], "height": i["height"], "id": n,
               "file_name": prefix + "%08x-" % (0xa1b2c3d4 + n) + i["file_name"]} for n, i in enumerate(d["images"])]
    images[3]["width"] = images[3]["height"] = None
    boxes = [(a, per_cent(a)) for a in d["annotations"] if a["image_id"] != d["images"][3]["id"]]
    return {"images": [dict(i, file_name=i["file_name"].replace("/", separator)) for i in images],
            "categories": [{"id": n, "name": name} for n, name in enumerate(labels)],
            "annotations": [{"id": n, "image_id": a["image_id"] - 1, "category_id": labels.index(names[a["category_id"]]),
                             "segmentation": [], "bbox": b, "ignore": 0, "iscrowd": 0, "area": b[2] * b[3]}
                            for n, (a, b) in enumerate(boxes)],
            "info": {"year": 2024, "version": "1.0", "description": "", "contributor": "Label Studio", "url": "",
                     "date_created": "2024-05-01 12:00:00.123456"}}
json.dump(studio("images/", "/"), open("result.json", "w"), indent=2)
json.dump(studio("../../label-studio/data/media/upload/1/", "/"), open("uploads.json", "w"), indent=2)
json.dump(studio("images/1/", "\\"), open("windows.json", "w"), indent=2)
PY
mkdir -p export/images
n=$((0xa1b2c3d4))
for picture in pictures/new/*.png; do
    cp "$picture" export/images/$(printf '%08x' $n)-${picture##*/}
    n=$((n + 1))
done

# use ANNOTATIONS IMAGES: what reads annotations reads these.
use() {
    printf 'model: dino-r1-visual\noutput: run\ndata: {train: {annotations: %s, images: %s}}\n' "$1" "$2" >use.yaml
    succeeds finetune use.yaml --dry-run
    check "the data of $1" grep -qE '^train +4 images, [0-9]+ boxes, 2 classes$' out
    succeeds prompt make used.bank --model dino-r1-visual --from-coco "$1" --images "$2" --per-class 2
    check "a bank of $1" grep -q 'used.bank: 2 classes, 4 exemplars' err
    succeeds eval --model dino-r1-visual --annotations "$1" --images "$2" --prompts round.bank --limit 3
    cp out figures
}
use instances_default.json pictures/new
equals 'through CVAT, the figures stay' True "$(paste of-draft figures | awk 'NR == 2 {
    print ($2 - $(NF / 2 + 2) < 0.01 && $(NF / 2 + 2) - $2 < 0.01) ? "True" : $0}')"
for file in result.json uploads.json windows.json; do
    use $file pictures/new
    equals "through Label Studio: $file" True "$(awk '$1 == "AP50" {print ($2 > 0.9) ? "True" : $2}' figures)"
done
cp figures of-pictures
use result.json export
check "the tool's own pictures" cmp figures of-pictures
use windows.json export/images
check "the tool's own pictures, by the last part of the name" cmp figures of-pictures

# A picture that is not there, and two names that would be the same one.
sed 's/clip-000001/clip-000009/' result.json >gone.json
fails 1 "image 1: there is no file 'pictures/new/images/a1b2c3d5-clip-000009.png'" eval --model dino-r1-visual \
    --annotations gone.json --images pictures/new --prompts round.bank
succeeds eval --model dino-r1-visual --annotations gone.json --images pictures/new --prompts round.bank --skip-bad
check 'left out' grep -q 'warning: left out 1 pictures' err
check 'and named' grep -q "clip-000009.png" err
succeeds prompt make used.bank --model dino-r1-visual --from-coco gone.json --images pictures/new --skip-bad
sed 's/clip-000001/clip-000000/' result.json >same.json
fails 1 "'images/a1b2c3d4-clip-000000.png' and 'images/a1b2c3d5-clip-000000.png' would both be the file" eval \
    --model dino-r1-visual --annotations same.json --images pictures/new --prompts round.bank
no_temporary_files
finish
