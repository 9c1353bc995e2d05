"""One TOML file per training: `simsiam-*` as published, `small-*` for two cores.

`load_recipe` reads one by name or path, strictly; `schema.Recipe` says what it may hold.
"""

from training.recipes.load import load_recipe, recipe_names
from training.recipes.schema import Recipe

__all__ = ["Recipe", "load_recipe", "recipe_names"]
