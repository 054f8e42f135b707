"""A second opinion on the fold: plain dicts and unit lots, where a slot's state is derived instead of stepped.

Quantities are whole units of `UNIT`. What a slot holds is a queue of single units, so that first-in-first-out needs no
arithmetic; fees are multiples of the quantity, so that shares of them are exact.
"""

from collections import deque
from decimal import Decimal
from typing import Any

from opensqt_core.journal import events as ev
from opensqt_core.order import Side

UNIT = Decimal("0.001")


class Reference:
    """What should be known after the same events."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.units: dict[int, deque[tuple[Decimal, Decimal]]] = {}
        self.short: dict[int, list[tuple[int, Decimal]]] = {}
        self.moved: dict[int, int] = {}
        self.live: dict[int, str] = {}
        self.realised = Decimal(0)
        self.trips = 0
        self.cash = Decimal(0)
        """Quote currency, foreign fees at their quote value."""
        self.fees: dict[str, Decimal] = {}
        self.funding = Decimal(0)
        self.external = Decimal(0)
        self.payments: set[str] = set()
        self.foreign: set[str] = set()

    def state_of(self, level: int) -> str:
        """Derive where a slot must be."""
        name = self.live.get(level)
        if name is None:
            return "HELD" if self.units.get(level) or self.short.get(level) else "EMPTY"
        order = self.orders[name]
        if order["doubt"]:
            return "UNKNOWN"
        if order["cancelling"]:
            return "CANCELLING"
        return f"{order['side'].name}_{'OPEN' if order['accepted'] else 'PENDING'}"

    def held(self, level: int) -> Decimal:
        """Buys less sells of the level's own orders, plus what was moved."""
        total = self.moved.get(level, 0)
        for order in self.orders.values():
            if order["level"] == level:
                total += order["side"].sign * sum(order["fills"].values())
        return total * UNIT

    def lots_cost(self) -> Decimal:
        """What everything still held has cost, fees included; short lots count with their sale price."""
        owned = sum((price * UNIT + fee for queue in self.units.values() for price, fee in queue), Decimal(0))
        return owned - sum(
            (count * UNIT * price for shorts in self.short.values() for count, price in shorts), Decimal(0)
        )

    @property
    def position(self) -> Decimal:
        """Of our own fills and adoptions."""
        return sum(
            (self.held(level) for level in {*self.moved, *(o["level"] for o in self.orders.values())}), Decimal(0)
        )

    def apply(self, event: ev.Event) -> None:
        """Take one event."""
        name = f"on_{type(event).__name__}"
        if hasattr(self, name):
            getattr(self, name)(event)

    def on_OrderIntended(self, event: ev.OrderIntended) -> None:  # noqa: N802
        self.live[event.level] = event.client_order_id
        self.orders[event.client_order_id] = {
            "level": event.level,
            "side": event.side,
            "quantity": int(event.quantity / UNIT),
            "fills": {},
            "told": 0,
            "over": False,
            "ended": False,
            "accepted": False,
            "named": False,
            "doubt": False,
            "cancelling": False,
        }

    def _live(self, event: Any) -> dict[str, Any] | None:
        order = self.orders.get(event.client_order_id)
        return None if order is None or order["ended"] else order

    def _end(self, order: dict[str, Any]) -> None:
        order["ended"] = True
        del self.live[order["level"]]

    def _maybe_end(self, order: dict[str, Any]) -> None:
        known = sum(order["fills"].values())
        if known >= order["quantity"] or (order["over"] and known >= order["told"]):
            self._end(order)
        elif order["over"]:
            order["doubt"] = True

    def on_OrderAcknowledged(self, event: ev.OrderAcknowledged) -> None:  # noqa: N802
        order = self._live(event)
        if order is not None and not order["accepted"]:
            order["accepted"] = True
            if not order["cancelling"] and not order["over"]:
                order["doubt"] = False

    def on_OrderRefused(self, event: ev.OrderRefused) -> None:  # noqa: N802
        order = self._live(event)
        if order is None:
            return
        if order["accepted"]:
            order["doubt"] = True
        else:
            self._end(order)

    def on_OrderDoubted(self, event: ev.OrderDoubted) -> None:  # noqa: N802
        order = self._live(event)
        if order is not None:
            order["doubt"] = True

    def on_OrderUpdated(self, event: ev.OrderUpdated) -> None:  # noqa: N802
        order = self._live(event)
        if order is None:
            return
        told = int(event.filled / UNIT)
        if event.status.terminal:
            order.update(accepted=True, over=True, told=max(order["told"], told))
            self._maybe_end(order)
        elif not order["over"]:
            order.update(accepted=True, told=max(order["told"], told))
            if order["doubt"] and (event.source == "lookup" or not order["cancelling"]):
                order.update(doubt=False, cancelling=False)

    def on_OrderSettled(self, event: ev.OrderSettled) -> None:  # noqa: N802
        order = self._live(event)
        if order is not None:
            order.update(over=True, told=max(sum(order["fills"].values()), int(event.filled / UNIT)))
            self._maybe_end(order)

    def on_CancelIntended(self, event: ev.CancelIntended) -> None:  # noqa: N802
        self.orders[event.client_order_id]["cancelling"] = True

    def on_CancelRefused(self, event: ev.CancelRefused) -> None:  # noqa: N802
        order = self._live(event)
        if order is not None and not order["doubt"]:
            order["cancelling"] = False

    def on_FillBooked(self, event: ev.FillBooked) -> None:  # noqa: N802
        order = self.orders.get(event.client_order_id)
        if order is None or event.trade_id in order["fills"]:
            return
        count = int(event.quantity / UNIT)
        order["fills"][event.trade_id] = count
        order["accepted"] = True
        self.cash -= event.side.sign * event.price * event.quantity + event.fee_quote
        self.fees[event.fee_asset] = self.fees.get(event.fee_asset, Decimal(0)) + event.fee
        queue = self.units.setdefault(order["level"], deque())
        share = event.fee_quote / count
        if event.side is Side.BUY:
            queue.extend([(event.price, share)] * count)
        else:
            for _ in range(count):
                price, fee = queue.popleft() if queue else (event.price, Decimal(0))
                self.realised += (event.price - price) * UNIT - fee - share
            missing = -int(self.held(order["level"]) / UNIT) + len(queue) - self._short(order["level"])
            if missing > 0:
                self.short.setdefault(order["level"], []).append((missing, event.price))
            self.trips += not queue and not self.short.get(order["level"])
        if not order["ended"]:
            self._maybe_end(order)

    def _short(self, level: int) -> int:
        return sum(count for count, _ in self.short.get(level, []))

    def on_LotsAttached(self, event: ev.LotsAttached) -> None:  # noqa: N802
        count = int(self.held(event.from_level) / UNIT)
        self.moved[event.from_level] = self.moved.get(event.from_level, 0) - count
        self.moved[event.to_level] = self.moved.get(event.to_level, 0) + count
        self.units.setdefault(event.to_level, deque()).extend(self.units.pop(event.from_level, ()))
        self.short.setdefault(event.to_level, []).extend(self.short.pop(event.from_level, ()))

    def on_PositionAdopted(self, event: ev.PositionAdopted) -> None:  # noqa: N802
        count = int(event.quantity / UNIT)
        self.moved[event.level] = self.moved.get(event.level, 0) + count
        self.units.setdefault(event.level, deque()).extend([(event.price, Decimal(0))] * count)
        self.cash -= event.price * event.quantity

    def on_FundingBooked(self, event: ev.FundingBooked) -> None:  # noqa: N802
        if event.payment_id not in self.payments:
            self.payments.add(event.payment_id)
            self.funding += event.amount
            self.cash += event.amount

    def on_ExternalFill(self, event: ev.ExternalFill) -> None:  # noqa: N802
        if event.trade_id not in self.foreign:
            self.foreign.add(event.trade_id)
            self.external += event.side.sign * event.quantity
