"""Recipes by name or path, with overrides from the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.errors import RecipeError
from training.recipes.schema import Recipe, field_paths

_FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """The names of the recipes that come with Posebank."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe called ``name``, or in the TOML file ``name``.

    ``overrides`` are texts ``section.key=value`` (or ``key=value`` where the key is in one
    section only); values are TOML, bare words are text. Raises RecipeError for an unknown recipe
    or key, or a value that does not fit.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise RecipeError(
            f"There is no recipe {name!r}.",
            f"Use one of {', '.join(recipe_names())}, or the path of a .toml file.",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}.", "Correct the TOML file.") from error
    content.setdefault("name", path.stem)
    for override in overrides:
        _apply(content, override)
    return parse_recipe(content, str(name))


def parse_recipe(content: dict[str, Any], source: str) -> Recipe:
    """Check the content of a recipe. Raises RecipeError naming the key, the value and the limit."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        section, key = (*map(str, first["loc"]), "", "")[:2]
        if first["type"] == "extra_forbidden":
            known, where = (
                (field_paths()[section], f"[{section}]") if key else (_top_level(), "the top level")
            )
            raise RecipeError(
                f"Recipe {source}: unknown key {key or section!r} in {where}.",
                f"Keys there: {', '.join(known)}.",
            ) from error
        field = ".".join(part for part in (section, key) if part)
        problem = first["msg"].removeprefix("Value error, ")
        value = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
        at = f"{field}{value}: " if field else ""
        raise RecipeError(
            f"Recipe {source}: {at}{problem}.", "Change it in the recipe or with --set."
        ) from error


def _top_level() -> list[str]:
    paths = field_paths()
    return [*paths[""], *(f"[{section}]" for section in paths if section)]


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise RecipeError(
            f"--set {override!r} is not key=value.", "For example --set optimise.epochs=30."
        )
    section, dot, leaf = key.rpartition(".")
    if not dot:
        sections = [name for name, keys in field_paths().items() if leaf in keys]
        if len(sections) > 1:  # a key of both heads means the head that the recipe has
            sections = [name for name in sections if name in content]
        if len(sections) != 1:
            every = [f"{name}.{k}" if name else k for name, ks in field_paths().items() for k in ks]
            raise RecipeError(f"Unknown recipe key {key!r}.", f"Keys: {', '.join(every)}.")
        (section,) = sections
    target = content.setdefault(section, {}) if section else content
    if not isinstance(target, dict):
        raise RecipeError(f"--set {override!r}: {section} is no section.", "Use section.key=value.")
    target[leaf] = _value(text.strip())


def _value(text: str) -> Any:
    if text == "none":  # TOML has no word for it
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
