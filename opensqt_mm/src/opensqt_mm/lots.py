"""What a slot holds, lot by lot, so that every sell is set against what it sold."""

from collections.abc import Sequence
from decimal import Decimal

import attrs

_SHARE = Decimal("1E-12")
"""A fee is divided to this step; the remainder stays with the rest of the lot, so that nothing is lost by rounding."""


@attrs.frozen
class Lot:
    """A quantity bought at a price, and the part of the buying fee (in quote currency) that it still carries.

    A negative quantity was sold without having been bought here; it is shown and settled by people, never hidden.
    """

    trade_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal

    @property
    def cost(self) -> Decimal:
        """Quote currency spent on it, fee included."""
        return self.quantity * self.price + self.fee


@attrs.frozen
class Sale:
    """Outcome of taking a quantity out of lots: what is left, and what the taken part had cost."""

    left: tuple[Lot, ...]
    cost: Decimal


def held(lots: Sequence[Lot]) -> Decimal:
    """Return the total quantity."""
    return sum((lot.quantity for lot in lots), Decimal(0))


def take(lots: Sequence[Lot], quantity: Decimal, price: Decimal, trade_id: str) -> Sale:
    """Take `quantity` out of `lots`, oldest first.

    What is missing becomes a negative lot at the sale's own `price`, so that cash and position still add up.
    """
    wanted = quantity
    cost = Decimal(0)
    left: list[Lot] = []
    for lot in lots:
        part = min(wanted, lot.quantity) if lot.quantity > 0 else Decimal(0)
        if part == 0:
            left.append(lot)
        elif part == lot.quantity:
            cost += lot.cost
        else:
            fee = (lot.fee * part / lot.quantity).quantize(_SHARE)
            cost += part * lot.price + fee
            left.append(attrs.evolve(lot, quantity=lot.quantity - part, fee=lot.fee - fee))
        wanted -= part
    if wanted > 0:
        cost += wanted * price
        left.append(Lot(trade_id, -wanted, price, Decimal(0)))
    return Sale(tuple(left), cost)
