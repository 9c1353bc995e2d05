"""Real turntables through a built index: every level ETH-80 view asks for views of other objects.

    posebank train small-nearby --data DATA/coil100/dev --data DATA/eth80/dev --out runs/turntables
    python benchmarks/turntables.py DATA runs/turntables/encoder

Builds one index of COIL-100 and ETH-80 with `index build`'s own code in a temporary home, then asks
it with filters as the service does: the query's object is left out, so no view of it is in reach.
Prints mean and median azimuth error beside those of `posebank evaluate eth80`, which ranks in
memory: the two ways must agree.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import fmean, median

from index.build import build_index
from index.evaluation.run import Evaluation, run
from index.home import Home
from index.search import Filters, Gallery
from training.data.images import load_views
from training.data.readers import open_reader
from training.encoder import Encoder

LEVEL = 90.0


def main() -> None:
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    encoder = Encoder.load(folder)
    roots = [data / name / "dev" for name in ("coil100", "eth80")]
    with tempfile.TemporaryDirectory() as home_folder:
        home = Home.open(home_folder)
        built = build_index(
            home, "turntables", [(root, None) for root in roots], encoder, encoder_folder=folder
        )
        gallery = Gallery.open(home, "turntables")
        print(f"index {built.version}: {gallery.size} views, {built.seconds['total']:.1f} s")
        head, _ = gallery.resolve_head("pose")
        errors = []
        for view, image in load_views(
            view
            for sequence in open_reader(roots[1]).sequences()
            for view in sequence.views
            if view.attributes["polar_deg"] == LEVEL
        ):
            vector = encoder.encode(encoder.crop(image, view.bbox_xyxy)[None])[head]
            level = Filters(
                dataset="eth80",
                category=view.category,
                sequence=tuple(s for s in gallery.values("sequence") if s.endswith("/level")),
                exclude_instance=view.instance,
            )
            (found,) = gallery.search(vector, head, 1, level)[0]
            asked, told = (float(v.attributes["azimuth_deg"]) for v in (view, found.view))
            errors.append(abs((asked - told + 180.0) % 360.0 - 180.0))
    print(
        f"index:    mean {fmean(errors):.2f}°, median {median(errors):.1f}°, {len(errors)} queries"
    )
    figures = run(Evaluation("eth80", roots[1], str(folder)))
    print(
        f"evaluate: mean {figures['azimuth_error_mean_deg']:.2f}°, "
        f"median {figures['azimuth_error_median_deg']:.1f}°, {figures['n_queries']} queries"
    )


if __name__ == "__main__":
    main()
