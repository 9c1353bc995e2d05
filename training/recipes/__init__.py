"""One TOML file per training, by row of a table: as published (`simsiam-*`, `nt-xent`, `tcn`, …),
`small-*` for two cores, `squeeze-*` begun from ImageNet weights, `ucf101-*` for whole frames.

`load_recipe` reads one by name or path, strictly; `schema.Recipe` says what it may hold.
"""

from training.recipes.load import load_recipe, recipe_names
from training.recipes.schema import Recipe

__all__ = ["Recipe", "load_recipe", "recipe_names"]
