"""Levels and their prices: integers k on one side, ticks on the other."""

from decimal import ROUND_HALF_UP, Decimal

import attrs

from opensqt_core.instrument import Instrument


@attrs.frozen
class Ladder:
    """P(k) = round_to_tick(anchor + k·interval), strictly increasing and above zero."""

    anchor: Decimal
    interval: Decimal
    tick_size: Decimal

    def price(self, level: int) -> Decimal:
        """Return P(level)."""
        raw = self.anchor + level * self.interval
        return (raw / self.tick_size).to_integral_value(ROUND_HALF_UP) * self.tick_size

    def nearest(self, price: Decimal) -> int:
        """Return the level whose price is nearest to `price`; ties go up."""
        guess = int(((price - self.anchor) / self.interval).to_integral_value(ROUND_HALF_UP))
        candidates = (guess - 1, guess, guess + 1)
        return min(candidates, key=lambda level: (abs(self.price(level) - price), -level))

    @property
    def lowest(self) -> int:
        """The lowest level with a price above zero."""
        level = int(-self.anchor / self.interval) - 2
        while self.price(level) <= 0:
            level += 1
        return level


def ladder_fault(instrument: Instrument, price_interval: Decimal) -> str | None:
    """Return why no ladder can be built with this interval, in words that say what to change; None if it can."""
    if price_interval <= 0:
        return f"price_interval {price_interval} must be above zero"
    if price_interval < instrument.tick_size:
        return (
            f"price_interval {price_interval} is smaller than the tick size {instrument.tick_size} of "
            f"{instrument.symbol}: levels would share a price; use at least {instrument.tick_size}"
        )
    return None
