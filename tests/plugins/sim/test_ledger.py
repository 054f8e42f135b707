"""The ledger document: its keys, its forms, and what others note in it."""

import json
from decimal import Decimal

from opensqt_core.order import NewOrder, OrderType, Side
from opensqt_sim.engine import SimVenue
from opensqt_sim.ledger import plain
from opensqt_sim.markets.instrument import known_rules
from opensqt_sim.model import Book
from opensqt_sim.rules import AccountSettings

D = Decimal

START = 1_700_006_400_000


def venue() -> SimVenue:
    rules = [known_rules(symbol, "test") for symbol in ("ETHUSDT", "BTCUSDT")]
    venue = SimVenue([each for each in rules if each is not None], AccountSettings(first_order_id=2**60))
    for symbol, bid, ask in (("ETHUSDT", "3000", "3000.01"), ("BTCUSDT", "60000", "60000.1")):
        venue.on_book(symbol, Book(D(bid), D(9), D(ask), D(9)), START, START)
    return venue


def test_the_whole_document() -> None:
    v = venue()
    v.place(
        NewOrder(symbol="ETHUSDT", side=Side.BUY, quantity=D("0.1"), type=OrderType.MARKET, client_order_id="a"), START
    )
    v.place(
        NewOrder(symbol="BTCUSDT", side=Side.SELL, quantity=D("0.01"), price=D(61000), client_order_id="b"), START + 1
    )
    v.cancel("BTCUSDT", client_order_id="b", now_ms=START + 2)
    v.on_clock(START + 3, START + 8 * 3_600_000)
    v.ledger.note_request("POST /order", 200)
    v.ledger.note_request("POST /order", 200)
    v.ledger.note_request("POST /order", 400)
    v.ledger.note_refusal(ms=5, endpoint="POST /order", code=-2019, message="margin", client_order_id="z")
    v.ledger.note_limit("weight 1m", 7)
    v.ledger.note_limit("weight 1m", 3)
    v.ledger.note_market(finished=True, market_ms=9, events=2)
    document = v.ledger.document(v)
    assert json.loads(json.dumps(document)) == document
    assert document["orders"][1] == {
        "order_id": str(2**60 + 1),
        "client_order_id": "b",
        "symbol": "BTCUSDT",
        "side": "sell",
        "type": "limit",
        "time_in_force": "GTC",
        "post_only": False,
        "reduce_only": False,
        "price": "61000",
        "quantity": "0.01",
        "filled": "0",
        "status": "CANCELED",
        "origin": "api",
        "created_ms": START + 1,
        "history": [
            {"ms": START + 1, "status": "NEW", "filled": "0", "reason": None},
            {"ms": START + 2, "status": "CANCELED", "filled": "0", "reason": "canceled"},
        ],
    }
    (fill,) = document["fills"]
    assert fill == {
        "trade_id": "1",
        "order_id": str(2**60),
        "client_order_id": "a",
        "symbol": "ETHUSDT",
        "side": "buy",
        "price": "3000.01",
        "quantity": "0.1",
        "fee": "0.15000050",
        "fee_asset": "USDT",
        "maker": False,
        "ms": START,
    }
    (funding,) = document["funding"]
    assert (funding["symbol"], funding["amount"], funding["rate"]) == ("ETHUSDT", "-0.03000005", "0.00010000")
    assert D(document["cash_flow"]["USDT"]) == -D("300.001") - D(fill["fee"]) + D(funding["amount"])
    eth, btc = document["positions"]
    assert (eth["quantity"], D(eth["entry_price"]), eth["liquidation_price"]) == ("0.1", D("3000.01"), None)
    assert (btc["symbol"], btc["quantity"], btc["realised"]) == ("BTCUSDT", "0", "0")
    (balance,) = document["balances"]
    assert D(balance["wallet"]) == 10_000 - D(fill["fee"]) + D(funding["amount"])
    assert D(balance["available"]) < D(balance["wallet"])
    assert document["refused"] == [
        {"ms": 5, "endpoint": "POST /order", "code": "-2019", "message": "margin", "client_order_id": "z"}
    ]
    assert document["requests"] == {"POST /order": {"200": 2, "400": 1}}
    assert document["limits"] == {"weight 1m": 7}
    assert document["market"] == {"finished": True, "market_ms": 9, "events": 2}


def test_one_symbol() -> None:
    v = venue()
    for symbol in ("ETHUSDT", "BTCUSDT"):
        v.place(
            NewOrder(symbol=symbol, side=Side.BUY, quantity=D("0.01"), type=OrderType.MARKET, client_order_id=symbol),
            START,
        )
    document = v.ledger.document(v, "BTCUSDT")
    assert [order["symbol"] for order in document["orders"]] == ["BTCUSDT"]
    assert [position["symbol"] for position in document["positions"]] == ["BTCUSDT"]
    assert D(document["cash_flow"]["USDT"]) == -D("600.001") - D(document["fills"][0]["fee"])


def test_look_ups_by_time_and_id() -> None:
    v = venue()
    for index in range(4):
        v.place(
            NewOrder(
                symbol="ETHUSDT", side=Side.BUY, quantity=D("0.01"), type=OrderType.MARKET, client_order_id=f"{index}"
            ),
            START + index,
        )
    first = 2**60

    def orders(**more: int) -> list[int]:
        return [order.order_id - first for order in v.orders("ETHUSDT", **more)]

    assert orders(limit=2) == [2, 3]
    assert orders(start_ms=START + 1, limit=2) == [1, 2]
    assert orders(from_id=first + 2) == [2, 3]
    assert orders(end_ms=START + 1) == [0, 1]
    assert [fill.trade_id for fill in v.fills(limit=1)] == [4]
    assert [fill.trade_id for fill in v.fills(from_id=2, limit=2)] == [2, 3]
    assert [fill.trade_id for fill in v.fills(order_id=first + 1)] == [2]
    assert [fill.trade_id for fill in v.fills(start_ms=START + 1, end_ms=START + 2)] == [2, 3]


def test_plain_decimals() -> None:
    assert [plain(D(text)) for text in ("1E+3", "1E-8", "-0.50")] == ["1000", "0.00000001", "-0.50"]
