"""The seeded market: always the same, and fit for a grid."""

from decimal import Decimal
from itertools import islice, pairwise

import pytest

from opensqt_core.order import Side
from opensqt_sim.candles import MINUTE_MS, minute_candle
from opensqt_sim.markets.history import complete_history, seeded_history
from opensqt_sim.markets.instrument import known_rules
from opensqt_sim.markets.synthetic import SyntheticSettings, synthetic
from opensqt_sim.model import MarketEvent, MarketQuote, MarketTrade

D = Decimal

rules = known_rules("ETHUSDT", "test")
assert rules is not None
ETH = rules.instrument
START = 1_700_006_400_000
PINNED = MarketTrade("ETHUSDT", 19, D("3249.30"), D("0.009"), Side.SELL, START + 940)


def market(seed: int, events: int) -> list[MarketEvent]:
    settings = SyntheticSettings(seed=seed, start_ms=START, start_price=D(3250))
    return list(islice(synthetic(ETH, settings), events))


def test_a_seed_is_a_market() -> None:
    assert market(1, 3000) == market(1, 3000)
    assert market(1, 3000) != market(2, 3000)
    # written down, so that a change of the walk or of the generator shows
    assert [event for event in market(1, 40) if isinstance(event, MarketTrade)][-1] == PINNED


def test_the_market_is_well_formed() -> None:
    events = market(3, 20_000)
    assert isinstance(events[0], MarketQuote)
    trade_id, ms = 0, START
    book = events[0].book
    for event in events:
        assert event.market_ms >= ms
        ms = event.market_ms
        if isinstance(event, MarketTrade):
            trade_id += 1
            assert event.trade_id == trade_id
            assert event.price in (book.bid, book.ask)
            assert event.quantity % ETH.lot_size == 0 < event.quantity
        else:
            book = event.book
            assert 2500 < book.bid < book.ask < 4000
            assert book.bid % ETH.tick_size == book.ask % ETH.tick_size == 0
            assert min(book.bid_quantity, book.ask_quantity) > 0


def test_a_grid_of_three_dollars_trades_every_few_seconds() -> None:
    trades = [event for event in market(4, 100_000) if isinstance(event, MarketTrade)]
    seconds = (trades[-1].market_ms - trades[0].market_ms) / 1000
    crossings, level = 0, round(trades[0].price / 3)
    for trade in trades:
        if abs(trade.price / 3 - level) >= 1:
            level, crossings = round(trade.price / 3), crossings + 1
    assert seconds / crossings < 20


def test_seeded_history_ends_where_the_market_begins() -> None:
    history = complete_history(ETH, first_price=D("3250.17"), first_ms=START + 5000)
    assert len(history) == 1500
    assert history[-1].open_time_ms == START - MINUTE_MS
    assert history[-1].close == D("3250.17")
    for earlier, later in pairwise(history):
        assert later.open_time_ms - earlier.open_time_ms == MINUTE_MS
        assert later.open == earlier.close
        assert later.low <= min(later.open, later.close) <= max(later.open, later.close) <= later.high
        assert later.closed
        assert later.volume > 0
    assert history == complete_history(ETH, first_price=D("3250.17"), first_ms=START + 5000)
    assert seeded_history(ETH, D(3250), START, 0, 1) == []


def test_recorded_history_is_kept_and_completed_backwards() -> None:
    recorded = [
        minute_candle("ETHUSDT", START + i * MINUTE_MS, (D(3000), D(3010), D(2990), D(3005)), D(1))
        for i in range(-10, 5)
    ]
    history = complete_history(ETH, first_price=D(3005), first_ms=START + 1, recorded=recorded, rows=100)
    assert len(history) == 100
    assert history[-10:] == recorded[:10]
    assert history[-11].close == 3000
    with pytest.raises(ValueError, match="more than a day before the first trade"):
        complete_history(ETH, first_price=D(3005), first_ms=START + 2 * 86_400_000, recorded=recorded)
