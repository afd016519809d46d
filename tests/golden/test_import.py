#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/tools/import_mmdet.py against imported/ (README.md). Usage: test_import.py plan|tool

plan: names, splits, orders and configuration, which need nothing but Python. tool: the program as it is used, which needs
the packages of models/tools/requirements.txt; skipped without. DINOR1_TEST_PYTHON names a Python that has them."""

import contextlib
import importlib.util
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
DATA = Path(__file__).resolve().parent / "imported" / "data"
TOOLS = Path(__file__).resolve().parents[2] / "models" / "tools"
NAMES = ("mmdet-text", "mmdet-prompts")
SKIPPED = 77
sys.path.insert(0, str(TOOLS))
from mmdet_plan import PlanError, derive_config, make_plan, merged_channels, target_shapes  # noqa: E402


def read(path):
    """name -> (shape, values as stored) of a safetensors file of fp16 and int64."""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    tensors = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            size = {"F16": 2, "I64": 8}[entry["dtype"]]
            data = content[start + first : start + last]
            tensors[name] = (tuple(entry["shape"]), [data[i : i + size] for i in range(0, len(data), size)])
    return tensors


def options(name):
    return json.loads((DATA / "mmdet" / f"{name}.json").read_text())


def ignored(name):
    return ["language_model.*", "text_feat_map.*"] if "--no-text" in options(name)["options"] else []


def take(piece, shape, values):
    """The piece of a tensor, row by row."""
    columns = shape[-1] if shape else 1
    rows = [values[i : i + columns] for i in range(0, len(values), columns)]
    if piece.rows:
        per_row = len(rows) // shape[0] if len(shape) > 1 else 1
        if len(shape) > 1:
            rows = rows[piece.rows[0] * per_row : piece.rows[1] * per_row]
        else:
            rows = [rows[0][piece.rows[0] : piece.rows[1]]]
    order = piece.order or range(len(rows[0]))
    return [row[i] for row in rows for i in order]


class Plan(unittest.TestCase):
    """Python alone."""

    def plan(self, name, change=None):
        shapes = {source: shape for source, (shape, _) in read(DATA / "mmdet" / f"{name}.safetensors").items()}
        if change:
            change(shapes)
        plan = make_plan(shapes, ignored(name))
        return plan, target_shapes(plan, shapes)

    def test_every_tensor_arrives_bit_by_bit(self):
        for name in NAMES:
            source = read(DATA / "mmdet" / f"{name}.safetensors")
            expected = read(DATA / "models" / name / "model.safetensors")
            plan, shapes = self.plan(name)
            self.assertEqual(plan.unknown, [])
            self.assertEqual(plan.pieces.keys(), expected.keys())
            for target, piece in plan.pieces.items():
                self.assertEqual([n for n in shapes[target] if n != 1], [n for n in expected[target][0] if n != 1], target)
                self.assertEqual(take(piece, *source[piece.source]), expected[target][1], target)

    def test_every_source_is_used_or_dropped(self):
        for name in NAMES:
            plan, _ = self.plan(name)
            used = {piece.source for piece in plan.pieces.values()}
            self.assertEqual(used | plan.dropped.keys(), read(DATA / "mmdet" / f"{name}.safetensors").keys())
            self.assertFalse(used & plan.dropped.keys())

    def test_configuration(self):
        for name in NAMES:
            _, shapes = self.plan(name)
            written = json.loads((DATA / "models" / name / "config.json").read_text())
            self.assertEqual(derive_config(shapes, options(name)["config"]), written)

    def test_published_points_and_heads_are_assumed(self):
        _, shapes = self.plan("mmdet-text")
        config = derive_config(shapes, {})
        self.assertEqual((config["encoder_n_points"], config["encoder_attention_heads"]), (4, 2))
        config = derive_config(shapes, {"encoder_attention_heads": 4})
        self.assertEqual((config["encoder_n_points"], config["encoder_attention_heads"]), (2, 4))

    def test_patch_merging(self):
        # two channels: mmdetection has (channel, row, column), transformers (column, row, channel)
        mmdet = [(c, row, column) for c in range(2) for row in range(2) for column in range(2)]
        joined = [(c, row, column) for column in range(2) for row in range(2) for c in range(2)]
        self.assertEqual([mmdet[i] for i in merged_channels(8)], joined)

    def test_unknown_names(self):
        for stranger in ("bbox_head.cls_branches.0.log_scale", "backbone.absolute_pos_embed", "bbox_head.reg_branches.9.0.bias",
                         "encoder.layers.0.norms.2.weight", "xbackbone.norm1.weight", "level_embed.weight"):  # fmt: skip
            plan, _ = self.plan("mmdet-text", lambda shapes: shapes.update({stranger: (1,)}))
            self.assertEqual(plan.unknown, [stranger])

    def test_what_the_configuration_needs_is_named(self):
        def without_levels(shapes):
            del shapes["level_embed"]

        _, shapes = self.plan("mmdet-text", without_levels)
        with self.assertRaisesRegex(PlanError, "model.level_embed"):
            derive_config(shapes, {})

    def test_two_of_a_name(self):
        def again(shapes):  # the third convolution is the first extra one
            shapes["neck.convs.2.conv.bias"] = shapes["neck.extra_convs.0.conv.bias"]
            del shapes["neck.convs.1.conv.bias"], shapes["neck.convs.1.conv.weight"]
            shapes["neck.extra_convs.1.conv.bias"] = shapes.pop("neck.extra_convs.0.conv.bias")
            shapes["backbone.norm01.bias"] = shapes["backbone.norm1.bias"]

        with self.assertRaisesRegex(PlanError, "both become"):
            self.plan("mmdet-text", again)


class OfTrainingLogs:
    """Stands for mmengine's HistoryBuffer, by its module and name."""

    def __init__(self):
        self.values = [1.0]


class Tool(unittest.TestCase):
    """The program, which needs PyTorch."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.work = Path(place.name)

    def load(self, name):
        from safetensors.torch import load_file
        return load_file(DATA / "mmdet" / f"{name}.safetensors")

    def run_tool(self, *arguments):
        """The program in this process, which has loaded PyTorch already."""
        import import_mmdet
        said, complained = io.StringIO(), io.StringIO()
        code = 0
        with mock.patch.object(sys, "argv", ["import_mmdet.py", *map(str, arguments)]), \
                contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):  # fmt: skip
            try:
                import_mmdet.main()
            except SystemExit as end:
                code = 1 if isinstance(end.code, str) else end.code
                complained.write(str(end.code))
        return types.SimpleNamespace(returncode=code, stdout=said.getvalue(), stderr=complained.getvalue())

    def convert(self, content, *more, name="mmdet-prompts"):
        """Saves content and imports it."""
        import torch
        torch.save(content, self.work / "in.pth")
        (self.work / "over.json").write_text(json.dumps(options(name)["config"]))
        given = [str(DATA / "models" / name / option) if option == "vocab.txt" else option
                 for option in options(name)["options"]]
        return self.run_tool(self.work / "in.pth", self.work / "out", "--config", self.work / "over.json", *given, *more)

    def accepts(self, content, *more, name="mmdet-prompts"):
        done = self.convert(content, *more, name=name)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = DATA / "models" / name
        self.assertEqual(sorted(os.listdir(self.work / "out")), sorted(os.listdir(expected)))
        for file in expected.iterdir():
            self.assertEqual((self.work / "out" / file.name).read_bytes(), file.read_bytes(), file.name)
        return done

    def refuses(self, content, message, *more, name="mmdet-prompts"):
        done = self.convert(content, *more, name=name)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, message)
        self.assertEqual(sorted(os.listdir(self.work)), ["in.pth", "over.json"])

    def test_bare(self):
        self.accepts(self.load("mmdet-prompts"))

    def test_with_text(self):
        self.accepts({"state_dict": self.load("mmdet-text")}, name="mmdet-text")

    def test_wrapped(self):
        self.accepts({"meta": {"epoch": 1}, "state_dict": {f"module.{n}": t for n, t in self.load("mmdet-prompts").items()}})

    def test_average(self):
        import torch
        state = self.load("mmdet-prompts")
        average = {f"module.{n}": t for n, t in state.items()} | {"steps": torch.tensor(1)}
        other = {n: t + 1 for n, t in state.items()}
        self.accepts({"state_dict": other, "ema_state_dict": average}, "--key", "ema_state_dict")

    def test_averages_beside(self):
        state = self.load("mmdet-prompts")
        self.accepts({"state_dict": state | {"ema_backbone_norm1_weight": state["backbone.norm1.weight"]}})

    def test_of_training(self):
        import numpy
        history = types.ModuleType("mmengine.logging.history_buffer")
        OfTrainingLogs.__module__, OfTrainingLogs.__qualname__ = history.__name__, "HistoryBuffer"
        history.HistoryBuffer = OfTrainingLogs
        for package in ("mmengine", "mmengine.logging"):
            sys.modules[package] = types.ModuleType(package)
        sys.modules[history.__name__] = history
        log = OfTrainingLogs()
        log.values = numpy.arange(3.0)
        self.accepts({"state_dict": self.load("mmdet-prompts"), "message_hub": {"loss": log, "lr": numpy.float64(1e-4)}})

    def test_single_precision(self):
        from safetensors.torch import load_file
        import torch
        subprocess.run([sys.executable, "-B", TOOLS / "import_mmdet.py", DATA / "mmdet" / "mmdet-prompts.safetensors",
                        self.work / "out", "--no-text"], check=True, capture_output=True)  # fmt: skip
        expected = load_file(DATA / "models" / "mmdet-prompts" / "model.safetensors")
        for name, tensor in load_file(self.work / "out" / "model.safetensors").items():
            self.assertEqual(tensor.dtype, torch.float32)
            self.assertTrue(torch.equal(tensor, expected[name].float()), name)

    def test_code_is_not_run(self):
        self.refuses({"state_dict": self.load("mmdet-prompts"), "hook": print}, "Unsupported global: GLOBAL .*print")

    def test_unknown(self):
        import torch
        self.refuses(self.load("mmdet-prompts") | {"lmm.weight": torch.zeros(1)}, r"unknown tensors.*\n  lmm\.weight")

    def test_unknown_ignored(self):
        import torch
        self.accepts(self.load("mmdet-prompts") | {"lmm.weight": torch.zeros(1)}, "--ignore", "lmm.*")

    def test_missing(self):
        state = self.load("mmdet-prompts")
        del state["visual_query_embedding.weight"], state["decoder.norm.bias"]
        self.refuses(state, r"missing \(2\):\n  model.decoder.layer_norm.bias\n"
                            r"  model.visual_prompt_encoder.visual_query_embedding.weight")  # fmt: skip

    def test_wrong_shape(self):
        state = self.load("mmdet-prompts")
        state["memory_trans_fc.bias"] = state["memory_trans_fc.bias"][:-1].clone()
        self.refuses(state, r"memory_trans_fc.bias \[63\]: model.enc_output.bias is \[64\]")

    def test_not_finite(self):
        state = self.load("mmdet-prompts")
        state["memory_trans_fc.bias"][3] = float("nan")
        self.refuses(state, "memory_trans_fc.bias: has values that are not finite")

    def test_too_large_for_half(self):
        state = self.load("mmdet-prompts")
        state["memory_trans_fc.bias"] = state["memory_trans_fc.bias"].float() * 1e9
        self.refuses(state, "memory_trans_fc.bias: has values that are too large for float16")

    def test_other_position_index(self):
        state = self.load("mmdet-prompts")
        name = "backbone.stages.1.blocks.0.attn.w_msa.relative_position_index"
        state[name] = state[name].t().contiguous()
        self.refuses(state, f"{name}: not Swin's numbering")

    def test_nothing_of_the_kind(self):
        self.refuses({"state_dict": {}}, "holds no tensors")
        self.refuses([1, 2], "holds a list, not named tensors")
        self.refuses({"optimizer": {"state": {}}}, "--key")
        self.refuses(self.load("mmdet-prompts"), "has no weights under 'ema'", "--key", "ema")

    def test_impossible_configuration(self):
        (self.work / "better.json").write_text('{"encoder_attention_heads": 5}')
        done = self.convert(self.load("mmdet-prompts"), "--config", str(self.work / "better.json"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "no model has this configuration")

    def test_vocabulary_of_other_length(self):
        (self.work / "words.txt").write_text("a\nb\n")
        done = self.convert(self.load("mmdet-text"), "--vocab", str(self.work / "words.txt"), name="mmdet-text")
        self.assertRegex(done.stderr, "has 2 words, the checkpoint's text encoder 1100")
        self.assertFalse((self.work / "out").exists())

    def test_directory_is_kept(self):
        (self.work / "out").mkdir()
        (self.work / "out" / "mine").write_text("mine")
        done = self.convert(self.load("mmdet-prompts"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "is there already")
        self.assertEqual(os.listdir(self.work / "out"), ["mine"])

    def test_not_a_checkpoint(self):
        (self.work / "in.pth").write_bytes(b"nothing of the kind")
        for path, message in ((self.work / "in.pth", "cannot be read as tensors alone"), (self.work / "no.pth", "No such file")):
            done = self.run_tool(path, self.work / "out")
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, message)


def main():
    other = os.environ.get("DINOR1_TEST_PYTHON")
    if sys.argv[1] == "tool":
        if other and other != sys.executable:
            os.environ.pop("DINOR1_TEST_PYTHON")
            os.execv(other, [other, *sys.argv])
        missing = [name for name in ("torch", "transformers", "safetensors") if not importlib.util.find_spec(name)]
        if missing:
            print(f"skipped: {sys.executable} has no {', '.join(missing)}")
            sys.exit(SKIPPED)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase({"plan": Plan, "tool": Tool}[sys.argv[1]])
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())


if __name__ == "__main__":
    main()
