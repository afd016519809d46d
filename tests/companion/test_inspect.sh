#!/usr/bin/env bash
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `dinor1 inspect` and `dinor1 bench`.
. "$(dirname "$0")/lib.sh"
make_model dino-r1-visual
make_model mm-one

succeeds inspect --model dino-r1-visual --size 96x64 --prompts 3
check modules grep -qE '^ +backbone +[0-9]+ +[0-9.]+ +[0-9.]+$' out
check ops grep -qE '^ +linear +[0-9]+ +[0-9.]+ +[0-9.]+$' out
check parameters grep -qE '^ +model.visual_prompt_encoder +[0-9]+ +[0-9.]+$' out
check memory grep -qE '^memory: weights [0-9.]+ MiB, activations [0-9.]+ MiB' out
check 'input size' grep -q '96x64 with 3 prompts is seen as 96x64' out
succeeds inspect --model dino-r1-visual --size 96x64 --tensors --json
mv out model.json
equals tensors True "$(json model.json 'd["tensors"]["model.level_embed"]["shape"][1] == d["embedding_size"]')"
equals parameters True "$(json model.json '
    sum(d["parameters"].values()) == sum(__import__("math").prod(t["shape"]) for t in d["tensors"].values())')"
equals GMAC True "$(json model.json 'abs(d["gmac"] - sum(o["gmac"] for o in d["ops"])) < 1e-9 and d["gmac"] > 0')"
equals plan True "$(json model.json '0 < d["arena_bytes"] < d["unplanned_bytes"]')"
succeeds inspect --model mm-one --size 96x64 --json
equals 'more pixels cost more' True "$("$dinor1" inspect --model dino-r1-visual --size 128x64 --json >big.json &&
    json big.json "d['gmac'] > $(json model.json 'd["gmac"]')")"

for model in dino-r1-visual mm-one; do
    succeeds bench --model $model --size 96x64 --runs 2 --threads 1 --prompts 2
    check "time of $model" grep -qE '^one frame: [0-9.]+ ms at best, [0-9.]+ ms median' out
    check "module times of $model" grep -qE '^ +decoder +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ % +[0-9.]+ +[0-9.]+$' out
    check "peak of $model" grep -qE '^peak resident memory: [0-9.]+ MiB' out
done
succeeds bench --model dino-r1-visual --size 96x64 --runs 2 --threads 1 --json
equals times True "$(json out '0 < d["best_ms"] <= d["median_ms"] and d["peak_rss_mib"] > 1')"
equals rates True "$(json out 'all(m["gflops"] >= 0 for m in d["modules"] if "ms" in m)')"
equals bytes True "$(json out 'all(o["bytes"] > 0 for o in d["ops"] if "ms" in o)')"
succeeds bench --model dino-r1-visual --size 96x64 --format nv12 --runs 3 --threads 2 --streams 3 --batch 2 --json
equals streams True "$(json out 'd["streams"] == 3 and d["batch"] == 2 and d["streams_frames_per_second"] > 0')"
fails 1 nomodel inspect --model nomodel
fails 1 nomodel bench --model nomodel
finish
