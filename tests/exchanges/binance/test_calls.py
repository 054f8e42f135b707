"""What goes out: parameters, weights, urgency; and decimals that survive the wire."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.order import NewOrder, OrderType, Side, TimeInForce
from opensqt_core.ratelimit import Priority
from opensqt_exchanges.binance import calls
from opensqt_exchanges.binance.capabilities import CAPABILITIES, LIMITS
from opensqt_exchanges.binance.frames import BookTicker

LIMIT = NewOrder(
    symbol="BTCUSDT",
    side=Side.BUY,
    quantity=Decimal("0.010"),
    price=Decimal("87650.1"),
    client_order_id="gw20261122000001",
    post_only=True,
)
MARKET = NewOrder(
    symbol="BTCUSDT",
    side=Side.SELL,
    quantity=Decimal("1E+1"),
    client_order_id="m1",
    type=OrderType.MARKET,
    reduce_only=True,
)

positive_decimals = st.decimals(
    min_value=Decimal("1e-18"), max_value=Decimal("1e18"), allow_nan=False, allow_infinity=False
)


def test_a_post_only_order() -> None:
    call = calls.place(LIMIT).request
    assert dict(call.params) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTX",
        "quantity": "0.010",
        "price": "87650.1",
        "newClientOrderId": "gw20261122000001",
        "newOrderRespType": "ACK",
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    assert (call.method, call.path, call.priority) == ("POST", "/fapi/v1/order", Priority.PLACE)
    assert call.cost == {"orders_10s": 1, "orders_1m": 1}
    assert call.signed
    assert call.write


def test_a_market_order_that_only_reduces() -> None:
    fields = calls.order_fields(MARKET)
    assert fields["quantity"] == "10"
    assert fields["reduceOnly"] == "true"
    assert fields["newOrderRespType"] == "RESULT"
    assert "timeInForce" not in fields
    assert "price" not in fields


def test_other_times_in_force() -> None:
    order = NewOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(1),
        client_order_id="a",
        time_in_force=TimeInForce.FOK,
    )
    assert calls.order_fields(order)["timeInForce"] == "FOK"


def test_a_batch_is_one_json_list() -> None:
    call = calls.place_batch([LIMIT, MARKET]).request
    ((name, text),) = call.params
    assert name == "batchOrders"
    assert " " not in text
    assert json.loads(text) == [calls.order_fields(LIMIT), calls.order_fields(MARKET)]
    assert call.cost == {"weight": 5, "orders_10s": 5, "orders_1m": 1}


def test_a_batch_of_cancels() -> None:
    call = calls.cancel_batch("BTCUSDT", ["a", "b"]).request
    assert dict(call.params) == {"symbol": "BTCUSDT", "origClientOrderIdList": '["a","b"]'}
    assert call.priority is Priority.PROTECT


def test_ids_that_are_not_given_are_left_out() -> None:
    assert dict(calls.cancel("S", client_order_id="c", order_id=None).request.params) == {
        "symbol": "S",
        "origClientOrderId": "c",
    }
    assert dict(calls.order("S", client_order_id=None, order_id="7").request.params) == {"symbol": "S", "orderId": "7"}


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1001, 10), (1500, 10)]
)
def test_candles_weigh_by_number(limit: int, weight: int) -> None:
    assert calls.klines("S", "1m", limit=limit).request.cost == {"weight": weight}


def test_what_protects_goes_first_and_what_settles_second() -> None:
    for call in (calls.cancel_all("S"), calls.countdown_cancel_all("S", 0), calls.server_time()):
        assert call.request.priority is Priority.PROTECT
    for read in (calls.open_orders("S"), calls.user_trades_from("S", 1), calls.create_listen_key()):
        assert read.request.priority is Priority.SETTLE
        assert not read.request.write
    assert calls.book_ticker("S").request.priority is Priority.READ


def test_every_cost_has_a_limit() -> None:
    names = {limit.name for limit in LIMITS}
    for cost in (calls.place(LIMIT).request.cost, calls.place_batch([LIMIT]).request.cost):
        assert set(cost) <= names


@given(price=positive_decimals, quantity=positive_decimals)
def test_decimals_survive_the_way_out(price: Decimal, quantity: Decimal) -> None:
    order = NewOrder(symbol="S", side=Side.BUY, quantity=quantity, price=price, client_order_id="a")
    sent = calls.order_fields(order)
    assert Decimal(sent["price"]) == price
    assert Decimal(sent["quantity"]) == quantity
    assert not {"e", "E", "+"} & set(sent["price"] + sent["quantity"])
    assert json.loads(dict(calls.place_batch([order]).request.params)["batchOrders"]) == [sent]


@given(bid=positive_decimals, size=positive_decimals)
def test_decimals_survive_the_way_in(bid: Decimal, size: Decimal) -> None:
    frame = {"e": "bookTicker", "s": "S", "b": f"{bid:f}", "B": f"{size:f}", "a": str(bid), "A": str(size), "T": 1}
    top = msgspec.json.decode(json.dumps(frame), type=BookTicker).value()
    assert (top.bid, top.bid_quantity, top.ask, top.ask_quantity) == (bid, size, bid, size)
    assert top.bid.as_tuple() == Decimal(f"{bid:f}").as_tuple()


def test_the_manifest_names_what_the_driver_sends() -> None:
    assert CAPABILITIES.self_trade_prevention == calls.order_fields(LIMIT)["selfTradePreventionMode"].lower()
    assert CAPABILITIES.candle_limit == calls.CANDLE_PAGE
