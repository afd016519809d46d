#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes DIR/model.safetensors: random weights for DIR/config.json (model_type dino-r1, without a text encoder).

The published MMGroundingDinoForObjectDetection defines names, shapes and initialisation; the visual prompt encoder is
the PyTorch one of tests/golden and follows the same rules. Same seed, same file.

    pip install -r models/tools/requirements.txt
    python3 models/tools/make_random.py models/dinor1-nano --seed 1
"""
import argparse
import json
import pathlib

import torch

from model_directory import build, save, stored


def make(settings, seed, dtype=torch.float16):
    torch.manual_seed(seed)
    model = build(settings)
    model.model.visual_prompt_encoder.apply(model._init_weights)
    return {name: tensor.to(dtype).contiguous() for name, tensor in stored(model.state_dict()).items()}


def main():
    parser = argparse.ArgumentParser(description="Random weights for a dino-r1 configuration.")
    parser.add_argument("directory", type=pathlib.Path, help="holds config.json; model.safetensors is written there")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tensors = make(json.loads((args.directory / "config.json").read_text()), args.seed)
    path = args.directory / "model.safetensors"
    save(tensors, path, "models/tools/make_random.py", seed=str(args.seed))
    print(f"{path}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} parameters, "
          f"{path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
