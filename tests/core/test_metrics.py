from prometheus_client import CollectorRegistry

from opensqt_core.metrics import RestMetrics, render, watch_headroom, watch_streams
from opensqt_core.streams import StreamState, StreamStatus


class SetClock:
    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return 12.5


class Limits:
    def headroom(self) -> dict[str, float]:
        return {"weight": 0.25}


def lines(registry: CollectorRegistry) -> list[str]:
    return [line for line in render(registry).decode().splitlines() if not line.startswith("#")]


def test_streams_are_read_at_scrape_while_they_are_watched() -> None:
    registry, clock = CollectorRegistry(), SetClock()
    quiet = StreamStatus("account")
    candle = StreamStatus("candle", state=StreamState.LIVE, restarts=2, last_event_monotonic=10.0)
    with (
        watch_streams("binance", {"candle": candle}, clock, registry),
        watch_streams("okx", {"account": quiet}, clock, registry),
    ):
        shown = lines(registry)
        assert 'opensqt_stream_state{state="live",stream="candle",venue="binance"} 1.0' in shown
        assert 'opensqt_stream_state{state="stale",stream="candle",venue="binance"} 0.0' in shown
        assert 'opensqt_stream_state{state="connecting",stream="account",venue="okx"} 1.0' in shown
        assert 'opensqt_stream_restarts_total{stream="candle",venue="binance"} 2.0' in shown
        assert [line for line in shown if "age_seconds" in line] == [
            'opensqt_stream_last_event_age_seconds{stream="candle",venue="binance"} 2.5'
        ]
        candle.state = StreamState.STALE
        assert 'opensqt_stream_state{state="stale",stream="candle",venue="binance"} 1.0' in lines(registry)
    assert lines(registry) == []


def test_a_family_appears_once() -> None:
    registry = CollectorRegistry()
    with watch_streams("a", {}, SetClock(), registry), watch_streams("b", {}, SetClock(), registry):
        types = [line for line in render(registry).decode().splitlines() if line.startswith("# TYPE")]
        assert len(types) == len(set(types)) == 4


def test_headroom() -> None:
    registry = CollectorRegistry()
    with watch_headroom("binance", Limits(), registry):
        assert lines(registry) == ['opensqt_rate_limit_headroom_ratio{limit="weight",venue="binance"} 0.25']


def test_rest_seconds_of_two_venues_share_a_histogram() -> None:
    registry = CollectorRegistry()
    RestMetrics("binance", registry).observe("place", "ok", 0.03)
    RestMetrics("okx", registry).observe("place", "Rejected", 0.3)
    shown = lines(registry)
    assert 'opensqt_rest_seconds_count{endpoint="place",outcome="ok",venue="binance"} 1.0' in shown
    assert 'opensqt_rest_seconds_bucket{endpoint="place",le="0.05",outcome="ok",venue="binance"} 1.0' in shown
    assert 'opensqt_rest_seconds_sum{endpoint="place",outcome="Rejected",venue="okx"} 0.3' in shown
