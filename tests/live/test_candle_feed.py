import json
from typing import Any

import trio
from live_fakes import FakeClock, FakeVenue, candle
from trio.testing import wait_all_tasks_blocked

from opensqt_core.errors import RateLimited, Unavailable
from opensqt_core.streams import StreamState
from opensqt_live.candle_feed import CandleFeed
from opensqt_live.feeds import LIVE_WITHIN, keep_running
from opensqt_live.health import show_health
from opensqt_live.hub import Client, Hub
from opensqt_live.snapshot import Market, Snapshot


class Stage:
    """A hub, a feed and a viewer."""

    def __init__(self, venue: FakeVenue, *, limit: int = 5) -> None:
        self.venue = venue
        self.clock = FakeClock()
        snapshot = Snapshot(Market("ETHUSDT", "USDT", "1m"), limit)
        self.hub = Hub([snapshot], outbox_limit=1000)
        self.feed = CandleFeed(venue.exchange().market, self.hub, snapshot, limit=limit, clock=self.clock)
        self.snapshot = snapshot

    async def start(self, nursery: trio.Nursery) -> Client:
        nursery.start_soon(keep_running, self.feed, self.clock)
        await self.feed.ready.wait()
        await wait_all_tasks_blocked()
        return self.hub.join("ETHUSDT", lambda: None)

    @property
    def state(self) -> str:
        return self.feed.status.show(self.clock).state


def read(client: Client) -> list[tuple[str, Any]]:
    taken = []
    while (frame := client.take()) is not None:
        told = json.loads(frame.text)
        data = told["data"]
        taken.append((told["type"], [each["time"] for each in data] if isinstance(data, list) else data["time"]))
    return taken


def second(minute: int) -> int:
    return candle(minute).open_time_ms // 1000


async def test_history_once_and_then_every_change(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(FakeVenue(history=[candle(0, closed=True), candle(1)]))
    async with trio.open_nursery() as nursery:
        viewers = [await stage.start(nursery)]
        viewers += [stage.hub.join("ETHUSDT", lambda: None) for _ in range(20)]
        stage.venue.candle_streams[0].put(candle(1, "105", "2"), candle(1, "106", "3", closed=True), candle(2))
        await wait_all_tasks_blocked()
        for viewer in viewers:
            history, orders, *live = read(viewer)
            assert history == ("history", [second(0), second(1)])
            assert orders == ("orders", [])
            assert live == [("kline", second(1)), ("kline", second(2))]  # the running one was conflated
        assert stage.venue.calls["candles"] == 1
        nursery.cancel_scope.cancel()


async def test_a_gap_is_read_once_and_told_in_time_order(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0, closed=True), candle(1)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.candle_streams[0].lose()
        await wait_all_tasks_blocked()
        assert stage.state == "backing-off"
        venue.history = [
            candle(0, closed=True),
            candle(1, "101", "4", closed=True),
            candle(2, closed=True),
            candle(3, "103", "2"),
        ]
        venue.holds["candles"] = trio.Event()
        venue.candle_streams[0].resume()
        # These come while the reading is on its way: one older than it, one newer.
        venue.candle_streams[0].put(candle(3, "102", "1"), candle(3, "104", "3"))
        await wait_all_tasks_blocked()
        assert read(viewer) == []
        assert stage.state == "stale"
        venue.holds["candles"].set()
        await wait_all_tasks_blocked()
        assert read(viewer) == [("kline", second(minute)) for minute in (1, 2, 3)]
        assert stage.snapshot.candles.last == candle(3, "104", "3")
        assert stage.state == "live"
        assert venue.calls["candles"] == 2
        late = stage.hub.join("ETHUSDT", lambda: None)
        assert read(late)[0] == ("history", [second(minute) for minute in range(4)])
        nursery.cancel_scope.cancel()


async def test_a_gap_longer_than_the_history_sends_a_new_one(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.history = [candle(minute, closed=minute < 20) for minute in range(10, 21)]
        venue.candle_streams[0].lose()
        venue.candle_streams[0].resume()
        await wait_all_tasks_blocked()
        assert read(viewer) == [("history", [second(minute) for minute in range(16, 21)])]
        nursery.cancel_scope.cancel()


async def test_a_missing_candle_is_read_although_the_stream_never_broke(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = FakeVenue(history=[candle(0)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.history = [candle(0, closed=True), candle(1, closed=True), candle(2)]
        venue.candle_streams[0].put(candle(2, "107", "2"))
        await wait_all_tasks_blocked()
        assert read(viewer) == [("kline", second(minute)) for minute in (0, 1, 2)]
        assert venue.calls["candles"] == 2
        nursery.cancel_scope.cancel()


async def test_reading_is_tried_until_the_venue_answers(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0)])
    venue.failures["candles"].extend([Unavailable("no route"), RateLimited("slow down", retry_after=40)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_running, stage.feed, stage.clock)
        await trio.sleep(10)
        shown = stage.feed.status.show(stage.clock)
        assert shown.state == "stale"
        assert "slow down" in shown.reason
        with trio.fail_after(60):
            await stage.feed.ready.wait()
        await wait_all_tasks_blocked()
        assert trio.current_time() >= 40
        assert stage.state == "live"
        nursery.cancel_scope.cancel()


async def test_a_stream_that_comes_late_is_read_again(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0)], live=False)
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        assert trio.current_time() >= LIVE_WITHIN
        assert read(viewer)[0] == ("history", [second(0)])
        assert stage.state == "connecting"
        venue.history = [candle(0, closed=True), candle(1)]
        venue.candle_streams[0].go_live()
        await wait_all_tasks_blocked()
        assert read(viewer) == [("kline", second(0)), ("kline", second(1))]
        assert stage.state == "live"
        nursery.cancel_scope.cancel()


async def test_a_viewer_from_before_the_first_reading_gets_a_history_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = FakeVenue(history=[candle(0)])
    venue.holds["candles"] = trio.Event()
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_running, stage.feed, stage.clock)
        early = stage.hub.join("ETHUSDT", lambda: None)
        assert read(early) == [("history", []), ("orders", [])]
        await wait_all_tasks_blocked()
        venue.holds["candles"].set()
        await wait_all_tasks_blocked()
        assert read(early) == [("history", [second(0)])]
        nursery.cancel_scope.cancel()


async def test_a_bug_restarts_the_feed_and_a_habit_of_them_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        viewer = await stage.start(nursery)
        read(viewer)
        venue.candle_streams[0].end()
        await trio.sleep(5)
        assert stage.state == "live"
        assert venue.calls["candle_stream"] == 2
        venue.history = [candle(0, closed=True), candle(1)]
        venue.failures["candles"].extend(ZeroDivisionError() for _ in range(6))
        venue.candle_streams[-1].lose()
        venue.candle_streams[-1].resume()
        await trio.sleep(120)
        shown = stage.feed.status.show(stage.clock)
        assert (shown.state, shown.restarts) == ("failed", 6)
        assert "ZeroDivisionError" in shown.reason
        assert nursery.child_tasks == set()
        health = show_health([stage.feed.status], 3, stage.clock)
        assert (health.status, health.clients) == ("degraded", 3)


async def test_a_stream_that_fails_for_good_is_shown(autojump_clock: trio.testing.MockClock) -> None:
    venue = FakeVenue(history=[candle(0)])
    stage = Stage(venue)
    async with trio.open_nursery() as nursery:
        await stage.start(nursery)
        venue.candle_streams[0].lose("refused", StreamState.FAILED)
        await trio.sleep(1000)
        shown = stage.feed.status.show(stage.clock)
        assert (shown.state, shown.reason, shown.restarts) == ("failed", "refused", 0)
        nursery.cancel_scope.cancel()
