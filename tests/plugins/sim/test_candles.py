"""Candles from trades, against an aggregation written another way."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.market import INTERVAL_MS
from opensqt_core.order import Side
from opensqt_sim.candles import Candles, minute_candle
from opensqt_sim.model import MarketTrade, SimCandle

D = Decimal

MINUTE = 60_000
START = 1_700_006_400_000


def made(trades: list[MarketTrade], *intervals: str) -> tuple[Candles, list[SimCandle]]:
    told: list[SimCandle] = []
    candles = Candles("ABCUSDT", told.append)
    for interval in intervals:
        candles.watch(interval)
    for trade in trades:
        candles.add(trade)
    return candles, told


def rows(candles: Candles, interval: str, market_ms: int, **more: int) -> list[SimCandle]:
    wanted = {"start_ms": None, "end_ms": None, "limit": 5000, **more}
    return list(candles.rows(interval, market_ms=market_ms, **wanted))  # type: ignore[arg-type]


_gaps = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(1, 400), st.integers(1, 50), st.sampled_from(Side)),
    min_size=1,
    max_size=60,
)


def _trades(steps: list[tuple[int, int, int, Side]]) -> list[MarketTrade]:
    ms, trades = START, []
    for index, (gap, price, quantity, side) in enumerate(steps):
        ms += gap
        trades.append(MarketTrade("ABCUSDT", index + 1, D(price), D(quantity), side, ms))
    return trades


@given(_gaps, st.sampled_from(sorted(INTERVAL_MS)))
def test_candles_equal_a_direct_aggregation(steps: list[tuple[int, int, int, Side]], interval: str) -> None:
    trades = _trades(steps)
    length = INTERVAL_MS[interval]
    groups: dict[int, list[MarketTrade]] = defaultdict(list)
    for trade in trades:
        groups[trade.market_ms // length * length].append(trade)
    end = trades[-1].market_ms
    candles, told = made(trades, interval)
    found = rows(candles, interval, end)
    assert [row.open_time_ms for row in found] == list(range(min(groups), max(groups) + 1, length))
    close = None
    for row in found:
        group = groups.get(row.open_time_ms, [])
        if not group:
            assert (row.open, row.high, row.low, row.close, row.volume, row.trades) == (*[close] * 4, 0, 0)
            continue
        prices = [trade.price for trade in group]
        assert (row.open, row.high, row.low, row.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert row.volume == sum(trade.quantity for trade in group)
        assert row.quote_volume == sum(trade.quantity * trade.price for trade in group)
        assert row.taker_buy_volume == sum(trade.quantity for trade in group if trade.taker_side is Side.BUY)
        assert (row.trades, row.first_trade_id, row.last_trade_id) == (
            len(group),
            group[0].trade_id,
            group[-1].trade_id,
        )
        assert row.close_time_ms == row.open_time_ms + length - 1
        close = prices[-1]
    assert [row.closed for row in found] == [True] * (len(found) - 1) + [False]
    # the running candle was told at every trade, every other once as closed; the last word on each is what rows say
    last_word = {candle.open_time_ms: candle for candle in told}
    assert list(last_word.values()) == found
    assert len([candle for candle in told if candle.closed]) == len(found) - 1
    assert len([candle for candle in told if not candle.closed]) == len(trades)


def test_time_closes_a_minute_and_the_next_is_flat_until_it_trades() -> None:
    candles, told = made([MarketTrade("ABCUSDT", 1, D(5), D(1), Side.BUY, START)], "1m")
    assert candles
    candles.advance(START + MINUTE - 1)
    assert len(told) == 1
    candles.advance(START + MINUTE)
    assert [(candle.closed, candle.close) for candle in told[1:]] == [(True, D(5))]
    running = rows(candles, "1m", START + MINUTE)[-1]
    assert (running.open, running.volume, running.closed, running.first_trade_id) == (D(5), D(0), False, -1)
    candles.add(MarketTrade("ABCUSDT", 2, D(9), D(1), Side.BUY, START + MINUTE + 1))
    assert rows(candles, "1m", START + MINUTE)[-1].open == 9


def test_a_late_trade_does_not_change_a_closed_candle() -> None:
    candles, _ = made([MarketTrade("ABCUSDT", i, D(i), D(1), Side.BUY, START + i * MINUTE) for i in (1, 2)])
    before = rows(candles, "1m", START + 2 * MINUTE)[0]
    candles.add(MarketTrade("ABCUSDT", 3, D(7), D(1), Side.SELL, START + MINUTE))
    assert rows(candles, "1m", START + 2 * MINUTE)[0] == before


def test_ranges_and_limits() -> None:
    candles, _ = made([MarketTrade("ABCUSDT", i, D(i), D(1), Side.BUY, START + i * MINUTE) for i in range(1, 11)])

    def opens(**more: int) -> list[int]:
        return [(row.open_time_ms - START) // MINUTE for row in rows(candles, "1m", START + 11 * MINUTE, **more)]

    assert opens(limit=3) == [8, 9, 10]
    assert opens(limit=0) == []
    assert opens(start_ms=START + 3 * MINUTE, limit=2) == [3, 4]
    assert opens(start_ms=START + 3 * MINUTE + 1, limit=2) == [4, 5]
    assert opens(end_ms=START + 3 * MINUTE + 1) == [1, 2, 3]
    assert opens(end_ms=START + 3 * MINUTE - 1, limit=1) == [2]
    assert opens(start_ms=START + 20 * MINUTE) == []
    fives = rows(candles, "5m", START + 11 * MINUTE)
    assert [(int(row.open), int(row.close), row.closed) for row in fives] == [
        (1, 4, True),
        (5, 9, True),
        (10, 10, False),
    ]


def test_history_comes_first_and_is_whole() -> None:
    def history(*minutes: int) -> list[SimCandle]:
        return [minute_candle("ABCUSDT", START + i * MINUTE, (D(1), D(3), D(1), D(2)), D(4)) for i in minutes]

    candles, told = made([], "5m")
    assert not candles
    assert rows(candles, "1m", START) == []
    candles.seed(history(-3, -1))
    filled = rows(candles, "1m", START)
    assert [(int(row.open), int(row.close), int(row.volume)) for row in filled] == [(1, 2, 4), (2, 2, 0), (1, 2, 4)]
    candles.add(MarketTrade("ABCUSDT", 1, D(8), D(1), Side.BUY, START - 1))
    assert (told[-1].high, told[-1].open, told[-1].volume) == (D(8), D(1), D(9))
    with pytest.raises(ValueError, match="before the first trade"):
        candles.seed(history(5))
    for wrong in (history(2, 1), [rows(candles, "5m", START)[0]]):
        with pytest.raises(ValueError, match="history"):
            Candles("ABCUSDT", told.append).seed(wrong)


def test_unknown_intervals() -> None:
    candles, _ = made([])
    with pytest.raises(ValueError, match="'7m'"):
        candles.watch("7m")
    with pytest.raises(ValueError, match="'7m'"):
        rows(candles, "7m", START)
