"""What `/metrics` says of clients and frames; streams and REST are core's."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opensqt_core.metrics import REGISTRY
from opensqt_live.hub import Hub

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class _HubCollector(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        tally = self._hub.tally
        yield GaugeMetricFamily("opensqt_live_clients", "Clients connected now.", value=self._hub.clients)
        yield CounterMetricFamily("opensqt_live_frames_sent", "Frames handed to clients.", value=tally.sent)
        yield CounterMetricFamily(
            "opensqt_live_frames_conflated", "Frames replaced by newer ones before a client took them.",
            value=tally.conflated,
        )  # fmt: skip
        yield CounterMetricFamily(
            "opensqt_live_frames_dropped", "Frames lost with a client that was closed.", value=tally.dropped
        )
        yield CounterMetricFamily(
            "opensqt_live_clients_too_slow", "Clients closed because they did not keep up.", value=tally.too_slow
        )


@contextmanager
def watch_hub(hub: Hub, registry: CollectorRegistry = REGISTRY) -> Iterator[Histogram]:
    """Show a hub's figures while the block lasts; yields the histogram of how old frames are when they are sent."""
    collector = _HubCollector(hub)
    registry.register(collector)
    broadcast = Histogram(
        "opensqt_live_broadcast_seconds",
        "From a frame's publication until a client's socket has taken it.",
        registry=registry,
        buckets=_BUCKETS,
    )
    try:
        yield broadcast
    finally:
        registry.unregister(broadcast)
        registry.unregister(collector)
