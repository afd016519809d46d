#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes data/eval/: small annotation and result files, and the figures that pycocotools and lvis give for them.

generate_eval.py               writes them
generate_eval.py --set FOLDER  prints the figures for FOLDER/*.json with perturbed boxes, for test_eval.c

Needs what requirements.txt lists.
"""
import contextlib
import io
import json
import pathlib
import random
import sys
import tempfile
import types

import numpy as np

np.float = float  # lvis 0.5.3 is older than numpy 1.24
sys.modules["lvis.vis"] = types.SimpleNamespace(LVISVis=None)  # it draws, with OpenCV
from lvis import LVIS, LVISEval, LVISResults  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402

OUT = pathlib.Path(__file__).parent / "data" / "eval"
COCO_NAMES = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()
LVIS_NAMES = {"AR@300": "AR300", "ARs@300": "ARs", "ARm@300": "ARm", "ARl@300": "ARl"}


class Maker:
    """Random sets. What is asked for is what differs from a plain one."""

    def __init__(self, seed, n_images=10, n_categories=4, sides=(5, 200), first_id=1, federated=False):
        self.random = random.Random(seed)
        ids = [7 * i + 3 for i in range(n_images)]
        self.random.shuffle(ids)  # ties are decided by the id, not by the place in the file
        self.images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in ids]
        self.categories = [{"id": 90 - 2 * i, "name": f"class {i}"} for i in range(n_categories)]
        self.annotations, self.results = [], []
        self.sides, self.next_id = sides, first_id
        if federated:
            for i, category in enumerate(self.categories):
                category["frequency"] = "rcf"[i % 3]
            for image in self.images:
                names = [c["id"] for c in self.categories]
                image["neg_category_ids"] = self.random.sample(names, 2)
                image["not_exhaustive_category_ids"] = self.random.sample(names, 1)

    def box(self):
        width, height = (round(self.random.uniform(*self.sides), 2) for _ in range(2))
        return [round(self.random.uniform(0, 600), 2), round(self.random.uniform(0, 440), 2), width, height]

    def near(self, box, spread):
        x, y, w, h = box
        r = self.random.uniform
        return [round(x + w * r(-spread, spread), 2), round(y + h * r(-spread, spread), 2),
                round(w * r(1 - spread, 1 + spread), 2), round(h * r(1 - spread, 1 + spread), 2)]

    def annotate(self, image, category, box=None, **members):
        box = box or self.box()
        self.annotations.append({"id": self.next_id, "image_id": image["id"], "category_id": category["id"], "bbox": box,
                                 "area": round(box[2] * box[3] * self.random.uniform(0.5, 1), 2), "iscrowd": 0, **members})
        self.next_id += 1
        return self.annotations[-1]

    def detect(self, image_id, category_id, box, digits=3):
        self.results.append({"image_id": image_id, "category_id": category_id, "bbox": box,
                             "score": round(self.random.random(), digits)})

    def fill(self, boxes=(0, 4), finds=(0, 3), false=(0, 3), digits=3, spread=0.25, crowd=0.0, ignore=0.0):
        r = self.random
        for image in self.images:
            for category in self.categories:
                for _ in range(r.randint(*boxes)):
                    members = {"iscrowd": 1} if r.random() < crowd else {}
                    if r.random() < ignore:
                        members["ignore"] = 1
                    annotation = self.annotate(image, category, **members)
                    for _ in range(r.randint(*finds)):
                        self.detect(image["id"], category["id"], self.near(annotation["bbox"], spread), digits)
                for _ in range(r.randint(*false)):
                    self.detect(image["id"], category["id"], self.box(), digits)
        r.shuffle(self.results)
        return self

    def truth(self):
        return {"images": self.images, "categories": self.categories, "annotations": self.annotations}


def empty():
    """Images and classes with boxes alone, with results alone, with nothing."""
    maker = Maker(3, n_images=8, n_categories=6).fill()
    no_boxes, no_results = maker.categories[1]["id"], maker.categories[2]["id"]
    nothing = maker.categories[3]["id"]
    images = [image["id"] for image in maker.images]
    maker.annotations = [a for a in maker.annotations
                         if a["category_id"] not in (no_boxes, nothing) and a["image_id"] not in (images[0], images[2])]
    maker.results = [r for r in maker.results
                     if r["category_id"] not in (no_results, nothing) and r["image_id"] not in (images[1], images[2])]
    return maker


def odd():
    """Equal boxes, results without size, a perfect result, areas that no box has, IoU on the thresholds."""
    maker = Maker(6, n_images=3, n_categories=2).fill(boxes=(1, 2))
    image, category = maker.images[0], maker.categories[0]
    for _ in range(2):
        maker.annotate(image, category, [10, 10, 100, 100])
    maker.annotate(image, category, [300, 300, 50, 50], area=1e11)
    maker.annotate(image, category, [400, 300, 50, 50], area=0)
    maker.annotate(image, category, [20, 200, 32, 32], area=1024)
    maker.annotate(image, category, [100, 200, 96, 96], area=9216)
    for box in ([10, 10, 100, 100], [10, 10, 100, 50], [10, 10, 75, 100], [10, 10, 90, 100], [5, 5, 0, 10], [5, 5, 0, 0],
                [300, 300, 50, 50], [400, 300, 50, 50], [20, 200, 32, 32], [100, 200, 96, 96], [-50, -50, 900, 900]):
        maker.detect(image["id"], category["id"], box)
        maker.detect(image["id"], category["id"], box, digits=1)
    return maker


def exact():
    """Each image one box and one result whose IoU is a threshold or next to it; equal boxes of different areas."""
    maker = Maker(14, n_images=40, n_categories=1)
    category = maker.categories[0]
    images = iter(maker.images)
    thresholds = [float(t) for t in np.linspace(0.5, 0.95, 10)]

    def iou(w):  # of [0, 0, w, 10] in a box of 100 × 10
        return w * 10 / (w * 10 + 1000 - w * 10)

    for threshold in thresholds:
        for step in (-1, 0, 1):
            wanted = threshold if step == 0 else float(np.nextafter(threshold, step * np.inf))
            width = min((100 * wanted + i * float(np.spacing(64.0)) for i in range(-9, 10)), key=lambda w: abs(iou(w) - wanted))
            image = next(images)
            maker.annotate(image, category, [0, 0, 100, 10])
            maker.detect(image["id"], category["id"], [0, 0, width, 10])
    image = next(images)  # 0.8999999999999999, which is the ninth threshold
    maker.annotate(image, category, [0, 0, 12, 7])
    maker.detect(image["id"], category["id"], [0, 0, 10.8, 7])
    for areas in ((500, 5000), (5000, 500)):
        image = next(images)
        for area in areas:
            maker.annotate(image, category, [10, 10, 80, 80], area=area)
        maker.detect(image["id"], category["id"], [10, 10, 80, 80])
    return maker


def nothing_counts():
    maker = Maker(8, n_images=2, n_categories=2).fill(crowd=1.0, boxes=(1, 2))
    return maker


CASES = {
    "plain": ("coco", lambda: Maker(1).fill()),
    "crowds": ("coco", lambda: Maker(2, n_categories=3).fill(crowd=0.3, finds=(0, 5), spread=0.5)),
    "empty": ("coco", empty),
    "ties": ("coco", lambda: Maker(4).fill(digits=1, finds=(0, 4), crowd=0.1)),
    "many": ("coco", lambda: Maker(5, n_images=3, n_categories=2).fill(boxes=(3, 20), false=(80, 150), digits=2, crowd=0.1)),
    "odd": ("coco", odd),
    "huge": ("coco", lambda: Maker(7, n_categories=2, sides=(50, 2e5)).fill(spread=0.1)),
    "exact": ("coco", exact),
    "nothing-counts": ("coco", nothing_counts),
    "id-0": ("coco", lambda: Maker(9, n_images=3, n_categories=1, first_id=0).fill(boxes=(1, 2), finds=(1, 1), spread=0.05)),
    "federated": ("lvis", lambda: Maker(10, n_categories=7, federated=True).fill(boxes=(0, 2))),
    "federated-many": ("lvis", lambda: Maker(11, n_images=3, n_categories=6, federated=True).fill(
        boxes=(0, 6), false=(40, 120), digits=2)),
    "federated-ignore": ("lvis", lambda: Maker(12, n_categories=5, federated=True).fill(
        boxes=(0, 3), digits=1, ignore=0.2, crowd=0.2)),
    "federated-limit": ("lvis", lambda: limit()),
    "federated-odd": ("lvis", lambda: federated_odd()),
}


def limit():
    """Of each image the 300th and the 301st result find a box: the second is one too many."""
    maker = Maker(15, n_images=2, n_categories=2, federated=True)
    for image, category in zip(maker.images, maker.categories):
        boxes = [[10, 10, 100, 100], [200, 200, 100, 100]]
        for box in boxes:
            maker.annotate(image, category, box)
        false = [{"image_id": image["id"], "category_id": category["id"], "bbox": [400, 5, 9, 9], "score": 0.9}] * 299
        maker.results += [{**false[0], "bbox": boxes[1], "score": 0.1}, *false, {**false[0], "bbox": boxes[0], "score": 0.2}]
    return maker


def federated_odd():
    """No rare class; boxes and results without area; id 0; image that knows nothing."""
    maker = Maker(13, n_images=5, n_categories=5, federated=True, first_id=0).fill(boxes=(0, 2))
    for category in maker.categories:
        category["frequency"] = "f" if category["frequency"] == "r" else category["frequency"]
    maker.images[0]["neg_category_ids"] = maker.images[0]["not_exhaustive_category_ids"] = []
    for annotation in maker.annotations[::5]:
        annotation["area"] = 0
    for result in maker.results[::7]:
        result["bbox"][2] = 0
    return maker


def evaluate(rule, truth, results):
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = pathlib.Path(folder) / "truth.json"
        path.write_text(json.dumps(truth))
        results = json.loads(json.dumps(results))  # the packages add members
        if rule == "coco":
            truth = COCO(str(path))
            run = COCOeval(truth, truth.loadRes(results), "bbox")
            run.evaluate()
            run.accumulate()
            run.summarize()
            precision = run.eval["precision"][:, :, :, 0, 2]
            figures = dict(zip(COCO_NAMES, map(float, run.stats)))
            scores = run.eval["scores"][:, :, :, 0, 2]
        else:
            truth = LVIS(str(path))
            run = LVISEval(truth, LVISResults(truth, results), "bbox")
            run.run()
            precision = run.eval["precision"][:, :, :, 0]
            figures = {LVIS_NAMES.get(name, name): float(value) for name, value in run.get_results().items()}
            scores = None
    ids = sorted(run.params.cat_ids if rule == "lvis" else run.params.catIds)
    classes = {}
    for i, identifier in enumerate(ids):
        p = precision[:, :, i]
        measured = bool((p > -1).all())
        classes[str(identifier)] = {"AP": float(p.mean()) if measured else -1.0, "AP50": float(p[0].mean()) if measured else -1.0}
        if measured:
            classes[str(identifier)]["precision75"] = p[5, ::10].tolist()
            if scores is not None:
                classes[str(identifier)]["scores75"] = scores[5, ::10, i].tolist()
    return {"rule": rule, "figures": figures, "classes": classes}


def perturb(truth):
    """Results that test_eval.c makes in the same way: x, y, w, h moved by up to 12 %, each seventh box missed."""
    state, results = 1, []

    def draw(n):
        nonlocal state
        state = (state * 1103515245 + 12345) % 2**31
        return (state >> 16) % n

    order = {image["id"]: i for i, image in enumerate(truth["images"])}
    for a in sorted(truth["annotations"], key=lambda a: order[a["image_id"]]):  # stable
        x, y, w, h = a["bbox"]
        dx, dy, dw, dh = (draw(25) - 12 for _ in range(4))
        result = {"image_id": a["image_id"], "category_id": a["category_id"],
                  "bbox": [x + w * dx / 100, y + h * dy / 100, w * (100 + dw) / 100, h * (100 + dh) / 100],
                  "score": draw(200) / 200}
        if draw(7) > 0:
            results.append(result)
        if draw(5) == 0:
            results.append({**result, "bbox": [y, x, h, w], "score": draw(200) / 200})
    return results


def print_set(folder):
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        truth = json.loads(path.read_text())
        figures = evaluate("coco", truth, perturb(truth))["figures"]
        print(path.name, len(truth["annotations"]), ", ".join(f"{v:.9f}" for v in figures.values()))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--set":
        return print_set(sys.argv[2])
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, (rule, make) in CASES.items():
        maker = make()
        (OUT / f"{name}.truth.json").write_text(json.dumps(maker.truth(), separators=(",", ":")) + "\n")
        (OUT / f"{name}.results.json").write_text(json.dumps(maker.results, separators=(",", ":")) + "\n")
        expected[name] = evaluate(rule, maker.truth(), maker.results)
    (OUT / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")


if __name__ == "__main__":
    main()
