"""The name and the version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

TITLE = "Posebank"
"""As the OpenAPI document says it, by which a server is known."""

try:
    VERSION = version("posebank")
except PackageNotFoundError:  # run from a source tree that was never installed
    VERSION = "0+unknown"
