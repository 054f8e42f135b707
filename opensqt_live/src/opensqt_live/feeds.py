"""What all feeds share: reading the venue once at start and once after each gap, and being started again after a bug.

While a feed reads, its stream keeps what comes in the meantime; it is taken afterwards, and the hub drops of it what
the reading told already.
"""

import abc
import random
from collections import deque
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import structlog
import trio

from opensqt_core.backoff import Backoff
from opensqt_core.clock import Clock
from opensqt_core.errors import Banned, ExchangeError, RateLimited
from opensqt_core.log import redact
from opensqt_core.streams import Lost, Resumed, Stream
from opensqt_core.supervise import BUG_BUDGET, BUG_WINDOW
from opensqt_live.health import FeedStatus

T = TypeVar("T")

LIVE_WITHIN = 10.0
"""How long the first reading waits for the subscription. Later, viewers had better see the past than nothing."""

_log = structlog.get_logger(__name__)


class Feed(abc.ABC, Generic[T]):
    """One stream of the venue, brought to the hub. It outlives whatever the venue does."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.status = FeedStatus(name, clock.now_ms())
        self.ready = trio.Event()
        """Set when the first reading is in the hub, or can't be had."""
        self._clock = clock
        self._backoff = Backoff(random.Random(), first=0.5)  # noqa: S311 - jitter

    @abc.abstractmethod
    def subscribe(self) -> AbstractAsyncContextManager[Stream[T]]:
        """Open the stream."""

    @abc.abstractmethod
    async def read(self) -> None:
        """Read the venue and bring the hub up to it. Raises `ExchangeError`; is then called again."""

    @abc.abstractmethod
    async def take(self, value: T) -> None:
        """Take one value of the stream."""

    async def beside(self, stream: Stream[T]) -> None:
        """Run beside the subscription; ends with it."""

    async def run(self) -> None:
        """Follow the stream for ever. Raises only what is a bug."""
        async with self.subscribe() as stream, trio.open_nursery() as nursery:
            self.status.opened(stream.status)
            nursery.start_soon(self.beside, stream)
            with trio.move_on_after(LIVE_WITHIN) as waiting:
                await stream.wait_live()
            await self.catch_up("not read yet")
            self.ready.set()
            if waiting.cancelled_caught:
                # What happened until the subscription is live is in no stream, and no marker tells of it.
                await stream.wait_live()
                await self.catch_up("the stream came late")
            async for item in stream:
                match item:
                    case Lost():
                        self.status.behind(f"lost: {item.reason}", self._clock.now_ms())
                    case Resumed():
                        await self.catch_up("a gap in the stream")
                    case _:
                        await self.take(item)
            nursery.cancel_scope.cancel(reason="the stream ended")

    async def catch_up(self, why: str) -> None:
        """Read the venue until it answers; a task of its own is not needed, as the stream waits for us."""
        self.status.behind(f"reading the venue: {why}", self._clock.now_ms())
        while True:
            try:
                await self.read()
            except ExchangeError as error:
                pause = max(self._backoff.after(), self._not_before(error))
                self.status.behind(f"the venue can't be read: {redact(str(error))}", self._clock.now_ms())
                _log.warning("cannot read the venue", feed=self.status.name, error=str(error), again_in_s=pause)
                await trio.sleep(pause)
            else:
                self._backoff.failures = 0
                self.status.caught_up()
                return

    def _not_before(self, error: ExchangeError) -> float:
        """Return the seconds for which the venue wants to be left alone."""
        match error:
            case RateLimited():
                return error.retry_after
            case Banned():
                return max(0.0, (error.until_ms - self._clock.now_ms()) / 1000)
            case _:
                return 0.0


async def keep_running(feed: Feed[T], clock: Clock) -> None:
    """Run a feed for ever: a bug in it is logged and starts it again, up to a budget; then it alone is given up."""
    bugs: deque[float] = deque()
    backoff = Backoff(random.Random(), first=0.5)  # noqa: S311 - jitter
    while True:
        try:
            await feed.run()
        except Exception as error:  # noqa: BLE001 - a bug in one feed must not end the others
            _log.error("bug in a feed", feed=feed.status.name, exc_info=error)
            now = clock.monotonic()
            bugs.append(now)
            while bugs[0] < now - BUG_WINDOW:
                bugs.popleft()
            feed.status.bugs += 1
            if len(bugs) > BUG_BUDGET:
                feed.status.failed(f"too many faults: {_name(error)}", clock.now_ms())
                feed.ready.set()
                return
        feed.status.closed(clock.now_ms())
        await trio.sleep(backoff.after())


def _name(error: BaseException) -> str:
    """Return the kind of an error; nurseries on the way up have wrapped it."""
    return _name(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else type(error).__name__
