#!/usr/bin/env python3
# gst-dinor1 - visual-prompted detection for GStreamer
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes data/preprocess/: what PIL and GroundingDinoImageProcessor make of pictures that the test can make itself.

Needs what requirements.txt lists.
"""
import base64
import pathlib

import numpy as np
from PIL import Image
from transformers import GroundingDinoImageProcessor
from transformers.models.grounding_dino.image_processing_grounding_dino import get_size_with_aspect_ratio

OUT = pathlib.Path(__file__).parent / "data" / "preprocess"

# Input width, height, output width, height.
RESIZES = [
    (1, 1, 1, 1), (1, 1, 5, 4), (1, 1, 64, 1), (1, 17, 1, 5), (1, 17, 3, 40), (23, 1, 7, 1), (23, 1, 50, 2),
    (2, 2, 3, 3), (3, 2, 2, 3), (5, 7, 5, 7), (16, 16, 8, 8), (16, 16, 32, 32), (37, 23, 64, 41), (37, 23, 19, 11),
    (64, 48, 53, 40), (61, 47, 60, 48), (61, 47, 61, 20), (61, 47, 20, 47), (101, 67, 9, 50), (53, 99, 80, 7),
    (8192, 3, 64, 2), (8192, 2, 1, 1), (3, 8192, 2, 64), (768, 576, 40, 30), (1920, 1080, 32, 18), (7, 5, 90, 3),
    (10, 10, 9, 9), (9, 9, 10, 10), (33, 31, 11, 93),
]


def picture(width, height):
    """Pixels from a hash of their place; every other 8x8 tile is only black and white, where rounding errs most."""
    y, x, c = np.meshgrid(np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32),
                          np.arange(3, dtype=np.uint32), indexing="ij")
    value = ((x * np.uint32(2654435761) ^ y * np.uint32(2246822519) ^ c * np.uint32(3266489917))
             * np.uint32(668265263)) >> np.uint32(24)
    hard = ((x >> np.uint32(3)) + (y >> np.uint32(3))) & np.uint32(1)
    return np.where(hard == 1, np.where(value > 127, 255, 0), value).astype(np.uint8)


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def write(name, header, rows):
    lines = ["# " + header] + ["\t".join(str(cell) for cell in row) for row in rows]
    (OUT / name).write_text("\n".join(lines) + "\n")


def resizes():
    for width, height, out_width, out_height in RESIZES:
        resized = Image.fromarray(picture(width, height)).resize((out_width, out_height), Image.BILINEAR)
        yield width, height, out_width, out_height, encode(np.asarray(resized))


def published():
    """The image processor from end to end."""
    for width, height, shortest, longest in [(20, 15, 12, 30), (15, 20, 18, 21), (33, 9, 8, 24)]:
        processor = GroundingDinoImageProcessor(size={"shortest_edge": shortest, "longest_edge": longest})
        pixels = processor(picture(width, height), return_tensors="np", do_pad=False)["pixel_values"][0]
        yield (width, height, shortest, longest, pixels.shape[2], pixels.shape[1],
               encode(pixels.transpose(1, 2, 0).astype("<f4")))


def rules():
    sides = [1, 2, 7, 100, 333, 479, 480, 481, 576, 639, 640, 750, 768, 799, 800, 801, 1080, 1333, 1334, 1920, 3000,
             8192]
    cases = [(width, height, *limits) for i, width in enumerate(sides) for height in sides[i % 2::2]
             for limits in ([(800, 1333), (480, 640)] if (i + height) % 3 else [(320, 533)])]
    # Shortest sides of a half.
    cases += [(500, 1000, 800, 1333), (1000, 500, 800, 1333), (1600, 800, 800, 1335), (400, 800, 320, 533)]
    for width, height, shortest, longest in cases:
        out_height, out_width = get_size_with_aspect_ratio((height, width), shortest, longest)
        yield width, height, shortest, longest, max(out_width, 1), max(out_height, 1)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    write("resize.tsv", "width, height, output width, output height, PIL's R G B bytes in base64", resizes())
    write("published.tsv", "width, height, shortest, longest, output width, output height, f32 in base64", published())
    write("rule.tsv", "width, height, shortest, longest, output width, output height", rules())


if __name__ == "__main__":
    main()
