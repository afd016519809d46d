# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model directory in PyTorch: the published classes for its config.json, and how its tensors are written."""

import copy
import json
import os
import pathlib
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
from dino_r1 import DinoR1Config, DinoR1ForObjectDetection  # noqa: E402
from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection  # noqa: E402

# The published class insists on a text encoder; with_text=False throws this one away again.
TEXT_STAND_IN = dict(model_type="bert", vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                     intermediate_size=8, max_position_embeddings=8)
SECOND_NAMES = ("model.decoder.bbox_embed.", "model.decoder.class_embed.")  # of bbox_embed.* and class_embed.*


def build(settings):
    """The PyTorch model of a config.json; of a dino-r1 without text_config it has no text encoder."""
    fields = {key: copy.deepcopy(value) for key, value in settings.items() if key not in ("model_type", "trained")}
    if settings["model_type"] == "mm-grounding-dino":
        return MMGroundingDinoForObjectDetection(MMGroundingDinoConfig(**fields)).eval()
    fields.setdefault("text_config", dict(TEXT_STAND_IN))
    return DinoR1ForObjectDetection(DinoR1Config(**fields), with_text="text_config" in settings).eval()


def stored(state):
    """Of a state_dict() what a file holds. The integer buffers (Swin's relative position index) follow from the
    configuration."""
    return {name: tensor for name, tensor in state.items()
            if tensor.is_floating_point() and not name.startswith(SECOND_NAMES)}


def save(tensors, path, made_by, **notes):
    """Writes a safetensors file beside @path, then renames it: @path is never half a file. The same tensors give the same
    bytes: safetensors puts the metadata in any order, so it is written again in this one, which is as long."""
    metadata = {**notes, "format": "pt", "made_by": made_by}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, beside, metadata=metadata)
        with open(beside, "r+b") as file:
            file.seek(8 + len('{"__metadata__":'))
            file.write(json.dumps(metadata, separators=(",", ":")).encode())
        beside.chmod(0o666 & ~umask())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
