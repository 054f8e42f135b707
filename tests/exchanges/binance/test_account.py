from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position, SymbolSettings
from opensqt_core.errors import AuthFailed, OrderNotFound, Rejected, Unavailable
from opensqt_core.order import Fill, Order, OrderStatus, OrderType, Side
from opensqt_exchanges.binance import Settings
from opensqt_exchanges.binance.driver import BinanceDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.exchanges.binance.conftest import Call, Venue
    from trio.testing import MockClock

    from opensqt_core.exchange import AccountData, Exchange

DAY = 86_400_000
NOW_MS = 1_795_361_400_123
ORDER = Order(
    symbol="BTCUSDT",
    order_id="51234567890",
    client_order_id="gw20261122000001",
    side=Side.BUY,
    type=OrderType.LIMIT,
    price=Decimal("87650.10"),
    quantity=Decimal("0.010"),
    filled=Decimal("0.000"),
    status=OrderStatus.NEW,
    post_only=True,
    created_ms=1_795_361_400_130,
    updated_ms=1_795_361_400_131,
)


@pytest.fixture
def account(exchange: Exchange) -> AccountData:
    assert exchange.account is not None
    return exchange.account


class History:
    """Rows of one row a step, answered as the venue does: a span of at most seven days, at most 1000 rows."""

    def __init__(self, make: Callable[[int, int], dict[str, Any]], times: list[int], *, newest_first: bool) -> None:
        self.rows = [make(number, time) for number, time in enumerate(times)]
        self.newest_first = newest_first

    def __call__(self, call: Call) -> list[dict[str, Any]]:
        params = call.params
        assert params["limit"] == "1000"
        if "fromId" in params:
            assert "startTime" not in params
            return [row for row in self.rows if row["id"] >= int(params["fromId"])][:1000]
        start = int(params["startTime"])
        end = int(params.get("endTime", NOW_MS * 2))
        assert "endTime" not in params or end - start < 7 * DAY
        found = [row for row in self.rows if start <= row["time"] <= end]
        return found[-1000:] if self.newest_first else found[:1000]


def trade(number: int, time: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": 100 + number,
        "orderId": 7 + number % 2,
        "side": "BUY",
        "price": "1.0",
        "qty": "2",
        "commission": "0.1",
        "commissionAsset": "USDT",
        "time": time,
        "maker": True,
    }


def placed(number: int, time: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": 100 + number,
        "clientOrderId": f"c{number}",
        "side": "SELL",
        "type": "LIMIT",
        "price": "1.0",
        "origQty": "2",
        "executedQty": "0",
        "status": "CANCELED",
        "timeInForce": "GTC",
        "time": time,
    }


def income(number: int, time: int) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "income": "-0.5", "asset": "USDT", "tranId": number, "time": time}


async def test_the_fingerprint(autojump_clock: MockClock, account: AccountData) -> None:
    digest = hashlib.sha256(b"binance:SheetKeyBinance0123456789").hexdigest()
    assert account.fingerprint == digest[:12]


async def test_balances(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v3/balance", payload("balance"))
    usdt, bnb = await account.balances()
    assert usdt == Balance(
        asset="USDT",
        wallet=Decimal("1024.51000000"),
        margin=Decimal("1019.61840000"),
        available=Decimal("930.10"),
        updated_ms=1_795_361_011_222,
    )
    assert (bnb.asset, bnb.updated_ms) == ("BNB", None)


async def test_positions(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v3/positionRisk", payload("position_risk"))
    short = Position(
        symbol="BTCUSDT",
        quantity=Decimal("-0.020"),
        entry_price=Decimal("87900.0"),
        mark_price=Decimal("87655.42"),
        unrealised=Decimal("4.8916"),
        liquidation_price=Decimal("131020.5"),
        updated_ms=1_795_361_011_222,
    )
    assert await account.positions() == [short]
    assert await account.positions("BTCUSDT") == [short]
    (flat,) = await account.positions("ETHUSDT")
    assert (flat.quantity, flat.liquidation_price, flat.mark_price) == (Decimal(0), None, Decimal("3000.1"))
    assert await account.positions("XRPUSDT") == [
        Position(symbol="XRPUSDT", quantity=Decimal(0), entry_price=Decimal(0))
    ]


async def test_positions_of_hedge_mode(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    row = payload("position_risk")[0]
    empty, held = row | {"positionSide": "LONG", "positionAmt": "0"}, row | {"positionSide": "SHORT"}
    venue.answer("GET", "/fapi/v3/positionRisk", [empty], [empty, held])
    assert [position.quantity for position in await account.positions("BTCUSDT")] == [0]
    with pytest.raises(Rejected, match="hedge mode"):
        await account.positions("BTCUSDT")


async def test_settings_and_fees(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/symbolConfig", payload("symbol_config"))
    venue.answer("GET", "/fapi/v1/accountConfig", payload("account_config"))
    venue.answer("GET", "/fapi/v1/commissionRate", payload("commission_rate"))
    assert await account.symbol_settings("BTCUSDT") == SymbolSettings(
        symbol="BTCUSDT", leverage=10, margin_mode="cross", hedge_mode=False
    )
    with pytest.raises(Rejected, match="no settings for NOPEUSDT"):
        await account.symbol_settings("NOPEUSDT")
    assert await account.fee_rates("BTCUSDT") == FeeRates(maker=Decimal("-0.0001"), taker=Decimal("0.0005"))


async def test_a_margin_type_we_do_not_know(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/symbolConfig", [payload("symbol_config")[0] | {"marginType": "PORTFOLIO"}])
    with pytest.raises(Unavailable, match="unknown margin type 'PORTFOLIO'"):
        await account.symbol_settings("BTCUSDT")


async def test_an_order(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/order", payload("order"))
    venue.answer("GET", "/fapi/v1/openOrders", [payload("order")])
    assert await account.order("BTCUSDT", client_order_id="gw20261122000001") == ORDER
    assert await account.order("BTCUSDT", order_id="51234567890") == ORDER
    assert await account.open_orders("BTCUSDT") == [ORDER]
    first, second = venue.seen("/fapi/v1/order")
    assert first["origClientOrderId"] == "gw20261122000001"
    assert second["orderId"] == "51234567890"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "FILLED", "avgPrice": "87650.05"}, {"status": "FILLED", "average_price": Decimal("87650.05")}),
        ({"status": "PARTIALLY_FILLED", "executedQty": "0.004"}, {"filled": Decimal("0.004")}),
        ({"status": "CANCELED"}, {"status": "CANCELED"}),
        ({"status": "REJECTED"}, {"status": "REJECTED"}),
        ({"status": "EXPIRED"}, {"status": "EXPIRED", "would_take": False}),
        ({"status": "EXPIRED_IN_MATCH"}, {"status": "EXPIRED", "reason": "self_trade"}),
        ({"status": "NEW_ADL"}, {"status": "NEW"}),
        ({"type": "MARKET", "price": "0"}, {"type": "market", "price": None}),
        ({"type": "TRAILING_STOP_MARKET", "price": "0"}, {"type": "market"}),
        ({"type": "TAKE_PROFIT"}, {"type": "limit"}),
        ({"timeInForce": "GTC"}, {"post_only": False}),
        ({"reduceOnly": True, "side": "SELL"}, {"reduce_only": True, "side": "sell"}),
        ({"clientOrderId": ""}, {"client_order_id": None}),
    ],
)
async def test_orders_in_all_their_shapes(
    autojump_clock: MockClock,
    venue: Venue,
    account: AccountData,
    payload: Callable[[str], Any],
    fields: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    venue.answer("GET", "/fapi/v1/order", payload("order") | fields)
    order = attrs.asdict(await account.order("BTCUSDT", order_id="1"))
    assert {name: order[name] for name in expected} == expected


@pytest.mark.parametrize("fields", [{"status": "PONDERING"}, {"side": "HOLD"}, {"orderId": "x"}, {"price": None}])
async def test_an_order_that_cannot_be_understood(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any], fields: dict[str, Any]
) -> None:
    venue.answer("GET", "/fapi/v1/order", payload("order") | fields)
    with pytest.raises(Unavailable, match="order: reply not understood"):
        await account.order("BTCUSDT", order_id="1")


async def test_no_such_order(autojump_clock: MockClock, venue: Venue, account: AccountData) -> None:
    venue.answer("GET", "/fapi/v1/order", (400, {"code": -2013, "msg": "Order does not exist."}))
    with pytest.raises(OrderNotFound):
        await account.order("BTCUSDT", client_order_id="x")
    assert len(venue.seen("/fapi/v1/order")) == 1


async def test_fills(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/userTrades", payload("user_trades"))
    paid, earned = await account.fills("BTCUSDT", start_ms=1_795_361_455_001)
    assert paid == Fill(
        symbol="BTCUSDT",
        trade_id="998877665",
        order_id="51234567890",
        client_order_id=None,
        side=Side.BUY,
        price=Decimal("87650.10"),
        quantity=Decimal("0.004"),
        fee=Decimal("0.0701"),
        fee_asset="USDT",
        maker=True,
        time_ms=1_795_361_455_001,
    )
    assert (earned.fee, earned.fee_asset) == (Decimal("-0.0105"), "BNB")
    assert await account.fills("BTCUSDT", start_ms=0, order_id="51234567899") == [earned]
    assert await account.fills("BTCUSDT", start_ms=1_795_361_456_001) == [earned]


async def test_all_pages_of_fills(autojump_clock: MockClock, venue: Venue, account: AccountData) -> None:
    start = NOW_MS - 20 * DAY
    times = [start - 1, *range(start, NOW_MS, (NOW_MS - start) // 7000)]
    venue.answer("GET", "/fapi/v1/userTrades", History(trade, times, newest_first=False))
    fills = await account.fills("BTCUSDT", start_ms=start)
    assert [fill.time_ms for fill in fills] == times[1:]
    assert len({fill.trade_id for fill in fills}) == len(fills)
    mine = await account.fills("BTCUSDT", start_ms=start, order_id="8")
    assert len(mine) == pytest.approx(len(fills) / 2, abs=1)


async def test_fills_a_quiet_month_apart(autojump_clock: MockClock, venue: Venue, account: AccountData) -> None:
    start = NOW_MS - 40 * DAY
    times = [start, start + 30 * DAY, NOW_MS]
    venue.answer("GET", "/fapi/v1/userTrades", History(trade, times, newest_first=False))
    assert [fill.time_ms for fill in await account.fills("BTCUSDT", start_ms=start)] == times


async def test_nobody_asks_for_more_than_the_venue_remembers(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v1/userTrades", [])
    venue.answer("GET", "/fapi/v1/allOrders", [])
    assert await account.fills("BTCUSDT", start_ms=0) == []
    assert await account.orders("BTCUSDT", start_ms=0) == []
    for path in ("/fapi/v1/userTrades", "/fapi/v1/allOrders"):
        starts = [int(call["startTime"]) for call in venue.seen(path)]
        assert min(starts) == starts[0] == NOW_MS - 89 * DAY
        assert len(starts) == 13


@pytest.mark.parametrize("newest_first", [False, True])
async def test_all_pages_of_orders(
    autojump_clock: MockClock, venue: Venue, account: AccountData, *, newest_first: bool
) -> None:
    start = NOW_MS - 10 * DAY
    times = [start - 1, *range(start, NOW_MS, (NOW_MS - start) // 4500)]
    venue.answer("GET", "/fapi/v1/allOrders", History(placed, times, newest_first=newest_first))
    orders = await account.orders("BTCUSDT", start_ms=start)
    assert [order.created_ms for order in orders] == times[1:]
    end = start + 3 * DAY
    early = await account.orders("BTCUSDT", start_ms=start, end_ms=end)
    assert [order.created_ms for order in early] == [time for time in times if start <= time <= end]


async def test_all_pages_of_funding(
    autojump_clock: MockClock, venue: Venue, account: AccountData, payload: Callable[[str], Any]
) -> None:
    venue.answer("GET", "/fapi/v1/income", payload("income"))
    assert await account.funding_payments("BTCUSDT", start_ms=5) == [
        FundingPayment(
            symbol="BTCUSDT",
            payment_id="9689322392",
            amount=Decimal("-0.01070000"),
            asset="USDT",
            time_ms=1_795_334_400_000,
        )
    ]
    asked = venue.seen("/fapi/v1/income")[0]
    assert (asked["incomeType"], asked["startTime"], asked["symbol"]) == ("FUNDING_FEE", "5", "BTCUSDT")
    times = [time for hour in range(1250) for time in [NOW_MS - (1300 - hour) * 3_600_000] * 2]
    venue.answer("GET", "/fapi/v1/income", History(income, times, newest_first=False))
    payments = await account.funding_payments("BTCUSDT", start_ms=0)
    assert [payment.time_ms for payment in payments] == times


async def test_signed_requests_carry_the_venues_time(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v1/time", lambda _call: {"serverTime": venue.clock.now_ms() + 30_000})
    venue.answer("GET", "/fapi/v3/balance", [])
    await account.balances()
    await account.balances()
    assert [call.path for call in venue.calls] == ["/fapi/v1/time", "/fapi/v3/balance", "/fapi/v3/balance"]
    stamps = [int(call["timestamp"]) for call in venue.seen("/fapi/v3/balance")]
    assert stamps == [NOW_MS + 30_000] * 2
    assert venue.calls[1].headers["x-mbx-apikey"] == "SheetKeyBinance0123456789"


async def test_the_clock_is_measured_once_for_many(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v3/balance", [])
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(account.balances)
    assert len(venue.seen("/fapi/v1/time")) == 1


async def test_the_clock_is_measured_again_after_ten_minutes(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v3/balance", [])
    await account.balances()
    await trio.sleep(599)
    await account.balances()
    assert len(venue.seen("/fapi/v1/time")) == 1
    await trio.sleep(2)
    await account.balances()
    assert len(venue.seen("/fapi/v1/time")) == 2


async def test_an_old_measurement_will_do_while_there_is_no_new_one(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v3/balance", [])
    await account.balances()
    await trio.sleep(700)
    venue.answer("GET", "/fapi/v1/time", (500, ""))
    await account.balances()
    assert len(venue.seen("/fapi/v3/balance")) == 2


async def test_without_any_measurement_nothing_signed_goes_out(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    venue.answer("GET", "/fapi/v1/time", (500, ""))
    with pytest.raises(Unavailable):
        await account.balances()
    assert {call.path for call in venue.calls} == {"/fapi/v1/time"}


async def test_a_refused_time_is_measured_again(autojump_clock: MockClock, venue: Venue, account: AccountData) -> None:
    venue.answer("GET", "/fapi/v3/balance", (400, {"code": -1021, "msg": "Timestamp is ahead"}), [])
    assert await account.balances() == []
    assert [call.path for call in venue.calls] == ["/fapi/v1/time", "/fapi/v3/balance"] * 2


async def test_a_refusal_seen_during_bans_is_tried_once_more(
    autojump_clock: MockClock, venue: Venue, account: AccountData
) -> None:
    refused = (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})
    venue.answer("GET", "/fapi/v3/balance", refused, [])
    assert await account.balances() == []
    venue.answer("GET", "/fapi/v3/balance", refused)
    with pytest.raises(AuthFailed):
        await account.balances()
    venue.answer("GET", "/fapi/v3/balance", (401, {"code": -2014, "msg": "API-key format invalid."}))
    calls = len(venue.calls)
    with pytest.raises(AuthFailed):
        await account.balances()
    assert len(venue.calls) == calls + 1


async def test_without_keys_there_is_public_data_only(autojump_clock: MockClock, venue: Venue) -> None:
    driver = BinanceDriver(clock=venue.clock, open_client=venue.open_client, connect=venue.connect)
    async with driver.open(Settings(rest_url="http://venue.test")) as exchange:
        assert exchange.account is None
        assert exchange.trading is None
        assert await exchange.market.server_time_ms()
