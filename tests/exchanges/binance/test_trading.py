from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from opensqt_core.errors import (
    AuthFailed,
    BadOrder,
    ClockSkew,
    InsufficientMargin,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    WouldTake,
)
from opensqt_core.order import NewOrder, Order, OrderStatus, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exchanges.binance.conftest import Venue
    from trio.testing import MockClock

    from opensqt_core.exchange import Exchange, Trading

ID = "gw20261122000001"
NEW = NewOrder(
    symbol="BTCUSDT",
    side=Side.BUY,
    quantity=Decimal("0.010"),
    price=Decimal("87650.1"),
    client_order_id=ID,
    post_only=True,
)
ORDER, BATCH = "/fapi/v1/order", "/fapi/v1/batchOrders"
REFUSED = {"code": -2019, "msg": "Margin is insufficient."}


@pytest.fixture
def trading(exchange: Exchange) -> Trading:
    assert exchange.trading is not None
    return exchange.trading


@pytest.fixture
def placed(payload: Callable[[str], Any]) -> dict[str, Any]:
    order: dict[str, Any] = payload("placed")
    return order


def three() -> list[NewOrder]:
    return [attrs.evolve(NEW, client_order_id=name) for name in ("a", "b", "c")]


async def test_place(autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]) -> None:
    venue.answer("POST", ORDER, placed)
    order = await trading.place(NEW)
    assert (order.client_order_id, order.status, order.filled) == (ID, OrderStatus.NEW, Decimal(0))
    assert (order.created_ms, order.average_price) == (None, None)
    (sent,) = venue.seen(ORDER)
    assert sent["timeInForce"] == "GTX"
    assert len(sent["signature"]) == 64


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ((400, {"code": -5022, "msg": "Post Only order will be rejected."}), WouldTake),
        ((400, REFUSED), InsufficientMargin),
        ((400, {"code": -4164, "msg": "Order's notional must be no smaller than 50"}), BadOrder),
        ((408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}), OutcomeUnknown),
        ((503, {"msg": "Unknown error, please check your request or try again later."}), OutcomeUnknown),
        ((503, {"code": -1008, "msg": "Server is currently overloaded"}), RateLimited),
        ((200, "half a rep"), OutcomeUnknown),
        ((200, {"orderId": 1}), OutcomeUnknown),
        (httpx.ReadTimeout("no answer"), OutcomeUnknown),
        (httpx.ConnectError("refused"), Unavailable),
    ],
)
async def test_a_placement_that_fails_is_sent_once(
    autojump_clock: MockClock, venue: Venue, trading: Trading, reply: Any, kind: type[Exception]
) -> None:
    venue.answer("POST", ORDER, reply)
    with pytest.raises(kind):
        await trading.place(NEW)
    assert len(venue.seen(ORDER)) == 1


async def test_a_placement_with_a_wrong_time_is_signed_anew_once(
    autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]
) -> None:
    skewed = (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})
    venue.answer("POST", ORDER, skewed, placed)
    assert (await trading.place(NEW)).client_order_id == ID
    assert [call.path for call in venue.calls] == ["/fapi/v1/time", ORDER] * 2
    venue.answer("POST", ORDER, skewed)
    with pytest.raises(ClockSkew):
        await trading.place(NEW)
    assert len(venue.seen(ORDER)) == 4


async def test_a_batch_has_one_outcome_for_each(
    autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]
) -> None:
    venue.answer(
        "POST",
        BATCH,
        [placed | {"clientOrderId": "a"}, REFUSED, {"code": -1007, "msg": "Timeout waiting for response"}],
    )
    first, second, third = await trading.place_batch(three())
    assert isinstance(first, Order)
    assert first.client_order_id == "a"
    assert isinstance(second, InsufficientMargin)
    assert second.code == "-2019"
    assert isinstance(third, OutcomeUnknown)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (REFUSED, InsufficientMargin),
        ((400, REFUSED), InsufficientMargin),
        ((408, {"code": -1007, "msg": "Timeout"}), OutcomeUnknown),
        ((502, "<html>"), OutcomeUnknown),
        ((401, {"code": -2015, "msg": "Invalid API-key"}), AuthFailed),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.ConnectTimeout("late"), Unavailable),
        ([REFUSED], OutcomeUnknown),
        ({"orders": []}, OutcomeUnknown),
        ([{"surprise": True}] * 3, OutcomeUnknown),
    ],
)
async def test_what_befalls_a_batch_befalls_each(
    autojump_clock: MockClock, venue: Venue, trading: Trading, reply: Any, kind: type[Exception]
) -> None:
    venue.answer("POST", BATCH, reply)
    venue.answer("DELETE", BATCH, reply)
    outcomes = await trading.place_batch(three())
    assert [type(outcome) for outcome in outcomes] == [kind] * 3
    outcomes_of_cancel = await trading.cancel_batch("BTCUSDT", ["a", "b", "c"])
    assert [type(outcome) for outcome in outcomes_of_cancel] == [kind] * 3
    assert len(venue.seen(BATCH)) == 2


async def test_a_batch_whose_answers_are_about_others(
    autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]
) -> None:
    venue.answer("POST", BATCH, [placed | {"clientOrderId": name} for name in ("b", "a", "c")])
    outcomes = await trading.place_batch(three())
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, OutcomeUnknown, Order]


async def test_an_empty_batch_is_not_sent(autojump_clock: MockClock, venue: Venue, trading: Trading) -> None:
    assert await trading.place_batch([]) == []
    assert await trading.cancel_batch("BTCUSDT", []) == []
    assert venue.calls == []


async def test_cancel(autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]) -> None:
    venue.answer("DELETE", ORDER, placed | {"status": "CANCELED", "executedQty": "0.004"})
    order = await trading.cancel("BTCUSDT", client_order_id=ID)
    assert order is not None
    assert (order.status, order.filled) == (OrderStatus.CANCELED, Decimal("0.004"))
    venue.answer("DELETE", ORDER, (400, {"code": -2011, "msg": "Unknown order sent."}))
    with pytest.raises(OrderNotFound):
        await trading.cancel("BTCUSDT", order_id="1")


async def test_cancel_batch(autojump_clock: MockClock, venue: Venue, trading: Trading, placed: dict[str, Any]) -> None:
    gone = {"code": -2011, "msg": "Unknown order sent."}
    venue.answer("DELETE", BATCH, [gone, placed | {"clientOrderId": "b", "status": "CANCELED"}])
    first, second = await trading.cancel_batch("BTCUSDT", ["a", "b"])
    assert isinstance(first, OrderNotFound)
    assert isinstance(second, Order)
    assert second.status is OrderStatus.CANCELED
    assert venue.seen(BATCH)[0]["origClientOrderIdList"] == '["a","b"]'


async def test_cancel_all_succeeds_with_code_200(autojump_clock: MockClock, venue: Venue, trading: Trading) -> None:
    venue.answer("DELETE", "/fapi/v1/allOpenOrders", {"code": 200, "msg": "The operation is done."})
    await trading.cancel_all("BTCUSDT")
    assert venue.seen("/fapi/v1/allOpenOrders")[0]["symbol"] == "BTCUSDT"


async def test_the_dead_mans_switch(autojump_clock: MockClock, venue: Venue, trading: Trading) -> None:
    path = "/fapi/v1/countdownCancelAll"
    venue.answer("POST", path, {"symbol": "BTCUSDT", "countdownTime": "60000"})
    await trading.arm_dead_man("BTCUSDT", 60)
    await trading.arm_dead_man("BTCUSDT", 0)
    assert [call["countdownTime"] for call in venue.seen(path)] == ["60000", "0"]
