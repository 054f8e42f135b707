"""Turning a position that was there before the journal into held slots."""

from decimal import Decimal

import attrs

from opensqt_core.instrument import Instrument
from opensqt_mm.ladder import Ladder
from opensqt_mm.settings import TradingSettings


@attrs.frozen
class Adopted:
    """One slot of the adopted position."""

    level: int
    quantity: Decimal


def adopt(
    quantity: Decimal,
    entry_price: Decimal,
    price: Decimal,
    *,
    ladder: Ladder,
    instrument: Instrument,
    settings: TradingSettings,
) -> list[Adopted]:
    """Spread a long position over slots.

    They run upward from the first level k with P(k) ≥ max(P(k0 + 1), entry price), one usual size each, the last one
    the rest. Raises `ValueError` for a short position, which a long grid can't hold.
    """
    if quantity < 0:
        raise ValueError(f"a short position of {quantity} can't be adopted by a long grid; close it first")
    floor = max(ladder.price(ladder.nearest(price) + 1), entry_price)
    level = ladder.nearest(floor)
    while ladder.price(level) < floor:
        level += 1
    adopted: list[Adopted] = []
    left = quantity
    while left > 0:
        usual = instrument.floor_quantity(settings.order_quantity / ladder.price(level))
        size = min(left, max(usual, instrument.lot_size))
        adopted.append(Adopted(level, size))
        left -= size
        level += 1
    return adopted
