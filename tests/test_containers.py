"""What compose.yaml and the Dockerfile promise: loopback only, least privilege, all that is needed.

That the stack builds and answers is shown by ``docker/try.sh``, which needs root and podman.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from service.metrics import Metrics
from service.serving import Serving
from service.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
OBSERVABILITY = REPOSITORY / "docker/observability"
SERVERS = ("posebank", "posebank-gpu")
OURS = (*SERVERS, "migrate", "index")
EVERYTHING = (*OURS, "database", "prometheus", "grafana")


def read_yaml(path: Path) -> Any:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (extra: test)")
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(read_yaml(REPOSITORY / "compose.yaml"))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage → (instruction, arguments) of docker/Dockerfile, continued lines joined."""
    text = (REPOSITORY / "docker/Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    found: dict[str, list[tuple[str, str]]] = {"": []}
    stage = ""
    for line in lines:
        if not line or line.startswith("#"):
            continue
        instruction, arguments = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, stage = arguments.partition(" AS ")
            found[stage] = list(found.get(base, []))
        found[stage].append((instruction, arguments))
    return found


def build_of(services: dict[str, Any], name: str) -> dict[str, Any]:
    """How the image of a service is built, by whichever service builds it."""
    image = services[name]["image"]
    (build,) = [
        one["build"] for one in services.values() if one["image"] == image and "build" in one
    ]
    return dict(build)


def test_every_part_is_here(services: dict[str, Any]) -> None:
    assert set(services) == set(EVERYTHING)


@pytest.mark.parametrize("name", OURS)
def test_ours_are_built_from_this_folder(
    name: str, services: dict[str, Any], stages: dict[str, Any]
) -> None:
    """Once: an image that several services build is another one for each, and replaces servers."""
    service, build = services[name], build_of(services, name)
    assert (REPOSITORY / build["context"] / build["dockerfile"]).exists()
    assert build["target"] in stages
    assert "build" in service or "migrate" in service["depends_on"], "nothing builds it first"
    assert service["pull_policy"] == "never", "asked of a registry, or built at each command"


def test_a_build_without_a_target_is_the_one_for_cpu(stages: dict[str, Any]) -> None:
    assert list(stages)[-1] == "cpu"


@pytest.mark.parametrize("name", [name for name in EVERYTHING if name not in OURS])
def test_images_of_others_have_a_version(name: str, services: dict[str, Any]) -> None:
    image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", services[name]["image"])
    assert re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", image), image


@pytest.mark.parametrize("name", EVERYTHING)
def test_ports_are_published_on_loopback_alone(name: str, services: dict[str, Any]) -> None:
    for port in services[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port), port
    assert services[name].get("network_mode") in (None, "none")


def test_no_two_publish_one_port(services: dict[str, Any]) -> None:
    ports = [port.rsplit(":", 1)[0] for one in services.values() for port in one.get("ports", [])]
    assert len(ports) == len(set(ports)) == 4


def test_the_database_is_on_no_network(services: dict[str, Any]) -> None:
    assert services["database"]["network_mode"] == "none"
    assert "ports" not in services["database"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_compose_gives_no_more_than_needed(name: str, services: dict[str, Any]) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges"]
    assert int(service["user"].split(":")[0]) > 0
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()
    for volume in service["volumes"]:
        assert not volume.startswith((".", "$")) or volume.endswith(":ro"), volume


def test_up_starts_a_server_and_no_tools(services: dict[str, Any]) -> None:
    started = {name for name, one in services.items() if "profiles" not in one}
    assert started == {"posebank", "migrate", "database"}
    profiles = {name: one["profiles"] for name, one in services.items() if "profiles" in one}
    assert profiles == {
        "posebank-gpu": ["gpu"],
        "index": ["tools"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }


def test_the_database_is_there_and_migrated_before_it_is_used(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["migrate"]["command"].startswith("index migrate --wait ")
    for name in (*SERVERS, "index"):
        assert services[name]["depends_on"] == {
            "database": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }
    assert len({services[name]["environment"]["POSEBANK_DATABASE_URL"] for name in OURS}) == 1


def test_a_server_may_drain_before_it_is_killed(services: dict[str, Any]) -> None:
    from service.serve import LAST_SECONDS

    for name in SERVERS:
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace > Settings.model_fields["drain_seconds"].default + LAST_SECONDS


@pytest.mark.parametrize("name", OURS)
def test_what_is_set_is_a_setting(name: str, services: dict[str, Any]) -> None:
    given = {key for key in services[name]["environment"] if key.startswith("POSEBANK_")}
    assert given <= {f"POSEBANK_{field}".upper() for field in Settings.model_fields}


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(
        pair.split("=", 1)
        for instruction, arguments in stage
        if instruction == "ENV"
        for pair in shlex.split(arguments)
    )


def last(stage: list[tuple[str, str]], wanted: str) -> str:
    return [arguments for instruction, arguments in stage if instruction == wanted][-1]


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_nothing_is_reported_to_others(target: str, stages: dict[str, Any]) -> None:
    assert environment(stages[target])["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize("name", OURS)
def test_all_that_is_written_has_a_place(
    name: str, services: dict[str, Any], compose: dict[str, Any], stages: dict[str, Any]
) -> None:
    volumes = [volume.rsplit("}", 1)[-1].split(":") for volume in services[name]["volumes"]]
    mounted = {parts[1]: parts[0] for parts in volumes}
    home = environment(stages[build_of(services, name)["target"]])["POSEBANK_HOME"]
    assert mounted[home] in compose["volumes"]
    assert "/tmp" in services[name]["tmpfs"]


@pytest.mark.parametrize("name", OURS)
def test_the_image_runs_as_the_user_of_compose(
    name: str, services: dict[str, Any], stages: dict[str, Any]
) -> None:
    stage = stages[build_of(services, name)["target"]]
    assert last(stage, "USER") == services[name]["user"]


@pytest.mark.parametrize("name", SERVERS)
def test_image_and_compose_ask_the_same_for_health(
    name: str, services: dict[str, Any], stages: dict[str, Any]
) -> None:
    wanted = services[name]["healthcheck"]
    options, command = last(stages[build_of(services, name)["target"]], "HEALTHCHECK").split(
        "CMD", 1
    )
    assert ["CMD", *json.loads(command)] == wanted["test"]
    assert "/readyz" in command
    timing = dict(option.removeprefix("--").split("=") for option in options.split())
    assert timing["start-period"] == wanted["start_period"]
    for key in ("interval", "timeout", "retries"):
        assert timing[key] == str(wanted[key])


@pytest.mark.parametrize("gpu", [False, True], ids=["cpu", "gpu"])
def test_the_image_holds_what_the_project_asks_for(gpu: bool) -> None:
    command = [sys.executable, "docker/requirements.py", *(["--gpu"] if gpu else [])]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = re.search(
        r"^onnxruntime==(.*)$", (REPOSITORY / "constraints.txt").read_text("utf-8"), re.M
    )
    assert pinned is not None
    assert done.stdout.splitlines() == (
        [f"onnxruntime-gpu[cuda,cudnn]=={pinned[1]}"]
        if gpu
        else project["dependencies"] + project["optional-dependencies"]["postgres"]
    )


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics in a query of Prometheus."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", "", expression)
    words = set(re.findall(r"[a-z_]+", bare))
    return {word for word in words if word.startswith(("posebank_", "process_"))}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every name that /metrics can give, with the endings of histograms and counters."""
    metrics = Metrics(Serving(Settings(home=tmp_path_factory.mktemp("home"))))
    types = re.findall(r"^# TYPE (\w+) (\w+)$", metrics.text().decode(), re.M)
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
    return {name + ending for name, type in types for ending in endings[type]}


def test_the_dashboard_shows_metrics_that_exist(told: set[str]) -> None:
    dashboard = json.loads((OBSERVABILITY / "grafana/posebank.json").read_text("utf-8"))
    source = read_yaml(OBSERVABILITY / "grafana/provisioning/datasources/prometheus.yaml")
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    shown: set[str] = set()
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == source["datasources"][0]["uid"]
        for target in panel["targets"]:
            used = metrics_of(target["expr"])
            assert used, f"{panel['title']} asks for nothing"
            assert used <= told, f"{panel['title']} asks for {used - told}"
            shown |= used
    families = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
    unseen = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in told} - families
    assert unseen == {
        "posebank_build_info",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_max_fds",
    }


def test_the_panels_do_not_overlap() -> None:
    dashboard = json.loads((OBSERVABILITY / "grafana/posebank.json").read_text("utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_are_about_metrics_that_exist_and_say_what_to_do(told: set[str]) -> None:
    (group,) = read_yaml(OBSERVABILITY / "alerts.yaml")["groups"]
    for rule in group["rules"]:
        assert metrics_of(rule["expr"]) <= told, rule["alert"]
        assert {"summary", "remedy"} <= rule["annotations"].keys()


def test_prometheus_asks_every_server(services: dict[str, Any]) -> None:
    config = read_yaml(OBSERVABILITY / "prometheus.yaml")
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert tuple(found["names"]) == SERVERS
    for name in SERVERS:
        assert all(port.endswith(f":{found['port']}") for port in services[name]["ports"])
    for file in config["rule_files"]:
        assert (OBSERVABILITY / file).exists()


def test_mounted_files_exist(services: dict[str, Any]) -> None:
    mounts = [volume for one in services.values() for volume in one["volumes"]]
    for mount in mounts:
        source = re.sub(r"^\$\{\w+:-([^}]*)\}", r"\1", mount).split(":")[0]
        if source.startswith("."):
            assert (REPOSITORY / source).is_dir(), mount
    environment = services["grafana"]["environment"]
    inside = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (OBSERVABILITY / Path(inside).relative_to("/etc/posebank")).exists()


def test_what_the_image_copies_exists_and_reaches_the_build(
    stages: dict[str, list[tuple[str, str]]],
) -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    kept_out = [line for line in ignore if line and line[0] not in "#!*"]
    sources = [
        source
        for stage in stages.values()
        for instruction, arguments in stage
        if instruction == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (REPOSITORY / source).exists(), f"{source} is copied and is not there"
        assert source.split("/")[0] in let_in, f"{source} is held back by .dockerignore"
        assert not any(fnmatch(source, pattern) for pattern in kept_out)


def test_the_installed_package_is_copied_whole(
    stages: dict[str, list[tuple[str, str]]],
) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = {text.split()[0] for name, text in stages["code"] if name == "COPY"}
    assert {package.rstrip("*") for package in packages} <= copied
