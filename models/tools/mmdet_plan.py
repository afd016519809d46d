# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of each tensor of an mmdetection checkpoint, and the config.json that their shapes tell.

Works on names and shapes alone and needs nothing but Python. mmdetection 3.x and the DINO-R1 authors' code (which is
built on it) define the left names, transformers' MM-Grounding-DINO and core/model the right ones.
"""

import fnmatch
import re
from dataclasses import dataclass, field

SWIN = "model.backbone.conv_encoder.model."
BLOCK = SWIN + "encoder.layers.{}.blocks.{}."
FUSION = "model.encoder.layers.{}.fusion_layer."
DEFORMABLE = "model.encoder.layers.{}.deformable_layer."
ENHANCER = "model.encoder.layers.{}.text_enhancer_layer."
DECODER = "model.decoder.layers.{}."
PROMPT = "model.visual_prompt_encoder."
TEXT = "language_model.language_backbone.body.model."

# The visual prompt encoder: the names that the authors' published code gives its modules. Should their checkpoints have
# others, this table is all there is to change.
PROMPT_MODULES = {
    "visual_query_embedding": PROMPT + "visual_query_embedding",
    "visual_prompt_encoding.visual_bbox_encoding.layers.#": PROMPT + "position_mlp.layers.{}",
    "visual_prompt_encoding.cross_attn.@": PROMPT + "cross_attn.{}",
    "visual_prompt_encoding.norms.1": PROMPT + "cross_attn_layer_norm",
    "visual_prompt_encoding.self_attn.attn.in_proj": PROMPT + "self_attn.QKV",
    "visual_prompt_encoding.self_attn.attn.out_proj": PROMPT + "self_attn.out_proj",
    "visual_prompt_encoding.norms.0": PROMPT + "self_attn_layer_norm",
    "visual_prompt_encoding.ffn.layers.0.0": PROMPT + "fc1",
    "visual_prompt_encoding.ffn.layers.1": PROMPT + "fc2",
    "visual_prompt_encoding.norms.2": PROMPT + "final_layer_norm",
}  # fmt: skip

# Modules with a weight and perhaps a bias. # is a number, @ the name of a submodule. QKV: the rows hold query, key and
# value, one after the other. MERGED: the channels are those of four neighbouring patches (merged_channels).
MODULES = {
    "backbone.patch_embed.projection": SWIN + "embeddings.patch_embeddings.projection",
    "backbone.patch_embed.norm": SWIN + "embeddings.norm",
    "backbone.stages.#.blocks.#.norm1": BLOCK + "layernorm_before",
    "backbone.stages.#.blocks.#.attn.w_msa.qkv": BLOCK + "attention.self.QKV",
    "backbone.stages.#.blocks.#.attn.w_msa.proj": BLOCK + "attention.output.dense",
    "backbone.stages.#.blocks.#.norm2": BLOCK + "layernorm_after",
    "backbone.stages.#.blocks.#.ffn.layers.0.0": BLOCK + "intermediate.dense",
    "backbone.stages.#.blocks.#.ffn.layers.1": BLOCK + "output.dense",
    "backbone.stages.#.downsample.norm": SWIN + "encoder.layers.{}.downsample.norm MERGED",
    "backbone.stages.#.downsample.reduction": SWIN + "encoder.layers.{}.downsample.reduction MERGED",
    "backbone.norm#": SWIN + "hidden_states_norms.stage{after_stem}",
    "neck.convs.#.conv": "model.input_proj_vision.{}.0",
    "neck.convs.#.gn": "model.input_proj_vision.{}.1",
    "neck.extra_convs.#.conv": "model.input_proj_vision.{after_convs}.0",
    "neck.extra_convs.#.gn": "model.input_proj_vision.{after_convs}.1",
    "text_feat_map": "model.text_projection",
    "encoder.fusion_layers.#.layer_norm_v": FUSION + "layer_norm_vision",
    "encoder.fusion_layers.#.layer_norm_l": FUSION + "layer_norm_text",
    "encoder.fusion_layers.#.attn.v_proj": FUSION + "attn.vision_proj",
    "encoder.fusion_layers.#.attn.l_proj": FUSION + "attn.text_proj",
    "encoder.fusion_layers.#.attn.values_v_proj": FUSION + "attn.values_vision_proj",
    "encoder.fusion_layers.#.attn.values_l_proj": FUSION + "attn.values_text_proj",
    "encoder.fusion_layers.#.attn.out_v_proj": FUSION + "attn.out_vision_proj",
    "encoder.fusion_layers.#.attn.out_l_proj": FUSION + "attn.out_text_proj",
    "encoder.layers.#.self_attn.@": DEFORMABLE + "self_attn.{}",
    "encoder.layers.#.norms.0": DEFORMABLE + "self_attn_layer_norm",
    "encoder.layers.#.ffn.layers.0.0": DEFORMABLE + "fc1",
    "encoder.layers.#.ffn.layers.1": DEFORMABLE + "fc2",
    "encoder.layers.#.norms.1": DEFORMABLE + "final_layer_norm",
    "encoder.text_layers.#.self_attn.attn.in_proj": ENHANCER + "self_attn.QKV",
    "encoder.text_layers.#.self_attn.attn.out_proj": ENHANCER + "self_attn.out_proj",
    "encoder.text_layers.#.norms.0": ENHANCER + "layer_norm_before",
    "encoder.text_layers.#.ffn.layers.0.0": ENHANCER + "fc1",
    "encoder.text_layers.#.ffn.layers.1": ENHANCER + "fc2",
    "encoder.text_layers.#.norms.1": ENHANCER + "layer_norm_after",
    "memory_trans_fc": "model.enc_output",
    "memory_trans_norm": "model.enc_output_norm",
    "query_embedding": "model.query_position_embeddings",
    "decoder.ref_point_head.layers.#": "model.decoder.reference_points_head.layers.{}",
    "decoder.norm": "model.decoder.layer_norm",
    "decoder.layers.#.self_attn.attn.in_proj": DECODER + "self_attn.QKV",
    "decoder.layers.#.self_attn.attn.out_proj": DECODER + "self_attn.out_proj",
    "decoder.layers.#.norms.0": DECODER + "self_attn_layer_norm",
    "decoder.layers.#.cross_attn_text.attn.in_proj": DECODER + "encoder_attn_text.QKV",
    "decoder.layers.#.cross_attn_text.attn.out_proj": DECODER + "encoder_attn_text.out_proj",
    "decoder.layers.#.norms.1": DECODER + "encoder_attn_text_layer_norm",
    "decoder.layers.#.cross_attn.@": DECODER + "encoder_attn.{}",
    "decoder.layers.#.norms.2": DECODER + "encoder_attn_layer_norm",
    "decoder.layers.#.ffn.layers.0.0": DECODER + "fc1",
    "decoder.layers.#.ffn.layers.1": DECODER + "fc2",
    "decoder.layers.#.norms.3": DECODER + "final_layer_norm",
    "bbox_head.reg_branches.#.0": "{box_head}.layers.0",
    "bbox_head.reg_branches.#.2": "{box_head}.layers.1",
    "bbox_head.reg_branches.#.4": "{box_head}.layers.2",
    "bbox_head.cls_branches.#": "{class_head}",
    **PROMPT_MODULES,
}  # fmt: skip

# Tensors that are no module's weight or bias.
PARAMETERS = {
    "level_embed": "model.level_embed",
    "encoder.fusion_layers.#.gamma_v": FUSION + "vision_param",
    "encoder.fusion_layers.#.gamma_l": FUSION + "text_param",
    "backbone.stages.#.blocks.#.attn.w_msa.relative_position_bias_table":
        BLOCK + "attention.self.relative_position_bias_table",
}  # fmt: skip

# What detection does not read: pattern and reason.
DROPPED = {
    "dn_query_generator.label_embedding.weight": "denoising labels, for training only",
    "contra_logit_scale": "scale of the contrastive loss, for training only",
    "generic_visual_prompts.weight": "prompts stored for an evaluation",
    TEXT + "embeddings.position_ids": "follows from the configuration",
    TEXT + "pooler.*": "no result depends on it",
    "backbone.stages.*.attn.w_msa.relative_position_index": "follows from the configuration",
    "steps": "counter of a running average",
    "ema_*": "a running average; --key chooses which weights to take",
}


class PlanError(Exception):
    """The checkpoint is not what it should be."""


@dataclass
class Piece:
    """One tensor to write: rows [first, last) of a source, its last dimension reordered; None takes all as it is."""

    source: str
    rows: tuple = None
    order: list = None


@dataclass
class Plan:
    pieces: dict = field(default_factory=dict)  # name to write -> Piece
    dropped: dict = field(default_factory=dict)  # source -> (pattern, reason)
    unknown: list = field(default_factory=list)  # sources that nothing is known about


def merged_channels(n):
    """Where the n = 4 C channels of a patch merging come from.

    mmdetection unfolds the map: channel c of the patch at (row, column) is at 4 c + 2 row + column. transformers joins
    the four patches (0, 0), (1, 0), (0, 1), (1, 1), each of C channels.
    """
    return [4 * c + patch for patch in (0, 2, 1, 3) for c in range(n // 4)]


def _pattern(name, leaf):
    escaped = re.escape(name).replace(r"\#", "#").replace("#", r"(\d+)")
    return re.compile(escaped.replace("@", r"(sampling_offsets|attention_weights|value_proj|output_proj)") + leaf)


RULES = [(_pattern(name, r"\.(weight|bias)"), target + ".") for name, target in MODULES.items()]
RULES += [(_pattern(name, "()"), target) for name, target in PARAMETERS.items()]
RULES.append((re.compile(re.escape(TEXT) + r"(.+)"), "model.text_backbone."))


def count(names, prefix):
    """One more than the largest N of prefix.N."""
    found = [re.match(re.escape(prefix) + r"\.(\d+)\.", name) for name in names]
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _target(template, groups, n_convs, n_decoder):
    """The name to write; None where the number is of no layer of this model."""
    *numbers, leaf = groups
    last = int(numbers[-1]) if numbers and numbers[-1].isdigit() else 0
    heads = {}
    if "_head}" in template:  # the decoder's layers, then the one of the query selection
        if last > n_decoder:
            return None
        heads = {
            "box_head": f"bbox_embed.{last}" if last < n_decoder else "model.encoder_output_bbox_embed",
            "class_head": f"class_embed.{last}" if last < n_decoder else "model.encoder_output_class_embed",
        }
    name = template.format(*numbers, after_stem=last + 1, after_convs=last + n_convs, **heads)
    return name.replace(" MERGED.", ".") + leaf


def _add(plan, source, shape, name, merged):
    if ".QKV." in name:
        third = shape[0] // 3
        if third * 3 != shape[0]:
            raise PlanError(f"{source}: {shape[0]} rows are not query, key and value")
        for i, part in enumerate(("query", "key", "value")):
            plan.pieces[name.replace("QKV", part)] = Piece(source, (i * third, (i + 1) * third))
        return
    if name in plan.pieces:
        raise PlanError(f"{source} and {plan.pieces[name].source} both become {name}")
    plan.pieces[name] = Piece(source, order=merged_channels(shape[-1]) if merged else None)


def without_wrapper(name):
    """The name as the bare model has it: no prefix of parallel training, averaging or compilation."""
    while name.startswith(("module.", "_orig_mod.")):
        name = name.split(".", 1)[1]
    return name


def make_plan(shapes, ignore=()):
    """shapes: source name -> shape. ignore: patterns of names to leave out."""
    plan = Plan()
    n_convs, n_decoder = count(shapes, "neck.convs"), count(shapes, "decoder.layers")
    dropped = {**dict.fromkeys(ignore, "as asked"), **DROPPED}

    for source in sorted(shapes):
        match = next((pair for pair in dropped.items() if fnmatch.fnmatchcase(source, pair[0])), None)
        if match:
            plan.dropped[source] = match
            continue
        plain = re.sub(r"\.in_proj_(weight|bias)$", r".in_proj.\1", source)
        found = next(((match, rule) for regex, rule in RULES if (match := regex.fullmatch(plain))), None)
        name = _target(found[1], found[0].groups(), n_convs, n_decoder) if found else None
        if name:
            _add(plan, source, shapes[source], name, "MERGED" in found[1])
        else:
            plan.unknown.append(source)
    return plan


def target_shapes(plan, shapes):
    """name to write -> shape"""
    result = {}
    for name, piece in plan.pieces.items():
        first, last = piece.rows or (0, 0)
        shape = tuple(shapes[piece.source])
        result[name] = (last - first, *shape[1:]) if piece.rows else shape
    return result


# --- the configuration ---------------------------------------------------------------------------------------------


class _Shapes:
    """Shapes by name; a missing tensor that the configuration is read from is an error that names it."""

    def __init__(self, shapes):
        self.shapes = shapes

    def __call__(self, name, dimension=0):
        if name not in self.shapes:
            raise PlanError(f"the checkpoint has nothing that becomes {name}: is it an MM-Grounding-DINO or DINO-R1?")
        shape = self.shapes[name]
        if dimension >= len(shape):
            raise PlanError(f"{name} has only {len(shape)} dimensions")
        return shape[dimension]

    def count(self, prefix):
        return count(self.shapes, prefix)


def _swin(shape):
    embed_dim = shape(SWIN + "embeddings.patch_embeddings.projection.weight")
    stages = range(shape.count(SWIN + "encoder.layers"))
    first = SWIN + "encoder.layers.0.blocks.0."
    tables = [SWIN + f"encoder.layers.{i}.blocks.0.attention.self.relative_position_bias_table" for i in stages]
    side = round(shape(first + "attention.self.relative_position_bias_table") ** 0.5)  # 2 window - 1
    return {
        "model_type": "swin",
        "num_channels": shape(SWIN + "embeddings.patch_embeddings.projection.weight", 1),
        "patch_size": shape(SWIN + "embeddings.patch_embeddings.projection.weight", 2),
        "embed_dim": embed_dim,
        "depths": [shape.count(SWIN + f"encoder.layers.{i}.blocks") for i in stages],
        "num_heads": [shape(table, 1) for table in tables],
        "window_size": (side + 1) // 2,
        "mlp_ratio": shape(first + "intermediate.dense.weight") / embed_dim,
        "qkv_bias": first + "attention.self.query.bias" in shape.shapes,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-05,
        "out_features": [
            f"stage{i + 1}" for i in stages if SWIN + f"hidden_states_norms.stage{i + 1}.weight" in shape.shapes
        ],
    }


def _bert(shape):
    """BERT's heads cannot be seen in its shapes; all published ones are 64 wide."""
    hidden = shape("model.text_backbone.embeddings.word_embeddings.weight", 1)
    return {
        "model_type": "bert",
        "vocab_size": shape("model.text_backbone.embeddings.word_embeddings.weight"),
        "hidden_size": hidden,
        "num_hidden_layers": shape.count("model.text_backbone.encoder.layer"),
        "num_attention_heads": max(1, hidden // 64),
        "intermediate_size": shape("model.text_backbone.encoder.layer.0.intermediate.dense.weight"),
        "max_position_embeddings": shape("model.text_backbone.embeddings.position_embeddings.weight"),
        "type_vocab_size": shape("model.text_backbone.embeddings.token_type_embeddings.weight"),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
    }


def _deformable(shape, settings, side, attention, levels):
    """Heads and points: their product is seen in the shapes; without a word about either, 4 points as published."""
    product = shape(attention + ".attention_weights.weight") // levels
    points = settings.get(f"{side}_n_points")
    heads = settings.get(f"{side}_attention_heads")
    points = points or (product // heads if heads else 4)
    return {f"{side}_n_points": points, f"{side}_attention_heads": heads or product // points}


def _merge(settings, over):
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            _merge(settings[key], value)
        else:
            settings[key] = value


def derive_config(shapes, over=None):
    """config.json for tensors of these names and shapes (target_shapes); over: fields that are known better."""
    shape, over = _Shapes(shapes), over or {}
    levels, d_model = shape("model.level_embed"), shape("model.level_embed", 1)
    prompts = any(name.startswith(PROMPT) for name in shapes)
    settings = {
        "model_type": "dino-r1" if prompts else "mm-grounding-dino",
        "backbone_config": _swin(shape),
        "d_model": d_model,
        "num_queries": shape("model.query_position_embeddings.weight"),
        "num_feature_levels": levels,
        "encoder_layers": shape.count("model.encoder.layers"),
        "encoder_ffn_dim": shape("model.encoder.layers.0.deformable_layer.fc1.weight"),
        **_deformable(shape, over, "encoder", "model.encoder.layers.0.deformable_layer.self_attn", levels),
        "decoder_layers": shape.count("model.decoder.layers"),
        "decoder_ffn_dim": shape("model.decoder.layers.0.fc1.weight"),
        **_deformable(shape, over, "decoder", "model.decoder.layers.0.encoder_attn", levels),
        "activation_function": "relu",
        "max_text_len": 256,
        "two_stage": True,
        "embedding_init_target": True,
        "positional_embedding_temperature": 20,
        "layer_norm_eps": 1e-05,
    }
    if any(name.startswith("model.text_backbone.") for name in shapes):
        settings["text_config"] = _bert(shape)
    _merge(settings, over)
    return settings


# mmdetection's configurations for these models; a checkpoint does not hold them.
PREPROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
