"""A server that others can reach does not start while everybody would be let in, or nobody."""

from __future__ import annotations

import logging

from index.home import Home
from index.keys import Keys
from service.listen import ListenError
from service.security import is_loopback
from service.settings import Settings

log = logging.getLogger("posebank")


def check_exposure(settings: Settings, address: str) -> None:
    """Raises ListenError where ``address`` is not this machine's alone and no key is active."""
    if is_loopback(address):
        return
    keys = Keys(Home.open(settings.home, settings.database_url))
    if any(key.active for key in keys.all()):
        return
    if not settings.insecure_listen_without_keys:
        raise ListenError(
            f"There is no active API key, and others can reach {address}.",
            "Make one: posebank keys create NAME --scope query,enrol,admin. Or listen on "
            "127.0.0.1.",
        )
    log.warning(
        "POSEBANK_INSECURE_LISTEN_WITHOUT_KEYS: whoever reaches %s may do everything.", address
    )
