"""The hub, as a client sees it: whatever happens in whatever order, what the frames add up to is what the hub knows."""

import json
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from live_fakes import OldPage, balance, candle, fill, order, position

from opensqt_core.order import OrderStatus
from opensqt_live import wire
from opensqt_live.hub import Client, Hub
from opensqt_live.snapshot import Change, Lane, Market, Snapshot


def hub(limit: int = 1000, *symbols: str) -> Hub:
    markets = [Market(symbol, "USDT", "1m") for symbol in symbols or ("ETHUSDT",)]
    return Hub([Snapshot(market, 5) for market in markets], outbox_limit=limit)


class Viewer(OldPage):
    """An old page that is told by a hub, as slowly as a test wants."""

    def __init__(self, to: Hub) -> None:
        super().__init__()
        self.client: Client = to.join("ETHUSDT", lambda: None)

    def read(self, count: int = 10**9) -> None:
        for _ in range(count):
            frame = self.client.take()
            if frame is None:
                return
            self.take(frame.text)


def jsonable(data: Any) -> Any:
    return json.loads(wire.encode("", data))["data"]


def check(viewer: Viewer, known: Snapshot) -> None:
    """Compare what a viewer has with what the hub knows."""
    candles = [viewer.candles[time] for time in sorted(viewer.candles)]
    newest = jsonable(wire.klines(known.candles.all))
    assert candles[len(candles) - len(newest) :] == newest
    if known.balance is not None:
        assert viewer.account == jsonable(wire.Account.of(known.balance, "ETHUSDT"))
    if known.position is not None:
        assert Decimal(viewer.position["amount"]) == known.position.quantity
    assert viewer.orders == {key: jsonable(wire.OrderData.of(each)) for key, each in known.orders.open.items()}


_ids = st.sampled_from(["1", "2", "3"])
_changes = st.one_of(
    st.builds(
        candle,
        st.integers(0, 6),
        st.sampled_from(["100", "101", "102"]),
        st.sampled_from(["1", "2", "3"]),
        closed=st.booleans(),
    ),
    st.builds(
        order,
        _ids,
        st.sampled_from(OrderStatus),
        filled=st.sampled_from(["0", "0.5", "1"]),
        updated_ms=st.none() | st.integers(1, 5),
    ),
    st.builds(fill, st.sampled_from("abcdefgh")),
    st.builds(balance, st.sampled_from(["10", "11", "12"]), updated_ms=st.none() | st.integers(1, 5)),
    st.builds(position, st.sampled_from(["-1", "0", "1"]), updated_ms=st.none() | st.integers(1, 5)),
)
_reading = st.tuples(st.integers(0, 4), st.integers(1, 4)).map(
    lambda span: [candle(span[0] + each, closed=each < span[1]) for each in range(span[1] + 1)]
)
_steps = st.one_of(
    _changes.map(lambda change: ("publish", change)),
    _reading.map(lambda read: ("reading", read)),
    st.just(("join", None)),
    st.tuples(st.just("read"), st.integers(1, 4)),
)


@given(st.lists(_steps, max_size=60))
def test_every_viewer_ends_with_what_the_hub_knows(steps: list[tuple[str, Any]]) -> None:
    central = hub()
    known = central.snapshots["ETHUSDT"]
    viewers = [Viewer(central)]
    facts: list[tuple[int, Any]] = []
    joined = [0]
    told: set[str] = set()
    for number, (step, value) in enumerate(steps):
        match step:
            case "publish":
                central.publish(value)
                if hasattr(value, "trade_id") and value.trade_id not in told:
                    told.add(value.trade_id)
                    facts.append((number, jsonable(wire.TradeEvent.of(value))))
            case "reading":
                central.publish_candles("ETHUSDT", value)
            case "join":
                viewers.append(Viewer(central))
                joined.append(number)
            case "read":
                for viewer in viewers[::2]:
                    viewer.read(value)
    for viewer, since in zip(viewers, joined, strict=True):
        viewer.read()
        check(viewer, known)
        assert viewer.types[0] == "history"
        assert viewer.trades == [trade for number, trade in facts if number >= since]


def test_order_on_connect_and_nothing_overtakes() -> None:
    central = hub()
    central.publish_candles("ETHUSDT", [candle(0)])
    known: list[Change] = [balance("1"), position(), order()]
    for change in known:
        central.publish(change)
    viewer = Viewer(central)
    live: list[Change] = [balance("2"), candle(0, "101"), position("2"), fill()]
    for change in live:
        central.publish(change)
    viewer.read()
    snapshot = ["history", "account", "position", "orders"]
    assert viewer.types == [*snapshot, "account", "kline", "position", "trade_event"]


def test_frames_are_encoded_once_whatever_the_number_of_clients() -> None:
    central = hub()
    clients = [central.join("ETHUSDT", lambda: None) for _ in range(3)]
    for client in clients:
        while client.take() is not None:
            pass
    central.publish(fill())
    frames = [client.take() for client in clients]
    assert frames[0] is not None
    assert frames[0].lane is Lane.FACT
    assert all(frame is frames[0] for frame in frames)


def test_symbols_are_apart() -> None:
    central = hub(1000, "ETHUSDT", "BTCUSDT")
    assert central.default_symbol == "ETHUSDT"
    woken: list[str] = []
    central.join("ETHUSDT", lambda: woken.append("eth"))
    central.join("BTCUSDT", lambda: woken.append("btc"))
    central.publish(fill(symbol="BTCUSDT"))
    assert woken == ["btc"]
    with pytest.raises(KeyError):
        central.join("XRPUSDT", lambda: None)


def test_a_client_that_does_not_read_is_closed_and_others_miss_nothing() -> None:
    central = hub(10)
    slow, quick = central.join("ETHUSDT", lambda: None), Viewer(central)
    for number in range(50):
        central.publish(fill(str(number)))
        quick.read()
    assert slow.closing is not None
    assert slow.closing.code == 1013
    assert slow.take() is None
    assert len(quick.trades) == 50
    assert central.tally.too_slow == 1


def test_clients_leave_and_are_sent_away() -> None:
    central = hub()
    woken: list[int] = []
    stays, leaves = central.join("ETHUSDT", lambda: woken.append(1)), central.join("ETHUSDT", lambda: woken.append(2))
    central.leave(leaves)
    central.leave(leaves)
    assert central.clients == 1
    central.close("the end")
    assert woken == [1]
    assert stays.closing is not None
    assert (stays.closing.code, stays.closing.reason) == (1001, "the end")
    late = central.join("ETHUSDT", lambda: None)
    assert late.closing is not None


def test_changes_without_clients_are_kept_for_the_next() -> None:
    central = hub()
    change: Change = order("9")
    central.publish(change)
    viewer = Viewer(central)
    viewer.read()
    assert list(viewer.orders) == ["9"]
