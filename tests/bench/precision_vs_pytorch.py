#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The yardstick of precision.py: how many detections PyTorch keeps in half precision, with the same model, prompts and
pictures, and counted in the same way.

Runs the published MM-Grounding-DINO of tests/golden/dino_r1.py on the CPU, in fp32 and under torch.autocast, and there
once more with the locations that the query selection took in fp32, in their order: what is lost to that order alone.

    pip install -r tests/bench/requirements.txt
    python3 tests/bench/precision_vs_pytorch.py --model DIR --prompts cups.bank pictures/*.jpg
"""
import argparse
import contextlib
import json
import pathlib
import sys
from unittest import mock

import numpy
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "models" / "tools"), str(ROOT / "tests" / "bench")]
from model_directory import build  # noqa: E402
from precision import MARGIN, compare  # noqa: E402


def load_model(folder):
    model = build(json.loads((folder / "config.json").read_text()))
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    result = model.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    return model


def load_prompts(path):
    """The mean of each class's exemplars, [C, D]."""
    with safe_open(path, "pt") as bank:
        classes = range(len(json.loads(bank.metadata()["classes"])))
        return torch.stack([bank.get_tensor(f"class.{i}.exemplars").mean(0) for i in classes])


def load_picture(path, settings):
    """Pixels [1, 3, H, W], resized and normalised as preprocessor_config.json says."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
    size, (width, height) = settings["size"], picture.size
    scale = min(size["shortest_edge"] / min(width, height), size["longest_edge"] / max(width, height))
    picture = picture.resize((round(width * scale), round(height * scale)), Image.Resampling(settings["resample"]))
    pixels = torch.from_numpy(numpy.array(picture)).float() * settings["rescale_factor"]
    pixels = (pixels - torch.tensor(settings["image_mean"])) / torch.tensor(settings["image_std"])
    return pixels.permute(2, 0, 1)[None].contiguous()


def detections(outputs, n_classes, threshold):
    """Every pair of a query and a class, as `dinor1 detect` counts them; boxes in a picture of 1000 x 1000."""
    scores = outputs.logits[0, :, :n_classes].float().sigmoid()
    boxes = outputs.pred_boxes[0].float() * 1000
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1).clamp(0, 1000)
    boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
    found = [{"label": c, "score": scores[q, c].item(), "box": boxes[q]}
             for q, c in (scores >= threshold).nonzero().tolist()]
    return sorted(found, key=lambda d: -d["score"])


class Selection:
    """Remembers the query selection's torch.topk, or answers with what it remembered."""

    def __init__(self, n_queries):
        self.n_queries, self.real, self.known = n_queries, torch.topk, []

    @contextlib.contextmanager
    def use(self, answers=None):
        answers = iter(answers) if answers else None

        def topk(x, k, dim=-1, **options):
            if k != self.n_queries:
                return self.real(x, k, dim=dim, **options)
            indices = next(answers) if answers else self.real(x, k, dim=dim)[1]
            self.known.append(indices)
            return x.gather(dim, indices), indices

        with mock.patch.object(torch, "topk", topk):
            self.known = []
            yield


@torch.inference_mode()
def run(model, prompts, pictures, context, threshold):
    """The detections of each picture."""
    found = []
    for pixels in pictures:
        mask = torch.ones(1, *pixels.shape[2:], dtype=torch.long)
        with context:
            found.append(detections(model.detect(pixels, mask, visual=prompts), len(prompts), threshold))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--prompts", required=True, type=pathlib.Path, help="a bank of classes with exemplars")
    parser.add_argument("--score", type=float, default=0.3)
    options = parser.parse_args()
    model, prompts = load_model(options.model), load_prompts(options.prompts)
    settings = json.loads((options.model / "preprocessor_config.json").read_text())
    pictures = [load_picture(path, settings) for path in options.pictures]
    threshold, selection = options.score - MARGIN, Selection(model.config.num_queries)

    with selection.use():
        exact = run(model, prompts, pictures, contextlib.nullcontext(), threshold)
    known = selection.known
    for name, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        for what, answers in (("autocast", None), ("autocast, fp32's selection", known)):
            with selection.use(answers):
                rounded = run(model, prompts, pictures, torch.autocast("cpu", dtype), threshold)
            compare(f"fp32 in {name}, {what}", (exact, rounded), options.score)
            compare(f"{name}, {what} in fp32", (rounded, exact), options.score)


if __name__ == "__main__":
    main()
