"""Fixtures shared by all tests: where the real data lies, what needs a library or a server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

# The workers of a test run share the cores, so neither they nor their children take all of them:
# OpenMP's threads wait by spinning, and two processes of two such threads on two cores crawl.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine makes examples slow, not wrong.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

REPOSITORY = Path(__file__).resolve().parent.parent

POSTGRES = os.environ.get(
    "POSEBANK_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """``shared_data("eth80/dev")`` is that folder of real data, or the test skips saying so."""
    root = Path(os.environ.get("POSEBANK_DATA", REPOSITORY.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            pytest.skip(f"real data not found at {folder}; set POSEBANK_DATA to the folder of it")
        return folder

    return find


@pytest.fixture(scope="session")
def gl() -> None:
    """Skips unless an off-screen OpenGL context can be made (Debian: libegl1 libgl1-mesa-dri)."""
    moderngl = pytest.importorskip("moderngl", reason="moderngl is not installed (extra: render)")
    try:
        moderngl.create_context(standalone=True, backend="egl").release()
    except Exception as error:  # the driver stack raises bare Exceptions of many kinds
        pytest.skip(f"no EGL context: {error}; install libegl1 libgl1 libgl1-mesa-dri libegl-mesa0")


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A fresh database on a running Postgres, dropped afterwards."""
    server = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    name = f"posebank_{uuid.uuid4().hex[:12]}"
    try:
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        server.dispose()
        pytest.skip(f"no Postgres at POSEBANK_TEST_POSTGRES ({POSTGRES}): {error}")
    url = sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    yield url
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real encoder artifact with random weights: 32-pixel crops, heads
    ``pose`` (128) and ``identity`` (32)."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from training.artifact import EncoderInfo, Preprocessing
    from training.export import export_encoder
    from training.networks import EncoderNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = EncoderNetwork("resnet10_w4", {"pose": 2, "identity": 1}, Preprocessing(size=32))
    info = EncoderInfo(
        method="random",
        recipe="tiny",
        backbone=network.backbone_name,
        heads=network.heads,
        preprocessing=network.preprocessing,
    )
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    export_encoder(network, folder, info)
    return folder
