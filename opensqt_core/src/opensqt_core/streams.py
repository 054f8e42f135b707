"""What a supervised stream looks like from both of its ends.

A driver describes a stream with a `StreamSpec`: how to reach it, and a sans-I/O `StreamSession` that turns one
connection's frames into values. `opensqt_core.supervise.open_stream` does the rest, once for all venues: connecting,
subscribing, heartbeats, staleness, probing, backoff, reconnecting, make-before-break.

A consumer gets a `Stream`: a trio receive channel of values and of two markers, `Lost` and `Resumed`.
"""

import abc
import enum
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, Protocol, TypeVar

import attrs
import trio

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Lost:
    """The subscription is down or stale since `since_ms` (UTC): do not trust what it said before."""

    since_ms: int
    reason: str


@attrs.frozen
class Resumed:
    """The subscription is back after `gap_ms`. What happened in between is not in this stream: read a snapshot."""

    gap_ms: int


class StreamState(enum.StrEnum):
    """Where a supervised stream is in its life. Health, metrics and the page show these words."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    BACKING_OFF = "backing-off"
    FAILED = "failed"


@attrs.define
class StreamStatus:
    """The state of one stream: one object, read by health, metrics, the page and the engine. Only core writes it."""

    name: str
    state: StreamState = StreamState.CONNECTING
    since_ms: int = 0
    restarts: int = 0
    last_event_ms: int | None = None
    """Wall time of the last value (or of a probe that agreed); None before the first."""
    last_event_monotonic: float | None = None
    """The same instant on trio's clock, for ages that do not jump with the wall clock."""
    reason: str = ""
    """Why the stream is not live; empty while it is."""


class Stream(trio.abc.ReceiveChannel[T | Lost | Resumed], Generic[T]):
    """A supervised subscription.

    Iterating never blocks the reader behind it. `Lost` comes the moment the subscription is down or stale, `Resumed`
    when it is back. Closing it ends the subscription.
    """

    status: StreamStatus

    @abc.abstractmethod
    async def wait_live(self) -> None:
        """Return once the venue has acknowledged the subscription (at once if it is live now)."""

    @abc.abstractmethod
    def restart(self, reason: str) -> None:
        """Drop the connection and open another: for a consumer that knows better that the stream is dead."""


@attrs.frozen
class Send:
    """An action of a session: send this text frame to the venue."""

    text: str


class Subscribed:
    """An action of a session: the venue has acknowledged everything this connection asked for."""


SUBSCRIBED = Subscribed()


class SessionLost(Exception):
    """Raised by a session or by its `background`: this connection is of no more use; open another."""


class StreamSession(Protocol[T_co]):
    """One connection's life without I/O: frames in, values and actions out.

    Raise `SessionLost` to end the connection, `AuthFailed` when another one cannot help. A frame that cannot be
    understood raises `SessionLost` too, with what was wrong; it is never skipped in silence.
    """

    def opened(self, now_ms: int) -> Iterable[Send | Subscribed]:
        """Return what to send as soon as the connection is up; `SUBSCRIBED` if no acknowledgement will come."""
        ...

    def received(self, frame: str | bytes, now_ms: int) -> Iterable[T_co | Send | Subscribed]:
        """Return what one frame means."""
        ...


@attrs.frozen
class Heartbeat:
    """Text that the client must send every `interval` seconds (venues that are pinged by us, not by frames)."""

    interval: float
    text: Callable[[int], str]
    """Made from the time in milliseconds UTC."""


@attrs.frozen(kw_only=True)
class StreamSpec(Generic[T]):
    """Everything core needs to keep one subscription alive. Times are seconds."""

    name: str
    """Unique within an exchange, without secrets: `candle ETHUSDT 1m`, `account`."""
    url: Callable[[], Awaitable[str]]
    """Where to connect. Called for each connection; may do REST (a listenKey). Raises `ExchangeError`."""
    session: Callable[[], StreamSession[T]]
    """A fresh session for each connection."""
    conflate: Callable[[T], Hashable | None] | None = None
    """Key under which a newer value replaces an older one that was not received yet; None (or a None key) keeps all."""
    stale_after: float | None = None
    """Longest time without a value before the stream is doubted; None for streams that speak only when something
    happens."""
    probe: Callable[[T | None], Awaitable[bool]] | None = None
    """Asked when `stale_after` has passed, with the last value: True if REST agrees that nothing was missed (a quiet
    market), False if the stream is dead. Without it, silence is death."""
    snapshot: Callable[[], Awaitable[T | None]] | None = None
    """REST's word on the newest value, delivered when a connection is ready and has not brought one by itself: venues
    that speak only of changes leave a newcomer to a quiet market without any."""
    first_value_within: float | None = None
    """Longest time from `Subscribed` to the first value (a wrong route is acknowledged and stays mute)."""
    subscribe_within: float = 10.0
    """Longest time from connecting to `Subscribed`."""
    silent_after: float = 600.0
    """Longest time without any frame at all, heartbeats included."""
    heartbeat: Heartbeat | None = None
    max_age: float | None = None
    """Replace the connection after this long, the new one live before the old one is closed."""
    background: Callable[[], Awaitable[None]] | None = None
    """Runs beside each connection (listenKey renewal); raising `ExchangeError` or `SessionLost` ends the connection."""
    buffer: int = 10_000
    """Values not yet received before the connection is given up and a gap is declared."""
