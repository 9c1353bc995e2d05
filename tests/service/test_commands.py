"""The command `posebank`: quick, without torch, one line and a remedy where something is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from service import serving
from service.doctor import Report, examine
from service.settings import Settings
from service.version import VERSION
from tests.service.conftest import Live, Query, ToyReader

POSEBANK = [sys.executable, "-W", "error", "-m", "service.cli"]
WITHOUT_TORCH = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "lightning"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
from service.cli import main
sys.argv = ["posebank", *sys.argv[1:]]
main()
"""


def run(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*POSEBANK, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain_environment({"POSEBANK_HOME": str(home), **environment}),
    )


def plain_environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSEBANK_") and k != "PORT"}
    return {**kept, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_help_needs_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from service.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'faiss', 'cv2', 'onnxruntime', 'fastapi', 'sqlalchemy', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("serve", "doctor", "version", "index", "train", "render", "evaluate"):
        assert command in done.stdout


def test_serving_imports_no_torch() -> None:
    code = "import sys, service.serve; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["index", "train", "render", "evaluate"])
def test_commands_of_other_rooms_explain_themselves(command: str, tmp_path: Path) -> None:
    done = run(command, "--help", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{command}" in done.stdout
    assert "Usage" in done.stdout


def test_the_index_commands_run(home: Path) -> None:
    done = run("index", "list", home=home)
    assert done.returncode == 0, done.stderr
    assert "toys" in done.stdout


def test_an_expected_error_is_two_lines(tmp_path: Path) -> None:
    done = run("index", "inspect", "nope", home=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "nope" in done.stderr
    done = run("serve", home=tmp_path, POSEBANK_MAX_K="many")
    assert done.returncode == 2
    assert "POSEBANK_MAX_K" in done.stderr
    assert "remedy:" in done.stderr


def run_without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain_environment({}),
    )


def test_without_torch_training_names_the_extra_it_needs(tmp_path: Path) -> None:
    done = run_without_torch("train", "small-nearby", "--data", str(tmp_path), "--out", "none")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "'.[train]'" in done.stderr


def test_without_torch_the_rest_works(home: Path) -> None:
    assert run_without_torch("--help").returncode == 0
    done = run_without_torch("doctor", "--json", "--home", str(home))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_port_in_use_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), home=tmp_path)
        assert done.returncode == 2
        assert f"Port {port}" in done.stderr
        assert "remedy:" in done.stderr
    done = run("serve", "--host", "192.0.2.1", home=tmp_path)
    assert done.returncode == 2
    assert "192.0.2.1" in done.stderr


def test_serve_says_when_it_is_ready_and_stops_cleanly(
    home: Path, tmp_path: Path, query: Query
) -> None:
    port = free_port()
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "cup.jpg").write_bytes(query.jpeg)
    (tmp_path / "queries" / "cup.json").write_text(json.dumps(query.request))
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [*POSEBANK, "serve", "--port", str(port), "--home", str(home), "--sample", str(tmp_path)],
        stderr=log,
        env=plain_environment({}),
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
        told = urllib.request.urlopen(f"http://127.0.0.1:{port}/samples", timeout=5).read()
        assert [one["file"] for one in json.loads(told)["samples"]] == ["cup.jpg"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    log.close()
    said = (tmp_path / "log").read_text()
    assert f"Posebank is ready at http://127.0.0.1:{port}/ serving toys" in said
    assert "Traceback" not in said


def states(report: Report) -> dict[str, str]:
    return {finding.what: finding.state for finding in report.findings}


def test_the_doctor_finds_a_healthy_home_healthy(home: Path) -> None:
    report = examine(Settings(home=home, port=free_port()))
    assert report.ok
    found = states(report)
    for what in ("python", "packages", "faiss", "accelerator", "home", "database", "index toys"):
        assert found[what] == "ok", what


def test_the_doctor_knows_a_running_posebank(live: Live, home: Path) -> None:
    """As in a container, beside the server it is asked about."""
    port = httpx.URL(live.url).port
    assert port is not None
    report = examine(Settings(home=home, port=port))
    (found,) = [finding for finding in report.findings if finding.what == "port"]
    assert (found.state, found.remedy) == ("ok", None)
    assert found.detail.startswith(f"a Posebank is already running there: {VERSION} at ")
    assert live.url in found.detail


class Ok(BaseHTTPRequestHandler):
    """Another service, healthy and well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok", "info": {"title": "Another", "version": "1"}}')

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_the_doctor_takes_no_other_server_for_a_posebank(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.doctor.ASK_SECONDS", 0.2)
    with HTTPServer(("127.0.0.1", 0), Ok) as other, socket.socket() as silent:
        serving_it = threading.Thread(target=other.serve_forever)
        serving_it.start()
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (other.server_port, silent.getsockname()[1]):
            report = examine(Settings(home=home, port=port))
            (found,) = [finding for finding in report.findings if finding.what == "port"]
            assert found.state == "note"
            assert found.detail == f"Port {port} of 127.0.0.1 is in use."
            assert found.remedy
        other.shutdown()
        serving_it.join()


def test_the_doctor_takes_a_fresh_machine_as_it_is(tmp_path: Path) -> None:
    report = examine(Settings(home=tmp_path / "new" / "home", port=free_port()))
    assert report.ok
    assert states(report)["index"] == "note"
    assert not (tmp_path / "new").exists()


def test_the_doctor_names_what_is_wrong(home: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    report = examine(Settings(home=blocked))
    assert not report.ok
    for finding in report.findings:
        assert finding.state == "ok" or finding.remedy, finding
    nope = examine(Settings(home=home, default_index="nope"))
    assert states(nope)["index asked by default"] == "wrong"


def test_the_doctor_speaks_json_and_tells_by_its_exit_code(home: Path, tmp_path: Path) -> None:
    done = run("doctor", "--json", home=home)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ok"] is True
    broken = tmp_path / "file"
    broken.write_text("")
    done = run("doctor", home=broken)
    assert done.returncode == 1
    assert "WRONG" in done.stdout
    assert "remedy" in done.stdout


def test_a_password_stays_private(tmp_path: Path) -> None:
    url = "postgresql://anna:hunter2@127.0.0.1:1/none"
    report = examine(Settings(home=tmp_path, database_url=url))
    assert not report.ok
    assert "hunter2" not in report.model_dump_json()


def test_the_sample_is_built_once(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start builds the sample's index; the next finds it and reads no sequence."""
    import index.build
    from service.sample_index import prepare_sample
    from training.errors import DataError

    monkeypatch.setattr(index.build, "open_reader", lambda root, kind: ToyReader(root=root))
    settings = Settings(home=tmp_path / "home")
    sample = tmp_path / "sample"
    with pytest.raises(DataError, match="sequences"):
        prepare_sample(settings, sample)
    (sample / "sequences").mkdir(parents=True)
    (sample / "encoder").symlink_to(tiny_encoder)
    prepare_sample(settings, sample)
    report = examine(Settings(home=tmp_path / "home", port=free_port()))
    assert states(report)["index sample"] == "ok"
    monkeypatch.setattr(index.build, "build_index", None)
    prepare_sample(settings, sample)


def test_a_second_server_waits_for_the_sample(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers started at once on a fresh home both come up."""
    import index.build
    from index.building.lock import exclusive
    from service.sample_index import NAME, prepare_sample

    monkeypatch.setattr(index.build, "open_reader", lambda root, kind: ToyReader(root=root))
    sample, home = tmp_path / "sample", tmp_path / "home"
    (sample / "sequences").mkdir(parents=True)
    (sample / "encoder").symlink_to(tiny_encoder)
    second = threading.Thread(target=prepare_sample, args=(Settings(home=home), sample))
    with exclusive(home / "indexes" / NAME):
        second.start()
        second.join(0.5)
        assert second.is_alive()
    second.join(60)
    assert states(examine(Settings(home=home, port=free_port())))["index sample"] == "ok"


@pytest.mark.parametrize(("granted", "threads", "each"), [(8, 2, 4), (3, 2, 1), (1, 4, 1)])
def test_requests_share_the_cores_that_are_granted(
    monkeypatch: pytest.MonkeyPatch, granted: int, threads: int, each: int
) -> None:
    monkeypatch.setattr(serving, "available_cores", lambda: granted)
    assert serving.cores_per_request(threads) == each
