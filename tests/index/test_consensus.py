"""What neighbours say together: clusters, orbits, splits, and silence with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from index.answers.consensus import ABSTAIN_BELOW, Consensus, abstains, answer_consensus
from index.answers.pooling import ANY_TURN, FEATURES, NO_SYMMETRY, Pooled, pool
from index.confidence import Calibration, Reliability
from index.geometry import box_vertices, iou_3d_pairs, projected_bbox
from index.geometry.agreement import Hypotheses
from training.data.records import Camera

CAMERA = Camera(500.0, 500.0, 319.5, 239.5, 640, 480)
TIP = Rotation.from_euler("x", 150, degrees=True).as_matrix()  # upright, seen from above
CENTRE, SIZE = np.array([0.1, 0.05, 2.0]), np.array([0.5, 0.3, 0.2])


def about_y(angle_deg: float) -> np.ndarray:
    return TIP @ Rotation.from_euler("y", angle_deg, degrees=True).as_matrix()


def true_bbox(rotation: np.ndarray, size: np.ndarray) -> np.ndarray:
    return projected_bbox(CAMERA.matrix, box_vertices(rotation, CENTRE, size))


def ask(
    rotations: list[np.ndarray],
    sizes: list[np.ndarray],
    bbox: np.ndarray,
    similarity: np.ndarray | None = None,
    ok: np.ndarray | None = None,
    centres: list[np.ndarray] | None = None,
) -> Pooled:
    """One query whose neighbours say these boxes, alike in similarity unless told."""
    count = len(rotations)
    boxes = Hypotheses(
        np.array([rotations]),
        np.array([centres if centres is not None else [CENTRE] * count]),
        np.array([sizes]),
        np.ones((1, count), dtype=bool) if ok is None else ok[None],
    )
    return pool(
        boxes,
        np.full((1, count), 0.5) if similarity is None else similarity[None],
        bbox[None],
        CAMERA.matrix[None],
        np.array([[640.0, 480.0]]),
    )


def overlap(pooled: Pooled, rotation: np.ndarray, size: np.ndarray) -> float:
    return float(
        iou_3d_pairs(
            pooled.rotation,
            pooled.translation,
            pooled.scale,
            rotation[None],
            CENTRE[None],
            size[None],
        )[0]
    )


def said(pooled: Pooled, calibration: Calibration | None = None) -> Consensus:
    (consensus,) = answer_consensus(pooled, CAMERA.matrix[None], calibration)
    return consensus


def constant(probability: float) -> Calibration:
    """A calibration that says this whatever the features."""
    count = len(FEATURES)
    return Calibration(
        features=FEATURES,
        mean=(0.0,) * count,
        deviation=(1.0,) * count,
        weight=(0.0,) * count,
        intercept=float(np.log(probability / (1 - probability))),
        queries=100,
        hits=50,
        held_out=Reliability(brier=0.2, ece=0.0, auroc=0.5),
    )


def test_a_cluster_wins_over_outliers_that_look_more_alike():
    rng = np.random.default_rng(0)
    wobbles = rng.normal(0, 4, 12)
    good = [about_y(30 + wobble) for wobble in wobbles]
    sizes = [SIZE * np.exp(rng.normal(0, 0.08, 3)) for _ in good]
    odd = [about_y(angle) for angle in (-70, 75, 160, -20)]
    odd_sizes = [SIZE * (0.5 + 0.4 * n) for n in range(4)]
    similarity = np.array([0.55] * 4 + [0.5] * 12)
    pooled = ask(odd + good, odd_sizes + sizes, true_bbox(about_y(30), SIZE), similarity)
    assert overlap(pooled, about_y(30), SIZE) > 0.85
    assert overlap(pooled, about_y(30), SIZE) > max(
        overlap(ask([r], [s], true_bbox(about_y(30), SIZE)), about_y(30), SIZE)
        for r, s in zip(odd, odd_sizes, strict=True)
    )
    answer = said(pooled)
    assert answer.box is answer.hypothesis is not None
    assert answer.reason is None
    assert answer.symmetry is None
    assert set(answer.members) <= set(range(4, 16))
    assert len(answer.members) >= 9
    assert 0.5 < answer.agreement <= 1.0


def test_the_average_is_nearer_the_truth_than_its_members_are():
    """Neighbours are other instances: their proportions scatter about the query's."""
    rng = np.random.default_rng(1)
    better = []
    for _ in range(20):
        rotations = [about_y(20 + rng.normal(0, 6)) for _ in range(15)]
        sizes = [SIZE * np.exp(rng.normal(0, 0.15, 3)) for _ in rotations]
        bbox = true_bbox(about_y(20), SIZE)
        pooled = ask(rotations, sizes, bbox)
        alone = [
            overlap(ask([r], [s], bbox), about_y(20), SIZE)
            for r, s in zip(rotations, sizes, strict=True)
        ]
        better.append(overlap(pooled, about_y(20), SIZE) > np.median(alone))
    assert np.mean(better) > 0.9


def test_the_box_that_fills_the_crop_is_believed():
    wide, narrow = SIZE * [1.0, 1.0, 2.0], SIZE * [0.6, 1.0, 1.0]
    rotations = [about_y(0)] * 8
    pooled = ask(rotations, [wide, narrow] * 4, true_bbox(about_y(0), wide))
    np.testing.assert_allclose(pooled.scale[0], wide, rtol=0.02)
    pooled = ask(rotations, [wide, narrow] * 4, true_bbox(about_y(0), narrow))
    np.testing.assert_allclose(pooled.scale[0], narrow, rtol=0.02)


def test_the_front_is_what_most_of_the_weight_says():
    angles = [10] * 3 + [190] * 7
    pooled = ask([about_y(a) for a in angles], [SIZE] * 10, true_bbox(about_y(10), SIZE))
    np.testing.assert_allclose(pooled.rotation[0], about_y(190), atol=1e-6)
    assert pooled.members.all()


@pytest.mark.parametrize(
    ("angles", "fold"),
    [
        (np.linspace(0, 360, 20, endpoint=False), ANY_TURN),
        ([0, 180] * 10, 2),
        ([0, 90, 180, 270] * 5, 4),
        (np.linspace(-15, 15, 20), NO_SYMMETRY),
        ([0] * 18 + [90, 180], NO_SYMMETRY),
    ],
)
def test_an_orbit_is_seen_by_what_the_turns_do(angles, fold):
    """A round thing: its neighbours agree on all but the turn."""
    round_ = np.array([0.3, 0.5, 0.3])
    rotations = [about_y(angle) for angle in angles]
    pooled = ask(rotations, [round_] * len(rotations), true_bbox(about_y(0), round_))
    assert pooled.fold[0] == fold
    symmetry = said(pooled).symmetry
    if fold == NO_SYMMETRY:
        assert symmetry is None
    else:
        assert symmetry.axis == "y"
        assert symmetry.fold == (None if fold == ANY_TURN else fold)
        assert symmetry.note.endswith(".")


def test_an_orbit_of_an_oblong_thing_is_one_too():
    rotations = [about_y(angle) for angle in np.linspace(0, 360, 20, endpoint=False)]
    pooled = ask(rotations, [SIZE * [0.7, 1, 1]] * 20, true_bbox(about_y(0), SIZE))
    assert pooled.fold[0] == ANY_TURN


def test_three_neighbours_are_too_few_for_an_orbit():
    pooled = ask([about_y(a) for a in (0, 120, 240)], [SIZE] * 3, true_bbox(about_y(0), SIZE))
    assert pooled.fold[0] == NO_SYMMETRY


def test_two_camps_of_one_weight_are_split_and_say_so():
    """Small and near, large and far: one picture, and nothing else to choose by."""
    bbox = true_bbox(about_y(0), SIZE)
    answer = said(
        ask([about_y(0)] * 10, [SIZE, 2 * SIZE] * 5, bbox, centres=[CENTRE, 2 * CENTRE] * 5)
    )
    assert answer.agreement == pytest.approx(0.5, abs=0.01)
    assert "split" in answer.reason
    assert answer.box is None
    assert answer.hypothesis is not None


def test_scattered_neighbours_abstain_however_sure_a_calibration_is():
    rng = np.random.default_rng(2)
    rotations = [about_y(rng.uniform(0, 180)) for _ in range(20)]
    sizes = [SIZE * np.exp(rng.normal(0, 0.8, 3)) for _ in rotations]
    centres = [CENTRE * rng.uniform(0.5, 3.0) for _ in rotations]
    pooled = ask(rotations, sizes, np.array([200.0, 150.0, 420.0, 330.0]), centres=centres)
    sure = said(pooled, constant(0.05))
    assert sure.box is None
    assert sure.hypothesis is not None
    assert sure.confidence == pytest.approx(0.05)
    assert sure.reason == said(pooled, constant(0.95)).reason
    assert "split" in sure.reason


@pytest.mark.parametrize("probability", [ABSTAIN_BELOW - 0.01, ABSTAIN_BELOW + 0.01])
def test_the_calibrated_confidence_decides(probability):
    pooled = ask([about_y(0)] * 5, [SIZE] * 5, true_bbox(about_y(0), SIZE))
    answer = said(pooled, constant(probability))
    assert answer.confidence == pytest.approx(probability)
    assert (answer.box is None) == (probability < ABSTAIN_BELOW)
    if probability < ABSTAIN_BELOW:
        assert answer.reason.startswith("Too unsure: 100% of the neighbours' weight agrees")
        assert answer.reason.endswith("probability of 19%, less than 20%.")
    else:
        assert answer.reason is None
    assert abstains(pooled, np.array([probability])).tolist() == [answer.box is None]


def test_no_box_at_all_is_said():
    pooled = ask([TIP] * 2, [SIZE] * 2, np.array([1.0, 1.0, 9.0, 9.0]), ok=np.zeros(2, bool))
    answer = said(pooled, constant(0.9))
    assert answer.box is None
    assert answer.hypothesis is None
    assert answer.confidence is None
    assert answer.members == ()
    assert "No neighbour gave a box" in answer.reason
    assert np.isfinite(pooled.features).all()


def test_a_neighbour_without_a_box_changes_nothing():
    rotations, sizes = [about_y(a) for a in (0, 5, 10)], [SIZE] * 3
    bbox = true_bbox(about_y(5), SIZE)
    three = ask(rotations, sizes, bbox, np.array([0.5, 0.4, 0.3]))
    four = ask(
        [*rotations, np.eye(3)],
        [*sizes, np.ones(3)],
        bbox,
        np.array([0.5, 0.4, 0.3, 0.9]),
        ok=np.array([True, True, True, False]),
    )
    np.testing.assert_allclose(four.rotation, three.rotation)
    np.testing.assert_allclose(four.scale, three.scale)
    np.testing.assert_allclose(four.features, three.features)
    assert four.members.tolist() == [[True, True, True, False]]


def test_many_queries_at_once_are_answered_as_each_alone():
    rng = np.random.default_rng(3)
    queries, k = 7, 9
    rotation = np.array([[about_y(rng.normal(0, 40)) for _ in range(k)] for _ in range(queries)])
    translation = CENTRE * np.exp(rng.normal(0, 0.1, (queries, k, 1)))
    scale = SIZE * np.exp(rng.normal(0, 0.2, (queries, k, 3)))
    boxes = Hypotheses(rotation, translation, scale, rng.uniform(size=(queries, k)) > 0.2)
    similarity = np.sort(rng.uniform(0, 0.6, (queries, k)), axis=1)[:, ::-1]
    rest = (
        similarity,
        np.tile(true_bbox(about_y(0), SIZE), (queries, 1)),
        np.tile(CAMERA.matrix, (queries, 1, 1)),
        np.tile([640.0, 480.0], (queries, 1)),
    )
    together = pool(boxes, *rest)
    for row in range(queries):
        part = slice(row, row + 1)
        one = Hypotheses(rotation[part], translation[part], scale[part], boxes.ok[part])
        alone = pool(one, *(values[part] for values in rest))
        for name in Pooled.__slots__:
            np.testing.assert_allclose(
                getattr(together, name)[part], getattr(alone, name), atol=1e-9, err_msg=name
            )
