"""Pacing under virtual time."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from opensqt_core.order import NewOrder, Side
from opensqt_sim.engine import SimVenue
from opensqt_sim.markets.instrument import known_rules
from opensqt_sim.model import Book, CandleChanged, MarketEvent, MarketQuote, MarketTrade, TradePrinted, VenueEvent
from opensqt_sim.pacing import Lockstep, drive, keep_time

D = Decimal

MARKET = 1_700_006_400_000
WALL = 1_800_000_000_000


class VirtualClock:
    def now_ms(self) -> int:
        return WALL + round(trio.current_time() * 1000)

    def monotonic(self) -> float:
        return trio.current_time()


def quote(second: float) -> MarketQuote:
    return MarketQuote("ETHUSDT", Book(D(3000), D(1), D("3000.01"), D(1)), MARKET + round(second * 1000))


def trade(second: float, trade_id: int) -> MarketTrade:
    return MarketTrade("ETHUSDT", trade_id, D(3000), D(1), Side.SELL, MARKET + round(second * 1000))


def open_venue() -> tuple[SimVenue, list[VenueEvent]]:
    rules = known_rules("ETHUSDT", "test")
    assert rules is not None
    venue = SimVenue([rules])
    events: list[VenueEvent] = []
    venue.subscribe(events.append)
    return venue, events


def printed(events: list[VenueEvent]) -> list[tuple[int, int]]:
    return [(event.trade.trade_id, event.ms - WALL) for event in events if isinstance(event, TradePrinted)]


@pytest.mark.parametrize(("speed", "seconds"), [("1", 130), ("10", 13), ("0.5", 260)])
async def test_speed_scales_the_market_only(autojump_clock: MockClock, speed: str, seconds: float) -> None:
    venue, events = open_venue()
    venue.watch_candles("ETHUSDT", "1m")
    market: list[MarketEvent] = [quote(0), trade(1, 1), trade(130, 2)]
    progress = await drive(market, venue, clock=VirtualClock(), speed=D(speed))
    assert trio.current_time() == pytest.approx(seconds)
    (first, first_ms), (second, second_ms) = printed(events)
    assert (first, second) == (1, 2)
    assert first_ms == pytest.approx(seconds * 1000 / 130, abs=1)
    assert second_ms == pytest.approx(seconds * 1000, abs=1)
    assert (progress.events, progress.finished, progress.market_ms) == (3, True, MARKET + 130_000)
    assert venue.ledger.document(venue)["market"] == {
        "finished": True,
        "market_ms": MARKET + 130_000,
        "events": 3,
    }
    # the quiet minute ended when its time came, not with the next trade
    closed = [event for event in events if isinstance(event, CandleChanged) and event.candle.closed]
    assert [event.candle.open_time_ms for event in closed] == [MARKET, MARKET + 60_000]
    assert closed[0].ms - WALL == pytest.approx(60_000 / float(speed), abs=101)


async def test_an_empty_market_ends_at_once(autojump_clock: MockClock) -> None:
    for speed in (D(1), None):
        venue, events = open_venue()
        progress = await drive([], venue, clock=VirtualClock(), speed=speed)
        assert (progress.finished, events) == (True, [])


async def test_as_fast_as_possible_breathes_and_waits_for_clients(autojump_clock: MockClock) -> None:
    venue, events = open_venue()
    market = [trade(second, second) for second in range(1, 1001)]
    seen: list[int] = []

    async def throttle() -> None:
        seen.append(len(printed(events)))
        await trio.sleep(1)

    await drive(market, venue, clock=VirtualClock(), speed=None, throttle=throttle)
    assert len(printed(events)) == 1000
    assert seen == list(range(64, 1001, 64))
    assert trio.current_time() == pytest.approx(len(seen))


async def test_as_fast_as_possible_lets_others_run() -> None:
    venue, events = open_venue()
    market = [trade(second, second) for second in range(1, 5001)]
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drive, market, venue, None)
            while not events:
                await trio.lowlevel.checkpoint()
            scope.cancel()
    assert 0 < len(printed(events)) < 5000


async def _drive(market: list[MarketEvent] | list[MarketTrade], venue: SimVenue, lockstep: Lockstep | None) -> None:
    await drive(market, venue, clock=VirtualClock(), speed=None, lockstep=lockstep)


async def test_lockstep_releases_trade_by_trade(autojump_clock: MockClock) -> None:
    venue, events = open_venue()
    market: list[MarketEvent] = [quote(0), trade(1, 1), quote(2), quote(3), trade(4, 2), quote(5)]
    lockstep = Lockstep()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_drive, market, venue, lockstep)
        await trio.sleep(100)
        assert not events
        first = await lockstep.step()
        assert (first.events, first.finished, len(printed(events))) == (2, False, 1)
        assert venue.ledger.document(venue)["market"]["events"] == 2
        await trio.sleep(100)
        assert len(printed(events)) == 1
        second = await lockstep.step()
        assert (second.events, second.finished, len(printed(events))) == (5, False, 2)
        last = await lockstep.step()
        assert (last.events, last.finished) == (6, True)
    assert venue.ledger.document(venue)["market"]["finished"]
    assert (await lockstep.step()).finished


async def test_lockstep_serves_several_callers_and_survives_the_end_of_the_drive(autojump_clock: MockClock) -> None:
    venue, events = open_venue()
    lockstep = Lockstep()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(lockstep.step)
        await _drive([trade(1, 1), trade(2, 2)], venue, lockstep)
    assert len(printed(events)) == 2


async def test_keep_time_fires_the_dead_man_while_the_market_stands_still(autojump_clock: MockClock) -> None:
    venue, _ = open_venue()
    clock = VirtualClock()
    await drive([quote(0)], venue, clock=clock, speed=None)
    order = NewOrder(symbol="ETHUSDT", side=Side.BUY, quantity=D(1), price=D(2990), client_order_id="a")
    venue.place(order, clock.now_ms())
    venue.set_countdown("ETHUSDT", 5000, clock.now_ms())
    with trio.move_on_after(4.5):
        await keep_time(venue, clock)
    assert venue.open_orders()
    with trio.move_on_after(1):
        await keep_time(venue, clock)
    assert not venue.open_orders()
    assert venue.market_ms("ETHUSDT") == MARKET
