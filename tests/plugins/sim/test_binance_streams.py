"""The simulated Binance's WebSockets: routes and their silences, market streams, the user data stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from opensqt_core.order import NewOrder, OrderType, Side, TimeInForce
from opensqt_sim.model import SimOrder
from opensqt_sim.testing import START_MS, HandClock, Running, move_quote, print_trade, running_binance
from opensqt_sim.venues.binance import routes
from opensqt_sim.wire.messages import Request

SYMBOL = "ETHUSDT"


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Running]:
    with trio.fail_after(10):
        async with running_binance(**settings) as sim:
            yield sim


async def ask(socket: WebSocketConnection, method: str, *params: str, number: int | str = 1) -> Any:
    """Send a command and return its answer, which must be the next message."""
    await socket.send_message(json.dumps({"method": method, "params": list(params), "id": number}))
    return await receive(socket)


async def receive(socket: WebSocketConnection) -> Any:
    return json.loads(await socket.get_message())


async def receive_kind(socket: WebSocketConnection, kind: str) -> Any:
    while (message := await receive(socket)).get("e") != kind:
        pass
    return message


async def listen_key(sim: Running, method: str = "POST") -> str:
    async with httpx.AsyncClient() as client:
        reply = await client.request(
            method, f"{sim.rest}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": sim.settings.api_key}
        )
        key: str = reply.json().get("listenKey", "")
        return key


def place(
    sim: Running, price: str | None, name: str, *, side: Side = Side.BUY, quantity: str = "0.1", **more: Any
) -> SimOrder:
    order = NewOrder(
        symbol=SYMBOL,
        side=side,
        quantity=Decimal(quantity),
        client_order_id=name,
        price=None if price is None else Decimal(price),
        type=OrderType.LIMIT if price else OrderType.MARKET,
        **more,
    )
    return sim.venue.place(order, sim.clock.now_ms())


# addresses


@pytest.mark.parametrize(
    ("target", "route", "wrapped", "streams"),
    [
        ("/public/ws", "public", False, ()),
        ("/public/ws/0", "public", False, ("0",)),
        ("/market/ws/ethusdt@kline_1m", "market", False, ("ethusdt@kline_1m",)),
        ("/market/stream?streams=a@b/c@d", "market", True, ("a@b", "c@d")),
        ("/ws", "legacy", False, ()),
        ("/stream?streams=a@b", "legacy", True, ("a@b",)),
    ],
)
def test_addresses(target: str, route: str, wrapped: bool, streams: tuple[str, ...]) -> None:
    address = routes.address(Request(method="GET", target=target))
    assert address is not None
    assert (address.route.value, address.wrapped, address.streams) == (route, wrapped, streams)


def test_private_addresses_name_their_keys_and_events() -> None:
    target = "/private/stream?listenKey=k1&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE&listenKey=k2"
    address = routes.address(Request(method="GET", target=target))
    assert address is not None
    assert [(each.listen_key, each.events) for each in address.listeners] == [
        ("k1", frozenset({"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"})),
        ("k2", None),
    ]


@pytest.mark.parametrize("path", ["/", "/other/ws", "/ws-fapi/v1", "/fapi/v1/time"])
async def test_elsewhere_there_is_no_websocket(path: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with serving() as sim, httpx.AsyncClient(base_url=sim.rest, headers=upgrade) as client:
        reply = await client.get(path)
        assert (reply.status_code, reply.json()["code"]) == (404, -5000)


@pytest.mark.parametrize(
    "name",
    [
        "ethusdt@bookTicker",
        "ethusdt@trade",
        "ethusdt@aggTrade",
        "ethusdt@kline_1m",
        "ethusdt@markPrice@1s",
        "ethusdt@ticker",
    ],
)
def test_streams_that_exist(name: str) -> None:
    stream = routes.stream(name, frozenset({SYMBOL}))
    assert stream is not None
    assert stream.topic.symbol == SYMBOL
    assert stream.topic.channel in routes.CHANNELS


@pytest.mark.parametrize(
    "name", ["ETHUSDT@bookTicker", "btcusdt@bookTicker", "ethusdt@kline_7m", "ethusdt@depth", "0", "!bookTicker"]
)
def test_streams_that_do_not(name: str) -> None:
    assert routes.stream(name, frozenset({SYMBOL})) is None


# routes and silences


async def test_a_subscription_delivers_on_its_own_route_only() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/public/ws") as right,
        open_websocket_url(f"{sim.ws}/market/ws") as wrong,
        open_websocket_url(f"{sim.ws}/ws") as unrouted,
    ):
        for socket in (right, wrong, unrouted):
            assert await ask(socket, "SUBSCRIBE", "ethusdt@bookTicker", "nope@bookTicker") == {"result": None, "id": 1}
        move_quote(sim.venue, SYMBOL, bid="3001", now_ms=START_MS)
        frame = await receive(right)
        assert (frame["e"], frame["s"], frame["b"], frame["a"], frame["B"]) == (
            "bookTicker",
            SYMBOL,
            "3001",
            "3001.01",
            "10",
        )
        for mute in (wrong, unrouted):
            assert (await ask(mute, "LIST_SUBSCRIPTIONS", number="text"))["result"] == [
                "ethusdt@bookTicker",
                "nope@bookTicker",
            ]


async def test_legacy_routes_deliver_when_asked_to() -> None:
    async with (
        serving(legacy_routes=True) as sim,
        open_websocket_url(f"{sim.ws}/ws/ethusdt@bookTicker") as quotes,
        open_websocket_url(f"{sim.ws}/ws/{await listen_key(sim)}") as account,
    ):
        await ask(quotes, "LIST_SUBSCRIPTIONS")
        await ask(account, "LIST_SUBSCRIPTIONS")
        move_quote(sim.venue, SYMBOL, bid="3001", now_ms=START_MS)
        assert (await receive(quotes))["e"] == "bookTicker"
        place(sim, "2990", "legacy")
        assert (await receive(account))["o"]["c"] == "legacy"


async def test_combined_streams_are_wrapped_and_encoded_for_each_style() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/public/stream?streams=ethusdt@bookTicker") as wrapped,
        open_websocket_url(f"{sim.ws}/public/ws/ethusdt@bookTicker") as raw,
    ):
        await ask(wrapped, "LIST_SUBSCRIPTIONS")
        await ask(raw, "LIST_SUBSCRIPTIONS")
        move_quote(sim.venue, SYMBOL, bid="3001", now_ms=START_MS)
        message = await receive(wrapped)
        assert message["stream"] == "ethusdt@bookTicker"
        assert message["data"] == await receive(raw)


async def test_unsubscribing_ends_it() -> None:
    async with serving() as sim, open_websocket_url(f"{sim.ws}/public/ws/ethusdt@bookTicker") as socket:
        await ask(socket, "UNSUBSCRIBE", "ethusdt@bookTicker", "never@asked")
        move_quote(sim.venue, SYMBOL, bid="3001", now_ms=START_MS)
        assert (await ask(socket, "LIST_SUBSCRIPTIONS"))["result"] == []
        await ask(socket, "SUBSCRIBE", "ethusdt@bookTicker")
        await ask(socket, "SUBSCRIBE", "ethusdt@bookTicker")
        move_quote(sim.venue, SYMBOL, bid="3002", now_ms=START_MS)
        assert (await receive(socket))["b"] == "3002"


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        ("nonsense", 3, None),
        ("[]", 2, None),
        ('{"method":"DANCE","id":5}', 2, 5),
        ('{"method":"SUBSCRIBE","params":"x","id":6}', 2, 6),
        ('{"method":"SUBSCRIBE","params":[7],"id":6}', 2, 6),
        ('{"method":"SUBSCRIBE","params":[],"id":true}', 2, None),
        ('{"method":"SUBSCRIBE","params":["a","b","c","d"],"id":8}', 2, 8),
    ],
)
async def test_bad_commands_are_answered(text: str, code: int, number: int | None) -> None:
    async with serving(max_streams=3) as sim, open_websocket_url(f"{sim.ws}/public/ws") as socket:
        await socket.send_message(text)
        reply = await receive(socket)
        assert (reply["error"]["code"], reply["id"]) == (code, number)


async def test_who_says_too_much_is_disconnected() -> None:
    async with serving(messages_per_second=3) as sim, open_websocket_url(f"{sim.ws}/public/ws") as socket:
        for number in range(3):
            await ask(socket, "LIST_SUBSCRIPTIONS", number=number)
        assert isinstance(sim.clock, HandClock)
        sim.clock.ms += 1000
        for number in range(3):
            await ask(socket, "LIST_SUBSCRIPTIONS", number=number)
        with pytest.raises(ConnectionClosed) as closed:
            await ask(socket, "LIST_SUBSCRIPTIONS")
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1008
        await socket._stream.aclose()


async def test_connections_last_a_day() -> None:
    async with serving(connection_hours=0.00001) as sim, open_websocket_url(f"{sim.ws}/public/ws") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001
        await socket._stream.aclose()


# market streams


async def test_trades_on_both_streams() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/public/ws/ethusdt@trade") as each,
        open_websocket_url(f"{sim.ws}/market/ws/ethusdt@aggTrade") as aggregate,
    ):
        await ask(each, "LIST_SUBSCRIPTIONS")
        await ask(aggregate, "LIST_SUBSCRIPTIONS")
        print_trade(sim.venue, SYMBOL, price="3000.01", number=7, now_ms=START_MS + 5, quantity="0.3", side=Side.SELL)
        assert (await receive(each)).items() >= {"e": "trade", "t": 7, "p": "3000.01", "q": "0.3", "m": True}.items()
        assert (await receive(aggregate)).items() >= {
            "e": "aggTrade",
            "a": 7,
            "f": 7,
            "l": 7,
            "p": "3000.01",
            "T": START_MS + 5,
            "m": True,
        }.items()


async def test_running_candles_are_conflated_and_every_close_is_told() -> None:
    async with serving(kline_seconds=0.01) as sim, open_websocket_url(f"{sim.ws}/market/ws/ethusdt@kline_1m") as socket:
        await ask(socket, "LIST_SUBSCRIPTIONS")
        for number, price in enumerate(("3000", "3005", "3002"), start=1):
            print_trade(sim.venue, SYMBOL, price=price, number=number, now_ms=START_MS + number)
        running = (await receive(socket))["k"]
        assert (running["t"], running["i"], running["o"], running["h"], running["c"], running["n"], running["x"]) == (
            START_MS,
            "1m",
            "3000",
            "3005",
            "3002",
            3,
            False,
        )
        print_trade(sim.venue, SYMBOL, price="3001", number=4, now_ms=START_MS + 59_999)
        print_trade(sim.venue, SYMBOL, price="3003", number=5, now_ms=START_MS + 60_000)
        closed, opened = (await receive(socket))["k"], (await receive(socket))["k"]
        assert (closed["t"], closed["c"], closed["n"], closed["x"]) == (START_MS, "3001", 4, True)
        assert (opened["t"], opened["o"], opened["x"]) == (START_MS + 60_000, "3003", False)


async def test_after_its_close_a_candle_is_never_told_as_running() -> None:
    async with serving(kline_seconds=60) as sim, open_websocket_url(f"{sim.ws}/market/ws/ethusdt@kline_1m") as socket:
        await ask(socket, "LIST_SUBSCRIPTIONS")
        print_trade(sim.venue, SYMBOL, price="3000", number=1, now_ms=START_MS + 1)
        sim.venue.on_clock(START_MS + 60_000, START_MS + 60_000)
        sim.server.streams._flush()
        assert (await receive(socket))["k"]["x"] is True
        assert "result" in await ask(socket, "LIST_SUBSCRIPTIONS")


async def test_mark_price_every_second_or_every_third() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/market/ws/ethusdt@markPrice@1s") as quick,
        open_websocket_url(f"{sim.ws}/market/ws/ethusdt@markPrice") as slow,
    ):
        await ask(quick, "LIST_SUBSCRIPTIONS")
        await ask(slow, "LIST_SUBSCRIPTIONS")
        for second in range(1, 4):
            move_quote(sim.venue, SYMBOL, bid=str(3000 + second), now_ms=START_MS + second * 1000)
        marks = [await receive(quick) for _ in range(3)]
        assert [mark["p"] for mark in marks] == ["3000.00500000", "3001.00500000", "3002.00500000"]
        assert marks[0]["e"] == "markPriceUpdate"
        assert (await receive(slow))["p"] == "3002.00500000"


async def test_day_tickers() -> None:
    async with (
        serving(ticker_seconds=0.01) as sim,
        open_websocket_url(f"{sim.ws}/market/ws/ethusdt@ticker") as full,
        open_websocket_url(f"{sim.ws}/market/ws/ethusdt@miniTicker") as mini,
    ):
        await ask(full, "LIST_SUBSCRIPTIONS")
        await ask(mini, "LIST_SUBSCRIPTIONS")
        await trio.testing.wait_all_tasks_blocked()
        print_trade(sim.venue, SYMBOL, price="3000", number=1, now_ms=START_MS)
        print_trade(sim.venue, SYMBOL, price="3030", number=2, now_ms=START_MS + 1)
        ticker = await receive(full)
        assert (ticker["e"], ticker["c"], ticker["P"], ticker["v"]) == ("24hrTicker", "3030", "1.000", "2")
        small = await receive(mini)
        assert (small["e"], small["c"], small["h"]) == ("24hrMiniTicker", "3030", "3030")


# the account


async def test_the_life_of_an_order() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/private/ws?listenKey={await listen_key(sim)}") as socket,
    ):
        await ask(socket, "LIST_SUBSCRIPTIONS")
        placed = place(sim, "3000", "life", post_only=True)
        new = await receive(socket)
        assert new["e"] == "ORDER_TRADE_UPDATE"
        assert (
            new["o"].items()
            >= {
                "s": SYMBOL,
                "c": "life",
                "S": "BUY",
                "o": "LIMIT",
                "f": "GTX",
                "q": "0.1",
                "p": "3000",
                "x": "NEW",
                "X": "NEW",
                "i": placed.order_id,
                "l": "0",
                "z": "0",
                "t": 0,
                "R": False,
                "b": "300.0",
                "a": "0",
                "ps": "BOTH",
                "er": "0",
            }.items()
        )
        assert "n" not in new["o"]
        print_trade(sim.venue, SYMBOL, price="2999", number=1, now_ms=START_MS + 1, side=Side.SELL)
        account, lite, trade = [await receive(socket) for _ in range(3)]
        assert account["e"] == "ACCOUNT_UPDATE"
        assert account["a"]["m"] == "ORDER"
        fee = Decimal("300") * Decimal("0.0002")
        assert Decimal(account["a"]["B"][0]["wb"]) == 10_000 - fee
        assert account["a"]["P"][0].items() >= {"s": SYMBOL, "pa": "0.1", "ep": "3000", "mt": "cross"}.items()
        assert (lite["e"], lite["i"], lite["t"], lite["l"], lite["L"], lite["m"]) == (
            "TRADE_LITE",
            placed.order_id,
            1,
            "0.1",
            "3000",
            True,
        )
        assert (
            trade["o"].items()
            >= {
                "x": "TRADE",
                "X": "FILLED",
                "l": "0.1",
                "L": "3000",
                "z": "0.1",
                "ap": "3000.00000000",
                "t": 1,
                "m": True,
                "N": "USDT",
            }.items()
        )
        assert Decimal(trade["o"]["n"]) == fee


async def test_how_orders_end_is_told() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/private/ws/{await listen_key(sim)}") as socket,
    ):
        await ask(socket, "LIST_SUBSCRIPTIONS")
        order = place(sim, "2990", "canceled")
        sim.venue.cancel(SYMBOL, order_id=order.order_id, now_ms=START_MS)
        place(sim, "2990", "ioc", time_in_force=TimeInForce.IOC)
        place(sim, "3000.01", "maker", side=Side.SELL)
        place(sim, "3000.01", "taker")
        place(sim, "2990", "moved")
        sim.venue.amend(SYMBOL, client_order_id="moved", quantity=Decimal("0.2"), price=Decimal(2995), now_ms=START_MS)
        ends: dict[str, tuple[str, str, str]] = {}
        while "AMENDMENT" not in {end[0] for end in ends.values()}:
            detail = (await receive_kind(socket, "ORDER_TRADE_UPDATE"))["o"]
            ends[detail["c"]] = (detail["x"], detail["X"], detail["er"])
        assert ends == {
            "canceled": ("CANCELED", "CANCELED", "0"),
            "ioc": ("EXPIRED", "EXPIRED", "2"),
            "maker": ("EXPIRED", "EXPIRED_IN_MATCH", "1"),
            "taker": ("TRADE", "FILLED", "0"),
            "moved": ("AMENDMENT", "NEW", "0"),
        }


async def test_leverage_and_funding_are_told() -> None:
    async with (
        serving(listen_key_minutes=600) as sim,
        open_websocket_url(f"{sim.ws}/private/ws?listenKey={await listen_key(sim)}") as socket,
    ):
        await ask(socket, "LIST_SUBSCRIPTIONS")
        sim.venue.set_leverage(SYMBOL, 7, START_MS)
        assert (await receive(socket)).items() >= {"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"s": SYMBOL, "l": 7}}.items()
        place(sim, None, "market", quantity="1")
        assert isinstance(sim.clock, HandClock)
        sim.clock.ms = START_MS + 3_600_000
        move_quote(sim.venue, SYMBOL, bid="3000", now_ms=sim.clock.ms)
        await receive_kind(socket, "ORDER_TRADE_UPDATE")
        await receive_kind(socket, "ORDER_TRADE_UPDATE")
        funding = await receive(socket)
        assert (funding["e"], funding["a"]["m"]) == ("ACCOUNT_UPDATE", "FUNDING_FEE")


async def test_a_liquidation_is_told() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/private/ws?listenKey={await listen_key(sim)}") as socket,
    ):
        await ask(socket, "LIST_SUBSCRIPTIONS")
        place(sim, "3000.01", "big", quantity="9.9")
        move_quote(sim.venue, SYMBOL, bid="1500", now_ms=START_MS + 1)
        move_quote(sim.venue, SYMBOL, bid="900", now_ms=START_MS + 2)
        while (detail := (await receive_kind(socket, "ORDER_TRADE_UPDATE"))["o"])["x"] != "CALCULATED":
            pass
        assert detail["c"].startswith("autoclose-")
        assert (detail["o"], detail["S"], detail["z"]) == ("LIQUIDATION", "SELL", "9.9")


async def test_only_listed_events_arrive() -> None:
    async with serving() as sim:
        key = await listen_key(sim)
        async with open_websocket_url(f"{sim.ws}/private/stream?listenKey={key}&events=ACCOUNT_UPDATE") as socket:
            await ask(socket, "LIST_SUBSCRIPTIONS")
            place(sim, None, "market")
            message = await receive(socket)
            assert (message["stream"], message["data"]["e"]) == (key, "ACCOUNT_UPDATE")
            assert (await ask(socket, "LIST_SUBSCRIPTIONS"))["id"] == 1


async def test_a_wrong_key_connects_and_is_mute() -> None:
    async with (
        serving() as sim,
        open_websocket_url(f"{sim.ws}/private/ws?listenKey=wrong") as wrong,
        open_websocket_url(f"{sim.ws}/ws/{await listen_key(sim)}") as retired,
    ):
        for socket in (wrong, retired):
            await ask(socket, "LIST_SUBSCRIPTIONS")
        place(sim, None, "market")
        for socket in (wrong, retired):
            assert "result" in await ask(socket, "LIST_SUBSCRIPTIONS")


async def test_an_expired_key_says_so_and_falls_silent() -> None:
    async with serving(kline_seconds=0.01) as sim:
        key = await listen_key(sim)
        async with open_websocket_url(f"{sim.ws}/private/ws?listenKey={key}") as socket:
            await ask(socket, "LIST_SUBSCRIPTIONS")
            assert isinstance(sim.clock, HandClock)
            sim.clock.ms += 60 * 60_000
            place(sim, "2990", "unheard")
            assert await receive(socket) == {"e": "listenKeyExpired", "E": sim.clock.ms, "listenKey": key}
            assert await listen_key(sim) != key
            place(sim, "2990", "unheard too")
            assert "result" in await ask(socket, "LIST_SUBSCRIPTIONS")


async def test_closing_the_key_disconnects() -> None:
    async with serving() as sim:
        key = await listen_key(sim)
        async with open_websocket_url(f"{sim.ws}/private/ws?listenKey={key}") as socket:
            await ask(socket, "LIST_SUBSCRIPTIONS")
            await listen_key(sim, "DELETE")
            with pytest.raises(ConnectionClosed):
                await socket.get_message()
            await socket._stream.aclose()


async def test_a_socket_that_is_gone_is_forgotten() -> None:
    async with serving() as sim:
        key = await listen_key(sim)
        async with (
            open_websocket_url(f"{sim.ws}/private/ws?listenKey={key}") as account,
            open_websocket_url(f"{sim.ws}/public/ws/ethusdt@bookTicker") as quotes,
        ):
            await ask(account, "LIST_SUBSCRIPTIONS")
            await ask(quotes, "LIST_SUBSCRIPTIONS")
        while sim.server.connections.websockets:
            await trio.lowlevel.checkpoint()
        place(sim, None, "alone")
        move_quote(sim.venue, SYMBOL, bid="3001", now_ms=START_MS)
        assert sim.server.streams._private == []
        assert not sim.server.streams._subscriptions.wanted("ethusdt@bookTicker")
