# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which checkpoints and which runs of them the golden data holds."""

from dataclasses import dataclass, field

import torch
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    SwinConfig,
)

from dino_r1 import DinoR1Config, DinoR1ForObjectDetection

VOCABULARY_SIZE = 1100
WORDS = (
    "an the red yellow small large person man woman child dog cat horse car bus truck bicycle traffic light sign "
    "tree house cup bottle chair table with and on in of left right blue hat stop ##s ##es ##ing ##ed ##er ##th"
).split()


def vocabulary():
    """A BERT vocabulary with the published ids of [PAD] [UNK] [CLS] [SEP] [MASK] . and ?"""
    tokens = [f"[unused{i}]" for i in range(VOCABULARY_SIZE)]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*letters, *("##" + x for x in letters), *WORDS, *",!;:'-()"]
    for i, token in enumerate(dict.fromkeys(pieces)):
        tokens[104 + i] = token
    for i, token in ((0, "[PAD]"), (100, "[UNK]"), (101, "[CLS]"), (102, "[SEP]"), (103, "[MASK]")):
        tokens[i] = token
    tokens[1012], tokens[1029] = ".", "?"
    return tokens


@dataclass
class Case:
    """One run. size: height and width of the batch's picture; valid: the part of each image that is not padding.
    prompt: the same for prompt images and the boxes drawn on each. classes: how many visual tokens the run uses, each
    the mean of as many of the prompt's embeddings as there are for it; random ones without a prompt image."""

    name: str
    size: tuple
    valid: list = None
    text: str = None
    prompt_size: tuple = None
    prompt_valid: list = None
    boxes: int = 0
    classes: int = 0

    def __post_init__(self):
        self.valid = self.valid or [self.size]
        self.prompt_valid = self.prompt_valid or [self.prompt_size]


@dataclass
class Model:
    """One checkpoint. box_scale: spread of the box heads' output in logits; saturates: boxes reach the epsilon of
    the inverse sigmoid. dtype: what the weights are rounded to and stored as; all is computed in fp32."""

    name: str
    kind: type
    config: object
    cases: list
    box_scale: float = 0.5
    saturates: bool = False
    arguments: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.float32

    def build(self):
        return self.kind(self.config, **self.arguments).eval()


def swin(**changes):
    return SwinConfig(
        **dict(embed_dim=6, depths=[1, 2, 1, 1], num_heads=[1, 2, 3, 6], window_size=4, mlp_ratio=2.0,
               image_size=64, out_indices=[2, 3, 4]) | changes
    )  # fmt: skip


def short_swin(**changes):
    """Three stages, two outputs: the neck makes the other levels."""
    return swin(**dict(embed_dim=8, depths=[1, 2, 1], num_heads=[2, 2, 4], out_indices=[2, 3]) | changes)


def bert(**changes):
    return BertConfig(
        **dict(vocab_size=VOCABULARY_SIZE, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
               intermediate_size=48, max_position_embeddings=40) | changes
    ).to_dict()  # fmt: skip


def config(kind, **changes):
    return kind(
        **dict(backbone_config=swin(), text_config=bert(), d_model=32, num_queries=20, num_feature_levels=4,
               encoder_layers=2, encoder_ffn_dim=64, encoder_attention_heads=4, encoder_n_points=2,
               decoder_layers=2, decoder_ffn_dim=64, decoder_attention_heads=4, decoder_n_points=2,
               max_text_len=64) | changes
    )  # fmt: skip


MODELS = [
    Model(
        "gdino-tied",
        GroundingDinoForObjectDetection,
        config(GroundingDinoConfig, text_config=bert(hidden_size=32, num_attention_heads=4), decoder_n_points=4),
        [
            Case("gdino-tied", (72, 130), text="a red car. the traffic lights. dogs."),
            Case("gdino-padded", (72, 100), valid=[(72, 66), (49, 100)], text="person with a hat. bus?"),
        ],
    ),
    Model(
        "gdino-untied",
        GroundingDinoForObjectDetection,
        config(
            GroundingDinoConfig, backbone_config=short_swin(window_size=7), encoder_layers=1,
            decoder_bbox_embed_share=False, decoder_layers=3, num_queries=24,
        ),
        [Case("gdino-untied", (72, 96), text="cat.")],
        dtype=torch.float16,
    ),  # fmt: skip
    Model(
        "gdino-odd",
        GroundingDinoForObjectDetection,
        config(
            GroundingDinoConfig,
            backbone_config=swin(
                patch_size=2, depths=[2, 1, 2], num_heads=[2, 3, 4], window_size=7, qkv_bias=False,
                out_indices=[1, 2, 3],
            ),
            two_stage_bbox_embed_share=True, encoder_layers=1, decoder_layers=2, encoder_attention_heads=8,
            activation_function="gelu", num_queries=36,
        ),
        [Case("gdino-odd", (12, 106), text="small bottle on the table. zebra crossing. chair.")],
        dtype=torch.bfloat16,
    ),  # fmt: skip
    Model(
        "mm-one",
        MMGroundingDinoForObjectDetection,
        config(MMGroundingDinoConfig, backbone_config=short_swin(), encoder_layers=1, decoder_layers=1),
        [Case("mm-one", (48, 72), text="a horse. stop sign.")],
    ),
    Model(
        "mm-three",
        MMGroundingDinoForObjectDetection,
        config(
            MMGroundingDinoConfig,
            backbone_config=swin(window_size=5, depths=[1, 2, 2, 1]), num_feature_levels=3,
            decoder_layers=3, decoder_attention_heads=8, decoder_ffn_dim=48,
            encoder_n_points=3, num_queries=30, layer_norm_eps=1e-3, positional_embedding_temperature=40,
        ),
        [Case("mm-three", (90, 78), text="woman, man and child on the left. blue truck. tree. tree")],
    ),  # fmt: skip
    Model(
        "dino-r1",
        DinoR1ForObjectDetection,
        config(
            DinoR1Config, backbone_config=short_swin(), d_model=64, num_feature_levels=3, encoder_layers=1,
            encoder_attention_heads=8, num_queries=25,
        ),
        [
            Case("dino-r1-one", (56, 64), prompt_size=(64, 48), boxes=1, classes=1),
            Case("dino-r1-two", (64, 64), prompt_size=(45, 78), boxes=4, classes=2),
            Case("dino-r1-forty", (56, 56), classes=40),
            Case("dino-r1-mixed", (48, 80), text="a yellow cup. bicycles.", prompt_size=(40, 56), boxes=3, classes=3),
        ],
        box_scale=3.0,
        saturates=True,
    ),  # fmt: skip
    Model(
        "dino-r1-visual",
        DinoR1ForObjectDetection,
        config(DinoR1Config, backbone_config=short_swin(window_size=3), encoder_layers=1),
        [
            Case(
                "dino-r1-visual", (80, 56), valid=[(80, 45), (43, 56)], prompt_size=(48, 72),
                prompt_valid=[(48, 55), (37, 72)], boxes=2, classes=2,
            )
        ],
        arguments=dict(with_text=False),
    ),  # fmt: skip
]

# The same checkpoint cut into shards, which is new only to loading: (name, of, largest shard).
SHARDED = [("mm-one-sharded", "mm-one", "100KB")]
