"""A real recording through the engine, with the orders of a small grid. Needs OPENSQT_DATA."""

import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from opensqt_core.order import NewOrder, Side
from opensqt_sim.engine import SimVenue
from opensqt_sim.markets.files import read_klines, read_quotes, read_trades
from opensqt_sim.markets.history import complete_history
from opensqt_sim.markets.instrument import known_rules
from opensqt_sim.markets.merge import merge, peek
from opensqt_sim.model import MarketTrade, OrderChanged, VenueEvent
from opensqt_sim.pacing import apply

D = Decimal

NAME = "binance-um-ETHUSDT-2024-07-18_19.csv.gz"


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("OPENSQT_DATA")
    if not folder:
        pytest.skip("OPENSQT_DATA does not name a folder of recordings")
    return Path(folder)


def run(data: Path, *, quotes: bool) -> SimVenue:
    rules = known_rules("ETHUSDT", "test")
    assert rules is not None
    venue = SimVenue([rules])
    sources = [read_trades(data / "trades" / NAME, "ETHUSDT")]
    recorded = merge(*sources, read_quotes(data / "bbo" / NAME, "ETHUSDT")) if quotes else merge(*sources)
    (first,), market = peek(recorded, "ETHUSDT", 1)
    venue.seed_candles("ETHUSDT", complete_history(rules.instrument, first_price=first.price, first_ms=first.market_ms))
    pending: list[NewOrder] = []
    placed = 0

    def mirror(event: VenueEvent) -> None:
        """A grid's reflex: what was bought is offered one step higher, and the other way round."""
        if isinstance(event, OrderChanged) and event.fill is not None and not event.order.open:
            order = event.order
            assert order.price is not None
            step = D("0.5") * order.side.sign
            pending.append(grid_order(order.side.opposite, order.price + step))

    def grid_order(side: Side, price: D) -> NewOrder:
        nonlocal placed
        placed += 1
        return NewOrder(
            symbol="ETHUSDT", side=side, quantity=D("0.02"), price=price, client_order_id=f"g{placed}", post_only=False
        )

    venue.subscribe(mirror)
    middle = first.price.quantize(D(1))
    pending.extend(grid_order(Side.BUY, middle - D("0.5") * k) for k in range(1, 13))
    pending.extend(grid_order(Side.SELL, middle + D("0.5") * k) for k in range(1, 13))
    for event in market:
        apply(event, venue, event.market_ms)
        while pending:
            venue.place(pending.pop(), event.market_ms)
    return venue


@pytest.mark.parametrize("quotes", [True, False])
def test_a_grid_on_a_recording_adds_up(data: Path, quotes: bool) -> None:
    venue = run(data, quotes=quotes)
    fills = venue.fills()
    assert len(fills) > 50
    held = sum((fill.side.sign * fill.quantity for fill in fills), D(0))
    cash = sum((-fill.side.sign * fill.quantity * fill.price - fill.fee for fill in fills), D(0))
    funding = sum((payment.amount for payment in venue.funding_payments()), D(0))
    (position,) = venue.positions()
    assert position.quantity == held
    assert venue.cash_flow() == cash + funding
    assert venue.balances()[0].wallet + position.unrealised == 10_000 + cash + funding + held * position.mark_price
    # the recording runs over midnight UTC, where funding is settled
    assert len(venue.funding_rates("ETHUSDT")) == 101
    assert run(data, quotes=quotes).fills() == fills


def test_candles_of_a_recording(data: Path) -> None:
    venue = run(data, quotes=True)
    minutes: dict[int, list[MarketTrade]] = defaultdict(list)
    for trade in read_trades(data / "trades" / NAME, "ETHUSDT"):
        minutes[trade.market_ms // 60_000 * 60_000].append(trade)
    rows = venue.candles("ETHUSDT", "1m", start_ms=min(minutes), limit=1500)
    assert [row.open_time_ms for row in rows] == sorted(minutes)
    for row in rows:
        prices = [trade.price for trade in minutes[row.open_time_ms]]
        assert (row.open, row.high, row.low, row.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert row.volume == sum(trade.quantity for trade in minutes[row.open_time_ms])
    assert len(venue.candles("ETHUSDT", "1m", limit=1500)) == 1500


def test_every_recording_is_well_formed(data: Path) -> None:
    for path in (data / "trades").glob("*.gz"):
        assert sum(1 for _ in read_trades(path, "X")) > 10_000
    for path in (data / "bbo").glob("*.gz"):
        assert sum(1 for _ in read_quotes(path, "X")) > 40_000
    path = next((data / "klines").glob("*/ETHUSDT-1m.csv.gz"))
    assert sum(1 for _ in read_klines(path, "ETHUSDT")) > 40_000
