"""The canary: what a build writes of a fixed image, and what a later encoder may differ by."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.build import BuildResult
from index.canary import TOLERANCE, canary_image, check_canary, embed_canary, written
from index.gallery import Gallery
from index.home import Home
from index.manifest import Manifest
from training.encoder import Encoder
from training.errors import EncoderError, GalleryError

BUNDLED = Path(__file__).resolve().parents[2] / "examples" / "encoder"


class OneHead:
    """Gives every crop one embedding."""

    identity = "0" * 64

    def __init__(self, vector: np.ndarray) -> None:
        self.heads = {"pose": len(vector)}
        self._vector = vector.astype(np.float32)

    def crop(self, image: np.ndarray, bbox_xyxy: np.ndarray) -> np.ndarray:
        return image[:16, :16]

    def encode(self, crops: np.ndarray, batch_size: int = 64) -> dict[str, np.ndarray]:
        return {"pose": self._vector[None]}


class Changed:
    """An encoder that does something to its crops first."""

    def __init__(self, encoder: Encoder, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self.identity, self.heads = encoder.identity, encoder.heads
        self.crop, self._encode, self._change = encoder.crop, encoder.encode, change

    def encode(self, crops: np.ndarray, batch_size: int = 64) -> dict[str, np.ndarray]:
        return self._encode(np.ascontiguousarray(self._change(crops)))


def turned(cosine: float) -> np.ndarray:
    """A unit vector with this cosine to the first axis."""
    return np.array([cosine, np.sqrt(1 - cosine**2), 0.0])


def test_the_image_never_changes() -> None:
    digest = hashlib.sha256(canary_image().tobytes()).hexdigest()
    assert digest == "fecf620ea33db8eab75c90d84744c98f9fa2496a4bb4ad548c01da900364ad44"


@pytest.mark.parametrize(("distance", "good"), [(0.0, True), (0.9, True), (1.1, False)])
def test_the_limit_is_the_one_documented(distance: float, good: bool) -> None:
    known = written(embed_canary(OneHead(turned(1.0))))
    found = embed_canary(OneHead(turned(1.0 - distance * TOLERANCE)))
    if good:
        check_canary("shelf", known, found)
        return
    with pytest.raises(GalleryError, match=r"'shelf'.*'pose'.*cosine of 0\.99.*0\.9995") as caught:
        check_canary("shelf", known, found)
    assert "constraints.txt" in caught.value.remedy


def test_numbers_that_are_none_are_refused() -> None:
    known = written(embed_canary(OneHead(turned(1.0))))
    with pytest.raises(GalleryError, match="cosine of nan"):
        check_canary("shelf", known, {"pose": np.full(3, np.nan, np.float32)})


def test_what_is_written_is_exact_enough() -> None:
    random = np.random.default_rng(0)
    for dim in (2, 128, 8192):
        vector = random.normal(size=dim)
        vector /= np.linalg.norm(vector)
        kept = np.frombuffer(base64.b64decode(written({"a": vector})["a"]), "<f2")
        kept = kept.astype(np.float64)
        assert 1 - kept @ vector / np.linalg.norm(kept) < TOLERANCE / 1000


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return Encoder.load(BUNDLED, backend="onnx", threads=1)


def grey_noise(crops: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-2, 3, crops.shape)
    return np.clip(crops.astype(np.int64) + noise, 0, 255).astype(np.uint8)


def test_the_reference_backend_and_a_little_noise_pass(bundled: Encoder) -> None:
    known = written(embed_canary(bundled))
    check_canary("shelf", known, embed_canary(Encoder.load(BUNDLED, backend="torch", threads=1)))
    check_canary("shelf", known, embed_canary(Changed(bundled, grey_noise)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        lambda crops: crops[..., ::-1],
        lambda crops: crops[:, :, ::-1],
        lambda crops: np.roll(crops, 1, axis=2),
        lambda crops: crops // 2,
    ],
    ids=["channels swapped", "mirrored", "a pixel off", "darker"],
)
def test_another_preprocessing_does_not(
    bundled: Encoder, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    known = written(embed_canary(bundled))
    with pytest.raises(GalleryError, match="does not embed here"):
        check_canary("shelf", known, embed_canary(Changed(bundled, change)))  # type: ignore[arg-type]


def test_an_encoder_that_fails_says_so(bundled: Encoder) -> None:
    def fail(crops: np.ndarray) -> np.ndarray:
        raise RuntimeError("CUDA failure 35")

    with pytest.raises(EncoderError, match="RuntimeError: CUDA failure 35"):
        embed_canary(Changed(bundled, fail))  # type: ignore[arg-type]


def test_a_build_writes_it_and_the_gallery_checks_it(
    build: Callable[..., BuildResult], home: Home, encoder, other_encoder
) -> None:
    built = build()
    assert built.manifest.canary == written(embed_canary(encoder))
    gallery = Gallery.open(home, "things")
    gallery.check_canary(embed_canary(encoder))
    with pytest.raises(GalleryError, match=r"'things'.*does not embed here"):
        gallery.check_canary(embed_canary(other_encoder))


def test_versions_from_before_it_keep_their_text_and_name(
    build: Callable[..., BuildResult],
) -> None:
    manifest = build().manifest
    older = json.loads(manifest.text)
    del older["canary"]
    text = json.dumps(older, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    parsed = Manifest.parse(text, "an older manifest")
    assert parsed.canary is None
    assert parsed.text == text
    assert parsed.version != manifest.version
