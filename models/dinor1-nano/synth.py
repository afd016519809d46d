#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Composes pictures to train dinor1-nano on: OUTPUT/annotations.json (COCO) and OUTPUT/images/.

Pictures come in groups that share their classes, so that the prompt of a class can be taken from another picture. A
class is a drawing of Debian's openclipart-png, an emoji of fonts-noto-color-emoji, a walking figure or a shape with a
texture, both made up from the class's number. About every eighth class and background is kept for `--split val`, which
also writes OUTPUT/exemplars.json: the first picture of each group, for prompts; annotations.json then has the others, with
the classes that have an exemplar. The same arguments give the same files, whatever the number of processes.

Needs numpy, opencv and pillow; of Debian's packages: openclipart-png, fonts-noto-color-emoji and, for backgrounds,
mate-backgrounds, lomiri-wallpapers-16.04 and ukui-wallpapers. What is not installed is left out, and said so.
"""
import argparse
import json
import multiprocessing
import os
import sys

import cv2
import numpy as np

import sprites

ASPECTS = ((4, 3), (16, 9), (4, 3), (1, 1), (3, 4))
MIN_VISIBLE = 0.4  # of an object, or it is not annotated
MIN_SIDE = 5       # pixels of an annotated box


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="folder to make")
    parser.add_argument("--count", type=int, default=1000, help="pictures (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("train", "val"), default="train")
    parser.add_argument("--shortest", type=int, default=264, help="shortest side of the pictures (default 264)")
    parser.add_argument("--group", type=int, default=4, help="pictures that share their classes (default 4)")
    parser.add_argument("--classes", type=int, default=6, help="most classes of a group (default 6)")
    parser.add_argument("--hardness", type=float, default=1.0,
                        help="0: few, large, whole objects; 1: all that the generator has (default 1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args(arguments)


class Scene:
    """One picture while it is made, and which object each pixel belongs to."""

    def __init__(self, picture):
        self.picture = picture.astype(np.float32)
        self.owner = np.zeros(picture.shape[:2], np.int32)  # 0: background
        self.areas, self.classes = [0], [None]

    def paste(self, sprite, x, y, name, shadow):
        """name None: an object that nobody asks for."""
        height, width = self.owner.shape
        h, w = sprite.shape[:2]
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        if x0 >= x1 or y0 >= y1:
            return
        part = sprite[y0 - y:y1 - y, x0 - x:x1 - x]
        if shadow is not None:
            self._darken(sprite[:, :, 3], x + shadow[0], y + shadow[1], shadow[2])
        alpha = part[:, :, 3:]
        under = self.picture[y0:y1, x0:x1]
        self.picture[y0:y1, x0:x1] = under * (1 - alpha) + part[:, :, :3] * alpha
        self.owner[y0:y1, x0:x1][alpha[:, :, 0] > 0.4] = len(self.areas)
        self.areas.append(int((sprite[:, :, 3] > 0.4).sum()))
        self.classes.append(name)

    def _darken(self, alpha, x, y, strength):
        height, width = self.owner.shape
        h, w = alpha.shape
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        if x0 < x1 and y0 < y1:
            soft = cv2.GaussianBlur(alpha, (0, 0), max(1.0, 0.06 * max(h, w)))[y0 - y:y1 - y, x0 - x:x1 - x]
            self.picture[y0:y1, x0:x1] *= 1 - strength * soft[:, :, None]

    def boxes(self):
        """(class, box) of every object that can be seen well enough."""
        for number in range(1, len(self.areas)):
            ys, xs = np.nonzero(self.owner == number)
            if self.classes[number] is None or len(xs) < MIN_VISIBLE * max(self.areas[number], 1):
                continue
            x, y, w, h = int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1
            if min(w, h) >= MIN_SIDE:
                yield self.classes[number], [x, y, w, h]


def crop_background(rng, library, width, height):
    if library.backgrounds and rng.random() < 0.75:
        picture = library.background(rng)
        h, w = picture.shape[:2]
        scale = rng.uniform(1, max(1.01, min(h / height, w / width)))
        ch, cw = int(height * scale), int(width * scale)
        if ch <= h and cw <= w:
            y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
            picture = picture[y:y + ch, x:x + cw]
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
    else:
        picture = sprites.texture(rng, height, width)
    return np.clip(picture * rng.uniform(0.5, 1.2) + rng.uniform(-20, 40), 0, 255)


def jitter_colour(rng, sprite, amount):
    gain = 1 + amount * rng.normal(0, 0.12, 3) + amount * rng.normal(0, 0.15)
    grey = sprite[:, :, :3].mean(axis=2, keepdims=True)
    colour = grey + (sprite[:, :, :3] - grey) * (1 + amount * rng.normal(0, 0.2))
    sprite[:, :, :3] = np.clip(colour * gain + amount * rng.normal(0, 12), 0, 255)
    return sprite


def place(rng, sprite, size, upright, hardness):
    """The sprite turned, foreshortened and resized to a longest side of about `size` pixels."""
    h, w = sprite.shape[:2]
    scale = size / max(h, w)
    while scale < 0.5:
        sprite, scale = cv2.resize(sprite, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), scale * 2
    h, w = sprite.shape[:2]
    spread = 0.12 if upright else rng.choice([0.15, 0.15, np.pi])
    angle = hardness * rng.uniform(-spread, spread)
    squeeze = np.exp(hardness * rng.normal(0, 0.1))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    turn = turn @ np.diag([squeeze * (1 if upright or rng.random() < 0.7 else -1), 1 / squeeze])
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    to = (corners - [w / 2, h / 2]) @ turn.T
    to += hardness * rng.normal(0, 0.03, (4, 2)) * size
    to -= to.min(axis=0)
    out = np.ceil(to.max(axis=0)).astype(int) + 1
    matrix = cv2.getPerspectiveTransform(corners, to.astype(np.float32))
    flat = sprite.copy()
    flat[:, :, :3] *= flat[:, :, 3:]
    flat = cv2.warpPerspective(flat, matrix, (int(out[0]), int(out[1])), flags=cv2.INTER_LINEAR)
    flat[:, :, :3] /= np.maximum(flat[:, :, 3:], 1e-3)
    return flat


def spoil(rng, picture, hardness):
    """What a camera and a codec do."""
    if rng.random() < 0.5 * hardness:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.1 * hardness:
        n = int(rng.integers(3, 7))
        kernel = np.zeros((n, n), np.float32)
        kernel[n // 2] = 1 / n
        picture = cv2.filter2D(picture, -1, kernel if rng.random() < 0.6 else kernel.T)
    gain = 1 + hardness * rng.normal(0, 0.08, 3)
    picture = 255 * np.clip(picture * gain / 255, 0, 1) ** np.exp(hardness * rng.normal(0, 0.25))
    if rng.random() < 0.6 * hardness:
        picture = picture + rng.normal(0, rng.uniform(1, 10), picture.shape)
    if rng.random() < 0.08 * hardness:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    return np.clip(picture, 0, 255).astype(np.uint8)


def draw_size(rng, shortest, base, hardness):
    """Longest side of an object: of a class about the same in a picture."""
    low, high = max(12, shortest * 0.3 * (1 - hardness)), shortest * 0.6
    return float(np.clip(base * np.exp(rng.normal(0, 0.12 + 0.1 * hardness)), low, high))


def make_picture(rng, library, names, look_alikes, shape, options):
    width, height = shape
    scene = Scene(crop_background(rng, library, width, height))
    hardness = options.hardness
    shadow = None
    if rng.random() < 0.4 * hardness:
        shadow = (rng.uniform(-0.2, 0.2), rng.uniform(0, 0.2), rng.uniform(0.2, 0.6))
    todo = []
    low, high = max(12, options.shortest * 0.35 * (1 - hardness)), options.shortest * 0.6
    for name in names:
        base = np.exp(rng.uniform(np.log(low), np.log(high)))
        if library.is_person(name):
            base = np.exp(rng.uniform(np.log(20), np.log(max(80, 0.3 * options.shortest))))
        count = min(int(rng.geometric(0.35)), 8, max(1, int(0.5 * width * height / base ** 2)))
        todo += [(name, name, draw_size(rng, options.shortest, base, hardness)) for _ in range(count)]
    for name in look_alikes:
        todo.append((None, name, draw_size(rng, options.shortest, np.exp(rng.uniform(np.log(low), np.log(high))), hardness)))
    rng.shuffle(todo)
    todo.sort(key=lambda item: -item[2] * rng.uniform(0.5, 1))  # large ones tend to be behind
    for shown, name, size in todo:
        sprite = jitter_colour(rng, library.sprite(name, rng).copy(), hardness)
        sprite = place(rng, sprite, size, library.is_person(name), hardness)
        h, w = sprite.shape[:2]
        for _ in range(6):  # prefer free places
            x, y = int(rng.uniform(-0.2 * w, width - 0.8 * w)), int(rng.uniform(-0.2 * h, height - 0.8 * h))
            if rng.random() < 0.15 * hardness:
                break
            spot = scene.owner[max(y, 0):y + h, max(x, 0):x + w]
            if spot.size and (spot > 0).mean() < 0.1:
                break
        offset = shadow and (int(shadow[0] * w), int(shadow[1] * h), shadow[2])
        scene.paste(sprite, x, y, shown, offset)
    return spoil(rng, scene.picture, hardness), list(scene.boxes())


LIBRARY = None


def make_group(job):
    """The pictures of one group: (file name, width, height, [(class, box)])."""
    options, group = job
    rng = np.random.default_rng((options.seed, options.split == "val", group))
    names, look_alikes = LIBRARY.choose(rng, int(rng.integers(2, options.classes + 1)))
    aspect = ASPECTS[rng.integers(len(ASPECTS))]
    shape = [round(options.shortest * side / min(aspect) / 2) * 2 for side in aspect]
    made = []
    for number in range(group * options.group, min((group + 1) * options.group, options.count)):
        shown = [name for name in names if rng.random() < 0.65] or [names[0]]
        others = [name for name in look_alikes if rng.random() < 0.5 * options.hardness]
        picture, boxes = make_picture(rng, LIBRARY, shown, others, shape, options)
        file_name = f"{number:06d}.jpg"
        quality = int(rng.integers(60, 96)) if rng.random() < 0.7 else int(rng.integers(25, 60))
        cv2.imwrite(os.path.join(options.output, "images", file_name), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        made.append((file_name, shape[0], shape[1], boxes))
    return made


def start(split):
    global LIBRARY
    cv2.setNumThreads(1)
    LIBRARY = sprites.Library(split)


def write_coco(path, pictures):
    names = sorted({name for *_, boxes in pictures for name, _ in boxes})
    numbers = {name: i + 1 for i, name in enumerate(names)}
    images = [{"id": i + 1, "file_name": p[0], "width": p[1], "height": p[2]} for i, p in enumerate(pictures)]
    annotations = []
    for i, picture in enumerate(pictures):
        for name, box in picture[3]:
            annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": numbers[name],
                                "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": numbers[name], "name": name} for name in names]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, file)
    return len(annotations), len(names)


def split_exemplars(pictures, group):
    """(exemplars, the other pictures with what these show)"""
    exemplars = pictures[::group]
    others = []
    for number, picture in enumerate(pictures):
        shown = {name for name, _ in exemplars[number // group][3]}
        if number % group:
            others.append(picture[:3] + ([box for box in picture[3] if box[0] in shown],))
    return exemplars, others


def main(arguments=None):
    options = parse(arguments)
    os.makedirs(os.path.join(options.output, "images"), exist_ok=True)
    for line in sprites.missing():
        print(f"synth.py: not installed, so left out: {line}", file=sys.stderr)
    jobs = [(options, group) for group in range(-(-options.count // options.group))]
    with multiprocessing.Pool(options.processes, start, (options.split,)) as pool:
        pictures = [picture for group in pool.imap(make_group, jobs, 8) for picture in group]
    if options.split == "val":
        exemplars, pictures = split_exemplars(pictures, options.group)
        write_coco(os.path.join(options.output, "exemplars.json"), exemplars)
    n_boxes, n_classes = write_coco(os.path.join(options.output, "annotations.json"), pictures)
    print(f"{len(pictures)} pictures, {n_boxes} boxes, {n_classes} classes in '{options.output}'")


if __name__ == "__main__":
    main()
