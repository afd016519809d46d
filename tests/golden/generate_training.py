#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the golden data of training: what one step of the supervised baseline (SFT) and of GRQO computes on a random
model - matching costs, matches, every term of the loss, the gradient of every parameter - and ten steps of AdamW.
Computed in double precision by autograd through the published classes. Usage: generate_training.py [directory];
README.md describes the files."""

import itertools
import json
import math
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from torch import nn
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import generalized_box_iou
from transformers.loss.loss_grounding_dino import sigmoid_focal_loss
from transformers.models.mm_grounding_dino import modeling_mm_grounding_dino as published

from cases import Model, config, short_swin, vocabulary
from dino_r1 import LOGIT_EPS, DinoR1Config, DinoR1ForObjectDetection
from generate import Rejected, make_boxes, make_images, randomise, save_model, to_nhwc

FOCAL, L1, GIOU = 1.0, 5.0, 2.0
COST_FOCAL, COST_L1, COST_GIOU = 2.0, 5.0, 2.0
ALPHA, GAMMA = 0.25, 2.0
GRQO_ALPHA, GRQO_BETA, EPSILON = 0.01, 0.04, 2e-9
CONTRASTIVE, LOGIT_SCALE = 100.0, 2.0  # the checkpoint's s, so that its initial value would be seen

STEPS = 10
ATTEMPTS = 8
LEARNING_RATE, WEIGHT_DECAY, MAX_NORM, BACKBONE = 1e-4, 1e-4, 0.1, 0.1

GRADIENT_FLOOR = 1e-4  # of the norm of all gradients: what a smaller one is measured by
ZERO, GRADIENT_NOISE = 1e-12, 1e-3  # the same of one that is zero by nature, which is measured by the noise
GAP = 5e-6  # between neighbours of the selected proposals at every step
SINGLE_LOSS, SINGLE_GRADIENT, SINGLE_CURVE = 2e-6, 3e-4, 3e-5  # what single precision may change: the tolerances
# of the C (1e-5, 1e-3, 1e-4) must not be luck

SPEC = Model(
    "training",
    DinoR1ForObjectDetection,
    config(DinoR1Config, backbone_config=short_swin(), encoder_layers=2, decoder_layers=3, num_queries=20,
           max_text_len=16),
    [],
    arguments=dict(with_text=False),
)  # fmt: skip

TEXT_SPEC = Model(
    "text",
    DinoR1ForObjectDetection,
    config(DinoR1Config, backbone_config=short_swin(), encoder_layers=1, num_queries=20, max_text_len=16),
    [],
)


@dataclass
class Batch:
    """valid: the part of each image that is not padding. counts: boxes of each image. groups: of denoising queries."""

    name: str
    size: tuple
    valid: list
    counts: list
    modes: list
    classes: int = 3
    negatives: int = 0
    groups: int = 2
    names: list = None  # of the classes; one without words takes no part in the contrastive loss


BATCHES = [
    Batch("two", (64, 96), [(64, 81), (53, 96)], [5, 3], ["sft", "grqo"]),
    Batch("empty", (64, 72), [(64, 72), (64, 49)], [4, 0], ["grqo"], classes=2, negatives=2, groups=3),
]
TEXT_BATCHES = [
    Batch("text", (64, 80), [(64, 80), (57, 64)], [4, 5], ["grqo"], classes=4,
          names=["a yellow car", "?", "zebra crossing", "horse"]),
]  # fmt: skip


# --- the batch ---------------------------------------------------------------------------------------------------


def noised(boxes, low):
    """DINO's box noise: every corner moved by U(low, low + 1) half sides either way, clamped to the image."""
    corners = center_to_corners_format(boxes)
    amount = (low + torch.rand(corners.shape)) * torch.where(torch.rand(corners.shape) < 0.5, -1.0, 1.0)
    corners = (corners + amount * boxes[:, 2:].repeat(1, 2) / 2).clamp(0, 1)
    first, second = corners[:, :2], corners[:, 2:]
    return torch.cat([(first + second) / 2, (second - first).abs()], -1)


def make_denoising(batch, data, tokens, queries):
    """Per group a positive and a negative copy of every box; groups see themselves and the matching queries only."""
    most = max(batch.counts)
    shape = (len(batch.counts), batch.groups, 2, most)
    index = torch.zeros(shape, dtype=torch.int32)
    boxes = torch.tensor([0.5, 0.5, 1, 1]).repeat(*shape, 1)
    classes, targets, positive = torch.zeros(*shape, tokens), torch.zeros(*shape, 4), torch.zeros(shape)
    for image, count in enumerate(batch.counts):
        own, own_classes = data[f"boxes.{image}"], data[f"classes.{image}"]
        for group, side in itertools.product(range(batch.groups), range(2)):
            change = torch.rand(count) < 0.25
            index[image, group, side, :count] = torch.where(
                change, torch.randint(0, batch.classes, (count,), dtype=torch.int32), own_classes
            )
            boxes[image, group, side, :count] = noised(own, side)
        classes[image, :, 0, :count] = nn.functional.one_hot(own_classes.long(), tokens).float()
        targets[image, :, 0, :count] = own
        positive[image, :, 0, :count] = 1
    size, count = 2 * most, batch.groups * 2 * most
    visible = torch.zeros(count + queries, count + queries, dtype=torch.bool)
    visible[:, count:] = True
    for group in range(batch.groups):
        visible[group * size : (group + 1) * size, group * size : (group + 1) * size] = True
    mask = torch.zeros(visible.shape).masked_fill(~visible, -math.inf)
    parts = {"index": index, "boxes": boxes, "classes": classes, "target_boxes": targets, "positive": positive}
    return {f"dn.{name}": value.flatten(1, 3) for name, value in parts.items()} | {"dn.mask": mask}


def is_named(name):
    return any(c.isalnum() for c in name)


@torch.no_grad()
def encode_names(model, names, tokenizer):
    """[Cn, D]: the mean text token of each name that has words, of length 1."""
    rows = []
    for name in filter(is_named, names):
        ids = torch.tensor(tokenizer(f"{name} .")["input_ids"])[None]
        mask, position = published.generate_masks_with_special_tokens_and_transfer_map(ids)
        bert = model.model.text_backbone(ids, mask, torch.zeros_like(ids), position).last_hidden_state
        tokens = model.model.text_projection(bert)[0, 1:-2]  # without [CLS], the dot and [SEP]
        rows.append(nn.functional.normalize(tokens.mean(0), dim=0))
    return torch.stack(rows)


def make_batch(batch, d_model, queries):
    """Tensors by their golden names; images as PyTorch has them."""
    data = {}
    data["pixel_values"], data["pixel_mask"] = make_images(batch.size, batch.valid)
    for image, count in enumerate(batch.counts):
        data[f"boxes.{image}"] = make_boxes(1, count)[0]
        data[f"classes.{image}"] = torch.randint(0, batch.classes, (count,), dtype=torch.int32)
    everything = [(c.item(), image, box) for image in range(len(batch.counts))
                  for box, c in enumerate(data[f"classes.{image}"])]  # fmt: skip
    if {c for c, _, _ in everything} != set(range(batch.classes)):
        raise Rejected("a class has no box")
    choice = []
    for c in range(batch.classes):
        instances = [image * max(batch.counts) + box for other, image, box in everything if other == c]
        choice.append(instances[torch.randint(0, len(instances), ()).item()])
    data["prompt_index"] = torch.tensor(choice, dtype=torch.int32)
    if batch.negatives:
        data["negatives"] = nn.functional.layer_norm(torch.randn(batch.negatives, d_model), (d_model,))
    return data | make_denoising(batch, data, batch.classes + batch.negatives, queries)


# --- forward -----------------------------------------------------------------------------------------------------


@dataclass
class Predictions:
    """Sets of (logits [B, Q, U], boxes [B, Q, 4]): the proposals, then the decoder's layers; the denoising queries' of
    each decoder layer; objectness [B, N] and what was selected of it [B, Q]; means [C, D] of each class's embeddings."""

    sets: list = field(default_factory=list)
    denoising: list = field(default_factory=list)
    objectness: torch.Tensor = None
    selected: torch.Tensor = None
    means: torch.Tensor = None


def pick_prompts(model, batch, data):
    """[U, D]: one of the batch's boxes for each class, then the remembered ones; [C, D]: the mean of each class's."""
    boxes = torch.full((len(batch.counts), max(batch.counts), 4), 0.5)
    for image, count in enumerate(batch.counts):
        boxes[image, :count] = data[f"boxes.{image}"]
    made = model.embed(data["pixel_values"], data["pixel_mask"], boxes)["embeddings"]
    picked = made.flatten(0, 1)[data["prompt_index"].long()]
    own = [made[image, :count] for image, count in enumerate(batch.counts)]
    classes = torch.cat([data[f"classes.{image}"] for image in range(len(batch.counts))])
    means = torch.stack([torch.cat(own)[classes == c].mean(0) for c in range(batch.classes)])
    return torch.cat([picked, data["negatives"]]) if batch.negatives else picked, means


def gather(values, index):
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def refine(head, hidden, boxes):
    return (head(hidden) + torch.special.logit(boxes, eps=LOGIT_EPS)).sigmoid()


def predict(model, labels, batch, data):
    """labels: the denoising label embedding [max_text_len, D]."""
    queries = model.config.num_queries
    prompts, means = pick_prompts(model, batch, data)
    count, tokens = len(batch.counts), len(prompts)
    content, noisy = labels[data["dn.index"].long()], data["dn.boxes"]
    extra = noisy.shape[1]

    def prepend_denoising(module, args, kwargs):
        kwargs["inputs_embeds"] = torch.cat([content, kwargs["inputs_embeds"]], 1)
        kwargs["reference_points"] = torch.cat([noisy, kwargs["reference_points"]], 1)
        kwargs["self_attn_mask"] = data["dn.mask"].clamp(min=torch.finfo(content.dtype).min)[None, None]
        kwargs["text_encoder_attention_mask"] = None  # no prompt is padding
        return args, kwargs

    raw = []  # what leaves each decoder layer, before the norm
    ones, identity = torch.ones(count, tokens, dtype=torch.long), torch.eye(tokens, dtype=torch.bool)
    handles = [model.model.decoder.register_forward_pre_hook(prepend_denoising, with_kwargs=True)]
    for layer in model.model.decoder.layers:
        handles.append(layer.register_forward_hook(lambda module, args, y: raw.append(y[0])))
    with model._tokens_in_place_of_text(prompts[None], identity.repeat(count, 1, 1), 0 * ones):
        out = model.model(
            pixel_values=data["pixel_values"], pixel_mask=data["pixel_mask"], input_ids=ones, attention_mask=ones
        )
    for handle in handles:
        handle.remove()

    result = Predictions(objectness=out.enc_outputs_class.max(-1)[0], means=means)
    result.selected = result.objectness.topk(queries, dim=1)[1]
    result.sets.append(
        (
            gather(out.enc_outputs_class, result.selected)[..., :tokens],
            gather(out.enc_outputs_coord_logits, result.selected).sigmoid(),
        )
    )
    assert len(raw) == len(model.bbox_embed)
    start = torch.cat([noisy, out.init_reference_points], 1)
    for i, (class_head, box_head) in enumerate(zip(model.class_embed, model.bbox_embed)):
        hidden = out.intermediate_hidden_states[:, i]
        logits = class_head(hidden, out.encoder_last_hidden_state_text, ones.bool())[..., :tokens]
        boxes = refine(box_head, hidden, start)
        result.denoising.append((logits[:, :extra], boxes[:, :extra]))
        result.sets.append((logits[:, extra:], boxes[:, extra:]))
        # Look forward twice: the loss of the next layer reaches this one's refinement. The published class, which
        # only infers, hands out detached references.
        start = refine(box_head, raw[i], start.detach())
    return result


# --- losses ------------------------------------------------------------------------------------------------------


def one_hot(data, image, tokens):
    return nn.functional.one_hot(data[f"classes.{image}"].long(), tokens).to(torch.get_default_dtype())


def cost(logits, boxes, labels, truth):
    """[Q, M] of one image: logits [Q, U], labels [M, U]."""
    p = logits.sigmoid()[:, None]
    if_one = -ALPHA * (1 - p) ** GAMMA * nn.functional.logsigmoid(logits)[:, None]
    if_zero = -(1 - ALPHA) * p**GAMMA * nn.functional.logsigmoid(-logits)[:, None]
    focal = (labels * if_one + (1 - labels) * if_zero).sum(-1)
    distance = (boxes[:, None] - truth).abs().sum(-1)
    overlap = generalized_box_iou(center_to_corners_format(boxes), center_to_corners_format(truth))
    return COST_FOCAL * focal + COST_L1 * distance - COST_GIOU * overlap


def match(costs):
    """The query of each box."""
    rows, columns = linear_sum_assignment(costs.detach().float().numpy())
    best = torch.empty(len(rows), dtype=torch.long)
    best[torch.from_numpy(columns)] = torch.from_numpy(rows)
    return best


def supervised(logits, boxes, classes, targets, positive):
    """The three terms of one set, summed and weighted; positive [B, Q] is 1 where a query has a target."""
    chosen = positive.bool()
    total = max(1, int(chosen.sum()))
    ours, theirs = boxes[chosen], targets[chosen]
    overlap = generalized_box_iou(center_to_corners_format(ours), center_to_corners_format(theirs)).diag()
    return (
        FOCAL * sigmoid_focal_loss(logits, classes, total, ALPHA, GAMMA),
        L1 * (ours - theirs).abs().sum() / total,
        GIOU * (1 - overlap).sum() / total,
    )


def set_targets(batch, data, logits, costs, matches):
    """What the matches make of one set: classes [B, Q, U], boxes [B, Q, 4], positive [B, Q]."""
    classes, boxes = torch.zeros_like(logits), torch.zeros(*logits.shape[:2], 4)
    positive = torch.zeros(logits.shape[:2])
    for image, best in enumerate(matches):
        classes[image, best] = one_hot(data, image, logits.shape[-1])
        boxes[image, best] = data[f"boxes.{image}"]
        positive[image, best] = 1
    return classes, boxes, positive


def group_relative(costs, queries, images):
    """The advantages of one layer, muted, summed over its images and divided by all queries; reward mean and std."""
    total, means, stds = 0.0, [], []
    for one in costs:
        if one.shape[1] == 0:
            means.append(torch.tensor(0.0))
            stds.append(torch.tensor(0.0))
            continue
        reward = -one.min(1)[0]
        advantage = (reward - reward.mean()) / (reward.std() + EPSILON)
        total = total + advantage[: queries - round(queries / 3)].sum()
        means.append(reward.mean())
        stds.append(reward.std())
    return total / (images * queries), sum(means) / images, sum(stds) / images


def divergence(current, reference, selected):
    o = current.gather(1, selected).sigmoid() + EPSILON
    o_ref = reference.gather(1, selected).sigmoid() + EPSILON
    ratio = o_ref / o
    return (ratio - ratio.log() - 1).mean()


def contrastive(means, text, scale):
    """CLIP's symmetric cross-entropy."""
    logits = scale.exp() * nn.functional.normalize(means) @ text.T
    right = torch.arange(len(logits))
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2


@dataclass
class Losses:
    terms: dict
    costs: list  # per set, per image [Q, M]
    matches: list
    selected: torch.Tensor
    objectness: torch.Tensor

    def total(self):
        names = ("class", "l1", "giou", "dn", "advantage", "kl", "contrastive")
        return sum(self.terms.get(name, 0) for name in names)


def compute(model, labels, batch, data, reference):
    """reference: objectness of the reference model [B, N], or None for SFT."""
    images, queries = len(batch.counts), model.config.num_queries
    made = predict(model, labels, batch, data)
    zero = torch.zeros(())
    terms = dict.fromkeys(("class", "l1", "giou", "dn", "advantage", "kl", "reward.mean", "reward.std"), zero)
    result = Losses(terms, [], [], made.selected, made.objectness)
    for logits, boxes in made.sets:
        costs = [cost(logits[i], boxes[i], one_hot(data, i, logits.shape[-1]), data[f"boxes.{i}"])
                 for i in range(images)]  # fmt: skip
        matches = [match(one) for one in costs]
        result.costs.append(costs)
        result.matches.append(matches)
        for name, term in zip(
            ("class", "l1", "giou"), supervised(logits, boxes, *set_targets(batch, data, logits, costs, matches))
        ):
            terms[name] = terms[name] + term
    for logits, boxes in made.denoising:
        terms["dn"] = terms["dn"] + sum(
            supervised(logits, boxes, data["dn.classes"], data["dn.target_boxes"], data["dn.positive"])
        )
    if reference is not None:
        layers = len(made.denoising)
        for costs in result.costs[1:]:
            advantage, terms["reward.mean"], terms["reward.std"] = group_relative(costs, queries, images)
            terms["advantage"] = terms["advantage"] - GRQO_ALPHA * advantage
        terms["kl"] = GRQO_BETA * layers * divergence(made.objectness, reference, made.selected)
    if "text" in data:
        scale = model.model.visual_prompt_encoder.logit_scale
        terms["contrastive"] = CONTRASTIVE * contrastive(made.means[data["named"].long()], data["text"], scale)
    return result


# --- parameters --------------------------------------------------------------------------------------------------


def file_name(name):
    """A parameter as the checkpoint calls it: the decoder's heads have two names."""
    for part in ("bbox_embed", "class_embed"):
        name = name.replace(f"model.decoder.{part}", part)
    return name


def parameters(model, labels):
    named = {file_name(name): parameter for name, parameter in model.named_parameters()}
    return named | {"denoising_label_embedding.weight": labels}


def decays(name, parameter):
    embedding = name.endswith(("embedding.weight", "embeddings.weight", "level_embed", "position_bias_table"))
    return parameter.dim() > 1 and not embedding


def make_optimizer(named):
    groups = [
        {
            "params": [parameter],
            "lr": LEARNING_RATE * (BACKBONE if name.startswith("model.backbone.") else 1),
            "weight_decay": WEIGHT_DECAY if decays(name, parameter) else 0.0,
        }
        for name, parameter in named.items()
    ]
    return torch.optim.AdamW(groups)


@torch.no_grad()
def reference_objectness(model, batch, data):
    """Of a model whose weights are w_k (1 + cos(k) / 10)."""
    kept = [parameter.clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        wave = 1 + torch.arange(parameter.numel(), dtype=torch.get_default_dtype()).cos() / 10
        parameter.mul_(wave.view(parameter.shape))
    labels = torch.zeros(model.config.max_text_len, model.config.d_model)
    result = predict(model, labels, batch, data).objectness
    for parameter, value in zip(model.parameters(), kept):
        parameter.copy_(value)
    return result


# --- a recorded run ----------------------------------------------------------------------------------------------


@dataclass
class Record:
    first: Losses = None
    gradients: dict = None
    curve: list = field(default_factory=list)
    selected: list = field(default_factory=list)
    matches: list = field(default_factory=list)


def check_ranking(losses):
    top = losses.objectness.detach().sort(dim=1, descending=True)[0][:, : losses.selected.shape[1] + 1]
    gap = ((top[:, :-1] - top[:, 1:]) / top[:, 1:].abs().clamp(min=1)).min().item()
    if gap < GAP:
        raise Rejected(f"two proposals are {gap:.1e} apart")


def build(spec):
    model = spec.build()
    if model.model.text_backbone is not None:
        model.model.visual_prompt_encoder.logit_scale = nn.Parameter(torch.tensor([LOGIT_SCALE]))
    return model


def record(spec, weights, labels, batch, data, mode, dtype):
    """One step's numbers, then the curve of the total loss before each step and after the last."""
    torch.set_default_dtype(dtype)
    model = build(spec)
    model.load_state_dict(weights)
    labels = nn.Parameter(labels.to(dtype, copy=True))
    data = {name: value.to(dtype) if value.is_floating_point() else value for name, value in data.items()}
    reference = reference_objectness(model, batch, data) if mode == "grqo" else None
    named = parameters(model, labels)
    optimizer = make_optimizer(named)
    result = Record()
    for step in range(STEPS + 1):
        losses = compute(model, labels, batch, data, reference)
        check_ranking(losses)
        result.selected.append(losses.selected)
        result.matches.append(losses.matches)
        result.curve.append(losses.total().item())
        optimizer.zero_grad()
        losses.total().backward()
        if step == 0:
            result.first = losses
            result.gradients = {
                name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in named.items()
            }
        nn.utils.clip_grad_norm_(named.values(), MAX_NORM)
        optimizer.step()
    torch.set_default_dtype(torch.float32)
    return result


def allowed_unit(gradient, total):
    """What the error of a gradient is measured by. Some are zero by nature: a bias before a GroupNorm of one channel
    per group, one that adds the same to every score of a softmax row; then only rounding noise is left."""
    norm = gradient.norm()
    return GRADIENT_NOISE * total if norm < ZERO * total else norm.clamp(min=GRADIENT_FLOOR * total)


def check_single_precision(double, single):
    """The same in single precision: the data must leave room under the C's tolerances."""
    if not all(torch.equal(a, b) for a, b in zip(double.selected, single.selected)):
        raise Rejected("single precision selects other proposals")
    flat = [[m for s in r.matches for images in s for m in images] for r in (double, single)]
    if not all(torch.equal(a, b) for a, b in zip(*flat)):
        raise Rejected("single precision matches otherwise")
    loss = max(
        abs(a.item() - b.item()) / max(1, abs(a.item()))
        for a, b in zip(double.first.terms.values(), single.first.terms.values())
    )
    total = torch.stack([a.norm() for a in double.gradients.values()]).norm()
    gradient = max(
        ((single.gradients[name] - a).norm() / allowed_unit(a, total)).item() for name, a in double.gradients.items()
    )
    curve = max(abs(a - b) / max(1, abs(a)) for a, b in zip(double.curve, single.curve))
    print(f"  single precision: loss {loss:.1e}, gradient {gradient:.1e}, curve {curve:.1e}; "
          f"{double.curve[0]:.3f} to {double.curve[-1]:.3f}")  # fmt: skip
    if loss > SINGLE_LOSS or gradient > SINGLE_GRADIENT or curve > SINGLE_CURVE:
        raise Rejected("ill-conditioned")


# --- files -------------------------------------------------------------------------------------------------------


def to_file(batch, data, labels, runs):
    tensors = {name: value for name, value in data.items() if name not in ("pixel_values", "pixel_mask")}
    tensors["pixel_values"] = to_nhwc(data["pixel_values"])
    tensors["pixel_sizes"] = torch.tensor(batch.valid, dtype=torch.int32)
    tensors["labels"] = labels
    for mode, run in runs.items():
        tensors[f"{mode}.curve"] = torch.tensor(run.curve, dtype=torch.float64)
        tensors |= {f"{mode}.loss.{name}": term.double().view(1) for name, term in run.first.terms.items()}
        tensors |= {f"{mode}.gradient:{name}": value.float() for name, value in run.gradients.items()}
    first = next(iter(runs.values())).first
    for i, (costs, matches) in enumerate(zip(first.costs, first.matches)):
        for image, count in enumerate(batch.counts):
            if count:
                tensors[f"cost.{i}.{image}"] = costs[image].float()
                tensors[f"match.{i}.{image}"] = matches[image].int()
    return {name: tensors[name].detach().contiguous().clone() for name in sorted(tensors) if tensors[name].numel()}


def add_text(data, batch, model):
    if not batch.names:
        return data
    file = Path(tempfile.mkdtemp()) / "vocab.txt"
    file.write_text("\n".join(vocabulary()) + "\n")
    named = [c for c, name in enumerate(batch.names) if is_named(name)]
    text = encode_names(model, batch.names, transformers.BertTokenizer(str(file)))
    shutil.rmtree(file.parent)
    return data | {"named": torch.tensor(named, dtype=torch.int32), "text": text}


def make_runs(spec, model, weights, labels, batch, seed):
    """The first batch after @seed that is good for this model."""
    for attempt in range(ATTEMPTS):
        torch.manual_seed(1000 * seed + attempt)
        try:
            data = make_batch(batch, spec.config.d_model, spec.config.num_queries)
            data = add_text(data, batch, model)
            runs = {}
            for mode in batch.modes:
                runs[mode] = record(spec, weights, labels, batch, data, mode, torch.float64)
                check_single_precision(runs[mode], record(spec, weights, labels, batch, data, mode, torch.float32))
            return to_file(batch, data, labels, runs)
        except Rejected as reason:
            torch.set_default_dtype(torch.float32)
            print(f"{batch.name}: not seed {1000 * seed + attempt}: {reason}", flush=True)
    raise Rejected(f"no good batch {batch.name}")


def make(spec, batches, seed):
    torch.manual_seed(seed)
    model = build(spec)
    randomise(model, spec)
    if model.model.text_backbone is not None:
        model.model.visual_prompt_encoder.logit_scale.data.fill_(LOGIT_SCALE)
    labels = torch.randn(spec.config.max_text_len, spec.config.d_model)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    return model, {batch.name: make_runs(spec, model, weights, labels, batch, seed) for batch in batches}


def write(spec, batches, directory, output):
    """The model to @directory, the batches to @output."""
    for seed in itertools.count(4):
        try:
            model, files = make(spec, batches, seed)
        except Rejected as reason:
            print(f"not seed {seed}: {reason}", flush=True)
            continue
        break
    print(f"{spec.name}: seed {seed}")
    save_model(model, directory)
    for name, tensors in files.items():
        save_file(tensors, output / f"{name}.safetensors")


def main(output):
    torch.set_num_threads(1)
    shutil.rmtree(output, ignore_errors=True)
    write(SPEC, BATCHES, output / "model", output)
    write(TEXT_SPEC, TEXT_BATCHES, output / "text-model", output)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data" / "training")
