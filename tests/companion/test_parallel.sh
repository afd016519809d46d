#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# mpirun dinor1 finetune: two processes write what one writes. Arguments as of all tests here, then MPIRUN: the program;
# "missing"; or "unused" if this build is without MPI.
here=$(realpath "$(dirname "$0")")
. "$here/lib.sh"
mpirun=$3
if [ "$mpirun" = unused ]; then
    PMI_SIZE=2 fails 1 'built without MPI' finetune tiny.yaml
    [ "$failures" = 0 ] || finish
    echo 'skipped: built without MPI'
    exit 77
elif [ "$mpirun" = missing ]; then
    echo 'skipped: there is no mpirun'
    exit 77
fi
. "$here/train_data.sh"

# Open MPI: as root, with fewer processors than processes, without binding to them, and in a container.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1

cat >tiny.yaml <<'YAML'
model: dino-r1-visual
output: alone
data:
  train: {annotations: train.json, images: images}
epochs: 2
batch_size: 4
learning_rate: 1e-4
warmup_steps: 2
threads: 1
save_every: 1
grqo: {start: 1}
YAML

# together ARGUMENT...: the program in two processes
together() {
    status=0
    "$mpirun" -n 2 "$dinor1" "$@" >out 2>err || status=$?
}
# close_to FILE FILE: the numbers of two logs, but for the time they took, differ by at most 1e-5.
close_to() {
    python3 - "$1" "$2" <<'PY'
import json, sys
a, b = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
assert len(a) == len(b) > 0, (len(a), len(b))
for x, y in zip(a, b):
    for key in x.keys() - {"seconds", "gradient_norm"}:
        assert abs(x[key] - y[key]) <= 1e-5 * max(1, abs(x[key])), (key, x, y)
PY
}

succeeds finetune tiny.yaml
together finetune tiny.yaml --output together
equals 'status' 0 "$status"
check 'the same losses' close_to alone/log.jsonl together/log.jsonl
equals 'one says what is done' 1 "$(grep -c 'updates done' err)"
equals 'one describes' 1 "$(grep -c '^updates ' out)"
succeeds inspect --model together/model
check 'a report' test -s together/report.html

together finetune tiny.yaml --output none --dry-run
equals 'status' 0 "$status"
check 'each takes a half of a batch' grep -q 'one step with 2 images of' out

# One process goes on where two stopped, and the other way round.
mkdir -p half/checkpoints other/checkpoints
cp together/checkpoints/update-00000002.safetensors half/checkpoints
head -n 2 together/log.jsonl >half/log.jsonl
cp alone/checkpoints/update-00000002.safetensors other/checkpoints
head -n 2 alone/log.jsonl >other/log.jsonl
succeeds finetune tiny.yaml --output half --resume
check 'two, then one' close_to alone/log.jsonl half/log.jsonl
together finetune tiny.yaml --output other --resume
equals 'status' 0 "$status"
check 'one, then two' close_to alone/log.jsonl other/log.jsonl

# An error of one, the one that gets the bad picture, is an error of all.
echo 'no picture' >images/bad.png
sed 's/smpte.png/bad.png/' train.json >bad.json
together finetune tiny.yaml --output bad --set data.train.annotations=bad.json
equals 'status' 1 "$status"
equals 'one message' 1 "$(grep -c '^dinor1: .*bad.png' err)"
# With --skip-bad all know, and one tells, what any of them left out: with two batches of two pictures each process
# meets some of the bad ones.
cp images/bad.png images/worse.png
sed -e 's/smpte.png/bad.png/' -e 's/circular.png/worse.png/' -e 's/frame=2/frame=77/' train.json >worse.json
worse=(finetune tiny.yaml --set data.train.annotations=worse.json --set batch_size=2 --set epochs=1 --set workers=0
    --skip-bad)
for seed in 1 2; do
    together "${worse[@]}" --output "skipped-$seed" --set "seed=$seed"
    equals 'status' 0 "$status"
    equals "left out by any, seed $seed" "['images/bad.png', 'images/clip.avi#frame=77', 'images/worse.png']" \
        "$(json_lines "skipped-$seed/skipped.jsonl" '[l["file"] for l in d]')"
done
# What was left out once stays left out by all when the run is resumed, also when it can be read by then.
worse+=(--set epochs=2 --set seed=5 --set keep=10 --output resumed)
together "${worse[@]}"
equals 'status' 0 "$status"
rm resumed/checkpoints/*-0000000[456]*
cp images/ball.png images/worse.png
losses() {
    sed 's/,"seconds":.*//' "$1/log.jsonl"
}
cp -r resumed before
together "${worse[@]}" --resume
equals 'status' 0 "$status"
equals 'the same losses' "$(losses before)" "$(losses resumed)"

together finetune tiny.yaml --output together
equals 'status' 2 "$status"
equals 'one message' 1 "$(grep -c '^dinor1: .*holds a run already' err)"
no_temporary_files
finish
