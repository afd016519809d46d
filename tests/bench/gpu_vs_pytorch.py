#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times `dinor1 bench` on a GPU against transformers + PyTorch on the same GPU: the same Swin-T sized weights (random),
the same input sizes, 4 prompt tokens, batch 1. Prints Markdown tables between the lines "table:" and "end".

    pip install -r tests/bench/requirements.txt
    python3 tests/bench/gpu_vs_pytorch.py --dinor1 build-gpu/companion/dinor1 --device cuda

Ours begins with an NV12 picture in the host's memory and ends with boxes there. Theirs begins with the finished tensor on
the GPU, which is less, and ends with boxes in the host's memory. It runs eagerly in fp16 (all of the model, or by
autocast) and through torch.compile, with CUDA graphs where that works; the fastest of each counts, also one that
overflows: "(NaN)" says that not all of its scores are numbers.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "models" / "tools"), str(ROOT / "tests" / "golden"), str(ROOT / "tests" / "bench")]
from vs_transformers import MAIN_SIZES, PROMPTS, folder_for_size, make_checkpoint  # noqa: E402

THEIRS = ("eager fp16", "eager autocast", "compile fp16")
OURS = ("fp16", "bf16", "tf32", "fp32")
TARGETS = {"eager": 8, "compile": 4}  # how many times faster ours is to be


# --- PyTorch -----------------------------------------------------------------------------------------------------


def let_run_in_half(published):
    """Three places of the published code compute in float32 whatever the model's type is; their results are cast."""
    import torch

    def casting(function):
        return lambda *args, **kwargs: function(*args, **kwargs).to(torch.float16)

    published.get_sine_pos_embed = casting(published.get_sine_pos_embed)
    position, attention = published.MMGroundingDinoSinePositionEmbedding, published.MultiScaleDeformableAttention
    position.forward = casting(position.forward)
    attend = attention.forward
    attention.forward = lambda self, value, shapes, shapes_list, start, locations, weights, step: attend(
        self, value, shapes, shapes_list, start, locations.to(value.dtype), weights.to(value.dtype), step)


def load(folder, device, half):
    import torch
    import transformers
    if not transformers.__version__.startswith("4.57."):
        sys.exit(f"transformers {transformers.__version__}: the model is written for 4.57 (tests/bench/requirements.txt)")
    from dino_r1 import published
    from make_random import build
    from safetensors.torch import load_file
    model = build(json.loads((folder / "config.json").read_text()))
    result = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    if half:
        let_run_in_half(published)
        model = model.half()
    return model.to(device)


def make_call(model, mode, device, width, height):
    """What detects once: from the tensor on the device to 300 boxes and scores in the host's memory."""
    import torch
    half = "fp16" in mode
    dtype = torch.float16 if half else torch.float32
    pixels = torch.randn(1, 3, height, width, device=device, dtype=dtype)
    mask = torch.ones(1, height, width, dtype=torch.long, device=device)
    tokens = torch.randn(1, PROMPTS, model.config.d_model, device=device, dtype=dtype)
    itself = torch.eye(PROMPTS, dtype=torch.bool, device=device)[None]
    ids = torch.ones(1, PROMPTS, dtype=torch.long, device=device)
    replaced = model._tokens_in_place_of_text(tokens, itself, 0 * ids)
    replaced.__enter__()

    def run():
        out = model(pixel_values=pixels, pixel_mask=mask, input_ids=ids)
        scores = out.logits[0, :, :PROMPTS].float().sigmoid()
        best, index = scores.flatten().topk(300)
        return best, out.pred_boxes[0].float()[index // PROMPTS], index % PROMPTS

    if mode.startswith("compile"):
        run = torch.compile(run, mode="reduce-overhead" if device != "cpu" else None)

    def call(kept=replaced):  # which would end with its last reference
        with torch.inference_mode(), torch.autocast(device.split(":")[0], dtype=torch.float16, enabled=not half):
            return [tensor.cpu() for tensor in run()]

    return call


def time_theirs(folder, width, height, mode, device, runs):
    """Child process: prints the seconds of each call."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    call = make_call(load(folder, device, "fp16" in mode), mode, device, width, height)
    start = time.perf_counter()
    for _ in range(min(5, runs)):
        scores = call()[0]
    warm_up, seconds = time.perf_counter() - start, []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(seconds), "best": min(seconds), "warm_up": warm_up,
                      "finite": bool(scores.isfinite().all())}))


def measure_device(device):
    """Child process: what the device reaches, FLOP/s of a large fp16 product and bytes/s of a large copy."""
    import torch
    cpu = device == "cpu"
    n = 512 if cpu else 8192
    a, b = (torch.randn(n, n, device=device, dtype=torch.float16) for _ in range(2))
    x = torch.randn((1 << 20) if cpu else (1 << 30), device=device)
    y = torch.empty_like(x)

    def best(run, times=10):
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            run()
            if not cpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    print(json.dumps({"flops": 2 * n ** 3 / best(lambda: a @ b),
                      "bytes": 2 * x.numel() * 4 / best(lambda: y.copy_(x))}))


# --- the comparison ----------------------------------------------------------------------------------------------


def run_json(command, timeout):
    """What a command prints, or None with a line on standard error: one side that fails must not hide the others."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        print(f"took more than {timeout} s: {' '.join(command)}", file=sys.stderr)
        return None
    if result.returncode != 0:
        print(f"{' '.join(command)}: exit status {result.returncode}\n{result.stderr[-1500:]}", file=sys.stderr)
        return None
    return json.loads(result.stdout[result.stdout.index("{"):])


def measure(args, folder, size):
    width, height = size
    sized = str(folder_for_size(folder, *size))
    row = {"size": size, "theirs": {}, "ours": {}}
    for precision in args.precisions:
        row["ours"][precision] = run_json(
            [str(args.dinor1), "bench", "--model", sized, "--size", f"{width}x{height}", "--format", "nv12", "--prompts",
             str(PROMPTS), "--runs", str(args.runs), "--device", args.device, "--precision", precision, "--json"], 120)
    for mode in args.modes:
        row["theirs"][mode] = run_json(
            [sys.executable, __file__, "--theirs", sized, f"{width}x{height}", mode, args.torch_device, str(args.runs)],
            args.compile_timeout)
    return row


def fastest(results, prefix=""):
    """The least median seconds among those whose name begins so; None if there are none."""
    times = [one["seconds"] if "seconds" in one else one["median_ms"] / 1e3
             for name, one in results.items() if one and name.startswith(prefix)]
    return min(times, default=None)


def cell(seconds):
    return f"{seconds * 1e3:.2f}" if seconds else "-"


def their_cell(one):
    return cell(one and one["seconds"]) + ("" if not one or one["finite"] else " (NaN)")


def times_table(rows):
    names = list(rows[0]["theirs"]) + ["ours " + name for name in rows[0]["ours"]]
    yield "| input | " + " | ".join(names) + " | eager / ours | compile / ours |"
    yield "| --- |" + " ---: |" * (len(names) + 2)
    for row in rows:
        ours = fastest(row["ours"])
        cells = [their_cell(one) for one in row["theirs"].values()]
        cells += [cell(one and one["median_ms"] / 1e3) for one in row["ours"].values()]
        ratios = []
        for kind, target in TARGETS.items():
            theirs = fastest(row["theirs"], kind)
            ratios.append(f"{theirs / ours:.1f} (target {target})" if theirs and ours else "-")
        yield f"| {row['size'][0]}x{row['size'][1]} | " + " | ".join(cells + ratios) + " |"


def floors_table(row, ceilings):
    """Each kind of op of the fastest precision against the larger of its two floors."""
    names = [name for name, one in row["ours"].items() if one]
    name = min(names, key=lambda n: row["ours"][n]["median_ms"])
    result = row["ours"][name]
    yield ""
    yield (f"{name}, {row['size'][0]}x{row['size'][1]}, against {ceilings['flops'] / 1e12:.0f} TFLOP/s (fp16) and "
           f"{ceilings['bytes'] / 1e12:.2f} TB/s, measured here; ops one by one, so that their sum is above a frame's "
           f"{result['median_ms']:.2f} ms:")
    yield ""
    yield "| op | nodes | GMAC | MiB | ms | floor ms | times the floor | bound by |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for op in result["ops"]:
        flops, data = 2e9 * op["gmac"] / ceilings["flops"], op["bytes"] / ceilings["bytes"]
        floor = max(flops, data)
        if floor > 0 and "ms" in op:
            yield (f"| {op['name']} | {op['nodes']} | {op['gmac']:.2f} | {op['bytes'] / 2**20:.1f} | {op['ms']:.3f} "
                   f"| {floor * 1e3:.3f} | {op['ms'] / 1e3 / floor:.1f} | {'FLOP' if flops > data else 'bytes'} |")


def report(rows, ceilings):
    print("table:")
    print("ms per frame, median:\n")
    print("\n".join(times_table(rows)))
    for row in rows:
        if ceilings and any(row["ours"].values()):
            print("\n".join(floors_table(row, ceilings)))
    print("end")
    parts = []
    for row in rows:
        ours, eager, compiled = fastest(row["ours"]), fastest(row["theirs"], "eager"), fastest(row["theirs"], "compile")
        parts.append(f"{row['size'][0]}x{row['size'][1]}: ours {cell(ours)} ms, eager {cell(eager)}, "
                     f"compile {cell(compiled)}")
    print("detail: " + "; ".join(parts))


def main():
    if sys.argv[1:2] == ["--make"]:
        return make_checkpoint(pathlib.Path(sys.argv[2]))
    if sys.argv[1:2] == ["--theirs"]:
        folder, size, mode, device, runs = sys.argv[2:]
        return time_theirs(pathlib.Path(folder), *map(int, size.split("x")), mode, device, int(runs))
    if sys.argv[1:2] == ["--ceilings"]:
        return measure_device(sys.argv[2])
    parser = argparse.ArgumentParser(description="Times dinor1 against transformers on a GPU.")
    parser.add_argument("--dinor1", type=pathlib.Path, default=ROOT / "build-gpu" / "companion" / "dinor1")
    parser.add_argument("--device", default="cuda", help="ours")
    parser.add_argument("--torch-device", default="cuda", help="theirs; cpu to try this without a GPU")
    parser.add_argument("--runs", type=int, default=100, help="timed frames")
    parser.add_argument("--size", action="append", help="WIDTHxHEIGHT instead of the two of the report")
    parser.add_argument("--modes", nargs="*", default=THEIRS, choices=THEIRS)
    parser.add_argument("--precisions", nargs="*", default=OURS, choices=OURS)
    parser.add_argument("--compile-timeout", type=int, default=150, help="seconds for one side, compilation included")
    args = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in args.size] if args.size else MAIN_SIZES
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([sys.executable, __file__, "--make", name], check=True)
        ceilings = run_json([sys.executable, __file__, "--ceilings", args.torch_device], 60)
        rows = [measure(args, folder, size) for size in sizes]
    report(rows, ceilings)
    complete = all(one for row in rows for side in ("ours", "theirs") for one in row[side].values())
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    main()
