from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from opensqt_core.errors import Rejected, Unavailable
from opensqt_core.instrument import Instrument, InstrumentStatus
from opensqt_core.market import FundingRate, MarkPrice, TopOfBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exchanges.binance.conftest import Call, Venue
    from trio.testing import MockClock

    from opensqt_core.exchange import Exchange

MINUTE = 60_000
FIRST = 1_795_000_020_000  # a whole minute
INFO = "/fapi/v1/exchangeInfo"
KLINES = "/fapi/v1/klines"


class Klines:
    """The venue's candles, one a minute from `FIRST`; the last is running."""

    def __init__(self, count: int) -> None:
        self.opens = [FIRST + number * MINUTE for number in range(count)]

    def __call__(self, call: Call) -> list[list[Any]]:
        limit = int(call.params["limit"])
        assert limit <= 1500
        end = int(call.params.get("endTime", self.opens[-1]))
        found = [at for at in self.opens if at <= end][-limit:]
        return [
            [at, "1.0", "4.0", "0.5", "2.0", f"{self.opens.index(at)}.5", at + MINUTE - 1, "9", 7, "1", "2", "0"]
            for at in found
        ]


async def test_instruments(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", INFO, payload("exchange_info"))
    bitcoin, pepe = await exchange.market.instruments()
    assert bitcoin == Instrument(
        venue="binance",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.10"),
        lot_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(900),
        min_notional=Decimal(50),
        reduce_only_below_minimum=True,
        max_open_orders=200,
    )
    assert (pepe.symbol, pepe.base, pepe.status) == ("1000PEPEUSDT", "1000PEPE", InstrumentStatus.HALTED)
    assert pepe.max_open_orders is None


async def test_instruments_bring_the_allowances(
    autojump_clock: MockClock,
    venue: Venue,
    exchange: Exchange,
    payload: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learnt: dict[str, int] = {}
    monkeypatch.setattr(
        "opensqt_core.ratelimit.RateLimiter.set_limit", lambda _self, name, amount: learnt.update({name: amount})
    )
    venue.answer("GET", INFO, payload("exchange_info"))
    await exchange.market.instruments()
    assert learnt == {"weight": 6000, "orders_10s": 290, "orders_1m": 1100}


def without_tick_size(info: Any) -> None:
    del info["symbols"][0]["filters"][0]["tickSize"]


def without_filter(info: Any) -> None:
    del info["symbols"][0]["filters"][1]


def without_symbol(info: Any) -> None:
    del info["symbols"][1]["symbol"]


def with_nonsense(info: Any) -> None:
    info["symbols"][0]["filters"][1]["stepSize"] = "one"


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (without_tick_size, "BTCUSDT, filter PRICE_FILTER: Object missing required field `tickSize`"),
        (without_filter, "BTCUSDT has no filter LOT_SIZE"),
        (without_symbol, r"missing required field `symbol` - at `\$.symbols\[1\]`"),
        (with_nonsense, "BTCUSDT, filter LOT_SIZE: "),
    ],
)
async def test_a_wrong_instrument_is_named(
    autojump_clock: MockClock,
    venue: Venue,
    exchange: Exchange,
    payload: Callable[[str], Any],
    harm: Callable[[Any], None],
    complaint: str,
) -> None:
    info = payload("exchange_info")
    harm(info)
    venue.answer("GET", INFO, info)
    with pytest.raises(Unavailable, match=f"instruments: reply not understood: .*{complaint}"):
        await exchange.market.instruments()


async def test_server_time(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("GET", "/fapi/v1/time", {"serverTime": 1_795_361_400_123})
    assert await exchange.market.server_time_ms() == 1_795_361_400_123


async def test_prices(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/ticker/bookTicker", payload("book_ticker"))
    venue.answer("GET", "/fapi/v1/premiumIndex", payload("premium_index"))
    venue.answer("GET", "/fapi/v1/fundingRate", payload("funding_rate"))
    assert await exchange.market.top_of_book("BTCUSDT") == TopOfBook(
        symbol="BTCUSDT",
        bid=Decimal("87655.1"),
        bid_quantity=Decimal("3.221"),
        ask=Decimal("87655.2"),
        ask_quantity=Decimal("1.804"),
        time_ms=1_795_361_400_299,
    )
    assert await exchange.market.mark_price("BTCUSDT") == MarkPrice(
        symbol="BTCUSDT",
        mark=Decimal("87655.42000000"),
        index=Decimal("87698.11000000"),
        funding_rate=Decimal("0.00006100"),
        next_funding_ms=1_795_363_200_000,
        time_ms=1_795_361_400_000,
    )
    rates = await exchange.market.funding_rates("BTCUSDT", limit=5000)
    assert rates[1] == FundingRate(symbol="BTCUSDT", rate=Decimal("-0.00001000"), time_ms=1_795_334_400_000)
    assert venue.seen("/fapi/v1/fundingRate") == [{"symbol": "BTCUSDT", "limit": "1000"}]
    assert not any("x-mbx-apikey" in call.headers for call in venue.calls)


async def test_without_end_the_last_candle_runs(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("GET", KLINES, Klines(10))
    candles = await exchange.market.candles("BTCUSDT", "1m", limit=3)
    assert [candle.volume for candle in candles] == [Decimal("7.5"), Decimal("8.5"), Decimal("9.5")]
    assert [candle.closed for candle in candles] == [True, True, False]
    assert (candles[0].open, candles[0].high, candles[0].low, candles[0].close) == (
        Decimal(1),
        Decimal(4),
        Decimal("0.5"),
        Decimal(2),
    )


@pytest.mark.parametrize(
    ("end_ms", "opens"),
    [
        (FIRST + 5 * MINUTE, [2, 3, 4]),
        (FIRST + 5 * MINUTE + 1, [3, 4, 5]),
        (FIRST + 9 * MINUTE, [6, 7, 8]),
        (FIRST + 9 * MINUTE + 1, [6, 7, 8]),  # 9 is running
        (FIRST + 500 * MINUTE, [6, 7, 8]),
        (FIRST + 2 * MINUTE, [0, 1]),
        (FIRST, []),
        (FIRST - MINUTE, []),
    ],
)
async def test_with_an_end_all_candles_are_closed(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, end_ms: int, opens: list[int]
) -> None:
    venue.answer("GET", KLINES, Klines(10))
    candles = await exchange.market.candles("BTCUSDT", "1m", limit=3, end_ms=end_ms)
    assert [(candle.open_time_ms - FIRST) // MINUTE for candle in candles] == opens
    assert all(candle.closed for candle in candles)


async def test_many_candles_are_paged(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("GET", KLINES, Klines(4000))
    candles = await exchange.market.candles("BTCUSDT", "1m", limit=3500)
    assert [candle.open_time_ms for candle in candles] == [FIRST + n * MINUTE for n in range(500, 4000)]
    assert [call["limit"] for call in venue.seen(KLINES)] == ["1500", "1500", "500"]


async def test_fewer_candles_than_wanted(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("GET", KLINES, Klines(1600))
    assert len(await exchange.market.candles("BTCUSDT", "1m", limit=9000)) == 1600


async def test_an_interval_that_does_not_exist(autojump_clock: MockClock, exchange: Exchange) -> None:
    with pytest.raises(Rejected, match="no candles of '7m'; there are 1m, 3m"):
        await exchange.market.candles("BTCUSDT", "7m")


async def test_a_read_is_repeated_when_the_venue_is_briefly_away(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/ticker/bookTicker", (503, ""), (200, "garbage"), payload("book_ticker"))
    assert (await exchange.market.top_of_book("BTCUSDT")).symbol == "BTCUSDT"
    assert len(venue.calls) == 3
