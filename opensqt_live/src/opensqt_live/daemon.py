"""`opensqt-live run`: the nesting of everything that lives while viewers watch.

From outside to inside: signals, the port, the venue, the feeds, the server. The first signal sends viewers away and
ends the server while the feeds still run; then they and the venue end. Once it runs, nothing that a venue does ends it.
"""

import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog
import trio

from opensqt_core.clock import Clock, SystemClock
from opensqt_core.exchange import Exchange
from opensqt_core.metrics import watch_streams
from opensqt_live.account_feed import AccountFeed
from opensqt_live.candle_feed import CandleFeed
from opensqt_live.exits import ExitStatus, StartRefused, first_refusal
from opensqt_live.feeds import Feed, keep_running
from opensqt_live.history import History
from opensqt_live.hub import Hub
from opensqt_live.loading import Loaded
from opensqt_live.metrics import watch_hub
from opensqt_live.page_files import INDEX, MISSING, Page
from opensqt_live.preparation import Prepared, prepare
from opensqt_live.server import Server
from opensqt_live.serving import addresses, open_listeners, serve
from opensqt_live.settings import ANY_ORIGIN, Settings
from opensqt_live.snapshot import Snapshot

READY_WITHIN = 15.0
"""How long viewers wait for the first reading; a venue that fails now has answered a moment ago."""
STOP_WITHIN = 2.5
"""From the first signal to the end, whatever hangs."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


async def run(loaded: Loaded, clock: Clock | None = None) -> ExitStatus:
    """Show until SIGINT or SIGTERM. Raises `StartRefused` with a line for each reason."""
    refused: StartRefused | None = None
    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                stop = trio.Event()
                nursery.start_soon(_obey, signals, stop, nursery.cancel_scope)
                await _show(loaded, stop, clock or SystemClock())
                nursery.cancel_scope.cancel(reason="done")
    except* StartRefused as group:
        refused = first_refusal(group)
    if refused is not None:
        raise refused
    return ExitStatus.FINE


async def _obey(signals: AsyncIterator[int], stop: trio.Event, scope: trio.CancelScope) -> None:
    """End politely at the first signal, at once at the second."""
    async for number in signals:
        if stop.is_set():
            scope.cancel(reason="second signal")
        _log.info("stopping", signal=signal.Signals(number).name)
        stop.set()
        scope.deadline = trio.current_time() + STOP_WITHIN


async def _show(loaded: Loaded, stop: trio.Event, clock: Clock) -> None:
    listeners = await open_listeners(loaded.settings.server.host, loaded.settings.server.port)
    try:
        async with loaded.driver.open(loaded.settings.venue) as opened:
            exchange = opened.without_trading()
            prepared = await _unless(stop, partial(prepare, loaded, exchange))
            if prepared is not None:
                await _follow(loaded.settings, exchange, prepared, listeners, stop=stop, clock=clock)
    finally:
        for listener in listeners:
            listener.socket.close()


async def _follow(
    settings: Settings,
    exchange: Exchange,
    prepared: Prepared,
    listeners: Sequence[trio.SocketListener],
    *,
    stop: trio.Event,
    clock: Clock,
) -> None:
    hub = Hub(
        [Snapshot(market, settings.trading.history_limit) for market in prepared.markets],
        outbox_limit=settings.limits.outbox_frames,
        monotonic=clock.monotonic,
    )
    feeds = make_feeds(settings, exchange, hub, clock)
    async with trio.open_nursery() as nursery:
        for feed in feeds:
            nursery.start_soon(keep_running, feed, clock)
        with trio.move_on_after(READY_WITHIN):
            await _unless(stop, partial(_all_ready, feeds))
        with watch_streams(exchange.name, exchange.streams, clock), watch_hub(hub) as broadcast:
            server = Server(
                hub=hub,
                feeds=[feed.status for feed in feeds],
                history=History(exchange.market, hub, clock),
                page=Page(),
                server=settings.server,
                limits=settings.limits,
                clock=clock,
                broadcast=broadcast,
            )
            async with serve(server.app(), listeners, settings.limits):
                _announce(settings, server.page, addresses(listeners))
                # What lives by now lives long; looking through it again and again costs, and finds nothing.
                gc.freeze()
                await stop.wait()
                hub.close("the server ends")
        nursery.cancel_scope.cancel(reason="the server has ended")


def make_feeds(settings: Settings, exchange: Exchange, hub: Hub, clock: Clock) -> list[Feed[Any]]:
    """Return a feed for each stream that is needed; without a key there is no account to follow."""
    limit, idle_s = settings.trading.history_limit, settings.supervision.account_idle
    feeds: list[Feed[Any]] = [
        CandleFeed(exchange.market, hub, snapshot, limit=limit, clock=clock) for snapshot in hub.snapshots.values()
    ]
    if exchange.account is not None:
        feeds.append(AccountFeed(exchange, exchange.account, hub, idle_s=idle_s, clock=clock))
    return feeds


async def _all_ready(feeds: Sequence[Feed[Any]]) -> None:
    for feed in feeds:
        await feed.ready.wait()


async def _unless(stop: trio.Event, work: Callable[[], Awaitable[T]]) -> T | None:
    """Return what the work returns, or None if the stop came first."""

    async def give_up(scope: trio.CancelScope) -> None:
        await stop.wait()
        scope.cancel(reason="stopped")

    result: T | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(give_up, nursery.cancel_scope)
        result = await work()
        nursery.cancel_scope.cancel(reason="done")
    return result


def _announce(settings: Settings, page: Page, urls: Sequence[str]) -> None:
    if ANY_ORIGIN in settings.server.allowed_origins:
        _log.warning("pages of every origin may connect", setting='[server] allowed_origins = ["*"]')
    if page.file(INDEX) is None:
        _log.warning("no page", mend=MISSING.strip())
    _log.info("listening", urls=list(urls), public_url=settings.server.public_url or None)
