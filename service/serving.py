"""What this server serves: each index's current gallery with the encoder that made it."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.canary import embed_canary
from index.catalog import WAIT_PER_SECOND_TRIED, Catalog
from index.enrolment import Rewritten, finish_erasures
from index.gallery import Gallery
from index.home import Home
from service.problems import RefusedError
from service.settings import Settings
from training.artifact import INFO_FILE, find_artifact
from training.cores import available_cores
from training.encoder import Encoder
from training.errors import EncoderError, GalleryError, PosebankError

log = logging.getLogger("posebank")


LEAST_WAIT_S = 1.0
"""Before an encoder that cannot be loaded is tried again (ours); longer where trying takes long."""


@dataclass(frozen=True, slots=True)
class ServedIndex:
    """A gallery and the encoder its queries need. A request holds one from start to end."""

    gallery: Gallery
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The encoder of a folder whose description has this time, and its embeddings of the fixed
    image."""

    encoder: Encoder
    canary: dict[str, NDArray[np.float32]]
    changed_ns: int


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why the encoder of a folder whose description has this time was not loaded, believed until
    ``until`` (time.monotonic)."""

    error: PosebankError
    changed_ns: int
    until: float


class Serving:
    """Index names → ServedIndex, brought up to date by ``refresh``; requests never wait for it.

    ``unserved`` says of each other index why it is not served.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalog: Catalog | None = None
        self._encoders: dict[Path, _Loaded | _Failed] = {}
        self._consulted: set[Path] = set()
        self._served: dict[str, ServedIndex] = {}
        self._lock = threading.Lock()
        self._reason: PosebankError = GalleryError(
            "The indexes are still being opened.", "Ask again in a second."
        )
        self.unserved: dict[str, PosebankError] = {}

    def refresh(self) -> tuple[str, ...]:
        """Takes up what was promoted or dropped since; the names whose gallery changed.

        Blocking; an index whose new version cannot be served keeps its old one.
        """
        with self._lock:
            try:
                if self._catalog is None:
                    self._catalog = self._open_catalog()
                else:
                    self._catalog.refresh()
            except PosebankError as error:
                self._reason = copy.copy(error)
                return ()
            except Exception as error:  # a database can fail in as many ways as it has drivers
                log.debug("refresh failed", exc_info=error)
                self._reason = GalleryError(
                    f"The metadata database cannot be read: {type(error).__name__}.",
                    "Run `posebank doctor`; check POSEBANK_DATABASE_URL and POSEBANK_HOME.",
                )
                return ()
            return self._take_up(self._catalog)

    def follow(self) -> None:
        """Takes in what was enrolled and deleted since. Blocking, but never for an opening.

        A database that fails is left to ``refresh``, which says so.
        """
        if self._catalog is not None:
            with contextlib.suppress(Exception):
                self._catalog.follow()

    def finish_erasures(self) -> tuple[Rewritten, ...]:
        """What a killed deletion left in files is taken out. Blocking. Raises PosebankError."""
        return finish_erasures(self.catalog().home, patience_s=0.0)

    def _open_catalog(self) -> Catalog:
        home = Home.open(self._settings.home, self._settings.database_url)
        return Catalog(home, threads=cores_per_request(self._settings.threads))

    def _take_up(self, catalog: Catalog) -> tuple[str, ...]:
        fresh: dict[str, ServedIndex] = {}
        unserved: dict[str, PosebankError] = dict(catalog.errors)
        self._consulted.clear()
        for name in catalog.names():
            gallery, old = catalog.get(name), self._served.get(name)
            if old is not None and old.gallery is gallery:
                fresh[name] = old
                continue
            try:
                fresh[name] = ServedIndex(gallery, self._encoder_of(gallery))
            except Exception as error:
                unserved[name] = _told(error, f"Index {name!r} cannot be served")
                if old is not None:
                    fresh[name] = old
        self._forget_encoders([one.encoder for one in fresh.values()])
        before, self._served, self.unserved = self._served, fresh, unserved
        self._reason = next(
            iter(unserved.values()),
            GalleryError(
                f"The home {catalog.home.path} holds no index.",
                "Build one with `posebank index build`, or start with `make serve`.",
            ),
        )
        return tuple(
            sorted(name for name in fresh | before if before.get(name) is not fresh.get(name))
        )

    def _encoder_of(self, gallery: Gallery) -> Encoder:
        hint = gallery.manifest.hints.encoder_folder
        folders = [self._settings.encoder, Path(hint) if hint else None]
        problem: PosebankError = EncoderError(
            f"Index {gallery.name!r} does not say where its encoder lies.",
            "Name the folder of the encoder with --encoder or POSEBANK_ENCODER.",
        )
        for folder in folders:
            if folder is None:
                continue
            try:
                loaded = self._load(folder)
                gallery.check_encoder(loaded.encoder.identity)
                gallery.check_canary(loaded.canary)
                return loaded.encoder
            except PosebankError as error:
                problem = error
        raise problem

    def _load(self, folder: Path) -> _Loaded:
        """The encoder of a folder, loaded once and again when its description changes."""
        self._consulted.add(folder)
        changed_ns = _changed_ns(folder)
        start = time.monotonic()
        known = self._encoders.get(folder)
        if known is not None and known.changed_ns == changed_ns:
            if isinstance(known, _Loaded):
                return known
            if start < known.until:
                raise copy.copy(known.error)
        try:
            encoder = Encoder.load(folder, threads=available_cores())
            loaded = _Loaded(encoder, embed_canary(encoder), changed_ns)
        except Exception as error:
            now = time.monotonic()
            until = now + max(LEAST_WAIT_S, WAIT_PER_SECOND_TRIED * (now - start))
            told = _told(error, f"The encoder {folder} cannot be loaded")
            self._encoders[folder] = _Failed(told, changed_ns, until)
            raise copy.copy(told) from None
        self._encoders[folder] = loaded
        return loaded

    def _forget_encoders(self, in_use: list[Encoder]) -> None:
        """Lets go of those that no index has and none that is not served asked for; but not of the
        one that is looked at first for every version."""
        self._encoders = {
            folder: known
            for folder, known in self._encoders.items()
            if folder in (*self._consulted, self._settings.encoder)
            or (isinstance(known, _Loaded) and any(known.encoder is one for one in in_use))
        }

    @property
    def served(self) -> dict[str, ServedIndex]:
        """The served indexes by name. Replaced as a whole, never changed."""
        return self._served

    @property
    def default_name(self) -> str | None:
        """The index asked when a request names none: the one set, else the first by name."""
        wanted = self._settings.default_index
        if wanted is not None:
            return wanted
        return min(self._served, default=None)

    @property
    def not_ready(self) -> PosebankError | None:
        """Why the default index is not served, or None when it is."""
        served, name = self._served, self.default_name
        if name is not None and name in served:
            return None
        if name is not None and served:
            return self.unserved.get(name) or GalleryError(
                f"The default index {name!r} does not exist.",
                f"Build it, or set POSEBANK_DEFAULT_INDEX to one of {', '.join(sorted(served))}.",
            )
        return self._reason

    def pick(self, name: str | None) -> ServedIndex:
        """The index a request names, or the default one. Raises RefusedError."""
        served = self._served
        wanted = name or self.default_name
        if wanted in served:
            assert wanted is not None
            return served[wanted]
        if name is None or not served:
            reason = self.not_ready or self._reason
            raise RefusedError("not-ready", reason.message, reason.remedy)
        if name in self.unserved:
            error = self.unserved[name]
            raise RefusedError("not-ready", error.message, error.remedy)
        raise RefusedError(
            "unknown-index",
            f"Index {name!r} is not served.",
            f"Served: {', '.join(sorted(served))}. Leave `index` out for the default.",
        )

    def catalog(self) -> Catalog:
        """The open catalog. Raises RefusedError ``not-ready`` while there is none."""
        if self._catalog is None:
            raise RefusedError("not-ready", self._reason.message, self._reason.remedy)
        return self._catalog


def _changed_ns(folder: Path) -> int:
    """When the description of the encoder was changed. Raises EncoderError where there is none."""
    try:
        return (find_artifact(folder) / INFO_FILE).stat().st_mtime_ns
    except OSError as error:
        raise EncoderError(
            f"The encoder {folder} cannot be read: {error.strerror}.",
            "Give the account that the server runs under the right to read it.",
        ) from error


def _told(error: Exception, what: str) -> PosebankError:
    """The error to keep: without the frames it came through, which hold galleries and encoders."""
    if isinstance(error, PosebankError):
        return copy.copy(error)
    log.error("%s", what, exc_info=error)  # out of memory, say
    return EncoderError(
        f"{what}: {type(error).__name__}: {error}.",
        "See the log of the server. It tries again by itself.",
    )


def cores_per_request(threads: int) -> int:
    """Cores one request may use so that ``threads`` of them fill what is granted and no more."""
    return max(1, available_cores() // threads)
