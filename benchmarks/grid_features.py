"""What a spatial grid is worth at equal dimension: pooled, 2×2 and 3×3 features, each by PCA.

    python benchmarks/grid_features.py DATA runs/rendered-dev squeeze-imagenet examples/encoder

Each trunk (a frozen recipe, or a trained encoder's folder) embeds every picture once; its last map
is averaged over 1, 4 and 9 cells. Features are then compared as they are, and brought to ``--dim``
numbers by PCA (power 0), half whitened (0.5) and whitened (1), as ``pose.whiten_power`` does. The
PCA is fitted without labels, once on crops of the rendered train split ("rendered"), once on the
very pictures that are measured ("own"). Prints Markdown; every row is printed, whichever way it
falls. One seed: nothing is drawn but the queries, the same for every row.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from index.evaluation.coil100 import evaluate_coil100
from index.evaluation.embeddings import EmbeddedViews, embed_views
from index.evaluation.eth80 import evaluate_eth80
from index.evaluation.lmo import evaluate_lmo, visible_crops
from index.evaluation.objectron import evaluate_objectron
from index.evaluation.views import ViewTable, view_table
from training.artifact import Preprocessing, read_info, read_weights
from training.data.crop import crop_view
from training.data.readers import open_reader
from training.networks import EncoderNetwork
from training.recipes import load_recipe
from training.whitening import fit_whitening

Vectors = NDArray[np.float32]

POOLS = {"pooled": 1, "2×2 grid": 2, "3×3 grid": 3}
POWERS = {"PCA": 0.0, "half whitened": 0.5, "whitened": 1.0}
FIT_CROPS = 2000
"""Crops a PCA is fitted on at most."""
FPS = 5.0


class GridEncoder:
    """A trunk with one head for each grid, as the evaluation's protocols use an encoder."""

    def __init__(self, trunk: str) -> None:
        self.identity = f"grid features of {trunk}"
        self._network = _network(trunk).eval()
        self.heads: Mapping[str, int] = {name: self._network.pooled_dim(name) for name in POOLS}

    def crop(self, image: NDArray[np.uint8], bbox_xyxy: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The crop the trunk was made for."""
        made = self._network.preprocessing
        return crop_view(image, bbox_xyxy, made.size, made.margin)

    def encode(self, crops: NDArray[np.uint8]) -> dict[str, Vectors]:
        """(N, S, S, 3) crops to L2-normalised rows for each grid, by one pass of the trunk."""
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(crops))
        return {name: y.numpy() for name, y in zip(POOLS, outputs, strict=True)}

    def resolve_head(self, wanted: str) -> tuple[str, str | None]:
        """Heads are named by the caller here."""
        return wanted, None


def _network(trunk: str) -> EncoderNetwork:
    """The trunk's backbone under three pooling grids."""
    if not Path(trunk).is_dir():
        recipe = load_recipe(trunk)
        made = Preprocessing(size=recipe.network.size, margin=recipe.data.margin)
        torch.manual_seed(0)
        return EncoderNetwork(recipe.network.backbone, POOLS, made, recipe.network.init)
    info = read_info(Path(trunk))
    bare = EncoderNetwork(info.backbone, POOLS, info.preprocessing)
    weights = {name: torch.from_numpy(array) for name, array in read_weights(Path(trunk)).items()}
    lost = bare.load_state_dict(weights, strict=False)
    if lost.missing_keys:
        raise SystemExit(f"{trunk} has stages of its own for each head; name another encoder")
    return bare


@dataclass(frozen=True)
class Measured:
    """A set of pictures: its table, and its figures for one embedding."""

    table: ViewTable
    figures: Callable[[EmbeddedViews], dict[str, float | None]]


def sets(data: Path, rendered: Path) -> dict[str, Measured]:
    """What is measured, by name."""

    def read(root: Path, kind: str | None, split: str | None = None) -> ViewTable:
        return view_table(open_reader(root, kind, fps=FPS).sequences(split))

    lmo = visible_crops(read(data / "lmo", "bop"))
    return {
        "ETH-80": Measured(read(data / "eth80" / "dev", "eth80"), _eth80),
        "COIL-100": Measured(read(data / "coil100" / "dev", "coil100"), _coil100),
        "LM-O": Measured(lmo, _lmo),
        "rendered": Measured(read(rendered, None), _rendered),
    }


def _eth80(embedded: EmbeddedViews) -> dict[str, float | None]:
    result = evaluate_eth80(embedded, "h", "h")
    return {"ETH-80 azimuth °": result.azimuth_error_mean_deg, "ETH-80 re-ID": result.reid_map}


def _coil100(embedded: EmbeddedViews) -> dict[str, float | None]:
    result = evaluate_coil100(embedded, "h", "h")
    return {"COIL azimuth °": result.azimuth_error_mean_deg, "COIL re-ID": result.reid_map}


def _lmo(embedded: EmbeddedViews) -> dict[str, float | None]:
    result = evaluate_lmo(embedded, "h", "h")
    return {"LM-O rotation °": result.rotation_error_mean_deg, "LM-O re-ID": result.reid_map}


def _rendered(embedded: EmbeddedViews) -> dict[str, float | None]:
    split = embedded.table.split
    result = evaluate_objectron(
        embedded.take(split == "test"), embedded.take(split == "train"), "h", "h"
    )
    hits: Any = result.hit_rate["nearest_neighbour"]
    return {"rendered hit rate": hits["mean"], "rendered re-ID": result.reid_map}


def forms(vectors: Vectors, fits: Mapping[str, Vectors], dim: int) -> dict[str, Vectors]:
    """The features as they are and after each PCA, by name; L2-normalised."""
    found = {f"as they are, {vectors.shape[1]}": vectors}
    for source, crops in fits.items():
        for name, power in POWERS.items():
            weight, bias = fit_whitening(crops, dim, power)
            y = vectors @ weight.T + bias
            found[f"{name}, {len(weight)}, fitted on {source}"] = y / np.maximum(
                np.linalg.norm(y, axis=1, keepdims=True), np.finfo(np.float32).tiny
            )
    return found


def some(rows: Vectors) -> Vectors:
    """FIT_CROPS of the rows at most, drawn with a fixed seed."""
    if len(rows) <= FIT_CROPS:
        return rows
    return rows[np.random.default_rng(0).choice(len(rows), FIT_CROPS, replace=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="holds eth80/dev, coil100/dev and lmo")
    parser.add_argument("rendered", type=Path, help="rendered sequences with both splits")
    parser.add_argument("trunks", nargs="+", help="frozen recipes or folders of encoders")
    parser.add_argument("--dim", type=int, default=192, help="numbers after PCA")
    parser.add_argument("--cache", type=Path, help="keeps the features between runs")
    options = parser.parse_args()
    measured = sets(options.data, options.rendered)
    header: list[str] = []
    for trunk in options.trunks:
        encoder = GridEncoder(trunk)
        embedded = {
            name: embed_views(encoder, each.table, options.cache) for name, each in measured.items()
        }
        train = embedded["rendered"].table.split == "train"
        for grid in POOLS:
            fit = some(embedded["rendered"].vectors[grid][train])
            rows: dict[str, dict[str, float | None]] = {}
            for name, each in measured.items():
                vectors = embedded[name].vectors[grid]
                fits = {"rendered crops": fit}
                if name != "rendered":
                    fits["the pictures measured"] = some(vectors)
                for form, y in forms(vectors, fits, options.dim).items():
                    view = EmbeddedViews(embedded[name].table, {"h": y})
                    rows.setdefault(form, {}).update(each.figures(view))
            columns = list(dict.fromkeys(key for row in rows.values() for key in row))
            if not header:
                header = columns
                print("| trunk | grid | features | " + " | ".join(header) + " |")
                print("|---" * (len(header) + 3) + "|")
            for form, row in rows.items():
                cells = [_cell(key, row.get(key)) for key in header]
                print(f"| {trunk} | {grid} | {form} | " + " | ".join(cells) + " |", flush=True)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if key.endswith("°") else f"{value:.3f}"


if __name__ == "__main__":
    main()
