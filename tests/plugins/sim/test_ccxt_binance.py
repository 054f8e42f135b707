"""An independent client against a served venue: ccxt's `binanceusdm`, its REST and its WebSocket classes.

A simulator and a driver by one hand could share a misunderstanding; ccxt was written by others for the real venue.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest

SYMBOL = "ETH/USDT:USDT"
SERVE = "from opensqt_sim.cli import main; main()"
MINUTE_MS = 60_000

Json = dict[str, Any]


class Venue:
    """A venue in a process of its own."""

    def __init__(self, line: Json) -> None:
        self.line = line

    @property
    def options(self) -> Json:
        # the two look-ups are of the spot API, which a venue for futures does not have
        return {
            "apiKey": self.line["api_key"],
            "secret": self.line["secret_key"],
            "enableRateLimit": False,
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }

    def point(self, client: Any) -> Any:
        """Let a client talk to this venue instead of the real one."""
        rest, real = self.line["rest"], "https://fapi.binance.com"
        api = client.urls["api"]
        for name, url in api.items():
            if name.startswith("fapi"):
                api[name] = url.replace(real, rest)
        if "ws" in api:
            api["ws"]["linear"] = f"{self.line['ws']}/ws"
        by_url = client.get_exceptions_by_url
        # which errors codes mean, ccxt looks up by the real address
        client.get_exceptions_by_url = lambda url, kind: by_url(url.replace(rest, real), kind)
        return client

    def ledger(self) -> Json:
        with urllib.request.urlopen(f"{self.line['control']}/ledger", timeout=10) as reply:
            ledger: Json = json.loads(reply.read())
            return ledger

    def fault(self, **document: Any) -> None:
        request = urllib.request.Request(f"{self.line['control']}/faults", data=json.dumps(document).encode())
        urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    command = [sys.executable, "-c", SERVE, "serve", "--seed", "7", "--price", "3000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield Venue(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def client(venue: Venue) -> Iterator[Any]:
    rest = venue.point(ccxt.binanceusdm(venue.options))
    rest.load_markets()
    yield rest
    rest.cancel_all_orders(SYMBOL)
    for position in rest.fetch_positions([SYMBOL]):
        close = "sell" if position["side"] == "long" else "buy"
        rest.create_order(SYMBOL, "market", close, position["contracts"], params={"reduceOnly": True})
    rest.session.close()


def touch(client: Any) -> tuple[float, float]:
    book = client.fetch_order_book(SYMBOL)
    return book["bids"][0][0], book["asks"][0][0]


def below(client: Any, percent: float) -> float:
    return float(client.price_to_precision(SYMBOL, touch(client)[0] * (1 - percent / 100)))


# the market


def test_markets(client: Any) -> None:
    market = client.market(SYMBOL)
    assert (market["id"], market["base"], market["quote"], market["settle"]) == ("ETHUSDT", "ETH", "USDT", "USDT")
    assert (market["swap"], market["linear"], market["active"], market["contractSize"]) == (True, True, True, 1)
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.001
    assert market["limits"]["cost"]["min"] == 20
    assert market["limits"]["amount"] == {"min": 0.001, "max": 10_000}
    assert abs(client.fetch_time() - time.time() * 1000) < 5000


def test_tickers_and_book(client: Any) -> None:
    ticker = client.fetch_ticker(SYMBOL)
    bid, ask = touch(client)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert 0 < ask - bid < 1
    quotes = client.fetch_bids_asks([SYMBOL])[SYMBOL]
    assert quotes["bid"] < quotes["ask"]
    assert abs(client.fetch_last_prices([SYMBOL])[SYMBOL]["price"] - bid) < 30
    assert abs(client.fetch_mark_price(SYMBOL)["markPrice"] - bid) < 30


def test_candles(client: Any) -> None:
    rows = client.fetch_ohlcv(SYMBOL, "1m", limit=100)
    times = [row[0] for row in rows]
    assert len(rows) == 100
    assert times == list(range(times[0], times[0] + 100 * MINUTE_MS, MINUTE_MS))
    assert all(low <= min(first, last) <= max(first, last) <= high for _, first, high, low, last, _ in rows)
    since = client.fetch_ohlcv(SYMBOL, "5m", since=times[0], limit=3)
    assert since[0][0] >= times[0]
    assert [row[0] % (5 * MINUTE_MS) for row in since] == [0, 0, 0]


def test_public_trades(client: Any) -> None:
    trades: list[Any] = []
    deadline = time.monotonic() + 20
    while not trades and time.monotonic() < deadline:
        trades = client.fetch_trades(SYMBOL, limit=5)
    assert 1 <= len(trades) <= 5
    assert all(trade["side"] in ("buy", "sell") and trade["price"] > 0 and trade["amount"] > 0 for trade in trades)


def test_funding(client: Any) -> None:
    rate = client.fetch_funding_rate(SYMBOL)
    assert abs(rate["fundingRate"]) < 0.01
    assert rate["fundingTimestamp"] > client.milliseconds() - MINUTE_MS
    history = client.fetch_funding_rate_history(SYMBOL, limit=3)
    assert [entry["symbol"] for entry in history] == [SYMBOL] * 3
    assert history[2]["timestamp"] - history[1]["timestamp"] == 8 * 60 * MINUTE_MS
    assert client.fetch_funding_history(SYMBOL) == []
    assert client.fetch_open_interest(SYMBOL)["openInterestAmount"] >= 0


# the account


def test_balance_positions_and_own_trades(client: Any, venue: Venue) -> None:
    before = Decimal(client.fetch_balance()["info"]["totalWalletBalance"])
    assert client.fetch_positions([SYMBOL]) == []
    order = client.create_order(SYMBOL, "market", "buy", 0.05)
    assert (order["status"], order["filled"], order["side"], order["type"]) == ("closed", 0.05, "buy", "market")
    (position,) = client.fetch_positions([SYMBOL])
    assert (position["side"], position["contracts"], position["hedged"]) == ("long", 0.05, False)
    assert client.fetch_positions()[0]["entryPrice"] == position["entryPrice"]
    trades = [trade for trade in client.fetch_my_trades(SYMBOL) if trade["order"] == order["id"]]
    fills = [fill for fill in venue.ledger()["fills"] if fill["order_id"] == order["id"]]
    assert [(trade["id"], trade["price"], trade["amount"]) for trade in trades] == [
        (fill["trade_id"], float(fill["price"]), float(fill["quantity"])) for fill in fills
    ]
    assert all(trade["takerOrMaker"] == "taker" and trade["fee"]["currency"] == "USDT" for trade in trades)
    fees = sum(Decimal(fill["fee"]) for fill in fills)
    balance = client.fetch_balance()
    assert Decimal(balance["info"]["totalWalletBalance"]) == before - fees
    assert balance["USDT"]["total"] == pytest.approx(float(before - fees), abs=1)
    assert 0 < balance["USDT"]["used"] < balance["USDT"]["free"] < balance["USDT"]["total"]
    incomes = [entry for entry in client.fetch_ledger("USDT") if entry["referenceId"] == fills[-1]["trade_id"]]
    assert [entry["type"] for entry in incomes] == ["commission"]


def test_settings(client: Any) -> None:
    client.set_leverage(7, SYMBOL)
    leverage = client.fetch_leverage(SYMBOL)
    assert (leverage["longLeverage"], leverage["marginMode"]) == (7, "cross")
    client.set_leverage(5, SYMBOL)
    assert client.fetch_position_mode()["hedged"] is False
    with pytest.raises(ccxt.ExchangeError, match="-4059"):
        client.set_position_mode(False)
    assert client.fetch_trading_fee(SYMBOL).items() >= {"maker": 0.0002, "taker": 0.0005}.items()
    assert client.fetch_leverage_tiers([SYMBOL])[SYMBOL][0]["maxLeverage"] == 125


# orders


def test_limit_orders_by_both_ids(client: Any) -> None:
    price = below(client, 2)
    order = client.create_order(SYMBOL, "limit", "buy", 0.02, price, {"clientOrderId": "ccxt-1"})
    assert (order["status"], order["price"], order["amount"], order["clientOrderId"]) == ("open", price, 0.02, "ccxt-1")
    assert [each["id"] for each in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert client.fetch_open_order(order["id"], SYMBOL)["id"] == order["id"]
    by_id = client.fetch_order(order["id"], SYMBOL)
    by_client_id = client.fetch_order(None, SYMBOL, {"clientOrderId": "ccxt-1"})
    assert by_id["id"] == by_client_id["id"] == order["id"]
    assert (by_id["timeInForce"], by_id["postOnly"], by_id["filled"]) == ("GTC", False, 0)
    canceled = client.cancel_order(None, SYMBOL, {"clientOrderId": "ccxt-1"})
    assert (canceled["id"], canceled["status"]) == (order["id"], "canceled")
    assert client.fetch_open_orders(SYMBOL) == []
    assert order["id"] in [each["id"] for each in client.fetch_canceled_orders(SYMBOL)]
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(order["id"], SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("1", SYMBOL)


def test_post_only_and_reduce_only(client: Any) -> None:
    bid, ask = touch(client)
    resting = client.create_order(SYMBOL, "limit", "buy", 0.02, below(client, 1), {"postOnly": True})
    assert client.fetch_order(resting["id"], SYMBOL)["postOnly"] is True
    with pytest.raises(ccxt.InvalidOrder, match="-5022"):
        client.create_order(SYMBOL, "limit", "buy", 0.02, ask * 1.01, {"postOnly": True})
    with pytest.raises(ccxt.InvalidOrder, match="-2022"):
        client.create_order(SYMBOL, "limit", "sell", 0.02, bid * 1.02, {"reduceOnly": True})
    client.create_order(SYMBOL, "market", "buy", 0.02)
    reducing = client.create_order(SYMBOL, "limit", "sell", 0.02, bid * 1.02, {"reduceOnly": True})
    assert reducing["reduceOnly"] is True


def test_refusals_are_what_ccxt_expects_of_the_venue(client: Any, venue: Venue) -> None:
    bid, _ = touch(client)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(SYMBOL, "limit", "buy", 1000, bid * 0.99)
    with pytest.raises(ccxt.InvalidOrder, match="-4164"):
        client.create_order(SYMBOL, "limit", "buy", 0.001, bid * 0.99)
    stranger = venue.point(ccxt.binanceusdm(venue.options | {"apiKey": "stranger"}))
    with pytest.raises(ccxt.AuthenticationError):
        stranger.fetch_balance()
    forger = venue.point(ccxt.binanceusdm(venue.options | {"secret": "forged"}))
    with pytest.raises(ccxt.AuthenticationError):
        forger.fetch_balance()
    late = venue.point(ccxt.binanceusdm(venue.options))
    late.nonce = lambda: int(time.time() * 1000) - 60_000
    with pytest.raises(ccxt.InvalidNonce):
        late.fetch_balance()
    for session in (stranger.session, forger.session, late.session):
        session.close()


def test_batches(client: Any) -> None:
    price, high = below(client, 2), float(client.price_to_precision(SYMBOL, touch(client)[1] * 1.03))
    orders = client.create_orders(
        [
            {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.02, "price": price},
            {"symbol": SYMBOL, "type": "limit", "side": "sell", "amount": 0.03, "price": high},
            {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001, "price": price},
        ]
    )
    # ccxt sorts what it gets by time, and a refusal has none
    (refused,) = (order for order in orders if order["id"] is None)
    assert refused["info"]["code"] == -4164
    placed = [order for order in orders if order["id"] is not None]
    assert [(order["side"], order["price"], order["status"]) for order in placed] == [
        ("buy", price, "open"),
        ("sell", high, "open"),
    ]
    ids = [order["id"] for order in placed]
    assert [order["id"] for order in client.fetch_open_orders(SYMBOL)] == ids
    assert [order["status"] for order in client.cancel_orders(ids, SYMBOL)] == ["canceled", "canceled"]
    named = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.02, "price": price}
        | {"params": {"clientOrderId": f"named-{number}", "postOnly": True}}
        for number in range(2)
    ]
    assert [order["clientOrderId"] for order in client.create_orders(named)] == ["named-0", "named-1"]
    gone = client.cancel_orders([], SYMBOL, {"clientOrderIds": ["named-0", "named-1"]})
    assert [order["clientOrderId"] for order in gone] == ["named-0", "named-1"]


def test_edit(client: Any) -> None:
    price, other = below(client, 2), below(client, 3)
    order = client.create_order(SYMBOL, "limit", "buy", 0.02, price)
    edited = client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.03, other)
    assert (edited["id"], edited["price"], edited["amount"]) == (order["id"], other, 0.03)
    assert client.fetch_order(order["id"], SYMBOL)["price"] == other


def test_cancel_all_and_closed_orders(client: Any, venue: Venue) -> None:
    for percent in (2, 3):
        client.create_order(SYMBOL, "limit", "buy", 0.02, below(client, percent))
    filled = client.create_order(SYMBOL, "market", "sell", 0.01)
    assert len(client.fetch_open_orders(SYMBOL)) == 2
    client.cancel_all_orders(SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    closed = client.fetch_closed_orders(SYMBOL)
    assert closed[-1]["id"] == filled["id"]
    assert {order["status"] for order in closed} == {"closed"}
    words = {"FILLED": "closed", "CANCELED": "canceled", "NEW": "open", "EXPIRED": "expired"}
    assert [(order["id"], order["status"]) for order in client.fetch_orders(SYMBOL)] == [
        (order["order_id"], words[order["status"]]) for order in venue.ledger()["orders"]
    ]


def test_the_dead_mans_switch(client: Any) -> None:
    client.create_order(SYMBOL, "limit", "buy", 0.02, below(client, 2))
    client.fapiPrivatePostCountdownCancelAll({"symbol": "ETHUSDT", "countdownTime": 200})
    deadline = time.monotonic() + 20
    while client.fetch_open_orders(SYMBOL):
        assert time.monotonic() < deadline
    assert client.fetch_orders(SYMBOL)[-1]["status"] == "canceled"


# WebSockets


def watching(venue: Venue, act: Callable[[Any], Awaitable[None]]) -> None:
    """Run `act` with a WebSocket client, and leave nothing open."""

    async def main() -> None:
        pro = venue.point(ccxt.pro.binanceusdm(venue.options))
        try:
            await asyncio.wait_for(act(pro), 30)
        finally:
            await pro.close()
            await asyncio.sleep(0)

    # In a thread of its own: a browser test before this one may have left an event loop running in the main thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, main()).result()


def test_watch_ticker_candles_and_trades(venue: Venue) -> None:
    async def act(pro: Any) -> None:
        ticker, trades, candles, quotes = await asyncio.gather(
            pro.watch_ticker(SYMBOL),
            pro.watch_trades(SYMBOL),
            pro.watch_ohlcv(SYMBOL, "1m"),
            pro.watch_bids_asks([SYMBOL]),
        )
        assert ticker["symbol"] == SYMBOL
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
        assert (trades[-1]["symbol"], trades[-1]["side"] in ("buy", "sell")) == (SYMBOL, True)
        assert trades[-1]["price"] == pytest.approx(ticker["last"], rel=0.01)
        opened, first, high, low, last, volume = candles[-1]
        assert opened % MINUTE_MS == 0
        assert low <= min(first, last) <= max(first, last) <= high
        assert volume > 0
        assert quotes[SYMBOL]["bid"] < quotes[SYMBOL]["ask"]
        mark = await pro.watch_mark_price(SYMBOL)
        assert mark["markPrice"] == pytest.approx(ticker["last"], rel=0.01)

    watching(venue, act)


def test_watch_orders_own_trades_balance_and_positions(client: Any, venue: Venue) -> None:
    async def act(pro: Any) -> None:
        await pro.load_markets()
        await pro.authenticate({"type": "linear"})
        watched = [
            asyncio.ensure_future(each)
            for each in (
                pro.watch_orders(SYMBOL),
                pro.watch_my_trades(SYMBOL),
                pro.watch_balance(),
            )
        ]
        await until_connected(pro)
        order = await pro.create_order(SYMBOL, "market", "buy", 0.05)
        orders, trades, balance = await asyncio.gather(*watched)
        assert orders[-1]["id"] == order["id"]
        assert (trades[-1]["order"], trades[-1]["side"], trades[-1]["takerOrMaker"]) == (order["id"], "buy", "taker")
        ledger = venue.ledger()
        fill = next(fill for fill in ledger["fills"] if fill["trade_id"] == trades[-1]["id"])
        assert (trades[-1]["price"], trades[-1]["amount"]) == (float(fill["price"]), float(fill["quantity"]))
        assert trades[-1]["fee"] == {"cost": float(fill["fee"]), "currency": "USDT"}
        assert balance["USDT"]["total"] == pytest.approx(float(ledger["balances"][0]["wallet"]), rel=1e-6)
        while orders[-1]["status"] != "closed":
            orders = await pro.watch_orders(SYMBOL)
        assert (orders[-1]["filled"], orders[-1]["remaining"]) == (0.05, 0)
        changed = asyncio.ensure_future(pro.watch_positions([SYMBOL]))
        await asyncio.sleep(0)
        await pro.create_order(SYMBOL, "market", "sell", 0.02, params={"reduceOnly": True})
        (position,) = await changed
        assert (position["side"], position["contracts"]) == ("long", 0.03)
        resting = await pro.create_order(SYMBOL, "limit", "buy", 0.02, below(client, 2), {"postOnly": True})
        await pro.cancel_order(resting["id"], SYMBOL)
        seen = []
        while "canceled" not in seen:
            latest = (await pro.watch_orders(SYMBOL))[-1]
            if latest["id"] == resting["id"]:
                seen.append(latest["status"])

    watching(venue, act)


async def until_connected(pro: Any) -> None:
    """Wait until the user data stream is up: what happens before it is not told."""
    while not any("private" in url and each.connected.done() for url, each in pro.clients.items()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_watch_positions_begins_with_what_is_open(client: Any, venue: Venue) -> None:
    client.create_order(SYMBOL, "market", "sell", 0.04)

    async def act(pro: Any) -> None:
        (position,) = await pro.watch_positions([SYMBOL])
        assert (position["side"], position["contracts"]) == ("short", 0.04)

    watching(venue, act)


def test_a_dropped_user_stream_is_noticed_by_the_client(venue: Venue) -> None:
    async def act(pro: Any) -> None:
        await pro.load_markets()
        watched = asyncio.ensure_future(pro.watch_orders(SYMBOL))
        await until_connected(pro)
        await asyncio.to_thread(venue.fault, fault="drop", channel="private")
        with pytest.raises(ccxt.NetworkError):
            await watched

    watching(venue, act)
