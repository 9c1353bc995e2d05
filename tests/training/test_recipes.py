"""Recipes are strict, say what is wrong, and hold the published numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import RecipeError
from training.recipes import load_recipe, recipe_names


def test_all_recipes_load_and_name_their_head() -> None:
    heads = {name: list(load_recipe(name).heads) for name in recipe_names()}
    for size in ("simsiam", "small"):
        assert heads[f"{size}-nearby"] == ["pose"]
        assert heads[f"{size}-same-frame"] == ["pose"]
        assert heads[f"{size}-distant"] == ["identity"]
    assert heads["small-joint"] == ["pose", "identity"]


def test_the_published_numbers() -> None:
    for pairing in ("nearby", "distant", "same-frame"):
        recipe = load_recipe(f"simsiam-{pairing}")
        (head,) = recipe.heads.values()
        assert (head.pairing, head.pool_grid, head.whiten) == (pairing, 1, None)
        assert (recipe.data.fps, recipe.data.delta_s, recipe.data.crop) == (5.0, 0.2, "first")
        assert (recipe.network.backbone, recipe.network.size) == ("resnet50", 224)
        o = recipe.optimise
        assert (o.batch_size, o.lr, o.momentum, o.weight_decay) == (64, 0.0075, 0.9, 5e-4)
        assert (o.warmup_epochs, o.epochs, o.predictor_constant_lr) == (10, 25, True)


def test_the_paper_recipes_change_no_default() -> None:
    def settings(name: str) -> dict[str, object]:
        recipe = load_recipe(name).model_dump(exclude={"name", "about"})
        recipe["augment"]["crop_ratio"] = None  # 4/3 in four digits
        return recipe

    from training.recipes.schema import HeadRecipe, Recipe

    default = Recipe(name="x", pose=HeadRecipe(pairing="nearby")).model_dump(
        exclude={"name", "about"}
    )
    default["augment"]["crop_ratio"] = None
    assert settings("simsiam-nearby") == default


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimise.lrr=1", r"unknown key 'lrr' in \[optimise\].*batch_size, lr, backbone_lr"),
        ("lrr=1", r"Unknown recipe key 'lrr'.*optimise\.lr"),
        ("optimizer.lr=1", r"unknown key 'optimizer' in the top level.*\[optimise\]"),
        ("lr=-1", r"optimise\.lr = -1.*greater than 0"),
        ("lr=fast", r"optimise\.lr = 'fast'.*valid number"),
        ("pairing=near", r"pose\.pairing = 'near'.*'nearby', 'distant', 'same-frame' or 'triplet'"),
        ("epochs=5", r"warmup_epochs = 10 and epochs = 5"),
        ("augment.crop_scale=[1.0, 0.5]", r"crop_scale = \[1\.0, 0\.5\] must be \[low, high\]"),
        ("monitored_views=1", r"monitored_views = 1.*greater than or equal to 2"),
        ("pose.method=tcn", "'triplet' and 'tcn' need each other"),
        ("identity.pool_grid=2", r"identity\.pairing: Field required"),
        ("own_stages=1", "needs two heads"),
        ("lr", "not key=value"),
        ("name.x=1", "no section"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("simsiam-nearby", [override])


def test_overrides_by_key_and_by_section() -> None:
    recipe = load_recipe("simsiam-nearby", ["lr=0.1", "network.backbone=resnet18", "crop=own"])
    assert (recipe.optimise.lr, recipe.network.backbone) == (0.1, "resnet18")
    assert recipe.data.crop == "own"


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="simsiam-distant, simsiam-nearby"):
        load_recipe("simsiam-far")


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[identity]\npairing = 'distant'\n")
    assert list(load_recipe(str(path)).heads) == ["identity"]
    path.write_text("[data]\nfps = 5\n")
    with pytest.raises(RecipeError, match=r"neither a \[pose\] nor an \[identity\] section"):
        load_recipe(str(path))
    path.write_text("[data\n")
    with pytest.raises(RecipeError, match=r"mine\.toml cannot be read"):
        load_recipe(str(path))


def test_none_takes_a_value_away() -> None:
    assert load_recipe("small-nearby").pose.whiten == 256  # type: ignore[union-attr]
    assert load_recipe("small-nearby", ["whiten=none"]).pose.whiten is None  # type: ignore[union-attr]
