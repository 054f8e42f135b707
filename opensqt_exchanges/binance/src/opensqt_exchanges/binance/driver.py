"""The object behind the entry point: settings in, an open venue out."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256

import attrs
import httpx

from opensqt_core.capabilities import Capabilities, PlacementExpiry
from opensqt_core.clock import Clock, SystemClock, VenueClock
from opensqt_core.exchange import API_VERSION, Exchange
from opensqt_core.metrics import RestMetrics, watch_headroom
from opensqt_core.ratelimit import RateLimiter
from opensqt_core.rest import RestSession, open_http_client
from opensqt_core.supervise import StreamBoard
from opensqt_core.websocket import Socket, connect_websocket
from opensqt_exchanges.binance.account import Account, ListenKeys
from opensqt_exchanges.binance.api import Api
from opensqt_exchanges.binance.capabilities import CAPABILITIES, LIMITS
from opensqt_exchanges.binance.dialect import BinanceDialect
from opensqt_exchanges.binance.market import Market
from opensqt_exchanges.binance.sessions import Oddities
from opensqt_exchanges.binance.settings import Settings
from opensqt_exchanges.binance.trading import Trader


@attrs.frozen
class BinanceDriver:
    """Binance USD-M futures."""

    name: str = "binance"
    title: str = "Binance USD-M futures"
    api_version: int = API_VERSION
    settings: type[Settings] = Settings
    capabilities: Capabilities = CAPABILITIES
    _clock: Clock = attrs.field(factory=SystemClock)
    _open_client: Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]] = open_http_client
    _connect: Callable[..., AbstractAsyncContextManager[Socket]] = connect_websocket

    @asynccontextmanager
    async def open(self, settings: Settings, /) -> AsyncIterator[Exchange]:
        """Open the venue. Nothing is sent before something is asked for."""
        venue_clock = VenueClock(self._clock)
        limiter = RateLimiter(LIMITS, venue_clock)
        async with self._open_client(reply_within=settings.request_timeout) as client:
            rest = RestSession(
                base_url=settings.rest_url,
                dialect=BinanceDialect(settings, self._clock.now_ms),
                limiter=limiter,
                clock=venue_clock,
                client=client,
                metrics=RestMetrics(self.name),
                sign_within_ms=settings.recv_window_ms // 2,
            )
            board = StreamBoard()
            api = Api(
                limiter=limiter,
                rest=rest,
                clock=self._clock,
                venue_clock=venue_clock,
                board=board,
                connect=self._connect,
            )
            oddities = Oddities()
            account, trading = None, None
            if settings.api_key is not None:
                digest = sha256(f"{self.name}:{settings.api_key.reveal()}".encode()).hexdigest()
                account = Account(digest[:12], api, settings, ListenKeys(api), oddities)
                trading = Trader(api, self._clock)
            expiry = PlacementExpiry(mechanism="recvWindow", window_ms=settings.recv_window_ms)
            with watch_headroom(self.name, limiter):
                yield Exchange(
                    name=self.name,
                    capabilities=attrs.evolve(self.capabilities, expiry=expiry),
                    market=Market(api, settings, oddities),
                    account=account,
                    trading=trading,
                    streams=board.statuses,
                )


driver = BinanceDriver()
