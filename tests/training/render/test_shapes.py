"""Every category: real sizes, variety, and sides that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.render.shapes import CATEGORIES

# metres: smallest and largest edge lengths along x, y and z that such a thing has
SIZES = {
    "bike": ((0.3, 0.4, 0.7), (0.8, 1.4, 2.0)),
    "book": ((0.1, 0.008, 0.11), (0.27, 0.07, 0.4)),
    "bottle": ((0.045, 0.12, 0.045), (0.11, 0.36, 0.13)),
    "camera": ((0.08, 0.045, 0.02), (0.18, 0.15, 0.25)),
    "cereal_box": ((0.09, 0.16, 0.035), (0.32, 0.46, 0.2)),
    "chair": ((0.35, 0.6, 0.4), (0.85, 1.3, 0.95)),
    "cup": ((0.045, 0.05, 0.045), (0.2, 0.18, 0.13)),
    "laptop": ((0.27, 0.15, 0.16), (0.42, 0.36, 0.56)),
    "shoe": ((0.06, 0.05, 0.19), (0.15, 0.33, 0.35)),
}


@pytest.mark.parametrize("category", CATEGORIES)
def test_instances_have_real_sizes_and_differ(category: str) -> None:
    models = [CATEGORIES[category](np.random.default_rng(seed)) for seed in range(16)]
    extents = np.array([model.extent for model in models])
    low, high = SIZES[category]
    assert (extents >= low).all(), extents.min(axis=0)
    assert (extents <= high).all(), extents.max(axis=0)
    assert len(np.unique(np.round(extents, 5), axis=0)) == len(models)
    assert extents.std(axis=0).max() > 0.03 * extents.mean()


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_model_is_centred_finite_and_follows_from_its_seed(category: str) -> None:
    first, again = (CATEGORIES[category](np.random.default_rng(5)) for _ in range(2))
    low, high = first.bounds
    assert np.allclose(low + high, 0, atol=1e-9)
    for (mesh, material), (same, other) in zip(first.parts, again.parts, strict=True):
        assert np.array_equal(mesh.positions, same.positions)
        assert np.isfinite(mesh.positions).all()
        assert np.isfinite(mesh.normals).all()
        assert material.colour == other.colour
        if material.texture is not None and other.texture is not None:
            assert np.array_equal(material.texture, other.texture)


@pytest.mark.parametrize("category", ["book", "bottle", "cereal_box", "cup", "laptop"])
def test_prints_are_not_the_same_on_both_sides(category: str) -> None:
    """A texture that equalled its mirror image would make left and right one."""
    model = CATEGORIES[category](np.random.default_rng(2))
    textures = [material.texture for _, material in model.parts if material.texture is not None]
    assert any(
        np.abs(texture.astype(int) - texture[:, ::-1].astype(int)).mean() > 4
        for texture in textures
    )
