#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the golden data: random checkpoints of small configurations, inputs, and what the published classes (and
dino_r1.py for what they lack) compute from them. Usage: generate.py [directory]; README.md describes the files."""

import itertools
import json
import math
import shutil
import sys
from pathlib import Path
from unittest import mock

import torch
import transformers
from safetensors.torch import save_file
from torch import nn

import dino_r1
from cases import MODELS, SHARDED, vocabulary
from dino_r1 import DinoR1ForObjectDetection

TOLERANCE = 1e-4
RANKING_GAP = 1e-4  # between neighbours of the selected proposals, relative; torch.topk has no rule for ties
ROUNDING_NOISE = 2.0**-23  # relative change of every parameter that stands for another order of summation
CONDITIONING = 2e-5  # what that noise may do to any activation: the tolerance must not be luck
VISIBLE = 1e-3  # what leaving a parameter out must do to some activation


class Rejected(Exception):
    """This seed does not make good data."""


# --- weights -----------------------------------------------------------------------------------------------------


def is_gain(name, parameter):
    return parameter.dim() == 1 and name.endswith(".weight")


def parameter_scale(name, parameter, box_scale):
    """Mean and spread of a parameter: nothing stays at an initial value that hides its use."""
    leaf = name.rsplit(".", 1)[-1]
    fan_in = math.prod(parameter.shape[1:]) if parameter.dim() > 1 else 1
    if name.endswith(("vision_param", "text_param")):
        return 0.0, 0.3
    if leaf == "relative_position_bias_table":
        return 0.0, 0.5
    if leaf == "level_embed" or "embed" in name.split(".")[-2] and leaf == "weight" and "norm" not in name:
        return 0.0, 0.7
    if "sampling_offsets" in name:
        return 0.0, 1.5 if leaf == "bias" else 0.7 / math.sqrt(fan_in)
    if "bbox_embed" in name and ".layers.2." in name:
        return 0.0, 0.5 * box_scale if leaf == "bias" else box_scale / math.sqrt(fan_in)
    if "class_embed" in name:
        return -1.0, 0.5
    if is_gain(name, parameter):  # smaller where logits are made of it: they grow with D
        return 0.5 if name.endswith(("decoder.layer_norm.weight", "enc_output_norm.weight")) else 1.0, 0.1
    return 0.0, 0.1 if leaf == "bias" else 1.0 / math.sqrt(fan_in)


def randomise(model, spec):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean, spread = parameter_scale(name, parameter, spec.box_scale)
            parameter.copy_((mean + spread * torch.randn(parameter.shape)).to(spec.dtype))


# --- inputs ------------------------------------------------------------------------------------------------------


def make_images(size, valid):
    """Blurred and fine noise, zero in the padding, and the pixel mask."""
    height, width = size
    coarse = torch.randn(len(valid), 3, height // 12 + 2, width // 12 + 2)
    images = nn.functional.interpolate(coarse, size=size, mode="bicubic") + 0.3 * torch.randn(len(valid), 3, *size)
    mask = torch.zeros(len(valid), height, width, dtype=torch.long)
    for one, (rows, columns) in zip(mask, valid):
        one[:rows, :columns] = 1
    return images * mask[:, None], mask


def make_boxes(batch, count):
    centre = 0.2 + 0.6 * torch.rand(batch, count, 2)
    extent = (0.1 + 0.6 * torch.rand(batch, count, 2)).minimum(2 * centre).minimum(2 - 2 * centre)
    return torch.cat([centre, extent], -1)


def make_inputs(case, d_model, tokenizer):
    """Tensors under the names that the golden file has, in PyTorch's layout."""
    inputs = {}
    inputs["pixel_values"], inputs["pixel_mask"] = make_images(case.size, case.valid)
    if case.text:
        inputs["input_ids"] = torch.tensor(tokenizer(case.text)["input_ids"])
    if case.boxes:
        inputs["prompt.pixel_values"], inputs["prompt.pixel_mask"] = make_images(case.prompt_size, case.prompt_valid)
        inputs["prompt.boxes"] = make_boxes(len(case.prompt_valid), case.boxes)
    elif case.classes:
        inputs["visual"] = nn.functional.layer_norm(torch.randn(case.classes, d_model), (d_model,))
    return inputs


# --- a recorded run ----------------------------------------------------------------------------------------------


class Taps:
    """Hooks that keep the activations of one forward pass by name."""

    def __init__(self, model):
        core = model.model
        self.values = {}
        self.handles = []
        swin = core.backbone.conv_encoder.model
        self.after(swin, lambda y: {
            f"backbone.{stage}": to_nhwc(x) for stage, x in zip(swin.out_features, y.feature_maps)
        })  # fmt: skip
        if core.text_backbone is not None:
            self.after(core.text_backbone, lambda y: {"bert": y.last_hidden_state})
        self.handles.append(core.encoder.register_forward_pre_hook(self.before_encoder, with_kwargs=True))
        for i, layer in enumerate(core.encoder.layers):
            self.after(layer, lambda y, i=i: {f"encoder.{i}.vision": y[0][0], f"encoder.{i}.text": y[0][1]})
        self.after(core.enc_output_norm, lambda y: {"enc_output": y})

    def after(self, module, values):
        self.handles.append(module.register_forward_hook(lambda module, args, y: self.values.update(values(y))))

    def before_encoder(self, module, args, kwargs):
        self.values.update({
            "feat": kwargs["vision_features"],
            "pos": kwargs["vision_position_embedding"],
            "tokens.in": kwargs["text_features"],
            "tokens.mask": (~kwargs["text_self_attention_masks"][0]).int(),
            "tokens.position_ids": kwargs["text_position_ids"][0].int(),
        })  # fmt: skip

    def close(self):
        for handle in self.handles:
            handle.remove()


def to_nhwc(x):
    return x.permute(0, 2, 3, 1)


def visual_tokens(case, embeddings):
    """[M of all images, D] to [U, D]: every class the mean of its exemplars, dealt out in order."""
    exemplars = embeddings.flatten(0, 1)
    return exemplars.view(case.classes, -1, exemplars.shape[-1]).mean(1)


def detect(model, case, inputs, taps):
    if not isinstance(model, DinoR1ForObjectDetection):
        ids = inputs["input_ids"][None].repeat(len(case.valid), 1)
        return model(pixel_values=inputs["pixel_values"], pixel_mask=inputs["pixel_mask"], input_ids=ids)
    visual = inputs.get("visual")
    if case.boxes:
        made = model.embed(inputs["prompt.pixel_values"], inputs["prompt.pixel_mask"], inputs["prompt.boxes"])
        taps.values.clear()
        taps.values.update({f"prompt.{name}": value for name, value in made.items()})
        visual = visual_tokens(case, made["embeddings"])
        taps.values["visual"] = visual
    return model.detect(inputs["pixel_values"], inputs["pixel_mask"], visual, inputs.get("input_ids"))


@torch.no_grad()
def record(model, case, inputs):
    """Every activation of a run by its golden name."""
    taps = Taps(model)
    try:
        result = detect(model, case, inputs, taps)
    finally:
        taps.close()
    values = taps.values
    best = result.enc_outputs_class.max(-1)[0]
    values["enc_logits_max"] = best
    values["topk"] = torch.topk(best, model.config.num_queries, dim=1)[1].int()
    values["init_reference"] = result.init_reference_points
    for i in range(model.config.decoder_layers):
        values[f"decoder.{i}.hidden"] = result.intermediate_hidden_states[:, i]
        values[f"decoder.{i}.reference"] = result.intermediate_reference_points[:, i]
    values["logits"] = result.logits[..., : values["tokens.in"].shape[1]]
    values["pred_boxes"] = result.pred_boxes
    return values


# --- is the data good? -------------------------------------------------------------------------------------------


def difference(a, b):
    return max((a[name].float() - b[name].float()).abs().max().item() for name in a)


def check_ranking(values, queries):
    top = values["enc_logits_max"].sort(dim=1, descending=True)[0][:, : queries + 1]
    gap = ((top[:, :-1] - top[:, 1:]) / top[:, 1:].abs().clamp(min=1)).min().item()
    if gap < RANKING_GAP:
        raise Rejected(f"two proposals are {gap:.1e} apart")


def check_conditioning(model, runs):
    """Rounding noise on all parameters must not grow near the tolerance."""
    kept = {name: parameter.clone() for name, parameter in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    noise = 0.0
    for _ in range(3):
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(kept[name] * (1 + ROUNDING_NOISE * torch.randn(parameter.shape, generator=generator)))
        noise = max(noise, *(difference(values, record(model, case, inputs)) for case, inputs, values in runs))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(kept[name])
    if noise > CONDITIONING:
        raise Rejected(f"rounding noise grows to {noise:.1e}")
    return noise


def has_no_effect(name, spec):
    """Parameters of the published classes that no inference result depends on."""
    if name.endswith("key.bias"):  # adds the same to every score of a softmax row
        return True
    if spec.config.d_model == 32 and "input_proj_vision." in name and name.endswith(".0.bias"):
        return True  # 32 groups of one channel: GroupNorm takes the channel's mean away
    if ".class_embed." in name and not name.endswith(f".{spec.config.decoder_layers - 1}.bias"):
        return True  # training reads it, detection only the last layer's
    identity_mask = ["visual_prompt_encoder.self_attn."]
    if spec.arguments.get("with_text") is False:
        identity_mask.append("text_enhancer_layer.self_attn.")
    return any(part in name for part in identity_mask) and (".query." in name or ".key." in name)


def check_every_parameter(model, spec, runs):
    """Leaving any parameter out (zero, or one for a norm's gain) must be seen far above the tolerance."""
    for name, parameter in model.named_parameters():
        if has_no_effect(name, spec):
            continue
        kept = parameter.clone()
        with torch.no_grad():
            parameter.fill_(1.0 if is_gain(name, parameter) else 0.0)
        seen = max(difference(values, record(model, case, inputs)) for case, inputs, values in runs)
        with torch.no_grad():
            parameter.copy_(kept)
        if not seen > VISIBLE:
            raise SystemExit(f"{spec.name}: {name} changes nothing (at most {seen:.1e})")


def check_epsilon(model, spec, runs):
    """Where boxes are meant to saturate, the published epsilon instead of DINO-R1's must be seen."""
    with mock.patch.object(dino_r1, "LOGIT_EPS", 1e-5):
        if spec.saturates and max(difference(v, record(model, case, x)) for case, x, v in runs) < 10 * VISIBLE:
            raise Rejected("no reference point is far beyond the epsilon of the inverse sigmoid")


# --- files -------------------------------------------------------------------------------------------------------


def to_file(case, inputs, values):
    """The golden file's tensors: images channels last, the pixel mask as sizes, integers of 32 bits."""
    tensors = dict(values)
    for prefix, valid in (("", case.valid), ("prompt.", case.prompt_valid)):
        if prefix + "pixel_values" in inputs:
            tensors[prefix + "pixel_values"] = to_nhwc(inputs[prefix + "pixel_values"])
            tensors[prefix + "pixel_sizes"] = torch.tensor(valid, dtype=torch.int32)
    for name in ("input_ids", "visual", "prompt.boxes"):
        if name in inputs:
            tensors[name] = inputs[name].int() if name == "input_ids" else inputs[name]
    return {name: tensors[name].contiguous().clone() for name in sorted(tensors)}


def save_model(model, directory, shard_size="1GB"):
    model.save_pretrained(directory, max_shard_size=shard_size)
    if isinstance(model, DinoR1ForObjectDetection) and model.model.text_backbone is None:
        path = directory / "config.json"
        content = json.loads(path.read_text())
        del content["text_config"]
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    else:
        (directory / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")


def make_model(spec, tokenizer):
    """The first seed whose data is good: the model and its runs (case, inputs, activations)."""
    for seed in itertools.count(1):
        torch.manual_seed(seed)
        model = spec.build()
        randomise(model, spec)
        try:
            runs = []
            for case in spec.cases:
                inputs = make_inputs(case, model.config.d_model, tokenizer)
                runs.append((case, inputs, record(model, case, inputs)))
                check_ranking(runs[-1][2], model.config.num_queries)
            check_epsilon(model, spec, runs)
            noise = check_conditioning(model, runs)
        except Rejected as reason:
            print(f"{spec.name}: not seed {seed}: {reason}")
            continue
        check_every_parameter(model, spec, runs)
        print(f"{spec.name}: seed {seed}, rounding noise {noise:.1e}")
        return seed, model, runs


def main(output):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for part in ("models", "cases"):
        shutil.rmtree(output / part, ignore_errors=True)
    (output / "cases").mkdir(parents=True)
    vocabulary_file = output / "vocab.txt"
    vocabulary_file.write_text("\n".join(vocabulary()) + "\n")
    tokenizer = transformers.BertTokenizer(str(vocabulary_file))
    vocabulary_file.unlink()

    entries = []

    for spec in MODELS:
        seed, model, runs = make_model(spec, tokenizer)
        model.to(spec.dtype)
        save_model(model, output / "models" / spec.name)
        for case, inputs, values in runs:
            save_file(to_file(case, inputs, values), output / "cases" / f"{case.name}.safetensors")
            entries.append({"name": case.name, "model": spec.name, "file": case.name, "seed": seed, "text": case.text})
        for name, of, shard_size in SHARDED:
            if of == spec.name:
                save_model(model, output / "models" / name, shard_size)
                entries += [entry | {"name": name, "model": name} for entry in entries if entry["model"] == of]

    manifest = {
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "tolerance": TOLERANCE,
        "cases": entries,
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
