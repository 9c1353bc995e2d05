"""The index of the bundled sample, built once so that a fresh clone has something to answer."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from index.home import Home
from index.manage import versions
from service.settings import Settings
from training.errors import BusyError, DataError

log = logging.getLogger("posebank")

NAME = "sample"


def prepare_sample(settings: Settings, sample: Path) -> None:
    """Builds the index ``sample`` from ``sample/sequences`` with the encoder ``sample/encoder``.

    Does nothing where the home has any index; waits where another process builds it.
    Raises DataError where a folder is missing.
    """
    home = Home.open(settings.home, settings.database_url)
    if versions(home):
        return
    sequences, encoder = sample / "sequences", sample / "encoder"
    for folder in (sequences, encoder):
        if not folder.is_dir():
            raise DataError(
                f"The sample has no folder {folder}.",
                "Fetch the whole repository, or serve your own index without --sample.",
            )
    # Only the first start needs the readers and the encoder here.
    from index.build import build_index
    from training.encoder import Encoder

    log.info("building the index of the sample in %s, once", home.path)
    loaded = Encoder.load(encoder)
    while not versions(home):
        try:
            built = build_index(
                home, NAME, [(sequences, None)], loaded, encoder_folder=encoder.absolute()
            )
            log.info("built in %.1f s", built.seconds["total"])
        except BusyError:  # a second server was started on the same home
            time.sleep(0.2)
