"""Sample queries on disk: an image and, beside it, a .json with the keys of a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from service.schemas.catalog import Sample

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
KEYS = ("bbox", "camera", "plane", "k", "reid", "index", "filters")
CAMERA_KEYS = ("fx", "fy", "cx", "cy")


def find_samples(folder: Path) -> list[Sample]:
    """The samples of a folder by file name; none where the folder is missing."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        beside = path.with_suffix(".json")
        if path.suffix.lower() not in SUFFIXES or not beside.is_file():
            continue
        try:
            told = json.loads(beside.read_text("utf-8"))
            request = _request(told)
        except (ValueError, AttributeError, KeyError, TypeError):
            continue
        found.append(
            Sample(
                title=str(told.get("title") or path.stem.replace("-", " ").replace("_", " ")),
                file=path.name,
                image_url=f"/samples/{quote(path.name)}",
                request=request,
            )
        )
    return found


def _request(told: dict[str, Any]) -> dict[str, Any]:
    """The keys of a request; a file may say more, such as the true box."""
    request = {key: told[key] for key in KEYS if told.get(key) is not None}
    if "camera" in request:
        request["camera"] = {key: request["camera"][key] for key in CAMERA_KEYS}
    return request
