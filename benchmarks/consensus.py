"""Time the consensus of k neighbours beside the fit of the single nearest, for one query.

    python benchmarks/consensus.py [--repeat 300]

Made-up views of one object on a floor; one JSON object a row: milliseconds, the best and the
median of the repeats, for the fit of one neighbour, the fits of k, and the pooling of those k
(what the consensus adds), and microseconds a query where 1,000 queries are pooled in one call.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from index.answers.pooling import pool
from index.answers.references import pool_neighbours
from index.geometry import QueryView, ReferenceViews, box_vertices, fit_boxes, projected_bbox
from index.geometry.agreement import Hypotheses

K = np.array([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
IMAGE = np.array([480.0, 640.0])
BATCH = 1000


def views(count: int, rng: np.random.Generator) -> ReferenceViews:
    """Boxes of about one size on a floor, from a camera that looks down 30 to 40 degrees."""
    yaw, pitch = rng.uniform(0, 0.5, count), rng.uniform(0.52, 0.7, count)
    zero, one = np.zeros(count), np.ones(count)
    turn = np.array(
        [[np.cos(yaw), zero, np.sin(yaw)], [zero, one, zero], [-np.sin(yaw), zero, np.cos(yaw)]]
    )
    tip = np.array(
        [
            [one, zero, zero],
            [zero, -np.cos(pitch), np.sin(pitch)],
            [zero, -np.sin(pitch), -np.cos(pitch)],
        ]
    )
    rotation = tip.transpose(2, 0, 1) @ turn.transpose(2, 0, 1)
    scale = np.array([0.3, 0.2, 0.4]) * np.exp(rng.normal(0, 0.1, (count, 3)))
    translation = np.column_stack([rng.normal(0, 0.05, (count, 2)), rng.uniform(1.2, 2.0, count)])
    up = rotation[:, :, 1]
    return ReferenceViews(
        rotation=rotation,
        translation=translation,
        scale=scale,
        bbox_xyxy=projected_bbox(K, box_vertices(rotation, translation, scale)),
        K=np.broadcast_to(K, (count, 3, 3)),
        image_size=np.broadcast_to(IMAGE, (count, 2)),
        plane_center=translation - up * scale[:, 1:2] / 2,
        plane_normal=up,
    )


def milliseconds(function: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Best and median of so many calls, after three."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return round(min(times), 3), round(float(np.median(times)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=300)
    repeat = parser.parse_args().repeat
    rng = np.random.default_rng(0)
    asked = views(BATCH, rng)
    queries = QueryView(
        asked.bbox_xyxy, asked.K, asked.image_size, asked.plane_center, asked.plane_normal
    )
    one = QueryView(asked.bbox_xyxy[0], K, IMAGE, asked.plane_center[0], asked.plane_normal[0])
    for k in (10, 20):
        references = views(k, rng)
        fits = fit_boxes(one, references)
        boxes, similarity = Hypotheses.of(fits, k), np.linspace(0.6, 0.3, k)[None]
        nearest = references.take(slice(1))
        row = {
            "k": k,
            "fit_1_ms": milliseconds(lambda nearest=nearest: fit_boxes(one, nearest), repeat),
            "fit_k_ms": milliseconds(lambda r=references: fit_boxes(one, r), repeat),
            "pool_k_ms": milliseconds(
                lambda b=boxes, s=similarity: pool(
                    b, s, asked.bbox_xyxy[:1], asked.K[:1], asked.image_size[:1]
                ),
                repeat,
            ),
        }
        many = references.take(np.tile(np.arange(k), BATCH))
        all_similarity = np.repeat(similarity, BATCH, axis=0)
        best, _ = milliseconds(
            lambda m=many, s=all_similarity: pool_neighbours(queries, m, s), max(repeat // 100, 1)
        )
        print(json.dumps(row | {"fit_and_pool_us_a_query_of_1000": round(1e3 * best / BATCH, 1)}))


if __name__ == "__main__":
    main()
