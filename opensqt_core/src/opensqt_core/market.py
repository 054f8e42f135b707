"""Public market data."""

from decimal import Decimal

import attrs

from opensqt_core.order import Side

INTERVAL_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
"""Candle intervals that every venue has, and their lengths. All are aligned to UTC."""


@attrs.frozen(kw_only=True)
class Candle:
    """Open, high, low, close and base volume of one interval. `closed` says that it will not change any more."""

    symbol: str
    interval: str
    open_time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


@attrs.frozen(kw_only=True)
class TopOfBook:
    """Best bid and best ask with their sizes in base units."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    time_ms: int

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask: the price the grid is built around."""
        return (self.bid + self.ask) / 2


@attrs.frozen(kw_only=True)
class Trade:
    """One public trade. `taker_side` is the side that matched at once."""

    symbol: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    taker_side: Side
    time_ms: int


@attrs.frozen(kw_only=True)
class MarkPrice:
    """The venue's fair price, and the funding rate it expects at `next_funding_ms`."""

    symbol: str
    mark: Decimal
    index: Decimal | None
    funding_rate: Decimal | None
    next_funding_ms: int | None
    time_ms: int


@attrs.frozen(kw_only=True)
class FundingRate:
    """A settled funding rate."""

    symbol: str
    rate: Decimal
    time_ms: int
