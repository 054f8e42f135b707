"""What one client has yet to receive: facts in order, of each state only the newest, bounded."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable

import attrs

from opensqt_live.snapshot import Lane

TOO_SLOW = 1013
"""WebSocket close code "try again later"."""


@attrs.frozen(eq=False)
class Frame:
    """One encoded message; the same object for every client."""

    text: str
    lane: Lane
    key: Hashable
    published_at: float
    """Monotonic seconds."""


@attrs.frozen
class Closing:
    """Why a client is sent away."""

    code: int
    reason: str


@attrs.define
class Tally:
    """What became of frames, over all clients."""

    sent: int = 0
    conflated: int = 0
    """Replaced by a newer one of their key."""
    dropped: int = 0
    """Lost with a client that was too slow."""
    too_slow: int = 0
    """Clients closed for it."""


class Outbox:
    """A queue whose writer never waits."""

    def __init__(self, limit: int, tally: Tally) -> None:
        self._limit = limit
        self._tally = tally
        self._frames: OrderedDict[Hashable, Frame] = OrderedDict()
        self._number = 0
        self.closing: Closing | None = None
        """Set when nothing more comes after what waits."""

    def __len__(self) -> int:
        return len(self._frames)

    def begin(self, frames: Iterable[Frame]) -> None:
        """Add a snapshot: kept whole and in order, whatever replaces parts of it later."""
        for frame in frames:
            self._append(frame)

    def put(self, frame: Frame) -> None:
        """Add a live frame. One too many closes the client: it has lost the thread and needs a new snapshot."""
        if self.closing is not None:
            self._tally.dropped += 1
        elif frame.lane is Lane.STATE and frame.key in self._frames:
            # To the end: it may tell of what the facts in between told.
            self._frames[frame.key] = frame
            self._frames.move_to_end(frame.key)
            self._tally.conflated += 1
        elif len(self._frames) >= self._limit:
            self._tally.dropped += 1
            self._tally.too_slow += 1
            self.close(TOO_SLOW, f"too slow: {self._limit} frames waiting")
        elif frame.lane is Lane.STATE:
            self._frames[frame.key] = frame
        else:
            self._append(frame)

    def take(self) -> Frame | None:
        """Return the next frame to send, or None if there is none now."""
        if not self._frames:
            return None
        self._tally.sent += 1
        return self._frames.popitem(last=False)[1]

    def close(self, code: int, reason: str) -> None:
        """Drop what waits and have the client closed; the first reason counts."""
        if self.closing is None:
            self.closing = Closing(code, reason)
            self._tally.dropped += len(self._frames)
            self._frames.clear()

    def _append(self, frame: Frame) -> None:
        self._number += 1
        self._frames[_Position(self._number)] = frame


@attrs.frozen
class _Position:
    """The key of a frame that nothing replaces."""

    number: int
