"""The consumer's end of a supervised stream: what was not received yet, bounded, conflated, with its markers."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import attrs
import trio

from opensqt_core.streams import Lost, Resumed

T = TypeVar("T")

_FAIRNESS = 64
"""Items handed over from a backlog before other tasks get a turn: a task switch for each would cost more than most
consumers' work on it."""


class Overflow(Exception):
    """The consumer has not received so many values that the stream gives up."""


@attrs.define(eq=False)
class _Cell:
    item: Any
    key: Hashable | None = None
    """What the value is conflated by."""
    lost_ms: int = 0
    """For a `Resumed`: when the outage began that it ends."""


class StreamBuffer(Generic[T]):
    """A queue whose writer never waits.

    A conflated value takes the place of an older one with its key, but never overtakes a marker or a value without a
    key. Outages that the consumer has not heard of yet are merged, so that an idle consumer of a flapping stream costs
    no memory, and `Lost` and `Resumed` always alternate.
    """

    def __init__(self, limit: int, conflate: Callable[[T], Hashable | None] | None = None) -> None:
        self._limit = limit
        self._conflate = conflate
        self._cells: deque[_Cell] = deque()
        self._newest: dict[Hashable, _Cell] = {}
        self._values = 0
        self._lost_ms = 0
        self._consumers = trio.lowlevel.ParkingLot()
        self._handed_over = 0
        self._closed = False

    def put(self, value: T) -> None:
        """Add a value. Raises `Overflow`, and does not add it, if that is one too many."""
        key = None
        if self._conflate is not None:
            key = self._conflate(value)
            if key is None:
                self._newest.clear()
            elif key in self._newest:
                self._newest[key].item = value
                return
        if self._values >= self._limit:
            raise Overflow
        cell = _Cell(value, key)
        if key is not None:
            self._newest[key] = cell
        self._values += 1
        self._push(cell)

    def put_lost(self, since_ms: int, reason: str, *, discard: bool) -> None:
        """Say that the stream is down since `since_ms`; with `discard`, in place of all that was not received yet.

        No value may be put before the `Resumed` that follows.
        """
        unheard = self._first_marker() if discard else self._just_resumed()
        if discard:
            self._cells.clear()
            self._values = 0
        if unheard is None:
            self._lost_ms = since_ms
        elif isinstance(unheard.item, Lost):
            self._lost_ms = unheard.item.since_ms
        else:  # the consumer knows of that outage, and for it, it just goes on
            self._lost_ms = unheard.lost_ms
            if not discard:
                self._cells.pop()
            return
        self._push(_Cell(Lost(self._lost_ms, reason)))

    def put_resumed(self, now_ms: int) -> None:
        """Say that the stream is back."""
        self._newest.clear()
        self._push(_Cell(Resumed(now_ms - self._lost_ms), lost_ms=self._lost_ms))

    async def get(self) -> T | Lost | Resumed:
        """Return the oldest item, waiting for one. Raises `trio.ClosedResourceError` once closed."""
        self._handed_over += 1
        if self._cells and self._handed_over % _FAIRNESS:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        while not self._cells:
            if self._closed:
                raise trio.ClosedResourceError("the stream is closed")
            await self._consumers.park()
        cell = self._cells.popleft()
        if not isinstance(cell.item, Lost | Resumed):
            self._values -= 1
            if cell.key is not None and self._newest.get(cell.key) is cell:
                del self._newest[cell.key]
        item: T | Lost | Resumed = cell.item
        return item

    def close(self) -> None:
        """Wake every consumer with `trio.ClosedResourceError`; what was not received is gone."""
        self._closed = True
        self._cells.clear()
        self._newest.clear()
        self._consumers.unpark_all()

    def _push(self, cell: _Cell) -> None:
        if not self._closed:
            self._cells.append(cell)
            self._consumers.unpark()

    def _first_marker(self) -> _Cell | None:
        return next((cell for cell in self._cells if isinstance(cell.item, Lost | Resumed)), None)

    def _just_resumed(self) -> _Cell | None:
        last = self._cells[-1] if self._cells else None
        return last if last is not None and isinstance(last.item, Resumed) else None
