"""The account's events in the words of Binance's user data stream."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from opensqt_core.order import Side
from opensqt_sim.model import (
    AccountChanged,
    Change,
    LeverageChanged,
    OrderChanged,
    Origin,
    Reason,
    SimOrder,
    VenueEvent,
)
from opensqt_sim.venues.binance import render
from opensqt_sim.venues.binance.render import plain

Json = dict[str, Any]
_ZERO = Decimal(0)

_EXPIRY = {
    Reason.SELF_TRADE: "1",
    Reason.IOC: "2",
    Reason.REDUCE_ONLY: "4",
    Reason.LIQUIDATION: "5",
    Reason.MARKET: "9",
    Reason.AMEND_WOULD_TAKE: "11",
}
"""`er`, why an order expired."""


def frames(event: VenueEvent) -> Iterator[Json]:
    """Return what the account is told of an event, in order; nothing where it does not concern the account."""
    match event:
        case OrderChanged():
            if event.change is Change.TRADE:
                yield _trade_lite(event)
            yield _order_trade_update(event)
        case AccountChanged():
            yield _account_update(event)
        case LeverageChanged():
            yield {
                "e": "ACCOUNT_CONFIG_UPDATE",
                "E": event.ms,
                "T": event.ms,
                "ac": {"s": event.symbol, "l": event.leverage},
            }


def listen_key_expired(listen_key: str, ms: int) -> Json:
    """Return the last event of a listen key."""
    return {"e": "listenKeyExpired", "E": ms, "listenKey": listen_key}


def _order_trade_update(event: OrderChanged) -> Json:
    order, fill = event.order, event.fill
    detail: Json = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.name,
        "o": "LIQUIDATION" if order.origin is Origin.LIQUIDATION else render.order_type(order),
        "f": render.time_in_force(order),
        "q": plain(order.quantity),
        "p": plain(order.price or _ZERO),
        "ap": render.money(order.average_price or _ZERO),
        "sp": "0",
        "x": event.change.value,
        "X": render.status(order),
        "i": order.order_id,
        "l": plain(fill.quantity if fill else _ZERO),
        "z": plain(order.filled),
        "L": plain(fill.price if fill else _ZERO),
        "T": event.ms,
        "t": fill.trade_id if fill else 0,
        "b": plain(_open_notional(order, Side.BUY)),
        "a": plain(_open_notional(order, Side.SELL)),
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": render.order_type(order),
        "ps": "BOTH",
        "cp": False,
        "rp": plain(fill.realised if fill else _ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.self_trade.value,
        "pm": "NONE",
        "gtd": 0,
        "er": _EXPIRY.get(order.reason, "0") if order.reason else "0",
    }
    if fill is not None:
        detail |= {"N": fill.fee_asset, "n": plain(fill.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": event.ms, "T": event.ms, "o": detail}


def _trade_lite(event: OrderChanged) -> Json:
    order, fill = event.order, event.fill
    if fill is None:
        raise ValueError(f"a TRADE of order {order.order_id} without a fill")
    return {
        "e": "TRADE_LITE",
        "E": event.ms,
        "T": event.ms,
        "s": order.symbol,
        "q": plain(order.quantity),
        "p": plain(order.price or _ZERO),
        "m": fill.maker,
        "c": order.client_order_id,
        "S": order.side.name,
        "L": plain(fill.price),
        "l": plain(fill.quantity),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def _account_update(event: AccountChanged) -> Json:
    return {
        "e": "ACCOUNT_UPDATE",
        "E": event.ms,
        "T": event.ms,
        "a": {
            "m": event.reason.value,
            "B": [
                {"a": entry.asset, "wb": plain(entry.wallet), "cw": plain(entry.wallet), "bc": "0"}
                for entry in event.balances
            ],
            "P": [
                {
                    "s": position.symbol,
                    "pa": plain(position.quantity),
                    "ep": plain(position.entry_price),
                    "bep": plain(position.entry_price),
                    "cr": plain(position.realised),
                    "up": plain(position.unrealised),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
                for position in event.positions
            ],
        },
    }


def _open_notional(order: SimOrder, side: Side) -> Decimal:
    if order.side is not side or not order.open or order.price is None:
        return _ZERO
    return order.price * order.remaining
