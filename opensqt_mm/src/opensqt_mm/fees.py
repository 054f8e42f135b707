"""Fees in quote currency: exact where the venue takes them from it, marked as converted where it does not."""

from decimal import Decimal

import structlog

from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError
from opensqt_core.exchange import MarketData

_PRICE_AGE_S = 60.0
_log = structlog.get_logger(__name__)


class FeeConverter:
    """Values fees at the price of the fill, or at the venue's price of the fee's asset, remembered for a minute."""

    def __init__(self, market: MarketData, clock: Clock, *, base: str, quote: str) -> None:
        self._market = market
        self._clock = clock
        self._base = base
        self._quote = quote
        self._prices: dict[str, tuple[Decimal, float]] = {}

    async def in_quote(self, fee: Decimal, asset: str, price: Decimal) -> tuple[Decimal, bool]:
        """Return (value in quote currency, whether it was converted). `price` is the fill's."""
        if asset == self._quote or fee == 0:
            return fee, False
        if asset == self._base:
            return fee * price, True
        return fee * await self._price(asset), True

    async def _price(self, asset: str) -> Decimal:
        """An asset the venue has no price for counts as worth nothing: its amount stands in `fees` all the same."""
        now = self._clock.monotonic()
        known = self._prices.get(asset)
        if known is not None and now - known[1] < _PRICE_AGE_S:
            return known[0]
        try:
            price = (await self._market.top_of_book(asset + self._quote)).mid
        except ExchangeError as error:
            _log.warning("no price for a fee's asset", asset=asset, error=str(error))
            price = known[0] if known is not None else Decimal(0)
        self._prices[asset] = (price, now)
        return price
