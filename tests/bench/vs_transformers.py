#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times `dinor1 bench` against transformers + PyTorch on the CPU: the same Swin-T sized weights (random), the same
input sizes, 4 prompt tokens, the same threads, in one run on one machine. Writes a Markdown table.

    pip install -r tests/bench/requirements.txt
    python3 tests/bench/vs_transformers.py --dinor1 build/companion/dinor1

Every measurement is a process of its own; the two sides take turns; the fastest run of each counts. Both run the
published MM-Grounding-DINO forward pass on 4 given prompt embeddings; neither computes a text encoder.
"""
import argparse
import ctypes
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "tools"))
MAIN_SIZES = [(1333, 800), (960, 544)]
CURVE_SIZES = [(320, 192), (480, 288), (640, 384), (800, 480), (1067, 640), (1333, 800)]
PROMPTS = 4
SWIN_T = dict(
    model_type="dino-r1", trained=False,
    backbone_config=dict(model_type="swin", embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24],
                         window_size=7, out_indices=[2, 3, 4]),
    d_model=256, num_queries=900, num_feature_levels=4,
    encoder_layers=6, encoder_ffn_dim=2048, encoder_attention_heads=8,
    decoder_layers=6, decoder_ffn_dim=2048, decoder_attention_heads=8)


def make_checkpoint(folder):
    """Child process: the weights, in fp32, with the names that both sides read."""
    import torch
    from make_random import make
    from safetensors.torch import save_file
    (folder / "config.json").write_text(json.dumps(SWIN_T))
    save_file(make(SWIN_T, seed=1, dtype=torch.float32), folder / "model.safetensors")


def time_theirs(folder, width, height, threads, runs):
    """Child process: prints the seconds of each forward pass."""
    import torch
    from make_random import build
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    model = build(json.loads((folder / "config.json").read_text()))
    result = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    pixels, mask = torch.randn(1, 3, height, width), torch.ones(1, height, width, dtype=torch.long)
    prompts = torch.randn(PROMPTS, model.config.d_model)
    seconds = []
    with torch.inference_mode():
        for _ in range(runs + 1):
            start = time.perf_counter()
            model.detect(pixels, mask, visual=prompts)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds[1:])}))


def run_measured(command):
    """Runs a command that prints JSON; returns it with the process's peak memory in MiB.

    A child's maximum starts at what its parent had resident at the fork, so this process never loads torch before the
    last measurement.
    """
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{shlex.join(command)}: exit status {child.returncode}")
        output.seek(0)
        return json.load(output) | {"peak_mib": usage.ru_maxrss / 1024}


def folder_for_size(folder, width, height):
    """A model directory with the same weights that takes pictures of this size as they are."""
    sized = folder / f"{width}x{height}"
    if not sized.exists():
        sized.mkdir()
        (sized / "config.json").write_text((folder / "config.json").read_text())
        (sized / "preprocessor_config.json").write_text(json.dumps(
            dict(size=dict(shortest_edge=min(width, height), longest_edge=max(width, height)))))
        (sized / "model.safetensors").symlink_to(folder / "model.safetensors")
    return sized


def measure(args, folder, size, rounds):
    """Both sides in turn; the fastest of each."""
    text = f"{size[0]}x{size[1]}"
    numbers = ["--threads", str(args.threads), "--runs", str(args.runs)]
    sized = str(folder_for_size(folder, *size))
    theirs_command = [sys.executable, __file__, "--theirs", sized, text, str(args.threads), str(args.runs)]
    ours_command = [str(args.dinor1), "bench", "--model", sized, "--size", text, "--prompts", str(PROMPTS), *numbers,
                    "--json"]
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(run_measured(theirs_command))
        ours.append(run_measured(ours_command))
    assert (ours[0]["input_width"], ours[0]["input_height"]) == size, "the bench scaled the picture"
    row = dict(size=size, theirs=min(t["seconds"] for t in theirs), ours=min(o["best_ms"] for o in ours) / 1e3,
               theirs_mib=max(t["peak_mib"] for t in theirs), ours_mib=max(o["peak_mib"] for o in ours),
               gmac=ours[0]["gmac"])
    print(row, file=sys.stderr)
    return row


def gemm_rate(threads, n=2048, runs=8):
    """GFLOP/s of the system's OpenBLAS, the library that ours calls, on a large square product."""
    blas = ctypes.CDLL("libopenblas.so.0")
    blas.openblas_set_num_threads(threads)
    matrix = ctypes.c_float * (n * n)
    a, b, c = matrix(*([0.5] * n * n)), matrix(*([0.25] * n * n)), matrix()
    row_major, no_trans, one, zero = 101, 111, ctypes.c_float(1), ctypes.c_float(0)
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        blas.cblas_sgemm(row_major, no_trans, no_trans, n, n, n, one, a, n, b, n, zero, c, n)
        best = min(best, time.perf_counter() - start)
    return 2 * n ** 3 / best / 1e9


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((l.split(":", 1)[1].strip() for l in lines if l.startswith("model name")), platform.machine())


def report(args, main, curve, rate):
    import torch
    import transformers
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    lines = [
        "# Swin-T against transformers on the CPU", "",
        f"Command: `python3 {os.path.relpath(__file__, ROOT)} {shlex.join(sys.argv[1:])}`", "",
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, {cpu_model()}, {args.threads} threads of {os.cpu_count()} "
        f"processors; Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"{PROMPTS} prompt tokens, batch 1, fp32.", "",
        f"OpenBLAS sgemm 2048 x 2048 x 2048 on this machine: {rate:.0f} GFLOP/s. Achieved share: our "
        "multiply-accumulates x 2 / time / that rate, everything included.", "",
        "| input | transformers s | ours s | ratio | transformers MiB | ours MiB | ratio | our GMAC | achieved |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for r in main:
        lines.append(f"| {time_cells(r)} | {r['theirs_mib']:.0f} | {r['ours_mib']:.0f} | {r['ours_mib'] / r['theirs_mib']:.2f} "
                     f"| {r['gmac']:.1f} | {share(r, rate):.0%} |")
    lines += ["", "Peak memory is the process's maximum resident set: on their side with Python and torch, on ours "
              "with the mapped weights.", "", "## Growth with size", "",
              "| input | transformers s | ours s | ratio | ours, ns per pixel | achieved |",
              "| --- | --- | --- | --- | --- | --- |"]
    for r in curve:
        pixels = r["size"][0] * r["size"][1]
        lines.append(f"| {time_cells(r)} | {r['ours'] / pixels * 1e9:.0f} | {share(r, rate):.0%} |")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text("\n".join(lines) + "\n")
    print(args.output.read_text())


def time_cells(row):
    width, height = row["size"]
    return f"{width}x{height} | {row['theirs']:.3f} | {row['ours']:.3f} | {row['ours'] / row['theirs']:.2f}"


def share(row, rate):
    return 2 * row["gmac"] / row["ours"] / rate


def main():
    if sys.argv[1:2] == ["--make"]:
        return make_checkpoint(pathlib.Path(sys.argv[2]))
    if sys.argv[1:2] == ["--theirs"]:
        folder, size, threads, runs = sys.argv[2:]
        return time_theirs(pathlib.Path(folder), *map(int, size.split("x")), int(threads), int(runs))
    parser = argparse.ArgumentParser(description="Times dinor1 against transformers on the CPU.")
    parser.add_argument("--dinor1", type=pathlib.Path, default=ROOT / "build" / "companion" / "dinor1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="timed runs per process, after one that is not counted")
    parser.add_argument("--rounds", type=int, default=3, help="processes per side for the two main sizes")
    parser.add_argument("--no-curve", action="store_true", help="the two main sizes only")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests/bench/results/vs_transformers.md")
    args = parser.parse_args()
    rate = gemm_rate(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([sys.executable, __file__, "--make", name], check=True)
        main_rows = [measure(args, folder, size, args.rounds) for size in MAIN_SIZES]
        curve = [] if args.no_curve else [
            next((r for r in main_rows if r["size"] == size), None) or measure(args, folder, size, 1)
            for size in CURVE_SIZES]
    report(args, main_rows, curve, max(rate, gemm_rate(args.threads)))


if __name__ == "__main__":
    main()
