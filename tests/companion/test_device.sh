#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# --device of the commands that run a model, on the emulated GPU (DINOR1_MODULE_PATH says where its module is).
bench=$(realpath "$(dirname "$0")/../bench")
. "$(dirname "$0")/lib.sh"
make_model dino-r1-visual
make_image picture.png
look="picture.png --model dino-r1-visual --prompt a=10,5,40,30 --threshold 0 --max-detections 20"

# The same boxes, found elsewhere.
succeeds detect $look --device cpu
mv out cpu.jsonl
succeeds detect $look --device cuda-host --precision fp32
mv out cuda.jsonl
check 'what it ran on' grep -qE 'frames/s on cuda:0, emulated on the host, .*, fp32' err
check 'the same detections' python3 - <<'END'
import json
found = [sorted((d["label"], round(d["score"], 3), [round(x, 1) for x in d["box"]]) for d in json.load(open(f))["detections"])
         for f in ("cpu.jsonl", "cuda.jsonl")]
assert len(found[0]) == 20
for a, b in zip(*found):
    assert a[0] == b[0] and abs(a[1] - b[1]) < 0.002 and all(abs(x - y) < 0.3 for x, y in zip(a[2], b[2])), (a, b)
END

# In other precisions nearly so: the scores of random weights lie so close together that rounding decides which places
# are searched and in which order, so some of the boxes are others. Nothing but fp32 is taken without being asked for.
for precision in tf32 fp16 bf16; do
    checks=$((checks + 1))
    python3 "$bench/precision.py" --dinor1 "$dinor1" --device cuda-host --precision $precision --required 0.75 \
        picture.png --model dino-r1-visual --prompt a=10,5,40,30 >agreement 2>err || fail "$precision: $(cat agreement)"
done
succeeds detect $look --device cuda-host
check 'fp32 by itself' grep -qE ' on cuda:0, .*, fp32' err
fails 1 "precision 'bf16': cpu, .* has only fp32" detect $look --device cpu --precision bf16
fails 1 "precision 'half' is unknown: use auto, fp32, tf32, fp16, bf16" detect $look --device cpu --precision half

# auto says what it took and why.
succeeds detect $look --device auto
check 'why the CPU' grep -qE 'on cpu, .* \(auto: cuda: no module libdinor1-cuda\.so in ' err

# A device that cannot be had says what to do; so does every command.
cat >truth.json <<'END'
{"images": [{"id": 1, "file_name": "picture.png", "width": 80, "height": 60}], "categories": [{"id": 1, "name": "a"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 5, 40, 30], "area": 1200, "iscrowd": 0}]}
END
succeeds prompt make cuda.bank --model dino-r1-visual --device cuda-host a=10,5,40,30@picture.png
for device in 'cuda .*-Dcuda=enabled' 'cuda-host:3 cuda:3: there is no such device, only 1: nvidia-smi' 'tpu not auto, cpu, cuda or cuda:N'; do
    name=${device%% *} text=${device#* }
    fails 1 "$text" detect $look --device $name
    fails 1 "$text" prompt make other.bank --model dino-r1-visual --device $name a=10,5,40,30@picture.png
    fails 1 "$text" eval --model dino-r1-visual --device $name --annotations truth.json --images . --same-image
    fails 1 "$text" annotate picture.png --model dino-r1-visual --device $name --prompts cuda.bank --output draft.json
    fails 1 "$text" inspect --model dino-r1-visual --device $name
    fails 1 "$text" bench --model dino-r1-visual --device $name
done

# The others run there too, and say so.
succeeds eval --model dino-r1-visual --device cuda-host --annotations truth.json --images . --same-image
check 'eval says so' grep -q 'the model runs on cuda:0, emulated' err
succeeds annotate picture.png --model dino-r1-visual --device cuda-host --prompts cuda.bank --threshold 0 --output draft.json
check 'annotate says so' grep -q 'found on cuda:0, emulated' err
succeeds inspect --model dino-r1-visual --device cuda-host --size 96x64
check 'inspect says so' grep -q '^on cuda:0, emulated' out
succeeds inspect --model dino-r1-visual --device cuda-host --size 96x64 --json
check 'inspect --json says so' grep -q '"device" : "cuda:0, emulated' out
succeeds bench --model dino-r1-visual --device cuda-host --size 96x64 --runs 1
check 'bench says so' grep -q ' on cuda:0, emulated' out

# A device that fails: one message, exit status 1, no half-written file.
export DINOR1_EMULATOR_FAULT=50
fails 1 'cuda:0: .*unspecified launch failure \(cudaErrorLaunchFailure\)' detect $look --device cuda-host --json lost.jsonl
equals 'no output' no "$([ -e lost.jsonl ] && echo yes || echo no)"
finish
