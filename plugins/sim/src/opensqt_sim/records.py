"""What a venue remembers of its account: every order, fill and funding payment, and how they are found again."""

from collections.abc import Sequence
from typing import TypeVar

from opensqt_sim.model import FundingPayment, Refusal, RefusalKind, SimFill, SimOrder

T = TypeVar("T")


class Records:
    """Everything since the start, in order of ids."""

    def __init__(self, first_order_id: int, first_trade_id: int) -> None:
        self.orders: dict[int, SimOrder] = {}
        self.open: dict[int, SimOrder] = {}
        self.fills: list[SimFill] = []
        self.funding: list[FundingPayment] = []
        self._by_client_id: dict[tuple[str, str], SimOrder] = {}
        self._next_order_id = first_order_id
        self._next_trade_id = first_trade_id

    def new_order_id(self) -> int:
        """Return the next order id."""
        self._next_order_id += 1
        return self._next_order_id - 1

    def new_trade_id(self) -> int:
        """Return the next id of one of our executions."""
        self._next_trade_id += 1
        return self._next_trade_id - 1

    def add(self, order: SimOrder) -> None:
        """Remember an order; among orders of one client order id the newest is found."""
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        self._by_client_id[order.symbol, order.client_order_id] = order

    def by_client_id(self, symbol: str, client_order_id: str) -> SimOrder | None:
        """Return the newest order with this client order id."""
        return self._by_client_id.get((symbol, client_order_id))

    def find(self, symbol: str, *, order_id: int | None, client_order_id: str | None) -> SimOrder:
        """Return an order by id, or else by client order id. Raises `Refusal` (UNKNOWN_ORDER)."""
        order = None
        if order_id is not None:
            order = self.orders.get(order_id)
        elif client_order_id is not None:
            order = self.by_client_id(symbol, client_order_id)
        if order is None or order.symbol != symbol:
            raise Refusal(RefusalKind.UNKNOWN_ORDER, f"{symbol} has no order {order_id or client_order_id}")
        return order


def page(items: Sequence[T], *, oldest_first: bool, limit: int | None) -> list[T]:
    """Return at most `limit` items in their order: the first ones, or else the last ones."""
    if limit is None or len(items) <= limit:
        return list(items)
    return list(items[:limit] if oldest_first else items[len(items) - limit :])


def within(ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    """Return whether a time is in [start, end]; None is open."""
    return (start_ms is None or ms >= start_ms) and (end_ms is None or ms <= end_ms)
