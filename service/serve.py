"""`posebank serve`: takes the port, then runs the app under uvicorn."""

from __future__ import annotations

import errno
import logging
import socket

import uvicorn

from service.app import create_app
from service.settings import Settings
from training.errors import PosebankError

log = logging.getLogger("posebank")


class ListenError(PosebankError):
    """The address asked for cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises ListenError where the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(1024)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
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


def serve(settings: Settings) -> None:
    """Serves until stopped. One line says when the first index answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    taken = listen(settings.host, settings.port)
    host, port = taken.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
    app = create_app(settings, url=url)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvicorn.Server(config).run(sockets=[taken])
