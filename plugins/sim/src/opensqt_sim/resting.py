"""Our own open orders of one side, best price first, oldest first within a price."""

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal

from opensqt_core.order import Side
from opensqt_sim.model import SimOrder


class Resting:
    """Kept sorted, so that a market event that reaches none of them costs one comparison."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.best: Decimal | None = None
        """Price of the first order in line, None without orders."""
        self._orders: list[SimOrder] = []
        self._keys: list[Decimal] = []

    def __iter__(self) -> Iterator[SimOrder]:
        """Go through a copy, so that orders may leave meanwhile."""
        return iter(tuple(self._orders))

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._orders)

    def add(self, order: SimOrder) -> None:
        """Put an order behind all others of its price. It must have a price."""
        key = self._key(order)
        index = bisect_right(self._keys, key)
        self._orders.insert(index, order)
        self._keys.insert(index, key)
        self.best = self._orders[0].price

    def remove(self, order: SimOrder) -> None:
        """Take an order out; one that is not here is none of our business."""
        if order in self._orders:
            index = self._orders.index(order)
            del self._orders[index], self._keys[index]
            self.best = self._orders[0].price if self._orders else None

    def notional(self) -> Decimal:
        """Return the open notional that needs margin: reduce-only orders do not."""
        return sum(
            (order.remaining * order.price for order in self._orders if order.price and not order.reduce_only),
            Decimal(0),
        )

    def reduce_only_quantity(self) -> Decimal:
        """Return what all reduce-only orders together would still trade."""
        return sum((order.remaining for order in self._orders if order.reduce_only), Decimal(0))

    def crossed_by(self, price: Decimal | None) -> bool:
        """Return whether an incoming order of the other side at `price` (None: any price) would meet one of these."""
        if self.best is None:
            return False
        if price is None:
            return True
        return price >= self.best if self.side is Side.SELL else price <= self.best

    def _key(self, order: SimOrder) -> Decimal:
        if order.price is None:
            raise ValueError("an order without a price cannot rest")
        return order.price if self.side is Side.SELL else -order.price
