#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times training steps of ours (bench-train) and of PyTorch on the CPU or a GPU: the same weights, the same batches, the
same losses (SFT with denoising, and GRQO), the same threads. Writes a Markdown table.

    pip install -r tests/bench/requirements.txt
    python3 tests/bench/train_vs_pytorch.py --build build
    python3 tests/bench/train_vs_pytorch.py --build build-gpu --device cuda --precision bf16 --only swin-t-800

A step is everything between two batches: forward pass, matching, losses, gradients, clipping, AdamW. Batches of
different box counts take turns, as in training, so ours plans its graph again in every step. The PyTorch side is the
published classes with one backbone pass, losses of all layers in one go, scipy's matcher and the fused AdamW.
Every measurement is a process of its own and the two sides take turns.
"""
import argparse
import copy
import json
import os
import pathlib
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "models" / "tools"), str(ROOT / "tests" / "golden"), str(ROOT / "tests" / "bench")]
NANO = json.loads((ROOT / "models" / "dinor1-nano" / "config.json").read_text())
CLASSES = 3
LOSS_TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}  # of the first loss: the two sides do compute the same. Later ones part, as Adam's first steps
# turn the smallest gradients' rounding into whole steps.

# Boxes of each image in the batches: like BCCD's.
COUNTS = [[15, 11, 18, 9], [12, 14, 8, 13], [16, 10, 17, 21]]


def configurations():
    from vs_transformers import SWIN_T
    return {"nano": (NANO, (264, 352), COUNTS), "swin-t": (SWIN_T, (320, 480), [[max(c)] for c in COUNTS]),
            "swin-t-800": (SWIN_T, (800, 1333), [2 * c for c in COUNTS])}


# --- PyTorch -----------------------------------------------------------------------------------------------------


def make(folder, names):
    """Child process: the checkpoint and the batches of the configurations @names."""
    import torch
    from generate import Rejected
    from generate_training import Batch, make_batch, to_nhwc
    from make_random import make as make_weights
    from safetensors.torch import save_file
    for name in names:
        settings, size, counts = configurations()[name]
        target = folder / name
        target.mkdir()
        (target / "config.json").write_text(json.dumps(settings))
        save_file(make_weights(settings, seed=1, dtype=torch.float32), target / "model.safetensors")
        torch.manual_seed(1)
        labels = torch.randn(settings.get("max_text_len", 256), settings["d_model"])
        for i, boxes in enumerate(counts):
            batch = Batch(str(i), size, [size] * len(boxes), boxes, [], CLASSES, groups=max(1, 100 // max(boxes)))
            while True:
                try:
                    data = make_batch(batch, settings["d_model"], settings["num_queries"])
                    break
                except Rejected:
                    continue
            data["pixel_values"] = to_nhwc(data["pixel_values"])
            data["pixel_sizes"] = torch.tensor(batch.valid, dtype=torch.int32)
            del data["pixel_mask"]
            data["labels"] = labels.clone()
            save_file({key: value.contiguous() for key, value in data.items()}, target / f"batch{i}.safetensors")


class Enough(Exception):
    pass


class Trainer:
    """B images, Q queries, R denoising queries, M boxes of the batch, U prompts, S sets (proposals, decoder layers)."""

    def __init__(self, folder, grqo, device, precision):
        import torch
        from generate_training import LEARNING_RATE, make_optimizer, parameters
        from make_random import build
        from safetensors.torch import load_file
        self.model = build(json.loads((folder / "config.json").read_text()))
        self.model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self.model.to(device)
        self.device, self.precision = device, precision
        self.batches = [{key: value.to(device) for key, value in load_file(path).items()}
                        for path in sorted(folder.glob("batch*.safetensors"))]
        for data in self.batches:
            data["pixel_values"] = data["pixel_values"].permute(0, 3, 1, 2).contiguous()
        self.labels = torch.nn.Parameter(self.batches[0]["labels"])
        self.named = parameters(self.model, self.labels)
        groups = {}
        for one in make_optimizer(self.named).param_groups:
            key = one["lr"] / LEARNING_RATE, one["weight_decay"]
            groups.setdefault(key, []).extend(one["params"])
        self.groups = [dict(params=p, lr=4e-4 * rate, weight_decay=decay) for (rate, decay), p in groups.items()]
        self.grqo = grqo
        self.hook(self.model)

    def start(self):
        import torch
        self.optimizer = torch.optim.AdamW(self.groups, fused=True)
        self.reference = None
        if self.grqo:
            self.reference = copy.deepcopy(self.model).requires_grad_(False)
            self.hook(self.reference)

    def hook(self, model):
        """Prompts come from the features of the one backbone pass; denoising queries go before the decoder's own."""
        import torch
        from types import SimpleNamespace
        for part in (model.model.encoder, model.model.decoder):
            part._forward_pre_hooks.clear()
            part._forward_pre_hooks_with_kwargs.clear()

        def prompts(module, args, kwargs):
            image = SimpleNamespace(features=kwargs["vision_features"], mask=~kwargs["vision_attention_mask"])
            for key in ("spatial_shapes", "spatial_shapes_list", "level_start_index", "valid_ratios"):
                setattr(image, key, kwargs[key])
            made = model.model.visual_prompt_encoder(self.boxes, image)["embeddings"]
            picked = made.flatten(0, 1)[self.data["prompt_index"].long()]
            kwargs["text_features"] = picked.expand(len(made), -1, -1)
            return args, kwargs

        def denoising(module, args, kwargs):
            if model is self.reference:
                raise Enough
            content = self.labels[self.data["dn.index"].long()]
            kwargs["inputs_embeds"] = torch.cat([content, kwargs["inputs_embeds"]], 1)
            kwargs["reference_points"] = torch.cat([self.data["dn.boxes"], kwargs["reference_points"]], 1)
            lowest = torch.finfo(content.dtype).min
            kwargs["self_attn_mask"] = self.data["dn.mask"].clamp(min=lowest)[None, None]
            kwargs["text_encoder_attention_mask"] = None
            return args, kwargs

        model.model.encoder.register_forward_pre_hook(prompts, with_kwargs=True)
        model.model.decoder.register_forward_pre_hook(denoising, with_kwargs=True)

    def run_model(self, model):
        import torch
        images, tokens = len(self.data["pixel_values"]), CLASSES
        stand_in = torch.zeros(1, tokens, model.config.d_model, device=self.device)
        ones = torch.ones(images, tokens, dtype=torch.long, device=self.device)
        identity = torch.eye(tokens, dtype=torch.bool, device=self.device)
        with model._tokens_in_place_of_text(stand_in, identity.repeat(images, 1, 1), 0 * ones):
            return model.model(pixel_values=self.data["pixel_values"], input_ids=ones, attention_mask=ones)

    def reference_objectness(self):
        import torch
        found = []
        handle = self.reference.model.encoder_output_class_embed.register_forward_hook(
            lambda module, args, y: found.append(y.max(-1)[0]))
        try:
            with torch.no_grad():
                self.run_model(self.reference)
        except Enough:
            pass
        handle.remove()
        return found[0]

    def forward(self):
        """Logits [S, B, R + Q, U] and boxes [S, B, R + Q, 4] of the layers, those of the proposals, objectness."""
        import torch
        from generate_training import gather, refine
        model, raw, refined = self.model, [], []
        handles = [layer.register_forward_hook(lambda module, args, y: raw.append(y[0]))
                   for layer in model.model.decoder.layers]
        out = self.run_model(model)
        for handle in handles:
            handle.remove()
        objectness = out.enc_outputs_class.max(-1)[0]
        selected = objectness.topk(model.config.num_queries, dim=1)[1]
        proposals = (gather(out.enc_outputs_class[..., :CLASSES], selected),
                     gather(out.enc_outputs_coord_logits, selected).sigmoid())
        start, logits = torch.cat([self.data["dn.boxes"], out.init_reference_points], 1), []
        ones = torch.ones(len(selected), CLASSES, dtype=torch.bool, device=self.device)
        for i, (class_head, box_head) in enumerate(zip(model.class_embed, model.bbox_embed)):
            hidden = out.intermediate_hidden_states[:, i]
            logits.append(class_head(hidden, out.encoder_last_hidden_state_text, ones)[..., :CLASSES])
            refined.append(refine(box_head, hidden, start))
            start = refine(box_head, raw[i], start.detach())
        proposals = [one.float() for one in proposals]
        return torch.stack(logits).float(), torch.stack(refined).float(), proposals, objectness.float(), selected

    def losses(self):
        import torch
        import generate_training as spec
        from scipy.optimize import linear_sum_assignment
        from torch.nn.functional import logsigmoid, one_hot
        data, counts = self.data, self.counts
        logits, boxes, proposals, objectness, selected = self.forward()
        extra, images = data["dn.boxes"].shape[1], len(counts)
        dn_logits, dn_boxes = logits[:, :, :extra], boxes[:, :, :extra]
        logits = torch.cat([proposals[0][None], logits[:, :, extra:]])  # [S, B, Q, U]
        boxes = torch.cat([proposals[1][None], boxes[:, :, extra:]])
        queries = logits.shape[2]
        own = one_hot(torch.cat([data[f"classes.{i}"] for i in range(images)]).long(), CLASSES).float()
        truth = torch.cat([data[f"boxes.{i}"] for i in range(images)])

        def per_image(values):
            return values.split(counts)

        if_one = -spec.ALPHA * (1 - logits.sigmoid()) ** 2 * logsigmoid(logits)
        if_zero = -(1 - spec.ALPHA) * logits.sigmoid() ** 2 * logsigmoid(-logits)
        costs = []  # per image [S, Q, M]
        for i, (labels, target) in enumerate(zip(per_image(own), per_image(truth))):
            focal = (if_one[:, i] - if_zero[:, i]) @ labels.T + if_zero[:, i].sum(-1, keepdim=True)
            a, b = boxes[:, i, :, None], target[None, None]
            costs.append(spec.COST_FOCAL * focal + spec.COST_L1 * (a - b).abs().sum(-1) - spec.COST_GIOU * giou(a, b))
        classes, at = torch.zeros_like(logits), []
        for i, cost in enumerate(costs):
            for s, one in enumerate(cost.detach().cpu().numpy()):
                rows, columns = linear_sum_assignment(one)
                first = sum(counts[:i])
                classes[s, i, rows] = own[first + torch.from_numpy(columns).to(own.device)]
                at += [(s, i, row, first + column) for row, column in zip(rows, columns)]
        s, image, row, column = torch.tensor(at, device=own.device).T
        total = supervised(logits, classes, boxes[s, image, row], truth[column], max(1, sum(counts)))
        positive = data["dn.positive"].bool()
        total = total + supervised(
            dn_logits, data["dn.classes"], dn_boxes[:, positive].flatten(0, 1),
            data["dn.target_boxes"][positive].repeat(len(dn_boxes), 1), max(1, int(positive.sum())))
        if self.reference is not None:
            reward = -torch.stack([cost[1:].min(-1)[0] for cost in costs], 1)  # [S - 1, B, Q]
            advantage = (reward - reward.mean(-1, keepdim=True)) / (reward.std(-1, keepdim=True) + spec.EPSILON)
            advantage = advantage[..., : queries - round(queries / 3)].sum() / (images * queries)
            total = total - spec.GRQO_ALPHA * advantage + spec.GRQO_BETA * len(reward) * spec.divergence(
                objectness, self.reference_objectness().float(), selected)
        return total

    def step(self, data):
        import torch
        self.data = data
        self.counts = [len(data[f"boxes.{i}"]) for i in range(len(data["pixel_values"]))]
        self.boxes = torch.full((len(self.counts), max(self.counts), 4), 0.5, device=self.device)
        for i, count in enumerate(self.counts):
            self.boxes[i, :count] = data[f"boxes.{i}"]
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.losses()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.named.values(), 0.1, foreach=True)
        self.optimizer.step()
        return loss.item()


def giou(a, b):
    """Of (cx, cy, w, h), broadcast."""
    import torch
    low_a, high_a = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    low_b, high_b = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    shared = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    hull = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).prod(-1)
    return shared / union - (hull - union) / hull


def supervised(logits, classes, ours, theirs, n_positive):
    import generate_training as spec
    from torch.nn.functional import binary_cross_entropy_with_logits
    classes = classes.expand_as(logits)
    p = logits.sigmoid()
    miss = p * (1 - classes) + (1 - p) * classes
    weight = spec.ALPHA * classes + (1 - spec.ALPHA) * (1 - classes)
    focal = (weight * miss**2 * binary_cross_entropy_with_logits(logits, classes, reduction="none")).sum()
    return (spec.FOCAL * focal + spec.L1 * (ours - theirs).abs().sum() + spec.GIOU * (1 - giou(ours, theirs)).sum()
            ) / n_positive


def status_mib(name):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def time_theirs(folder, mode, threads, steps, device, precision):
    """Child process: prints the seconds of one step, which ends with its loss on the host; the first round over the
    batches is not timed."""
    import torch
    torch.set_num_threads(threads)
    trainer = Trainer(folder, mode == "grqo", device, precision)
    before = status_mib("VmRSS:")
    trainer.start()
    losses = [trainer.step(data) for data in trainer.batches]
    start, processor = time.perf_counter(), processor_seconds()
    for i in range(steps):
        trainer.step(trainer.batches[i % len(trainer.batches)])
    device_mib = torch.cuda.max_memory_allocated() / 2**20 if device.startswith("cuda") else 0
    print(json.dumps(dict(
        device_mib=device_mib, seconds=(time.perf_counter() - start) / steps, processor_seconds=(processor_seconds() - processor) / steps,
        before_mib=before, peak_mib=status_mib("VmHWM:"), losses=losses)))


# --- the comparison ----------------------------------------------------------------------------------------------


def run_json(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"{shlex.join(command)}: exit status {result.returncode}")
    return json.loads(result.stdout)


def check_losses(name, theirs, ours, precision):
    a, b = theirs["losses"][0], ours["losses"][0]
    if not abs(a - b) <= LOSS_TOLERANCE[precision] * abs(a):
        sys.exit(f"{name}: the losses differ: {a} and {b}")


def measure(args, folder, name, mode):
    """All sides in turn. Returns the results by side."""
    target = folder / name
    batches = [str(path) for path in sorted(target.glob("batch*.safetensors"))]
    numbers = ["--threads", str(args.threads), "--steps", str(args.steps), "--device", args.device]
    numbers += ["--precision", args.precision] if args.precision != "fp32" else []
    ours = [str(args.build / "tests" / "bench" / "bench-train"), *numbers, *(["--grqo"] if mode == "grqo" else [])]
    commands = {
        "theirs": [sys.executable, __file__, "--theirs", str(target), mode, str(args.threads), str(args.steps),
                   args.torch_device, args.precision],
        "ours": [*ours, str(target), *batches],
        "recompute": [*ours, "--recompute", str(target), *batches],
    }
    results = {side: [] for side in commands}
    for _ in range(args.rounds):
        for side, command in commands.items():
            results[side].append(run_json(command))
            print(name, mode, side, results[side][-1], file=sys.stderr)
    for side in ("ours", "recompute"):
        check_losses(f"{name} {mode} {side}", results["theirs"][0], results[side][0], args.precision)
    return results


def median(results, key):
    return statistics.median(one[key] for one in results)


def growth(results):
    """MiB: of a device what training takes of it, else what the process grows by."""
    return max(one.get("device_mib") or one["peak_mib"] - one["before_mib"] for one in results)


def rows(name, mode, results):
    theirs = results["theirs"]
    for side in ("theirs", "ours", "recompute"):
        one = results[side]
        wall, processor = median(one, "seconds"), median(one, "processor_seconds")
        low, high = min(r["seconds"] for r in one), max(r["seconds"] for r in one)
        plan = f"{median(one, 'plan_seconds') * 1e3:.0f}" if side != "theirs" else "-"
        title = {"theirs": "PyTorch", "ours": "ours", "recompute": "ours, recompute"}[side]
        yield (f"| {name} | {mode} | {title} | {wall * 1e3:.0f} ({low * 1e3:.0f}-{high * 1e3:.0f}) "
               f"| {wall / median(theirs, 'seconds'):.2f} | {processor * 1e3:.0f} "
               f"| {processor / median(theirs, 'processor_seconds'):.2f} | {plan} | {growth(one):.0f} "
               f"| {growth(one) / growth(theirs):.2f} |")


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((l.split(":", 1)[1].strip() for l in lines if l.startswith("model name")), platform.machine())


def report(args, results):
    import torch
    import transformers
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    lines = [
        "# A training step against PyTorch", "",
        f"Command: `python3 {os.path.relpath(__file__, ROOT)} {shlex.join(sys.argv[1:])}`", "",
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, {cpu_model()}, {args.threads} threads of {os.cpu_count()} "
        f"processors, device {args.device}; Python {platform.python_version()}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}, {args.precision}.", "",
        f"nano: batch 4 of 352x264; swin-t: batch 1 of 480x320, 900 queries; swin-t-800: batch 8 of 1333x800. {CLASSES} classes, {len(COUNTS)} batches of "
        f"different box counts in turn. Median of {args.rounds} processes of {args.steps} steps each (range).", "",
        "| model | losses | side | ms per step | ratio | processor ms | ratio | of it planning | memory MiB | ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for (name, mode), result in results.items():
        lines += rows(name, mode, result)
    lines += ["", "Memory, on a device: all that is allocated there, the context left out. On the CPU: how much the process's peak resident set grows from the loaded model and batches: "
              "activations, gradients, the optimiser's moments, with GRQO the reference model."]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text("\n".join(lines) + "\n")
    print(args.output.read_text())


def main():
    if sys.argv[1:2] == ["--make"]:
        return make(pathlib.Path(sys.argv[2]), sys.argv[3:])
    if sys.argv[1:2] == ["--theirs"]:
        folder, mode, threads, steps, device, precision = sys.argv[2:]
        return time_theirs(pathlib.Path(folder), mode, int(threads), int(steps), device, precision)
    parser = argparse.ArgumentParser(description="Times training steps of ours against PyTorch.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="a release build of this tree")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6, help="timed steps per process, after one round over the batches")
    parser.add_argument("--rounds", type=int, default=5, help="processes per side")
    parser.add_argument("--only", help="one configuration: nano, swin-t or swin-t-800 (for GPUs)")
    parser.add_argument("--device", default="cpu", help="ours: cpu, cuda or cuda:N")
    parser.add_argument("--torch-device", help="theirs (the same)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--modes", nargs="*", default=("sft", "grqo"), choices=("sft", "grqo"))
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests/bench/results/train-cpu.md")
    args = parser.parse_args()
    args.torch_device = args.torch_device or args.device
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        chosen = [args.only] if args.only else ["nano", "swin-t"]
        subprocess.run([sys.executable, __file__, "--make", name, *chosen], check=True)
        results = {(which, mode): measure(args, folder, which, mode) for which in chosen for mode in args.modes}
    report(args, results)


if __name__ == "__main__":
    main()
