"""Requests nobody thought of, against a real server: Schemathesis over its OpenAPI document, then
images made to harm at every route that takes them.

    python benchmarks/attack_api.py [--examples 150] [--seed 0] [--only openapi | images]

Starts `posebank serve` on the sample with enrolled views, without keys and then with some. Prints
one JSON object: the requests really sent by operation and status, each failure with its curl, the
server's memory and its slowest answers. Exit code 1 where there is a failure.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import schemathesis
import schemathesis.engine
from attack_images import attack_images, pictures
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from serving import Server, build_sample, posebank, serving

from service.schemas.actions import ACTION_EXAMPLE
from service.schemas.enrolment import ENROL_EXAMPLE
from service.schemas.query import EXAMPLE

NEAR = {
    "/pose/estimate": {**EXAMPLE, "reid": True, "timings": True},
    "/reid/search": {**EXAMPLE, "timings": True},
    "/actions/search": ACTION_EXAMPLE,
    "/views": {**ENROL_EXAMPLE, "keypoints": [{"name": "tip", "xy": [200, 300]}]},
    "/views:batch": {"views": [ENROL_EXAMPLE, {**ENROL_EXAMPLE, "instance": "drill-8"}]},
}
"""Good requests, one for each route that takes a form."""

ODD = [
    None,
    True,
    0,
    -1,
    1,
    2**53,
    10**30,
    0.5,
    -0.0,
    1e-300,
    1e6,
    1e308,
    float("nan"),
    float("inf"),
]
ODD += ["", "\0", "\ud7ff", "é" * 300, "../..", "' OR 1=1 --", [], {}, [[]], [1, 2, 3, 4], "sample"]
"""Values that break what was not checked."""

ENCODINGS = ("image/jpeg", "image/png", "image/webp")


@dataclass(frozen=True)
class Run:
    """One pass over the document. ``share`` of the examples; ``key`` is the scopes and dataset."""

    name: str
    share: float = 1.0
    near: bool = False
    key: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()


RUNS = (
    Run("no keys", left_out=("ignored_auth",)),
    Run(
        "no keys, forms nearly right",
        near=True,
        left_out=("ignored_auth", "negative_data_rejection"),
    ),
    Run("a key for everything", 0.3, key=("--scope", "query,enrol,admin")),
    Run("a key for questions about one dataset", 0.3, key=("--dataset", "workshop")),
)
"""Left out everywhere: positive_data_acceptance, as what a document cannot say is refused too, such
as a crop outside the image."""


@dataclass
class Tally:
    """What was sent and what came of it."""

    sent: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    slowest_s: float = 0.0

    def add(self, recorder: Any) -> None:
        """Counts one scenario of Schemathesis."""
        for case_id, interaction in recorder.interactions.items():
            response = interaction.response
            status = "no answer" if response is None else str(response.status_code)
            self.sent[recorder.cases[case_id].value.operation.label][status] += 1
            if response is not None:
                self.slowest_s = max(self.slowest_s, response.elapsed)
        for case_id, checks in recorder.checks.items():
            operation = recorder.cases[case_id].value.operation.label
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    self.fail(
                        (check.name, operation, failure.title),
                        message=failure.message,
                        curl=check.failure_info.code_sample,
                    )

    def fail(self, key: tuple[str, str, str], **told: str) -> None:
        """Counts a failure; the first of a kind is told whole."""
        check, operation, title = key
        first = {"check": check, "operation": operation, "title": title, "count": 0, **told}
        self.failures.setdefault(key, first)["count"] += 1


def near(value: Any) -> st.SearchStrategy[Any]:
    """A JSON value with one of its parts replaced, added or taken away, or none."""
    if isinstance(value, dict):
        choices = [
            near(one).map(lambda new, key=key: {**value, key: new}) for key, one in value.items()
        ]
        choices += [st.just({k: v for k, v in value.items() if k != key}) for key in value]
        choices.append(st.sampled_from(ODD).map(lambda odd: {**value, "odd": odd}))
    elif isinstance(value, list):
        choices = [
            near(one).map(lambda new, i=i: [*value[:i], new, *value[i + 1 :]])
            for i, one in enumerate(value)
        ]
        choices += [st.just(value[:-1]), st.just(value * 2)]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        choices = [st.floats(0.5, 2).map(lambda by: type(value)(value * by)), st.sampled_from(ODD)]
    else:
        choices = [st.just(value), st.sampled_from(ODD), st.text(max_size=20)]
    return st.one_of(st.just(value), *choices)


def nearly_right(context: Any, body: Any) -> st.SearchStrategy[Any]:
    """A form whose image is good and whose request is, but for a part of it."""
    path = context.operation.path
    if path not in NEAR:
        return st.just(body)
    several = path in ("/actions/search", "/views:batch")
    good = st.sampled_from(pictures())
    image = st.lists(good, min_size=2, max_size=2) if several else good
    request = st.builds(of_sequence, near(NEAR[path]), st.uuids().map(str))
    return st.fixed_dictionaries({"image": image, "request": request})


def of_sequence(request: Any, name: str) -> Any:
    """An enrolment with a sequence of its own, so that few are refused as known; else as it was."""
    if not isinstance(request, dict):
        return request
    if isinstance(request.get("views"), list):
        return {**request, "views": [of_sequence(view, name) for view in request["views"]]}
    return {"sequence": name, **request} if "dataset" in request else request


def as_lists(context: Any, body: Any) -> Any:
    """Schemathesis fills a list of files with the bytes of one file: the list of it is sent."""
    form = getattr(body, "body", None)  # beside the parts' content types
    image = form.get("image") if isinstance(form, dict) else None
    if context.operation.path in ("/actions/search", "/views:batch") and isinstance(image, bytes):
        request = form.get("request")
        views = request.get("views") if isinstance(request, dict) else None
        count = len(views) if isinstance(views, list) else 1 + len(image) % 3
        return replace(body, body={**form, "image": [image] * max(1, min(count, 8))})
    return body


def attack_document(server: Server, run: Run, examples: int, seed: int, key: str | None) -> Tally:
    """Schemathesis over the document that the server gives, in all its phases."""
    checks = {name: {"enabled": False} for name in ("positive_data_acceptance", *run.left_out)}
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "request-timeout": 30,
            "suppress-health-check": ["all"],
            "generation": {
                "max-examples": max(1, int(run.share * examples)),
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": run.key is not None,
            },
            "checks": {
                **checks,
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
            },
            **({} if key is None else {"headers": {"Authorization": f"Bearer {key}"}}),
        }
    )
    api = schemathesis.openapi.from_url(f"{server.url}/openapi.json", config=config)
    if run.near:
        api = api.include(path=list(NEAR))
        api.hooks.hook("flatmap_body")(nearly_right)
    else:
        api.hooks.hook("map_body")(as_lists)
    tally = Tally()
    for event in schemathesis.engine.from_schema(api).execute():
        if isinstance(event, events.ScenarioFinished):
            tally.add(event.recorder)
        elif isinstance(event, events.NonFatalError):
            tally.fail(("error", event.label, str(event.value)), message=event.info.format())
        elif isinstance(event, events.FatalError):
            raise event.exception
    return tally


def answered(server: Server, key: str | None) -> int:
    """Requests that the server says it answered, without those for its metrics and readiness."""
    headers = {} if key is None else {"X-API-Key": key}
    text = httpx.get(f"{server.url}/metrics", headers=headers).raise_for_status().text
    lines = re.findall(r'^posebank_requests_total\{.*route="(.*?)".*\} (\S+)$', text, re.MULTILINE)
    return sum(int(float(count)) for _, count in lines)


def good_question(server: Server, sample: Path, key: str | None = None) -> tuple[int, list[str]]:
    """Status and known instances of an answer that is known to be possible."""
    image = sample / "queries" / "known-chair.jpg"
    request = json.loads(image.with_suffix(".json").read_text("utf-8"))
    answer = httpx.post(
        f"{server.url}/reid/search",
        files={"image": image.read_bytes()},
        data={"request": json.dumps({"bbox": request["bbox"], "k": 3})},
        headers={} if key is None else {"X-API-Key": key},
        timeout=30,
    )
    found = answer.json().get("matches", [])
    return answer.status_code, [match["instance"] for match in found]


def enrol_some(server: Server, sample: Path) -> int:
    """Enrols the sample's queries; how many views the dataset `workshop` has then."""
    for image in sorted((sample / "queries").glob("*.jpg")):
        told = json.loads(image.with_suffix(".json").read_text("utf-8"))
        view = {key: told[key] for key in ("bbox", "camera", "plane") if told.get(key)}
        view |= {"dataset": "workshop", "instance": image.stem, "category": image.stem[-5:]}
        httpx.post(
            f"{server.url}/views",
            files={"image": image.read_bytes()},
            data={"request": json.dumps(view)},
            timeout=30,
        ).raise_for_status()
    found = httpx.get(f"{server.url}/views", params={"dataset": "workshop"}).raise_for_status()
    return len(found.json()["views"])


def make_key(home: Path, name: str, options: tuple[str, ...]) -> str:
    """A key by `posebank keys create`."""
    command = posebank("service.cli", "keys", "create", name, *options, "--home", home, "--json")
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return str(made["key"])


def run_document(run: Run, home: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One run of RUNS on a server of its own."""
    admin = key = None
    if run.key is not None:
        admin = make_key(home, "counter", ("--scope", "admin"))
        key = make_key(home, "attacker", run.key)
    started = time.monotonic()
    with serving(home) as server:
        tally = attack_document(server, run, arguments.examples, arguments.seed, key)
        counted = answered(server, admin)
        status, _ = good_question(server, arguments.sample, key)
        peak, crashes = server.memory_mb("VmHWM"), server.crashes()
    if status != 200:
        tally.fail(("answers after", "POST /reid/search", str(status)))
    if crashes:
        tally.fail(("no traceback in the log", "server", f"{crashes} of them"))
    return {
        "run": run.name,
        "sent": sum(sum(counts.values()) for counts in tally.sent.values()),
        "answered_by_its_metrics": counted,
        "statuses": dict(sorted(sum(tally.sent.values(), Counter()).items())),
        "by_operation": {
            operation: dict(sorted(counts.items()))
            for operation, counts in sorted(tally.sent.items())
        },
        "failures": list(tally.failures.values()),
        "slowest_s": round(tally.slowest_s, 3),
        "peak_memory_mb": round(peak),
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=Path, default=Path("examples"))
    parser.add_argument("--encoder", type=Path, default=Path("examples/encoder"))
    parser.add_argument("--examples", type=int, default=150, help="cases of each operation and run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["openapi", "images"])
    arguments = parser.parse_args()
    for kind in ENCODINGS:
        schemathesis.openapi.media_type(kind, st.sampled_from([*pictures(), b"", b"\xff\xd8"]))
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build_sample(home, arguments.sample, arguments.encoder)
        with serving(home) as server:
            told["enrolled"] = enrol_some(server, arguments.sample)
            before = good_question(server, arguments.sample)
            if arguments.only != "openapi":
                told["images"] = attack_images(server, arguments.seed)
                told["images"]["same_answer_after"] = (
                    good_question(server, arguments.sample) == before
                )
        if arguments.only != "images":
            told["openapi"] = [run_document(run, home, arguments) for run in RUNS]
            told["openapi_sent"] = sum(run["sent"] for run in told["openapi"])
    print(json.dumps(told, indent=1, ensure_ascii=False))
    failed = [run["failures"] for run in told.get("openapi", [])]
    if "images" in told:
        failed += [told["images"]["failures"], not told["images"]["same_answer_after"]]
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main())
