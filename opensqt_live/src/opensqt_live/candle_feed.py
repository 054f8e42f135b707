"""The running candle, from the venue to the hub: no hole, and never back in time."""

from contextlib import AbstractAsyncContextManager

from opensqt_core.clock import Clock
from opensqt_core.exchange import MarketData
from opensqt_core.market import Candle
from opensqt_core.streams import Stream
from opensqt_live.feeds import Feed
from opensqt_live.hub import Hub
from opensqt_live.snapshot import Snapshot


class CandleFeed(Feed[Candle]):
    """Follows the candles of one market."""

    def __init__(self, market: MarketData, hub: Hub, snapshot: Snapshot, *, limit: int, clock: Clock) -> None:
        self._symbol, self._interval = snapshot.market.symbol, snapshot.market.interval
        super().__init__(f"candle {self._symbol} {self._interval}", clock)
        self._market = market
        self._hub = hub
        self._ring = snapshot.candles
        self._limit = limit

    def subscribe(self) -> AbstractAsyncContextManager[Stream[Candle]]:
        """Open the candle stream."""
        return self._market.candle_stream(self._symbol, self._interval)

    async def read(self) -> None:
        """Read the newest candles: as many as are kept, so that they bridge whatever was missed."""
        self._hub.publish_candles(
            self._symbol, await self._market.candles(self._symbol, self._interval, limit=self._limit)
        )

    async def take(self, value: Candle) -> None:
        """Publish a candle. One that does not follow on the last shows that something was missed: read first."""
        if not self._ring.follows(value):
            await self.catch_up("a candle is missing")
        self._hub.publish(value)
