"""When a call is made again, and when it is given up.

Every call may be repeated: questions and lists change nothing, a deleted view stays deleted, and
the same view enrolled again is answered as the one that is there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

import httpx

from service.client.errors import ProblemError, UnreachableError

RETRIED_STATUS = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
# A read or write that took too long is not among them: that time was the caller's to give.
RETRIED_ERRORS = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
UNSENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout)
FIRST_WAIT = 0.25
"""Seconds before the second attempt where the server names none; doubled after each."""
SPREAD = 1.25
"""A wait is lengthened by up to this factor, so that refused clients do not return as one."""


@dataclass(frozen=True, slots=True)
class Retries:
    """At most ``attempts`` in all, none of them begun later than ``seconds`` after the first.

    The default bridges the replacement of a server: its waits are at least 15 s in all.
    """

    attempts: int = 7
    seconds: float = 60.0

    def begin(self) -> Attempts:
        """The attempts of one call, of which the first begins now."""
        return Attempts(self)


class Attempts:
    """The attempts of one call so far; told of each outcome, says how long to wait for the next."""

    def __init__(self, bounds: Retries) -> None:
        self._bounds = bounds
        self._made = 0
        self._began = monotonic()
        self._may_be_done = False

    @property
    def may_be_done(self) -> bool:
        """Whether one that was repeated may have been carried out, wholly or in part."""
        return self._may_be_done

    def wait_after_answer(self, answer: httpx.Response) -> float | None:
        """Seconds until the next attempt, or None where the answer is a success.

        Raises ProblemError where the refusal is final or the bounds are met.
        """
        if answer.is_success:
            return None
        self._made += 1
        if answer.status_code in RETRIED_STATUS:
            wait = self._wait(retry_after(answer.headers.get("retry-after")))
            if self._may_wait(wait):
                self._may_be_done |= answer.status_code != httpx.codes.TOO_MANY_REQUESTS
                return wait
        raise ProblemError.of(answer)

    def wait_after_error(self, error: httpx.TransportError) -> float:
        """Seconds until the next attempt. Raises UnreachableError where there is none."""
        self._made += 1
        wait = self._wait(None)
        if isinstance(error, RETRIED_ERRORS) and self._may_wait(wait):
            self._may_be_done |= not isinstance(error, UNSENT_ERRORS)
            return wait
        url = error.request.url
        raise UnreachableError(
            f"{url.scheme}://{url.netloc.decode()} gave no answer to {error.request.method} "
            f"{url.path} in {self._made} of {self._bounds.attempts} attempts and "
            f"{self._spent():.1f} s: {str(error) or type(error).__name__}.",
            "See whether the server runs and its address is right; give a longer timeout if it "
            "is slow.",
        ) from error

    def _wait(self, told: float | None) -> float:
        wait = FIRST_WAIT * 2 ** (self._made - 1) if told is None else told
        return wait * random.uniform(1, SPREAD)

    def _may_wait(self, wait: float) -> bool:
        bounds = self._bounds
        return self._made < bounds.attempts and self._spent() + wait <= bounds.seconds

    def _spent(self) -> float:
        return monotonic() - self._began


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None where it is neither.

    RFC 9110, section 10.2.3.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
