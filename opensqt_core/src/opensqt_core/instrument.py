"""What can be traded at a venue, and the rules a price and a quantity must obey there."""

import enum
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import attrs


class InstrumentStatus(enum.StrEnum):
    """Whether a venue accepts orders for an instrument."""

    TRADING = "trading"
    HALTED = "halted"


@attrs.frozen(kw_only=True)
class Instrument:
    """One linear perpetual at one venue.

    `symbol` is canonical (`BTCUSDT`); the venue's spelling never leaves its driver. Quantities are in base units
    and prices in quote currency, whatever the venue counts in.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    """Smallest price step."""
    lot_size: Decimal
    """Smallest quantity step of a limit order."""
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    """Smallest price·quantity the venue accepts."""
    reduce_only_below_minimum: bool
    """Whether a reduce-only order may be smaller than `min_notional`."""
    max_open_orders: int | None = None
    status: InstrumentStatus = InstrumentStatus.TRADING

    def round_price(self, price: Decimal) -> Decimal:
        """Return the tick nearest to `price`; halves go up."""
        return _step(price, self.tick_size, ROUND_HALF_UP)

    def floor_price(self, price: Decimal) -> Decimal:
        """Return the highest tick that is not above `price`."""
        return _step(price, self.tick_size, ROUND_FLOOR)

    def ceil_price(self, price: Decimal) -> Decimal:
        """Return the lowest tick that is not below `price`."""
        return _step(price, self.tick_size, ROUND_CEILING)

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """Return the largest whole number of lots that is not above `quantity`."""
        return _step(quantity, self.lot_size, ROUND_FLOOR)


def _step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
