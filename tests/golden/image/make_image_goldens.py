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
CRC-32 of the bytes, little-endian. Noise is not stored: noise() here and in golden_image.h is the same generator.
"""

import contextlib
import io
import json
import pathlib
import random
import struct
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

HERE = pathlib.Path(__file__).parent
PHOTOGRAPHS = HERE.parent.parent / "data" / "images"
SEED = 20
MODES = ("pillow13", "pillow12", "torchvision")


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


def noise(width, height, seed):
    """Bytes 16 to 23 of a 32-bit linear congruential generator."""
    count = 3 * width * height
    powers = np.cumprod(np.full(count, 1664525, np.uint32), dtype=np.uint32)
    sums = np.cumsum(np.concatenate([np.ones(1, np.uint32), powers[:-1]]), dtype=np.uint32)
    states = powers * np.uint32(seed) + sums * np.uint32(1013904223)
    return (states >> 16 & 255).astype(np.uint8).reshape(height, width, 3)


# --- encoders for what Pillow reads but does not write


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, depth, color, palette=None, transparency=None, interlaced=False, before=b"", after=b""):
    """`samples` [height, width, channels]; rows go unfiltered."""
    height, width, _ = samples.shape

    def rows(part):
        out = b""
        for row in part if part.size else ():
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(np.uint8).tobytes()
            else:
                bits = row.reshape(-1)[:, None] >> np.arange(depth - 1, -1, -1) & 1
                line = np.packbits(bits.reshape(-1).astype(np.uint8)).tobytes()
            out += b"\0" + line
        return out

    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    data = b"".join(rows(samples[y::dy, x::dx]) for x, y, dx, dy in adam7) if interlaced else rows(samples)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))
        + before
        + (chunk(b"PLTE", palette) if palette else b"")
        + (chunk(b"tRNS", transparency) if transparency else b"")
        + chunk(b"IDAT", zlib.compress(data))
        + after
        + chunk(b"IEND", b"")
    )


def bmp(header, palette, data):
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


def bmp_header(width, height, bits, compression=0, colors=0, size=40, masks=()):
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, 0, 0, 0, colors, 0)
    header += b"".join(struct.pack("<I", mask) for mask in masks)
    return header.ljust(size, b"\0")


def lzw(indices, bits):
    """Codes for `indices` in blocks, the code size before them; once its table is full it stays as it is."""
    clear, width, first_free = 1 << bits, bits + 1, (1 << bits) + 2
    table, text, out, used = {}, (), 0, 0

    def put(code):
        nonlocal out, used
        out |= code << used
        used += width

    put(clear)
    codes = 0
    for index in (*indices, None):
        if text and (*text, index) not in table:
            put(text[0] if len(text) == 1 else table[text])
            codes += 1
            # The reader knows a string one code later than the writer.
            width = min(12, max(width, (first_free + codes - 1).bit_length()))
            if index is not None and first_free + len(table) < 4096:
                table[(*text, index)] = first_free + len(table)
            text = ()
        text = (*text, index)
    put(clear + 1)
    data = out.to_bytes((used + 7) // 8, "little")
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif_frame(indices, bits, left=0, top=0, local=b"", interlaced=False):
    """`indices` [height, width], in the order in which the rows are stored."""
    height, width = indices.shape
    flags = interlaced << 6 | (0x80 | (len(local) // 3).bit_length() - 2 if local else 0)
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + local + lzw(indices.ravel().tolist(), bits)


def gif(width, height, *parts, palette=b"", version=b"GIF89a"):
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    return version + struct.pack("<HHBBB", width, height, flags, 1, 0) + palette + b"".join(parts) + b";"


def gif_control(transparent):
    return b"!\xf9\x04\x01\0\0" + bytes([transparent, 0])


def exif(orientation, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg_segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def orientation_block(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


# --- the pictures


def jpeg_files(photo, odd):
    yield "rgb_420.jpg", encoded(photo, format="JPEG", quality=80)
    yield "rgb_422.jpg", encoded(odd, format="JPEG", quality=60, subsampling=1)
    yield "rgb_444.jpg", encoded(odd, format="JPEG", quality=95, subsampling=0)
    yield "progressive.jpg", encoded(odd, format="JPEG", progressive=True)
    yield "optimized.jpg", encoded(odd, format="JPEG", optimize=True, quality=30)
    yield "restarts.jpg", encoded(odd, format="JPEG", restart_marker_blocks=2)
    yield "grey.jpg", encoded(odd.convert("L"), format="JPEG")
    yield "stored_as_rgb.jpg", encoded(odd, format="JPEG", keep_rgb=True)
    yield "cmyk.jpg", encoded(odd.convert("CMYK"), format="JPEG")
    yield "one_pixel.jpg", encoded(odd.crop((0, 0, 1, 1)), format="JPEG")
    for orientation in range(1, 9):
        yield f"orientation{orientation}.jpg", encoded(odd, format="JPEG", exif=orientation_block(orientation))
    plain = encoded(odd, format="JPEG")
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='1'/><y tiff:Orientation=\"8\"/>"
    yield "xmp.jpg", plain[:2] + jpeg_segment(0xE1, xmp) + plain[2:]
    both = jpeg_segment(0xE1, b"Exif\0\0" + exif(3, ">")) + jpeg_segment(0xE1, xmp)
    yield "exif_and_xmp.jpg", plain[:2] + both + plain[2:]
    halves = exif(6)
    split = jpeg_segment(0xE1, b"Exif\0\0" + halves[:15]) + jpeg_segment(0xE1, b"Exif\0\0" + halves[15:])
    yield "exif_in_two.jpg", plain[:2] + split + plain[2:]
    yield "orientation9.jpg", plain[:2] + jpeg_segment(0xE1, b"Exif\0\0" + exif(9)) + plain[2:]
    yield "trailing_bytes.jpg", plain + b"more"


def png_files(odd, alpha, generator):
    yield "rgb.png", encoded(odd, format="PNG")
    yield "rgba.png", encoded(alpha, format="PNG")
    yield "grey_alpha.png", encoded(alpha.convert("LA"), format="PNG")
    yield "one_bit.png", encoded(odd.convert("1"), format="PNG")
    few = odd.quantize(16)
    yield "palette.png", encoded(few, format="PNG")
    yield "palette_one_clear.png", encoded(few, format="PNG", transparency=2)
    yield "palette_alphas.png", encoded(few, format="PNG", transparency=bytes(range(0, 256, 17)))
    yield "rgb_key.png", encoded(odd, format="PNG", transparency=odd.getpixel((3, 3)))
    yield "grey_key.png", encoded(odd.convert("L"), format="PNG", transparency=odd.convert("L").getpixel((3, 3)))
    yield "animated.png", encoded(
        alpha, format="PNG", save_all=True, append_images=[alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    )
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for depth, color in ((1, 0), (2, 0), (4, 0), (16, 0), (16, 2), (2, 3), (4, 3), (16, 4), (16, 6), (8, 2)):
        samples = generator.integers(0, 1 << depth, (11, 13, channels[color])).astype(np.uint16)
        if (depth, color) == (16, 0):
            samples %= 400  # Pillow clips at 255
        palette = generator.integers(0, 256, 3 * 3).astype(np.uint8).tobytes() if color == 3 else None  # too short
        for interlaced in (False, True):
            suffix = "_interlaced" if interlaced else ""
            yield f"depth{depth}_color{color}{suffix}.png", png(samples, depth, color, palette, None, interlaced)
    samples = np.asarray(odd).astype(np.uint16)
    text = f"\nexif\n{28:8}\n{(b'Exif' + bytes(2) + exif(6)).hex()}\n".encode()
    profile = b"Raw profile type exif\0"
    packet = b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>5</tiff:Orientation>"
    yield "exif_before.png", png(samples, 8, 2, before=chunk(b"eXIf", exif(8)))
    yield "exif_after.png", png(samples, 8, 2, after=chunk(b"eXIf", exif(2)))
    yield "raw_profile.png", png(samples, 8, 2, before=chunk(b"tEXt", profile + text))
    yield "raw_profile_packed.png", png(samples, 8, 2, after=chunk(b"zTXt", profile + b"\0" + zlib.compress(text)))
    yield "xmp.png", png(samples, 8, 2, before=chunk(b"iTXt", packet))
    yield "gamma.png", png(samples, 8, 2, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "broken_profile.png", png(samples, 8, 2, before=chunk(b"iCCP", b"x\0\0junk"))


def webp_files(odd, alpha):
    yield "lossy.webp", encoded(odd, format="WEBP", quality=70)
    yield "lossless.webp", encoded(odd, format="WEBP", lossless=True)
    yield "lossy_alpha.webp", encoded(alpha, format="WEBP", quality=70, exact=True)
    yield "lossless_alpha.webp", encoded(alpha, format="WEBP", lossless=True, exact=True)
    yield "orientation7.webp", encoded(odd, format="WEBP", exif=orientation_block(7))
    yield "xmp.webp", encoded(odd, format="WEBP", xmp=b'<x tiff:Orientation="3"/>')
    yield "one_pixel.webp", encoded(odd.crop((0, 0, 1, 1)), format="WEBP", lossless=True)
    frames = [alpha, alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    yield "animated.webp", encoded(frames[0], format="WEBP", save_all=True, append_images=frames[1:])


def bmp_files(odd, alpha, generator):
    width, height = odd.size
    yield "rgb.bmp", encoded(odd, format="BMP")
    yield "grey.bmp", encoded(odd.convert("L"), format="BMP")
    yield "palette.bmp", encoded(odd.quantize(200), format="BMP")
    yield "one_bit.bmp", encoded(odd.convert("1"), format="BMP")
    yield "rgba.bmp", encoded(alpha, format="BMP")
    wide = generator.integers(0, 256, (height, (width * 2 + 3) // 4 * 4)).astype(np.uint8).tobytes()
    yield "555.bmp", bmp(bmp_header(width, height, 16), b"", wide)
    masks_565 = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    yield "565.bmp", bmp(bmp_header(width, height, 16, 3), masks_565, wide)
    full = generator.integers(0, 256, (height, width * 4)).astype(np.uint8).tobytes()
    yield "32_top_down.bmp", bmp(bmp_header(width, -height, 32), b"", full)
    masks = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    yield "32_bit_fields.bmp", bmp(bmp_header(width, height, 32, 3, size=108, masks=masks), b"", full)
    nibbles = generator.integers(0, 256, (height, (width * 4 + 31) // 32 * 4)).astype(np.uint8).tobytes()
    colors = generator.integers(0, 256, (16, 4)).astype(np.uint8).tobytes()
    yield "4_bit.bmp", bmp(bmp_header(width, height, 4), colors, nibbles)
    core = struct.pack("<IHHHH", 12, width, height, 1, 4)
    yield "os2.bmp", bmp(core, generator.integers(0, 256, (16, 3)).astype(np.uint8).tobytes(), nibbles)
    for bits, compression in ((8, 1), (4, 2)):
        lines = b"".join(bytes([5, 0x12, 0, 7, *range(7 if bits == 8 else 4)]) + (b"\0" if bits == 8 else b"")
                         + bytes([width - 12, y % 16, 0, 0]) for y in range(height - 2))
        skip = bytes([3, 1, 0, 2, 4, 1])  # to the next row, four to the right
        palette = generator.integers(0, 256, (1 << bits, 4)).astype(np.uint8).tobytes()
        data = skip + bytes([width - 7, 2, 0, 0]) + lines + b"\0\1"
        yield f"run_lengths_{bits}.bmp", bmp(bmp_header(width, height, bits, compression), palette, data)


def tiff_files(odd, alpha):
    for name, image in (("rgb", odd), ("rgba", alpha), ("palette", odd.quantize(50)), ("one_bit", odd.convert("1"))):
        yield f"{name}.tif", encoded(image, format="TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", encoded(odd, format="TIFF", compression=compression)
    yield "group4.tif", encoded(odd.convert("1"), format="TIFF", compression="group4")
    yield "grey16.tif", encoded(Image.fromarray(np.asarray(odd.convert("L")).astype(np.uint16) * 2), format="TIFF")
    yield "orientation6.tif", encoded(odd, format="TIFF", exif=orientation_block(6))


    cmyk = odd.convert("CMYK").point(lambda value: min(255, value + 40))
    for compression in (None, "tiff_lzw", "jpeg"):
        options = {"compression": compression} if compression else {}
        yield f"cmyk{'_' + compression if compression else ''}.tif", encoded(cmyk, format="TIFF", **options)


def pnm_files(odd, generator):
    rgb, grey = np.asarray(odd), np.asarray(odd.convert("L"))
    bits = np.asarray(odd.convert("1")).astype(np.uint8)
    text = lambda samples: b" ".join(b"%d" % value for value in samples.reshape(-1))
    yield "bits_plain.pbm", b"P1\n29\t# columns\n19\n" + b"".join(b"%d" % value for value in bits.reshape(-1))
    yield "bits.pbm", b"P4 29 19\n" + np.packbits(bits, axis=1).tobytes()
    yield "grey_plain.pgm", b"P2 29 19 200\n" + text(np.minimum(grey, 200)) + b"# the end"
    yield "grey.pgm", b"P5\n#\n29 19\r255\n" + grey.tobytes()
    yield "grey_9_levels.pgm", b"P5 29 19 8 " + generator.integers(0, 14, (19, 29)).astype(np.uint8).tobytes()
    yield "grey_12_bits.pgm", b"P5 29 19 4095\n" + (grey // 16).astype(">u2").tobytes()
    yield "grey_16_bits.pgm", b"P5 29 19 65535\n" + (grey * 2.5).astype(">u2").tobytes()
    yield "rgb_plain.ppm", b"P3\n29 19\n1000\n" + text(rgb.astype(int) * 3) + b"\n"
    yield "rgb.ppm", b"P6\n29 19\n255\n" + rgb.tobytes() + b"more"
    yield "rgb_100_levels.ppm", b"P6 29 19 99\n" + (rgb // 2).tobytes()
    yield "rgb_16_bits.ppm", b"P6 29 19 65535\n" + generator.integers(0, 65536, (19, 29, 3)).astype(">u2").tobytes()


def jp2_with_color(data, content):
    """The same file with another colr box."""
    at = data.index(b"colr") - 4
    old = struct.unpack(">I", data[at : at + 4])[0]
    new = struct.pack(">I", len(content) + 8) + b"colr" + content
    header = data.index(b"jp2h") - 4
    size = struct.unpack(">I", data[header : header + 4])[0] + len(new) - old
    return data[:header] + struct.pack(">I", size) + data[header + 4 : at] + new + data[at + old :]


def jpeg2000_files(odd, alpha, photo):
    save = lambda image, **options: encoded(image, format="JPEG2000", **options)
    wide = Image.fromarray(np.asarray(odd.convert("L")).astype(np.uint16) * 2)
    yield "rgb.jp2", save(odd)
    yield "rgb.j2k", save(odd, no_jp2=True)
    yield "rgba.jp2", save(alpha)
    yield "grey.jp2", save(odd.convert("L"))
    yield "grey_alpha.jp2", save(alpha.convert("LA"))
    yield "grey16.jp2", save(wide)
    yield "signed.jp2", save(odd, signed=True)
    yield "lossy.jp2", save(photo, irreversible=True, quality_mode="rates", quality_layers=[20, 8])
    yield "lossy_grey.j2k", save(photo.convert("L"), irreversible=True, no_jp2=True, quality_mode="dB", quality_layers=[35])
    yield "tiles.jp2", save(photo, tile_size=(16, 32), progression="RPCL", mct=0)
    yield "offset.jp2", save(photo, irreversible=True, tile_size=(32, 32), offset=(5, 7))
    yield "ycc.jp2", jp2_with_color(save(odd, mct=0), b"\1\0\0" + struct.pack(">I", 18))
    yield "cmyk.jp2", jp2_with_color(save(alpha), b"\1\0\0" + struct.pack(">I", 12))
    yield "profile.jp2", jp2_with_color(save(odd), b"\2\0\0" + bytes(128))


def gif_files(odd, alpha):
    generator = np.random.default_rng(SEED)
    colors = generator.integers(0, 256, (256, 3)).astype(np.uint8).tobytes()
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()
    picture = np.asarray(odd.quantize(16))

    yield "palette.gif", encoded(odd.quantize(50), format="GIF", interlace=0)
    yield "interlaced.gif", encoded(odd.quantize(16), format="GIF", interlace=1)
    yield "grey.gif", encoded(odd.convert("L"), format="GIF")
    yield "one_bit.gif", encoded(odd.convert("1"), format="GIF")
    yield "alpha.gif", encoded(alpha.point(lambda value: value & 192), format="GIF")
    frames = [alpha, alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT), odd]
    yield "animated.gif", encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:], disposal=2)

    yield "87.gif", gif(29, 19, gif_frame(picture, 4), palette=colors[:48], version=b"GIF87a")
    yield "local_palette.gif", gif(29, 19, gif_frame(picture, 4, local=colors[48:96]), palette=colors[:48])
    yield "only_local_palette.gif", gif(29, 19, gif_frame(picture, 4, local=colors[:48]))
    yield "no_palette.gif", gif(29, 19, gif_control(3), gif_frame(picture, 5))
    yield "grey_ramp.gif", gif(29, 19, gif_frame(picture, 8), palette=ramp[:24])
    yield "local_grey_ramp.gif", gif(29, 19, gif_control(3), gif_frame(picture, 4, local=ramp[:48]), palette=colors[:48])
    yield "past_palette.gif", gif(29, 19, gif_control(9), gif_frame(picture, 4), palette=colors[:24])
    yield "clear_but_unused.gif", gif(29, 19, gif_control(200), gif_frame(picture, 4), palette=colors[:48])
    yield "small_frame.gif", gif(40, 30, gif_frame(picture, 4, 5, 3), palette=colors[:48])
    yield "small_frame_clear.gif", gif(40, 30, gif_control(6), gif_frame(picture, 4, 5, 3), palette=colors[:48])
    yield "frame_beyond.gif", gif(20, 10, gif_control(6), gif_frame(picture, 4, 5, 3), palette=colors[:48])
    yield "no_screen.gif", gif(0, 0, gif_frame(picture, 4), palette=colors[:48])
    yield "low_interlaced.gif", gif(29, 3, gif_frame(picture[:3], 4, interlaced=True), palette=colors[:48])
    yield "local_interlaced.gif", gif(29, 19, gif_frame(picture, 4, local=colors[:48], interlaced=True))
    yield "one_pixel.gif", gif(1, 1, gif_frame(picture[:1, :1], 4), palette=colors[:48])
    noise = generator.integers(0, 256, (60, 76))
    yield "full_table.gif", gif(76, 60, gif_frame(noise, 8), palette=colors)
    before = b"!\xfe\5hello\3you\0" + b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0" + b"!\x01\x02ab\0" + b"!\xfe\0" + b"\0\7"
    before += gif_control(2) + b"!\xf9\x04\0\0\0\5\0"
    yield "extensions.gif", gif(29, 19, before, gif_frame(picture, 4), palette=colors[:48])
    # Pillow takes what follows an extension without blocks for its blocks.
    yield "empty_extension.gif", gif(29, 19, b"!\x77\0" + b"\2ab\0", gif_frame(picture, 4), palette=colors[:48])
    yield "trailing_bytes.gif", gif(29, 19, gif_frame(picture, 4), palette=colors[:48]) + b"more"
    whole = gif(29, 19, gif_frame(picture, 4), b",\xff\xff\xff\xff", palette=colors[:48])
    yield "animated_damaged.gif", whole[:-1]


def make_files():
    generator = np.random.default_rng(SEED)
    photo = Image.open(PHOTOGRAPHS / "coffee.jpg").convert("RGB").resize((64, 48))
    odd = Image.open(PHOTOGRAPHS / "chelsea.webp").convert("RGB").resize((29, 19))
    alpha = odd.convert("RGBA")
    alpha.putalpha(Image.fromarray(generator.integers(0, 256, (19, 29), dtype=np.uint8)))
    yield from jpeg_files(photo, odd)
    yield from png_files(odd, alpha, generator)
    yield from webp_files(odd, alpha)
    yield from bmp_files(odd, alpha, generator)
    yield from tiff_files(odd, alpha)
    yield from gif_files(odd, alpha)
    yield from pnm_files(odd, generator)
    yield from jpeg2000_files(odd, alpha, photo)


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
