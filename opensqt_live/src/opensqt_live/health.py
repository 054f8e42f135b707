"""Which part of the daemon is live: the state of each feed, as `/health` shows it."""

from collections.abc import Iterable

import attrs
import msgspec

from opensqt_core.clock import Clock
from opensqt_core.streams import StreamState, StreamStatus


class StreamHealth(msgspec.Struct, frozen=True):
    """One stream in `/health`."""

    state: str
    """`connecting`, `live`, `stale`, `backing-off` or `failed`."""
    since: int
    """When it came into this state, milliseconds UTC."""
    restarts: int
    last_event_age_ms: int | None
    reason: str
    """Why it is not live; empty while it is."""


class Health(msgspec.Struct, frozen=True):
    """The body of `/health`."""

    status: str
    """`ok`, or `degraded` while a stream is not live."""
    clients: int
    time: int
    """Unix seconds."""
    streams: dict[str, StreamHealth]


@attrs.define(eq=False)
class FeedStatus:
    """Where one feed is: its stream, and the snapshot it owes to the hub."""

    name: str
    since_ms: int
    stream: StreamStatus | None = None
    """Core's status while the subscription is open."""
    reading: str = "not read yet"
    """Why what is shown may be behind the venue; empty when it is not."""
    reading_since_ms: int = 0
    failure: str = ""
    """Why the feed was given up."""
    bugs: int = 0
    """How often the feed itself had to be started again."""

    def __attrs_post_init__(self) -> None:
        """Begin at the start."""
        self.reading_since_ms = self.since_ms

    def opened(self, stream: StreamStatus) -> None:
        """Follow a subscription's status from now on."""
        self.stream = stream

    def closed(self, now_ms: int) -> None:
        """Say that the subscription is gone and another will be opened."""
        self.stream, self.since_ms = None, now_ms
        self.behind("starting again", now_ms)

    def behind(self, reason: str, now_ms: int) -> None:
        """Say that the venue must be read before what is shown is right."""
        if not self.reading:
            self.reading_since_ms = now_ms
        self.reading = reason

    def caught_up(self) -> None:
        """Say that what is shown is what the venue says."""
        self.reading = ""

    def failed(self, reason: str, now_ms: int) -> None:
        """Say that nothing more will come."""
        self.failure, self.since_ms, self.stream = reason, now_ms, None

    def show(self, clock: Clock) -> StreamHealth:
        """Return the feed's state now."""
        stream = self.stream
        if self.failure or stream is None:
            state = StreamState.FAILED if self.failure else StreamState.CONNECTING
            return StreamHealth(state.value, self.since_ms, self.bugs, None, self.failure or self.reading)
        age = stream.last_event_monotonic
        age_ms = None if age is None else max(0, round((clock.monotonic() - age) * 1000))
        state, since_ms, reason = stream.state, stream.since_ms, stream.reason
        if state is StreamState.LIVE and self.reading:
            state, since_ms, reason = StreamState.STALE, self.reading_since_ms, self.reading
        return StreamHealth(state.value, since_ms, stream.restarts + self.bugs, age_ms, reason)


def show_health(feeds: Iterable[FeedStatus], clients: int, clock: Clock) -> Health:
    """Return the state of everything; `status` is `ok` only when every feed is live."""
    streams = {feed.name: feed.show(clock) for feed in feeds}
    live = all(stream.state == StreamState.LIVE.value for stream in streams.values())
    return Health("ok" if live else "degraded", clients, clock.now_ms() // 1000, streams)
