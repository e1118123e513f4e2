"""Small encoded pictures of every kind that is read, for make_image_goldens.py."""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

PHOTOGRAPHS = pathlib.Path(__file__).parent.parent.parent / "data" / "images"
SEED = 20


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
