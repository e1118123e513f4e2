#!/usr/bin/env python3
"""Writes the photographs of this folder: reduced copies of pictures that scikit-image ships.

Made with Pillow 13.0.0 and scikit-image 0.26.0; no randomness. Other versions may write other bytes, so run it
only to add a picture. Sources and licences: README.md.
"""

import pathlib

import skimage
from PIL import Image

SOURCE = pathlib.Path(skimage.__file__).parent / "data"
TARGET = pathlib.Path(__file__).parent


def source(name, size=None, crop=None):
    image = Image.open(SOURCE / name).convert("RGB")
    if crop:
        image = image.crop(crop)
    if size:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def main():
    source("astronaut.png", 400).save(TARGET / "astronaut.jpg", quality=85)
    source("coffee.png", 400).save(TARGET / "coffee.jpg", quality=88, subsampling=0)
    source("rocket.jpg", 400).save(TARGET / "rocket.jpg", quality=80, progressive=True)
    source("camera.png", 320).convert("L").save(TARGET / "camera_grey.jpg", quality=85)
    source("retina.jpg", 301).save(TARGET / "retina.jpg", quality=75, subsampling=1)

    # A portrait: the left part of the astronaut, 180 x 400.
    source("astronaut.png", crop=(110, 0, 340, 512)).resize((180, 400)).save(TARGET / "portrait.jpg", quality=85)

    # Stored lying on its side; upright only for a reader that follows EXIF orientation 6.
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = source("coffee.png", 300).transpose(Image.Transpose.ROTATE_90)
    lying.save(TARGET / "coffee_orientation6.jpg", quality=85, exif=exif)

    # Transparent outside an ellipse, where the hidden colours remain.
    cat = source("chelsea.png", 160)
    mask = Image.new("L", cat.size, 0)
    for y in range(cat.height):
        for x in range(cat.width):
            dx, dy = 2 * (x + 0.5) / cat.width - 1, 2 * (y + 0.5) / cat.height - 1
            mask.putpixel((x, y), max(0, min(255, round(255 * 4 * (1 - (dx * dx + dy * dy))))))
    cat.putalpha(mask)
    cat.save(TARGET / "chelsea_alpha.png", optimize=True)

    source("chelsea.png", 400).save(TARGET / "chelsea.webp", quality=80)
    source("hubble_deep_field.jpg", 280).quantize(64).save(TARGET / "hubble_palette.png", optimize=True)
    source("rocket.jpg", 120).save(TARGET / "rocket_small.bmp")

    # Far from square, for resizing by the shorter edge; apart from the others, which go round among the golden requests.
    (TARGET / "aspect").mkdir(exist_ok=True)
    source("coffee.png", crop=(60, 150, 510, 190)).save(TARGET / "aspect" / "strip.jpg", quality=85)
    source("astronaut.png", crop=(200, 20, 213, 320)).save(TARGET / "aspect" / "pole.png", optimize=True)


if __name__ == "__main__":
    main()
