"""The simulated Binance's REST, request by request, without sockets."""

import hashlib
import hmac
import json
import urllib.parse
from decimal import Decimal
from typing import Any

import pytest

from opensqt_core.order import Side
from opensqt_sim.faults import Faults
from opensqt_sim.rules import AccountSettings
from opensqt_sim.testing import START_MS, HandClock, move_quote, print_trade, quiet_venue
from opensqt_sim.venues.binance import BinanceServer, BinanceSettings
from opensqt_sim.venues.binance.params import signed_payload
from opensqt_sim.venues.shared.signing import hmac_sha256_hex
from opensqt_sim.wire.messages import Request, Response

DAY_MS = 86_400_000
KEY, SECRET = "SheetKeyBinance0123456789", "SheetSecretBinance0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"


class Client:
    """Signs as the documentation says, in one place or the other."""

    def __init__(self, **settings: Any) -> None:
        self.clock = HandClock()
        self.venue = quiet_venue(settings=settings.pop("account", None))
        self.server = BinanceServer(
            self.venue,
            BinanceSettings(**({"api_key": KEY, "secret_key": SECRET} | settings)),
            clock=self.clock,
            faults=Faults(),
        )

    async def send(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        response = await self.server.respond(request)
        assert isinstance(response, Response)
        return response.status, json.loads(response.body), dict(response.headers)

    async def raw(self, method: str, target: str, *, body: str = "", key: str | None = KEY) -> tuple[int, Any]:
        headers = {} if key is None else {"x-mbx-apikey": key}
        request = Request(method=method, target=target, headers=headers, body=body.encode(), peer="10.0.0.1")
        status, answer, _ = await self.send(request)
        return status, answer

    def signed(self, method: str, path: str, in_body: bool = False, /, **params: Any) -> Request:
        query = urllib.parse.urlencode({"timestamp": self.clock.ms} | params)
        query += "&signature=" + hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        return Request(
            method=method,
            target=path if in_body else f"{path}?{query}",
            headers={"x-mbx-apikey": KEY},
            body=query.encode() if in_body else b"",
            peer="10.0.0.1",
        )

    async def ask(self, method: str, path: str, **params: Any) -> Any:
        """Return the answer to a signed request that must work."""
        status, answer, _ = await self.send(self.signed(method, path, **params))
        assert status == 200, answer
        return answer

    async def code(self, method: str, path: str, **params: Any) -> int:
        """Return the code with which a signed request is refused."""
        status, answer, _ = await self.send(self.signed(method, path, **params))
        assert status == 400, answer
        assert answer["msg"]
        code: int = answer["code"]
        return code

    async def get(self, path: str) -> Any:
        """Return the answer to a public request that must work."""
        status, answer = await self.raw("GET", path, key=None)
        assert status == 200, answer
        return answer

    async def place(self, **params: Any) -> Any:
        return await self.ask("POST", "/fapi/v1/order", **(ORDER | params))

    async def refused(self, **params: Any) -> int:
        merged = {name: value for name, value in (ORDER | params).items() if value is not None}
        return await self.code("POST", "/fapi/v1/order", **merged)


ORDER = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTX",
    "quantity": "0.010",
    "price": "2990.10",
}


@pytest.fixture
def client() -> Client:
    return Client()


# signatures


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.010&price=87650.1"
            "&newClientOrderId=gw-20261122-000001&recvWindow=5000&timestamp=1795361400123",
            "4d38aadde80f118d94fdbee4099398f70fae9e2107893a7e63eb3b101940f9aa",
        ),
        (
            "batchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%2C%22side%22%3A%22SELL%22%2C%22type%22%3A%22MARKET%22"
            "%2C%22quantity%22%3A%220.010%22%7D%5D&timestamp=1795361400123",
            "829ae1e90cf726eff708dfe1765f5cd719ea17258c712aae8947ca9554973f9f",
        ),
    ],
)
def test_what_is_signed_is_what_was_sent(payload: str, signature: str) -> None:
    sent = f"{payload}&signature={signature}"
    for request in (
        Request(method="POST", target=f"/fapi/v1/order?{sent}"),
        Request(method="POST", target="/fapi/v1/order", body=sent.encode()),
        Request(method="POST", target=f"/fapi/v1/order?{payload[:10]}", body=sent[10:].encode()),
        Request(
            method="POST", target=f"/fapi/v1/order?{payload[:10]}&signature={signature}", body=payload[10:].encode()
        ),
    ):
        assert signed_payload(request) == payload.encode()
        assert hmac_sha256_hex(SECRET, signed_payload(request)) == signature


async def test_signatures_are_checked_in_query_and_body(client: Client) -> None:
    assert (await client.send(client.signed("GET", "/fapi/v3/balance")))[0] == 200
    assert (await client.send(client.signed("POST", "/fapi/v1/order", True, **ORDER)))[0] == 200
    request = client.signed("GET", "/fapi/v3/balance")
    forged = Request(method="GET", target=request.target[:-1] + "x", headers=request.headers)
    status, answer, _ = await client.send(forged)
    assert (status, answer["code"]) == (400, -1022)


async def test_keys_are_checked(client: Client) -> None:
    for key, code in ((None, -2014), ("", -2014), ("no-key", -2014), ("otherkey", -2015)):
        status, answer = await client.raw("GET", f"/fapi/v3/balance?timestamp={START_MS}&signature=00", key=key)
        assert (status, answer["code"]) == (401, code)
    status, answer = await client.raw("GET", f"/fapi/v3/balance?timestamp={START_MS}")
    assert (status, answer["code"]) == (400, -1102)


@pytest.mark.parametrize(
    ("offset", "window", "code"),
    [
        (0, None, None),
        (-5000, None, None),
        (-5001, None, -1021),
        (-5001, "5001", None),
        (-60_001, "60000", -1021),
        (0, "60001", -1131),
        (999, None, None),
        (1000, "60000", -1021),
    ],
)
async def test_time_windows(client: Client, offset: int, window: str | None, code: int | None) -> None:
    params = {"timestamp": START_MS + offset} | ({"recvWindow": window} if window else {})
    status, answer, _ = await client.send(client.signed("GET", "/fapi/v3/balance", **params))
    assert (status, answer.get("code") if status != 200 else None) == (400 if code else 200, code)


# parameters


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/fapi/v1/nothing", 404, -5000),
        ("/fapi/v1/klines", 400, -1102),
        ("/fapi/v1/klines?symbol=", 400, -1102),
        ("/fapi/v1/klines?symbol=NOPE&interval=1m", 400, -1121),
        ("/fapi/v1/klines?symbol=ETHUSDT&interval=7m", 400, -1120),
        ("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=0", 400, -1130),
        ("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=", 400, -1105),
        ("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=1e3", 400, -1100),
        ("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&nonsense=1", 400, -1104),
        ("/fapi/v1/klines?symbol=ETHUSDT&symbol=ETHUSDT&interval=1m", 400, -1101),
        ("/fapi/v1/klines?symbol=%FF&interval=1m", 400, -1100),
    ],
)
async def test_bad_parameters(client: Client, target: str, status: int, code: int) -> None:
    answer = await client.raw("GET", target, key=None)
    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_a_body_that_is_not_text_is_refused(client: Client) -> None:
    request = client.signed("POST", "/fapi/v1/order", **ORDER)
    broken = Request(method="POST", target=request.target, headers=request.headers, body=b"price=\xff\xfe")
    status, answer, _ = await client.send(broken)
    assert (status, answer["code"]) == (400, -1100)


# market data


async def test_exchange_info_tells_the_rules(client: Client) -> None:
    (symbol,) = (await client.get("/fapi/v1/exchangeInfo"))["symbols"]
    filters = {each["filterType"]: each for each in symbol["filters"]}
    assert (symbol["contractType"], symbol["status"], symbol["marginAsset"]) == ("PERPETUAL", "TRADING", "USDT")
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01"
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"
    assert filters["MIN_NOTIONAL"]["notional"] == "20"
    assert filters["PERCENT_PRICE"]["multiplierUp"] == "1.05"
    assert filters["MAX_NUM_ORDERS"]["limit"] == 200


async def test_market_data_is_the_markets(client: Client) -> None:
    for number, price in enumerate(("3000.01", "3002.00", "3001.00"), start=1):
        print_trade(client.venue, "ETHUSDT", price=price, number=number, now_ms=START_MS + number, quantity="2")
    assert await client.get("/fapi/v1/ping") == {}
    assert await client.get("/fapi/v1/time") == {"serverTime": START_MS}
    assert (await client.get("/fapi/v2/ticker/price?symbol=ETHUSDT"))["price"] == "3001.00"
    assert (await client.get("/fapi/v1/ticker/price"))[0]["symbol"] == "ETHUSDT"
    book = await client.get("/fapi/v1/ticker/bookTicker?symbol=ETHUSDT")
    assert (book["bidPrice"], book["askPrice"], book["bidQty"]) == ("3000", "3000.01", "10")
    day = await client.get("/fapi/v1/ticker/24hr?symbol=ETHUSDT")
    assert (day["lastPrice"], day["highPrice"], day["volume"], day["count"]) == ("3001.00", "3002.00", "6", 3)
    assert (day["priceChange"], day["priceChangePercent"]) == ("0.99", "0.033")
    assert (await client.get("/fapi/v1/depth?symbol=ETHUSDT&limit=5"))["asks"] == [["3000.01", "10"]]
    trades = await client.get("/fapi/v1/trades?symbol=ETHUSDT&limit=2")
    assert [(trade["id"], trade["isBuyerMaker"]) for trade in trades] == [(2, False), (3, False)]
    premium = await client.get("/fapi/v1/premiumIndex?symbol=ETHUSDT")
    assert premium["markPrice"] == "3000.00500000"
    assert premium["nextFundingTime"] % (8 * 3_600_000) == 0
    rates = await client.get("/fapi/v1/fundingRate?symbol=ETHUSDT&limit=2")
    assert [rate["fundingTime"] < START_MS for rate in rates] == [True, True]
    assert rates[0]["fundingTime"] < rates[1]["fundingTime"]
    assert await client.get("/fapi/v1/fundingInfo") == []
    assert (await client.get("/fapi/v1/openInterest?symbol=ETHUSDT"))["openInterest"] == "0"


async def test_aggregate_trades_are_paged(client: Client) -> None:
    for number in range(1, 6):
        print_trade(client.venue, "ETHUSDT", price="3000", number=number, now_ms=START_MS + number, side=Side.SELL)

    async def ids(query: str) -> list[int]:
        return [trade["a"] for trade in await client.get(f"/fapi/v1/aggTrades?symbol=ETHUSDT&{query}")]

    assert await ids("limit=2") == [4, 5]
    assert await ids("fromId=2&limit=2") == [2, 3]
    assert await ids(f"startTime={START_MS + 3}&limit=2") == [3, 4]
    assert await ids(f"endTime={START_MS + 2}") == [1, 2]


async def test_klines_have_the_documented_shape(client: Client) -> None:
    print_trade(client.venue, "ETHUSDT", price="3000.01", number=1, now_ms=START_MS + 1, quantity="2")
    print_trade(client.venue, "ETHUSDT", price="2999", number=2, now_ms=START_MS + 2, side=Side.SELL)
    rows = await client.get("/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=1000")
    assert rows == [
        [START_MS, "3000.01", "3000.01", "2999", "2999", "3", START_MS + 59_999, "8999.02", 2, "2", "6000.02", "0"]
    ]


async def test_funding_intervals_other_than_eight_hours_are_listed() -> None:
    client = Client(account=AccountSettings(funding_interval_ms=4 * 3_600_000))
    (row,) = await client.get("/fapi/v1/fundingInfo")
    assert row["fundingIntervalHours"] == 4


# placing


async def test_an_acknowledgement_has_the_documented_fields(client: Client) -> None:
    reply = await client.place(newClientOrderId="grid-1", selfTradePreventionMode="EXPIRE_MAKER")
    assert (
        reply.items()
        >= {
            "symbol": "ETHUSDT",
            "status": "NEW",
            "clientOrderId": "grid-1",
            "price": "2990.10",
            "origQty": "0.010",
            "executedQty": "0",
            "timeInForce": "GTX",
            "type": "LIMIT",
            "side": "BUY",
            "positionSide": "BOTH",
            "reduceOnly": False,
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "updateTime": START_MS,
        }.items()
    )
    assert not {"avgPrice", "cumQuote", "time"} & reply.keys()
    (record,) = await client.ask("GET", "/fapi/v1/openOrders", symbol="ETHUSDT")
    assert record.items() >= {"orderId": reply["orderId"], "avgPrice": "0.00000000", "time": START_MS}.items()


async def test_ack_and_result(client: Client) -> None:
    market = {"type": "MARKET", "symbol": "ETHUSDT", "side": "BUY", "quantity": "0.5"}
    ack = await client.ask("POST", "/fapi/v1/order", **market)
    assert (ack["status"], ack["executedQty"], ack["price"]) == ("NEW", "0", "0")
    result = await client.ask("POST", "/fapi/v1/order", newOrderRespType="RESULT", **market)
    assert (result["status"], result["executedQty"]) == ("FILLED", "0.5")
    crossing = await client.place(timeInForce="GTC", price="3000.01", newOrderRespType="RESULT")
    assert crossing["status"] == "NEW"
    record = await client.ask("GET", "/fapi/v1/order", symbol="ETHUSDT", orderId=crossing["orderId"])
    assert (record["status"], record["avgPrice"], record["cumQuote"]) == ("FILLED", "3000.01000000", "30.00010")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"side": None}, -1102),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "PEGGED"}, -1116),
        ({"timeInForce": None}, -1102),
        ({"timeInForce": "GTD"}, -1115),
        ({"quantity": None}, -1102),
        ({"quantity": "1e-2"}, -1100),
        ({"quantity": "-1"}, -1100),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0005"}, -1111),
        ({"quantity": "20000"}, -4005),
        ({"price": None}, -1102),
        ({"price": "0"}, -4001),
        ({"price": "2990.123"}, -1111),
        ({"price": "3000.01"}, -5022),
        ({"price": "3500", "timeInForce": "GTC"}, -4016),
        ({"price": "2500", "timeInForce": "GTC", "side": "SELL"}, -4024),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "100"}, -2019),
        ({"quantity": "20", "price": "3000.01", "timeInForce": "FOK"}, -2019),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "perhaps"}, -1130),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "with space"}, -1100),
        ({"newClientOrderId": ""}, -1105),
        ({"newOrderRespType": "FULL"}, -1130),
        ({"priceMatch": "QUEUE"}, -1130),
        ({"selfTradePreventionMode": "NONE"}, -1130),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -1130),
        ({"nonsense": "1"}, -1104),
        ({"type": "MARKET", "timeInForce": None}, -1106),
        ({"type": "MARKET", "price": None}, -1106),
    ],
)
async def test_orders_are_refused_with_the_documented_codes(client: Client, change: dict[str, Any], code: int) -> None:
    assert await client.refused(**change) == code
    assert client.venue.orders() == []
    refused = client.venue.ledger.document(client.venue)["refused"]
    assert [(each["endpoint"], each["code"]) for each in refused] == [("place", str(code))]


async def test_a_fill_or_kill_that_cannot_fill(client: Client) -> None:
    assert await client.refused(timeInForce="FOK") == -5021


async def test_client_ids_are_unique_among_open_orders(client: Client) -> None:
    await client.place(newClientOrderId="twice")
    assert await client.refused(newClientOrderId="twice") == -4116
    refused = client.venue.ledger.document(client.venue)["refused"]
    assert refused[0]["client_order_id"] == "twice"
    await client.ask("DELETE", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId="twice")
    await client.place(newClientOrderId="twice")


async def test_batches_have_one_outcome_each_in_order(client: Client) -> None:
    items = [
        ORDER | {"newClientOrderId": "b1"},
        ORDER | {"price": "3001"},
        ORDER | {"newClientOrderId": "b3", "reduceOnly": False, "quantity": 0.5},
        ORDER | {"nonsense": "1"},
    ]
    replies = await client.ask("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(items))
    assert [reply.get("code") for reply in replies] == [None, -5022, None, -1104]
    assert [reply.get("clientOrderId") for reply in replies] == ["b1", None, "b3", None]
    assert [order.client_order_id for order in client.venue.open_orders()] == ["b1", "b3"]


@pytest.mark.parametrize(
    ("batch", "code"),
    [("[]", -4082), (json.dumps([ORDER] * 6), -4082), ("{}", -1102), ("nonsense", -1102), ("", -1102)],
)
async def test_bad_batches(client: Client, batch: str, code: int) -> None:
    assert await client.code("POST", "/fapi/v1/batchOrders", batchOrders=batch) == code


# changing, cancelling


async def test_amending(client: Client) -> None:
    placed = await client.place(newClientOrderId="a")
    change = {"symbol": "ETHUSDT", "side": "BUY", "quantity": "0.02", "price": "2995", "orderId": placed["orderId"]}
    changed = await client.ask("PUT", "/fapi/v1/order", **change)
    assert (changed["orderId"], changed["price"], changed["origQty"]) == (placed["orderId"], "2995", "0.02")
    assert await client.code("PUT", "/fapi/v1/order", **change) == -5027
    assert await client.code("PUT", "/fapi/v1/order", **(change | {"priceMatch": "QUEUE"})) == -1130
    assert await client.code("PUT", "/fapi/v1/order", **(change | {"orderId": "77"})) == -2013
    assert await client.code("PUT", "/fapi/v1/order", **(change | {"side": "SELL"})) == -5025
    items = [change | {"price": "2996"}, {"symbol": "ETHUSDT"}, change | {"x": "y"}]
    replies = await client.ask("PUT", "/fapi/v1/batchOrders", batchOrders=json.dumps(items))
    assert [reply.get("code", reply.get("price")) for reply in replies] == ["2996", -1102, -1104]
    crossed = await client.ask("PUT", "/fapi/v1/order", **(change | {"price": "3001"}))
    assert crossed["status"] == "CANCELED"


async def test_cancelling(client: Client) -> None:
    placed = await client.place(newClientOrderId="c")
    canceled = await client.ask("DELETE", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId="c")
    assert (canceled["orderId"], canceled["status"]) == (placed["orderId"], "CANCELED")
    for again in ({"origClientOrderId": "c"}, {"orderId": placed["orderId"]}, {"orderId": "77"}):
        assert await client.code("DELETE", "/fapi/v1/order", symbol="ETHUSDT", **again) == -2011
    assert await client.code("DELETE", "/fapi/v1/order", symbol="ETHUSDT") == -1102


@pytest.mark.parametrize("name", ["orderIdList", "orderidlist"])
async def test_cancelling_several(client: Client, name: str) -> None:
    ids = [(await client.place(newClientOrderId=f"m{number}"))["orderId"] for number in range(3)]
    path = "/fapi/v1/batchOrders"
    replies = await client.ask("DELETE", path, symbol="ETHUSDT", **{name: json.dumps([ids[0], 5])})
    assert [reply.get("status", reply.get("code")) for reply in replies] == ["CANCELED", -2011]
    replies = await client.ask("DELETE", path, symbol="ETHUSDT", origClientOrderIdList='["m1"]')
    assert [reply["status"] for reply in replies] == ["CANCELED"]
    for bad, code in ((json.dumps(list(range(11))), -1130), ('["x"]', -1102), ("[]", -1130)):
        assert await client.code("DELETE", path, symbol="ETHUSDT", orderIdList=bad) == code
    assert await client.code("DELETE", path, symbol="ETHUSDT") == -1102
    done = await client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")
    assert done["code"] == 200
    assert client.venue.open_orders() == []


async def test_the_dead_mans_switch_cancels_by_wall_clock(client: Client) -> None:
    await client.place()
    reply = await client.ask("POST", "/fapi/v1/countdownCancelAll", symbol="ETHUSDT", countdownTime="30000")
    assert reply == {"symbol": "ETHUSDT", "countdownTime": "30000"}
    client.venue.on_clock(START_MS + 29_999)
    assert len(client.venue.open_orders()) == 1
    client.venue.on_clock(START_MS + 30_000)
    assert client.venue.open_orders() == []
    assert await client.code("POST", "/fapi/v1/countdownCancelAll", symbol="ETHUSDT") == -1102


# looking up


async def test_lookups_by_either_id(client: Client) -> None:
    placed = await client.place(newClientOrderId="look")
    for ids in ({"orderId": placed["orderId"]}, {"origClientOrderId": "look"}):
        for path in ("order", "openOrder"):
            assert (await client.ask("GET", f"/fapi/v1/{path}", symbol="ETHUSDT", **ids))["clientOrderId"] == "look"
    await client.ask("DELETE", "/fapi/v1/order", symbol="ETHUSDT", orderId=placed["orderId"])
    assert (await client.ask("GET", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId="look"))[
        "status"
    ] == "CANCELED"
    assert await client.code("GET", "/fapi/v1/openOrder", symbol="ETHUSDT", origClientOrderId="look") == -2013
    assert await client.code("GET", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId="never") == -2013
    assert await client.ask("GET", "/fapi/v1/openOrders") == []


async def test_unfilled_orders_are_forgotten_after_three_days_and_others_after_ninety(client: Client) -> None:
    await client.place(newClientOrderId="unfilled")
    await client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")
    await client.place(newClientOrderId="filled", timeInForce="GTC", price="3000.01")
    await client.place(newClientOrderId="resting")

    async def known(name: str) -> bool:
        request = client.signed("GET", "/fapi/v1/order", symbol="ETHUSDT", origClientOrderId=name)
        status, answer, _ = await client.send(request)
        assert status == 200 or answer["code"] == -2013
        return status == 200

    client.clock.ms = START_MS + 3 * DAY_MS
    assert [await known(name) for name in ("unfilled", "filled", "resting")] == [True, True, True]
    client.clock.ms += 1
    assert [await known(name) for name in ("unfilled", "filled", "resting")] == [False, True, True]
    recent = await client.ask("GET", "/fapi/v1/allOrders", symbol="ETHUSDT")
    assert [order["clientOrderId"] for order in recent] == ["filled", "resting"]
    client.clock.ms = START_MS + 90 * DAY_MS + 1
    assert [await known(name) for name in ("unfilled", "filled", "resting")] == [False, False, True]


async def test_history_is_asked_for_in_windows_of_a_week(client: Client) -> None:
    for number in range(4):
        client.clock.ms = START_MS + number * DAY_MS
        await client.place(newClientOrderId=f"h{number}")

    async def names(**params: Any) -> list[str]:
        rows = await client.ask("GET", "/fapi/v1/allOrders", symbol="ETHUSDT", **params)
        return [row["clientOrderId"] for row in rows]

    assert await names() == ["h0", "h1", "h2", "h3"]
    assert await names(limit=2) == ["h2", "h3"]
    assert await names(startTime=START_MS + DAY_MS, limit=2) == ["h1", "h2"]
    assert await names(endTime=START_MS + DAY_MS) == ["h0", "h1"]
    assert await names(startTime=START_MS, endTime=START_MS + DAY_MS - 1) == ["h0"]
    second = client.venue.orders()[1].order_id
    assert await names(orderId=second, limit=2) == ["h1", "h2"]
    assert len(await client.ask("GET", "/fapi/v1/allOrders")) == 4
    span = {"startTime": START_MS, "endTime": START_MS + 7 * DAY_MS + 1}
    assert await client.code("GET", "/fapi/v1/allOrders", symbol="ETHUSDT", **span) == -4165
    assert await client.code("GET", "/fapi/v1/allOrders", symbol="ETHUSDT", startTime=2, endTime=1) == -1023


# the account


async def test_balances_positions_and_trades_after_a_fill(client: Client) -> None:
    buy = await client.place(timeInForce="GTC", price="3000.01", quantity="1")
    move_quote(client.venue, "ETHUSDT", bid="3010", now_ms=START_MS + 1)
    (balance,) = await client.ask("GET", "/fapi/v3/balance")
    fee = Decimal("3000.01") * Decimal("0.0005")
    assert Decimal(balance["balance"]) == 10_000 - fee
    assert Decimal(balance["crossUnPnl"]) == Decimal("3010.005") - Decimal("3000.01")
    assert balance == (await client.ask("GET", "/fapi/v2/balance"))[0]
    for path in ("v2", "v3"):
        account = await client.ask("GET", f"/fapi/{path}/account")
        assert Decimal(account["totalWalletBalance"]) == 10_000 - fee
        assert account["assets"][0]["asset"] == "USDT"
        assert [each["positionAmt"] for each in account["positions"]] == ["1"]
    (position,) = await client.ask("GET", "/fapi/v3/positionRisk")
    assert (position["positionAmt"], position["entryPrice"]) == ("1", "3000.01")
    assert "leverage" not in position
    (old,) = await client.ask("GET", "/fapi/v2/positionRisk", symbol="ETHUSDT")
    assert (old["leverage"], old["marginType"], old["markPrice"]) == ("5", "cross", "3010.005")
    (trade,) = await client.ask("GET", "/fapi/v1/userTrades", symbol="ETHUSDT")
    assert Decimal(trade["commission"]) == fee
    assert (
        trade.items()
        >= {
            "orderId": buy["orderId"],
            "price": "3000.01",
            "qty": "1",
            "commissionAsset": "USDT",
            "maker": False,
            "buyer": True,
            "realizedPnl": "0",
            "time": START_MS,
        }.items()
    )


async def test_v3_leaves_out_flat_symbols_and_v2_does_not(client: Client) -> None:
    assert await client.ask("GET", "/fapi/v3/positionRisk") == []
    assert (await client.ask("GET", "/fapi/v3/account"))["positions"] == []
    assert len(await client.ask("GET", "/fapi/v2/positionRisk")) == 1
    (asked,) = await client.ask("GET", "/fapi/v3/positionRisk", symbol="ETHUSDT")
    assert (asked["positionAmt"], asked["liquidationPrice"]) == ("0", "0")


async def test_trades_and_income_are_paged(client: Client) -> None:
    for number in range(3):
        client.clock.ms = START_MS + number * 1000
        side, price = ("SELL", "3000") if number == 2 else ("BUY", "3000.01")
        await client.place(timeInForce="GTC", price=price, side=side, quantity="0.1")

    async def ids(**params: Any) -> list[int]:
        return [row["id"] for row in await client.ask("GET", "/fapi/v1/userTrades", symbol="ETHUSDT", **params)]

    assert await ids() == [1, 2, 3]
    assert await ids(limit=1) == [3]
    assert await ids(fromId=2, limit=1) == [2]
    assert await ids(startTime=START_MS + 1000, limit=1) == [2]
    assert await ids(orderId=client.venue.orders()[0].order_id) == [1]
    both = {"fromId": 1, "startTime": START_MS}
    assert await client.code("GET", "/fapi/v1/userTrades", symbol="ETHUSDT", **both) == -1128
    income = await client.ask("GET", "/fapi/v1/income")
    assert [row["incomeType"] for row in income] == ["COMMISSION"] * 3 + ["REALIZED_PNL"]
    assert Decimal(income[-1]["income"]) == Decimal("-0.001")
    only = await client.ask("GET", "/fapi/v1/income", incomeType="COMMISSION", startTime=START_MS, limit=1)
    assert [row["tradeId"] for row in only] == ["1"]


async def test_funding_is_income(client: Client) -> None:
    await client.place(timeInForce="GTC", price="3000.01", quantity="1")
    client.clock.ms = START_MS + 3_600_000
    move_quote(client.venue, "ETHUSDT", bid="3000", now_ms=START_MS + 3_600_000)
    (row,) = await client.ask("GET", "/fapi/v1/income", incomeType="FUNDING_FEE", symbol="ETHUSDT")
    assert (row["asset"], row["time"]) == ("USDT", START_MS + 3_600_000)
    assert Decimal(row["income"]) == Decimal("-0.3000005")


async def test_settings_of_the_account(client: Client) -> None:
    (config,) = await client.ask("GET", "/fapi/v1/symbolConfig", symbol="ETHUSDT")
    assert (config["leverage"], config["marginType"]) == (5, "CROSSED")
    reply = await client.ask("POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage="20")
    assert (reply["leverage"], client.venue.leverage("ETHUSDT")) == (20, 20)
    for bad, code in (("0", -4028), ("126", -4028), ("x", -1100)):
        assert await client.code("POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage=bad) == code
    assert await client.code("POST", "/fapi/v1/leverage", symbol="ETHUSDT") == -1102
    fees = await client.ask("GET", "/fapi/v1/commissionRate", symbol="ETHUSDT")
    assert (fees["makerCommissionRate"], fees["takerCommissionRate"]) == ("0.0002", "0.0005")
    (bracket,) = await client.ask("GET", "/fapi/v1/leverageBracket")
    assert bracket["brackets"][0]["maintMarginRatio"] == 0.005
    limits = await client.ask("GET", "/fapi/v1/rateLimit/order")
    assert {(limit["interval"], limit["limit"]) for limit in limits} == {("MINUTE", 1200), ("SECOND", 300)}


async def test_margin_type_can_be_switched_and_is_reported(client: Client) -> None:
    path = "/fapi/v1/marginType"
    assert await client.code("POST", path, symbol="ETHUSDT", marginType="CROSSED") == -4046
    assert await client.code("POST", path, symbol="ETHUSDT", marginType="BOTH") == -1130
    await client.place()
    assert await client.code("POST", path, symbol="ETHUSDT", marginType="ISOLATED") == -4047
    await client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")
    assert (await client.ask("POST", path, symbol="ETHUSDT", marginType="ISOLATED"))["code"] == 200
    (config,) = await client.ask("GET", "/fapi/v1/symbolConfig")
    assert config["marginType"] == "ISOLATED"
    assert (await client.ask("GET", "/fapi/v2/positionRisk"))[0]["marginType"] == "isolated"
    await client.place(timeInForce="GTC", price="3000.01")
    assert await client.code("POST", path, symbol="ETHUSDT", marginType="CROSSED") == -4048


async def test_in_hedge_mode_one_way_orders_are_refused(client: Client) -> None:
    path = "/fapi/v1/positionSide/dual"
    assert await client.ask("GET", path) == {"dualSidePosition": False}
    assert await client.code("POST", path, dualSidePosition="false") == -4059
    assert await client.code("POST", path) == -1102
    await client.place(timeInForce="GTC", price="3000.01")
    await client.place()
    assert await client.code("POST", path, dualSidePosition="true") == -4067
    await client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")
    assert await client.code("POST", path, dualSidePosition="true") == -4068
    await client.ask("POST", "/fapi/v1/order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.010")
    assert (await client.ask("POST", path, dualSidePosition="true"))["code"] == 200
    assert (await client.ask("GET", "/fapi/v1/accountConfig"))["dualSidePosition"] is True
    assert await client.refused() == -4061


async def test_listen_keys_live_for_an_hour(client: Client) -> None:
    path = "/fapi/v1/listenKey"
    assert (await client.raw("PUT", path))[1]["code"] == -1125
    key = (await client.raw("POST", path))[1]["listenKey"]
    assert (await client.raw("POST", path))[1]["listenKey"] == key
    client.clock.ms += 59 * 60_000
    assert (await client.raw("PUT", path))[1] == {"listenKey": key}
    client.clock.ms += 60 * 60_000
    status, answer = await client.raw("PUT", path)
    assert (status, answer["code"]) == (400, -1125)
    other = (await client.raw("POST", path))[1]["listenKey"]
    assert other != key
    assert await client.raw("DELETE", path) == (200, {})
    assert (await client.raw("DELETE", path))[1]["code"] == -1125
    assert (await client.raw("POST", path, key="wrongkey"))[1]["code"] == -2015


# allowances


async def test_weight_is_counted_in_minutes_and_told_in_a_header() -> None:
    client = Client(weight_per_minute=10, ban_patience=2, ban_seconds=120)
    used = []
    for target in ("/fapi/v1/time", "/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=1000", "/fapi/v1/nope=1"):
        _, _, headers = await client.send(Request(method="GET", target=target, peer="10.0.0.1"))
        used.append(headers.get("X-MBX-USED-WEIGHT-1M"))
    assert used == ["1", "6", None]
    status, answer = await client.raw("GET", "/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit=1500")
    assert (status, answer["code"]) == (429, -1003)
    client.clock.ms += 60_000
    assert (await client.raw("GET", "/fapi/v1/time"))[0] == 200
    assert client.venue.ledger.document(client.venue)["limits"]["weight_1m"] == 16


@pytest.mark.parametrize(("limit", "weight"), [(99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), ("x", 5)])
async def test_the_weight_of_klines_depends_on_their_number(client: Client, limit: int | str, weight: int) -> None:
    target = f"/fapi/v1/klines?symbol=ETHUSDT&interval=1m&limit={limit}"
    _, _, headers = await client.send(Request(method="GET", target=target, peer="10.0.0.1"))
    assert headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


async def test_who_goes_on_after_429_is_banned() -> None:
    client = Client(weight_per_minute=1, ban_patience=2, ban_seconds=120)
    statuses = [(await client.raw("GET", "/fapi/v1/time"))[0] for _ in range(5)]
    assert statuses == [200, 429, 429, 418, 418]
    _, answer = await client.raw("GET", "/fapi/v1/time")
    assert str(START_MS + 120_000) in answer["msg"]
    other = Request(method="GET", target="/fapi/v1/time", peer="10.0.0.2")
    assert (await client.send(other))[0] == 200
    client.clock.ms += 120_000
    assert (await client.raw("GET", "/fapi/v1/time"))[0] == 200


async def test_orders_are_counted_when_they_succeed() -> None:
    client = Client(orders_per_10s=6, orders_per_minute=3)
    _, _, headers = await client.send(client.signed("POST", "/fapi/v1/order", **ORDER))
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]) == ("1", "1")
    status, _, headers = await client.send(client.signed("POST", "/fapi/v1/order", **(ORDER | {"price": "9999"})))
    assert status == 400
    assert "X-MBX-ORDER-COUNT-10S" not in headers
    batch = client.signed("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps([ORDER]))
    _, _, headers = await client.send(batch)
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]) == ("6", "2")
    status, answer, _ = await client.send(client.signed("POST", "/fapi/v1/order", **ORDER))
    assert (status, answer["code"]) == (429, -1015)
    assert "10 SECOND" in answer["msg"]
    client.clock.ms += 10_000
    await client.place()
    client.clock.ms += 10_000
    status, answer, _ = await client.send(client.signed("POST", "/fapi/v1/order", **ORDER))
    assert "1 MINUTE" in answer["msg"]
    await client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")


async def test_requests_are_on_record_by_endpoint_and_status(client: Client) -> None:
    await client.place()
    await client.refused(price="9999")
    await client.raw("GET", "/nowhere")
    requests = client.venue.ledger.document(client.venue)["requests"]
    assert requests == {"place": {"200": 1, "400": 1}, "unknown": {"404": 1}}
