"""The driver's streams in virtual time: where they connect, what they ask, how silence is judged."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import trio

from opensqt_core.market import Candle, MarkPrice, TopOfBook, Trade
from opensqt_core.order import Fill, Order
from opensqt_core.streams import Lost, Resumed, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exchanges.binance.conftest import Venue
    from trio.testing import MockClock

    from opensqt_core.exchange import Exchange

BOOK, KLINES, TRADES = "/fapi/v1/ticker/bookTicker", "/fapi/v1/klines", "/fapi/v1/aggTrades"
KEY = "/fapi/v1/listenKey"


async def test_top_of_book(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", BOOK, payload("book_ticker"))
    async with exchange.market.top_of_book_stream("BTCUSDT") as stream:
        socket = await venue.next_socket()
        assert socket.url == "wss://fstream.binance.com/public/ws"
        assert json.loads(socket.sent[0])["params"] == ["btcusdt@bookTicker"]
        for bid in ("1.1", "1.2", "1.3"):
            socket.push(payload("frame_book_ticker") | {"b": bid})
        await stream.wait_live()
        await trio.testing.wait_all_tasks_blocked()
        newest = await stream.receive()
        assert isinstance(newest, TopOfBook)
        assert newest.bid == Decimal("1.3")
        assert exchange.streams["top_of_book BTCUSDT"].state is StreamState.LIVE


async def test_a_quiet_market_begins_with_what_rest_says(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", BOOK, payload("book_ticker"))
    async with exchange.market.top_of_book_stream("BTCUSDT") as stream:
        top = await stream.receive()
        assert isinstance(top, TopOfBook)
        assert top.bid == Decimal("87655.1")
        assert stream.status.state is StreamState.LIVE


async def test_a_mute_route_is_found_out_by_the_probe(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    bids = iter(range(1, 100))
    venue.answer("GET", BOOK, lambda _call: payload("book_ticker") | {"bidPrice": str(next(bids))})
    async with exchange.market.top_of_book_stream("BTCUSDT") as stream:
        first = await venue.next_socket()
        await stream.receive()
        lost = await stream.receive()
        assert isinstance(lost, Lost)
        assert "REST has newer" in lost.reason
        assert not (await venue.next_socket()).closed
        assert first.closed


async def test_a_quiet_book_is_alive_and_a_dead_one_is_not(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", BOOK, payload("book_ticker") | {"time": 1})
    async with exchange.market.top_of_book_stream("BTCUSDT") as stream:
        socket = await venue.next_socket()
        socket.push(payload("frame_book_ticker"))
        assert isinstance(await stream.receive(), TopOfBook)  # REST's
        assert isinstance(await stream.receive(), TopOfBook)
        await trio.sleep(35)
        assert stream.status.state is StreamState.LIVE
        assert len(venue.seen(BOOK)) == 4
        venue.answer("GET", BOOK, payload("book_ticker") | {"bidPrice": "87655.0"})
        assert isinstance(await stream.receive(), Lost)
        (await venue.next_socket()).push(payload("frame_book_ticker"))
        assert isinstance(await stream.receive(), Resumed)


def kline(payload: Callable[[str], Any], minute: int, *, closed: bool, volume: str = "41.337") -> Any:
    frame = payload("frame_kline")
    frame["k"] |= {"t": frame["k"]["t"] + minute * 60_000, "x": closed, "v": volume}
    return frame


def row(payload: Callable[[str], Any], minute: int, *, volume: str = "41.337") -> list[Any]:
    k = payload("frame_kline")["k"]
    return [k["t"] + minute * 60_000, k["o"], k["h"], k["l"], k["c"], volume, k["T"], "0", 1, "0", "0", "0"]


async def test_a_closed_candle_is_never_conflated_away(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", KLINES, [])
    async with exchange.market.candle_stream("BTCUSDT", "1m") as stream:
        socket = await venue.next_socket()
        assert socket.url == "wss://fstream.binance.com/market/ws"
        assert json.loads(socket.sent[0])["params"] == ["btcusdt@kline_1m"]
        for minute in range(3):
            for volume in ("1", "2"):
                socket.push(kline(payload, minute, closed=False, volume=volume))
            for _ in range(2):
                socket.push(kline(payload, minute, closed=True, volume="3"))
        socket.push(kline(payload, 3, closed=False, volume="1"))
        await trio.testing.wait_all_tasks_blocked()
        heard = []
        with trio.move_on_after(1):
            async for candle in stream:
                assert isinstance(candle, Candle)
                heard.append((candle.volume, candle.closed))
        assert heard == [(Decimal(2), False), (Decimal(3), True)] * 3 + [(Decimal(1), False)]


async def test_a_candle_stream_is_judged_by_the_venues_candles(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    running, next_is_empty = [row(payload, 0)], [row(payload, 1, volume="0")]
    venue.answer("GET", KLINES, running)
    async with exchange.market.candle_stream("BTCUSDT", "1m") as stream:
        socket = await venue.next_socket()
        first = await stream.receive()
        assert isinstance(first, Candle)
        assert not first.closed
        await trio.sleep(25)
        assert stream.status.state is StreamState.LIVE
        venue.answer("GET", KLINES, next_is_empty)
        assert isinstance(await stream.receive(), Lost)  # candle 0 was closed without a word
        venue.answer("GET", KLINES, [])
        socket = await venue.next_socket()
        assert isinstance(await stream.receive(), Resumed)
        socket.push(kline(payload, 0, closed=True))
        await stream.receive()
        venue.answer("GET", KLINES, next_is_empty)
        await trio.sleep(30)
        assert stream.status.state is StreamState.LIVE  # nothing was traded since


async def test_a_snapshot_does_not_reopen_a_closed_candle(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", KLINES, [])
    async with exchange.market.candle_stream("BTCUSDT", "1m") as stream:
        socket = await venue.next_socket()
        socket.push(kline(payload, 0, closed=True))
        await stream.receive()
        venue.answer("GET", KLINES, [row(payload, 0)])
        stream.restart("test")
        assert isinstance(await stream.receive(), Lost)
        socket = await venue.next_socket()
        assert isinstance(await stream.receive(), Resumed)
        socket.push(kline(payload, 1, closed=False))
        newest = await stream.receive()
        assert isinstance(newest, Candle)
        assert newest.open_time_ms == row(payload, 1)[0]


async def test_a_wrong_route_of_trades_is_found_out_by_the_second_probe(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    ids = iter(range(1, 100))
    venue.answer("GET", TRADES, lambda _call: [payload("frame_agg_trade") | {"a": next(ids)}])
    async with exchange.market.trade_stream("BTCUSDT") as stream:
        await venue.next_socket()
        await trio.sleep(15)
        assert stream.status.state is StreamState.LIVE
        assert isinstance(await stream.receive(), Lost)
        await venue.next_socket()
        await trio.sleep(15)  # the new connection is not blamed for what the old one missed
        assert stream.status.state is StreamState.LIVE


async def test_trades_are_all_delivered_and_silence_is_checked_by_id(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    trade = payload("frame_agg_trade")
    venue.answer("GET", TRADES, [trade], [], [trade | {"a": trade["a"] + 1}])
    async with exchange.market.trade_stream("BTCUSDT") as stream:
        socket = await venue.next_socket()
        assert socket.url.endswith("/market/ws")
        for number in range(-2, 1):
            socket.push(trade | {"a": trade["a"] + number})
        heard = [await stream.receive() for _ in range(3)]
        assert [value.trade_id for value in heard if isinstance(value, Trade)] == [
            "4455667786",
            "4455667787",
            "4455667788",
        ]
        await trio.sleep(25)
        assert stream.status.state is StreamState.LIVE
        assert isinstance(await stream.receive(), Lost)


async def test_a_mark_price_that_stops_is_dead(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    async with exchange.market.mark_price_stream("BTCUSDT") as stream:
        socket = await venue.next_socket()
        assert json.loads(socket.sent[0])["params"] == ["btcusdt@markPrice@1s"]
        socket.push(payload("frame_mark_price"))
        assert isinstance(await stream.receive(), MarkPrice)
        lost = await stream.receive()
        assert isinstance(lost, Lost)
        assert "no value for 10 s" in lost.reason


async def test_the_account(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("POST", KEY, {"listenKey": "first"}, {"listenKey": "second"})
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        socket = await venue.next_socket()
        assert socket.url == "wss://fstream.binance.com/private/ws?listenKey=first"
        await stream.wait_live()
        socket.push(payload("frame_order"))
        assert isinstance(await stream.receive(), Fill)
        assert isinstance(await stream.receive(), Order)
        socket.push({"e": "listenKeyExpired", "E": 1, "listenKey": "first"})
        lost = await stream.receive()
        assert isinstance(lost, Lost)
        assert "first" not in lost.reason
        assert (await venue.next_socket()).url.endswith("?listenKey=second")
        assert isinstance(await stream.receive(), Resumed)
    create = next(call for call in venue.calls if call.path == KEY)
    assert create.params == {}
    assert create.headers["x-mbx-apikey"] == "SheetKeyBinance0123456789"


async def test_the_key_is_renewed_every_half_hour(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, {})
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        await venue.next_socket()
        await trio.sleep(3 * 3600 + 60)
        assert stream.status.state is StreamState.LIVE
        assert len(venue.seen(KEY, "PUT")) == 6
        assert len(venue.seen(KEY, "POST")) == 1


async def test_a_key_that_is_gone_ends_the_connection(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange
) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, (400, {"code": -1125, "msg": "This listenKey does not exist."}), {})
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        await venue.next_socket()
        lost = await stream.receive()
        assert isinstance(lost, Lost)
        assert "listenKey is gone" in lost.reason
        await venue.next_socket()
        assert isinstance(await stream.receive(), Resumed)


async def test_a_renewal_that_fails_is_tried_again(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, *[(500, "")] * 8, {})
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        await venue.next_socket()
        await trio.sleep(3500)
        assert stream.status.state is StreamState.LIVE
        assert len(venue.seen(KEY, "PUT")) == 9


async def test_a_renewal_that_never_works_ends_the_connection_in_time(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange
) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, (500, ""))
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        await venue.next_socket()
        began = trio.current_time()
        lost = await stream.receive()
        assert isinstance(lost, Lost)
        assert "could not be renewed" in lost.reason
        assert trio.current_time() - began < 3600


async def test_a_refused_key_fails_the_stream(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, (401, {"code": -2014, "msg": "API-key format invalid."}))
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        await venue.next_socket()
        assert isinstance(await stream.receive(), Lost)
        assert stream.status.state is StreamState.FAILED


async def test_one_request_for_the_key_at_a_time(autojump_clock: MockClock, venue: Venue, exchange: Exchange) -> None:
    at_once = 0
    most = 0

    class Busy:
        async def __call__(self, request: Any) -> bytes:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await trio.sleep(1)
            at_once -= 1
            return b'{"listenKey":"k"}'

    assert exchange.account is not None
    account: Any = exchange.account
    quick = attrs.evolve(account._api, rest=_Rest(Busy()))
    account._keys._api = quick
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(account._keys.create)
    assert most == 1


class _Rest:
    def __init__(self, send: Any) -> None:
        self.send = send


async def test_a_connection_is_replaced_before_the_venue_cuts_it(
    autojump_clock: MockClock, venue: Venue, exchange: Exchange, payload: Callable[[str], Any]
) -> None:
    venue.answer("POST", KEY, {"listenKey": "k"})
    venue.answer("PUT", KEY, {})
    assert exchange.account is not None
    async with exchange.account.account_stream() as stream:
        first = await venue.next_socket()
        await trio.sleep(22.9 * 3600)
        assert [first.closed] == [False]
        with trio.fail_after(3600):
            second = await venue.next_socket()
        await trio.sleep(10)
        assert [first.closed, second.closed] == [True, False]
        assert stream.status.state is StreamState.LIVE
