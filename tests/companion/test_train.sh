#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 finetune: configuration, a short run and its files, and a run that is killed and resumed.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"

# with LINE...: tiny.yaml and further lines as bad.yaml
with() {
    { cat tiny.yaml && printf '%b\n' "$@"; } >bad.yaml
}
with 'batch-size: 4'
fails 1 "bad.yaml:14: unknown key 'batch-size'; did you mean 'batch_size'" finetune bad.yaml
with 'seed: 1' 'milestones: {a: 1}'
fails 1 "bad.yaml:15: 'milestones' must be a value or a list" finetune bad.yaml
with 'recompute: yes'
fails 1 "bad.yaml:14: 'recompute' must be true or false, not 'yes'" finetune bad.yaml
with 'keep: 2.5'
fails 1 "bad.yaml:14: 'keep' must be a whole number from 1 to 10000, not '2.5'" finetune bad.yaml
with 'weight_decay: .nan'
fails 1 "bad.yaml:14: 'weight_decay' must be a number from 0 to 1" finetune bad.yaml
with 'epochs: 3'
fails 1 "bad.yaml:14: 'epochs' is there twice" finetune bad.yaml
with 'seed: &one 1'
fails 1 'bad.yaml:14: .*anchors are not possible' finetune bad.yaml
with 'seed: *one'
fails 1 "bad.yaml:14: 'one' is an alias" finetune bad.yaml
with 'seed: !!int 1'
fails 1 'bad.yaml:14: .*tags are not possible' finetune bad.yaml
with 'memory:' '\t1'
fails 1 'bad.yaml:15: the line is indented with a tab' finetune bad.yaml
with 'memory: [1'
fails 1 'bad.yaml:1[45]: ' finetune bad.yaml
with 'memory:'
fails 1 "bad.yaml:14: 'memory' has no value" finetune bad.yaml
with '---' 'seed: 1'
fails 1 'bad.yaml:14: .*second document' finetune bad.yaml
: >bad.yaml
fails 1 'bad.yaml:1: .*is empty' finetune bad.yaml
echo 'model: dino-r1-visual' >bad.yaml
fails 1 "bad.yaml: 'output' is missing" finetune bad.yaml
sed 's/train.json/none.json/' tiny.yaml >bad.yaml
fails 1 "bad.yaml:5: 'data.train.annotations': there is no file '.*none.json'" finetune bad.yaml
sed 's/train: {/training: {/' tiny.yaml >bad.yaml
fails 1 "bad.yaml:5: unknown key 'data.training'" finetune bad.yaml
fails 1 'No such file' finetune missing.yaml
fails 2 'usage: dinor1 finetune' finetune
fails 2 "did you mean 'epochs'" finetune tiny.yaml --set epoch=3
fails 2 "'epochs' must be a whole number" finetune tiny.yaml --set epochs=
fails 2 'expected KEY=VALUE' finetune tiny.yaml --set epochs
fails 2 "there is no folder 'nowhere'" finetune tiny.yaml --set model=nowhere --dry-run
fails 1 'no parameter matches nothing' finetune tiny.yaml --set 'train=nothing*' --dry-run
sed 's/smpte.png/gone.png/' train.json >gone.json
fails 1 "image 2: there is no file '.*gone.png'" finetune tiny.yaml --set data.train.annotations=gone.json

succeeds finetune tiny.yaml --dry-run
check 'the data' grep -q '^train  *6 images, 7 boxes, 2 classes$' out
check 'the updates' grep -q '^updates  *6: 2 epochs of 3$' out
check 'all parameters' grep -qE '^parameters  *([0-9]+) trained of \1$' out
check 'the parts' grep -qE '^  backbone  *([0-9]+) of \1, learning rate 1e-05$' out
check 'memory' grep -qE '^memory  *[0-9.]+ MiB: .* 2 images of [0-9]+x[0-9]+, 2 boxes each, 4 prompts$' out
check 'time' grep -qE '^time  *[0-9.]+ s an update, [0-9.]+ s for all' out
check 'nothing written' test ! -e run
succeeds finetune tiny.yaml --dry-run --set train=prompt-encoder
check 'a frozen part' grep -qE '^  backbone  *0 of [0-9]+, frozen$' out
check 'some parameters' grep -qE '^parameters  *[0-9]{4,5} trained of [0-9]{6}$' out

# losses FILE: what a log says, without the time it took
losses() {
    sed 's/,"seconds":.*//' "$1"
}
succeeds finetune tiny.yaml
equals 'log lines' 6 "$(wc -l <run/log.jsonl)"
equals 'finite numbers' True "$(json_lines run/log.jsonl 'all(abs(v) < 1e9 for l in d for v in l.values())')"
equals 'updates' '[1, 2, 3, 4, 5, 6]' "$(json_lines run/log.jsonl '[l["update"] for l in d]')"
equals 'images' 12 "$(json_lines run/log.jsonl 'sum(l["images"] for l in d)')"
equals 'a loss that is there' True "$(json_lines run/log.jsonl 'all(l["loss"] > 0.1 for l in d)')"
equals 'GRQO in the second epoch' '[0, 0, 0, 1, 1, 1]' "$(json_lines run/log.jsonl \
    '[int(l["reward_std"] > 0) for l in d]')"
equals 'checkpoints kept' '4 5 6' "$(cd run/checkpoints && printf '%s\n' * | tr -dc '1-9\n' | xargs)"
check 'the report' grep -q '<svg' run/report.html
check 'rewards from where GRQO starts' grep -q '>4</text>' <(sed -n '/Reward, mean/,/<.svg>/p' run/report.html)
check 'no scripts' test "$(grep -c '<script' run/report.html)" = 0
check 'the report is well-formed' python3 -c 'import xml.dom.minidom, re, sys
xml.dom.minidom.parseString(re.sub("<!DOCTYPE html>|<meta[^>]*>", "", open("run/report.html").read()))'
succeeds inspect --model run/model
succeeds detect images/ball.png --model run/model --prompt 'round=10,10,20,20'
fails 2 "holds a run already" finetune tiny.yaml

# Killed with no warning, twice, and resumed.
stop_after KILL 2 killed
equals 'killed' 137 "$status"
stop_after KILL 4 killed --resume
equals 'killed again' 137 "$status"
printf '{"update":6,"ep' >>killed/log.jsonl
succeeds finetune tiny.yaml --output killed --resume
equals 'the log of a killed run' "$(losses run/log.jsonl)" "$(losses killed/log.jsonl)"
check 'the same model' cmp run/model/model.safetensors killed/model/model.safetensors
fails 1 'is of another run' finetune tiny.yaml --output killed --resume --set seed=2

# Ctrl-C: the update is finished and saved.
stop_after INT 2 stopped --set epochs=500 --set save_every=1000
equals 'status after Ctrl-C' 130 "$status"
checks=$((checks + 1))
grep -q 'stopped after update' err || fail 'no word about the interruption'
check 'a report of what was done' grep -q '<svg' stopped/report.html
equals 'saved where it stopped' "$(tail -n 1 stopped/log.jsonl | tr -dc '0-9,' | cut -d, -f1)" \
    "$(ls stopped/checkpoints | tail -n 1 | tr -dc '0-9' | sed 's/^0*//')"

# A loss that is not a number ends the run before anything is saved.
cp -r dino-r1-visual broken
python3 - <<'PY'
import json, struct
with open("broken/model.safetensors", "r+b") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    tensor = json.loads(file.read(size))["model.decoder.layer_norm.weight"]
    file.seek(8 + size + tensor["data_offsets"][0])
    file.write(struct.pack("<f", float("nan")))
PY
fails 1 'epoch 0, update 0, images [1-6], [1-6]: .*not a finite number' finetune tiny.yaml --set model=broken --output nan
check 'nothing exported or saved' test ! -e nan/model -a -z "$(ls nan/checkpoints)" -a ! -e nan/log.jsonl

# An evaluation before the first update and after each epoch.
cp -r images others
sed 's/"round"/"Früher \& <älter>"/' train.json >others.json
{
    sed 's/^output: .*/output: evaluated/; /^data:/a\  validation: {annotations: train.json, images: images}' tiny.yaml
    printf '%s\n' 'evaluate_prompts: 2'
} >evaluated.yaml
fails 1 "'data.heldout' needs both annotations and images" finetune evaluated.yaml --set data.heldout.images=others
fails 1 "'data.heldout' needs 'data.validation'" finetune tiny.yaml --set data.heldout.images=others \
    --set data.heldout.annotations=others.json
succeeds finetune evaluated.yaml --set data.heldout.images=others --set data.heldout.annotations=others.json
equals 'evaluations' '[-1, 0, 1]' "$(json_lines evaluated/evaluations.jsonl '[l["epoch"] for l in d]')"
equals 'figures' 12 "$(json_lines evaluated/evaluations.jsonl 'len(d[0]) - 4')"
equals 'figures of the held-out set' '[12, 12, 12]' \
    "$(json_lines evaluated/evaluations.jsonl '[len(l["heldout"]) for l in d]')"
equals 'classes' "[('round', 4), ('bar', 3)]" \
    "$(json_lines evaluated/evaluations.jsonl '[(c["name"], c["boxes"]) for c in d[0]["classes"]]')"
succeeds inspect --model evaluated/best
equals 'evaluating changes nothing' "$(losses run/log.jsonl)" "$(losses evaluated/log.jsonl)"

# report FOLDER: its report without what differs from run to run.
report() {
    sed '/^<tr><td>output</d' "$1/report.html"
}
# pictures REPORT: the kinds and sizes of the pictures that are in it.
pictures() {
    python3 - "$1" <<'PY'
import base64, re, sys
for data in re.findall(r'src="data:image/jpeg;base64,([^"]*)"', open(sys.argv[1]).read()):
    data = base64.b64decode(data)
    assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9" and len(data) < 100000
    at = data.index(b"\xff\xc0")
    print(int.from_bytes(data[at + 7:at + 9], "big"), "x", int.from_bytes(data[at + 5:at + 7], "big"), sep="")
PY
}
equals 'samples: annotated, before and after of four' "$(printf '80x60\n%.0s' {1..12})" \
    "$(pictures evaluated/report.html)"
check 'drawn before and after' test -s evaluated/samples/before-1.jpg -a -s evaluated/samples/after-4.jpg
for section in 'Validation set' 'What was forgotten' 'By class' 'Samples' 'Reward, mean' 'Reward, spread' 'AP50<'; do
    check "the report's $section" grep -q "$section" evaluated/report.html
done
check 'a report for one file' test "$(grep -oE '(src|href)="[^"]{5}' evaluated/report.html | sort -u)" = 'src="data:'
check 'the report is well-formed' python3 -c 'import xml.dom.minidom, re, sys
xml.dom.minidom.parseString(re.sub("<!DOCTYPE html>|<meta[^>]*>|<img[^>]*>", "", open("evaluated/report.html").read()))'
succeeds finetune evaluated.yaml --output late --set evaluate_first=false
equals 'no evaluation first' '[0, 1]' "$(json_lines late/evaluations.jsonl '[l["epoch"] for l in d]')"

# The report of a run that was killed is that of one that was not.
heldout=(--set data.heldout.images=others --set data.heldout.annotations=others.json)
config=evaluated.yaml
stop_after KILL 2 halves "${heldout[@]}"
equals 'killed' 137 "$status"
rm -f halves/samples/after-*
stop_after KILL 4 halves --resume "${heldout[@]}"
succeeds finetune evaluated.yaml --output halves --resume "${heldout[@]}"
equals 'evaluations of a killed run' "$(cat evaluated/evaluations.jsonl)" "$(cat halves/evaluations.jsonl)"
equals 'the report of a killed run' "$(report evaluated | md5sum)" "$(report halves | md5sum)"

# What is bad ends the run, or is left out and counted.
sed -e 's/"bbox": \[10, 10, 20, 20\]/"bbox": [10, 10, -20, 20]/' -e 's/"category_id": 20, "bbox": \[0,/"category_id": 99, "bbox": [0,/' \
    -e 's/smpte.png/gone.png/' -e 's/clip.avi#frame=2/clip.avi#frame=77/' -e 's/circular.png/text.png/' train.json >bad.json
echo 'no picture' >images/text.png
bad=(tiny.yaml --set data.train.annotations=bad.json)
fails 1 'bad.json: annotations\[0\], id 1: no or negative size' finetune "${bad[@]}" --output bad
sed -e 's/-20, 20/20, 20/' -e 's/: 99/: 20/' bad.json >half-bad.json
fails 1 "half-bad.json: image 2: there is no file '.*gone.png'" finetune tiny.yaml \
    --set data.train.annotations=half-bad.json --output bad
sed 's/gone.png/smpte.png/' half-bad.json >undecodable.json
fails 1 "cannot (read|decode) '.*(text.png|clip.avi)'" finetune tiny.yaml --set data.train.annotations=undecodable.json \
    --output bad
succeeds finetune "${bad[@]}" --output bad --skip-bad --set grqo.start=2
check 'bad annotations' grep -q '^left out .*bad.json: 2 entries (1 .*, 1 .*), the first: .*id 1: ' out
check 'missing pictures' grep -q "^left out .*1 pictures, the first: there is no file '.*gone.png'" out
check 'the word at the end' grep -q '2 entries of annotations and 3 pictures were left out' err
equals 'the same number of pictures' 12 "$(json_lines bad/log.jsonl 'sum(l["images"] for l in d)')"
equals 'each bad picture once' "['images/clip.avi#frame=77', 'images/gone.png', 'images/text.png']" \
    "$(json_lines bad/skipped.jsonl '[l["file"] for l in d if "file" in l]')"
equals 'each bad entry' 2 \
    "$(grep -cE '"annotations":"bad.json","reason":"bad.json: annotations\[(0\], id 1|2\], id 3): ' bad/skipped.jsonl)"
check 'reasons in the report' grep -q '<li>.*has no frame 77' bad/report.html
succeeds finetune "${bad[@]}" --output again --skip-bad --set grqo.start=2 --set workers=3
equals 'the same batches' "$(losses bad/log.jsonl)" "$(losses again/log.jsonl)"
succeeds finetune evaluated.yaml --output judged --set data.validation.annotations=bad.json --skip-bad --set epochs=1
equals 'boxes of pictures that cannot be seen do not count' '[2, 2]' \
    "$(json_lines judged/evaluations.jsonl '[sum(c["boxes"] for c in l["classes"]) for l in d]')"
# A broken picture or class takes its boxes with it.
sed -e 's/"file_name": "circular.png", //' -e 's/, "name": "bar"//' train.json >broken.json
fails 1 'broken.json: images\[2\], id 3: file_name is missing' finetune tiny.yaml \
    --set data.train.annotations=broken.json --output broken-entries
succeeds finetune tiny.yaml --set data.train.annotations=broken.json --output broken-entries --skip-bad
check 'what is left' grep -q '^train  *5 images, 3 boxes, 1 classes$' out
check 'why' grep -q '^left out .*6 entries (1 of an unknown image, 3 of an unknown category, 1 a broken image entry, 1 a broken' out
equals 'each broken entry' "['images[2], id 3: file_name is missing', 'categories[1], id 20: name is missing']" \
    "$(json_lines broken-entries/skipped.jsonl '[l["reason"].split(": ", 1)[1] for l in d if "annotations[" not in l["reason"]]')"
check 'a word at the end' grep -q "6 entries of annotations and 0 pictures were left out; 'broken-entries/skipped.jsonl'" err
# A picture with a hundred thousand boxes.
python3 - <<'PY'
import json
d = json.load(open("train.json"))
d["annotations"] += [{"id": i, "image_id": 1, "category_id": 10, "bbox": [i % 70, i % 50, 9, 9]} for i in range(100, 100100)]
json.dump(d, open("many.json", "w"))
PY
many=(tiny.yaml --set data.train.annotations=many.json --set epochs=1 --output many)
fails 1 'many.json: annotations\[1005\], id 1098: image 1 has more than 1000 boxes' finetune "${many[@]}"
succeeds finetune "${many[@]}" --skip-bad --set max_boxes=50
check 'what is left' grep -q '^train  *6 images, 55 boxes, 2 classes$' out
check 'how many' grep -q '^left out .*many.json: 99952 entries (99952 too many in the image), the first: .*id 148: ' out
sed 's/"file_name": "/&none-/' train.json >none.json
fails 1 "image 6: there is no file .*none-clip.avi" finetune tiny.yaml --set data.train.annotations=none.json --skip-bad --output none
no_temporary_files
finish
