"""The client that blocks until an answer is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import sleep
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from service.client import calls
from service.client.calls import Call, ClipQuestion, Image, Question, View, ViewFilters, Views
from service.client.errors import ProblemError
from service.client.retries import Retries
from service.schemas.actions import ActionAnswer
from service.schemas.answers import PoseAnswer, ReidAnswer
from service.schemas.catalog import IndexOut, ViewOut
from service.schemas.enrolment import Deleted, EnrolledBatch
from service.schemas.map import MapOut
from service.schemas.views import ViewList

T = TypeVar("T")


class Client:
    """Asks the server at ``url``. Close it, or use it in a ``with`` block; threads may share it.

    ``api_key`` goes into every request; ``timeout`` bounds, in seconds, connecting and each wait
    for bytes; ``retries`` bounds how often and how long a busy or lost server is asked again.
    Every method raises ProblemError where the server refuses and UnreachableError where no
    answer comes.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: Retries = Retries(),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout, transport=transport
        )
        self._retries = retries

    def estimate_pose(self, image: Image, request: Question = None) -> PoseAnswer:
        """Nearest annotated views of a crop and its 9-DoF box."""
        return self._make(calls.estimate_pose(image, request))

    def search_reid(self, image: Image, request: Question = None) -> ReidAnswer:
        """Known instances that a crop may be."""
        return self._make(calls.search_reid(image, request))

    def search_actions(self, images: Sequence[Image], request: ClipQuestion = None) -> ActionAnswer:
        """The action that the images of a clip, in order of time, show.

        ``service.clips.clip_images`` takes the images from a video file.
        """
        return self._make(calls.search_actions(images, request))

    def enrol(self, image: Image, view: View) -> ViewOut:
        """Puts one annotated view into an index; it is durable and found when this returns.

        The very same view again is handed back as it is stored.
        """
        return self._make(calls.enrol(image, view))

    def enrol_batch(
        self, images: Sequence[Image], views: Views, index: str | None = None
    ) -> EnrolledBatch:
        """Puts views into an index, all or none; ``views`` are in the order of ``images``.

        ``problem.errors`` of the ProblemError names what is wrong by position.
        """
        return self._make(calls.enrol_batch(images, views, index))

    def indexes(self) -> list[IndexOut]:
        """The indexes of the server's home."""
        return self._make(calls.indexes()).indexes

    def view(self, view_id: str) -> ViewOut:
        """Everything known about a view."""
        return self._make(calls.view(view_id))

    def thumbnail(self, view_id: str) -> bytes:
        """The JPEG of a view's crop."""
        return self._make(calls.thumbnail(view_id))

    def views(self, **filters: Unpack[ViewFilters]) -> Iterator[ViewOut]:
        """The views of an index that pass the filters, by id, asked for page by page."""
        after: str | None = None
        while True:
            page = self.view_page(after, **filters)
            yield from page.views
            after = page.next
            if after is None:
                return

    def view_page(
        self, after: str | None = None, limit: int | None = None, **filters: Unpack[ViewFilters]
    ) -> ViewList:
        """At most ``limit`` views whose ids follow ``after``, and where the next page begins."""
        return self._make(calls.view_page(after, limit, filters))

    def delete_view(self, view_id: str) -> Deleted:
        """Deletes a view: row, thumbnail, and its vector everywhere.

        ``views`` is 0 where an attempt before, whose answer was lost or which was refused after it
        took the view out of every search, had deleted it.
        """
        return self._make(calls.delete_view(view_id))

    def delete_instance(self, dataset: str, instance: str) -> Deleted:
        """Deletes all views of an instance, as ``delete_view`` does."""
        return self._make(calls.delete_instance(dataset, instance))

    def map(
        self, index: str | None = None, head: str | None = None, limit: int | None = None
    ) -> MapOut:
        """The views of an index as points of a plane."""
        return self._make(calls.map_of(index, head, limit))

    def close(self) -> None:
        """Gives the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _make(self, call: Call[T]) -> T:
        attempts = self._retries.begin()
        while True:
            try:
                response = self._http.request(call.method, call.path, **call.content)
                wait = attempts.wait_after_answer(response)
            except httpx.TransportError as error:
                wait = attempts.wait_after_error(error)
            except ProblemError as refusal:
                return call.after_refusal(refusal, attempts.may_be_done)
            else:
                if wait is None:
                    return call.answer(response)
            sleep(wait)
