# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced by the tests of training and evaluation, after lib.sh: four small pictures and two frames of a clip with
# annotations in train.json, the model dino-r1-visual, a configuration that trains it on them, tiny.yaml, of 13 lines, and a
# function that stops a run.
make_model dino-r1-visual
mkdir images
for pattern in ball smpte circular pinwheel; do
    gst-launch-1.0 -q videotestsrc num-buffers=1 pattern=$pattern ! video/x-raw,width=80,height=60 ! pngenc ! \
        filesink location=images/$pattern.png
done
make_clip images/clip.avi 4
cat >train.json <<'JSON'
{"images": [
  {"id": 1, "file_name": "ball.png", "width": 80, "height": 60},
  {"id": 2, "file_name": "smpte.png", "width": 80, "height": 60},
  {"id": 3, "file_name": "circular.png", "width": 80, "height": 60},
  {"id": 4, "file_name": "pinwheel.png", "width": 80, "height": 60},
  {"id": 5, "file_name": "clip.avi#frame=2", "width": 96, "height": 64},
  {"id": 6, "file_name": "clip.avi#t=0.3", "width": 96, "height": 64}],
 "categories": [{"id": 10, "name": "round"}, {"id": 20, "name": "bar"}],
 "annotations": [
  {"id": 1, "image_id": 1, "category_id": 10, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
  {"id": 2, "image_id": 1, "category_id": 20, "bbox": [50, 20, 20, 30], "area": 600, "iscrowd": 0},
  {"id": 3, "image_id": 2, "category_id": 20, "bbox": [0, 0, 11, 40], "area": 440, "iscrowd": 0},
  {"id": 4, "image_id": 2, "category_id": 20, "bbox": [22, 0, 12, 40], "area": 480, "iscrowd": 0},
  {"id": 5, "image_id": 3, "category_id": 10, "bbox": [20, 10, 40, 40], "area": 1600, "iscrowd": 0},
  {"id": 6, "image_id": 4, "category_id": 10, "bbox": [5, 5, 70, 50], "area": 3500, "iscrowd": 0},
  {"id": 7, "image_id": 5, "category_id": 10, "bbox": [30, 20, 25, 25], "area": 625, "iscrowd": 0}]}
JSON
cat >tiny.yaml <<'YAML'
# everything small
model: dino-r1-visual
output: run
data:
  train: {annotations: train.json, images: images}
epochs: 2
batch_size: 2
learning_rate: 1e-4
warmup_steps: 2
threads: 1
negatives: 2
save_every: 1
grqo: {start: 1}
YAML

# stop_after SIGNAL LINES FOLDER ARGUMENT...: a run that gets the signal when its log has so many lines
stop_after() {
    local signal=$1 lines=$2 folder=$3 pid
    shift 3
    # A shell tells what it runs in the background to ignore SIGINT.
    env --default-signal=INT "$dinor1" finetune "${config:-tiny.yaml}" --output "$folder" "$@" >out 2>err &
    pid=$!
    until [ "$(wc -l 2>/dev/null <"$folder/log.jsonl" || echo 0)" -ge "$lines" ]; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    kill -s "$signal" "$pid" 2>/dev/null
    status=0
    wait "$pid" 2>/dev/null || status=$?
}
