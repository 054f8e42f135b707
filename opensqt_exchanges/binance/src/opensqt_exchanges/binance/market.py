"""The market facet: what everybody can see."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import attrs

from opensqt_core.errors import Rejected
from opensqt_core.instrument import Instrument
from opensqt_core.market import INTERVAL_MS, Candle, FundingRate, MarkPrice, TopOfBook, Trade
from opensqt_core.streams import Stream, StreamSpec
from opensqt_exchanges.binance import calls, frames
from opensqt_exchanges.binance.api import Api
from opensqt_exchanges.binance.market_replies import KlineRow
from opensqt_exchanges.binance.sessions import ClosedOnce, MarketSession, Oddities
from opensqt_exchanges.binance.settings import Settings

T = TypeVar("T")

ROTATE_AFTER = 23 * 3600.0
"""The venue cuts connections after 24 hours."""


@attrs.frozen
class Market:
    """A `MarketData`."""

    _api: Api
    _settings: Settings
    _oddities: Oddities

    async def instruments(self) -> Sequence[Instrument]:
        """Return perpetuals quoted and margined in USDT; learn the venue's allowances on the way."""
        instruments, limits = await self._api.read(calls.exchange_info())
        for limit in limits:
            self._api.limiter.set_limit(limit.name, limit.amount)
        return instruments

    async def server_time_ms(self) -> int:
        """Return the venue's clock and correct our estimate of it."""
        return await self._api.server_time_ms()

    async def candles(
        self, symbol: str, interval: str, *, limit: int = 100, end_ms: int | None = None
    ) -> Sequence[Candle]:
        """Return up to `limit` candles, oldest first, paging backwards.

        The venue does not say whether a candle is closed: one is, as soon as there is a later one. So with `end_ms` one
        more is asked for, and dropped.
        """
        step = _length(interval)
        wanted = limit if end_ms is None else limit + 1
        last_ms = None if end_ms is None else end_ms - 1 + step
        rows: list[KlineRow] = []
        while len(rows) < wanted:
            size = min(wanted - len(rows), calls.CANDLE_PAGE)
            page = await self._api.read(calls.klines(symbol, interval, limit=size, end_ms=last_ms))
            rows[:0] = page
            if len(page) < size:
                break
            last_ms = page[0].open_time - 1
        if end_ms is not None:
            return [row.candle(symbol, interval, closed=True) for row in rows[:-1]]
        return [row.candle(symbol, interval, closed=row is not rows[-1]) for row in rows]

    async def top_of_book(self, symbol: str) -> TopOfBook:
        """Return best bid and ask."""
        return await self._api.read(calls.book_ticker(symbol))

    async def mark_price(self, symbol: str) -> MarkPrice:
        """Return mark price and expected funding."""
        return await self._api.read(calls.premium_index(symbol))

    async def funding_rates(self, symbol: str, *, limit: int = 100) -> Sequence[FundingRate]:
        """Return settled funding rates, oldest first; at most 1000."""
        return await self._api.read(calls.funding_rates(symbol, limit=limit))

    def candle_stream(self, symbol: str, interval: str) -> AbstractAsyncContextManager[Stream[Candle]]:
        """Stream the running candle on every change, and each candle once as closed."""
        step = _length(interval)
        once = ClosedOnce()  # one for all connections: while one replaces another, both deliver

        async def newest() -> Candle | None:
            page = await self._api.read(calls.klines(symbol, interval, limit=1))
            return page[-1].candle(symbol, interval, closed=False) if page else None

        async def start() -> Candle | None:
            candle = await newest()
            return candle if candle is not None and once(candle) else None

        def quiet(last: Candle, newest: Candle) -> bool:
            if last.open_time_ms == newest.open_time_ms:
                return attrs.evolve(last, closed=False) == newest
            return last.closed and newest.open_time_ms == last.open_time_ms + step and newest.volume == 0

        return self._stream(
            f"candle {symbol} {interval}",
            self._settings.ws_market_path,
            lambda: MarketSession(f"{symbol.lower()}@kline_{interval}", frames.KlineUpdate, self._oddities, keep=once),
            # A closed candle is a fact, never replaced, and wanted also from a connection that is being replaced.
            conflate=lambda candle: None if candle.closed else candle.open_time_ms,
            probe=Probe(newest, quiet),
            snapshot=start,
        )

    def top_of_book_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[TopOfBook]]:
        """Stream best bid and ask; conflated to the newest."""
        return self._stream(
            f"top_of_book {symbol}",
            self._settings.ws_public_path,
            lambda: MarketSession(f"{symbol.lower()}@bookTicker", frames.BookTicker, self._oddities),
            conflate=_newest_only,
            probe=Probe(
                lambda: self.top_of_book(symbol),
                lambda last, newest: attrs.evolve(last, time_ms=0) == attrs.evolve(newest, time_ms=0),
            ),
            snapshot=lambda: self.top_of_book(symbol),
        )

    def trade_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[Trade]]:
        """Stream public trades, aggregated by the venue over 100 ms at one price; none left out."""

        async def newest() -> Trade | None:
            rows = await self._api.read(calls.newest_trade(symbol))
            return rows[-1].trade(symbol) if rows else None

        return self._stream(
            f"trade {symbol}",
            self._settings.ws_market_path,
            lambda: MarketSession(f"{symbol.lower()}@aggTrade", frames.AggregateTrade, self._oddities),
            probe=Probe(newest, lambda last, newest: int(last.trade_id) >= int(newest.trade_id)),
        )

    def mark_price_stream(self, symbol: str) -> AbstractAsyncContextManager[Stream[MarkPrice]]:
        """Stream mark price and expected funding every second; conflated to the newest. Silence is death."""
        return self._stream(
            f"mark_price {symbol}",
            self._settings.ws_market_path,
            lambda: MarketSession(f"{symbol.lower()}@markPrice@1s", frames.MarkPriceUpdate, self._oddities),
            conflate=_newest_only,
            first_value_within=self._settings.stale_after,
        )

    def _stream(
        self,
        name: str,
        route: str,
        session: Callable[[], MarketSession[T]],
        *,
        conflate: Callable[[T], Hashable | None] | None = None,
        probe: "Probe[T] | None" = None,
        snapshot: Callable[[], Awaitable[T | None]] | None = None,
        first_value_within: float | None = None,
    ) -> AbstractAsyncContextManager[Stream[T]]:
        async def address() -> str:
            return f"{self._settings.ws_url}{route}/ws"

        def fresh() -> MarketSession[T]:
            if probe is not None:
                probe.forget()
            return session()

        return self._api.open_stream(
            StreamSpec(
                name=name,
                url=address,
                session=fresh,
                conflate=conflate,
                stale_after=self._settings.stale_after,
                probe=probe,
                snapshot=snapshot,
                first_value_within=first_value_within,
                max_age=ROTATE_AFTER,
            )
        )


class Probe(Generic[T]):
    """Tells a quiet market from a dead stream by asking REST for the newest value.

    A connection on a wrong route is acknowledged and never delivers: before the first value, what counts is whether
    REST says the same as at the probe before.
    """

    def __init__(self, newest: Callable[[], Awaitable[T | None]], quiet: Callable[[T, T], bool]) -> None:
        self._newest = newest
        self._quiet = quiet
        self._before: T | None = None

    def forget(self) -> None:
        """Begin anew, with a new connection."""
        self._before = None

    async def __call__(self, last: T | None) -> bool:
        """Return whether nothing happened since the last value."""
        newest = await self._newest()
        known = self._before if last is None else last
        self._before = newest
        return known is None or newest is None or self._quiet(known, newest)


def _newest_only(_value: object) -> Hashable:
    return ""


def _length(interval: str) -> int:
    if interval not in INTERVAL_MS:
        raise Rejected(f"no candles of {interval!r}; there are {', '.join(INTERVAL_MS)}")
    return INTERVAL_MS[interval]
