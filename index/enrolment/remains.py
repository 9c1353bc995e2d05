"""What killed builds leave beside the versions, and which of it holds embeddings of some views."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from index.building.publish import withdraw
from index.building.shards import BrokenShardError, ShardFile
from index.home import Home
from index.store.database import reading
from index.store.versions import list_versions

VERSION = re.compile(r"[0-9a-f]{12}")
SHARD = "shard-*.npz"


def holds(folder: Path, view_ids: Collection[int]) -> bool:
    """Whether a shard of an unfinished build of this index holds one of the views."""
    shards = (folder / ".work").glob(f"*/{SHARD}")
    return bool(view_ids) and any(_holds(path, view_ids) for path in shards)


def leaves(home: Home, folder: Path) -> bool:
    """Whether there is anything beside the versions that the database knows."""
    return any((folder / ".work").glob("*")) or bool(_unknown(home, folder))


def sweep(home: Home, name: str, view_ids: Collection[int]) -> None:
    """Delete what no database row names and no resumed build needs, and shards of these views.

    The caller holds the index alone. Raises OSError.
    """
    withdraw(home, name)
    folder = home.index_folder(name)
    for work in (folder / ".work").glob("*"):
        for path in work.iterdir():
            if not path.match(SHARD) or _holds(path, view_ids):
                _remove(path)
    for path in _unknown(home, folder):
        _remove(path)


def _unknown(home: Home, folder: Path) -> list[Path]:
    """The folders of versions that no database row names."""
    with reading(home) as connection:
        known = {record.version for record in list_versions(connection, folder.name)}
    return [p for p in folder.glob("*") if VERSION.fullmatch(p.name) and p.name not in known]


def _holds(path: Path, view_ids: Collection[int]) -> bool:
    try:
        return bool(np.isin(ShardFile(path).view_ids(), list(view_ids)).any())
    except BrokenShardError:
        return path.exists()  # it may hold anything


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
