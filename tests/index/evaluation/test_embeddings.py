"""One pass over the views: order, what cannot be read, and what the cache finds again."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from index.evaluation import embeddings
from index.evaluation.baselines import Pixels, grid_means, open_baseline
from index.evaluation.embeddings import embed_views
from index.evaluation.encoders import open_encoder
from index.evaluation.views import ViewTable, view_table
from training.data.images import FileImage
from training.data.records import ImageRGB, Sequence, View
from training.errors import DataError, EncoderError

WHOLE = np.array([-0.5, -0.5, 31.5, 31.5])


@dataclass(frozen=True)
class ArrayImage:
    reference: str
    array: ImageRGB

    def load(self) -> ImageRGB:
        return self.array


@dataclass(frozen=True)
class BrokenImage:
    reference: str

    def load(self) -> ImageRGB:
        raise DataError(f"{self.reference} is broken.", "Fetch it again.")


class CountingEncoder(Pixels):
    """Pixels that count how often they are asked."""

    crops_encoded = 0

    def encode(self, crops: ImageRGB) -> dict[str, np.ndarray]:
        self.crops_encoded += len(crops)
        return super().encode(crops)


def pictures(count: int) -> list[ImageRGB]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8))


def table_of(images: list[object], bbox: np.ndarray = WHOLE) -> ViewTable:
    views = tuple(
        View(image=image, bbox_xyxy=bbox, instance="a", category="c", frame=frame)  # type: ignore[arg-type]
        for frame, image in enumerate(images)
    )
    return view_table([Sequence("s", "d", "all", 0.0, views)])


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_rows_keep_their_order_whatever_the_batch(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "BATCH", batch)
    arrays = pictures(7)
    told: list[tuple[int, int]] = []
    table = table_of([ArrayImage(str(i), array) for i, array in enumerate(arrays)])
    embedded = embed_views(Pixels(), table, progress=lambda done, total: told.append((done, total)))
    for row, array in enumerate(arrays):
        pixels = cv2.resize(array, (16, 16), interpolation=cv2.INTER_LINEAR).ravel().astype("f4")
        np.testing.assert_allclose(
            embedded.vectors["pose"][row], pixels / np.linalg.norm(pixels), rtol=1e-5
        )
    assert told[-1] == (7, 7)


def test_a_view_that_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    images: list[object] = [ArrayImage(str(i), array) for i, array in enumerate(pictures(4))]
    images[2] = BrokenImage("third")
    table = table_of(images)
    for _ in range(2):  # the second time from the cache
        embedded = embed_views(Pixels(), table, cache=tmp_path)
        assert [view.frame for view in embedded.table.views] == [0, 1, 3]
        assert embedded.vectors["pose"].shape == (3, 768)
        assert [(s.reference, s.reason) for s in embedded.skipped] == [
            ("third", "third is broken.")
        ]


def test_nothing_readable_is_an_error() -> None:
    with pytest.raises(DataError, match="Not one of 2 views"):
        embed_views(Pixels(), table_of([BrokenImage("a"), BrokenImage("b")]))


def test_no_view_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="No view"):
        view_table([])


def test_the_cache_is_found_again_and_only_for_the_same_views(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.png", tmp_path / "cache"
    cv2.imwrite(str(file), pictures(1)[0])
    encoder = CountingEncoder()
    table = table_of([FileImage(file, "a")])
    first = embed_views(encoder, table, cache)
    again = embed_views(encoder, table, cache)
    assert encoder.crops_encoded == 1
    np.testing.assert_array_equal(first.vectors["pose"], again.vectors["pose"])
    embed_views(encoder, table_of([FileImage(file, "a")], np.array([0.0, 0.0, 9.0, 9.0])), cache)
    assert encoder.crops_encoded == 2  # another box
    cv2.imwrite(str(file), np.zeros((40, 40, 3), np.uint8))
    changed = embed_views(encoder, table, cache)
    assert encoder.crops_encoded == 3  # another picture under the same name
    assert not changed.vectors["pose"].any()
    encoder.identity = "another"
    embed_views(encoder, table, cache)
    assert encoder.crops_encoded == 4
    assert not list(cache.glob("*.part"))


def test_a_box_outside_the_image_is_black_there() -> None:
    crop = Pixels().crop(np.full((32, 32, 3), 200, np.uint8), np.array([-16.5, -0.5, 15.5, 31.5]))
    assert not crop[:, :7].any()
    assert (crop[:, 9:] == 200).all()


@pytest.mark.parametrize("shift", [(-40, 0), (0, -40), (40, 0), (0, 40), (-90, -90)])
def test_a_box_without_pixels_is_refused(shift: tuple[int, int]) -> None:
    box = np.array([0.0, 0.0, 8.0, 8.0]) + np.tile(shift, 2)
    with pytest.raises(DataError, match="outside the image of 32 × 32"):
        Pixels().crop(np.zeros((32, 32, 3), np.uint8), box)


def test_a_flat_box_takes_the_square_around_it() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[24:40] = 90
    crop = Pixels().crop(image, np.array([-0.5, 23.5, 63.5, 39.5]))
    assert (crop[7:9] == 90).all()
    assert not crop[:5].any()


@pytest.mark.parametrize("cells", [1, 3])
def test_grid_means_are_torchs_adaptive_average(cells: int) -> None:
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).normal(size=(2, 5, 13, 13)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), cells).flatten(1)
    np.testing.assert_allclose(grid_means(maps, cells), expected.numpy(), atol=1e-6)


def test_unknown_names_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="squeezenet-grid3"):
        open_encoder("baseline:resnet")
    with pytest.raises(EncoderError, match="no encoder folder"):
        open_encoder(str(tmp_path / "missing"))
    with pytest.raises(EncoderError, match="POSEBANK_DATA"):
        open_baseline("squeezenet-pooled", None)
    with pytest.raises(EncoderError, match="not found"):
        open_baseline("squeezenet-pooled", tmp_path)


def test_a_file_that_is_no_squeezenet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    file = tmp_path / "weights_squeezenet" / "squeezenet_v1_0_imagenet_float32.npz"
    file.parent.mkdir()
    np.savez(file, weight=np.zeros(3))
    with pytest.raises(EncoderError, match="does not hold SqueezeNet"):
        open_baseline("squeezenet-pooled", tmp_path)
    file.write_bytes(b"not a zip")
    with pytest.raises(EncoderError, match="cannot be read"):
        open_baseline("squeezenet-pooled", tmp_path)
