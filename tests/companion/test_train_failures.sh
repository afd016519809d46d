#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dinor1 finetune when something fails in the middle: a full disk, a folder that nobody can write, a loss that is not
# finite. What was saved stays, and the run can go on from there. Also the progress line of a terminal.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
. "$here/train_data.sh"

# losses FOLDER: what its log says, without the time it took
losses() {
    sed 's/,"seconds":.*//' "$1/log.jsonl"
}
# limited KIB STATUS PATTERN ARGUMENT...: fails while no file can be larger than that
limited() {
    local limit=$1
    shift
    ulimit -S -f "$limit"
    fails "$@"
    ulimit -S -f unlimited
}
succeeds finetune tiny.yaml

# Nothing was saved yet: the run begins again.
limited 1000 1 'update-00000001.safetensors: cannot write: File too large' finetune tiny.yaml --output first
equals 'no checkpoint' '' "$(ls first/checkpoints)"
limited 1 1 "cannot write 'log/log.jsonl': File too large" finetune tiny.yaml --output log --set save_every=100
equals 'no checkpoint' '' "$(ls log/checkpoints)"
succeeds finetune tiny.yaml --output log --resume
equals 'losses after a full disk' "$(losses run)" "$(losses log)"

# The disk fills up later: the checkpoint from before stays, and is good.
cp -r run later
rm later/checkpoints/*-0000000[56]*
limited 1000 1 "update-00000005.safetensors: .*File too large \(update 4 is saved in 'later/checkpoints'\)" \
    finetune tiny.yaml --output later --resume
equals 'what was saved' 'update-00000004.safetensors' "$(ls later/checkpoints)"
succeeds finetune tiny.yaml --output later --resume
equals 'losses after a full disk' "$(losses run)" "$(losses later)"
check 'the same model' cmp run/model/model.safetensors later/model/model.safetensors

# A real full disk, where a name space of its own may have one.
if unshare -rm true 2>/dev/null; then
    mkdir small
    # shellcheck disable=SC2016
    unshare -rm sh -c 'mount -t tmpfs -o size=3m none small && "$@"; status=$?; cp -r small/. kept; exit $status' sh \
        "$dinor1" finetune tiny.yaml --output small/run >out 2>err
    equals 'status on a full disk' 1 "$?"
    check 'the full disk' grep -q "No space left on device (update [0-9] is saved in 'small/run/checkpoints')" err
    equals 'half-written files' '' "$(find kept -name '.*.??????' -type f)"
    succeeds finetune tiny.yaml --output kept/run --resume
    equals 'losses after a full disk' "$(losses run)" "$(losses kept/run)"
else
    echo 'skipped a file system that is full: no user name spaces here'
fi

# Folders that cannot be.
fails 1 "cannot make the folder 'tiny.yaml/run/checkpoints': Not a directory" finetune tiny.yaml --output tiny.yaml/run
mkdir taken && touch taken/checkpoints
fails 1 "cannot make the folder 'taken/checkpoints': (Not a directory|File exists)" finetune tiny.yaml --output taken
if [ "$(id -u)" != 0 ]; then
    mkdir locked && chmod a-w locked
    fails 1 "cannot make the folder 'locked/run/checkpoints': Permission denied" finetune tiny.yaml --output locked/run
fi

# poison FILE TENSOR: makes its first number NaN.
poison() {
    python3 - "$@" <<'PY'
import json, struct, sys
with open(sys.argv[1], "r+b") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    tensors = json.loads(file.read(size))
    name = next(n for n in tensors if n.endswith(sys.argv[2]) and "optimizer" not in n)
    file.seek(8 + size + tensors[name]["data_offsets"][0])
    file.write(struct.pack("<f", float("nan")))
PY
}
# A loss that is not finite in the middle: what was saved earlier is not touched.
cp -r run lost
rm lost/checkpoints/*-00000006*
poison lost/checkpoints/update-00000005.safetensors model.decoder.layer_norm.weight
fails 1 "epoch 1, update 2, images .* not a finite number.* \(update 5 is saved in 'lost/checkpoints'\)" \
    finetune tiny.yaml --output lost --resume
equals 'what was saved' 'update-00000004.safetensors update-00000005.safetensors' "$(cd lost/checkpoints && echo *)"
equals 'the log' "$(losses run | head -n 5)" "$(losses lost)"
rm lost/checkpoints/*-00000005*
succeeds finetune tiny.yaml --output lost --resume
equals 'losses after all' "$(losses run)" "$(losses lost)"

# A checkpoint that is cut off says so.
cp -r run cut
truncate -s 1000 cut/checkpoints/update-00000006.safetensors
fails 1 'update-00000006.safetensors' finetune tiny.yaml --output cut --resume

# On a terminal one line tells of the progress: where, losses, speed, time left; a resumed run counts its own time only.
# on_terminal ARGUMENT...: what the program writes to a terminal
on_terminal() {
    python3 - "$dinor1" "$@" <<'PY'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
PY
}
line='\[#* *\] +[0-9]+ %, [0-9]+ s left, update [0-9]+ of 6, epoch [01], loss [0-9.]+ \(class [0-9.]+, L1 [0-9.]+, '
line+='GIoU [0-9.]+\), [0-9.]+ images/s'
on_terminal finetune tiny.yaml --output terminal >out
check 'a progress line' grep -qaE "$line" out
on_terminal finetune tiny.yaml --output quiet --quiet >out
equals 'no progress line' '' "$(grep -aoE 's left' out)"
cp -r run half
rm half/checkpoints/*-00000006*
on_terminal finetune tiny.yaml --output half --resume >out
check 'the line of a resumed run' grep -qaE '\[#{30}\] 100 %, 0 s left, update 6 of 6' out
no_temporary_files
finish
