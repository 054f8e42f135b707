import pytest
import trio
from live_fakes import START_MS, FakeClock, FakeVenue, candle
from trio.testing import wait_all_tasks_blocked

from opensqt_core.errors import Unavailable
from opensqt_live.history import PAGE, History, HistoryUnavailable
from opensqt_live.hub import Hub
from opensqt_live.snapshot import Market, Snapshot

MINUTE = 60_000


def stage(venue: FakeVenue, in_memory: int = 10) -> History:
    """A history whose hub knows the newest candles only."""
    hub = Hub([Snapshot(Market("ETHUSDT", "USDT", "1m"), in_memory)], outbox_limit=1000)
    hub.publish_candles("ETHUSDT", venue.history[-in_memory:])
    return History(venue.exchange().market, hub, FakeClock())


def venue(count: int = 2000) -> FakeVenue:
    return FakeVenue(history=[candle(minute, closed=minute < count - 1) for minute in range(count)])


def minutes(candles: object) -> list[int]:
    return [(each.open_time_ms - START_MS) // MINUTE for each in candles]  # type: ignore[attr-defined]


async def test_memory_is_asked_first(autojump_clock: trio.testing.MockClock) -> None:
    known = venue(20)
    history = stage(known)
    assert minutes(await history.candles("ETHUSDT", "1m", None, 3)) == [17, 18, 19]
    assert minutes(await history.candles("ETHUSDT", "1m", candle(18).open_time_ms, 3)) == [15, 16, 17]
    assert known.calls["candles"] == 0


async def test_older_ones_are_read_in_pages_that_are_kept(autojump_clock: trio.testing.MockClock) -> None:
    known = venue()
    history = stage(known)
    before_ms = candle(1500).open_time_ms
    for _ in range(3):
        assert minutes(await history.candles("ETHUSDT", "1m", before_ms, 600)) == list(range(900, 1500))
        # Another reader, half way between: the same pages.
        assert minutes(await history.candles("ETHUSDT", "1m", candle(1400).open_time_ms, 10)) == list(range(1390, 1400))
    pages = {end_ms for *_, end_ms in known.asked}
    assert all(end_ms % (PAGE * MINUTE) == 0 for end_ms in pages)
    assert known.calls["candles"] == len(pages) == 2


async def test_the_beginning_of_a_symbol_ends_the_search(autojump_clock: trio.testing.MockClock) -> None:
    known = venue(700)
    history = stage(known)
    assert minutes(await history.candles("ETHUSDT", "1m", candle(50).open_time_ms, 1000)) == list(range(50))
    assert minutes(await history.candles("ETHUSDT", "1m", candle(0).open_time_ms, 10)) == []
    assert minutes(await history.candles("ETHUSDT", "1m", 0, 10)) == []


async def test_readers_of_one_page_share_one_request(autojump_clock: trio.testing.MockClock) -> None:
    known = venue()
    history = stage(known)
    known.holds["candles"] = trio.Event()
    answers = []

    async def ask() -> None:
        answers.append(await history.candles("ETHUSDT", "1m", candle(1200).open_time_ms, 5))

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as impatient:
            async with trio.open_nursery() as leaving:
                leaving.start_soon(ask)
                await wait_all_tasks_blocked()
                for _ in range(50):
                    nursery.start_soon(ask)
                await wait_all_tasks_blocked()
                assert known.calls["candles"] == 1
                impatient.cancel()  # the one who reads goes away; another takes over
        await wait_all_tasks_blocked()
        assert known.calls["candles"] == 2
        known.holds["candles"].set()
    assert len(answers) == 50
    assert known.calls["candles"] == 2


async def test_a_page_with_something_missing_is_read_again_later(autojump_clock: trio.testing.MockClock) -> None:
    known = venue(1000)
    history = stage(known)
    for _ in range(3):
        await history.candles("ETHUSDT", "1m", candle(995).open_time_ms, 100)
    first = known.calls["candles"]
    await trio.sleep(31)
    await history.candles("ETHUSDT", "1m", candle(995).open_time_ms, 100)
    assert known.calls["candles"] == first + 1


async def test_nothing_is_asked_beyond_the_newest_candle(autojump_clock: trio.testing.MockClock) -> None:
    known = venue()
    history = stage(known)
    await history.candles("ETHUSDT", "1m", 10**15, 500)
    asked = known.calls["candles"]
    await history.candles("ETHUSDT", "1m", 10**14, 500)
    assert known.calls["candles"] == asked


async def test_another_interval_comes_from_the_venue(autojump_clock: trio.testing.MockClock) -> None:
    known = venue(20)
    known.history += [candle(number, interval="5m", closed=True) for number in range(-3, 2)]
    history = stage(known)
    read = await history.candles("ETHUSDT", "5m", None, 2)
    assert [each.interval for each in read] == ["5m", "5m"]


async def test_a_venue_that_fails_is_asked_again_by_the_next(autojump_clock: trio.testing.MockClock) -> None:
    known = venue()
    history = stage(known)
    known.failures["candles"].append(Unavailable("no route"))
    with pytest.raises(HistoryUnavailable):
        await history.candles("ETHUSDT", "1m", candle(1200).open_time_ms, 5)
    assert len(await history.candles("ETHUSDT", "1m", candle(1200).open_time_ms, 5)) == 5


async def test_too_many_different_pages_are_refused(autojump_clock: trio.testing.MockClock) -> None:
    known = venue()
    history = stage(known)
    known.holds["candles"] = trio.Event()
    refused = 0

    async def ask(interval: str, page: int) -> None:
        nonlocal refused
        try:
            await history.candles("ETHUSDT", interval, START_MS - page * PAGE * MINUTE * 5, 5)
        except HistoryUnavailable:
            refused += 1

    async with trio.open_nursery() as nursery:
        for page in range(40):
            nursery.start_soon(ask, "5m", page)
        await wait_all_tasks_blocked()
        assert known.calls["candles"] == 2
        assert refused == 18
        known.holds["candles"].set()


async def test_pages_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    known = venue(20)
    history = stage(known)
    for page in range(250):
        await history.candles("ETHUSDT", "1d", START_MS - page * PAGE * 86_400_000, 1)
        await history.candles("ETHUSDT", "1h", START_MS - page * PAGE * 3_600_000, 1)
    assert len(history._pages) <= 200


async def test_what_is_not_known(autojump_clock: trio.testing.MockClock) -> None:
    history = stage(venue(20))
    with pytest.raises(KeyError):
        await history.candles("BTCUSDT", "1m", None, 5)
    with pytest.raises(KeyError):
        await history.candles("ETHUSDT", "7m", None, 5)
    empty = stage(FakeVenue())
    assert await empty.candles("ETHUSDT", "1m", None, 5) == []
    with pytest.raises(HistoryUnavailable):
        await empty.candles("ETHUSDT", "1m", 5, 5)
