"""What of an ETH-80 azimuth error is the object, and what the cloth behind it.

    python benchmarks/eth80_background.py DATA/eth80 ENCODER...

ETH-80's photographs show a toy before blue cloth whose folds, shadows and horizon move with the
camera, the same for every toy. An encoder may read the azimuth off them. The same encoder is asked
four times: the whole photograph; less 20 pixels on each side; the toy alone, cut tightly and put
before one flat colour; and the cloth alone, in every photograph the same pixels: those that no toy
covers in any. The cloth's row is what the first two can owe to the background. ENCODER is a folder
or ``baseline:…``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from index.evaluation.embeddings import EmbeddedViews
from index.evaluation.encoders import open_encoder
from index.evaluation.eth80 import evaluate_eth80
from index.evaluation.views import view_table
from training.data.readers import open_reader

CUT = 20
"""Pixels off each side in the second row."""

BATCH = 64

Shown = tuple[np.ndarray, np.ndarray]
"""(H, W, 3) uint8 and the box (4,) that is cropped."""


class Scene(NamedTuple):
    """``flat`` (3,) uint8, the mean colour; ``reach`` (H, W) bool, where any toy ever is."""

    flat: np.ndarray
    reach: np.ndarray


def toy_mask(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: what is not blue cloth, without specks, its holes filled, without its fringe."""
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    cloth = (blue > red + 25) & (blue > green + 15)
    mask = cv2.morphologyEx((~cloth).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask)
    centre = np.array(mask.shape[::-1]) / 2
    near = np.linalg.norm(centres - centre, axis=1) < 0.35 * mask.shape[0]
    kept = [i for i in range(1, count) if near[i] and stats[i, cv2.CC_STAT_AREA] >= 60]
    toy = np.isin(labels, kept).astype(np.uint8)
    outlines, _ = cv2.findContours(toy, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(toy, outlines, -1, 1, cv2.FILLED)
    return cv2.erode(toy, np.ones((3, 3), np.uint8)) > 0


def whole(image: np.ndarray, box: np.ndarray, scene: Scene) -> Shown:
    return image, box


def trimmed(image: np.ndarray, box: np.ndarray, scene: Scene) -> Shown:
    return image, box + np.array([CUT, CUT, -CUT, -CUT])


def toy_alone(image: np.ndarray, box: np.ndarray, scene: Scene) -> Shown:
    mask = toy_mask(image)
    y, x = np.nonzero(mask)
    painted = np.where(mask[..., None], image, scene.flat)
    if not len(x):
        return painted, box
    return painted, np.array([x.min() - 0.5, y.min() - 0.5, x.max() + 0.5, y.max() + 0.5])


def cloth_alone(image: np.ndarray, box: np.ndarray, scene: Scene) -> Shown:
    return np.where(scene.reach[..., None], scene.flat, image), box


SHOWN: dict[str, Callable[[np.ndarray, np.ndarray, Scene], Shown]] = {
    "whole photograph": whole,
    f"less {CUT} px a side": trimmed,
    "toy alone": toy_alone,
    "cloth alone": cloth_alone,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("encoders", nargs="+")
    options = parser.parse_args()
    data_root = os.environ.get("POSEBANK_DATA")
    table = view_table(open_reader(options.data, "eth80").sequences())
    images = [view.image.load() for view in table.views]
    flat = np.mean([image.mean(axis=(0, 1)) for image in images], axis=0).astype(np.uint8)
    grown = cv2.dilate(
        np.any([toy_mask(image) for image in images], axis=0).astype(np.uint8), np.ones((9, 9))
    )
    scene = Scene(flat, grown > 0)
    print(f"{1 - scene.reach.mean():.0%} of the pixels show cloth in every photograph\n")
    print(
        "| encoder | shown | azimuth error ° | share ≤ 22.5° | re-ID mAP |\n|---|---|---|---|---|"
    )
    for name in options.encoders:
        encoder = open_encoder(name, Path(data_root) if data_root else None)
        heads = [encoder.resolve_head(use)[0] for use in ("pose", "identity")]
        for row, show in SHOWN.items():
            crops = [
                encoder.crop(*show(image, view.bbox_xyxy, scene))
                for image, view in zip(images, table.views, strict=True)
            ]
            parts = [
                encoder.encode(np.stack(crops[at : at + BATCH]))
                for at in range(0, len(crops), BATCH)
            ]
            vectors = {head: np.concatenate([part[head] for part in parts]) for head in set(heads)}
            found = evaluate_eth80(EmbeddedViews(table, vectors), *heads)
            print(
                f"| {name} | {row} | {found.azimuth_error_mean_deg:.1f} | "
                f"{found.share_within_22_5_deg:.2f} | {found.reid_map:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
