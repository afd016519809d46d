#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 finetune from nothing: a folder with a configuration, and no weights.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"

mkdir empty
cp dino-r1-visual/config.json empty/
cat >scratch.yaml <<'YAML'
model: empty
output: run
data:
  train: {annotations: train.json, images: images}
from_scratch: true
seed: 7
epochs: 1
batch_size: 3
learning_rate: 1e-4
threads: 1
YAML

fails 1 "empty/model.safetensors" finetune scratch.yaml --set from_scratch=false
succeeds finetune scratch.yaml --dry-run
check 'a dry run leaves nothing' test ! -e run
succeeds finetune scratch.yaml --quiet
check 'the model at the start is kept' test -s run/start/model.safetensors
check 'and says that it is not trained' grep -q '"trained" : false' run/start/config.json
check 'what training made does not' test "$(grep -c '"trained"' run/model/config.json)" = 0
check 'and differs' test "$(sha256sum <run/start/model.safetensors)" != "$(sha256sum <run/model/model.safetensors)"

succeeds finetune scratch.yaml --quiet --output again
check 'the same seed gives the same model' cmp run/model/model.safetensors again/model/model.safetensors
succeeds finetune scratch.yaml --quiet --output other --set seed=8
check 'another seed another start' test "$(sha256sum <other/start/model.safetensors)" != \
    "$(sha256sum <run/start/model.safetensors)"
finish
