# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""DINO-R1's forward pass in PyTorch, written from its specification on top of the published MM-Grounding-DINO.

What transformers lacks is here: the visual prompt encoder, prompt tokens in place of (or beside) text tokens, and the
epsilon of the inverse sigmoid. Dimension letters: B images, M boxes of an image, U visual prompts, T tokens,
D = d_model, L feature levels, N locations of all levels.
"""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from unittest import mock

import torch
from torch import nn
from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection
from transformers.models.mm_grounding_dino import modeling_mm_grounding_dino as published

LOGIT_EPS = 1e-3


class DinoR1Config(MMGroundingDinoConfig):
    model_type = "dino-r1"


class PositionMLP(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2 * d_model, d_model), nn.Linear(d_model, d_model)])

    def forward(self, x):
        return self.layers[1](torch.relu(self.layers[0](x)))


class VisualPromptEncoder(nn.Module):
    """Boxes on a prompt image to one D-vector each: cross-attention to the image, self-attention of each prompt to
    itself only, feed-forward; each with a residual and a LayerNorm."""

    def __init__(self, config):
        super().__init__()
        d_model, heads = config.d_model, config.encoder_attention_heads
        self.d_model = d_model
        self.visual_query_embedding = nn.Embedding(1, d_model)
        self.position_mlp = PositionMLP(d_model)
        self.cross_attn = published.MMGroundingDinoMultiscaleDeformableAttention(
            config, num_heads=heads, n_points=config.encoder_n_points
        )
        self.cross_attn_layer_norm = nn.LayerNorm(d_model, config.layer_norm_eps)
        self.self_attn = published.MMGroundingDinoMultiheadAttention(config, num_attention_heads=heads)
        self.self_attn_layer_norm = nn.LayerNorm(d_model, config.layer_norm_eps)
        self.fc1 = nn.Linear(d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, d_model)
        self.final_layer_norm = nn.LayerNorm(d_model, config.layer_norm_eps)

    def forward(self, boxes, image):
        """boxes [B, M, 4] as centre and size relative to the image without its padding; image: what image_features()
        gives. Returns the intermediates by name; "embeddings" [B, M, D] is the result."""
        batch, count, _ = boxes.shape
        position = self.position_mlp(published.get_sine_pos_embed(boxes, num_pos_feats=self.d_model // 2))
        query = self.visual_query_embedding.weight.expand(batch, count, -1)

        attended, _ = self.cross_attn(
            hidden_states=query,
            attention_mask=image.mask,
            encoder_hidden_states=image.features,
            position_embeddings=position,
            reference_points=boxes[:, :, None] * image.valid_ratios.repeat(1, 1, 2)[:, None],
            spatial_shapes=image.spatial_shapes,
            spatial_shapes_list=image.spatial_shapes_list,
            level_start_index=image.level_start_index,
        )
        cross = self.cross_attn_layer_norm(query + attended)

        itself_only = (1 - torch.eye(count, dtype=cross.dtype)) * torch.finfo(cross.dtype).min
        attended = self.self_attn(cross + position, cross + position, cross, attention_mask=itself_only)[0]
        itself = self.self_attn_layer_norm(cross + attended)

        embeddings = self.final_layer_norm(itself + self.fc2(torch.relu(self.fc1(itself))))
        return {"position": position, "cross": cross, "self": itself, "embeddings": embeddings}


class GivenTokens(nn.Module):
    """Stands where the text encoder is and answers with tokens made elsewhere."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def forward(self, input_ids, *args, **kwargs):
        return SimpleNamespace(last_hidden_state=self.tokens.expand(input_ids.shape[0], -1, -1))


class _Captured(Exception):
    pass


class DinoR1ForObjectDetection(MMGroundingDinoForObjectDetection):
    config_class = DinoR1Config

    def __init__(self, config, with_text=True):
        super().__init__(config)
        self.model.visual_prompt_encoder = VisualPromptEncoder(config)
        if not with_text:
            self.model.text_backbone = None
            self.model.text_projection = None

    def image_features(self, pixel_values, pixel_mask):
        """Backbone and neck: what the published model hands to its encoder."""
        image = SimpleNamespace()

        def capture(module, args, kwargs):
            image.features = kwargs["vision_features"]
            image.mask = ~kwargs["vision_attention_mask"]
            for key in ("spatial_shapes", "spatial_shapes_list", "level_start_index", "valid_ratios"):
                setattr(image, key, kwargs[key])
            raise _Captured

        handle = self.model.encoder.register_forward_pre_hook(capture, with_kwargs=True)
        try:
            self.detect(pixel_values, pixel_mask, visual=torch.zeros(1, self.config.d_model))
        except _Captured:
            return image
        finally:
            handle.remove()

    def embed(self, pixel_values, pixel_mask, boxes):
        image = self.image_features(pixel_values, pixel_mask)
        return {"feat": image.features, **self.model.visual_prompt_encoder(boxes, image)}

    def detect(self, pixel_values, pixel_mask, visual=None, input_ids=None):
        """visual [U, D] and/or input_ids [T']: visual tokens come first, the two kinds do not see each other."""
        device = pixel_values.device
        tokens, masks, positions = [], [], []
        if visual is not None:
            tokens.append(visual)
            masks.append(torch.eye(len(visual), dtype=torch.bool, device=device))
            positions.append(torch.zeros(len(visual), dtype=torch.long, device=device))
        if input_ids is not None:
            ids = input_ids[None]
            mask, position = published.generate_masks_with_special_tokens_and_transfer_map(ids)
            bert = self.model.text_backbone(ids, mask, torch.zeros_like(ids), position).last_hidden_state
            tokens.append(self.model.text_projection(bert)[0])
            masks.append(mask[0])
            positions.append(position[0])

        batch = len(pixel_values)
        mask = torch.block_diag(*masks).bool()[None].repeat(batch, 1, 1)
        position = torch.cat(positions)[None].repeat(batch, 1)
        with self._tokens_in_place_of_text(torch.cat(tokens)[None], mask, position):
            return self(pixel_values=pixel_values, pixel_mask=pixel_mask, input_ids=torch.ones_like(position))

    @contextmanager
    def _tokens_in_place_of_text(self, tokens, mask, position):
        logit = torch.special.logit
        patches = (
            (published, "generate_masks_with_special_tokens_and_transfer_map", lambda ids: (mask, position)),
            (torch.special, "logit", lambda x, eps: logit(x, eps=LOGIT_EPS)),
        )
        with ExitStack() as stack:
            for target, name, replacement in patches:
                stack.enter_context(mock.patch.object(target, name, replacement))
            for name, replacement in (("text_backbone", GivenTokens(tokens)), ("text_projection", nn.Identity())):
                stack.callback(setattr, self.model, name, getattr(self.model, name))
                setattr(self.model, name, replacement)
            yield
