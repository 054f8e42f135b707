"""Frames in, events out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from structlog.testing import capture_logs

from opensqt_core.account import Balance, Position
from opensqt_core.market import Candle, MarkPrice, TopOfBook, Trade
from opensqt_core.order import Fill, Order, OrderStatus, OrderType, Side
from opensqt_core.streams import SUBSCRIBED, Send, SessionLost
from opensqt_exchanges.binance.frames import AggregateTrade, BookTicker, KlineUpdate, MarkPriceUpdate
from opensqt_exchanges.binance.sessions import AccountSession, ClosedOnce, MarketSession, Oddities

if TYPE_CHECKING:
    from collections.abc import Callable

CANDLE = Candle(
    symbol="BTCUSDT",
    interval="1m",
    open_time_ms=1_795_361_340_000,
    open=Decimal("87640.1"),
    high=Decimal("87671.0"),
    low=Decimal("87632.5"),
    close=Decimal("87660.2"),
    volume=Decimal("41.337"),
    closed=True,
)
FILL = Fill(
    symbol="BTCUSDT",
    trade_id="998877665",
    order_id="51234567890",
    client_order_id="gw20261122000001",
    side=Side.BUY,
    price=Decimal("87650.1"),
    quantity=Decimal("0.004"),
    fee=Decimal("0.0701"),
    fee_asset="USDT",
    maker=True,
    time_ms=1_795_361_455_001,
)
ORDER = Order(
    symbol="BTCUSDT",
    order_id="51234567890",
    client_order_id="gw20261122000001",
    side=Side.BUY,
    type=OrderType.LIMIT,
    price=Decimal("87650.1"),
    quantity=Decimal("0.010"),
    filled=Decimal("0.004"),
    status=OrderStatus.PARTIALLY_FILLED,
    post_only=True,
    average_price=Decimal("87650.10"),
    updated_ms=1_795_361_455_001,
)


def told(session: Any, frame: Any) -> list[Any]:
    return list(session.received(frame if isinstance(frame, str | bytes) else json.dumps(frame), 0))


@pytest.fixture
def account() -> AccountSession:
    return AccountSession(Oddities())


@pytest.fixture
def top() -> MarketSession[TopOfBook]:
    return MarketSession("btcusdt@bookTicker", BookTicker, Oddities())


def test_a_subscription_asks_and_is_acknowledged(top: MarketSession[TopOfBook]) -> None:
    (request,) = top.opened(0)
    assert isinstance(request, Send)
    assert json.loads(request.text) == {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1}
    assert told(top, {"result": None, "id": 1}) == [SUBSCRIBED]


@pytest.mark.parametrize(
    ("stream", "shape", "name", "value"),
    [
        ("btcusdt@kline_1m", KlineUpdate, "frame_kline", CANDLE),
        (
            "btcusdt@bookTicker",
            BookTicker,
            "frame_book_ticker",
            TopOfBook(
                symbol="BTCUSDT",
                bid=Decimal("87655.1"),
                bid_quantity=Decimal("3.221"),
                ask=Decimal("87655.2"),
                ask_quantity=Decimal("1.804"),
                time_ms=1_795_361_400_299,
            ),
        ),
        (
            "btcusdt@markPrice@1s",
            MarkPriceUpdate,
            "frame_mark_price",
            MarkPrice(
                symbol="BTCUSDT",
                mark=Decimal("87655.42000000"),
                index=Decimal("87698.11000000"),
                funding_rate=Decimal("0.00006100"),
                next_funding_ms=1_795_363_200_000,
                time_ms=1_795_361_401_000,
            ),
        ),
        (
            "btcusdt@aggTrade",
            AggregateTrade,
            "frame_agg_trade",
            Trade(
                symbol="BTCUSDT",
                trade_id="4455667788",
                price=Decimal("87655.2"),
                quantity=Decimal("0.150"),
                taker_side=Side.BUY,
                time_ms=1_795_361_400_418,
            ),
        ),
    ],
)
def test_market_frames(payload: Callable[[str], Any], stream: str, shape: Any, name: str, value: object) -> None:
    session: MarketSession[Any] = MarketSession(stream, shape, Oddities())
    assert told(session, payload(name)) == [value]
    assert told(session, json.dumps(payload(name)).encode()) == [value]


def test_a_buyer_who_rested_was_sold_to(payload: Callable[[str], Any]) -> None:
    session = MarketSession("btcusdt@aggTrade", AggregateTrade, Oddities())
    assert told(session, payload("frame_agg_trade") | {"m": True})[0].taker_side is Side.SELL


@pytest.mark.parametrize(
    "frame",
    [
        {"code": 2, "msg": "Invalid request: unknown method"},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": 1},
    ],
)
def test_a_refused_subscription(top: MarketSession[TopOfBook], frame: Any) -> None:
    with pytest.raises(SessionLost, match=r"btcusdt@bookTicker: refused: .*Invalid request"):
        told(top, frame)


@pytest.mark.parametrize(
    "frame",
    ["", "nonsense", b"\xff\xfe", b'{"e":"bookTicker","s":"\xff"}', "[]", "{}", '{"e":"bookTicker","s":"BTCUSDT"}'],
)
def test_a_market_frame_that_cannot_be_understood(top: MarketSession[TopOfBook], frame: str | bytes) -> None:
    with pytest.raises(SessionLost, match="btcusdt@bookTicker: frame not understood"):
        told(top, frame)


def test_an_event_of_another_kind_is_logged_once(top: MarketSession[TopOfBook]) -> None:
    with capture_logs() as logs:
        assert told(top, {"e": "serverShutdown", "E": 1}) == []
        assert told(top, {"e": "serverShutdown", "E": 2}) == []
    assert [(log["event"], log["what"]) for log in logs] == [("event_not_known", "serverShutdown")]


def test_a_candle_is_closed_once(payload: Callable[[str], Any]) -> None:
    session = MarketSession("btcusdt@kline_1m", KlineUpdate, Oddities(), keep=ClosedOnce())

    def update(minute: int, *, closed: bool) -> Any:
        frame = payload("frame_kline")
        frame["k"] |= {"t": CANDLE.open_time_ms + minute * 60_000, "x": closed}
        return frame

    script = [(0, False), (0, False), (0, True), (0, True), (0, False), (1, False), (0, True), (1, True), (2, False)]
    heard = [candle for minute, closed in script for candle in told(session, update(minute, closed=closed))]
    assert [((candle.open_time_ms - CANDLE.open_time_ms) // 60_000, candle.closed) for candle in heard] == [
        (0, False),
        (0, False),
        (0, True),
        (1, False),
        (1, True),
        (2, False),
    ]


def test_connected_is_subscribed(account: AccountSession) -> None:
    assert list(account.opened(0)) == [SUBSCRIBED]


def test_an_execution_comes_before_its_order(account: AccountSession, payload: Callable[[str], Any]) -> None:
    assert told(account, payload("frame_order")) == [FILL, ORDER]


def order_frame(payload: Callable[[str], Any], **fields: Any) -> Any:
    frame = payload("frame_order")
    frame["o"] |= {"x": "NEW", "X": "NEW", "l": "0", "z": "0", "L": "0", "t": 0, "ap": "0"} | fields
    return frame


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"status": "NEW", "average_price": None, "filled": 0}),
        ({"x": "AMENDMENT", "p": "5"}, {"status": "NEW", "price": 5}),
        ({"x": "CANCELED", "X": "CANCELED"}, {"status": "CANCELED", "would_take": False, "reason": None}),
        ({"x": "EXPIRED", "X": "EXPIRED"}, {"status": "EXPIRED", "would_take": True}),
        ({"x": "EXPIRED", "X": "EXPIRED", "er": "11"}, {"would_take": True, "reason": "post_only"}),
        ({"x": "EXPIRED", "X": "EXPIRED", "er": "1"}, {"would_take": False, "reason": "self_trade"}),
        ({"x": "EXPIRED", "X": "EXPIRED", "z": "0.004"}, {"would_take": False, "filled": Decimal("0.004")}),
        ({"x": "EXPIRED", "X": "EXPIRED", "f": "GTC"}, {"would_take": False, "post_only": False}),
        ({"x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}, {"status": "EXPIRED", "would_take": False, "reason": "self_trade"}),
        ({"X": "EXPIRED", "f": "IOC", "er": 2}, {"reason": "immediate_or_cancel"}),
        ({"X": "EXPIRED", "er": "3"}, {"reason": "self_trade"}),
        ({"X": "EXPIRED", "er": "4"}, {"reason": "reduce_only", "would_take": False}),
        ({"X": "EXPIRED", "er": "5"}, {"reason": "liquidation"}),
        ({"X": "EXPIRED", "er": "6"}, {"reason": "good_till"}),
        ({"X": "EXPIRED", "er": "7"}, {"reason": "delisting"}),
        ({"X": "EXPIRED", "er": "8"}, {"reason": "trigger"}),
        ({"X": "EXPIRED", "er": "9"}, {"reason": "market_not_filled"}),
        ({"X": "EXPIRED", "er": "10"}, {"reason": "fill_or_kill"}),
        ({"X": "EXPIRED", "er": "12"}, {"reason": "expiry_12"}),
        ({"c": "autoclose-1795361455001"}, {"reason": "liquidation"}),
        ({"c": "adl_autoclose"}, {"reason": "adl"}),
        ({"c": "settlement_autoclose-1"}, {"reason": "settlement"}),
        ({"c": "delivery_autoclose-1"}, {"reason": "settlement"}),
        ({"c": "", "o": "MARKET", "p": "0", "R": True}, {"client_order_id": None, "type": "market", "price": None}),
    ],
)
def test_order_updates(
    account: AccountSession, payload: Callable[[str], Any], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    (order,) = told(account, order_frame(payload, **fields))
    assert isinstance(order, Order)
    described = attrs.asdict(order)
    assert {name: described[name] for name in expected} == expected


def test_an_execution_without_a_fee(account: AccountSession, payload: Callable[[str], Any]) -> None:
    frame = payload("frame_order")
    del frame["o"]["n"], frame["o"]["N"], frame["o"]["er"]
    fill, _ = told(account, frame)
    assert (fill.fee, fill.fee_asset) == (0, "USDT")


def test_a_maker_rebate_is_negative(account: AccountSession, payload: Callable[[str], Any]) -> None:
    frame = payload("frame_order")
    frame["o"]["n"] = "-0.0105"
    assert told(account, frame)[0].fee == Decimal("-0.0105")


def test_liquidations(account: AccountSession, payload: Callable[[str], Any]) -> None:
    fields = {"c": "autoclose-1", "o": "LIQUIDATION", "x": "CALCULATED", "X": "FILLED", "l": "1", "z": "1", "L": "9"}
    (order,) = told(account, order_frame(payload, **fields))
    assert (order.reason, order.status, order.type) == ("liquidation", OrderStatus.FILLED, OrderType.LIMIT)
    fill, _ = told(account, order_frame(payload, **fields, t=5))
    assert (fill.trade_id, fill.client_order_id) == ("5", "autoclose-1")


def test_account_updates(account: AccountSession, payload: Callable[[str], Any]) -> None:
    frame = payload("frame_account")
    assert told(account, frame) == [
        Balance(asset="USDT", wallet=Decimal("1024.51"), updated_ms=1_795_361_455_001),
        Position(
            symbol="BTCUSDT",
            quantity=Decimal("0.004"),
            entry_price=Decimal("87650.1"),
            unrealised=Decimal("0.02"),
            updated_ms=1_795_361_455_001,
        ),
    ]
    frame["a"]["P"][0] |= {"pa": "0", "ep": "0.00000", "up": "0"}
    assert told(account, frame)[1].quantity == 0
    del frame["a"]["P"]
    frame["a"]["m"] = "FUNDING_FEE"
    assert [type(value) for value in told(account, frame)] == [Balance]


def test_hedge_positions_are_left_out_aloud(account: AccountSession, payload: Callable[[str], Any]) -> None:
    frame = payload("frame_account")
    row = frame["a"]["P"][0]
    frame["a"]["P"] = [row | {"ps": "LONG", "pa": "0"}]
    with capture_logs() as logs:
        assert [type(value) for value in told(account, frame)] == [Balance]
        assert logs == []
        frame["a"]["P"] = [row | {"ps": "SHORT", "pa": "-1"}]
        told(account, frame)
        told(account, frame)
    assert [log["event"] for log in logs] == ["hedge_position_left_out"]


@pytest.mark.parametrize(
    "event",
    [
        "TRADE_LITE",
        "ACCOUNT_CONFIG_UPDATE",
        "MARGIN_CALL",
        "ALGO_UPDATE",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
    ],
)
def test_events_that_are_known_and_not_needed(account: AccountSession, event: str) -> None:
    with capture_logs() as logs:
        assert told(account, {"e": event, "E": 1, "T": 1}) == []
    assert logs == []


def test_unknown_events_are_logged_once_per_type() -> None:
    oddities = Oddities()
    with capture_logs() as logs:
        for event in ("NEW_THING", "OTHER_THING", "NEW_THING"):
            assert told(AccountSession(oddities), {"e": event}) == []
    assert [log["what"] for log in logs] == ["NEW_THING", "OTHER_THING"]


def test_events_of_coin_margined_futures_are_not_ours(account: AccountSession, payload: Callable[[str], Any]) -> None:
    assert told(account, payload("frame_order") | {"st": 2}) == []
    assert told(account, payload("frame_order") | {"st": 1}) == [FILL, ORDER]


def test_an_expired_key_ends_the_connection_and_is_not_quoted(account: AccountSession) -> None:
    with pytest.raises(SessionLost, match="the listenKey expired") as lost:
        told(account, {"e": "listenKeyExpired", "E": 1, "listenKey": "hush"})
    assert "hush" not in str(lost.value)


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        b"\xff",
        "[1]",
        {"result": None, "id": 3},
        {"error": {"code": 3, "msg": "no"}},
        {"e": "ORDER_TRADE_UPDATE"},
        {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT"}},
        {"e": "ACCOUNT_UPDATE", "T": 1, "a": {"B": [{"a": "USDT", "wb": "much"}]}},
        {"e": 5},
    ],
)
def test_an_account_frame_that_cannot_be_understood(account: AccountSession, frame: Any) -> None:
    with pytest.raises(SessionLost, match=r"^account: "):
        told(account, frame)


@pytest.mark.parametrize(("name", "word"), [("X", "PONDERING"), ("S", "HOLD")])
def test_words_we_do_not_know(account: AccountSession, payload: Callable[[str], Any], name: str, word: str) -> None:
    with pytest.raises(SessionLost, match=f"unknown .* '{word}'"):
        told(account, order_frame(payload, **{name: word}))
