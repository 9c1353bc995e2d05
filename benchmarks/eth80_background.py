"""What of an ETH-80 azimuth error is the object, and what the cloth behind it.

    python benchmarks/eth80_background.py DATA/eth80 ENCODER...

The same encoder is asked four times: by the three ways of `posebank evaluate eth80 --shown`, which
show the whole photograph, it less its edges, and the toy alone; and by the cloth alone, in every
photograph the same pixels: those that no toy covers in any. The cloth's row is what the first two
can owe to the background. ENCODER is a folder or ``baseline:…``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from index.evaluation.embeddings import embed_views
from index.evaluation.encoders import open_encoder
from index.evaluation.eth80 import evaluate_eth80
from index.evaluation.eth80_shown import FLAT_RGB, SHOWN, toy_mask
from index.evaluation.views import ViewTable, view_table
from training.data.readers import open_reader
from training.data.records import ImageSource


@dataclass(frozen=True, eq=False)
class ClothPhoto:
    """A photograph in which ``covered`` (H, W), where any toy ever is, has one flat colour."""

    photo: ImageSource
    covered: np.ndarray

    @property
    def reference(self) -> str:
        return f"{self.photo.reference} (cloth alone)"

    def load(self) -> np.ndarray:
        return np.where(self.covered[..., None], np.array(FLAT_RGB, np.uint8), self.photo.load())


def cloth_alone(table: ViewTable) -> ViewTable:
    toys = np.any([toy_mask(view.image.load()) for view in table.views], axis=0)
    covered = cv2.dilate(toys.astype(np.uint8), np.ones((9, 9))) > 0
    print(f"{1 - covered.mean():.0%} of the pixels show cloth in every photograph\n")
    views = (replace(view, image=ClothPhoto(view.image, covered)) for view in table.views)
    return replace(table, views=tuple(views))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("encoders", nargs="+")
    options = parser.parse_args()
    data_root = os.environ.get("POSEBANK_DATA")
    table = view_table(open_reader(options.data, "eth80").sequences())
    tables = {name: show(table) for name, show in SHOWN.items()}
    tables["cloth"] = cloth_alone(table)
    print(
        "| encoder | shown | azimuth error ° | share ≤ 22.5° | re-ID mAP |\n|---|---|---|---|---|"
    )
    for name in options.encoders:
        encoder = open_encoder(name, Path(data_root) if data_root else None)
        pose, identity = (encoder.resolve_head(use)[0] for use in ("pose", "identity"))
        for shown, views in tables.items():
            found = evaluate_eth80(embed_views(encoder, views), pose, identity)
            print(
                f"| {name} | {shown} | {found.azimuth_error_mean_deg:.1f} | "
                f"{found.share_within_22_5_deg:.2f} | {found.reid_map:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
