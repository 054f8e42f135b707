"""Runs simulated venues until somebody ends them: the supervision tree of `opensqt-sim serve`."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import trio

from opensqt_core.clock import Clock
from opensqt_sim.control import Control
from opensqt_sim.faults import Faults
from opensqt_sim.markets.merge import merge
from opensqt_sim.pacing import Lockstep, drive, keep_time
from opensqt_sim.rules import AccountSettings
from opensqt_sim.setup import MarketWish, SetupError, open_venue, prepare_market
from opensqt_sim.venues.registry import VENUES, Credentials, Opening
from opensqt_sim.venues.shared.server import VenueServer
from opensqt_sim.wire.server import Connections, open_listeners, serve
from opensqt_sim.wire.websocket import Topic, WebSocketSettings


@attrs.frozen(kw_only=True)
class ServeSettings:
    """What to serve, and how fast its market goes."""

    venue: str
    markets: tuple[MarketWish, ...]
    account: AccountSettings
    credentials: Credentials
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    speed: Decimal | None = Decimal(1)
    """Market seconds per second; None is as fast as possible."""
    lockstep: bool = False
    start_on_subscribe: bool = False
    """Whether the market waits for the first subscription of best bid and offer."""
    legacy_routes: bool = False


Announce = Callable[[dict[str, Any]], None]
"""Told the addresses of a venue once it listens."""


async def serve_venues(venues: Iterable[ServeSettings], clock: Clock, announce: Announce) -> None:
    """Serve until cancelled. Raises `SetupError`, and `MarketFileError` if a recording turns out to be damaged."""
    faults = Faults()
    async with trio.open_nursery() as nursery:
        await nursery.start(faults.run)
        for settings in venues:
            announce(await nursery.start(_serve_venue, settings, clock, faults))


async def _serve_venue(
    settings: ServeSettings,
    clock: Clock,
    faults: Faults,
    *,
    task_status: trio.TaskStatus[dict[str, Any]],
) -> None:
    kind = VENUES[settings.venue]
    now_ms = clock.now_ms()
    markets = [prepare_market(wish, venue=settings.venue, now_ms=now_ms) for wish in settings.markets]
    account = attrs.evolve(settings.account, first_order_id=kind.first_order_id)
    venue = open_venue(markets, account, now_ms=now_ms)
    server = kind.open(
        Opening(
            venue=venue,
            credentials=settings.credentials,
            clock=clock,
            faults=faults,
            legacy_routes=settings.legacy_routes,
        )
    )
    faults.add_target(server)
    lockstep = Lockstep() if settings.lockstep else None
    started = _start_condition(settings, server)
    control = Control(server=server, faults=faults, clock=clock, started=started, lockstep=lockstep)
    listeners, port = await _listen(settings.host, settings.port)
    control_listeners, control_port = await _listen(settings.host, settings.control_port)

    async def play() -> None:
        await started.wait()
        market = merge(*(market.rest for market in markets))
        throttle = server.connections.drain
        await drive(market, venue, clock=clock, speed=settings.speed, lockstep=lockstep, throttle=throttle)

    wire = WebSocketSettings()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        nursery.start_soon(keep_time, venue, clock)
        await nursery.start(partial(serve, server, listeners, server.connections, wire))
        await nursery.start(partial(serve, control, control_listeners, Connections(), wire))
        nursery.start_soon(play)
        task_status.started(_announcement(settings, port, control_port))


def _start_condition(settings: ServeSettings, server: VenueServer) -> trio.Event:
    started = trio.Event()
    if not settings.start_on_subscribe:
        started.set()
        return started

    def subscribed(topic: Topic) -> None:
        if topic.channel == server.quote_channel:
            started.set()

    server.on_subscribed(subscribed)
    return started


async def _listen(host: str, port: int) -> tuple[list[trio.SocketListener], int]:
    try:
        return await open_listeners(host, port)
    except OSError as error:
        raise SetupError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _announcement(settings: ServeSettings, port: int, control_port: int) -> dict[str, Any]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "venue": settings.venue,
        "symbols": [wish.symbol for wish in settings.markets],
        "rest": f"http://{host}:{port}",
        "ws": f"ws://{host}:{port}",
        "api_key": settings.credentials.api_key,
        "secret_key": settings.credentials.secret_key,
        "passphrase": settings.credentials.passphrase,
        "control": f"http://{host}:{control_port}",
    }
