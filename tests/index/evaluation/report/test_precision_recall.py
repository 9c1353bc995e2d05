"""The area under a precision-recall curve is the average precision the tables have."""

import numpy as np
import pytest

from index.evaluation.material import Material
from index.evaluation.reid import ALL_FRAMES, OTHER_SEQUENCES, evaluate_reid
from index.evaluation.report.precision_recall import (
    BINS,
    curves_by_label,
    overall_curve,
    precision_by_recall,
)
from index.evaluation.views import ViewTable


@pytest.mark.parametrize("levels", [None, 3])
def test_each_curve_encloses_its_mean_average_precision(
    query_world: ViewTable, embedded, levels: int | None
) -> None:
    """``levels`` rounds embeddings, so that many similarities are tied."""
    views = embedded.at_random(query_world, seed=3, dim=4)
    if levels:
        views.vectors["pose"][:] = np.round(views.vectors["pose"] * levels) / levels
    material = Material()
    result = evaluate_reid(views, "pose", material=material)
    assert list(material.rankings) == [ALL_FRAMES, OTHER_SEQUENCES]
    ranking = material.rankings[ALL_FRAMES]
    curves = precision_by_recall(ranking)
    assert curves.mean(axis=1) == pytest.approx(ranking.average_precision, abs=1e-12)
    overall = overall_curve(curves, "all")
    assert overall is not None
    assert overall.mean_average_precision == pytest.approx(result.reid_map, abs=1e-12)
    parts = curves_by_label(curves, query_world.category[ranking.queries])
    assert [part.label for part in parts] == sorted(set(query_world.category.tolist()))
    for part in parts:
        assert part.mean_average_precision == pytest.approx(
            result.reid_map_by_category[part.label], abs=1e-12
        )


def test_a_perfect_ranking_is_a_flat_line(query_world: ViewTable) -> None:
    from index.evaluation.embeddings import EmbeddedViews

    codes = np.unique(query_world.instance, return_inverse=True)[1]
    views = EmbeddedViews(query_world, {"pose": np.eye(codes.max() + 1, dtype=np.float32)[codes]})
    material = Material()
    evaluate_reid(views, "pose", material=material)
    curves = precision_by_recall(material.rankings[ALL_FRAMES])
    assert curves.shape == (len(query_world), BINS)
    assert curves == pytest.approx(1.0)


def test_queries_without_a_positive_have_no_curve(query_world: ViewTable, embedded) -> None:
    material = Material()
    evaluate_reid(embedded.at_random(query_world, seed=3), "pose", material=material)
    curves = precision_by_recall(material.rankings[OTHER_SEQUENCES])
    assert np.isnan(curves).all()  # every thing of this world is filmed once
    assert overall_curve(curves, "all") is None
