#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a model directory of an mmdetection checkpoint of MM-Grounding-DINO or DINO-R1.

The configuration is read from the tensors' shapes. Every tensor must find its place and every place its tensor, or
nothing is written; what training alone needs (denoising labels, contrastive scale) is left out and said.

    pip install -r models/tools/requirements.txt
    python3 models/tools/import_mmdet.py grounding_dino_swin-t.pth models/mm-tiny --vocab vocab.txt
    dinor1 detect clip.mp4 --model models/mm-tiny --text 'person=a person'
"""
import argparse
import collections
import json
import os
import pathlib
import pickle
import shutil
import sys
import tempfile

import numpy
import torch

from mmdet_plan import PREPROCESSOR, PlanError, derive_config, make_plan, target_shapes, without_wrapper
from model_directory import build, save, stored, umask

MADE_BY = "models/tools/import_mmdet.py"
KEYS = ("state_dict", "model", "model_state_dict")  # where the weights of a checkpoint are, first found first taken
EPILOG = """\
Known are the names of mmdetection 3.x and, for the visual prompt encoder, of the DINO-R1 authors' published code; their
weights are not published yet. Should those have other names, PROMPT_MODULES in mmdet_plan.py is the table to change.

Not in the shapes, so taken as published unless --config says otherwise: 4 sampling points per head and level, BERT heads
64 wide, max_text_len 256, position temperature 20, pictures of 800 to 1333 pixels. --config takes a JSON object of
config.json's fields, for instance {"encoder_n_points": 8, "text_config": {"num_attention_heads": 4}}."""


# --- reading -------------------------------------------------------------------------------------------------------


class HistoryBuffer:
    """Takes the place of mmengine's log entries in a checkpoint of training, which are of no use here."""

    def __setstate__(self, state):
        pass


def harmless():
    """What a checkpoint of training may hold beside tensors: numbers of numpy and the log."""
    core = getattr(numpy, "_core", None) or numpy.core
    found = [numpy.ndarray, numpy.dtype, (HistoryBuffer, "mmengine.logging.history_buffer.HistoryBuffer")]
    found += [type(numpy.dtype(code)) for code in "?bBhHiIlLqQefd"]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found += [(core.multiarray._reconstruct, f"{module}._reconstruct"), (core.multiarray.scalar, f"{module}.scalar")]
    return found


def load(path):
    """A .pth file without running code from it, or a .safetensors file."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file
        return load_file(path)
    try:
        with torch.serialization.safe_globals(harmless()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        reason = str(error).strip() or type(error).__name__
        refused = reason.find("Unsupported global")
        reason = reason[refused:] if refused >= 0 else reason
        raise PlanError(f"cannot be read as tensors alone: {reason.splitlines()[0]}") from error


def is_zip(path):
    """PyTorch can map only its present format, which is a ZIP file."""
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def find_state(content, key):
    """The weights of a checkpoint by their names in the bare model."""
    if not isinstance(content, dict):
        raise PlanError(f"holds a {type(content).__name__}, not named tensors")
    if key:
        if not isinstance(content.get(key), dict):
            raise PlanError(f"has no weights under '{key}'; there are: {', '.join(map(str, content))}")
        content = content[key]
    else:
        content = next((content[name] for name in KEYS if isinstance(content.get(name), dict)), content)
    state = {}
    for name, tensor in content.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        plain = without_wrapper(name)
        if plain in state:
            raise PlanError(f"{name}: another tensor has this name without its wrapper")
        state[plain] = tensor
    if not state:
        raise PlanError("holds no tensors; --key names what holds the weights")
    return state


# --- checking and converting -----------------------------------------------------------------------------------------


def listed(title, lines):
    return [f"{title} ({len(lines)}):", *(f"  {line}" for line in lines)] if lines else []


def check_places(plan, shapes, settings):
    """Every source known, every place filled, every shape right; says all that is wrong at once."""
    try:
        with torch.device("meta"):
            expected = {name: tuple(tensor.shape) for name, tensor in stored(build(settings).state_dict()).items()}
    except ValueError as error:
        raise PlanError(f"no model has this configuration, --config may say better: {error}") from error
    found = target_shapes(plan, shapes)
    wrong = [f"{plan.pieces[name].source} {list(shape)}: {name} is {list(expected[name])}"
             for name, shape in sorted(found.items()) if name in expected and squeezed(shape) != squeezed(expected[name])]
    problems = [
        *listed("unknown tensors, --ignore PATTERN leaves them out", plan.unknown),
        *listed("tensors of no such model", [f"{plan.pieces[name].source} ({name})"
                                             for name in sorted(found) if name not in expected]),
        *listed("missing", sorted(expected.keys() - found.keys())),
        *listed("wrong shapes, --config may say better", wrong),
    ]
    if problems:
        raise PlanError("\n".join(problems))
    return expected


def squeezed(shape):
    """One number is stored as [1] or as []."""
    return () if tuple(shape) == (1,) else tuple(shape)


def check_position_index(state):
    """Swin's index of a pair of positions in a window: (dy + w - 1)(2 w - 1) + dx + w - 1, as C computes it too."""
    for name, index in state.items():
        if not name.endswith(".relative_position_index"):
            continue
        window = round(index.shape[0] ** 0.5)
        at = torch.arange(window * window)
        apart = [(along[:, None] - along[None, :]) + window - 1 for along in (at // window, at % window)]
        if index.shape != (window**2, window**2) or not torch.equal(index.long(), apart[0] * (2 * window - 1) + apart[1]):
            raise PlanError(f"{name}: not Swin's numbering of positions")


def take(state, piece, shape, dtype):
    tensor = state[piece.source]
    if piece.rows:
        tensor = tensor[piece.rows[0] : piece.rows[1]]
    if piece.order:
        tensor = tensor[..., piece.order]
    result = tensor.to(dtype).reshape(shape).contiguous().clone()
    if not torch.isfinite(result).all():
        why = f"too large for {str(dtype)[6:]}" if torch.isfinite(tensor).all() else "not finite"
        raise PlanError(f"{piece.source}: has values that are {why}")
    return result


def convert(state, plan, expected, dtype):
    """The tensors of model.safetensors by name."""
    check_position_index(state)
    return {name: take(state, plan.pieces[name], shape, dtype) for name, shape in expected.items()}


# --- writing -------------------------------------------------------------------------------------------------------


def check_vocabulary(path, settings):
    text = settings.get("text_config")
    if not text:
        raise PlanError(f"{path}: of no use, the checkpoint has no text encoder")
    lines = path.read_bytes().rstrip(b"\n").count(b"\n") + 1
    if lines != text["vocab_size"]:
        raise PlanError(f"{path}: has {lines} words, the checkpoint's text encoder {text['vocab_size']}")


def write(directory, settings, tensors, vocabulary):
    """All files into a directory beside, which then takes the name: there is never half a model."""
    parent = directory.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=parent))
    try:
        beside.chmod(0o777 & ~umask())
        for name, content in (("config.json", settings), ("preprocessor_config.json", PREPROCESSOR)):
            (beside / name).write_text(json.dumps(content, indent=2) + "\n")
        if vocabulary:
            shutil.copyfile(vocabulary, beside / "vocab.txt")
            (beside / "tokenizer_config.json").write_text('{\n  "do_lower_case": true\n}\n')
        save(tensors, beside / "model.safetensors", MADE_BY)
        os.replace(beside, directory)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def read_overrides(path):
    try:
        content = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise PlanError(f"{path}: line {error.lineno}: {error.msg}") from error
    if not isinstance(content, dict):
        raise PlanError(f"{path}: must be a JSON object of config.json's fields")
    return content


def report(plan, settings, tensors, args):
    for (pattern, reason), count in collections.Counter(plan.dropped.values()).items():
        print(f"left out: {pattern}, {count} tensor{'s' * (count > 1)}: {reason}")
    if settings.get("text_config") and not args.vocab:
        print("note: without --vocab there is no vocab.txt, and so no --text", file=sys.stderr)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    print(f"{args.directory}: {settings['model_type']}, {len(tensors)} tensors, {parameters} parameters")


def run(args):
    if args.directory.exists() and (not args.directory.is_dir() or any(args.directory.iterdir())):
        raise PlanError(f"{args.directory}: is there already; name a new directory")
    over = read_overrides(args.config) if args.config else {}
    try:
        state = find_state(load(args.checkpoint), args.key)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        no_text = ["language_model.*", "text_feat_map.*"] if args.no_text else []
        plan = make_plan(shapes, [*args.ignore, *no_text])
        settings = derive_config(target_shapes(plan, shapes), over)
        if args.no_text and settings["model_type"] != "dino-r1":
            raise PlanError("only a DINO-R1 can do without its text encoder")
        expected = check_places(plan, shapes, settings)
        tensors = convert(state, plan, expected, torch.float16 if args.half else torch.float32)
    except PlanError as error:
        raise PlanError(f"{args.checkpoint}: {error}") from error
    if args.vocab:
        check_vocabulary(args.vocab, settings)
    write(args.directory, settings, tensors, args.vocab)
    report(plan, settings, tensors, args)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n    pip")[0], epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path, help="a .pth file (or its tensors as .safetensors)")
    parser.add_argument("directory", type=pathlib.Path, help="made anew, with config.json, model.safetensors, …")
    parser.add_argument("--config", type=pathlib.Path, metavar="FILE", help="JSON with fields that replace the derived ones")
    parser.add_argument("--vocab", type=pathlib.Path, metavar="FILE",
                        help="vocab.txt of the text encoder (bert-base-uncased's), needed to search by words")
    parser.add_argument("--no-text", action="store_true", help="leave out the text encoder of a DINO-R1")
    parser.add_argument("--half", action="store_true", help="store as fp16")
    parser.add_argument("--key", help="what of the checkpoint holds the weights (default: state_dict or model)")
    parser.add_argument("--ignore", action="append", default=[], metavar="PATTERN",
                        help="leave out tensors whose name matches, with * for anything; may be repeated")
    args = parser.parse_args()
    try:
        run(args)
    except (PlanError, OSError) as error:
        sys.exit(f"import_mmdet: {error}")


if __name__ == "__main__":
    main()
