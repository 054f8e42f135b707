"""The open orders of one symbol: what was told stays told, whatever comes late or twice."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from opensqt_core.order import Order

_REMEMBERED = 10_000
"""Ended orders and fills whose ids are kept, so that a late word about one is recognised."""


class OrderTable:
    """Open orders by id, and the ids of those that ended."""

    def __init__(self) -> None:
        self._open: dict[str, Order] = {}
        self._ended = RecentIds()

    @property
    def open(self) -> Mapping[str, Order]:
        """Open orders, in the order in which they were heard of."""
        return MappingProxyType(self._open)

    def update(self, order: Order) -> bool:
        """Take an order's state. Returns whether it is news; what is older than what is known is not."""
        if order.order_id in self._ended:
            return False
        known = self._open.get(order.order_id)
        if known is not None and not _newer(known, order):
            return False
        if order.status.terminal:
            self._open.pop(order.order_id, None)
            self._ended.add(order.order_id)
        else:
            self._open[order.order_id] = order
        return True

    def missing_from(self, read: Sequence[Order]) -> list[Order]:
        """Return the orders that are open here and not in the venue's list."""
        listed = {order.order_id for order in read}
        return [order for order_id, order in self._open.items() if order_id not in listed]

    def differs_from(self, read: Sequence[Order]) -> bool:
        """Return whether the venue's list of open orders tells something that is not known here."""
        if self.missing_from(read):
            return True
        return any(
            order.order_id not in self._ended
            and (order.order_id not in self._open or self._open[order.order_id].filled < order.filled)
            for order in read
        )


def _newer(known: Order, order: Order) -> bool:
    if order.filled < known.filled:
        return False
    if (order.status, order.filled, order.price, order.quantity) == (
        known.status,
        known.filled,
        known.price,
        known.quantity,
    ):
        return False
    if order.status.terminal or known.updated_ms is None or order.updated_ms is None:
        return True
    return order.updated_ms >= known.updated_ms


class RecentIds:
    """The last few thousand ids."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._ids

    def add(self, identifier: str) -> bool:
        """Remember an id. Returns whether it is new."""
        if identifier in self._ids:
            return False
        self._ids[identifier] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return True
