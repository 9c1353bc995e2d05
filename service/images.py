"""The door for images: refuse by size and type from the header, then decode upright to RGB."""

from __future__ import annotations

import cv2
import numpy as np

from service.image_header import read_header
from service.png import PNG_SIGNATURE, HeaderError, picture_alone
from service.problems import RefusedError
from training.data.records import ImageRGB

TYPES = "JPEG, PNG or WebP"


def check_image(data: bytes, max_bytes: int, max_pixels: int) -> None:
    """Refuses an image by what its bytes and header say, before anything is decoded."""
    if not data:
        raise RefusedError("broken-image", "The image has 0 bytes.", f"Send a whole {TYPES} file.")
    if len(data) > max_bytes:
        raise RefusedError(
            "image-too-large",
            f"The image has {len(data)} bytes, above the limit of {max_bytes}.",
            "Send a smaller file, or raise POSEBANK_MAX_IMAGE_BYTES on the server.",
        )
    try:
        header = read_header(data)
    except HeaderError as error:
        raise RefusedError(
            "broken-image", f"The image is broken: {error}.", "Send the whole file, uncut."
        ) from error
    if header is None:
        raise RefusedError(
            "unsupported-image", f"The image is no {TYPES} file.", f"Convert it to {TYPES}."
        )
    if header.width == 0 or header.height == 0:
        raise RefusedError(
            "broken-image",
            f"The {header.kind} header states {header.width} × {header.height} pixels.",
            "Send an image with at least one pixel.",
        )
    if header.width * header.height > max_pixels:
        raise RefusedError(
            "image-too-large",
            f"The image is {header.width} × {header.height} pixels, above the limit of "
            f"{max_pixels} pixels.",
            "Shrink the image, or raise POSEBANK_MAX_IMAGE_PIXELS on the server.",
        )


def decode(data: bytes) -> ImageRGB:
    """Bytes of a checked file → (H, W, 3) uint8 RGB, upright as its EXIF orientation says.

    Grey, alpha, palette, 16-bit and CMYK files come out as 8-bit RGB; of an animation the first
    picture. Raises RefusedError where the coded data is broken.
    """
    try:
        alone = picture_alone(data) if data.startswith(PNG_SIGNATURE) else data
        image = cv2.imdecode(np.frombuffer(alone, np.uint8), cv2.IMREAD_COLOR_RGB)
    except (cv2.error, HeaderError):
        image = None
    if image is None:
        raise RefusedError(
            "broken-image", "The image's coded data is broken.", "Save the image anew and retry."
        )
    return np.asarray(image, dtype=np.uint8)
