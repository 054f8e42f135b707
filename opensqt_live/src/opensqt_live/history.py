"""Older candles for readers who scroll back: from memory where it reaches, else from the venue, once for all of them.

The venue is asked for whole pages that begin at fixed times, so that whatever viewers ask for, a page is read once.
"""

from collections import OrderedDict
from collections.abc import Sequence

import attrs
import structlog
import trio

from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError
from opensqt_core.exchange import MarketData
from opensqt_core.market import INTERVAL_MS, Candle
from opensqt_live.hub import Hub
from opensqt_live.settings import MAX_HISTORY

PAGE = 500
"""Candles in a page."""
_PAGES_KEPT = 200
_PARTIAL_FOR_S = 30.0
"""How long a page with something missing (it reaches into the present, or the symbol is younger) is believed."""
_READS_AT_ONCE = 2
_WAITING_READS = 20

_log = structlog.get_logger(__name__)

Key = tuple[str, str, int]


class HistoryUnavailable(Exception):
    """The venue can't be asked now."""


@attrs.define
class _Page:
    """One page; `done` is set when it is read, or could not be."""

    done: trio.Event = attrs.field(factory=trio.Event)
    candles: Sequence[Candle] | None = None
    good_until: float = float("inf")
    abandoned: bool = False
    """Whether whoever read it went away."""


class History:
    """Answers `/api/history`."""

    def __init__(self, market: MarketData, hub: Hub, clock: Clock) -> None:
        self._market = market
        self._hub = hub
        self._clock = clock
        self._pages: OrderedDict[Key, _Page] = OrderedDict()
        self._readers = trio.CapacityLimiter(_READS_AT_ONCE)

    async def candles(self, symbol: str, interval: str, before_ms: int | None, limit: int) -> Sequence[Candle]:
        """Return up to `limit` candles, oldest first, that opened before `before_ms`; without it, the newest.

        Raises `KeyError` for an unknown symbol or interval, `HistoryUnavailable`.
        """
        snapshot = self._hub.snapshots[symbol]
        step_ms = INTERVAL_MS[interval]
        limit = max(1, min(limit, MAX_HISTORY))
        ring = snapshot.candles
        if interval == snapshot.market.interval:
            known = [candle for candle in ring.all if before_ms is None or candle.open_time_ms < before_ms]
            if before_ms is None or len(known) >= limit:
                return known[-limit:]
        end_ms = ring.end_ms
        if end_ms is None:
            raise HistoryUnavailable("no candle was read yet")
        # Nothing is beyond the newest candle, and a page there would be asked for again and again.
        before_ms = end_ms if before_ms is None else min(before_ms, end_ms)
        page_ms = PAGE * step_ms
        found: list[Candle] = []
        start_ms = (before_ms - 1) // page_ms * page_ms
        while len(found) < limit and start_ms >= 0:
            page = await self._page((symbol, interval, start_ms))
            found[:0] = [candle for candle in page if candle.open_time_ms < before_ms]
            if not page or page[0].open_time_ms > start_ms:
                break  # the symbol is younger
            start_ms -= page_ms
        return found[-limit:]

    async def _page(self, key: Key) -> Sequence[Candle]:
        while True:
            page = self._pages.get(key)
            if page is None or self._clock.monotonic() > page.good_until:
                if self._readers.statistics().tasks_waiting >= _WAITING_READS:
                    raise HistoryUnavailable("too many different pages are asked for")
                page = self._pages[key] = _Page()
                await self._read(key, page)
            await page.done.wait()
            if page.candles is not None:
                return page.candles
            if not page.abandoned:
                raise HistoryUnavailable("the venue does not answer")

    async def _read(self, key: Key, page: _Page) -> None:
        """Read a page for whoever waits for it; when its reader is cancelled, one of the others takes over."""
        symbol, interval, start_ms = key
        end_ms = start_ms + PAGE * INTERVAL_MS[interval]
        page.abandoned = True
        try:
            async with self._readers:
                read = await self._market.candles(symbol, interval, limit=PAGE, end_ms=end_ms)
        except ExchangeError as error:
            page.abandoned = False
            _log.warning("cannot read older candles", symbol=symbol, interval=interval, error=str(error))
        else:
            page.candles = [candle for candle in read if candle.open_time_ms >= start_ms]
            if len(page.candles) < PAGE:
                page.good_until = self._clock.monotonic() + _PARTIAL_FOR_S
        finally:
            if page.candles is None and self._pages.get(key) is page:
                del self._pages[key]
            page.done.set()
            while len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
