#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes imported/: random checkpoints with mmdetection's names, what models/tools/import_mmdet.py makes of them, and what
mmdetection itself computes from them. Usage: generate_import.py [directory]; README.md describes the files.

The models are mmdetection's own classes; the visual prompt encoder is put together from mmcv's modules as the
specification says, under the module names of the authors' published code."""

import functools
import itertools
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import mmcv
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

mmcv.__version__ = "2.1.0"  # mmdet 3.3.0 refuses later ones
from mmcv.utils import ext_loader  # noqa: E402

# The compiled operators are for GPUs; on the CPU deformable attention is PyTorch.
ext_loader.load_ext = lambda name, functions: SimpleNamespace(**dict.fromkeys(functions))

import mmdet  # noqa: E402
from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention  # noqa: E402
from mmcv.ops import MultiScaleDeformableAttention  # noqa: E402
from mmdet.models.layers.transformer import dino_layers, grounding_dino_layers  # noqa: E402
from mmdet.models.layers.transformer.utils import MLP, coordinate_to_encoding, get_text_sine_pos_embed as text_sine  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402

import generate  # noqa: E402
from cases import Case, vocabulary  # noqa: E402

TOOLS = Path(__file__).resolve().parents[2] / "models" / "tools"
sys.path.insert(0, str(TOOLS))
import model_directory  # noqa: E402

AGREEMENT = 2e-5  # between mmdetection and the imported model in transformers: the tolerance must not be luck
INSIDE = 2e-3  # distance of boxes from the border: there mmdetection's epsilons of the inverse sigmoid differ


# --- mmdetection's models --------------------------------------------------------------------------------------------


def settings(spec, bert):
    """mm_grounding_dino's configuration, small."""
    d_model, points = spec.d_model, spec.points
    attention = dict(embed_dims=d_model, num_heads=4, dropout=0.0, batch_first=True)
    deformable = dict(embed_dims=d_model, num_heads=4, num_levels=3, num_points=points, dropout=0.0, batch_first=True)
    wide = dict(embed_dims=d_model, feedforward_channels=64, ffn_drop=0.0)
    return dict(
        type="GroundingDINO", num_queries=12, num_feature_levels=3, with_box_refine=True, as_two_stage=True,
        language_model=dict(
            type="BertModel", name=str(bert), max_tokens=40, pad_to_max=False, use_sub_sentence_represent=True,
            special_tokens_list=["[CLS]", "[SEP]", ".", "?"], add_pooling_layer=False,
        ),
        backbone=dict(
            type="SwinTransformer", embed_dims=8, depths=[1, 2, 1], num_heads=[2, 2, 4], strides=(4, 2, 2),
            window_size=4, mlp_ratio=2, out_indices=(1, 2), convert_weights=False, drop_path_rate=0.0,
        ),
        neck=dict(
            type="ChannelMapper", in_channels=[16, 32], kernel_size=1, out_channels=d_model, act_cfg=None, bias=True,
            norm_cfg=dict(type="GN", num_groups=32), num_outs=3,
        ),
        encoder=dict(
            num_layers=spec.encoder_layers, num_cp=0,
            layer_cfg=dict(self_attn_cfg=dict(deformable), ffn_cfg=dict(wide)),
            text_layer_cfg=dict(self_attn_cfg=attention | dict(num_heads=2), ffn_cfg=wide | dict(feedforward_channels=32)),
            fusion_layer_cfg=dict(v_dim=d_model, l_dim=d_model, embed_dim=32, num_heads=2, init_values=1e-4),
        ),
        decoder=dict(
            num_layers=2, return_intermediate=True, post_norm_cfg=None,
            layer_cfg=dict(
                self_attn_cfg=dict(attention), cross_attn_text_cfg=dict(attention), cross_attn_cfg=dict(deformable),
                ffn_cfg=dict(wide),
            ),
        ),
        positional_encoding=dict(num_feats=d_model // 2, normalize=True, offset=0.0, temperature=20),
        bbox_head=dict(
            type="GroundingDINOHead", num_classes=20, embed_dims=d_model,
            contrastive_cfg=dict(max_text_len=40, log_scale="auto", bias=True),
            loss_cls=dict(type="FocalLoss", use_sigmoid=True),
        ),
        dn_cfg=dict(label_noise_scale=0.5, box_noise_scale=1.0, group_cfg=dict(dynamic=True, num_dn_queries=10)),
    )  # fmt: skip


class VisualPromptEncoder(nn.Module):
    """Section 2 of the specification; residuals are inside mmcv's modules."""

    def __init__(self, d_model, points):
        super().__init__()
        self.d_model = d_model
        self.cross_attn = MultiScaleDeformableAttention(d_model, 4, 3, points, dropout=0.0, batch_first=True)
        self.self_attn = MultiheadAttention(d_model, 4, batch_first=True)
        self.ffn = FFN(d_model, 64)
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(3))
        self.visual_bbox_encoding = MLP(2 * d_model, d_model, d_model, 2)

    def forward(self, query, boxes, image):
        """query, boxes: [B, M, D], [B, M, 4]; image: inputs of mmdetection's encoder"""
        position = self.visual_bbox_encoding(coordinate_to_encoding(boxes, num_feats=self.d_model // 2))
        cross = self.norms[1](self.cross_attn(
            query, value=image["feat"], query_pos=position, key_padding_mask=image["feat_mask"],
            reference_points=boxes[:, :, None] * image["valid_ratios"].repeat(1, 1, 2)[:, None],
            spatial_shapes=image["spatial_shapes"], level_start_index=image["level_start_index"],
        ))  # fmt: skip
        others = ~torch.eye(boxes.shape[1], dtype=torch.bool)
        itself = self.norms[0](self.self_attn(cross, query_pos=position, key_pos=position, attn_mask=others))
        embeddings = self.norms[2](self.ffn(itself))
        return {"position": position, "cross": cross, "self": itself, "embeddings": embeddings}


def make_bert(directory):
    """mmdetection takes its text encoder from a directory."""
    config = transformers.BertConfig(
        vocab_size=len(vocabulary()), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=40,
    )  # fmt: skip
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")


def make_model(spec, bert):
    """Widths of encodings that mmdetection has as constants for d_model = 256 are set for this one."""
    for module in (dino_layers, grounding_dino_layers):
        module.coordinate_to_encoding = functools.partial(coordinate_to_encoding, num_feats=spec.d_model // 2)
    grounding_dino_layers.get_text_sine_pos_embed = lambda position, num_pos_feats, exchange_xy: text_sine(
        position, num_pos_feats=spec.d_model, exchange_xy=exchange_xy
    )
    model = MODELS.build(ConfigDict(settings(spec, bert)))
    if spec.prompts:
        model.visual_prompt_encoding = VisualPromptEncoder(spec.d_model, spec.points)
        model.visual_query_embedding = nn.Embedding(1, spec.d_model)
        model.contra_logit_scale = nn.Parameter(torch.ones([]) * math.log(1 / 0.07))
    return model.eval()


def scale(name, parameter):
    """Mean and spread: nothing stays at an initial value that hides its use."""
    leaf = name.rsplit(".", 1)[-1]
    fan_in = math.prod(parameter.shape[1:]) if parameter.dim() > 1 else 1
    if leaf in ("gamma_v", "gamma_l"):
        return 0.0, 0.3
    if leaf == "relative_position_bias_table":
        return 0.0, 0.5
    if leaf == "level_embed" or "embedding" in name and parameter.dim() == 2:
        return 0.0, 0.7
    if "sampling_offsets" in name:
        return 0.0, 1.5 if leaf == "bias" else 0.7 / math.sqrt(fan_in)
    if "reg_branches" in name and ".4." in name:
        return 0.0, 0.2 if leaf == "bias" else 0.4 / math.sqrt(fan_in)
    if "cls_branches" in name:
        return -1.0, 0.5
    if parameter.dim() == 1 and leaf == "weight":
        return 0.5 if name in ("decoder.norm.weight", "memory_trans_norm.weight") else 1.0, 0.1
    return 0.0, 0.1 if leaf == "bias" else 1.0 / math.sqrt(fan_in)


@torch.no_grad()
def randomise(model):
    """Values that fp16 holds exactly."""
    for name, parameter in model.named_parameters():
        mean, spread = scale(name, parameter)
        parameter.copy_((mean + spread * torch.randn(parameter.shape)).half())


# --- a recorded run --------------------------------------------------------------------------------------------------


def sample(size):
    return [DetDataSample(metainfo=dict(img_shape=size, batch_input_shape=size, ori_shape=size))]


def words(model, text):
    made = model.language_model([text])
    values = {"bert": made["embedded"]}
    made["embedded"] = model.text_feat_map(made["embedded"])
    return made, values


def prompts(model, case, inputs):
    features = model.extract_feat(inputs["prompt.pixel_values"])
    image = model.pre_transformer(features, sample(case.prompt_size))[0]
    boxes = inputs["prompt.boxes"]
    query = model.visual_query_embedding.weight.expand(*boxes.shape[:2], -1)
    made = {"feat": image["feat"], **model.visual_prompt_encoding(query, boxes, image)}
    visual = generate.visual_tokens(case, made["embeddings"])
    values = {f"prompt.{name}": value for name, value in made.items()} | {"visual": visual}
    count = len(visual)
    return {
        "embedded": visual[None],
        "masks": torch.eye(count, dtype=torch.bool)[None],
        "position_ids": torch.zeros(1, count, dtype=torch.long),
        "text_token_mask": torch.ones(1, count, dtype=torch.bool),
    }, values


@torch.no_grad()
def record(model, case, inputs):
    """Every activation of a run by its golden name."""
    tokens, values = words(model, case.text) if case.text else prompts(model, case, inputs)
    values |= {
        "tokens.in": tokens["embedded"],
        "tokens.mask": tokens["masks"][0].int(),
        "tokens.position_ids": tokens["position_ids"][0].int(),
    }
    layers, kept, handles = model.decoder.num_layers, {}, []

    def keep(module, name):
        handles.append(module.register_forward_hook(lambda module, args, output: kept.update({name: output})))

    keep(model.backbone, "backbone")
    keep(model.memory_trans_norm, "enc_output")
    keep(model.bbox_head.cls_branches[layers], "proposals")
    for i in range(model.encoder.num_layers):
        keep(model.encoder.layers[i], f"encoder.{i}.vision")
        keep(model.encoder.text_layers[i], f"encoder.{i}.text")
    samples = sample(case.size)
    features = model.extract_feat(inputs["pixel_values"])
    before = model.pre_transformer(features, samples)[0]
    found = model.forward_transformer(features, tokens, samples)
    for handle in handles:
        handle.remove()

    logits, boxes = model.bbox_head(**found)
    for stage, output in zip(model.backbone.out_indices, kept.pop("backbone")):
        values[f"backbone.stage{stage + 1}"] = generate.to_nhwc(output)
    best = kept.pop("proposals").max(-1)[0]
    values |= kept | {"feat": before["feat"], "pos": before["feat_pos"], "enc_logits_max": best}
    values["topk"] = torch.topk(best, model.num_queries, dim=1)[1].int()
    values["init_reference"] = found["references"][0]
    for i in range(layers):
        values[f"decoder.{i}.hidden"] = found["hidden_states"][i]
        values[f"decoder.{i}.reference"] = found["references"][i + 1]
    values["logits"] = logits[-1][..., : tokens["embedded"].shape[1]]
    values["pred_boxes"] = boxes[-1]
    return values


# --- is the data good? -----------------------------------------------------------------------------------------------


def check_inside(values):
    for name, boxes in values.items():
        if name.endswith(("reference", "pred_boxes")) and min(boxes.min(), 1 - boxes.max()) < INSIDE:
            raise generate.Rejected(f"{name} is at the border")


def check_agreement(directory, spec, inputs, values):
    """The imported model in the published classes computes what mmdetection does."""
    model = model_directory.build(json.loads((directory / "config.json").read_text()))
    tensors = {name: tensor.float() for name, tensor in load_file(directory / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and all(name.startswith(model_directory.SECOND_NAMES) or name.endswith("index")
                                  for name in missing), (missing, unexpected)  # fmt: skip
    theirs = generate.record(model, spec.case, inputs)
    assert theirs.keys() == values.keys(), theirs.keys() ^ values.keys()
    apart = {name: generate.difference({name: values[name]}, {name: theirs[name]}) for name in values}
    worst = max(apart, key=apart.get)
    if apart[worst] > AGREEMENT:
        raise generate.Rejected(f"mmdetection and transformers differ by {apart[worst]:.1e} in {worst}: {apart}")
    return apart[worst]


# --- files -----------------------------------------------------------------------------------------------------------


SPECS = [
    SimpleNamespace(
        name="mmdet-text", d_model=32, points=2, encoder_layers=2, prompts=False,
        case=Case("mmdet-text", (56, 72), text="a horse. stop sign."),
        over={"encoder_n_points": 2, "decoder_n_points": 2, "max_text_len": 40, "text_config": {"num_attention_heads": 2}},
        options=["--half", "--vocab", "vocab.txt"],
    ),
    SimpleNamespace(
        name="mmdet-prompts", d_model=64, points=4, encoder_layers=1, prompts=True,
        case=Case("mmdet-prompts", (64, 56), prompt_size=(48, 72), boxes=4, classes=2), over={},
        options=["--half", "--no-text"],
    ),
]  # fmt: skip


def write_checkpoint(model, path):
    """As mmengine's runner does when the model is wrapped for training on several GPUs."""
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"meta": {"epoch": 12, "mmdet_version": mmdet.__version__}, "state_dict": state}, path)


def convert(spec, checkpoint, work, output):
    shutil.rmtree(output, ignore_errors=True)
    (work / "over.json").write_text(json.dumps(spec.over))
    options = [str(work / option) if option == "vocab.txt" else option for option in spec.options]
    subprocess.run([sys.executable, "-B", TOOLS / "import_mmdet.py", checkpoint, output, "--config", work / "over.json",
                    *options], check=True)  # fmt: skip


def make(spec, bert, work, output):
    tokenizer = transformers.BertTokenizer(str(bert / "vocab.txt"))
    for seed in itertools.count(1):
        torch.manual_seed(seed)
        model = make_model(spec, bert)
        randomise(model)
        inputs = generate.make_inputs(spec.case, spec.d_model, tokenizer)
        values = record(model, spec.case, inputs)
        write_checkpoint(model, work / "checkpoint.pth")
        convert(spec, work / "checkpoint.pth", work, output / "models" / spec.name)
        try:
            check_inside(values)
            generate.check_ranking(values, model.num_queries)
            apart = check_agreement(output / "models" / spec.name, spec, inputs, values)
        except generate.Rejected as reason:
            print(f"{spec.name}: not seed {seed}: {reason}")
            continue
        print(f"{spec.name}: seed {seed}, mmdetection and transformers at most {apart:.1e} apart")
        save_file(generate.to_file(spec.case, inputs, values), output / "cases" / f"{spec.name}.safetensors")
        state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
        save_file(state, output / "mmdet" / f"{spec.name}.safetensors")
        (output / "mmdet" / f"{spec.name}.json").write_text(
            json.dumps({"config": spec.over, "options": spec.options}, indent=2) + "\n")  # fmt: skip
        return {"name": spec.name, "model": spec.name, "file": spec.name, "seed": seed, "text": spec.case.text}


def main(output):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    register_all_modules()
    for part in ("models", "cases", "mmdet"):
        shutil.rmtree(output / part, ignore_errors=True)
        (output / part).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        torch.manual_seed(0)
        make_bert(work / "bert")
        shutil.copy(work / "bert" / "vocab.txt", work)
        entries = [make(spec, work / "bert", work, output) for spec in SPECS]
    manifest = {
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
        "mmdet": mmdet.__version__,
        "tolerance": generate.TOLERANCE,
        "cases": entries,
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "imported" / "data")
