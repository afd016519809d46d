#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 finetune on the emulated GPU: killed, resumed there and on the CPU, with the losses of a run on the CPU.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"

printf '%s\n' 'device: cuda-host' 'average_decay: 0.9' >>tiny.yaml
sed -i 's/^batch_size: .*/batch_size: 3/' tiny.yaml

fails 1 "device 'tpu': not auto, cpu, cuda or cuda:N" finetune tiny.yaml --set device=tpu --dry-run
fails 1 'cuda: no module ' finetune tiny.yaml --set device=cuda --dry-run
fails 1 "precision 'bf16': cpu, 1 thread, .* has only fp32" finetune tiny.yaml --set device=cpu --set precision=bf16 --dry-run
fails 1 'precision must be fp32, tf32 or bf16' finetune tiny.yaml --set precision=fp16 --dry-run
fails 1 "precision 'half' is unknown" finetune tiny.yaml --set precision=half --dry-run
succeeds finetune tiny.yaml --set precision=bf16 --dry-run
check 'the precision' grep -q '^device .*, bf16$' out
succeeds finetune tiny.yaml --set device=auto --dry-run
check 'why the CPU' grep -q '^device  *cpu, 1 thread, .*(auto: cuda: no module ' out

succeeds finetune tiny.yaml --set device=cpu --output cpu
stop_after KILL 1 mixed --set epochs=1
equals 'killed' 137 "$status"
succeeds finetune tiny.yaml --resume --set epochs=1 --output mixed
check 'the update that it goes on after' test -s mixed/checkpoints/update-00000002.safetensors
succeeds finetune tiny.yaml --resume --set epochs=2 --set device=cpu --output mixed
equals 'the same losses on both' True "$(python3 - <<'PY'
import json
a, b = ([json.loads(line) for line in open(name + "/log.jsonl")] for name in ("cpu", "mixed"))
print(len(a) == len(b) == 4 and all(abs(x["loss"] - y["loss"]) <= 1e-4 * max(1, x["loss"]) for x, y in zip(a, b)))
PY
)"
succeeds detect images/ball.png --model mixed/model --prompt 'round=10,10,20,20' --device cpu
no_temporary_files
finish
