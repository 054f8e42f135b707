"""Where facts wait for the engine: bounded, and it says that something is there without being asked again."""

from collections.abc import Sequence

import trio

from opensqt_core.journal.events import Event

_LIMIT = 2_000
"""Events that may wait before those who bring more have to; a burst of fills is some hundreds."""


class Inbox:
    """Facts in order of arrival, and a bell that prices and timers ring too."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._bell = trio.Event()
        self._room = trio.Event()

    async def put(self, events: Sequence[Event]) -> None:
        """Add facts; waits while the inbox is full."""
        while len(self._events) >= _LIMIT:
            await self._room.wait()
        self._events.extend(events)
        self._bell.set()
        await trio.lowlevel.checkpoint()

    @property
    def empty(self) -> bool:
        """Whether no fact waits."""
        return not self._events

    def ring(self) -> None:
        """Wake the engine without a fact: there is a new price, or time has passed."""
        self._bell.set()

    async def wait(self) -> None:
        """Return when somebody has rung since the last call of `drain`."""
        await self._bell.wait()

    def drain(self) -> list[Event]:
        """Return all facts and silence the bell."""
        events, self._events = self._events, []
        self._bell = trio.Event()
        self._room.set()
        self._room = trio.Event()
        return events
