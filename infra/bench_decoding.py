"""Peak memory and CPU time of decoding each kind of file, at the largest accepted size.

    PYTHONPATH=lib python -m infra.bench_decoding [KIND …] [--megapixels N]

Each file is created in one process and decoded in another. Its peak resident memory, minus that of the imports, is
printed next to the bound used by `codec.check`.
"""

from __future__ import annotations

import argparse
import io
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lookdex.imaging import codec
from tests.support import heif

MOST_PIXELS, MOST_BYTES = 100_000_000, 50_000_000


def picture(side: int) -> Image.Image:
    """A smooth, compressible picture."""
    seed = np.random.default_rng(1).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(seed).resize((side, side), Image.Resampling.BICUBIC)


def make_saved(format: str, mode: str = "RGB", **options: Any) -> Callable[[int], bytes]:
    def make(side: int) -> bytes:
        image, out = picture(side), io.BytesIO()
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        elif mode == "P":
            image = image.quantize(64)
        elif mode in ("RGBA", "LA"):
            image = image.convert(mode.removesuffix("A").replace("RGB", "RGB"))
            image.putalpha(128)
        else:
            image = image.convert(mode)
        image.save(out, format, **options)
        return out.getvalue()

    return make


def rotated_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def heic_grid(source: bytes) -> Callable[[int], bytes]:
    def make(side: int) -> bytes:
        side = min(side, 30 * 64)  # libheif reads at most 1,000 tiles
        columns, rows = math.ceil(side / 64), math.ceil(side / 96)
        return heif.grid(heif.coded(source), (64, 96), columns, rows, (side, side))

    return make


def sixteen_bit_rgb(side: int) -> bytes:
    import cv2

    pixels = np.asarray(picture(side)).astype(np.uint16) * 257
    return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def make_animation(format: str) -> Callable[[int], bytes]:
    def make(side: int) -> bytes:
        out = io.BytesIO()
        first = picture(side)
        first.save(out, format, save_all=True, append_images=[Image.new("RGB", first.size)], method=0)
        return out.getvalue()

    return make


KINDS: dict[str, Callable[[int], bytes]] = {
    "JPEG": make_saved("JPEG", quality=60),
    "JPEG, turned": make_saved("JPEG", quality=60, exif=rotated_exif()),
    "JPEG, progressive 4:2:0": make_saved("JPEG", quality=60, progressive=True),
    "JPEG, progressive 4:4:4": make_saved("JPEG", quality=60, progressive=True, subsampling=0),
    "JPEG, CMYK": make_saved("JPEG", "CMYK", quality=60),
    "JPEG, grey": make_saved("JPEG", "L", quality=60),
    "PNG": make_saved("PNG", compress_level=1),
    "PNG, turned": make_saved("PNG", compress_level=1, exif=rotated_exif()),
    "PNG, alpha": make_saved("PNG", "RGBA", compress_level=1),
    "PNG, interlaced": make_saved("PNG", compress_level=1, interlace=1),
    "PNG, palette": make_saved("PNG", "P", compress_level=1),
    "PNG, grey of 16 bits": make_saved("PNG", "I;16", compress_level=1),
    "PNG, colour of 16 bits": sixteen_bit_rgb,
    "WebP": make_saved("WEBP", quality=50, method=0),
    "WebP, alpha": make_saved("WEBP", "RGBA", quality=50, method=0),
    "WebP, lossless": make_saved("WEBP", lossless=True, quality=0, method=0),
    "WebP, animated": make_animation("WEBP"),
    "GIF": make_saved("GIF", "P"),
    "AVIF": make_saved("AVIF", quality=50, speed=10),
    "AVIF, 4:4:4": make_saved("AVIF", quality=50, speed=10, subsampling="4:4:4"),
    "AVIF, alpha": make_saved("AVIF", "RGBA", quality=50, speed=10),
    "AVIF, turned": make_saved("AVIF", quality=50, speed=10, exif=rotated_exif()),
    "HEIC, grid": heic_grid(heif.TILES),
    "HEIC, grid of 10 bits": heic_grid(heif.TILES_10BIT),
}


def find_largest(make: Callable[[int], bytes], limit: int) -> int:
    """Side of the largest accepted square, extrapolated from a small one's header."""
    header = codec.read_header(make(384))
    # Files of 0.3 bytes per pixel, held twice; those that compress less have less room.
    room = codec.MEMORY / (header.working + 0.6)
    return int(math.sqrt(min(limit, room, 16_383**2)))


def decode(path: str) -> None:
    data = Path(path).read_bytes()
    codec.decode(heif.TILES, 10**6, 10**6)  # load lazy imports first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()  # of all threads
    pixels = codec.decode(data, MOST_BYTES, MOST_PIXELS)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((after - before) >> 10, f"{(after - before) * 1024 / (pixels.size / 3):.1f}", f"{seconds:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--megapixels", type=float, default=MOST_PIXELS / 1e6, help="Maximum.")
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--decode", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        return decode(options.decode)
    if options.make:
        kind, side, path = options.make
        Path(path).write_bytes(KINDS[kind](int(side)))
        return None
    print("| kind | megapixels | file, MB | peak, MiB | bytes a pixel | bound | CPU seconds |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds or KINDS:
            path, side = f"{folder}/file", find_largest(KINDS[kind], int(options.megapixels * 1e6))
            subprocess.run(
                [sys.executable, "-m", "infra.bench_decoding", "--make", kind, str(side), path], check=True
            )
            header = codec.read_header(data := Path(path).read_bytes())
            measured = subprocess.run(
                [sys.executable, "-m", "infra.bench_decoding", "--decode", path],
                capture_output=True,
                text=True,
            )
            peak, each, seconds = measured.stdout.split() or (
                "refused",
                "",
                measured.stderr.strip().splitlines()[-1],
            )
            print(f"| {kind} | {side * side / 1e6:.0f} | {len(data) / 1e6:.1f} | {peak} | {each} | "
                  f"{header.working:.1f} | {seconds} |", flush=True)  # fmt: skip
    return None


if __name__ == "__main__":
    main()
