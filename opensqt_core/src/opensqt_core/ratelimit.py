"""Spending a venue's allowance without ever discovering its end."""

import enum

import attrs


class Priority(enum.IntEnum):
    """Who goes first when the allowance is short. Lower classes leave headroom for higher ones."""

    PROTECT = 0
    """Cancels and the dead-man's switch."""
    SETTLE = 1
    """Look-ups that decide the fate of an order, reconciliation."""
    PLACE = 2
    READ = 3


@attrs.frozen(kw_only=True)
class Limit:
    """`amount` units in each window of `seconds`, windows aligned to the venue's clock."""

    name: str
    """What requests and usage headers call it: `weight`, `orders_10s`."""
    amount: int
    seconds: int
