"""The client gives typed answers and turns problems into exceptions."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from service.client import Client, ProblemError
from service.schemas.query import QueryRequest
from tests.service.conftest import Live, Query


def test_typed_answers(live: Live, query: Query, tmp_path: Path) -> None:
    path = tmp_path / "cup.jpg"
    path.write_bytes(query.jpeg)
    with Client(live.url) as client:
        pose = client.estimate_pose(path, {**query.request, "k": 2})
        assert len(pose.neighbours) == 2
        assert pose.box is not None
        assert pose.consensus.hypothesis == pose.box
        assert len(pose.box.vertices_m) == 9
        same = client.estimate_pose(query.jpeg, QueryRequest(k=2, bbox=pose.query.bbox))
        assert same.neighbours[0].view == pose.neighbours[0].view
        view = pose.neighbours[0].view
        assert client.view(view.id).instance == view.instance
        assert client.thumbnail(view.id).startswith(b"\xff\xd8")
        assert client.search_reid(query.jpeg).matches[0].count >= 1
        assert [index.name for index in client.indexes()] == ["toys"]


def test_problems_are_raised(live: Live, query: Query) -> None:
    with Client(live.url) as client:
        with pytest.raises(ProblemError) as found:
            client.estimate_pose(query.jpeg, {"k": 5000})
        assert found.value.problem.status == 422
        assert "1 to 200" in found.value.remedy
        with pytest.raises(ProblemError):
            client.view("0" * 16)


def test_an_answer_of_someone_else() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>bad gateway"))
    client = Client("http://posebank", transport=transport)
    with client, pytest.raises(ProblemError, match="502"):
        client.indexes()
