"""The live daemon among real processes: what many viewers see equals the venue's ledger, whatever happens to whom."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from rig import Live, MarketMaker, Venue, data_file, trading, wait_until, write_live_settings, write_settings
from tap import Tap
from viewers import Crowd, Viewer, knock_and_run

pytestmark = pytest.mark.soak  # starved on a busy machine of two cores; run on a quiet one by `make soak`

TRADING = {"price_interval": 0.5, "order_quantity": 300}
LIVELY = ("--seed", "7", "--maker-fee", "0", "--speed", "20")
RECORDING = "binance-um-ETHUSDT-2024-07-18_19.csv.gz"
CANDLES, ACCOUNT = "candle ETHUSDT 1m", "account"
FIRST = ["history", "account", "position", "orders"]
RESTING = ("NEW", "PARTIALLY_FILLED")
WHOLE_HISTORY = "limit=100"
"""In a request for candles: reading again, not a stream's look at the newest."""
THRESHOLD_S = 8
"""Within which a loss must be named: `stale_after` or `account_idle`, asking REST, and the grace that is given."""

Fill = tuple[str, Decimal, Decimal, int]


def fills_told(viewer: Viewer) -> list[Fill]:
    return [
        (each["side"], Decimal(each["price"]), Decimal(each["amount"]), each["time"])
        for each in list(viewer.page.trades)
    ]


def fills_made(ledger: dict[str, Any]) -> list[Fill]:
    return [
        (each["side"], Decimal(each["price"]), Decimal(each["quantity"]), each["ms"] // 1000)
        for each in ledger["fills"]
    ]


def resting(ledger: dict[str, Any]) -> dict[str, tuple[str, Decimal, str]]:
    return {
        each["order_id"]: (each["side"].upper(), Decimal(each["price"]), each["status"])
        for each in ledger["orders"]
        if each["status"] in RESTING
    }


def klines(venue: Venue) -> dict[int, tuple[Decimal, ...]]:
    asked: dict[str, str | int] = {"symbol": venue.symbol, "interval": "1m", "limit": 200}
    rows = httpx.get(f"{venue.facts['rest']}/fapi/v1/klines", params=asked, timeout=30).json()
    return {row[0] // 1000: tuple(Decimal(each) for each in row[1:6]) for row in rows}


def newest_candle(venue: Venue) -> int:
    return max(klines(venue))


def wait_until_made(what: str, count: Callable[[], int], beyond: int) -> None:
    """Return when a figure is above another."""
    wait_until(what, lambda: count() > beyond, every=0.2)


def candles(viewer: Viewer) -> dict[int, tuple[Decimal, ...]]:
    keys = ("open", "high", "low", "close", "volume")
    return {time: tuple(Decimal(each[key]) for key in keys) for time, each in list(viewer.page.candles.items())}


def book_differences(viewer: Viewer, ledger: dict[str, Any]) -> list[str]:
    """Return what of orders, position and balance differs from the venue's own truth."""
    page = viewer.page
    told = {id_: (each["side"], Decimal(each["price"]), each["status"]) for id_, each in list(page.orders.items())}
    held = sum((Decimal(each["quantity"]) for each in ledger["positions"]), Decimal(0))
    (wallet,) = (Decimal(each["wallet"]) for each in ledger["balances"] if each["asset"] == "USDT")
    found = []
    if told != resting(ledger):
        found.append(f"orders: viewer has {told}, ledger has {resting(ledger)}")
    if Decimal(page.position["amount"]) != held:
        found.append(f"position: viewer has {page.position}, ledger has {held}")
    if Decimal(page.account["balance"]) != wallet:
        found.append(f"balance: viewer has {page.account}, ledger has {wallet}")
    return found


def check_candles(viewer: Viewer, venue: Venue) -> None:
    """Compare with REST; the market must have ended, or stand still."""
    told, known = candles(viewer), klines(venue)
    times = sorted(told)
    assert times == list(range(times[0], times[-1] + 60, 60)), "the candles have a hole"
    assert told == {time: known[time] for time in times}
    assert times[-1] == max(known)


def settle(venue: Venue, crowd: Crowd, whole: Sequence[Viewer]) -> dict[str, Any]:
    """Return the ledger once all viewers agree with it; the market maker must have stopped, or the market ended."""

    def agreed() -> dict[str, Any] | None:
        crowd.check()
        ledger = venue.ledger()
        if any(len(viewer.page.trades) < len(ledger["fills"]) for viewer in whole):
            return None
        return None if any(book_differences(viewer, ledger) for viewer in crowd.viewers) else ledger

    try:
        ledger: dict[str, Any] = wait_until("viewers agree with the ledger", agreed, within=30)
    except AssertionError:
        ledger = venue.ledger()
        assert [book_differences(viewer, ledger) for viewer in crowd.viewers] == [[]] * len(crowd.viewers)
        raise
    made = fills_made(ledger)
    for viewer in whole:
        assert fills_told(viewer) == made
    return ledger


def check_late(viewer: Viewer, made: Sequence[Fill], *, known_before: int, made_before: int) -> None:
    """A latecomer has every fill made after it joined, once, and none told before."""
    told = fills_told(viewer)
    begin = len(made) - len(told)
    assert told == list(made[begin:])
    assert known_before <= begin <= made_before


@attrs.frozen
class Stage:
    """Three processes and the viewers of one."""

    venue: Venue
    market_maker: MarketMaker
    live: Live
    tap: Tap
    """Between the live daemon and the venue."""
    crowd: Crowd
    early: list[Viewer]
    """Here before the first fill."""

    def stop_trading(self) -> dict[str, Any]:
        """End the market maker and return the ledger that every viewer agrees with."""
        assert self.market_maker.stop() == 0, self.market_maker.text()[-3000:]
        return settle(self.venue, self.crowd, self.early)

    def streams(self) -> dict[str, Any]:
        streams: dict[str, Any] = self.live.health()[1]["streams"]
        return streams

    def venue_fills(self) -> int:
        return len(self.venue.ledger()["fills"])

    def ended(self) -> bool:
        return bool(self.venue.market["finished"])

    def healthy(self) -> bool:
        return self.live.health()[0] == 200

    def more_fills(self, count: int = 2) -> None:
        """Return when viewers have been told of so many more fills."""
        before = len(self.early[0].page.trades)
        wait_until("viewers hear of fills", lambda: len(self.early[0].page.trades) >= before + count)


@contextmanager
def stage(directory: Path, viewers: int, *arguments: str, **changes: Any) -> Iterator[Stage]:
    """Everybody in place: viewers first, then trading."""
    with Venue(directory, *(arguments or LIVELY)) as venue, Tap(venue.facts["rest"]) as tap:
        ws = venue.facts["ws"].partition("://")[0] + "://" + tap.url.partition("://")[2]
        changes["binance"] = {"rest_url": tap.url, "ws_url": ws, **changes.get("binance", {})}
        with Live(write_live_settings(directory, venue, **changes)) as live, Crowd(live.ws) as crowd:
            early = crowd.join(viewers)
            wait_until("snapshots", lambda: all(viewer.page.types[:4] == FIRST for viewer in early))
            with trading(write_settings(directory, venue, trading=TRADING)) as market_maker:
                yield Stage(venue, market_maker, live, tap, crowd, early)
            crowd.check()
            wait_until("the daemon counts its clients", lambda: live.health()[1]["clients"] == len(crowd.viewers))
            assert live.stop() == 0, live.text()[-3000:]
            assert "Traceback" not in live.text()
            wait_until("everybody was sent away", lambda: all(viewer.closed == 1001 for viewer in crowd.viewers))


def test_a_hundred_viewers_of_recorded_trades_end_with_the_venues_books(tmp_path: Path) -> None:
    trades, quotes = data_file(f"trades/{RECORDING}"), data_file(f"bbo/{RECORDING}")
    if trades is None or quotes is None:
        pytest.skip("recordings are found through the environment variable OPENSQT_DATA")
    arguments = ["--trades", str(trades), "--bbo", str(quotes), "--speed", "20", "--start-on-subscribe"]
    with stage(tmp_path, 100, *arguments, "--maker-fee", "0") as on:
        late: list[tuple[Viewer, int, int]] = []
        told = on.early[0].page.trades
        while len(late) < 20:
            wait_until("the next to join", lambda: on.ended() or len(told) >= 3 * (1 + len(late)), every=0.2)
            if on.ended():
                break
            known = len(told)
            (viewer,) = on.crowd.join()
            wait_until_made("a snapshot", viewer.page.types.__len__, 3)
            late.append((viewer, known, on.venue_fills()))
        wait_until("the recording ends", on.ended, every=0.2)
        ledger = settle(on.venue, on.crowd, on.early)
        made = fills_made(ledger)
        assert len(made) > 20
        assert len(late) > 5
        for viewer, known_before, made_before in late:
            assert viewer.page.types[:4] == FIRST
            check_late(viewer, made, known_before=known_before, made_before=made_before)
        for viewer in on.crowd.viewers:
            assert viewer.page.types.count("history") == 1
            check_candles(viewer, on.venue)
        shared = {time: each for time, each in candles(on.early[0]).items() if time >= min(candles(late[-1][0]))}
        assert candles(late[-1][0]) == shared
        assert resting(ledger)
        on.stop_trading()
        assert all(viewer.page.orders == {} for viewer in on.crowd.viewers)


def requests_with(viewers: int, directory: Path) -> dict[str, Any]:
    """Return what a quiet venue was asked by a live daemon with so many viewers."""
    directory.mkdir()
    with Venue(directory, "--seed", "3", "--lockstep") as venue:
        # Nothing is asked because time passes: what is left is what viewers cause.
        patient = {"binance": {"stale_after": 600}, "supervision": {"account_idle": 600}}
        with Live(write_live_settings(directory, venue, **patient)) as live, Crowd(live.ws) as crowd:
            wait_until("every stream is live", lambda: live.health()[0] == 200)
            crowd.join(viewers)
            for _ in range(40):
                venue.control("POST", "/step")
            wait_until("news of the candle", lambda: all("kline" in each.page.types for each in crowd.viewers))
            first = min(candles(crowd.viewers[0]))
            older: dict[str, str | int] = {"symbol": venue.symbol, "interval": "1m", "before": first, "limit": 200}
            for _ in range(viewers):
                assert len(httpx.get(f"{live.url}/api/history", params=older, timeout=30).json()) == 200
            crowd.check()
            asked: dict[str, Any] = venue.ledger()["requests"]
            return asked


def test_a_hundred_viewers_ask_the_venue_no_more_than_one(tmp_path: Path) -> None:
    assert requests_with(100, tmp_path / "hundred") == requests_with(1, tmp_path / "one")


def lose_candles(on: Stage) -> Callable[[], None]:
    on.tap.close_route("/market")
    return lambda: on.tap.open_route("/market")


def lose_account(on: Stage) -> Callable[[], None]:
    on.tap.close_route("/private")
    return lambda: on.tap.open_route("/private")


def silence_candles(on: Stage) -> Callable[[], None]:
    on.venue.fault("stall", channel="kline", count=1)
    return lambda: None


def silence_account(on: Stage) -> Callable[[], None]:
    on.venue.fault("stall", channel="private", count=1)
    return lambda: None


@pytest.mark.parametrize(
    ("stream", "faults"),
    [(CANDLES, (lose_candles, silence_candles)), (ACCOUNT, (lose_account, silence_account))],
    ids=["candles", "account"],
)
def test_a_stream_that_is_dropped_and_then_stalled_concerns_nobody_else(
    stream: str, faults: Sequence[Callable[[Stage], Callable[[], None]]], tmp_path: Path
) -> None:
    other = ACCOUNT if stream == CANDLES else CANDLES
    # Three seconds are a candle at this speed, so every gap has a candle's end, or fills, in it.
    slow = {"binance": {"stale_after": 3}, "supervision": {"account_idle": 3}}
    with stage(tmp_path, 5, **slow) as on:
        on.more_fills()
        wait_until("healthy", on.healthy)
        for begin in faults:
            calm = on.streams()
            readings = on.tap.count("/fapi/v1/klines", containing=WHOLE_HISTORY)
            fills, newest = on.venue_fills(), max(on.early[0].page.candles)
            end = begin(on)
            named = wait_until("health names it", lambda: unhealthy(on.live), within=THRESHOLD_S)
            assert named[stream]["state"] != "live"
            assert named[stream]["reason"]
            assert named[other]["state"] == "live"
            if stream == CANDLES:
                wait_until_made("a candle ends in the gap", partial(newest_candle, on.venue), newest + 60)
            else:
                wait_until_made("a fill in the gap", on.venue_fills, fills)
            end()
            wait_until("recovery", on.healthy)
            wait_until_made("candles go on", partial(max, on.early[0].page.candles), newest + 60)
            on.more_fills()
            after = on.streams()
            assert after[stream]["restarts"] > calm[stream]["restarts"]
            assert {**after[other], "last_event_age_ms": 0} == {**calm[other], "last_event_age_ms": 0}
            read = on.tap.count("/fapi/v1/klines", containing=WHOLE_HISTORY) - readings
            assert read == (1 if stream == CANDLES else 0)
        on.stop_trading()
        for viewer in on.early:
            check_ended_candles(viewer, on.venue)


def unhealthy(live: Live) -> dict[str, Any] | None:
    status, health = live.health()
    assert (status == 200) == (health["status"] == "ok")
    return None if status == 200 else health["streams"]


def check_ended_candles(viewer: Viewer, venue: Venue) -> None:
    """Compare with REST what can't change any more."""
    told, known = candles(viewer), klines(venue)
    times = sorted(told)
    assert times == list(range(times[0], times[-1] + 60, 60)), "the candles have a hole"
    assert {time: told[time] for time in times[:-1]} == {time: known[time] for time in times[:-1]}


def test_candles_that_are_gone_for_good_take_nothing_else_with_them(tmp_path: Path) -> None:
    with stage(tmp_path, 3) as on:
        on.more_fills()
        wait_until("healthy", on.healthy)
        on.tap.close_route("/market")
        wait_until("health names it", lambda: unhealthy(on.live), within=THRESHOLD_S)
        page = on.early[0].page
        before, last = Counter(page.types), max(page.candles)
        on.more_fills(6)
        wait_until_made("time passes", partial(newest_candle, on.venue), last + 120)
        after = Counter(page.types)
        for kind in ("orders", "trade_event", "account", "position"):
            assert after[kind] > before[kind]
        status, health = on.live.health()
        assert (status, health["status"]) == (503, "degraded")
        assert {name: each["state"] == "live" for name, each in health["streams"].items()} == {
            CANDLES: False,
            ACCOUNT: True,
        }
        assert health["streams"][CANDLES]["reason"]
        (newcomer,) = on.crowd.join()
        wait_until("the past is still told", lambda: newcomer.page.types[:4] == FIRST and newcomer.page.candles)
        on.stop_trading()
        assert not on.healthy()


def test_viewers_that_vanish_leave_the_others_in_peace(tmp_path: Path) -> None:
    with stage(tmp_path, 5) as on:
        on.more_fills()
        for _ in range(2):
            gone = on.crowd.join(25)
            on.crowd.vanish(gone)
            for _ in range(25):
                knock_and_run(on.live.ws)
            on.more_fills()
        wait_until("the daemon counts its clients", lambda: on.live.health()[1]["clients"] == len(on.early))
        on.more_fills()
        on.stop_trading()
        for viewer in on.early:
            assert viewer.problem is None
            check_ended_candles(viewer, on.venue)
