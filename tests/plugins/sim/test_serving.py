"""Markets from files and seeds, and the supervision tree that plays them."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

from opensqt_core.clock import SystemClock
from opensqt_sim.model import MarketQuote, MarketTrade
from opensqt_sim.rules import AccountSettings
from opensqt_sim.serving import ServeSettings, serve_venues
from opensqt_sim.setup import MarketWish, SetupError, open_venue, prepare_market
from opensqt_sim.venues.registry import Credentials

START_MS = 1_721_347_200_000
NOW_MS = 1_795_361_400_000

TRADES = "".join(f"{n},{3000 + n}.10,0.25,{n},{n},{START_MS + 10 * n},true\n" for n in range(1, 4))
QUOTES = "".join(f"{n},{3000 + n}.00,1,{3000 + n}.10,2,{START_MS + 10 * n - 5},0\n" for n in range(1, 4))
KLINES = "".join(f"{START_MS - 60_000 * n},3000,3002,2999,3001,7\n" for n in range(3, 0, -1))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for name, text in (("trades", TRADES), ("quotes", QUOTES), ("klines", KLINES)):
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text(text)
    return paths


def test_a_recorded_market_with_quotes_and_a_past(files: dict[str, Any]) -> None:
    market = prepare_market(MarketWish(symbol="ETHUSDT", **files), venue="binance", now_ms=NOW_MS)
    assert isinstance(market.first, MarketQuote)
    rest = list(market.rest)
    assert [type(event) for event in rest] == [MarketTrade, MarketQuote, MarketTrade, MarketQuote, MarketTrade]
    assert [candle.close for candle in market.history[-3:]] == [Decimal(3001)] * 3
    assert market.history[-1].open_time_ms == START_MS - 60_000
    venue = open_venue([market], AccountSettings(), now_ms=NOW_MS)
    assert venue.book("ETHUSDT").ask == Decimal("3001.10")


def test_rules_of_an_unknown_symbol_are_read_off_its_trades(files: dict[str, Any]) -> None:
    market = prepare_market(MarketWish(symbol="NEXOUSDT", trades=files["trades"]), venue="binance", now_ms=NOW_MS)
    instrument = market.rules.instrument
    assert (instrument.tick_size, instrument.lot_size, instrument.base) == (Decimal("0.1"), Decimal("0.01"), "NEXO")


def test_a_market_is_shifted_by_whole_minutes(files: dict[str, Any]) -> None:
    wish = MarketWish(symbol="ETHUSDT", shift_to_now=True, **files)
    market = prepare_market(wish, venue="binance", now_ms=NOW_MS)
    times = [market.first.market_ms, *(event.market_ms for event in market.rest)]
    assert 0 <= NOW_MS - times[0] < 60_000
    assert (times[0] - START_MS) % 60_000 == 5
    assert [later - times[0] for later in times] == [0, 5, 10, 15, 20, 25]
    assert market.history[-1].close_time_ms < times[0] < market.history[-1].close_time_ms + 60_001


def test_a_synthetic_market_goes_on_where_recorded_candles_end(files: dict[str, Any]) -> None:
    market = prepare_market(MarketWish(symbol="ETHUSDT", klines=files["klines"]), venue="binance", now_ms=NOW_MS)
    assert market.first.market_ms >= START_MS
    assert isinstance(market.first, MarketQuote)
    assert abs(market.first.book.mid - 3001) < 1
    elsewhere = MarketWish(symbol="ETHUSDT", price=Decimal(1234))
    first = prepare_market(elsewhere, venue="binance", now_ms=NOW_MS).first
    assert isinstance(first, MarketQuote)
    assert abs(first.book.mid - 1234) < 1


def test_an_account_must_hold_what_the_symbol_is_quoted_in(files: dict[str, Any]) -> None:
    market = prepare_market(MarketWish(symbol="ETHUSDC", trades=files["trades"]), venue="binance", now_ms=NOW_MS)
    with pytest.raises(SetupError, match="USDC"):
        open_venue([market], AccountSettings(), now_ms=NOW_MS)


def settings(**more: Any) -> ServeSettings:
    return ServeSettings(
        venue="binance",
        account=AccountSettings(),
        credentials=Credentials(api_key="key", secret_key="secret"),
        **more,
    )


async def test_the_first_subscription_of_quotes_starts_a_waiting_market(files: dict[str, Any]) -> None:
    wish = MarketWish(symbol="ETHUSDT", **files)
    told: list[dict[str, Any]] = []
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                serve_venues,
                [settings(markets=(wish,), speed=None, start_on_subscribe=True)],
                SystemClock(),
                told.append,
            )
            while not told:
                await trio.lowlevel.checkpoint()
            async with open_websocket_url(f"{told[0]['ws']}/market/ws/ethusdt@aggTrade") as trades:
                await trades.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert "result" in json.loads(await trades.get_message())
                async with open_websocket_url(f"{told[0]['ws']}/public/ws/ethusdt@bookTicker"):
                    seen = [json.loads(await trades.get_message())["a"] for _ in range(3)]
            assert seen == [1, 2, 3]
            nursery.cancel_scope.cancel()


async def test_a_port_that_is_taken_ends_it_before_anything_is_announced() -> None:
    (listener, *_) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        told: list[dict[str, Any]] = []
        wanted = settings(markets=(MarketWish(symbol="ETHUSDT"),), port=port)
        with pytest.RaisesGroup(pytest.RaisesExc(SetupError, match="cannot listen"), flatten_subgroups=True):
            await serve_venues([wanted], SystemClock(), told.append)
        assert told == []
