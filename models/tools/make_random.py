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
import copy
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from dino_r1 import DinoR1Config, DinoR1ForObjectDetection  # noqa: E402

# The published class insists on a text encoder; with_text=False throws this one away again.
TEXT_STAND_IN = dict(model_type="bert", vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                     intermediate_size=8, max_position_embeddings=8)
SECOND_NAMES = ("model.decoder.bbox_embed.", "model.decoder.class_embed.")  # of bbox_embed.* and class_embed.*


def build(settings):
    """The PyTorch model of a config.json."""
    fields = {key: copy.deepcopy(value) for key, value in settings.items() if key not in ("model_type", "trained")}
    return DinoR1ForObjectDetection(DinoR1Config(**fields, text_config=dict(TEXT_STAND_IN)), with_text=False).eval()


def make(settings, seed, dtype=torch.float16):
    torch.manual_seed(seed)
    model = build(settings)
    model.model.visual_prompt_encoder.apply(model._init_weights)
    # The integer buffers (Swin's relative position index) follow from the configuration.
    return {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()
            if tensor.is_floating_point() and not name.startswith(SECOND_NAMES)}


def main():
    parser = argparse.ArgumentParser(description="Random weights for a dino-r1 configuration.")
    parser.add_argument("directory", type=pathlib.Path, help="holds config.json; model.safetensors is written there")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tensors = make(json.loads((args.directory / "config.json").read_text()), args.seed)
    path = args.directory / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt", "made_by": "models/tools/make_random.py", "seed": str(args.seed)})
    print(f"{path}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} parameters, "
          f"{path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
