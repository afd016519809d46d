#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 eval --list: several sets, as ODinW is one, and their average.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"
succeeds prompt make drawn.bank --model dino-r1-visual --from-coco train.json --images images --per-class 2
# What is found with these prompts becomes the truth of one of the sets.
succeeds annotate images/clip.avi --model dino-r1-visual --prompts drawn.bank --threshold 0 --output found.json
mkdir lists
cat >lists/sets.yaml <<'YAML'
sets:
  - name: patterns
    annotations: ../found.json
    images: ../images
    prompts: ../drawn.bank
  - name: drawn
    annotations: ../train.json
    images: ../images
    train: {annotations: ../train.json, images: ../images}
YAML
succeeds eval --model dino-r1-visual --list lists/sets.yaml --per-class 2 --json list.json
equals 'rows' 'patterns drawn sets' "$(sed 1d out | awk '{print $NF}' | xargs)"
cp out list
succeeds eval --model dino-r1-visual --annotations found.json --images images --prompts drawn.bank
equals 'a row is the set alone' "$(awk 'NR == 1 {print $2}' out)" "$(sed -n 2p list | awk '{print $1}')"
equals 'the average' True "$(json list.json '(d["averaged"] == 2 and d["average"] > 0 and
    abs(d["average"] - sum(s["figures"]["AP"] for s in d["sets"]) / 2) < 1e-12)')"
equals 'the average, printed' "$(json list.json '"%.4f" % d["average"]')" "$(tail -n 1 list | awk '{print $1}')"
equals 'classes of the sets' "[2, 2]" "$(json list.json '[len(s["classes"]) for s in d["sets"]]')"
succeeds eval --model dino-r1-visual --list lists/sets.yaml --per-class 2 --json -
equals 'JSON on standard output' 2 "$(json out 'len(d["sets"])')"

# list LINE...: a list of a good set and more lines
list() {
    printf 'sets:\n  - {name: a, annotations: train.json, images: images, prompts: drawn.bank}\n' >list.yaml
    [ $# = 0 ] || printf '%b\n' "$@" >>list.yaml
}
with_list='eval --model dino-r1-visual --list list.yaml'
list '  - {name: gone, annotations: gone.json, images: images, prompts: drawn.bank}'
fails 1 "list.yaml:3: set 'gone': there is no file '.*gone.json'" $with_list
succeeds $with_list --skip-missing --limit 1 --json list.json
check 'a missing set is said to be missing' grep -qE '^ +- +- +- missing  gone$' out
equals 'and not averaged' '1 True' "$(json list.json '"%d %s" % (d["averaged"], d["sets"][1]["missing"])')"
list '  - {name: b, annotations: train.json, images: nowhere, prompts: drawn.bank}'
fails 1 "list.yaml:3: set 'b': there is no folder '.*nowhere'" $with_list
list '  - name: b' '    anotations: train.json'
fails 1 "list.yaml:4: 'anotations' is no key of a set; did you mean 'annotations'" $with_list
list '  - name: b' '    images: images'
fails 1 "list.yaml:3: set 'b': 'annotations' is missing" $with_list
list '  - {name: a, annotations: train.json, images: images, prompts: drawn.bank}'
fails 1 "list.yaml:3: set 'a': an earlier set has the same name" $with_list
list '  - {name: b, annotations: train.json, images: images}'
fails 1 "list.yaml:3: set 'b': needs one of 'prompts' and 'train'" $with_list
list '  - {name: b, annotations: train.json, images: images, train: {annotations: train.json}}'
fails 1 "list.yaml:3: set 'b': 'train' needs both" $with_list
list '  - {name: b, name: c}'
fails 1 "list.yaml:3: 'name' is there twice" $with_list
list '  - {name: b, annotations: [train.json]}'
fails 1 "list.yaml:3: 'annotations' must be one value" $with_list
list '  - b'
fails 1 "list.yaml:3: 'sets' must be a list of sets" $with_list
list '\t- b'
fails 1 'list.yaml:3: .*tab' $with_list
list 'more: 1'
fails 1 "list.yaml:3: 'the file' has more than the list" $with_list
echo 'sets: []' >list.yaml
fails 1 "list.yaml:1: 'sets' has no set" $with_list
echo 'set: []' >list.yaml
fails 1 "list.yaml:1: 'set' is no key here" $with_list
list
fails 1 "list.yaml:2: set 'a': neither 'prompts' nor 'train' go with --same-image" $with_list --same-image
fails 2 '--list goes with none of' $with_list --images images
printf 'sets:\n  - {name: a, annotations: train.json, images: images}\n' >list.yaml
succeeds $with_list --same-image --limit 1
no_temporary_files
finish
