#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files and figures of run.sh: subset ANNOTATIONS N OUT | atleast FIGURES NAME MINIMUM | compare FOLDER EXEMPLARS,... METHOD,... SEED..."""
import json
import pathlib
import statistics
import sys

METHODS = {"sft": "supervised", "grqo": "GRQO", "more_sft": "supervised", "more_kl": "KL only (α 0)", "more_1": "GRQO, α 1",
           "more_1_nokl": "GRQO, α 1, no KL", "more_1_mute": "GRQO, α 1, mute 2/3", "more_10": "GRQO, α 10"}
FIGURES = ("AP", "AP50", "AP75", "AR100")


def subset(annotations, count, out):
    data = json.loads(pathlib.Path(annotations).read_text())
    data["images"] = data["images"][:int(count)]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in kept]
    pathlib.Path(out).write_text(json.dumps(data))


def atleast(figures, name, minimum):
    value = json.loads(pathlib.Path(figures).read_text())["figures"][name]
    print(f"{name} {value:.4f}, to reach {minimum}")
    if value < float(minimum):
        sys.exit(1)


def spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def compare(folder, exemplars, methods, *seeds):
    print("| method | exemplars |", " | ".join(FIGURES), "| AP by seed |")
    print("| --- | --- |", " --- |" * len(FIGURES), "--- |")
    for per_class in exemplars.split(","):
        for method in methods.split(","):
            runs = [json.loads((pathlib.Path(folder) / f"{method}-{seed}-{per_class}.json").read_text())["figures"]
                    for seed in seeds]
            print(f"| {METHODS[method]} | {per_class} |", " | ".join(spread([run[f] for run in runs]) for f in FIGURES), "|",
                  ", ".join(f"{run['AP']:.4f}" for run in runs), "|")


if __name__ == "__main__":
    {"subset": subset, "atleast": atleast, "compare": compare}[sys.argv[1]](*sys.argv[2:])
