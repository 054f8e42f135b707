"""The engine's values in Binance's words: the objects that REST answers with."""

from decimal import Decimal
from typing import Any

from opensqt_core.order import OrderStatus, OrderType
from opensqt_sim.model import (
    Book,
    FundingPayment,
    Premium,
    Reason,
    SimBalance,
    SimCandle,
    SimFill,
    SimOrder,
    SimPosition,
    Ticker,
)

Json = dict[str, Any]
_EIGHT = Decimal("0.00000001")
_ZERO = Decimal(0)


def plain(value: Decimal) -> str:
    """Return a number as Binance writes it: no exponent, no minus before zero."""
    return format(value, "f") if value else "0"


def money(value: Decimal) -> str:
    """Return a figure that is only shown, with eight decimals."""
    return format(value.quantize(_EIGHT) + 0, "f")


def time_in_force(order: SimOrder) -> str:
    """Return the time in force; post-only is one of them (`GTX`)."""
    return "GTX" if order.post_only else order.time_in_force.value


def status(order: SimOrder) -> str:
    """Return the status; self-trade prevention has one of its own."""
    if order.status is OrderStatus.EXPIRED and order.reason is Reason.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return order.status.value


def order_type(order: SimOrder) -> str:
    """Return the order's type."""
    return "LIMIT" if order.type is OrderType.LIMIT else "MARKET"


def order_reply(order: SimOrder, *, final: bool = True) -> Json:
    """Return the answer to a placement, change or cancel; an acknowledgement (not `final`) says NEW and no more.

    Since July 2026 it has no `avgPrice`, `cumQuote` and `time` (SDK changelog 14.0).
    """
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": status(order) if final else "NEW",
        "clientOrderId": order.client_order_id,
        "price": plain(order.price or _ZERO),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled) if final else "0",
        "cumQty": plain(order.filled) if final else "0",
        "timeInForce": time_in_force(order),
        "type": order_type(order),
        "origType": order_type(order),
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "side": order.side.name,
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade.value,
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }


def order_record(order: SimOrder) -> Json:
    """Return an order as look-ups show it."""
    record = order_reply(order)
    del record["cumQty"]
    return record | {
        "avgPrice": money(order.average_price or _ZERO),
        "cumQuote": plain(order.filled_notional),
        "time": order.created_ms,
    }


def user_trade(fill: SimFill) -> Json:
    """Return one of our executions."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": fill.side.name,
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "quoteQty": plain(fill.price * fill.quantity),
        "realizedPnl": plain(fill.realised),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.ms,
        "positionSide": "BOTH",
        "maker": fill.maker,
        "buyer": fill.side.name == "BUY",
    }


def balance(entry: SimBalance, now_ms: int) -> Json:
    """Return one asset of `/balance`."""
    return {
        "accountAlias": "SgsR",
        "asset": entry.asset,
        "balance": plain(entry.wallet),
        "crossWalletBalance": plain(entry.wallet),
        "crossUnPnl": plain(entry.unrealised),
        "availableBalance": plain(entry.available),
        "maxWithdrawAmount": plain(min(entry.available, entry.wallet)),
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def account_asset(entry: SimBalance, now_ms: int) -> Json:
    """Return one asset of `/account`."""
    return {
        "asset": entry.asset,
        "walletBalance": plain(entry.wallet),
        "unrealizedProfit": plain(entry.unrealised),
        "marginBalance": plain(entry.wallet + entry.unrealised),
        "maintMargin": plain(entry.maintenance_margin),
        "initialMargin": plain(entry.initial_margin),
        "positionInitialMargin": plain(entry.initial_margin),
        "openOrderInitialMargin": "0",
        "crossWalletBalance": plain(entry.wallet),
        "crossUnPnl": plain(entry.unrealised),
        "availableBalance": plain(entry.available),
        "maxWithdrawAmount": plain(min(entry.available, entry.wallet)),
        "marginAvailable": True,
        "updateTime": now_ms,
    }


def position_risk(position: SimPosition, *, asset: str) -> Json:
    """Return one row of `v3/positionRisk`."""
    held = abs(position.notional) / position.leverage
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "entryPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.entry_price),
        "markPrice": plain(position.mark_price),
        "unRealizedProfit": plain(position.unrealised),
        "liquidationPrice": plain(position.liquidation_price or _ZERO),
        "isolatedMargin": "0",
        "notional": plain(position.notional),
        "marginAsset": asset,
        "isolatedWallet": "0",
        "initialMargin": plain(position.initial_margin),
        "maintMargin": plain(position.maintenance_margin),
        "positionInitialMargin": plain(held),
        "openOrderInitialMargin": plain(max(_ZERO, position.initial_margin - held)),
        "adl": 2 if position.quantity else 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms,
    }


def position_risk_v2(position: SimPosition, *, asset: str, max_notional: Decimal, isolated: bool) -> Json:
    """Return one row of `v2/positionRisk`, which still has leverage and margin type."""
    return position_risk(position, asset=asset) | {
        "leverage": str(position.leverage),
        "marginType": "isolated" if isolated else "cross",
        "isAutoAddMargin": "false",
        "maxNotionalValue": plain(max_notional),
    }


def account_position(position: SimPosition) -> Json:
    """Return one position of `/account`."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "entryPrice": plain(position.entry_price),
        "breakEvenPrice": plain(position.entry_price),
        "unrealizedProfit": plain(position.unrealised),
        "isolated": False,
        "isolatedMargin": "0",
        "notional": plain(position.notional),
        "isolatedWallet": "0",
        "initialMargin": plain(position.initial_margin),
        "positionInitialMargin": plain(position.initial_margin),
        "openOrderInitialMargin": "0",
        "maintMargin": plain(position.maintenance_margin),
        "leverage": str(position.leverage),
        "updateTime": position.updated_ms,
    }


def kline(candle: SimCandle) -> list[Any]:
    """Return one row of `/klines`."""
    return [
        candle.open_time_ms,
        plain(candle.open),
        plain(candle.high),
        plain(candle.low),
        plain(candle.close),
        plain(candle.volume),
        candle.close_time_ms,
        plain(candle.quote_volume),
        candle.trades,
        plain(candle.taker_buy_volume),
        plain(candle.taker_buy_quote_volume),
        "0",
    ]


def book_ticker(symbol: str, book: Book, now_ms: int) -> Json:
    """Return best bid and offer."""
    return {
        "symbol": symbol,
        "bidPrice": plain(book.bid),
        "bidQty": plain(book.bid_quantity),
        "askPrice": plain(book.ask),
        "askQty": plain(book.ask_quantity),
        "time": now_ms,
    }


def day_ticker(ticker: Ticker) -> Json:
    """Return the last 24 hours."""
    change = ticker.last - ticker.open
    return {
        "symbol": ticker.symbol,
        "priceChange": plain(change),
        "priceChangePercent": percent(change, ticker.open),
        "weightedAvgPrice": average(ticker),
        "lastPrice": plain(ticker.last),
        "lastQty": plain(ticker.last_quantity),
        "openPrice": plain(ticker.open),
        "highPrice": plain(ticker.high),
        "lowPrice": plain(ticker.low),
        "volume": plain(ticker.volume),
        "quoteVolume": plain(ticker.quote_volume),
        "openTime": ticker.open_time_ms,
        "closeTime": ticker.close_time_ms,
        "firstId": 0,
        "lastId": 0,
        "count": ticker.trades,
    }


def percent(change: Decimal, base: Decimal) -> str:
    """Return a change in percent, three decimals."""
    return format((change * 100 / base).quantize(Decimal("0.001")), "f") if base else "0"


def average(ticker: Ticker) -> str:
    """Return the volume-weighted price of the last 24 hours."""
    return money(ticker.quote_volume / ticker.volume) if ticker.volume and ticker.quote_volume else plain(ticker.last)


def premium_index(premium: Premium, now_ms: int) -> Json:
    """Return mark price, index and expected funding."""
    return {
        "symbol": premium.symbol,
        "markPrice": money(premium.mark),
        "indexPrice": money(premium.index),
        "estimatedSettlePrice": money(premium.index),
        "lastFundingRate": money(premium.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": premium.next_funding_ms,
        "time": now_ms,
    }


def funding_income(payment: FundingPayment) -> Json:
    """Return a funding payment as income."""
    return _income("FUNDING_FEE", payment.amount, number=str(payment.payment_id)) | {
        "symbol": payment.symbol,
        "asset": payment.asset,
        "time": payment.ms,
        "tradeId": "",
    }


def fill_income(fill: SimFill) -> list[Json]:
    """Return what one execution brought and cost, as income."""
    entries = [_income("COMMISSION", -fill.fee, number=f"{fill.trade_id}1")]
    if fill.realised:
        entries.append(_income("REALIZED_PNL", fill.realised, number=f"{fill.trade_id}2"))
    shared = {"symbol": fill.symbol, "asset": fill.fee_asset, "time": fill.ms, "tradeId": str(fill.trade_id)}
    return [entry | shared for entry in entries]


def _income(kind: str, amount: Decimal, *, number: str) -> Json:
    return {"incomeType": kind, "income": plain(amount), "info": kind, "tranId": int(number)}
