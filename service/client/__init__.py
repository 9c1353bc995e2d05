"""A typed client of the service: the routes as methods, refusals as exceptions, retries within
bounds. ``Client`` blocks, ``AsyncClient`` is awaited; both make the same calls."""

from service.client.asynchronous import AsyncClient
from service.client.blocking import Client
from service.client.errors import ProblemError, UnreachableError
from service.client.retries import Retries

__all__ = ["AsyncClient", "Client", "ProblemError", "Retries", "UnreachableError"]
