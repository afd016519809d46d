#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many detections stay what they are when a device computes in another precision.

Runs `dinor1 detect` twice on the same pictures, in fp32 and in the precision asked for. A detection of one run with a
score above --score matches one of the other run, each used once, that has its class, an IoU of at least 0.95 and a
score within 0.02. Prints the share that matches, of either run's, and fails if it is below --required.

    tests/bench/precision.py --dinor1 build/companion/dinor1 --device cuda --precision fp16 pictures/*.jpg \\
        --model DIR --prompts cups.bank

Everything that is not named below goes to `dinor1 detect`.
"""
import argparse
import json
import subprocess
import sys

MARGIN = 0.02
IOU = 0.95


def detect(options, rest, device, precision):
    command = [options.dinor1, "detect", *rest, "--device", device, "--precision", precision, "--quiet",
               "--threshold", str(max(options.score - MARGIN, 0)), "--max-detections", str(options.max_detections)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {run.returncode}")
    return [json.loads(line)["detections"] for line in run.stdout.splitlines()]


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / max(a[2] * a[3] + b[2] * b[3] - shared, 1e-9)


def match(detections, others, score):
    """How many of @detections are above @score, and how many of these have a match."""
    free = list(others)
    wanted = [d for d in detections if d["score"] > score]
    matched = 0
    for detection in wanted:
        fitting = [o for o in free if o["label"] == detection["label"]
                   and abs(o["score"] - detection["score"]) <= MARGIN and iou(o["box"], detection["box"]) >= IOU]
        if fitting:
            free.remove(min(fitting, key=lambda o: abs(o["score"] - detection["score"])))
            matched += 1
    return len(wanted), matched


def compare(name, runs, score):
    totals = [match(a, b, score) for a, b in zip(*runs)]
    wanted, matched = (sum(values) for values in zip(*totals))
    share = matched / wanted if wanted else 1.0
    print(f"{name}: {matched} of {wanted} detections above {score:g} match, {100 * share:.2f} %")
    return wanted, share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dinor1", required=True, help="the program")
    parser.add_argument("--device", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--reference-device", help="what computes in fp32 (the same device)")
    parser.add_argument("--score", type=float, default=0.3)
    parser.add_argument("--required", type=float, default=0.99)
    parser.add_argument("--max-detections", type=int, default=10000)
    options, rest = parser.parse_known_args()

    exact = detect(options, rest, options.reference_device or options.device, "fp32")
    rounded = detect(options, rest, options.device, options.precision)
    if len(exact) != len(rounded) or not exact:
        sys.exit(f"{len(exact)} and {len(rounded)} pictures")
    print(f"{options.precision} on {options.device}, {len(exact)} pictures")
    wanted, share = compare(f"fp32 in {options.precision}", (exact, rounded), options.score)
    _, back = compare(f"{options.precision} in fp32", (rounded, exact), options.score)
    if wanted == 0:
        sys.exit("nothing to compare: no detection is above the score")
    if min(share, back) < options.required:
        sys.exit(f"fewer than {100 * options.required:g} % match")


if __name__ == "__main__":
    main()
