"""Stopping from the inside out: the first signal ends trading, the second one the clean-up too."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import structlog
import trio

_log = structlog.get_logger(__name__)


class Stop:
    """The two scopes that signals end: first trading, then the clean-up."""

    def __init__(self) -> None:
        self.requested = False
        self.closing = trio.CancelScope(shield=True)
        self._trading: trio.CancelScope | None = None

    @contextmanager
    def trading(self) -> Iterator[trio.CancelScope]:
        """What is inside ends at the first signal, at once if that came before."""
        with trio.CancelScope() as scope:
            self._trading = scope
            if self.requested:
                scope.cancel(reason="stopped before it began")
            yield scope

    async def obey(self, signals: AsyncIterator[int]) -> None:
        """Cancel one scope for each signal."""
        async for number in signals:
            name = signal.Signals(number).name
            _log.info("stopping", signal=name)
            if self.requested:
                self.closing.cancel(reason=f"second signal: {name}")
            self.requested = True
            if self._trading is not None:
                self._trading.cancel(reason=name)
