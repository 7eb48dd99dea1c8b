"""Records what Pillow makes of small pictures of many kinds and odd sizes, and of resizing: pictures.json, which the tests read without Pillow.

    python test/golden/pictures.py

Pillow 13. `files`: base64 of each file with what it decodes to, as the preprocessing corpus has it (mode, size, SHA-256 of the samples
as they are, of RGB, of RGBA and of L). `resizes`: [mode, width, height, new width, new height, filter, box or null, reducing gap or
null, SHA-256] of pictures whose bytes come from the generator `x -> 1664525 x + 1013904223`, high byte, seeded with width * 1000 + height.
"""

import base64
import hashlib
import io
import json
import pathlib
import random
import struct
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
rng = random.Random(17)
noise = np.random.default_rng(17)


def sha(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def scene(width, height, channels):
    """Something with edges, slopes and noise."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        127 + 90 * np.sin(x * rng.uniform(0.05, 0.6) + c) * np.cos(y * rng.uniform(0.05, 0.6)) + 40 * ((x // 5 + y // 3 + c) % 2) + noise.integers(0, 20, (height, width))
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def picture(mode, width, height):
    if mode == "1":
        return Image.fromarray(scene(width, height, 1)[..., 0]).point(lambda v: 255 * (v > 120)).convert("1")
    if mode == "P":
        return Image.fromarray(scene(width, height, 3)).quantize(rng.choice([3, 17, 60]))
    if mode == "I;16":
        return Image.fromarray((scene(width, height, 1)[..., 0].astype(np.uint16) * 257) ^ 0x5A)
    if mode == "I":
        return Image.fromarray(scene(width, height, 1)[..., 0].astype(np.int32) * 301 - 9000)
    if mode == "F":
        return Image.fromarray(scene(width, height, 1)[..., 0].astype(np.float32) * 1.37 - 50)
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    array = scene(width, height, channels)
    return Image.frombytes(mode, (width, height), array.tobytes())


def entry(name, data):
    image = Image.open(io.BytesIO(data))
    image.load()
    facts = {"file": name, "data": base64.b64encode(data).decode(), "mode": image.mode.replace("I;16B", "I;16"), "size": list(image.size)}
    if image.mode != "I;16B":
        facts["raw"] = {"sha256": sha(image)}
    facts["rgb"] = {"sha256": sha(image.convert("RGB"))}
    if image.mode not in ("I", "F"):
        facts["rgba"] = {"sha256": sha(image.convert("RGBA"))}
        facts["l"] = {"sha256": sha(image.convert("L"))}
    return facts


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def size():
    return rng.randint(1, 37), rng.randint(1, 37)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, samples, *chunks):
    bits = depth * samples
    stride = (width * bits + 7) // 8
    rows = b"".join(bytes([0]) + noise.integers(0, 256, stride, dtype=np.uint8).tobytes() for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunk(*c) for c in chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def files():
    for mode in ("L", "RGB", "RGB", "CMYK"):
        for subsampling in (0, 1, 2) if mode == "RGB" else (0,):
            for progressive in (False, True):
                w, h = size()
                quality = rng.choice([5, 40, 75, 92, 100])
                yield f"{mode}-{subsampling}-{quality}-{w}x{h}{'-progressive' if progressive else ''}.jpg", saved(
                    picture(mode, w, h), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive, optimize=rng.random() < 0.5
                )
    w, h = 31, 23
    yield "restarts.jpg", saved(picture("RGB", w, h), "JPEG", quality=80, restart_marker_blocks=2)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"{mode.replace(';', '')}.png", saved(picture(mode, *size()), "PNG")
    for depth, colour, samples in ((1, 0, 1), (2, 0, 1), (4, 0, 1), (16, 2, 3), (16, 4, 2), (16, 6, 4)):
        w, h = size()
        transparency = [(b"tRNS", bytes([0, 1] * samples))] if colour in (0, 2) else []
        yield f"keyed-{depth}-{colour}.png", png(w, h, depth, colour, samples, *transparency)
    for depth in (1, 2, 4, 8):
        w, h = size()
        palette = noise.integers(0, 256, 3 * min(200, 2**depth), dtype=np.uint8).tobytes()
        yield f"palette-{depth}.png", png(w, h, depth, 3, 1, (b"PLTE", palette), (b"tRNS", noise.integers(0, 256, min(3, 2**depth), dtype=np.uint8).tobytes()))
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode}.bmp", saved(picture(mode, *size()), "BMP")
    for mode in ("1", "L", "P", "RGB"):
        yield f"{mode}.gif", saved(picture(mode, *size()), "GIF", interlace=rng.random() < 0.5)
    for mode in ("1", "L", "RGB", "I;16", "F"):
        yield f"{mode.replace(';', '')}.pnm", saved(picture(mode, *size()), "PPM")
    yield "text.pgm", b"P2\n# a comment\n3 2\n7\n0 1 2\n5 6 7\n"
    yield "text.ppm", b"P3 2 1 1000\n0 500 1000 1 2 3\n"
    yield "text.pbm", b"P1\n5 2\n01011\n1 0 0 1 1\n"
    yield "levels.ppm", b"P6 2 2 31\n" + bytes([0, 1, 2, 3, 10, 20, 30, 31, 15, 16, 17, 5])
    yield "levels16.ppm", b"P6 1 2 1023\n" + struct.pack(">6H", 0, 1, 512, 1000, 1023, 77)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"):
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            yield f"{mode.replace(';', '')}-{compression}.tif", saved(picture(mode, *size()), "TIFF", compression=compression)
    yield "predicted.tif", saved(picture("RGB", 29, 31), "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "predicted16.tif", saved(picture("I;16", 29, 11), "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
    yield "turned.tif", saved(picture("RGB", 13, 7), "TIFF", tiffinfo={274: 6})
    yield "strips.tif", saved(picture("RGB", 33, 37), "TIFF", compression="tiff_lzw", tiffinfo={278: 5})


def generated(mode, width, height):
    count = width * height * len(Image.new(mode, (1, 1)).getbands()) * (2 if mode == "I;16" else 1)
    state, out = width * 1000 + height, bytearray()
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return Image.frombytes(mode, (width, height), bytes(out))


FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def resizes():
    for name, number in FILTERS.items():
        for mode in ("RGB", "RGB", "RGB", "RGB", "L", "LA", "RGBA", "CMYK", "I;16"):
            w, h, W, H = (rng.choice([1, 2, 3, rng.randint(4, 70), rng.randint(4, 70)]) for _ in range(4))
            box = None
            if rng.random() < 0.25 and w > 3 and h > 3:
                box = [rng.uniform(0, 1.5), rng.randint(0, 1), w - rng.uniform(0, 1), h - 0.25]
            gap = rng.choice([1.0, 1.5, 3.0]) if mode in ("RGB", "RGBA") and name != "nearest" and rng.random() < 0.3 else None
            image = generated(mode, w, h)
            yield [mode, w, h, W, H, name, box, gap, sha(image.resize((W, H), number, box=box, reducing_gap=gap))]


record = {"files": [entry(name, data) for name, data in files()], "resizes": list(resizes())}
lines = [f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for key, rows in record.items()]
(HERE / "pictures.json").write_text("{" + ",\n".join(lines) + "}\n")
