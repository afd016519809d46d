# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What synth.py pastes, and on what. A sprite is float32 [height, width, 4]: RGB in OpenCV's order 0 … 255, alpha 0 … 1."""
import functools
import glob
import os
import warnings
import zlib

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
EMOJI_RANGES = ((0x231A, 0x23FF), (0x2600, 0x27BF), (0x2B00, 0x2BFF), (0x1F300, 0x1F64F), (0x1F680, 0x1F6FF),
                (0x1F7E0, 0x1F7EB), (0x1F90C, 0x1F9FF), (0x1FA70, 0x1FAFF))
CLIPART = "/usr/share/openclipart/png"
BACKGROUNDS = ("/usr/share/backgrounds/*.jpg", "/usr/share/backgrounds/mate/*/*.jpg")
N_SHAPES = 3000
N_FIGURES = 100
SIDE = 128  # longest side of a sprite as it is kept
MAX_PIXELS = 4000000  # of a drawing: the few larger ones take too long to read
HELD_OUT = 8  # every so many classes


def missing():
    sources = ((EMOJI_FONT, "fonts-noto-color-emoji"), (CLIPART, "openclipart-png"),
               ("/usr/share/backgrounds/mate", "mate-backgrounds"),
               ("/usr/share/backgrounds/Dragonfly_by_Bolly.jpg", "lomiri-wallpapers-16.04"))
    return [package for path, package in sources if not os.path.exists(path)]


def is_held_out(name):
    return zlib.crc32(name.encode()) % HELD_OUT == 0


def trim(sprite):
    """Without its transparent margin; None if nothing is left."""
    ys, xs = np.nonzero(sprite[:, :, 3] > 0.4)
    if len(xs) < 40:
        return None
    return np.ascontiguousarray(sprite[ys.min():ys.max() + 1, xs.min():xs.max() + 1])


def from_pillow(image):
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    sprite = np.asarray(image.convert("RGBA"), np.float32).copy()
    sprite[:, :, :3] = sprite[:, :, 2::-1]
    sprite[:, :, 3] /= 255
    return trim(sprite)


# Shapes

def colour(rng):
    hsv = np.uint8([[[rng.integers(0, 180), rng.integers(0, 256), rng.integers(30, 256)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)


def noise(rng, height, width, coarse):
    small = rng.random((max(2, height // coarse), max(2, width // coarse))).astype(np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def pattern(rng, height, width, kind, period):
    """0 … 1, [height, width]"""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if kind == "stripes":
        return (np.sin(2 * np.pi * along / period) > 0).astype(np.float32)
    if kind == "checks":
        return ((np.sin(2 * np.pi * along / period) > 0) ^ (np.sin(2 * np.pi * across / period) > 0)).astype(np.float32)
    if kind == "dots":
        return ((along % period - period / 2) ** 2 + (across % period - period / 2) ** 2 <
                (0.33 * period) ** 2).astype(np.float32)
    if kind == "gradient":
        return (along - along.min()) / max(np.ptp(along), 1)
    return sum(noise(rng, height, width, max(2, int(period) >> k)) * 0.5 ** k for k in range(3)) / 1.75


KINDS = ("plain", "stripes", "checks", "dots", "gradient", "noise")


def texture(rng, height, width):
    """A background that is nowhere a photograph."""
    out = np.empty((height, width, 3), np.float32)
    out[:] = colour(rng)
    for _ in range(rng.integers(1, 4)):
        weight = pattern(rng, height, width, KINDS[rng.integers(1, len(KINDS))], rng.uniform(6, 120))[:, :, None]
        weight = weight * rng.uniform(0.1, 1)
        out = out * (1 - weight) + colour(rng) * weight
    return out


def outline(recipe, rng):
    """Corner points of a shape around (0, 0), reaching to about 1; the recipe is the class's, rng the instance's."""
    kind, n = recipe["outline"], recipe["corners"]
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    if kind == "blob":
        radius = 1 + sum(a * np.cos(k * angles + p) for k, (a, p) in enumerate(recipe["waves"], 2))
    elif kind == "star":
        angles, radius = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False), np.where(np.arange(2 * n) % 2, recipe["inner"], 1)
    elif kind == "polygon":
        angles, radius = np.linspace(0, 2 * np.pi, n, endpoint=False), np.ones(n)
    elif kind == "ragged":
        angles, radius = recipe["angles"], recipe["radii"]
    else:
        radius = np.ones(72)
    radius = radius * (1 + 0.03 * rng.normal(size=len(angles)))
    points = np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1)
    return points * [1, recipe["aspect"]] if recipe["aspect"] < 1 else points / [recipe["aspect"], 1]


def part_recipe(rng):
    n = int(rng.integers(3, 9))
    return {
        "outline": ("blob", "star", "polygon", "ragged", "ellipse")[rng.integers(5)],
        "corners": n,
        "inner": rng.uniform(0.3, 0.8),
        "waves": [(rng.normal(0, 0.25 / k), rng.uniform(0, 6.3)) for k in range(1, 5)],
        "angles": (np.arange(n + 2) + rng.uniform(-0.4, 0.4, n + 2)) * 2 * np.pi / (n + 2),
        "radii": rng.uniform(0.5, 1, n + 2),
        "aspect": np.exp(rng.normal(0, 0.4)),
        "fill": KINDS[rng.integers(len(KINDS))],
        "period": rng.uniform(10, 50),
        "colours": (colour(rng), colour(rng)),
        "at": rng.uniform(-0.6, 0.6, 2),
        "size": rng.uniform(0.35, 0.8),
        "edge": colour(rng) if rng.random() < 0.4 else None,
        "pattern_seed": int(rng.integers(1 << 30)),
    }


@functools.lru_cache(4096)
def shape_recipe(number):
    rng = np.random.default_rng((77, number))
    parts = [part_recipe(rng) for _ in range(rng.integers(1, 5))]
    parts[0].update(at=np.zeros(2), size=1)
    return parts


def draw_part(canvas, part, rng):
    side = canvas.shape[0]
    points = (outline(part, rng) * part["size"] + part["at"] * (1 + 0.05 * rng.normal(size=2))) * side * 0.3 + side / 2
    points = np.round(points * 16).astype(np.int32)
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    alpha = mask.astype(np.float32)[:, :, None] / 255
    own = np.random.default_rng(part["pattern_seed"])
    weight = pattern(own, side, side, part["fill"], part["period"])[:, :, None] if part["fill"] != "plain" else 0
    paint = part["colours"][0] * (1 - weight) + part["colours"][1] * weight
    canvas[:, :, :3] = canvas[:, :, :3] * (1 - alpha) + paint * alpha
    canvas[:, :, 3:] = np.maximum(canvas[:, :, 3:], alpha)
    if part["edge"] is not None:
        flat = np.ascontiguousarray(canvas[:, :, :3])
        cv2.polylines(flat, [points], True, part["edge"].tolist(), 3, cv2.LINE_AA, 4)
        canvas[:, :, :3] = flat


def draw_shape(number, rng):
    canvas = np.zeros((2 * SIDE, 2 * SIDE, 4), np.float32)
    for part in shape_recipe(number):
        draw_part(canvas, part, rng)
    return trim(cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


# Walking figures. Class 0 is anybody; the others wear one thing each.

def limb(canvas, start, angles, lengths, thickness, paint):
    """Two joined strokes; angle 0 hangs down."""
    for angle, length in zip(angles, lengths):
        end = start + length * np.array([np.sin(angle), np.cos(angle)])
        cv2.line(canvas, tuple(map(int, start * 8)), tuple(map(int, end * 8)), (*map(float, paint), 255.0), thickness,
                 cv2.LINE_AA, 3)
        start = end
    return start


def draw_figure(number, rng):
    clothes = rng if number == 0 else np.random.default_rng((78, number))
    top, bottom, shoes, hair = (colour(clothes) * clothes.uniform(0.3, 1) for _ in range(4))
    skin = np.float32([60, 90, 130]) + np.float32([70, 80, 90]) * clothes.uniform(-0.4, 1)
    build = clothes.uniform(0.8, 1.25)
    canvas = np.zeros((256, 160, 4), np.float32)
    view = rng.uniform(0, 1)  # 0: from the front, 1: from the side
    stride, swing, lean = rng.normal(0, 0.35) * view + 0.04, rng.normal(0, 0.4), rng.normal(0, 0.05)
    hip, neck = np.array([80.0, 138.0]), np.array([80 + 76 * np.sin(lean), 62.0])
    shoulder = (22 - 9 * view) * build
    for side in (-1, 1):
        at = hip + [side * 8 * (1 - view) * build, 0]
        bend = abs(rng.normal(0, 0.25)) * view
        foot = limb(canvas, at, (side * stride, side * stride - bend), (48, 50), int(17 * build), bottom)
        limb(canvas, foot, (1.2 * view * np.sign(swing),), (10,), 10, shoes)
    far = neck + [-shoulder, 10]
    limb(canvas, far, (-swing * view - 0.15, -swing * view), (36, 34), int(12 * build), top * 0.85)
    body = np.array([neck + [-shoulder, 2], neck + [shoulder, 2], hip + [shoulder * 0.75, 4], hip - [shoulder * 0.75, -4]])
    cv2.fillPoly(canvas, [np.round(body * 8).astype(np.int32)], (*map(float, top), 255.0), cv2.LINE_AA, 3)
    limb(canvas, neck + [0, 6], (lean,), (64,), int(26 * build), top)
    end = limb(canvas, neck + [shoulder, 10], (swing * view + 0.15, swing * view), (36, 30), int(12 * build), top)
    cv2.circle(canvas, tuple(map(int, end)), 6, (*map(float, skin), 255.0), -1, cv2.LINE_AA)
    head = neck + [2 * view, -18]
    cv2.ellipse(canvas, tuple(map(int, head)), (14, 18), 0, 0, 360, (*map(float, hair), 255.0), -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        cv2.ellipse(canvas, tuple(map(int, head + [4 * view, 5])), (10, 12), 0, 0, 360, (*map(float, skin), 255.0), -1,
                    cv2.LINE_AA)
    if rng.random() < 0.3:
        cv2.ellipse(canvas, tuple(map(int, neck + [-shoulder * view - 4, 34])), (14, 24), 0, 0, 360,
                    (*map(float, colour(rng)), 255.0), -1, cv2.LINE_AA)
    canvas[:, :, 3] /= 255
    canvas[:, :, :3] *= (0.75 + 0.5 * noise(rng, 256, 160, 24))[:, :, None]  # folds and light
    if rng.random() < 0.5:
        canvas = canvas[:, ::-1]
    return trim(cv2.resize(np.clip(canvas, 0, [255, 255, 255, 1]).astype(np.float32), (80, 128), interpolation=cv2.INTER_AREA))


# All of it

class Library:
    """Every class and background of one split."""

    def __init__(self, split):
        held_out = split == "val"
        self.pools = {kind: [name for name in names if is_held_out(name) == held_out]
                      for kind, names in class_names().items()}
        self.pools = {kind: names for kind, names in self.pools.items() if names}
        paths = sorted(path for place in BACKGROUNDS for path in glob.glob(place))
        self.backgrounds = [path for path in paths if is_held_out(os.path.basename(path)) == held_out]
        self.background_of = functools.lru_cache(96)(read_background)
        self.still = functools.lru_cache(2000)(read_still)

    def background(self, rng):
        return self.background_of(self.backgrounds[rng.integers(len(self.backgrounds))])

    @staticmethod
    def is_person(name):
        return name.startswith("figure/")

    def sprite(self, name, rng):
        kind, _, rest = name.partition("/")
        if kind == "shape":
            return draw_shape(int(rest), rng)
        if kind == "figure":
            return draw_figure(int(rest), rng)
        return self.still(name)

    def choose(self, rng, n):
        """n classes of a group, and others of the kinds of some of these that are not asked for."""
        chosen, kinds = [], list(self.pools)
        weights = np.float64([{"clipart": 5, "emoji": 2, "shape": 3, "figure": 0}[kind] for kind in kinds])
        if rng.random() < 0.25 and "figure" in self.pools:
            anybody = self.pools["figure"][0]
            chosen.append(anybody if rng.random() < 0.7 else self.draw(rng, "figure", anybody))
        while len(chosen) < n:
            if chosen and not self.is_person(chosen[-1]) and rng.random() < 0.3:
                name = self.draw(rng, chosen[-1].partition("/")[0], chosen[-1])
            else:
                name = self.draw(rng, kinds[rng.choice(len(kinds), p=weights / weights.sum())], None)
            if name not in chosen:
                chosen.append(name)
        near = [self.draw(rng, name.partition("/")[0], name) for name in chosen if not self.is_person(name)]
        return chosen, [name for name in near if name not in chosen]

    def draw(self, rng, kind, near):
        """Any class, or one that stands close to another in the list: drawings of one theme, emoji of one block."""
        names = self.pools[kind]
        for attempt in range(1000):
            at = int(rng.integers(len(names)))
            if near and kind != "figure":
                at = (names.index(near) + int(rng.integers(1, 12 + attempt))) % len(names)
            if kind in ("shape", "figure") or self.still(names[at]) is not None:
                return names[at]
        raise RuntimeError(f"no {kind} can be drawn")


def class_names():
    drawings = sorted(glob.glob(CLIPART + "/**/*.png", recursive=True))
    return {
        "clipart": ["clipart/" + os.path.relpath(path, CLIPART) for path in drawings],
        "emoji": [f"emoji/{code:x}" for first, last in EMOJI_RANGES for code in range(first, last + 1)
                  if os.path.exists(EMOJI_FONT)],
        "shape": [f"shape/{number}" for number in range(N_SHAPES)],
        "figure": [f"figure/{number}" for number in range(N_FIGURES)],
    }


@functools.lru_cache(1)
def emoji_font():
    return ImageFont.truetype(EMOJI_FONT, 109)


def read_emoji(code):
    image = Image.new("RGBA", (136, 128))
    ImageDraw.Draw(image).text((0, 0), chr(code), font=emoji_font(), embedded_color=True)
    return from_pillow(image)


def read_clipart(path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return from_pillow(image.convert("RGBA")) if image.width * image.height <= MAX_PIXELS else None
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def read_still(name):
    """None: nothing to see, or no silhouette (a drawing that fills its rectangle)."""
    kind, _, rest = name.partition("/")
    sprite = read_emoji(int(rest, 16)) if kind == "emoji" else read_clipart(os.path.join(CLIPART, rest))
    if sprite is None or min(sprite.shape[:2]) < 24 or (kind == "clipart" and (sprite[:, :, 3] > 0.4).mean() < 0.15):
        return None
    return sprite


def read_background(path):
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    scale = 900 / max(picture.shape[:2])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
