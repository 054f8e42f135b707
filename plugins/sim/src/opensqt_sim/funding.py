"""Funding of a perpetual: when it is settled, at which rate, and what it costs.

Settlements are at whole multiples of the interval of market time (Binance: every 8 hours from midnight UTC). The rate
is premium + clamp(interest - premium, ±0.05 %) with premium = (mark - index) / index, as venues publish it; it is taken
at the moment of settlement, not averaged. While mark and index are within 0.05 % of each other, that is the interest.
"""

from decimal import Decimal

from opensqt_sim.account import round_money

_CLAMP = Decimal("0.0005")
HISTORY = 100
"""How many settlements before the first market event a venue pretends to have had."""


def rate(mark: Decimal, index: Decimal, interest: Decimal) -> Decimal:
    """Return the rate of one period, rounded to 8 digits."""
    premium = (mark - index) / index
    return round_money(premium + min(max(interest - premium, -_CLAMP), _CLAMP))


def next_settlement(market_ms: int, interval_ms: int) -> int:
    """Return the first settlement after `market_ms`."""
    return market_ms - market_ms % interval_ms + interval_ms


def payment(quantity: Decimal, mark: Decimal, funding_rate: Decimal) -> Decimal:
    """Return what a position receives (positive) or pays: longs pay a positive rate."""
    return round_money(-quantity * mark * funding_rate)
