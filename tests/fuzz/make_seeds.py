#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes tests/fuzz/seeds/: good inputs of every fuzz target and each broken form once.

make_seeds.py          writes them
make_seeds.py --check  fails if what is there is not what would be written
"""
import json
import os
import struct
import sys

HASH = "0123456789abcdef" * 4


def tensor(shape=(1,), begin=0, end=4, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def safetensors(header, n_data=0, header_size=None):
    """header: an object or the JSON text's bytes"""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    data = bytes(i % 64 for i in range(n_data))  # as f32: finite
    return struct.pack("<Q", len(text) if header_size is None else header_size) + text + data


def safetensors_seeds():
    two = {"a": tensor(), "b": tensor((2, 1), 4, 12)}
    one = b'{"%s":{"dtype":"F32","shape":[%s],"data_offsets":[%s]}}'
    yield "good", safetensors({"__metadata__": {"format": "pt"}, **two}, 12)
    yield "good-nothing", safetensors({})
    yield "good-zero-elements", safetensors({"a": tensor((0, 3), 0, 0), "b": tensor((), 0, 4)}, 4)
    yield "good-escapes", safetensors(one % (rb"\u00e4\ud83d\ude00\"\\", b"1", b"0,4") + b"  \n", 4)
    for dtype, size in [("F16", 2), ("BF16", 2), ("F64", 8), ("I64", 8), ("I32", 4), ("I16", 2), ("I8", 1), ("U8", 1), ("BOOL", 1)]:
        yield "good-" + dtype.lower(), safetensors({"a": tensor((3,), 0, 3 * size, dtype)}, 3 * size)
    yield "empty", b""
    yield "short", b"\0" * 7
    yield "header-huge", safetensors({}, 0, 2**64 - 1)
    yield "header-over-limit", safetensors({}, 0, 100_000_001)
    yield "header-truncated", safetensors(two, 0, 1000)
    yield "header-list", safetensors(b"[]")
    yield "header-space", safetensors(b" {}")
    yield "header-none", safetensors(b"")
    yield "header-unfinished", safetensors(b'{"a":{')
    yield "header-garbage", safetensors(b"{}x")
    yield "header-deep", safetensors(b'{"a":{"dtype":' + b"[" * 3000)
    yield "data-truncated", safetensors(two, 11)
    yield "data-too-long", safetensors(two, 13)
    yield "entry-number", safetensors({"a": 1})
    yield "entry-list", safetensors({"a": [1]})
    yield "dtype-unknown", safetensors({"a": tensor(dtype="F33")}, 4)
    yield "dtype-number", safetensors({"a": tensor(dtype=4)}, 4)
    for key in ("dtype", "shape", "data_offsets"):
        yield "no-" + key, safetensors({"a": {k: v for k, v in tensor().items() if k != key}}, 4)
    yield "key-unknown", safetensors({"a": {**tensor(), "strides": [1]}}, 4)
    yield "key-twice", safetensors(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4)
    for name, offsets in [("none", b""), ("one", b"4"), ("three", b"0,2,4"), ("strings", b'"0","4"'), ("reals", b"0.0,4.0"),
                          ("negative", b"-4,0"), ("huge", b"0,18446744073709551620"), ("swapped", b"4,0"), ("outside", b"0,4000")]:
        yield "offsets-" + name, safetensors(one % (b"a", b"1", offsets), 4)
    for name, shape in [("mismatch", b"2"), ("negative", b"-1"), ("huge", b"9223372036854775807"), ("real", b"1.0"),
                        ("overflow", b"4294967296,4294967296"), ("overflow-zero", b"0,4294967296,4294967296"),
                        ("nine", b"1,1,1,1,1,1,1,1,1"), ("nested", b"[1]")]:
        yield "shape-" + name, safetensors(one % (b"a", shape, b"0,4"), 4)
    yield "name-twice", safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                                    b'"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8)
    for name, text in [("invalid-utf8", b"\xff"), ("nul", rb"\u0000"), ("surrogate", rb"\ud800"), ("escape", rb"\x"), ("newline", b"\n")]:
        yield "name-" + name, safetensors(one % (text, b"1", b"0,4"), 4)
    yield "overlap", safetensors({"a": tensor((2,), 0, 8), "b": tensor((2,), 4, 12)}, 12)
    yield "same-place", safetensors({"a": tensor(), "b": tensor()}, 4)
    yield "hole", safetensors({"a": tensor(), "b": tensor((1,), 8, 12)}, 12)
    yield "hole-begin", safetensors({"a": tensor((1,), 4, 8)}, 8)
    yield "metadata-list", safetensors({"__metadata__": []})
    yield "metadata-number", safetensors({"__metadata__": {"a": 1}})
    yield "metadata-twice", safetensors(b'{"__metadata__":{},"__metadata__":{}}')
    yield "metadata-key-twice", safetensors(b'{"__metadata__":{"a":"1","a":"2"}}')


def config(**members):
    return json.dumps({"model_type": "dino-r1", **members}).encode()


def config_seeds():
    yield "good-defaults", b'{"model_type":"grounding-dino"}'
    yield "good-mm", b'{"model_type":"mm-grounding-dino","text_config":null}'
    yield "good-small", config(
        d_model=64, num_queries=30, num_feature_levels=3, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=128,
        decoder_ffn_dim=96, encoder_attention_heads=4, decoder_attention_heads=2, encoder_n_points=3, decoder_n_points=1,
        activation_function="gelu", layer_norm_eps=1e-6, positional_embedding_temperature=20.5, logit_eps=1e-4,
        trained=False, max_text_len=64, two_stage=True, embedding_init_target=True, position_embedding_type="sine",
        query_dim=4, use_timm_backbone=False, backbone=None,
        backbone_config={"model_type": "swin", "embed_dim": 24, "depths": [1, 2, 1], "num_heads": [1, 2, 4], "window_size": 5,
                         "mlp_ratio": 2, "qkv_bias": False, "hidden_act": "relu", "out_indices": [1, -1],
                         "out_features": ["stage1", "stage3"], "use_absolute_embeddings": False},
        text_config={"model_type": "bert", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1,
                     "intermediate_size": 48, "vocab_size": 100, "max_position_embeddings": 64, "type_vocab_size": 1,
                     "position_embedding_type": "absolute"})
    yield "good-two-heads", b'{"model_type":"grounding-dino","decoder_bbox_embed_share":true,"two_stage_bbox_embed_share":true}'
    yield "empty", b""
    yield "list", b"[]"
    yield "no-type", b"{}"
    yield "type-unknown", b'{"model_type":"detr"}'
    yield "type-number", b'{"model_type":1}'
    yield "trailing-comma", b'{"model_type":"dino-r1",}'
    yield "nan", b'{"model_type":"dino-r1","d_model":NaN}'
    yield "invalid-utf8", b'{"model_type":"\xff"}'
    yield "nul", b'{"model_type":"dino-r1","a":"\\u0000"}'
    yield "deep", b'{"a":' + b"[" * 3000
    for name, value in [("string", "256"), ("real", 1.5), ("bool", True), ("null", None), ("list", [256]), ("object", {}),
                        ("negative", -256), ("huge", 2**64 + 1), ("odd", 100)]:
        yield "int-" + name, config(d_model=value)
    for key, value in [("encoder_attention_heads", 9), ("encoder_ffn_dim", 2049), ("decoder_attention_heads", 7),
                       ("num_queries", 0), ("num_feature_levels", 9), ("num_feature_levels", 2), ("encoder_layers", 65),
                       ("activation_function", "silu"), ("layer_norm_eps", 0), ("two_stage", False), ("query_dim", 2),
                       ("embedding_init_target", False), ("position_embedding_type", "learned"), ("use_timm_backbone", True),
                       ("backbone", "resnet50"), ("backbone_config", []), ("text_config", "bert"), ("logit_eps", 0.5)]:
        yield f"{key}-{value}".replace("[]", "list"), config(**{key: value})
    for key, value in [("model_type", "resnet"), ("use_absolute_embeddings", True), ("num_channels", 1), ("embed_dim", 98),
                       ("depths", []), ("depths", [1] * 9), ("depths", 4), ("depths", [2, 2, "6", 2]), ("num_heads", [3, 6]),
                       ("window_size", 0), ("mlp_ratio", 1e-9), ("out_indices", [0]), ("out_indices", [3, 2]),
                       ("out_indices", [-9]), ("out_features", ["stem"]), ("out_features", [1, None, []])]:
        yield f"swin-{key}-{len(json.dumps(value))}", config(backbone_config={key: value})
    for key, value in [("model_type", "roberta"), ("position_embedding_type", "relative_key"), ("vocab_size", 10**7),
                       ("num_attention_heads", 7)]:
        yield f"bert-{key}", config(text_config={key: value})


def bank(classes, tensors=None, n_data=0, **metadata):
    """classes: an object or JSON text; metadata: None leaves a key out"""
    text = classes if isinstance(classes, str) else json.dumps(classes)
    fields = {"format": "dinor1-prompt-bank/1", "model_hash": HASH, "embedding_size": "3", "classes": text, **metadata}
    return safetensors({"__metadata__": {k: v for k, v in fields.items() if v is not None}, **(tensors or {})}, n_data)


def bank_seeds():
    exemplar = {"source": "clip.mp4", "frame": 31, "box": [410, 220.5, 64, 80]}
    cup = {"label": "cup", "exemplars": [exemplar]}
    car = {"label": "car", "phrase": "a yellow car"}
    rows = {"class.0.exemplars": tensor((1, 3), 0, 12)}

    def one(changes):
        return bank([{"label": "x", "exemplars": [{**exemplar, **changes}]}], rows, 12)

    yield "good-empty", bank([])
    yield "good-visual", bank([cup], rows, 12)
    yield "good-text", bank([car])
    yield "good-mixed", bank(
        [{"label": "cup", "exemplars": [exemplar, {"source": None, "frame": None, "box": [0, 0, 1, 1]}]}, car,
         {"label": "d\u00e4g", "exemplars": [exemplar]}],
        {"class.0.exemplars": tensor((2, 3), 0, 24), "class.2.exemplars": tensor((1, 3), 24, 36)}, 36)
    yield "not-a-bank", safetensors({"__metadata__": {"format": "pt"}})
    yield "no-metadata", safetensors({})
    for key, value in [("format", None), ("format", "dinor1-prompt-bank/2"), ("model_hash", None), ("model_hash", "abc"),
                       ("model_hash", HASH[::-1]), ("embedding_size", None), ("embedding_size", "0"),
                       ("embedding_size", "4"), ("embedding_size", "99999999999"), ("classes", None)]:
        yield f"{key}-{str(value)[-6:]}".replace("/", "-"), bank(**{"classes": [], key: value})
    for name, classes in [("empty", ""), ("comma", "[,]"), ("object", "{}"), ("deep", "[" * 3000), ("number", "[1]"),
                          ("no-label", [{"phrase": "x"}]), ("label-number", [{"label": 1, "phrase": "x"}]),
                          ("label-empty", [{"label": "", "phrase": "x"}]), ("label-control", [{"label": "\n", "phrase": "x"}]),
                          ("label-long", [{"label": "x" * 300, "phrase": "x"}]), ("neither", [{"label": "x"}]),
                          ("both", [{"label": "x", "phrase": "y", "exemplars": []}]), ("twice", [car, car]),
                          ("phrase-list", [{"label": "x", "phrase": []}]), ("exemplars-number", [{"label": "x", "exemplars": 1}]),
                          ("exemplars-none", [{"label": "x", "exemplars": []}]), ("no-tensor", [cup])]:
        yield "classes-" + name, bank(classes)
    yield "tensor-f16", bank([cup], {"class.0.exemplars": tensor((1, 3), 0, 6, "F16")}, 6)
    yield "tensor-flat", bank([cup], {"class.0.exemplars": tensor((3,), 0, 12)}, 12)
    yield "tensor-rows", bank([cup], {"class.0.exemplars": tensor((2, 3), 0, 24)}, 24)
    yield "tensor-unused", bank([], rows, 12)
    yield "tensor-nan", bank([cup], rows) + struct.pack("<3f", 1, float("nan"), 2)
    yield "label-twice", bank([cup, cup], {**rows, "class.1.exemplars": tensor((1, 3), 12, 24)}, 24)
    for name, changes in [("box-none", {"box": None}), ("box-short", {"box": [1, 2, 3]}), ("box-text", {"box": [1, 2, 3, "4"]}),
                          ("box-huge", {"box": [1, 2, 3, 1e300]}), ("frame-negative", {"frame": -1}), ("frame-real", {"frame": 1.5}),
                          ("source-number", {"source": 1})]:
        yield name, one(changes)


def vocabulary(*tokens, text="", end="\n"):
    """After the vocabulary a NUL and the text to encode."""
    return ("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *tokens]) + end + "\0" + text).encode()


def vocabulary_seeds():
    yield "good", vocabulary("[MASK]", "cat", "##s", "\u4e2d", ".", "e", text="Cats. caf\u00e9 \u4e2d\u56fd [MASK]e")
    yield "good-no-text", vocabulary("a", end="")
    yield "good-hashes", vocabulary("#", "##", "###", "####", "a", text="### a## #a# ##")
    yield "good-long-word", vocabulary("a", "##a", text="a" * 100 + " " + "a" * 101)
    yield "good-specials", vocabulary("[", "]", text="[CLS][SEP][[UNK]] [PAD [MASK] [C\u200bLS]")
    yield "good-whitespace", vocabulary("a", " ", text=" \t\r\n\u2028\u3000a\u0301\u00ad")
    yield "text-invalid-utf8", vocabulary("a") + b"\xff"
    yield "empty", b""
    yield "empty-line", vocabulary("a", "", "b")
    yield "carriage-return", vocabulary("a\r", "b\r")
    yield "invalid-utf8", b"[PAD]\n\xc3\n"
    yield "twice", vocabulary("a", "b", "a")
    yield "no-specials", b"a\nb\n"
    yield "overlong", vocabulary("a" * 513)


def coco(annotations=(), images=None, categories=None, results=None, **members):
    """After the annotations a NUL and the results, if there are any."""
    image = {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}
    text = json.dumps({"images": [image] if images is None else images,
                       "categories": [{"id": 5, "name": "cat"}] if categories is None else categories,
                       "annotations": list(annotations), **members})
    return (text + ("" if results is None else "\0" + json.dumps(results))).encode()


def coco_seeds():
    box = {"id": 2, "image_id": 7, "category_id": 5, "bbox": [10, 10, 20, 20.5], "area": 300, "iscrowd": 0}
    result = {"image_id": 7, "category_id": 5, "bbox": [11, 10, 20, 20], "score": 0.5}

    def changed(**members):
        return {**box, **members}

    yield "good", coco([box, changed(id=3, iscrowd=1)], results=[result, {**result, "score": 1}, {**result, "bbox": [0, 0, 0, 0]}])
    yield "good-lvis", coco(
        [box, changed(id=3, ignore=1, image_id=8)],
        [{"id": 8, "coco_url": "http://x/val/1.jpg", "neg_category_ids": [6], "not_exhaustive_category_ids": [5]},
         {"id": 7, "file_name": "clip.mp4#frame=3", "neg_category_ids": [], "not_exhaustive_category_ids": []}],
        [{"id": 5, "name": "cat", "frequency": "r"}, {"id": 6, "name": "dog", "frequency": "f"}],
        [result, {**result, "category_id": 6}, {**result, "image_id": 8}])
    yield "good-empty", coco(images=[], categories=[], results=[])
    yield "good-others", coco([changed(segmentation=[[1, 2, 3]], iscrowd=False)], info={"year": 2026}, licenses=[None, True])
    yield "good-id-0", coco([changed(id=0)], results=[result])
    yield "good-info", b'{"images":[],"categories":[]}'
    yield "empty", b""
    yield "list", b"[]\0{}"
    yield "unfinished", b'{"images":[{"id":1,"file_name":"\\'
    yield "deep", b'{"x":' + b"[" * 3000
    yield "twice", b'{"images":[],"images":[]}'
    yield "images-object", coco(images={})
    for name, image in [("none", None), ("no-id", {"file_name": "a"}), ("no-name", {"id": 1}), ("id-text", {"id": "1"}),
                        ("id-huge", {"id": 2**63}), ("width-real", {"id": 1, "width": 1.5}), ("height-huge", {"id": 1, "height": 2**31}),
                        ("fragment", {"id": 1, "file_name": "a#t=x"}), ("list-text", {"id": 1, "neg_category_ids": ["1"]}),
                        ("list-unknown", {"id": 1, "file_name": "a", "not_exhaustive_category_ids": [6, 5]})]:
        yield "image-" + name, coco(images=[image])
    yield "image-twice", coco(images=[{"id": 1, "file_name": "a"}] * 2)
    yield "category-twice", coco(categories=[{"id": 1, "name": "a"}] * 2)
    yield "category-frequency", coco(categories=[{"id": 1, "name": "a", "frequency": "rare"}])
    for name, members in [("image", {"image_id": 1}), ("category", {"category_id": 6}), ("short", {"bbox": [1, 2, 3]}),
                          ("text", {"bbox": "1"}), ("nan", {"bbox": [float("nan"), 0, 1, 1]}), ("infinite", {"area": float("-inf")}),
                          ("flat", {"bbox": [1, 1, 0, 1]}), ("negative", {"area": -1}), ("outside", {"bbox": [100, 0, 1, 1]}),
                          ("crowd", {"iscrowd": "1"}), ("huge", {"bbox": [-1e300, -1e300, 1e301, 1e301]}),
                          ("long", {"bbox": [0, 0, 1, int("1" * 70)]})]:
        yield "box-" + name, coco([changed(**members), box, box], results=[result])
    yield "box-number", coco([1])
    yield "box-none", coco([{}])
    for name, members in [("image", {"image_id": 1}), ("category", {"category_id": 6}), ("score", {"score": None}),
                          ("nan", {"score": float("nan")}), ("negative", {"bbox": [0, 0, -1, 1]}), ("box", {"bbox": {}})]:
        yield "result-" + name, coco([box], results=[{**result, **members}, result])


def train_config_seeds():
    yield "good", b"""# all kinds of values
model: m
output: "o"
data:
  train: {annotations: t.json, images: t}
  validation:
    annotations: 'v.json'
    images: v
seed: 18446744073709551615
learning_rate: 1e-4
schedule: cosine
milestones: [1, 2]
train:
  - all
  - model.decoder.*
recompute: true
grqo: {start: 0, alpha: 0.5, beta: 0, mute: 1}
keep: 1
"""
    for name, text in [
            ("empty", ""), ("scalar", "a"), ("list", "[a]"), ("unknown", "epoch: 1"), ("section", "grqo: 1"),
            ("section-unknown", "grqo: {a: 1}"), ("section-dot", "grqo.start: 1"), ("twice", "seed: 1\nseed: 1"),
            ("section-twice", "grqo: {start: 1}\ngrqo: {start: 1}"), ("anchor", "seed: &a 1"), ("alias", "seed: *a"),
            ("tag", "seed: !!int 1"), ("tab", "grqo:\n\tstart: 1"), ("document", "seed: 1\n---\nseed: 1"),
            ("open", "milestones: [1"), ("complex", "? [seed]\n: 1"), ("nested", "milestones: [[1]]"),
            ("mapping", "seed: {a: 1}"), ("none", "seed:"), ("milestones-falling", "milestones: [2, 1]"),
            ("milestones-many", "milestones: [1, 2, 3, 4, 5, 6, 7, 8, 9]"), ("milestones-none", "milestones: []"),
            ("train-none", "train: []"), ("train-many", "train: [%s]" % ", ".join(["a"] * 257)), ("long", "x" * 500 + ": 1"),
            ("long-characters", "x" + "\u00e9" * 300 + ": 1"), ("long-value", "epochs: x" + "\u00e9" * 300),
            ("negative", "epochs: -1"), ("zero", "epochs: 0"), ("huge", "epochs: 99999999999999999999"),
            ("nan", "learning_rate: nan"), ("space", "learning_rate: ' 1e-4'"), ("nul", 'model: "a\\0b"'),
            ("depth", "[" * 200)]:
        yield name, text.encode()
    yield "latin", b"model: \xe9"
    yield "cut", b"model: \xc3"


def set_list_seeds():
    one = "sets:\n- {name: a, annotations: a.json, images: i, prompts: b}\n"
    yield "good", (one + """- name: "b"
  annotations: /b.json
  images: 'i'
  train:
    annotations: t.json
    images: t
""").encode()
    for name, text in [
            ("same-image", "sets: [{name: a, annotations: a.json, images: i}]"), ("empty", ""), ("scalar", "sets"),
            ("other", "set: []"), ("none", "sets: []"), ("mapping", "sets: {name: a}"), ("word", "sets: [a]"),
            ("more", one + "more: 1"), ("document", one + "---\n" + one), ("twice", one + one[6:]), ("tab", "sets:\n\t- a"),
            ("unknown", "sets: [{nam: a}]"), ("key-twice", "sets: [{name: a, name: b}]"), ("list", "sets: [{name: [a]}]"),
            ("train", "sets: [{train: a}]"), ("train-unknown", "sets: [{train: {name: a}}]"),
            ("train-train", "sets: [{train: {train: {}}}]"), ("train-half", one[:-2] + ", train: {images: t}}"),
            ("both", one[:-2] + ", train: {annotations: t, images: t}}"), ("complex", "sets: [{? [a] : b}]"),
            ("alias", "sets: [*a]"), ("open", "sets: [{name: a"), ("nul", 'sets: [{name: "a\\0b"}]'), ("long", "a" * 3000)]:
        yield name, text.encode()
    yield "bytes", b"sets: [{\xff: 1}]"


TARGETS = {"safetensors": safetensors_seeds, "config": config_seeds, "bank": bank_seeds, "vocabulary": vocabulary_seeds,
           "coco": coco_seeds, "train_config": train_config_seeds, "set_list": set_list_seeds}


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
    wanted = {os.path.join(root, target, name): content for target, seeds in TARGETS.items() for name, content in seeds()}
    found = {os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names}
    if sys.argv[1:] == ["--check"]:
        stale = found ^ set(wanted) | {p for p in found & set(wanted) if open(p, "rb").read() != wanted[p]}
        for path in sorted(stale):
            print("not what make_seeds.py makes:", os.path.relpath(path, root))
        return 1 if stale else 0
    for path in found - set(wanted):
        os.remove(path)
    for path, content in wanted.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    print(len(wanted), "seeds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
