#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes DIR/model.safetensors: random weights for DIR/config.json (model_type dino-r1, without a text encoder).

The published MMGroundingDinoForObjectDetection defines names, shapes and initialisation; the visual prompt encoder is
built from the same class's own attention modules and initialised by the same rules. Same seed, same file.

    pip install -r models/tools/requirements.txt
    python3 models/tools/make_random.py models/dinor1-nano --seed 1
"""
import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection
from transformers.models.mm_grounding_dino import modeling_mm_grounding_dino as published

# The class wants a text encoder; this one is as small as it gets and is left out of the file.
TEXT_STAND_IN = dict(model_type="bert", vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                     intermediate_size=8, max_position_embeddings=8)
# Two names for one tensor, tensors that follow from the configuration, and the stand-in.
LEFT_OUT = ("model.decoder.bbox_embed.", "model.decoder.class_embed.", "model.text_backbone.", "model.text_projection.")


class VisualPromptEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, ffn = config.d_model, config.encoder_ffn_dim
        norm = lambda: nn.LayerNorm(d, config.layer_norm_eps)
        self.visual_query_embedding = nn.Embedding(1, d)
        self.position_mlp = published.MMGroundingDinoMLPPredictionHead(2 * d, d, d, 2)
        self.cross_attn = published.MMGroundingDinoMultiscaleDeformableAttention(
            config, config.encoder_attention_heads, config.encoder_n_points)
        self.cross_attn_layer_norm = norm()
        self.self_attn = published.MMGroundingDinoMultiheadAttention(config, config.encoder_attention_heads)
        self.self_attn_layer_norm = norm()
        self.fc1 = nn.Linear(d, ffn)
        self.fc2 = nn.Linear(ffn, d)
        self.final_layer_norm = norm()


def make(settings, seed, dtype=torch.float16):
    torch.manual_seed(seed)
    fields = {key: value for key, value in settings.items() if key not in ("model_type", "trained")}
    config = MMGroundingDinoConfig(**fields, text_config=TEXT_STAND_IN)
    model = MMGroundingDinoForObjectDetection(config)
    encoder = VisualPromptEncoder(config)
    model.model.visual_prompt_encoder = encoder
    encoder.apply(model._init_weights)
    # _init_weights() zeroes the last layer of every box head; this MLP is a position encoding, not a head.
    nn.init.xavier_uniform_(encoder.position_mlp.layers[-1].weight)
    return {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()
            if tensor.is_floating_point() and not name.startswith(LEFT_OUT)}


def main():
    parser = argparse.ArgumentParser(description="Random weights for a dino-r1 configuration.")
    parser.add_argument("directory", type=pathlib.Path, help="holds config.json; model.safetensors is written there")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    settings = json.loads((args.directory / "config.json").read_text())
    tensors = make(settings, args.seed)
    path = args.directory / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt", "made_by": "models/tools/make_random.py", "seed": str(args.seed)})
    print(f"{path}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} parameters, "
          f"{path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
