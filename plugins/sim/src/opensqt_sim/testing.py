"""A simulated venue inside a test: real sockets on the loopback interface, a market and a clock moved by hand.

`async with running_binance() as sim:` listens when the block begins and is gone when it ends.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import trio

from opensqt_core.clock import Clock
from opensqt_core.order import Side
from opensqt_sim.control import Control
from opensqt_sim.engine import SimVenue
from opensqt_sim.faults import Faults
from opensqt_sim.markets.instrument import known_rules
from opensqt_sim.model import Book, MarketTrade
from opensqt_sim.pacing import Lockstep
from opensqt_sim.rules import AccountSettings
from opensqt_sim.venues.binance import BinanceServer, BinanceSettings
from opensqt_sim.wire.server import Connections, open_listeners, serve
from opensqt_sim.wire.websocket import WebSocketSettings

START_MS = 1_795_361_400_000
"""2026-11-22 15:30 UTC: where hand-moved clocks start."""
_HOST = "127.0.0.1"


@attrs.define
class HandClock:
    """A clock that only moves when told to; its monotonic time is trio's."""

    ms: int = START_MS

    def now_ms(self) -> int:
        """Milliseconds UTC."""
        return self.ms

    def monotonic(self) -> float:
        """trio's current time."""
        return trio.current_time()


def quiet_venue(
    symbol: str = "ETHUSDT", *, settings: AccountSettings | None = None, now_ms: int = START_MS, price: str = "3000"
) -> SimVenue:
    """Return a venue for a well-known symbol whose market has one quote, a tick wide and ten units deep."""
    rules = known_rules(symbol, "binance")
    if rules is None:
        raise ValueError(f"{symbol} is not well known")
    venue = SimVenue([rules], settings)
    move_quote(venue, symbol, bid=price, now_ms=now_ms)
    return venue


def move_quote(venue: SimVenue, symbol: str, *, bid: str, now_ms: int, quantity: str = "10") -> None:
    """Let best bid and offer change; the market's time is `now_ms`."""
    low, size = Decimal(bid), Decimal(quantity)
    book = Book(low, size, low + venue.rules[symbol].instrument.tick_size, size)
    venue.on_book(symbol, book, now_ms, now_ms)


def print_trade(
    venue: SimVenue, symbol: str, *, price: str, now_ms: int, number: int, quantity: str = "1", side: Side = Side.BUY
) -> None:
    """Let a public trade print; the market's time is `now_ms`."""
    venue.on_trade(MarketTrade(symbol, number, Decimal(price), Decimal(quantity), side, now_ms), now_ms)


@attrs.frozen(kw_only=True)
class Running:
    """A venue that is being served."""

    server: BinanceServer
    venue: SimVenue
    faults: Faults
    clock: Clock
    settings: BinanceSettings
    control: Control
    rest: str
    ws: str
    control_url: str
    port: int


@asynccontextmanager
async def running_binance(
    venue: SimVenue | None = None,
    *,
    clock: Clock | None = None,
    wire: WebSocketSettings | None = None,
    lockstep: Lockstep | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """Serve a Binance; `settings` are those of `BinanceSettings` and need not name the keys."""
    clock = clock or HandClock()
    venue = venue or quiet_venue(now_ms=clock.now_ms())
    chosen = BinanceSettings(**({"api_key": "testkey", "secret_key": "testsecret"} | settings))
    faults = Faults()
    server = BinanceServer(venue, chosen, clock=clock, faults=faults)
    faults.add_target(server)
    control = Control(server=server, faults=faults, clock=clock, started=trio.Event(), lockstep=lockstep)
    listeners, port = await open_listeners(_HOST, 0)
    control_listeners, control_port = await open_listeners(_HOST, 0)
    wire = wire or WebSocketSettings()
    async with trio.open_nursery() as nursery:
        await nursery.start(faults.run)
        nursery.start_soon(server.run)
        await nursery.start(partial(serve, server, listeners, server.connections, wire))
        await nursery.start(partial(serve, control, control_listeners, Connections(), wire))
        yield Running(
            server=server,
            venue=venue,
            faults=faults,
            clock=clock,
            settings=chosen,
            control=control,
            rest=f"http://{_HOST}:{port}",
            ws=f"ws://{_HOST}:{port}",
            control_url=f"http://{_HOST}:{control_port}",
            port=port,
        )
        nursery.cancel_scope.cancel(reason="the test's block has ended")
