"""What the server tells Prometheus: the metrics of docs/metrics.md, one registry an app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from index.stopwatch import Stopwatch
from service.problems import KINDS
from service.serving import Serving
from service.version import VERSION

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST

STAGES: Final = ("decode", "queue", "encode", "search", "fetch", "fit", "total")
"""What a question goes through; each question counts once in every stage it reached."""

SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds of the buckets: a search of few views takes 0.2 ms, a deadline is seconds."""

CROPS: Final = (1, 2, 4, 8, 16, 32, 64)

disable_created_metrics()  # the time each counter was born: a row for each, which nobody reads


class Metrics:
    """The metrics of one app. Safe from any thread."""

    def __init__(self, serving: Serving) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(
            "posebank_requests", "Requests answered.", "method", "route", "status"
        )
        self._request_seconds = Histogram(
            "posebank_request_seconds",
            "A request from its first byte to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._in_progress = self._gauge(
            "posebank_requests_in_progress", "Requests that came and are not answered yet."
        )
        seconds = Histogram(
            "posebank_stage_seconds",
            "What a question spends in each stage.",
            ("stage",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._stages = {stage: seconds.labels(stage) for stage in STAGES}
        self._batches = Histogram(
            "posebank_batch_crops",
            "Crops in each call of an encoder.",
            buckets=CROPS,
            registry=self._registry,
        )
        self._queue = self._gauge("posebank_queue_depth", "Questions that wait for an encoder now.")
        self._refusals = self._counter(
            "posebank_refusals", "Refused requests by their problem.", "reason"
        )
        self._dropped = self._counter(
            "posebank_dropped", "Work begun and not finished, by why.", "reason"
        )
        # Told from the start: what appears with its first value has no rate at that moment.
        for reason in KINDS:
            self._refusals.labels(reason)
        for reason in ("gone", "deadline"):
            self._dropped.labels(reason)
        self._registry.register(_Indexes(serving))
        ProcessCollector(registry=self._registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self._registry)

    def observe(self, stage: str, seconds: float) -> None:
        """What one question spent in one of ``STAGES``."""
        self._stages[stage].observe(seconds)

    @contextmanager
    def question(self) -> Iterator[Stopwatch]:
        """A stopwatch for one question, read when the block ends.

        A question that was refused counts in the stages it reached, not in the total.
        """
        watch = Stopwatch()
        try:
            yield watch
            self.observe("total", watch.total)
        finally:
            for stage, seconds in watch.seconds.items():
                self.observe(stage, seconds)

    def observe_batch(self, crops: int) -> None:
        """The size of one call of an encoder."""
        self._batches.observe(crops)

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """``depth()`` is asked, whenever the metrics are, how many questions wait."""
        self._queue.set_function(depth)

    def count_refusal(self, reason: str) -> None:
        """One request refused; ``reason`` is the slug of its problem."""
        self._refusals.labels(reason).inc()

    def count_dropped(self, reason: str) -> None:
        """One request taken and not finished: ``gone`` or ``deadline``."""
        self._dropped.labels(reason).inc()

    def request_came(self) -> None:
        """A request is in progress until ``request_done``."""
        self._in_progress.inc()

    def request_done(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request was answered; ``status`` None: its client has gone. ``route`` is a template."""
        self._in_progress.dec()
        self._requests.labels(method, route, "gone" if status is None else status).inc()
        self._request_seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it in the Prometheus text format, ``MEDIA_TYPE``."""
        return generate_latest(self._registry)


class _Indexes(Collector):
    """Which indexes are served, looked up whenever the metrics are asked for."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def collect(self) -> Iterator[GaugeMetricFamily]:
        build = GaugeMetricFamily("posebank_build_info", "The version.", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield GaugeMetricFamily(
            "posebank_ready",
            "1 while the default index answers.",
            value=float(self._serving.not_ready is None),
        )
        info = GaugeMetricFamily(
            "posebank_index_info",
            "Served indexes, their versions and encoders.",
            labels=["index", "version", "encoder"],
        )
        views = GaugeMetricFamily(
            "posebank_index_views", "Views of each served index.", labels=["index"]
        )
        for name, one in self._serving.served.items():
            info.add_metric([name, one.gallery.version, one.encoder.identity[:12]], 1)
            views.add_metric([name], one.gallery.size)
        yield from (info, views)
        unserved = GaugeMetricFamily(
            "posebank_index_unserved",
            "Indexes that are not served, or not in their newest version.",
            labels=["index"],
        )
        for name in self._serving.unserved:
            unserved.add_metric([name], 1)
        yield unserved
