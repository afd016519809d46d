#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: tests/gpu-curve.sh DINOR1 MODELS DEVICE
# Trains ten updates on the CPU and on DEVICE; prints both loss curves for gpu.sh and fails where they part by more than
# 1 %.
here=$(realpath "$(dirname "$0")")/companion
device=$3
. "$here/lib.sh"
. "$here/train_data.sh"

cat >curve.yaml <<'YAML'
model: dino-r1-visual
output: run
data:
  train: {annotations: train.json, images: images}
epochs: 5
batch_size: 3
learning_rate: 1e-4
warmup_steps: 2
threads: 1
negatives: 2
YAML
succeeds finetune curve.yaml --set device=cpu --output cpu
succeeds finetune curve.yaml --set "device=$device" --output device
[ "$failures" = 0 ] || exit 1
python3 - <<'PY'
import json, sys
cpu, device = ([json.loads(line)["loss"] for line in open(name + "/log.jsonl")] for name in ("cpu", "device"))
worst = max(abs(a - b) / max(1, abs(a)) for a, b in zip(cpu, device))
print("table:", "| update | loss on the CPU | on the device |", "| ---: | ---: | ---: |", sep="\n")
for i, (a, b) in enumerate(zip(cpu, device), 1):
    print(f"| {i} | {a:.6f} | {b:.6f} |")
print("end")
print(f"detail: {len(device)} updates, largest difference {worst:.1e}")
sys.exit(not (len(cpu) == len(device) == 10 and worst <= 0.01))
PY
