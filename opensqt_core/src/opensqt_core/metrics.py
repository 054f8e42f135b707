"""Prometheus metrics of the machinery: streams, REST, rate limits.

They live in a registry of their own, one for the process, because a driver is opened without one being handed to it.
Labels are bounded: venue, stream and endpoint names, error types.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakKeyDictionary

import attrs
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opensqt_core.clock import Clock
from opensqt_core.streams import StreamState, StreamStatus

REGISTRY = CollectorRegistry()
"""The process's registry. Daemons add their own metrics to it and serve `render()`."""

_REST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_histograms: WeakKeyDictionary[CollectorRegistry, Histogram] = WeakKeyDictionary()
_collectors: "WeakKeyDictionary[CollectorRegistry, _Machinery]" = WeakKeyDictionary()


class RestMetrics:
    """How long a venue's REST takes, by endpoint and outcome (`ok` or the error's type), without waiting for limits."""

    def __init__(self, venue: str, registry: CollectorRegistry = REGISTRY) -> None:
        if registry not in _histograms:
            _histograms[registry] = Histogram(
                "opensqt_rest_seconds",
                "Duration of one REST request.",
                ["venue", "endpoint", "outcome"],
                registry=registry,
                buckets=_REST_BUCKETS,
            )
        self._histogram = _histograms[registry]
        self._venue = venue

    def observe(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Count one request."""
        self._histogram.labels(self._venue, endpoint, outcome).observe(seconds)


class Headroom(Protocol):
    """What `watch_headroom` reads: a `RateLimiter`."""

    def headroom(self) -> Mapping[str, float]:
        """Return the free part of each limit, between 0 and 1."""
        ...


@attrs.frozen(eq=False)
class _WatchedStreams:
    venue: str
    statuses: Mapping[str, StreamStatus]
    clock: Clock


@attrs.frozen(eq=False)
class _WatchedLimits:
    venue: str
    limiter: Headroom


class _Machinery(Collector):
    """Everything that is read at scrape: one collector, since a family of metrics may appear only once."""

    def __init__(self) -> None:
        self.streams: list[_WatchedStreams] = []
        self.limits: list[_WatchedLimits] = []

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        labels = ["venue", "stream"]
        state = GaugeMetricFamily("opensqt_stream_state", "1 for the state it is in.", labels=[*labels, "state"])
        restarts = CounterMetricFamily("opensqt_stream_restarts", "Connections opened after a loss.", labels=labels)
        age = GaugeMetricFamily(
            "opensqt_stream_last_event_age_seconds", "Since the last value or agreeing probe.", labels=labels
        )
        for watched in self.streams:
            for name, status in watched.statuses.items():
                for candidate in StreamState:
                    state.add_metric([watched.venue, name, candidate.value], float(status.state is candidate))
                restarts.add_metric([watched.venue, name], status.restarts)
                if status.last_event_monotonic is not None:
                    age.add_metric([watched.venue, name], watched.clock.monotonic() - status.last_event_monotonic)
        free = GaugeMetricFamily(
            "opensqt_rate_limit_headroom_ratio", "Free part of a rate limit.", labels=["venue", "limit"]
        )
        for limits in self.limits:
            for name, ratio in limits.limiter.headroom().items():
                free.add_metric([limits.venue, name], ratio)
        return [state, restarts, age, free]


@contextmanager
def watch_streams(
    venue: str, statuses: Mapping[str, StreamStatus], clock: Clock, registry: CollectorRegistry = REGISTRY
) -> Iterator[None]:
    """Show an exchange's streams while the block lasts; read at each scrape, which must happen on trio's thread."""
    watched = _WatchedStreams(venue, statuses, clock)
    machinery = _machinery(registry)
    machinery.streams.append(watched)
    try:
        yield
    finally:
        machinery.streams.remove(watched)


@contextmanager
def watch_headroom(venue: str, limiter: Headroom, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Show what is left of a venue's limits while the block lasts; read at each scrape, on trio's thread too."""
    watched = _WatchedLimits(venue, limiter)
    machinery = _machinery(registry)
    machinery.limits.append(watched)
    try:
        yield
    finally:
        machinery.limits.remove(watched)


def _machinery(registry: CollectorRegistry) -> _Machinery:
    if registry not in _collectors:
        _collectors[registry] = _Machinery()
        registry.register(_collectors[registry])
    return _collectors[registry]


def render(registry: CollectorRegistry = REGISTRY) -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(registry)
