"""A market that never was: a seeded random walk with quotes and trades, endless and always the same for a seed.

The mid price is the sum of two mean-reverting walks: a slow one that wanders for hours, and a quick one that swings by
a few tenths of a per mille within half a minute, so that a grid of 0.5 to 3 USDT on ETHUSDT trades every few seconds.
Quotes and trades come as a Poisson process. Trades hit the touch, mostly on the side the price is moving to.

Only integers decide: the walk is in thousandths of a tick, and random numbers come from the bits of Python's Mersenne
Twister, so that every machine draws the same market. Nothing depends on how fast it is read.
"""

import random
from collections.abc import Iterator
from decimal import Decimal

import attrs

from opensqt_core.instrument import Instrument
from opensqt_core.order import Side
from opensqt_sim.model import Book, MarketEvent, MarketQuote, MarketTrade

_MILLI = 1000
_MEAN_GAP_MS = 25
"""Mean time between two events."""
_QUICK_TIME_MS = 20_000
_SLOW_TIME_MS = 6 * 3_600_000
_QUICK_NOISE = 45
"""Standard deviation of the quick walk's step at each event, in millionths of the price."""
_SLOW_NOISE = 15
_TRADE_SHARE = 3
"""Of ten events, how many are trades."""


@attrs.frozen(kw_only=True)
class SyntheticSettings:
    """What a synthetic market looks like."""

    seed: int
    start_ms: int
    start_price: Decimal
    typical_notional: Decimal = Decimal(2000)
    """Value of a usual trade, in quote currency; the touch usually shows ten times as much."""


def synthetic(instrument: Instrument, settings: SyntheticSettings) -> Iterator[MarketEvent]:
    """Yield an endless market for one instrument. The first event is a quote around the start price."""
    walk = _Walk(instrument, settings)
    yield walk.quote()
    while True:
        yield walk.step()


class _Walk:
    def __init__(self, instrument: Instrument, settings: SyntheticSettings) -> None:
        # the symbol is part of the seed: two symbols of one run must not move as one
        self._random = random.Random(f"{settings.seed} {instrument.symbol}")  # noqa: S311  (a market, not a secret)
        self._instrument = instrument
        self._centre = int(settings.start_price / instrument.tick_size) * _MILLI
        self._unit = max(1, self._centre // 1_000_000)
        lots = settings.typical_notional / settings.start_price / instrument.lot_size
        self._typical_lots = max(1, int(lots))
        self._quick = self._slow = 0
        self._trend = 0
        self._ms = settings.start_ms
        self._trade_id = 0
        self._mid = self._centre
        self._book = self._new_book()

    def quote(self) -> MarketQuote:
        return MarketQuote(self._instrument.symbol, self._book, self._ms)

    def step(self) -> MarketEvent:
        gap = self._exponential(_MEAN_GAP_MS)
        self._ms += gap
        self._move(gap)
        if self._random.randrange(10) < _TRADE_SHARE:
            return self._trade()
        self._book = self._new_book()
        return self.quote()

    def _move(self, gap: int) -> None:
        before = self._mid
        self._quick += self._normal(_QUICK_NOISE * self._unit) - self._quick * gap // _QUICK_TIME_MS
        self._slow += self._normal(_SLOW_NOISE * self._unit) - self._slow * gap // _SLOW_TIME_MS
        self._mid = max(self._centre // 4, self._centre + self._quick + self._slow)
        self._trend = self._mid - before

    def _new_book(self) -> Book:
        tick, lot = self._instrument.tick_size, self._instrument.lot_size
        bid = max(1, self._mid // _MILLI)
        spread = 1 if self._random.randrange(8) else 2
        size = 10 * self._typical_lots
        return Book(bid * tick, self._size(size) * lot, (bid + spread) * tick, self._size(size) * lot)

    def _trade(self) -> MarketTrade:
        follows = self._random.randrange(4) > 0
        side = Side.BUY if (self._trend > 0) is follows else Side.SELL
        price = self._book.ask if side is Side.BUY else self._book.bid
        self._trade_id += 1
        quantity = self._size(self._typical_lots) * self._instrument.lot_size
        return MarketTrade(self._instrument.symbol, self._trade_id, price, quantity, side, self._ms)

    def _size(self, typical: int) -> int:
        """Draw a size: often a fraction of `typical`, now and then several times as much."""
        return max(1, typical * self._random.randrange(1, 101) * self._random.randrange(1, 101) // 2500)

    def _normal(self, deviation: int) -> int:
        """Draw from a binomial distribution that looks normal: 64 coins have a standard deviation of 4."""
        return (self._random.getrandbits(64).bit_count() - 32) * deviation // 4

    def _exponential(self, mean: int) -> int:
        """Draw a waiting time: how many 1/mean chances pass before one comes true."""
        gap = 0
        while self._random.randrange(mean):
            gap += 1
        return gap
