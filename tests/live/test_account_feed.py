import json
from typing import Any

import pytest
import trio
from live_fakes import CAPABILITIES, FakeClock, FakeVenue, balance, fill, order, position
from trio.testing import wait_all_tasks_blocked

from opensqt_core.errors import Banned, Unavailable
from opensqt_core.order import OrderStatus
from opensqt_live.account_feed import AccountFeed
from opensqt_live.feeds import keep_running
from opensqt_live.hub import Client, Hub
from opensqt_live.snapshot import Market, Snapshot

IDLE_S = 30.0
NEW, PARTIAL, FILLED, CANCELED = (
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


class _With:
    """A venue of which the test answers some requests itself."""

    def __init__(self, venue: FakeVenue, **answers: Any) -> None:
        self._venue = venue
        self.__dict__.update(answers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)


class Stage:
    """A hub, a feed and a viewer."""

    def __init__(self, venue: FakeVenue) -> None:
        self.venue = venue
        self.clock = FakeClock()
        exchange = venue.exchange()
        assert exchange.account is not None
        markets = [Market(symbol, "USDT", "1m", 5) for symbol in venue.symbols]
        self.hub = Hub([Snapshot(market, 5) for market in markets], outbox_limit=1000)
        self.feed = AccountFeed(exchange, exchange.account, self.hub, idle_s=IDLE_S, clock=self.clock)

    async def start(self, nursery: trio.Nursery) -> Client:
        nursery.start_soon(keep_running, self.feed, self.clock)
        await self.feed.ready.wait()
        await wait_all_tasks_blocked()
        return self.hub.join("ETHUSDT", lambda: None)

    @property
    def stream(self) -> Any:
        return self.venue.account_streams[-1]

    @property
    def state(self) -> str:
        return self.feed.status.show(self.clock).state


def read(client: Client) -> list[tuple[str, Any]]:
    """Return what was told, shortly."""
    taken: list[tuple[str, Any]] = []
    while (frame := client.take()) is not None:
        told = json.loads(frame.text)
        data = told["data"]
        match told["type"]:
            case "orders" if isinstance(data, list):
                taken.append(("orders", [each["id"] for each in data]))
            case "orders":
                taken.append((data["id"], data["status"]))
            case "position":
                taken.append(("position", data["amount"]))
            case "account":
                taken.append(("account", data["balance"]))
            case kind:
                taken.append((kind, data["time"] if isinstance(data, dict) else len(data)))
    return taken


async def test_the_venue_is_asked_once_whatever_the_number_of_viewers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = FakeVenue(
        balance_list=[balance("1000"), balance("3", asset="BNB")],
        position_list=[position("2")],
        order_list={"1": order("1"), "2": order("2")},
    )
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewers = [await stage.start(nursery)]
        viewers += [stage.hub.join("ETHUSDT", lambda: None) for _ in range(50)]
        for viewer in viewers:
            assert read(viewer) == [("history", 0), ("account", "1000"), ("position", "2"), ("orders", ["1", "2"])]
        asked = dict(venue.calls)
        assert asked == {
            "account_stream": 1,
            "server_time_ms": 1,
            "open_orders": 1,
            "positions": 1,
            "balances": 1,
        }
        nursery.cancel_scope.cancel()


async def test_changes_are_told_as_they_come(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(FakeVenue(balance_list=[balance("1000")]))
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        stage.stream.put(
            order("1"), fill("t1"), order("1", FILLED, filled="1"), position("1"), balance("999"), fill("t1")
        )
        await wait_all_tasks_blocked()
        time = fill().time_ms // 1000
        assert read(viewer) == [
            ("1", "NEW"),
            ("trade_event", time),
            ("1", "FILLED"),
            ("position", "1"),
            ("account", "999"),
        ]
        nursery.cancel_scope.cancel()


async def test_an_account_without_the_asset_has_none_of_it(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(FakeVenue(balance_list=[balance("3", asset="BNB")]))
    async with trio.open_nursery() as nursery:
        assert ("account", "0") in read(await stage.start(nursery))
        nursery.cancel_scope.cancel()


async def test_what_was_missed_in_a_gap_is_told_once(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(
        balance_list=[balance("1000")],
        position_list=[position("1")],
        order_list={each: order(each) for each in ("filled", "cancelled", "stays", "partly")},
    )
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        await trio.sleep(20)
        now_ms = stage.clock.now_ms()
        stage.stream.put(fill("seen", now_ms))
        await wait_all_tasks_blocked()
        read(viewer)
        stage.stream.lose()
        await wait_all_tasks_blocked()
        assert stage.state == "backing-off"
        venue.order_list |= {
            "filled": order("filled", FILLED, filled="1"),
            "cancelled": order("cancelled", CANCELED),
            "partly": order("partly", PARTIAL, filled="0.5"),
            "fresh": order("fresh"),
        }
        venue.fill_list = [
            fill("before anybody watched", now_ms - 60_000),
            fill("seen", now_ms),
            fill("missed", now_ms + 500),
            fill("both", now_ms + 600),
        ]
        venue.position_list = []
        venue.balance_list = [balance("1001")]
        venue.holds["balances"] = trio.Event()
        stage.stream.resume()
        # All of this was on its way while the venue was read, or happened just after.
        stage.stream.put(
            fill("both", now_ms + 600),
            order("filled", PARTIAL, filled="0.5"),
            order("filled", FILLED, filled="1"),
            order("fresh"),
            order("brief"),
            order("brief", CANCELED),
            fill("after", now_ms + 900),
        )
        await wait_all_tasks_blocked()
        assert stage.state == "stale"
        venue.holds["balances"].set()
        await wait_all_tasks_blocked()
        told = read(viewer)
        assert [kind for kind, _ in told].count("trade_event") == 3
        changes = [change for change in told if change[0] != "trade_event"]
        assert sorted(changes) == sorted(
            [
                ("filled", "FILLED"),
                ("cancelled", "CANCELED"),
                ("partly", "PARTIALLY_FILLED"),
                ("fresh", "NEW"),
                ("position", "0"),
                ("account", "1001"),
                ("brief", "NEW"),
                ("brief", "CANCELED"),
            ]
        )
        assert stage.state == "live"
        assert venue.calls["open_orders"] == 2
        assert venue.calls["order"] == 2
        # A fill that the venue's list did not have yet is found by the second look, and told once.
        venue.fill_list.append(fill("late", now_ms + 700))
        await trio.sleep(CAPABILITIES.indexing_delay_ms / 1000 + 1)
        assert [kind for kind, _ in read(viewer)] == ["trade_event"]
        assert venue.calls["fills"] == 2
        nursery.cancel_scope.cancel()


async def test_an_order_that_the_venue_has_forgotten_was_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(order_list={"1": order("1"), "2": order("2")})
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.order_list = {}
        stage.stream.lose()
        stage.stream.resume()
        await trio.sleep(1)
        assert read(viewer) == []  # it may be too young to be found
        venue.order_list = {"2": order("2", FILLED, filled="1")}
        await trio.sleep(10)
        assert read(viewer) == [("1", "CANCELED"), ("2", "FILLED")]
        nursery.cancel_scope.cancel()


async def test_reading_goes_on_where_the_venue_failed(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(order_list={"1": order("1")})
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        now_ms = stage.clock.now_ms()
        venue.fill_list = [fill("missed", now_ms + 1)]
        venue.failures["positions"].append(Unavailable("no route"))
        venue.failures["open_orders"].append(Banned("shut out", until_ms=now_ms + 30_000))
        venue.failures["fills"].extend([Unavailable("no route"), Unavailable("no route")])
        stage.stream.lose()
        stage.stream.resume()
        await trio.sleep(90)
        assert stage.state == "live"
        assert [kind for kind, _ in read(viewer)] == ["trade_event"]
        nursery.cancel_scope.cancel()


async def test_the_late_look_is_repeated_until_it_works(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue()
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        stage.stream.lose()
        stage.stream.resume()
        await wait_all_tasks_blocked()
        venue.failures["fills"].extend([Unavailable("no route"), Unavailable("no route")])
        venue.fill_list = [fill("late", stage.clock.now_ms())]
        await trio.sleep(100)
        assert [kind for kind, _ in read(viewer)] == ["trade_event"]
        nursery.cancel_scope.cancel()


async def test_fills_until_a_late_stream_was_live_are_told(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(live=False)
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.fill_list = [fill("meanwhile", stage.clock.now_ms() + 1)]
        stage.stream.go_live()
        await wait_all_tasks_blocked()
        assert [kind for kind, _ in read(viewer)] == ["trade_event"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("what", ["an order", "a position"])
async def test_a_stream_that_died_in_silence_is_found_out(autojump_clock: trio.testing.MockClock, what: str) -> None:
    venue = FakeVenue(order_list={"1": order("1")})
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        await trio.sleep(3.5 * IDLE_S)
        assert stage.stream.restarts == []  # a quiet account is not a dead stream
        if what == "an order":
            venue.order_list = {"1": order("1", CANCELED)}
        else:
            venue.position_list = [position("3")]
        await trio.sleep(1.5 * IDLE_S)
        assert len(stage.stream.restarts) == 1
        told = ("1", "CANCELED") if what == "an order" else ("position", "3")
        assert read(viewer) == [told]
        await trio.sleep(3.5 * IDLE_S)
        assert len(stage.stream.restarts) == 1
        nursery.cancel_scope.cancel()


async def test_what_comes_during_the_doubt_clears_it(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(order_list={"1": order("1")})
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        await stage.start(nursery)
        venue.failures["open_orders"].append(Unavailable("no route"))
        venue.order_list = {"1": order("1", CANCELED)}
        await trio.sleep(IDLE_S * 1.5)
        venue.holds["positions"] = trio.Event()
        await trio.sleep(IDLE_S)
        stage.stream.put(order("1", CANCELED))
        await wait_all_tasks_blocked()
        venue.holds["positions"].set()
        await trio.sleep(IDLE_S * 3)
        assert stage.stream.restarts == []
        nursery.cancel_scope.cancel()


async def test_every_symbol_is_read(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(symbols=("ETHUSDT", "BTCUSDT"), order_list={"1": order("1"), "2": order("2", symbol="BTCUSDT")})
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        await stage.start(nursery)
        assert read(stage.hub.join("BTCUSDT", lambda: None))[-1] == ("orders", ["2"])
        assert venue.calls["balances"] == 1
        nursery.cancel_scope.cancel()


async def test_a_failure_between_two_symbols_loses_no_fill(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(symbols=("ETHUSDT", "BTCUSDT"))
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        await stage.start(nursery)
        await trio.sleep(20)
        viewer = stage.hub.join("BTCUSDT", lambda: None)
        read(viewer)
        now_ms = stage.clock.now_ms()
        venue.fill_list = [fill("new", now_ms + 30_000), fill("old", now_ms, symbol="BTCUSDT")]
        answer = venue.fills

        async def fail_once(symbol: str, *, start_ms: int, order_id: str | None = None) -> Any:
            if symbol == "BTCUSDT" and not venue.calls["failed"]:
                venue.calls["failed"] += 1
                raise Unavailable("no route")
            return await answer(symbol, start_ms=start_ms, order_id=order_id)

        account: Any = _With(venue, fills=fail_once)
        stage.feed._account = account
        stage.stream.lose()
        stage.stream.resume()
        await trio.sleep(4)
        assert [kind for kind, _ in read(viewer)] == ["trade_event"]
        nursery.cancel_scope.cancel()


async def test_late_fills_are_looked_for_from_the_beginning_of_the_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = FakeVenue()
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        await trio.sleep(60)
        now_ms = stage.clock.now_ms()
        venue.fill_list = [fill("prompt", now_ms)]
        stage.stream.lose()
        stage.stream.resume()
        await wait_all_tasks_blocked()
        venue.fill_list.append(fill("late", now_ms - 30_000))
        await trio.sleep(10)
        assert [kind for kind, _ in read(viewer)].count("trade_event") == 2
        nursery.cancel_scope.cancel()
