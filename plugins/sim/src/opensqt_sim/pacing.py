"""Plays a market into a venue at a chosen speed.

Two clocks: the wall clock stamps what the venue tells; the market clock (candles, funding) is the market's own and runs
`speed` times as fast. Between events market time goes on, so that a quiet minute still ends; after the last event it
stands still while the venue goes on serving. `keep_time` runs beside, for as long as the venue lives.
"""

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal

import attrs
import trio

from opensqt_core.clock import Clock
from opensqt_sim.engine import SimVenue
from opensqt_sim.model import MarketEvent, MarketTrade

TICK_SECONDS = 0.1
"""How often time passes when nothing else happens."""
_BATCH = 64
"""Events between two breaths: other tasks run, clients are waited for."""

Throttle = Callable[[], Awaitable[None]]
"""Returns once what clients have not been sent is within its bound."""


@attrs.define
class Progress:
    """How far a market has been played."""

    events: int = 0
    market_ms: int = 0
    finished: bool = False


class Lockstep:
    """Releases the market trade by trade: the next one when somebody says so."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._ask, self._asked = trio.open_memory_channel[trio.Event](0)

    async def step(self) -> Progress:
        """Play up to and including the next trade (or to the end), and return how far the market is now.

        Waits for `drive` to be running. Several callers are served one after the other.
        """
        done = trio.Event()
        try:
            await self._ask.send(done)
        except trio.BrokenResourceError:
            return self.progress
        await done.wait()
        return self.progress

    async def _play(self, player: "_Player", market: Iterable[MarketEvent]) -> None:
        """Serve steps until the market ends; whoever steps then is told so at once."""
        events = iter(market)
        self.progress = player.progress
        with self._asked:
            async for done in self._asked:
                try:
                    player.progress.finished = not await player.play_one_trade(events)
                finally:
                    done.set()
                if player.progress.finished:
                    return


async def drive(
    market: Iterable[MarketEvent],
    venue: SimVenue,
    *,
    clock: Clock,
    speed: Decimal | None,
    lockstep: Lockstep | None = None,
    throttle: Throttle | None = None,
) -> Progress:
    """Play a market to its end and return how far that was; the ledger's `market` says so at any time.

    `speed` is market seconds per second, None is as fast as possible. With `lockstep` it does not matter. `throttle` is
    awaited every few dozen events; without it, other tasks are only given a chance to run.
    """
    player = _Player(venue, clock, throttle)
    if lockstep is not None:
        await lockstep._play(player, market)
    elif speed is None:
        await player.play_all(market)
    else:
        await player.play_paced(market, speed)
    player.progress.finished = True
    player.note()
    return player.progress


async def keep_time(venue: SimVenue, clock: Clock) -> None:
    """Let wall time pass at the venue (dead-man's switches), for ever."""
    while True:
        venue.on_clock(clock.now_ms())
        await trio.sleep(TICK_SECONDS)


def apply(event: MarketEvent, venue: SimVenue, now_ms: int) -> None:
    """Let one market event happen."""
    if isinstance(event, MarketTrade):
        venue.on_trade(event, now_ms)
    else:
        venue.on_book(event.symbol, event.book, event.market_ms, now_ms)


class _Player:
    """The loop's state."""

    def __init__(self, venue: SimVenue, clock: Clock, throttle: Throttle | None) -> None:
        self.progress = Progress()
        self._venue = venue
        self._clock = clock
        self._throttle = throttle

    def note(self) -> None:
        """Tell the ledger how far the market is."""
        progress = self.progress
        self._venue.ledger.note_market(finished=progress.finished, market_ms=progress.market_ms, events=progress.events)

    async def play_all(self, market: Iterable[MarketEvent]) -> None:
        """Play as fast as clients can be served."""
        for event in market:
            await self._play(event)

    async def play_paced(self, market: Iterable[MarketEvent], speed: Decimal) -> None:
        """Play each event when it is due; one that is late is played at once, and the rest do not wait for it."""
        events = iter(market)
        first = next(events, None)
        if first is None:
            return
        started = self._clock.monotonic()
        await self._play(first)
        per_second = float(speed) * 1000
        for event in events:
            due = started + (event.market_ms - first.market_ms) / per_second
            while (wait := due - self._clock.monotonic()) > 0:
                await trio.sleep(min(wait, TICK_SECONDS))
                market_ms = first.market_ms + int((self._clock.monotonic() - started) * per_second)
                self._venue.on_clock(self._clock.now_ms(), min(market_ms, event.market_ms))
                self.note()
            await self._play(event)

    async def play_one_trade(self, events: Iterable[MarketEvent]) -> bool:
        """Play up to and including the next trade; False if the market ended before one."""
        for event in events:
            await self._play(event)
            if isinstance(event, MarketTrade):
                self.note()
                return True
        return False

    async def _play(self, event: MarketEvent) -> None:
        progress = self.progress
        apply(event, self._venue, self._clock.now_ms())
        progress.events += 1
        progress.market_ms = event.market_ms
        if progress.events % _BATCH == 0:
            self.note()
            if self._throttle is not None:
                await self._throttle()
            await trio.lowlevel.checkpoint()
