"""Takes the address to serve at, or says why it cannot be had."""

from __future__ import annotations

import errno
import socket

from training.errors import PosebankError


class ListenError(PosebankError):
    """The address asked for cannot be listened on."""


class PortInUseError(ListenError):
    """Another process listens there."""


def url_of(host: str, port: int) -> str:
    """Where this machine itself reaches a server that listens at this address."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def listen(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet.

    Raises PortInUseError, or ListenError where the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} of {host} is in use.",
                "Stop what listens there, or choose another: PORT=8001 or --port 8001.",
            ) from error
        if error.errno == errno.EACCES:
            raise ListenError(
                f"Port {port} of {host} may not be used by this user.",
                "Choose a port above 1023, such as --port 8000.",
            ) from error
        raise ListenError(
            f"Cannot listen at {host}: {error.strerror or error}.",
            "Use an address of this machine: 127.0.0.1 for itself, 0.0.0.0 for the network.",
        ) from error
    return taken
