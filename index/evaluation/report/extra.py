"""What a report needs beside the core: said before the work, not after it."""

from __future__ import annotations

from importlib.util import find_spec

from training.errors import DataError

LIBRARIES = {"jinja2": "jinja2", "matplotlib": "matplotlib", "sklearn": "scikit-learn"}
"""Module → distribution of the extra `report`."""


def require_extra() -> None:
    """Raises DataError where a library of the extra is not installed."""
    missing = [name for module, name in LIBRARIES.items() if find_spec(module) is None]
    if missing:
        raise DataError(
            f"A report needs {', '.join(missing)}, which the extra `report` brings.",
            "pip install 'posebank[report]'; in a checkout: "
            "pip install -c constraints.txt -e '.[report]'.",
        )
