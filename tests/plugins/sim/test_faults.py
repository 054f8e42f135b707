"""Faults and the control interface, over real sockets."""

import hashlib
import hmac
import json
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from opensqt_core.order import Side
from opensqt_sim.faults import BadFault, Faults
from opensqt_sim.model import MarketTrade
from opensqt_sim.pacing import Lockstep, drive
from opensqt_sim.testing import START_MS, Running, move_quote, quiet_venue, running_binance

SYMBOL = "ETHUSDT"


@attrs.frozen
class Rig:
    """A venue, and clients of its REST and of its control interface."""

    sim: Running
    rest: httpx.AsyncClient
    control: httpx.AsyncClient

    async def fault(self, **document: Any) -> int:
        reply = await self.control.post("/faults", content=json.dumps(document))
        assert reply.status_code == 200, reply.text
        number: int = reply.json()["id"]
        return number

    async def active(self) -> list[dict[str, Any]]:
        listing: list[dict[str, Any]] = (await self.control.get("/faults")).json()
        return listing

    async def signed(self, method: str, path: str, **params: Any) -> httpx.Response:
        query = urllib.parse.urlencode({"timestamp": self.sim.clock.now_ms()} | params)
        signature = hmac.new(self.sim.settings.secret_key.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": self.sim.settings.api_key}
        return await self.rest.request(method, f"{path}?{query}&signature={signature}", headers=headers)

    async def place(self, name: str) -> httpx.Response:
        order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "quantity": "0.1"}
        return await self.signed("POST", "/fapi/v1/order", price="2990", newClientOrderId=name, **order)

    async def listen_url(self) -> str:
        headers = {"X-MBX-APIKEY": self.sim.settings.api_key}
        key = (await self.rest.post("/fapi/v1/listenKey", headers=headers)).json()["listenKey"]
        return f"{self.sim.ws}/private/ws?listenKey={key}"

    @property
    def quotes_url(self) -> str:
        return f"{self.sim.ws}/public/ws/ethusdt@bookTicker"

    def quote(self, bid: str) -> None:
        move_quote(self.sim.venue, SYMBOL, bid=bid, now_ms=START_MS)


@asynccontextmanager
async def rigged(**settings: Any) -> AsyncIterator[Rig]:
    with trio.fail_after(10):
        async with (
            running_binance(**settings) as sim,
            httpx.AsyncClient(base_url=sim.rest, timeout=5) as rest,
            httpx.AsyncClient(base_url=sim.control_url, timeout=5) as control,
        ):
            yield Rig(sim, rest, control)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[WebSocketConnection]:
    """Connect; the library leaves the TCP socket of a connection that the server ended to the garbage collector."""
    async with open_websocket_url(url) as socket:
        try:
            yield socket
        finally:
            if socket.closed:
                await socket._stream.aclose()


async def settled(socket: WebSocketConnection) -> None:
    """Wait until the venue has seen what was subscribed."""
    await socket.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert "result" in json.loads(await socket.get_message())


# drop


async def test_a_drop_hits_the_chosen_channel_only() -> None:
    async with (
        rigged() as rig,
        connected(rig.quotes_url) as quotes,
        connected(await rig.listen_url()) as account,
    ):
        await settled(quotes)
        await settled(account)
        await rig.fault(fault="drop", channel="private")
        with pytest.raises(ConnectionClosed) as closed:
            await account.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1006
        await settled(quotes)
        assert await rig.active() == []


async def test_a_drop_can_be_a_close() -> None:
    async with rigged() as rig, connected(rig.quotes_url) as quotes:
        await settled(quotes)
        await rig.fault(fault="drop", how="close")
        with pytest.raises(ConnectionClosed) as closed:
            await quotes.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001


async def test_a_drop_can_be_repeated() -> None:
    async with rigged() as rig:
        number = await rig.fault(fault="drop", every=0.2)
        for _ in range(2):
            async with connected(rig.quotes_url) as quotes:
                with pytest.raises(ConnectionClosed):
                    await quotes.get_message()
        (listed,) = await rig.active()
        assert (listed["id"], listed["every"]) == (number, 0.2)
        assert listed["acted"] >= 2
        await rig.control.delete(f"/faults/{number}")
        assert await rig.active() == []


async def test_a_repeated_drop_ends_when_it_has_happened_often_enough() -> None:
    async with rigged() as rig:
        await rig.fault(fault="drop", every=0.01, count=3)
        while await rig.active():
            await trio.lowlevel.checkpoint()


async def test_rest_connections_can_be_dropped() -> None:
    async with rigged() as rig:
        assert (await rig.rest.get("/fapi/v1/ping")).status_code == 200
        (stream,) = rig.sim.server.connections.http.values()
        await rig.fault(fault="drop", channel="rest")
        assert stream.socket.fileno() == -1
        assert (await rig.control.get("/health")).status_code == 200


# stall


async def test_a_stalled_connection_is_silent_for_ever_and_a_new_one_works_afterwards() -> None:
    async with rigged() as rig, connected(rig.quotes_url) as quotes:
        await settled(quotes)
        number = await rig.fault(fault="stall")
        rig.quote("3001")
        await quotes.ping()
        async with connected(rig.quotes_url) as during:
            await during.ping()
            assert (await rig.control.delete(f"/faults/{number}")).status_code == 200
            rig.quote("3002")
            async with connected(rig.quotes_url) as afterwards:
                await settled(afterwards)
                rig.quote("3003")
                assert json.loads(await afterwards.get_message())["b"] == "3003"
            for silent in (quotes, during):
                await silent.ping()
                with trio.move_on_after(0.05) as nothing:
                    await silent.get_message()
                assert nothing.cancelled_caught


async def test_a_stall_of_one_channel_leaves_the_others() -> None:
    async with rigged() as rig, connected(rig.quotes_url) as both:
        await both.send_message('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1}')
        await both.get_message()
        await rig.fault(fault="stall", channel="bookTicker", symbol=SYMBOL)
        rig.quote("3001")
        await settled(both)
        rig.sim.venue.on_trade(MarketTrade(SYMBOL, 1, Decimal(3000), Decimal(1), Side.BUY, START_MS), START_MS)
        assert json.loads(await both.get_message())["e"] == "trade"


async def test_a_stall_with_count_one_spares_new_connections() -> None:
    async with rigged() as rig, connected(rig.quotes_url) as quotes:
        await settled(quotes)
        await rig.fault(fault="stall", count=1)
        while await rig.active():
            await trio.lowlevel.checkpoint()
        async with connected(rig.quotes_url) as afterwards:
            await settled(afterwards)


async def test_a_fault_ends_when_its_time_is_over() -> None:
    async with rigged() as rig:
        await rig.fault(fault="stall", seconds=0.02)
        while await rig.active():
            await trio.lowlevel.checkpoint()


# requests


@pytest.mark.parametrize("how", ["silence", "close", "reset"])
async def test_an_order_is_executed_and_the_answer_never_comes(how: str) -> None:
    async with rigged() as rig:
        await rig.fault(fault="timeout_after_execute", endpoint="place", how=how, count=1)
        rig.rest.timeout = httpx.Timeout(0.2)
        with pytest.raises(httpx.TransportError):
            await rig.place("unknown")
        assert [order.client_order_id for order in rig.sim.venue.open_orders()] == ["unknown"]
        rig.rest.timeout = httpx.Timeout(5)
        assert (await rig.place("known")).status_code == 200
        assert await rig.active() == []


async def test_requests_are_refused_without_being_executed() -> None:
    async with rigged() as rig:
        number = await rig.fault(fault="refuse", endpoint="place", code=-1001, http=503, message="Internal error.")
        refused = await rig.place("never")
        assert (refused.status_code, refused.json()) == (503, {"code": -1001, "msg": "Internal error."})
        assert rig.sim.venue.open_orders() == []
        assert (await rig.rest.get("/fapi/v1/ping")).status_code == 200
        (listed,) = await rig.active()
        assert listed == {
            "id": number,
            "acted": 1,
            "fault": "refuse",
            "endpoint": "place",
            "code": -1001,
            "http": 503,
            "message": "Internal error.",
        }
        ledger = (await rig.control.get("/ledger")).json()
        assert [(each["code"], each["client_order_id"]) for each in ledger["refused"]] == [("-1001", "never")]
        await rig.control.delete(f"/faults/{number}")
        assert (await rig.place("now")).status_code == 200


async def test_a_refusal_can_be_about_all_requests_of_a_symbol_so_many_times() -> None:
    async with rigged() as rig:
        await rig.fault(fault="refuse", code=-1003, http=429, count=2, symbol=SYMBOL, venue="binance")
        statuses = [(await rig.rest.get(f"/fapi/v1/premiumIndex?symbol={SYMBOL}")).status_code for _ in range(3)]
        assert statuses == [429, 429, 200]


# the control interface


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ("nonsense", "JSON"),
        ("[]", "object"),
        ("{}", "fault"),
        ('{"fault":"explode"}', "$.fault"),
        ('{"fault":"drop","channl":"private"}', "channl"),
        ('{"fault":"drop","channel":"sports"}', "`channel`"),
        ('{"fault":"drop","count":0}', "$.count"),
        ('{"fault":"drop","seconds":"soon"}', "$.seconds"),
        ('{"fault":"drop","how":"gently"}', "$.how"),
        ('{"fault":"refuse","endpoint":"plaec","code":1}', "`endpoint`"),
        ('{"fault":"refuse","endpoint":"place"}', "code"),
        ('{"fault":"refuse","code":1,"http":200}', "$.http"),
        ('{"fault":"drop","venue":"nowhere"}', "`venue`"),
        ('{"fault":"drop","symbol":"BTCUSDT"}', "`symbol`"),
        ('{"fault":"timeout_after_execute"}', "endpoint"),
    ],
)
async def test_a_bad_description_is_answered_with_the_key(document: str, key: str) -> None:
    async with rigged() as rig:
        reply = await rig.control.post("/faults", content=document)
        assert reply.status_code == 400
        assert key in reply.json()["error"]
        assert await rig.active() == []


async def test_the_ledger_is_the_venues_own_truth() -> None:
    async with rigged() as rig:
        await rig.place("mine")
        for path in ("/ledger", f"/ledger?symbol={SYMBOL}", "/control/ledger"):
            ledger = (await rig.control.get(path)).json()
            assert [(order["client_order_id"], order["status"]) for order in ledger["orders"]] == [("mine", "NEW")]
            assert ledger["requests"] == {"place": {"200": 1}}
            assert ledger["limits"] == {"weight_1m": 0, "orders_10s": 1, "orders_1m": 1}
        for query, key in (("symbol=BTCUSDT", "`symbol`"), ("color=red", "`color`")):
            bad = await rig.control.get(f"/ledger?{query}")
            assert bad.status_code == 400
            assert key in bad.json()["error"]


async def test_health_start_and_what_does_not_exist() -> None:
    async with rigged() as rig:
        health = (await rig.control.get("/health")).json()
        assert (health["status"], health["venue"], health["started"], health["time"]) == (
            "ok",
            "binance",
            False,
            START_MS,
        )
        assert (await rig.control.post("/start")).json() == {"started": True}
        assert (await rig.control.get("/health")).json()["started"] is True
        for method, path in (("GET", "/nothing"), ("GET", "/a/b"), ("DELETE", "/faults/9"), ("DELETE", "/faults/x")):
            reply = await rig.control.request(method, path)
            assert reply.status_code == 404
            assert reply.json()["error"]
        assert (await rig.control.post("/step")).status_code == 409
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await rig.control.get("/ws", headers=upgrade)).status_code == 404


async def test_steps_release_one_trade_each() -> None:
    venue, lockstep = quiet_venue(), Lockstep()
    trades = [MarketTrade(SYMBOL, number, Decimal(3000), Decimal(1), Side.BUY, START_MS + number) for number in (1, 2)]
    async with rigged(venue=venue, lockstep=lockstep) as rig, trio.open_nursery() as nursery:

        async def play() -> None:
            await drive(trades, venue, clock=rig.sim.clock, speed=None, lockstep=lockstep)

        nursery.start_soon(play)
        first = (await rig.control.post("/step")).json()
        assert (first["market_ms"], first["finished"], len(venue.trades(SYMBOL))) == (START_MS + 1, False, 1)
        await rig.control.post("/step")
        assert len(venue.trades(SYMBOL)) == 2
        assert (await rig.control.post("/step")).json()["finished"] is True


def test_without_a_place_to_live_there_are_no_faults() -> None:
    with pytest.raises(BadFault, match="venue"):
        Faults().start(b'{"fault":"drop"}')


async def test_faults_that_are_not_running_say_so() -> None:
    async with running_binance() as sim:
        faults = Faults()
        faults.add_target(sim.server)
        with pytest.raises(BadFault, match="not running"):
            faults.start(b'{"fault":"drop"}')
