"""Which requests are taken: those that can be answered in time, and none while the server drains.

By Little's law, what is held is done in ``held / rate`` seconds; the rate is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.problems import RefusedError

SHARE: Final = 0.5
"""Requests are taken while what is held takes this share of the deadline (ours): the rest is room
for requests that cost more than those before."""

MEMORY_SECONDS: Final = 5.0
"""Busy time after which a measurement counts for 1/e."""

FIRST_RATE: Final = 16.0
"""Images a second that are believed before any was answered, as if measured for a second."""

LEAST_RATE: Final = 0.01
"""Images a second that are believed at least: where nothing is answered for long, what was measured
fades to nothing."""

LONGEST_RETRY_SECONDS: Final = 60


class Admission:
    """Counts what is held and how fast it gets done. For one event loop.

    A request counts as many images as it has. An idle server takes any request.
    """

    def __init__(
        self,
        deadline_seconds: float,
        least: int = 4,
        kind: str = "images",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``least`` images are held whatever the rate, so that no core waits for work. ``kind`` is
        what it counts, for the refusals."""
        self._deadline = deadline_seconds
        self._least = least
        self._kind = kind
        self._clock = clock
        self._held = 0
        self._seen = clock()
        self._busy_seconds = 1.0
        self._done = FIRST_RATE
        self._refused = 0.0
        self._draining = False

    @property
    def held(self) -> int:
        """Images of the requests taken and not answered yet."""
        return self._held

    @property
    def rate(self) -> float:
        """Images answered per second of the last seconds in which any was held."""
        self._elapse()
        return max(LEAST_RATE, self._done / self._busy_seconds)

    @property
    def limit(self) -> int:
        """Images that may be held."""
        return max(self._least, int(SHARE * self._deadline * self.rate))

    @property
    def draining(self) -> bool:
        """Whether the server is about to stop."""
        return self._draining

    def drain(self) -> None:
        """Takes no request from now on. Safe in a signal handler."""
        self._draining = True

    def check_open(self) -> None:
        """Raises RefusedError ``draining`` once the server drains."""
        if self._draining:
            raise RefusedError(
                "draining",
                "The server is about to stop; it finishes what it took and takes no more.",
                "Ask again in a few seconds, or ask another server.",
            )

    def check(self, images: int = 1) -> None:
        """Raises RefusedError ``draining`` or ``busy`` where a request cannot be taken now."""
        self.check_open()
        limit = self.limit
        if not self._held or self._held + images <= limit:
            return
        self._refused += images
        # Who was refused in the last second comes back too, before or beside this one.
        seconds = math.ceil((self._held + self._refused) / self.rate)
        raise RefusedError(
            "busy",
            f"{self._held} {self._kind} are being answered or wait; at {self.rate:.3g} a second, "
            f"more than {limit} would not be done in time.",
            "Try again after the seconds of the header Retry-After, ask less often, or give the "
            "server more cores or a GPU.",
            retry_after=min(max(1, seconds), LONGEST_RETRY_SECONDS),
        )

    @contextmanager
    def hold(self, images: int = 1) -> Iterator[float]:
        """Counts a request while the block runs; gives its deadline (time.monotonic).

        Raises RefusedError as ``check``. What ends in an exception does not count as done.
        """
        self.check(images)
        self._elapse()
        self._held += images
        try:
            yield self._clock() + self._deadline
            self._elapse()
            self._done += images
        finally:
            self._elapse()
            self._held -= images

    def _elapse(self) -> None:
        now = self._clock()
        passed, self._seen = now - self._seen, now
        self._refused *= math.exp(-passed)
        if self._held:
            kept = math.exp(-passed / MEMORY_SECONDS)
            self._busy_seconds = self._busy_seconds * kept + passed
            self._done *= kept
