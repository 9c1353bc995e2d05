"""Makes the bundled sample anew: sequences to index, and query images with what is true of them.

    python examples/make_sample.py            # sequences and queries, about a minute
    posebank render runs/rendered --instances 40 --test-share 0.2 --seconds 4 --fps 5 \
        --size 360x480 --seed 11 --no-antialias
    posebank train small-nearby --data runs/rendered --split train --out runs/sample \
        --set pose.pool_grid=2
    cp -r runs/sample/encoder examples/encoder

The encoder is trained on objects of another seed: it has never seen an object of the sample.
Two queries show objects of the sample in another scene, two show objects that it does not hold;
their frames were picked among those that are answered well. How often answers are right is measured
in docs/results/.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2

from training.data.readers import open_reader
from training.data.records import View
from training.data.render.generate import render_objectron
from training.data.render.sequence import Shot, render_sequence

EXAMPLES = Path(__file__).resolve().parent
SEED = 2026
INSTANCES = 3
QUERIES = {
    # file name → category, instance, take, frame; take 0 of the first instances is in the sample
    "known-chair": ("chair", 1, 1, 36),
    "known-laptop": ("laptop", 1, 1, 24),
    "unseen-camera": ("camera", INSTANCES, 0, 12),
    "unseen-cup": ("cup", INSTANCES, 0, 42),
}


def write_query(name: str, category: str, instance: int, take: int, frame: int) -> None:
    """One frame of a sequence as a JPEG, and beside it the request and the true box."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Shot(category, instance, take, seconds=6.0, fps=10.0, seed=SEED)
        render_sequence(Path(folder), shot)
        (sequence,) = open_reader(Path(folder), "objectron").sequences()
        view = next(view for view in sequence.views if view.frame == frame)
        picture = cv2.cvtColor(view.image.load(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(
            str(EXAMPLES / "queries" / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
    (EXAMPLES / "queries" / f"{name}.json").write_text(
        json.dumps(told(name, shot, view), indent=2) + "\n"
    )


def told(name: str, shot: Shot, view: View) -> dict[str, object]:
    """The request that asks for this view, and the answer that would be right."""
    assert view.camera is not None
    assert view.plane is not None
    assert view.box9 is not None
    camera = view.camera
    return {
        "title": name.replace("-", " "),
        "bbox": [round(float(value), 1) for value in view.bbox_xyxy],
        "camera": {key: round(getattr(camera, key), 2) for key in ("fx", "fy", "cx", "cy")},
        "plane": {
            "center": view.plane.center.round(4).tolist(),
            "normal": view.plane.normal.round(5).tolist(),
        },
        "truth": {
            "instance": shot.instance_name,
            "rotation": view.box9.rotation.round(5).tolist(),
            "translation_m": view.box9.translation.round(4).tolist(),
            "scale_m": view.box9.scale.round(4).tolist(),
        },
    }


def main() -> None:
    """Renders the sequences of the sample, then its queries."""
    render_objectron(
        EXAMPLES / "sequences",
        instances=INSTANCES,
        seconds=4.0,
        fps=5.0,
        size=(240, 320),
        seed=SEED,
        test_share=0.0,
        grain=0.0,
    )
    (EXAMPLES / "queries").mkdir(exist_ok=True)
    for name, where in QUERIES.items():
        write_query(name, *where)


if __name__ == "__main__":
    main()
