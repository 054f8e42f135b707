"""Each order's life from the journal's events, in the shape of the venue's ledger: one pass, one step for each."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs

from opensqt_core.journal import events as ev
from opensqt_core.order import OrderStatus, Side
from opensqt_mm.state import ZERO


@attrs.frozen(kw_only=True)
class HistoryLine:
    """One thing the venue said of an order."""

    ms: int
    status: OrderStatus
    filled: Decimal
    reason: str | None


@attrs.frozen(kw_only=True)
class OrderHistory:
    """One order that the venue is known to have accepted."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: str
    time_in_force: str
    post_only: bool
    reduce_only: bool
    price: Decimal
    quantity: Decimal
    filled: Decimal
    """Sum of its fills that the journal has."""
    status: OrderStatus
    origin: str
    created_ms: int
    history: tuple[HistoryLine, ...]


@attrs.frozen(kw_only=True)
class Refusal:
    """One placement that never became an order."""

    ms: int
    client_order_id: str
    error: str
    code: str | None
    message: str


@attrs.define
class _Life:
    intent: ev.OrderIntended
    order_id: str | None = None
    filled: Decimal = ZERO
    trade_ids: set[str] = attrs.field(factory=set)
    told: Decimal = ZERO
    ended: OrderStatus | None = None
    settled: bool = False
    lines: list[HistoryLine] = attrs.field(factory=list)

    def note(self, ms: int, status: OrderStatus, filled: Decimal, reason: str | None = None) -> None:
        """Add a line, unless the venue has only repeated itself."""
        if not self.lines or (self.lines[-1].status, self.lines[-1].filled) != (status, filled):
            self.lines.append(HistoryLine(ms=ms, status=status, filled=filled, reason=reason))

    @property
    def status(self) -> OrderStatus:
        """The venue's last word; without one, what fills and settlements say."""
        if self.ended is not None:
            return self.ended
        if self.filled >= self.intent.quantity:
            return OrderStatus.FILLED
        if self.settled:
            return OrderStatus.CANCELED
        return OrderStatus.PARTIALLY_FILLED if max(self.filled, self.told) > 0 else OrderStatus.NEW


class Histories:
    """Collects orders, fills and refusals from a journal's events in their order."""

    def __init__(self) -> None:
        self._refusals: list[Refusal] = []
        self._lives: dict[str, _Life] = {}
        self._fills: list[ev.FillBooked] = []

    def add(self, event: ev.Event) -> None:
        """Take the next event."""
        match event:
            case ev.OrderIntended():
                self._lives[event.client_order_id] = _Life(event)
            case ev.OrderAcknowledged() | ev.OrderUpdated() | ev.FillBooked() | ev.OrderRefused() | ev.OrderSettled():
                life = self._lives.get(event.client_order_id)
                if life is not None:
                    self._told(life, event)
            case _:
                pass

    def accepted(self, symbol: str) -> Iterator[OrderHistory]:
        """Yield the orders that the venue is known to have had, oldest first."""
        for life in self._lives.values():
            if life.order_id is not None:
                yield _order(life, life.order_id, symbol)

    def refused(self) -> Iterator[Refusal]:
        """Yield the placements that never became an order, oldest first."""
        yield from (each for each in self._refusals if self._lives[each.client_order_id].order_id is None)

    def fills(self, symbol: str) -> Iterator[dict[str, Any]]:
        """Yield executions as the ledger shows them, oldest first."""
        for fill in self._fills:
            yield {
                "trade_id": fill.trade_id,
                "order_id": fill.order_id,
                "client_order_id": fill.client_order_id,
                "symbol": symbol,
                "side": fill.side,
                "price": fill.price,
                "quantity": fill.quantity,
                "fee": fill.fee,
                "fee_asset": fill.fee_asset,
                "fee_quote": fill.fee_quote,
                "converted": fill.converted,
                "maker": fill.maker,
                "ms": fill.venue_ms,
            }

    def _told(
        self,
        life: _Life,
        event: ev.OrderAcknowledged | ev.OrderUpdated | ev.FillBooked | ev.OrderRefused | ev.OrderSettled,
    ) -> None:
        match event:
            case ev.OrderAcknowledged():
                life.order_id = event.order_id
                if not life.lines:
                    life.note(event.venue_ms or event.ms, OrderStatus.NEW, ZERO)
            case ev.OrderUpdated():
                life.order_id = event.order_id
                life.told = max(life.told, event.filled)
                if event.status.terminal:
                    life.ended = life.ended or event.status
                life.note(event.venue_ms or event.ms, event.status, event.filled, event.reason)
            case ev.FillBooked():
                self._filled(life, event)
            case ev.OrderRefused():
                self._refused(life, event.ms, event.error, event.code, event.message)
            case ev.OrderSettled():
                life.settled = True
                self._refused(life, event.ms, event.outcome, None, f"{event.evidence} ({event.who})")

    def _filled(self, life: _Life, event: ev.FillBooked) -> None:
        if event.trade_id not in life.trade_ids:
            life.order_id = event.order_id
            life.trade_ids.add(event.trade_id)
            life.filled += event.quantity
            self._fills.append(event)

    def _refused(self, life: _Life, ms: int, error: str, code: str | None, message: str) -> None:
        """A refusal of what the venue had accepted, or a settlement of what it had filled, is no refusal."""
        if life.order_id is None and error != "filled":
            cid = life.intent.client_order_id
            self._refusals.append(Refusal(ms=ms, client_order_id=cid, error=error, code=code, message=message))


def _order(life: _Life, order_id: str, symbol: str) -> OrderHistory:
    intent = life.intent
    return OrderHistory(
        order_id=order_id,
        client_order_id=intent.client_order_id,
        symbol=symbol,
        side=intent.side,
        type="limit",
        time_in_force="GTC",
        post_only=intent.post_only,
        reduce_only=intent.reduce_only,
        price=intent.price,
        quantity=intent.quantity,
        filled=life.filled,
        status=life.status,
        origin="api",
        created_ms=life.lines[0].ms if life.lines else intent.ms,
        history=tuple(life.lines),
    )
