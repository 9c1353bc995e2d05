"""Every snippet of the README and of docs/ is run.

A document's ``python`` blocks run in order as one program and its ``sh`` blocks in order as one
script, in a scratch folder that holds ``examples/`` and a folder ``my-videos/`` of short clips.
``127.0.0.1:8000`` stands for a server started by ``make serve`` itself.

After a change of the answer or of the sample: POSEBANK_UPDATE_README=1 python -m pytest
tests/test_documents.py -k readme writes the README's answer anew from the live server.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

UPDATE = os.environ.get("POSEBANK_UPDATE_README") == "1"

CONSENSUS = ("confidence", "agreement", "members", "symmetry", "reason")

RUN_ELSEWHERE = {
    "make serve": "starts the server that the other snippets ask",
    "make test": "is this run",
}


@dataclass(frozen=True)
class Server:
    """A service started by ``make serve``, and its environment."""

    address: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``make serve`` in the repository, on a free port and with an empty home."""
    port = free_port()
    folder = tmp_path_factory.mktemp("serve")
    environment = {**os.environ, "PORT": str(port), "POSEBANK_HOME": str(folder / "home")}
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["make", "serve"],
            cwd=REPOSITORY,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while not is_ready(address):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"make serve did not become ready:\n{log.read_text()}")
            time.sleep(0.1)
        yield Server(address, environment)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


def write_clips(folder: Path) -> None:
    """Three clips of a square that moves over noise: enough for every command to have work."""
    folder.mkdir()
    for clip in range(3):
        random = np.random.default_rng(clip)
        background = random.integers(0, 255, (96, 128, 3), dtype=np.uint8)
        writer = cv2.VideoWriter(
            str(folder / f"clip-{clip}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (128, 96)
        )
        for frame in range(20):
            picture = background.copy()
            picture[30:60, 10 + 4 * frame : 40 + 4 * frame] = (40 * clip, 200, 90)
            writer.write(picture)
        writer.release()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    write_clips(tmp_path / "my-videos")
    return tmp_path


def snippets(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return [m["body"] for m in FENCE.finditer(text) if m["language"] == language]


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def named(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_python_snippets_run(document: Path, scratch: Path, server: Server) -> None:
    blocks = snippets(document, "python")
    if not blocks:
        assert "```python" not in document.read_text(encoding="utf-8")
        return
    program = scratch / "snippets.py"
    program.write_text("\n".join(blocks).replace("127.0.0.1:8000", server.address))
    run([sys.executable, str(program)], scratch, server.environment)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_shell_snippets_run(document: Path, scratch: Path, server: Server) -> None:
    lines = [
        line
        for block in snippets(document, "sh")
        for line in block.splitlines()
        if line.strip() not in RUN_ELSEWHERE
    ]
    script = "\n".join(lines).replace("127.0.0.1:8000", server.address)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**server.environment, "PATH": path, "POSEBANK_HOME": str(scratch / "home")}
    run(["bash", "-euo", "pipefail", "-c", script], scratch, environment)


def shortened(answer: dict[str, Any]) -> dict[str, Any]:
    """What the README shows of a pose answer, to three decimals."""
    (nearest, *_), box = answer["neighbours"], answer["box"]
    shown = {
        **{key: answer[key] for key in ("index", "head", "assumptions")},
        "neighbours": [{key: nearest[key] for key in ("view", "similarity")}],
        "consensus": {key: answer["consensus"][key] for key in CONSENSUS},
        "box": {key: box[key] for key in ("rotation", "translation_m", "scale_m")},
    }
    rounded: dict[str, Any] = json.loads(
        json.dumps(shown), parse_float=lambda text: round(float(text), 3)
    )
    return rounded


def printed(value: Any, indent: int = 0, taken: int = 0, room: int = 98) -> str:
    """JSON that fills its lines; the first of them begins after ``taken`` columns."""
    line = json.dumps(value)
    if len(line) <= room - taken or not isinstance(value, dict | list):
        return line
    inner = indent + 1
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key)}: {printed(one, inner, inner + len(key) + 5)}"
            for key, one in value.items()
        ]
    else:
        parts = [printed(one, inner, inner + 1) for one in value]
    lines = parts[:1]
    for part in parts[1:]:
        if "\n" not in lines[-1] + part and inner + len(lines[-1]) + len(part) + 3 <= room:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    body = ",".join(f"\n{' ' * inner}{one}" for one in lines)
    return f"{line[0]}{body}\n{' ' * indent}{line[-1]}"


def assert_alike(shown: Any, given: Any, where: str = "answer") -> None:
    """Equal but for what honestly differs between machines: the last bits of an embedding move a
    number a little, and the version of an index, which is a hash over its embeddings, altogether.
    """
    if where == "answer.index.version":
        assert re.fullmatch(r"[0-9a-f]{12}", shown), where
        assert re.fullmatch(r"[0-9a-f]{12}", given), where
    elif isinstance(given, dict):
        assert list(shown) == list(given), where
        for key in given:
            assert_alike(shown[key], given[key], f"{where}.{key}")
    elif isinstance(given, list):
        assert len(shown) == len(given), where
        for i, (one, other) in enumerate(zip(shown, given, strict=True)):
            assert_alike(one, other, f"{where}.{i}")
    elif isinstance(given, float):
        assert shown == pytest.approx(given, abs=0.005), where
    else:
        assert shown == given, where


def test_the_readme_shows_the_answer_that_is_given(server: Server) -> None:
    readme = REPOSITORY / "README.md"
    command = next(block for block in snippets(readme, "sh") if "/pose/estimate" in block)
    request = re.search(r"'request=(\{.*\})'", command, re.DOTALL)
    assert request is not None
    with (REPOSITORY / "examples/queries/known-chair.jpg").open("rb") as image:
        answer = httpx.post(
            f"http://{server.address}/pose/estimate",
            files={"image": image},
            data={"request": request[1]},
        ).json()
    given = shortened(answer)
    if UPDATE:
        text = readme.read_text("utf-8")
        block = f"```json\n{printed(given)}\n```"
        readme.write_text(
            re.sub(r"```json\n.*?\n```", lambda _: block, text, flags=re.DOTALL), "utf-8"
        )
    (shown,) = (json.loads(block) for block in snippets(readme, "json"))
    assert_alike(shown, given)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("box.scale_m.1", 9.0),
        ("neighbours.0.similarity", 0.9),
        ("index.version", "new"),
        ("head", 1),
    ],
)
def test_a_readme_that_shows_something_else_is_noticed(path: str, value: Any) -> None:
    (shown,) = (json.loads(block) for block in snippets(REPOSITORY / "README.md", "json"))
    changed = json.loads(json.dumps(shown))
    place: Any = changed
    *steps, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for step in steps:
        place = place[step]
    place[last] = value
    assert_alike(shown, shown)
    with pytest.raises(AssertionError):
        assert_alike(changed, shown)


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{named(document)} links to {target}"
