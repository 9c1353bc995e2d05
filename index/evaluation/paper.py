"""The figures others published, to stand beside ours; each with how its protocol differs.

Table 1 and Table 2 of the paper this project follows ("pose-informed" embeddings from video on
Objectron), and the untrained baselines measured on the dev parts of ETH-80 and COIL-100.
"""

from __future__ import annotations

CATEGORIES = (
    "bike",
    "book",
    "bottle",
    "camera",
    "cereal_box",
    "chair",
    "cup",
    "laptop",
    "shoe",
)

TABLE_1: dict[str, tuple[float, ...]] = {
    "Random fit": (0.06, 0.04, 0.04, 0.07, 0.02, 0.10, 0.09, 0.07, 0.05, 0.06),
    "Random in-category fit": (0.15, 0.23, 0.26, 0.26, 0.13, 0.46, 0.43, 0.26, 0.11, 0.25),
    "Objectron baseline (1-stage)": (0.34, 0.18, 0.54, 0.47, 0.55, 0.71, 0.37, 0.55, 0.42, 0.57),
    "Objectron baseline (2-stage)": (0.61, 0.52, 0.57, 0.80, 0.62, 0.85, 0.54, 0.67, 0.66, 0.65),
    "ImageNet embeddings": (0.46, 0.45, 0.55, 0.74, 0.51, 0.77, 0.72, 0.66, 0.49, 0.59),
    "Nearby frame pairs": (0.65, 0.54, 0.60, 0.82, 0.68, 0.78, 0.72, 0.73, 0.66, 0.69),
    "… 10 % of labels": (0.48, 0.46, 0.54, 0.73, 0.48, 0.70, 0.65, 0.66, 0.57, 0.58),
    "… 1 % of labels": (0.23, 0.32, 0.47, 0.46, 0.39, 0.61, 0.55, 0.46, 0.30, 0.47),
}
"""Share of hits at IoU > 0.5 by CATEGORIES, then "overall", as printed.

Two printed overalls are not the mean of their row: 1-stage averages 0.46, 1 % averages 0.42.
"""

TABLE_1_COUNTERPARTS = {
    "random_fit": "Random fit",
    "random_in_category_fit": "Random in-category fit",
    "nearest_neighbour": "Nearby frame pairs",
    "sequences_10_percent": "… 10 % of labels",
    "sequences_1_percent": "… 1 % of labels",
}
"""Our row → the paper's row made the same way."""

TABLE_2: dict[str, tuple[float, float, float]] = {
    "Nearby frame pairs": (0.9570, 0.69, 0.53),
    "Distant frame pairs": (0.9484, 0.58, 0.85),
    "Same frame pairs": (0.9119, 0.65, 0.26),
    "NT-Xent": (0.9636, 0.64, 0.63),
    "TCN": (0.7820, 0.59, 0.19),
    "ImageNet embeddings": (0.9606, 0.59, 0.73),
    "Random embeddings": (0.3049, 0.17, 0.03),
}
"""(classification accuracy, 3D mAP @ 0.5, re-ID mAP)."""

OBJECTRON_DIFFERENCES = (
    "The paper's figures are for Objectron's own videos (ResNet-50, 24 GPU hours).",
    "Its embeddings were made with BatchNorm in training mode; ours are always in eval mode.",
    "Its re-ID AP scores a perfect ranking (n - 2)/n; ours scores it 1.",
)

TABLE_2_DIFFERENCES = (
    "Its re-ID searches validation and test crops for each test crop; ours the test crops alone.",
    "Its gallery of boxes and categories is 90 % of the training videos; ours is the train split.",
    "Its released code asks the first object of a frame; ours asks every object.",
)

TABLE_3: dict[str, tuple[float, float, float, float]] = {
    "VCOP": (0.107, 0.259, 0.354, 0.473),
    "VCP": (0.199, 0.337, 0.420, 0.505),
    "Pace Pred": (0.256, 0.427, 0.513, 0.613),
    "CoCLR-2Stream": (0.559, 0.708, 0.769, 0.825),
    "Nearby frame pairs": (0.414, 0.573, 0.621, 0.662),
    "Single frame": (0.416, 0.571, 0.617, 0.652),
}
"""Share of UCF101 queries with their class among the 1, 5, 10, 20 nearest neighbours."""

UCF101_DIFFERENCES = (
    "The paper does not say whether a query is a frame or a video, nor which fold; its released "
    "code holds no retrieval and uses fold 1.",
    "Its text thins clips to about 5 frames a second, its released code keeps every frame.",
    "Its embeddings may have been made with BatchNorm in training mode; ours are always in eval "
    "mode.",
    "VCOP to CoCLR-2Stream embed short clips of many frames, not single ones.",
)

ETH80_BASELINES: dict[str, tuple[float, float, float | None]] = {
    "SqueezeNet (ImageNet), pooled": (56.5, 0.52, 0.46),
    "SqueezeNet (ImageNet), 3×3 grid": (23.7, 0.82, 0.29),
    "raw 16×16 pixels": (40.9, 0.68, None),
    "chance": (90.0, 3 / 16, None),
}
"""(mean azimuth error in degrees, share within 22.5°, re-ID mAP)."""

COIL100_BASELINES: dict[str, tuple[float | None, float]] = {
    "SqueezeNet (ImageNet), pooled": (0.965, 17.1),
    "raw 16×16 pixels": (0.671, 22.8),
    "best possible": (None, 15.0),
    "chance": (None, 90.0),
}
"""(re-ID mAP, mean azimuth error in degrees)."""

LMO_BASELINES: dict[str, tuple[float, float | None]] = {
    "SqueezeNet (ImageNet), pooled": (25.1, 0.568),
    "SqueezeNet (ImageNet), 3×3 grid": (19.5, 0.630),
    "best possible": (9.7, None),
    "random view of the object": (63.5, None),
}
"""(mean rotation error in degrees, re-ID mAP); their exact crop and gallery were not published."""
