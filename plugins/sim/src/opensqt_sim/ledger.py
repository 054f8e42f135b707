"""The venue's own truth as JSON (`GET <control>/ledger`): what others are compared with.

Decimals are plain strings, times integer milliseconds UTC of the wall clock, ids strings, quantities base units.
"""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from opensqt_sim.model import FundingPayment, SimFill, SimOrder, SimPosition

if TYPE_CHECKING:
    from opensqt_sim.views import VenueView


@attrs.frozen(kw_only=True)
class NotedRefusal:
    """A request the wire server refused, as the client was told."""

    ms: int
    endpoint: str
    code: str
    message: str
    client_order_id: str | None = None


class Ledger:
    """Collects what only the wire server and the pacing know; the rest it reads from the venue when asked."""

    def __init__(self) -> None:
        self._refused: list[NotedRefusal] = []
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._limits: dict[str, int] = {}
        self._market = {"finished": False, "market_ms": 0, "events": 0}

    def note_request(self, endpoint: str, status: int | str) -> None:
        """Count one request by endpoint (`POST /fapi/v1/order`) and status."""
        self._requests[endpoint][str(status)] += 1

    def note_refusal(
        self, *, ms: int, endpoint: str, code: str | int, message: str, client_order_id: str | None = None
    ) -> None:
        """Record a refused request with the code and message that the client was sent."""
        self._refused.append(
            NotedRefusal(ms=ms, endpoint=endpoint, code=str(code), message=message, client_order_id=client_order_id)
        )

    def note_limit(self, name: str, used: int) -> None:
        """Record how much of an allowance is in use; the highest is kept."""
        self._limits[name] = max(used, self._limits.get(name, 0))

    def note_market(self, *, finished: bool, market_ms: int, events: int) -> None:
        """Record how far the market has been played."""
        self._market = {"finished": finished, "market_ms": market_ms, "events": events}

    def document(self, venue: "VenueView", symbol: str | None = None) -> dict[str, Any]:
        """Return the ledger, of one symbol or of all.

        `cash_flow` is sells - buys in quote currency, minus fees, plus funding; a fee counts in the asset it was paid
        in. Once the position is closed, that is what was won or lost.
        """
        settings = venue.settings
        balance = venue.balances()[0]
        return {
            "orders": [_order(order) for order in venue.orders(symbol)],
            "fills": [_fill(fill) for fill in venue.fills(symbol)],
            "positions": [_position(position) for position in venue.positions(symbol)],
            "balances": [
                {"asset": balance.asset, "wallet": plain(balance.wallet), "available": plain(balance.available)}
            ],
            "funding": [_funding(payment) for payment in venue.funding_payments(symbol)],
            "cash_flow": {settings.asset: plain(venue.cash_flow(symbol))},
            "refused": [attrs.asdict(refusal) for refusal in self._refused],
            "requests": {endpoint: dict(counts) for endpoint, counts in self._requests.items()},
            "limits": dict(self._limits),
            "market": dict(self._market),
        }


def plain(value: Decimal) -> str:
    """Return a decimal without exponent."""
    return format(value, "f")


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _order(order: SimOrder) -> dict[str, Any]:
    return {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "time_in_force": order.time_in_force.value,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "price": _optional(order.price),
        "quantity": plain(order.quantity),
        "filled": plain(order.filled),
        "status": order.status.value,
        "origin": order.origin.value,
        "created_ms": order.created_ms,
        "history": [
            {"ms": line.ms, "status": line.status.value, "filled": plain(line.filled), "reason": line.reason}
            for line in order.history
        ],
    }


def _fill(fill: SimFill) -> dict[str, Any]:
    return {
        "trade_id": str(fill.trade_id),
        "order_id": str(fill.order_id),
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "maker": fill.maker,
        "ms": fill.ms,
    }


def _position(position: SimPosition) -> dict[str, Any]:
    return {
        "symbol": position.symbol,
        "quantity": plain(position.quantity),
        "entry_price": plain(position.entry_price),
        "realised": plain(position.realised),
        "unrealised": plain(position.unrealised),
        "liquidation_price": _optional(position.liquidation_price),
    }


def _funding(payment: FundingPayment) -> dict[str, Any]:
    return {
        "symbol": payment.symbol,
        "amount": plain(payment.amount),
        "rate": plain(payment.rate),
        "ms": payment.ms,
        "market_ms": payment.market_ms,
    }
