"""Every request of the driver: its weight, its urgency, and how its reply is read. No I/O.

Weights are those of each endpoint's documentation, May 2026.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import attrs
import msgspec

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position
from opensqt_core.instrument import Instrument
from opensqt_core.market import FundingRate, MarkPrice, TopOfBook
from opensqt_core.order import Fill, NewOrder, Order, OrderType
from opensqt_core.ratelimit import Limit, Priority
from opensqt_core.rest import RestRequest
from opensqt_exchanges.binance.account_replies import (
    AccountConfig,
    BalanceRow,
    CommissionRow,
    IncomeRow,
    ListenKey,
    OrderRow,
    PositionRow,
    SymbolConfigRow,
    UserTradeRow,
    batch,
)
from opensqt_exchanges.binance.frames import AggregateTradeRow
from opensqt_exchanges.binance.market_replies import (
    BookTickerRow,
    ExchangeInfo,
    FundingRateRow,
    KlineRow,
    PremiumRow,
    ServerTime,
)
from opensqt_exchanges.binance.words import Refused, one, rows

T = TypeVar("T")
_Params = dict[str, str | int | None]

CANDLE_PAGE = 1500
PAGE = 1000
"""Rows in one reply of orders, fills, income or funding rates."""

_KLINE_WEIGHTS = ((99, 1), (499, 2), (1000, 5), (CANDLE_PAGE, 10))


@attrs.frozen
class Call(Generic[T]):
    """A request, and how to read its reply."""

    request: RestRequest
    understand: Callable[[bytes], T]


def _get(
    understand: Callable[[bytes], T], endpoint: str, path: str, weight: int, **params: str | int | None
) -> Call[T]:
    return _call(understand, endpoint, "GET", path, {"weight": weight}, **params)


def _call(
    understand: Callable[[bytes], T],
    endpoint: str,
    method: str,
    path: str,
    cost: Mapping[str, int],
    **params: str | int | None,
) -> Call[T]:
    given = tuple((name, str(value)) for name, value in params.items() if value is not None)
    return Call(RestRequest(endpoint=endpoint, method=method, path=path, params=given, cost=cost), understand)


def _signed(call: Call[T]) -> Call[T]:
    return Call(attrs.evolve(call.request, signed=True, priority=Priority.SETTLE), call.understand)


def _protecting(call: Call[T]) -> Call[T]:
    return Call(attrs.evolve(call.request, signed=True, write=True, priority=Priority.PROTECT), call.understand)


def _placing(call: Call[T]) -> Call[T]:
    return Call(attrs.evolve(call.request, signed=True, write=True, priority=Priority.PLACE), call.understand)


def _keyed(call: Call[T]) -> Call[T]:
    return Call(attrs.evolve(call.request, keyed=True, priority=Priority.SETTLE), call.understand)


def _nothing(_reply: bytes) -> None:
    """Read nothing: that it is a success says it all."""


def server_time() -> Call[int]:
    """Ask for the time. First in line: nothing signed can go out before."""
    call = _get(one(ServerTime), "time", "/fapi/v1/time", 1)
    return Call(attrs.evolve(call.request, priority=Priority.PROTECT), call.understand)


def exchange_info() -> Call[tuple[list[Instrument], list[Limit]]]:
    """Ask for every instrument and the allowances."""
    return _get(one(ExchangeInfo), "instruments", "/fapi/v1/exchangeInfo", 1)


def klines(symbol: str, interval: str, *, limit: int, end_ms: int | None = None) -> Call[list[KlineRow]]:
    """Ask for the newest candles, or the newest that opened up to `end_ms`."""
    weight = next(weight for most, weight in _KLINE_WEIGHTS if limit <= most)
    params: _Params = {"symbol": symbol, "interval": interval, "endTime": end_ms, "limit": limit}
    return _get(rows(KlineRow), "candles", "/fapi/v1/klines", weight, **params)


def book_ticker(symbol: str) -> Call[TopOfBook]:
    """Ask for best bid and ask."""
    return _get(one(BookTickerRow), "top_of_book", "/fapi/v1/ticker/bookTicker", 2, symbol=symbol)


def newest_trade(symbol: str) -> Call[list[AggregateTradeRow]]:
    """Ask for the last aggregate trade."""
    return _get(rows(AggregateTradeRow), "newest_trade", "/fapi/v1/aggTrades", 20, symbol=symbol, limit=1)


def premium_index(symbol: str) -> Call[MarkPrice]:
    """Ask for mark price and expected funding."""
    return _get(one(PremiumRow), "mark_price", "/fapi/v1/premiumIndex", 1, symbol=symbol)


def funding_rates(symbol: str, *, limit: int) -> Call[list[FundingRate]]:
    """Ask for settled funding rates; they have an allowance of their own (500 in 5 min), which we do not come near."""
    params: _Params = {"symbol": symbol, "limit": min(limit, PAGE)}
    return _get(rows(FundingRateRow), "funding_rates", "/fapi/v1/fundingRate", 1, **params)


def balances() -> Call[list[Balance]]:
    """Ask for the assets of the margin account."""
    return _signed(_get(rows(BalanceRow), "balances", "/fapi/v3/balance", 5))


def positions(symbol: str | None) -> Call[list[Position | None]]:
    """Ask for positions."""
    return _signed(_get(rows(PositionRow), "positions", "/fapi/v3/positionRisk", 5, symbol=symbol))


def symbol_config(symbol: str) -> Call[list[tuple[str, int, str]]]:
    """Ask for leverage and margin mode."""
    return _signed(_get(rows(SymbolConfigRow), "symbol_settings", "/fapi/v1/symbolConfig", 5, symbol=symbol))


def account_config() -> Call[bool]:
    """Ask for the position mode: a sixth of the weight of `positionSide/dual`."""
    return _signed(_get(one(AccountConfig), "account_settings", "/fapi/v1/accountConfig", 5))


def commission_rate(symbol: str) -> Call[FeeRates]:
    """Ask for fee rates."""
    return _signed(_get(one(CommissionRow), "fee_rates", "/fapi/v1/commissionRate", 20, symbol=symbol))


def open_orders(symbol: str) -> Call[list[Order]]:
    """Ask for resting orders."""
    return _signed(_get(rows(OrderRow), "open_orders", "/fapi/v1/openOrders", 1, symbol=symbol))


def order(symbol: str, *, client_order_id: str | None, order_id: str | None) -> Call[Order]:
    """Ask for one order."""
    params: _Params = {"symbol": symbol, "orderId": order_id, "origClientOrderId": client_order_id}
    return _signed(_get(one(OrderRow), "order", "/fapi/v1/order", 1, **params))


def all_orders(symbol: str, start_ms: int, end_ms: int) -> Call[list[Order]]:
    """Ask for the orders created in a span of at most seven days."""
    params: _Params = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms, "limit": PAGE}
    return _signed(_get(rows(OrderRow), "orders", "/fapi/v1/allOrders", 5, **params))


def user_trades(symbol: str, start_ms: int, end_ms: int) -> Call[list[Fill]]:
    """Ask for the fills in a span of at most seven days."""
    params: _Params = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms, "limit": PAGE}
    return _signed(_get(rows(UserTradeRow), "fills", "/fapi/v1/userTrades", 5, **params))


def user_trades_from(symbol: str, trade_id: int) -> Call[list[Fill]]:
    """Ask for the fills with this id or a higher one; the venue does not take times with it."""
    params: _Params = {"symbol": symbol, "fromId": trade_id, "limit": PAGE}
    return _signed(_get(rows(UserTradeRow), "fills", "/fapi/v1/userTrades", 5, **params))


def funding_income(symbol: str, start_ms: int) -> Call[list[FundingPayment]]:
    """Ask for funding settlements."""
    params: _Params = {"symbol": symbol, "incomeType": "FUNDING_FEE", "startTime": start_ms, "limit": PAGE}
    return _signed(_get(rows(IncomeRow), "funding_payments", "/fapi/v1/income", 30, **params))


def create_listen_key() -> Call[str]:
    """Ask for the key of the user data stream. No write: the same key comes again, however often it is asked for."""
    return _keyed(_call(one(ListenKey), "listen_key", "POST", "/fapi/v1/listenKey", {"weight": 1}))


def renew_listen_key() -> Call[None]:
    """Prolong the key's life; no write either."""
    return _keyed(_call(_nothing, "listen_key", "PUT", "/fapi/v1/listenKey", {"weight": 1}))


def order_fields(new: NewOrder) -> dict[str, str]:
    """Return a placement's parameters. Decimals go out without exponent, `reduceOnly` only where it is wanted.

    Self-trade prevention is always named, because its default differs between the single and the batch endpoint.
    """
    fields = {"symbol": new.symbol, "side": new.side.value.upper(), "type": new.type.value.upper()}
    if new.type is OrderType.LIMIT:
        fields["timeInForce"] = "GTX" if new.post_only else new.time_in_force.value
    fields["quantity"] = format(new.quantity, "f")
    if new.price is not None:
        fields["price"] = format(new.price, "f")
    if new.reduce_only:
        fields["reduceOnly"] = "true"
    return fields | {
        "newClientOrderId": new.client_order_id,
        "newOrderRespType": "ACK" if new.type is OrderType.LIMIT else "RESULT",
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def place(new: NewOrder) -> Call[Order]:
    """Place one order: no weight, one of each order count."""
    cost = {"orders_10s": 1, "orders_1m": 1}
    return _placing(_call(one(OrderRow), "place", "POST", "/fapi/v1/order", cost, **order_fields(new)))


def place_batch(orders: Sequence[NewOrder]) -> Call[list[Order | Refused]]:
    """Place up to five orders: five of the 10 s count however many they are, one of the minute's."""
    cost = {"weight": 5, "orders_10s": 5, "orders_1m": 1}
    text = _json([order_fields(new) for new in orders])
    return _placing(_call(batch(len(orders)), "place_batch", "POST", "/fapi/v1/batchOrders", cost, batchOrders=text))


def cancel(symbol: str, *, client_order_id: str | None, order_id: str | None) -> Call[Order]:
    """Cancel one order."""
    params: _Params = {"symbol": symbol, "orderId": order_id, "origClientOrderId": client_order_id}
    return _protecting(_call(one(OrderRow), "cancel", "DELETE", "/fapi/v1/order", {"weight": 1}, **params))


def cancel_batch(symbol: str, client_order_ids: Sequence[str]) -> Call[list[Order | Refused]]:
    """Cancel up to ten orders. The list is JSON without spaces."""
    params: _Params = {"symbol": symbol, "origClientOrderIdList": _json(list(client_order_ids))}
    read = batch(len(client_order_ids))
    return _protecting(_call(read, "cancel_batch", "DELETE", "/fapi/v1/batchOrders", {"weight": 1}, **params))


def cancel_all(symbol: str) -> Call[None]:
    """Cancel every open order of the symbol. The answer is `{"code": 200}`."""
    path = "/fapi/v1/allOpenOrders"
    return _protecting(_call(_nothing, "cancel_all", "DELETE", path, {"weight": 1}, symbol=symbol))


def countdown_cancel_all(symbol: str, milliseconds: int) -> Call[None]:
    """Arm or, with 0, disarm the dead-man's switch of the symbol."""
    params: _Params = {"symbol": symbol, "countdownTime": milliseconds}
    return _protecting(_call(_nothing, "dead_man", "POST", "/fapi/v1/countdownCancelAll", {"weight": 10}, **params))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
