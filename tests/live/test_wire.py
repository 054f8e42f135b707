import json
from decimal import Decimal

import pytest
from live_fakes import balance, candle, fill, order, position

from opensqt_core.order import OrderStatus, Side
from opensqt_live import wire


def decoded(kind: str, data: wire.Data) -> dict[str, object]:
    frame = json.loads(wire.encode(kind, data))
    assert list(frame) == ["type", "data"]
    return dict(frame)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1832.10", "1832.10"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("0E-8", "0"),
        ("-0", "0"),
        ("-0.50", "-0.50"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
    ],
)
def test_decimals_are_plain_and_exact(value: str, text: str) -> None:
    assert wire.plain(Decimal(value)) == text


def test_kline() -> None:
    assert decoded("kline", wire.Kline.of(candle(1, "101.5", "0.250"))) == {
        "type": "kline",
        "data": {
            "time": 1_700_000_100,
            "open": "100",
            "high": "110",
            "low": "90",
            "close": "101.5",
            "volume": "0.250",
        },
    }


def test_history_is_an_array_oldest_first() -> None:
    frame = decoded("history", wire.klines([candle(0), candle(1)]))
    assert [entry["time"] for entry in frame["data"]] == [1_700_000_040, 1_700_000_100]  # type: ignore[attr-defined]


def test_account() -> None:
    told = wire.Account.of(balance("1000.10", asset="usdt", margin="1001", available="900.5"), "ETHUSDT")
    assert decoded("account", told)["data"] == {
        "asset": "USDT",
        "free": "900.5",
        "balance": "1000.10",
        "marginBalance": "1001",
        "symbol": "ETHUSDT",
    }


def test_what_a_balance_lacks_counts_as_the_wallet() -> None:
    told = wire.Account.of(balance("7"), "ETHUSDT")
    assert (told.free, told.margin_balance) == ("7", "7")


def test_a_short_position_has_the_keys_of_both_older_servers() -> None:
    assert decoded("position", wire.PositionData.of(position("-0.50"), 5))["data"] == {
        "symbol": "ETHUSDT",
        "amount": "-0.50",
        "entryPrice": "99.5",
        "unrealizedPnL": "0.5",
        "holdSide": "short",
        "total": "0.50",
        "available": "0.50",
        "openPriceAvg": "99.5",
        "unrealizedPL": "0.5",
        "leverage": 5,
    }


def test_a_closed_position_has_amount_zero() -> None:
    told = wire.PositionData.of(position("0.000"), 5)
    assert (told.amount, told.holdSide, told.unrealizedPnL) == ("0", "none", "0")
    assert wire.PositionData.of(position("2"), 5).holdSide == "long"


@pytest.mark.parametrize("status", OrderStatus)
def test_order_statuses_are_the_six_words(status: OrderStatus) -> None:
    told = wire.OrderData.of(order("8389765523017459000", status, side=Side.SELL))
    assert decoded("orders", told)["data"] == {
        "id": "8389765523017459000",
        "price": "100.50",
        "side": "SELL",
        "status": status.value,
        "type": "LIMIT",
        "symbol": "ETHUSDT",
    }


def test_a_market_order_has_price_zero() -> None:
    told = wire.OrderData.of(order(price=None))
    assert (told.price, told.type, told.side) == ("0", "MARKET", "BUY")


def test_trade_event_tells_this_fill_in_seconds() -> None:
    assert decoded("trade_event", wire.TradeEvent.of(fill("7", 1_700_000_040_999)))["data"] == {
        "side": "sell",
        "price": "100.50",
        "amount": "0.010",
        "symbol": "ETHUSDT",
        "time": 1_700_000_040,
    }


def test_the_body_of_older_candles_is_the_array_itself() -> None:
    assert len(json.loads(wire.encode_klines([candle(0), candle(1)]))) == 2
