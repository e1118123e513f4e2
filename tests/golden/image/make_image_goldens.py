#!/usr/bin/env python3
"""Writes the golden pictures and checksums that tests/unit/image compares against.

    files/            small encoded pictures of every kind that is read
    decoded.txt       per file: what Pillow makes of it, with and without EXIF, alpha dropped or on white
    resized.txt       bicubic results for noise of many shapes, in the order of each library
    pixel_values.txt  what the image processors make of noise and of tests/data/images
    cropped.txt       the same of those that keep the aspect and crop: CLIP's and LLaVA's
    tiles.txt         the same of LLaVA-NeXT's, which cuts a picture into tiles, and how many rows its prompts get
    videos.txt        what InstructBlipVideoVideoProcessor makes of frames of noise, by its settings

Seed 20; made with Python 3.11, Pillow 13.0.0, numpy 2.4.6, torch 2.11.0, torchvision 0.26.0, transformers 4.57.3.
Other versions of Pillow may encode other bytes and, before 13, resize tall pictures differently. Checksums are
CRC-32 of the bytes, little-endian. Noise is not stored: noise() in picture_files.py and in golden_image.h is the same generator.
"""

import contextlib
import io
import json
import pathlib
import random
import types
import warnings
import zlib

import numpy as np
import torch
import torchvision.transforms.v2.functional as tvf
import transformers
from PIL import Image, ImageOps
from transformers import BlipImageProcessor, BlipImageProcessorFast
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution

from picture_files import PHOTOGRAPHS, SEED, make_files, noise

HERE = pathlib.Path(__file__).parent
MODES = ("pillow13", "pillow12", "torchvision")


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


# --- what the reference makes of them


def decoded(data, apply_exif, white):
    image = Image.open(io.BytesIO(data))
    if apply_exif:
        image = ImageOps.exif_transpose(image)
    if white and ("A" in image.getbands() or image.info.get("transparency") is not None):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return np.asarray(image.convert("RGB"))


def write_decoded():
    (HERE / "files").mkdir(exist_ok=True)
    lines = ["# file width height upright stored upright_on_white"]
    for name, data in make_files():
        (HERE / "files" / name).write_bytes(data)
        upright = decoded(data, True, False)
        # Pillow turns a TIFF while loading it and keeps no other way to see it.
        stored = crc(decoded(data, False, False)) if not name.endswith(".tif") else "-"
        on_white = crc(decoded(data, True, True))
        lines.append(f"{name} {upright.shape[1]} {upright.shape[0]} {crc(upright)} {stored} {on_white}")
    (HERE / "decoded.txt").write_text("\n".join(lines) + "\n")


def resized(array, width, height, mode):
    image = Image.fromarray(array)
    if mode == "pillow13":
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    if mode == "pillow12":  # one pass at a time, horizontally first
        half = image.resize((width, image.height), Image.Resampling.BICUBIC)
        return np.asarray(half.resize((width, height), Image.Resampling.BICUBIC))
    tensor = torch.from_numpy(array).permute(2, 0, 1).contiguous()
    tensor = tvf.resize(tensor, (height, width), interpolation=tvf.InterpolationMode.BICUBIC, antialias=True)
    return tensor.permute(1, 2, 0).numpy()


def write_resized():
    choice = random.Random(SEED)
    shapes = [(640, 480), (480, 640), (224, 224), (224, 500), (500, 224), (1, 1), (1, 700), (700, 1), (2, 3), (30, 900)]
    targets = [(224, 224)] * len(shapes)
    for _ in range(40):
        shapes.append((choice.randint(1, 300), choice.randint(1, 300)))
        targets.append(choice.choice([(224, 224), (choice.randint(1, 260), choice.randint(1, 260))]))
    lines = ["# width height to_width to_height " + " ".join(MODES)]
    for seed, ((width, height), (to_width, to_height)) in enumerate(zip(shapes, targets)):
        array = noise(width, height, seed)
        sums = " ".join(crc(resized(array, to_width, to_height, mode)) for mode in MODES)
        lines.append(f"{width} {height} {to_width} {to_height} {sums}")
    (HERE / "resized.txt").write_text("\n".join(lines) + "\n")


def pixel_values(image, size, steps, mode):
    kind = BlipImageProcessorFast if mode == "torchvision" else BlipImageProcessor
    processor = kind(
        size={"height": size[1], "width": size[0]}, do_rescale="rescale" in steps, do_normalize="normalize" in steps
    )
    values = processor(image, return_tensors="pt").pixel_values[0]
    return crc(values.float().numpy())


def write_pixel_values():
    lines = ["# picture width height steps pillow13 torchvision; noise is noise:width:height:seed"]
    cases = [(path.name, (224, 224), ("rescale", "normalize"))
             for path in sorted(PHOTOGRAPHS.iterdir()) if path.is_file() and path.suffix not in (".py", ".md")]
    for seed, (width, height, size, steps) in enumerate([
        (90, 70, (224, 224), ("rescale", "normalize")),
        (90, 70, (60, 40), ("rescale",)),
        (90, 70, (60, 40), ("normalize",)),
        (90, 70, (60, 40), ()),
        (70, 3, (33, 44), ("rescale", "normalize")),
        (40, 300, (33, 44), ("rescale", "normalize")),
    ]):
        cases.append((f"noise:{width}:{height}:{seed}", size, steps))
    for name, size, steps in cases:
        if name.startswith("noise"):
            image = Image.fromarray(noise(*map(int, name.split(":")[1:])))
        else:
            image = transformers.image_utils.load_image(str(PHOTOGRAPHS / name))
        sums = [pixel_values(image, size, steps, mode) for mode in ("pillow13", "torchvision")]
        lines.append(f"{name} {size[0]} {size[1]} {'+'.join(steps) or '-'} {' '.join(sums)}")
    (HERE / "pixel_values.txt").write_text("\n".join(lines) + "\n")


def clip_cases(count, choice):
    """Pictures and settings that leave no path of center_crop and of the padding out."""
    side = lambda most: choice.choice([choice.randint(1, 12), choice.randint(1, most), choice.randint(1, most)])
    for seed in range(count):
        settings = {
            "size": choice.choice([{"shortest_edge": side(120)}, {"shortest_edge": side(120)},
                                   {"height": side(120), "width": side(120)}]),
            "crop_size": {"height": side(130), "width": side(130)},
        }
        if choice.random() < 0.2:
            settings["do_resize"] = False
        if choice.random() < 0.2:
            settings["do_rescale"] = False
        if choice.random() < 0.1:
            settings["do_normalize"] = False
        kind = choice.choice(["CLIP", "CLIP", "Llava"])
        if kind == "Llava":
            settings["do_pad"] = choice.random() < 0.7
        most = choice.choice([60, 500])
        yield kind, settings, side(most), side(most), seed


@contextlib.contextmanager
def horizontally_first(wanted):
    """Pillow 12's order of passes, one at a time."""
    resize = Image.Image.resize

    def in_two(self, size, resample=None, **options):
        half = resize(self, (size[0], self.height), resample=resample, **options)
        return resize(half, size, resample=resample, **options)

    if wanted:
        Image.Image.resize = in_two
    try:
        yield
    finally:
        Image.Image.resize = resize


def cropped(kind, settings, array, mode):
    if array.shape[0] == 1 and mode != "torchvision":
        return "-"  # one row is taken for one channel: an error, or a result that no model takes
    name = f"{kind}ImageProcessor" + ("Fast" if mode == "torchvision" else "")
    processor = getattr(transformers, name)(**settings)
    with horizontally_first(mode == "pillow12"):
        try:
            return crc(processor(Image.fromarray(array), return_tensors="pt").pixel_values[0].float().numpy())
        except RuntimeError as error:
            assert "INTERNAL ASSERT" in str(error)  # torch, for some pictures that are one pixel wide
            return "-"


def write_cropped(count=60):
    lines = ["# kind, size, crop_size, do_pad, steps, width, height, seed of noise, " + ", ".join(MODES)]
    for kind, settings, width, height, seed in clip_cases(count, random.Random(SEED)):
        array = noise(width, height, seed)
        sums = [cropped(kind, settings, array, mode) for mode in MODES]
        text = lambda size: "x".join(str(size[key]) for key in sorted(size))
        steps = [step for step in ("resize", "rescale", "normalize") if settings.get(f"do_{step}", True)]
        lines.append(" ".join([
            kind, text(settings["size"]), text(settings["crop_size"]), str(int(settings.get("do_pad", False))),
            "+".join(steps) or "-", str(width), str(height), str(seed), *sums,
        ]))
    (HERE / "cropped.txt").write_text("\n".join(lines) + "\n")


def tile_cases(count, choice):
    for seed in range(count):
        side = choice.choice([14, 21, 28])
        grid = [[side * choice.randint(1, 4), side * choice.randint(1, 4)] for _ in range(choice.randint(1, 6))]
        edge = choice.choice([side, side, side, side + 9])
        settings = {
            "size": choice.choice([{"shortest_edge": edge}, {"height": edge, "width": edge + 3}]),
            "crop_size": {"height": side, "width": side},
            "image_grid_pinpoints": grid,
        }
        if settings["size"] == {"shortest_edge": side} and choice.random() < 0.2:
            settings["do_resize"] = False
        if choice.random() < 0.1:
            settings["do_normalize"] = False
        most = choice.choice([30, 150, 150, 600])
        yield settings, choice.randint(2, most), choice.randint(2, most), seed


def tiled(settings, array, mode):
    name = "LlavaNextImageProcessor" + ("Fast" if mode == "torchvision" else "")
    processor = getattr(transformers, name)(**settings)
    if mode != "torchvision":
        rows = array if array.shape[0] != 3 else array.transpose(1, 2, 0)
        best = select_best_resolution(rows.shape[:2], settings["image_grid_pinpoints"])
        if get_patch_output_size(rows, best, "channels_last")[0] in (1, 3):
            return "-", 0  # it takes the rows of what it has resized for channels, and cuts something else
    with horizontally_first(mode == "pillow12"):
        values = processor(Image.fromarray(array), return_tensors="pt").pixel_values[0]
        return crc(values.float().numpy()), len(values)


def rows_of_prompt(settings, array, patch):
    """What a processor for a vision encoder without CLS counts."""
    processor = types.SimpleNamespace(
        image_processor=types.SimpleNamespace(image_grid_pinpoints=settings["image_grid_pinpoints"]), patch_size=patch,
        num_additional_image_tokens=0,
        _get_unpadded_features=lambda *sizes: transformers.LlavaNextProcessor._get_unpadded_features(None, *sizes),
    )  # fmt: skip
    side = settings["crop_size"]["height"]
    # Pillow's path takes three rows for channels.
    height, width = array.shape[:2] if array.shape[0] != 3 else (array.shape[1], 3)
    return transformers.LlavaNextProcessor._get_number_of_features(processor, height, width, side, side)


def write_tiles(count=90):
    lines = ["# size, side of a tile, grid, steps, patch size, width, height, seed of noise, views, rows of a prompt, "
             + ", ".join(MODES)]  # fmt: skip
    for settings, width, height, seed in tile_cases(count, random.Random(SEED)):
        array = noise(width, height, seed)
        sums = [tiled(settings, array, mode) for mode in MODES]
        text = lambda size: "x".join(map(str, size.values()))
        grid = ",".join(f"{height}x{width}" for height, width in settings["image_grid_pinpoints"])
        steps = [step for step in ("resize", "rescale", "normalize") if settings.get(f"do_{step}", True)]
        lines.append(" ".join([
            text(settings["size"]), str(settings["crop_size"]["height"]), grid, "+".join(steps), "7", str(width),
            str(height), str(seed), str(max(views for _, views in sums)), str(rows_of_prompt(settings, array, 7)),
            *(check for check, _ in sums),
        ]))
    (HERE / "tiles.txt").write_text("\n".join(lines) + "\n")


VIDEOS = (  # settings, width, height, frames
    ({"size": {"height": 30, "width": 30}}, 64, 48, 4),
    ({"size": {"height": 30, "width": 20}}, 20, 30, 2),
    ({"size": 24}, 100, 7, 1),
    ({"size": {"height": 30, "width": 30}}, 31, 3, 2),  # three rows, which the reference takes for channels
    ({"size": {"height": 30, "width": 30}}, 31, 1, 2),  # one row, which becomes the only one
    ({"size": {"height": 30, "width": 30}, "do_convert_rgb": False}, 40, 1, 1),
    ({"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 28, "width": 28}}, 90, 50, 3),
    ({"size": 40, "default_to_square": False, "do_center_crop": True, "crop_size": 35}, 50, 91, 1),
    ({"size": {"height": 20, "width": 44}, "do_center_crop": True, "crop_size": {"height": 28, "width": 28}}, 61, 50, 1),
    ({"size": {"height": 30, "width": 30}, "do_sample_frames": True, "num_frames": 4}, 33, 34, 11),
    ({"size": {"height": 30, "width": 30}, "do_sample_frames": True, "num_frames": 3}, 33, 34, 3),
    ({"size": {"height": 30, "width": 30}, "do_normalize": False}, 33, 34, 1),
    ({"size": {"height": 30, "width": 30}, "do_rescale": False, "image_mean": [120, 110, 100]}, 33, 34, 1),
    ({"size": {"height": 30, "width": 30}, "image_mean": 0.5, "image_std": 0.25, "rescale_factor": 0.0078125}, 33, 34, 1),
    ({"size": {"height": 34, "width": 33}, "do_resize": False, "do_rescale": False, "do_normalize": False}, 33, 34, 2),
    ({"size": {"height": 300, "width": 200}}, 33, 34, 1),
)


def write_videos():
    lines = ["# width, height, frames, seed of the first frame's noise, pixel_values, settings"]
    for seed, (settings, width, height, frames) in enumerate(VIDEOS):
        video = [Image.fromarray(noise(width, height, seed + i)) for i in range(frames)]
        values = transformers.InstructBlipVideoVideoProcessor(**settings)(video, return_tensors="pt").pixel_values[0]
        text = json.dumps(settings, separators=(",", ":"))
        lines.append(f"{width} {height} {frames} {seed} {crc(values.float().numpy())} {text}")
    (HERE / "videos.txt").write_text("\n".join(lines) + "\n")


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    write_decoded()
    write_resized()
    write_pixel_values()
    write_cropped()
    write_tiles()
    write_videos()


if __name__ == "__main__":
    main()
