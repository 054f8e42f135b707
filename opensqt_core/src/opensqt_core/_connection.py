"""One connection of a supervised stream, from dialling to its end; `supervise` decides what follows.

Everything that can end a connection (the venue, silence, a late acknowledgement, a probe that disagrees, a bug) becomes
one `End`, so that neither an exception nor an exception group leaves here, except cancellation.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar, cast

import attrs
import structlog
import trio

from opensqt_core._ending import End, EndKind, classify
from opensqt_core.clock import Clock
from opensqt_core.errors import AuthFailed, ExchangeError
from opensqt_core.log import redact
from opensqt_core.streams import Heartbeat, Send, StreamSpec, Subscribed
from opensqt_core.websocket import Socket

T = TypeVar("T")

_log = structlog.get_logger()

URL_WITHIN = 60.0
"""Seconds for `StreamSpec.url`: it may have to wait a minute for a rate limit."""
CONNECT_WITHIN = 10.0
PING_EVERY = 15.0
"""A half-open TCP connection looks like a quiet market; only a pong tells them apart."""
PONG_WITHIN = 10.0
PROBE_WITHIN = 10.0
PROBE_ATTEMPTS = 3
"""Probes in a row that may go without an answer before the connection is given up."""
AFTER_DISAGREEMENT = 1.0
"""How long what the probe has seen may still be under way to us."""


class Connect(Protocol):
    """How a connection is dialled: `connect_websocket`, or a test's own."""

    def __call__(self, url: str, *, connect_timeout: float) -> AbstractAsyncContextManager[Socket]:
        """Connect while entering, close while leaving."""
        ...


class Owner(Protocol[T]):
    """What a connection tells its supervisor: synchronously, in the connection's own tasks."""

    def ready(self, connection: "Connection[T]") -> None:
        """The venue delivers: subscribed and, where the spec asks for one, with its first value at hand."""
        ...

    def value(self, connection: "Connection[T]", value: T) -> None:
        """A value came."""
        ...

    def doubted(self, connection: "Connection[T]", reason: str) -> None:
        """The stream is stale, and there is no telling whether it is dead."""
        ...

    def confirmed(self, connection: "Connection[T]") -> None:
        """A probe agrees with what was delivered last, or a value ended a doubt."""
        ...

    def ended(self, connection: "Connection[T]", end: End) -> None:
        """The connection is of no more use; it is being closed."""
        ...


@attrs.define(eq=False)
class Connection(Generic[T]):
    """The life of one connection. Times are the clock's monotonic seconds."""

    spec: StreamSpec[T]
    owner: Owner[T]
    clock: Clock
    connect: Connect
    end: End | None = None
    ready_at: float | None = None
    replaced: bool = False
    """Set by the owner: another connection has taken over."""
    last_frame_at: float = 0.0
    last_frame_ms: int = 0
    settled: trio.Event = attrs.field(factory=trio.Event)
    """Set once it is ready or has ended."""
    over: trio.Event = attrs.field(factory=trio.Event)
    """Set once it has ended."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _changed: trio.Event = attrs.field(factory=trio.Event)
    """Tells the watchdog that an earlier deadline may apply."""
    _opened_at: float = 0.0
    _subscribed_at: float | None = None
    _early: list[T] = attrs.field(factory=list)
    """Values that came before the connection was ready."""
    _last_value: T | None = None
    _fresh_at: float = 0.0
    """When there last was a value or a probe that agreed."""
    _failed_probes: int = 0
    """In a row; above zero the stream is stale."""
    _probe_at: float = 0.0
    """Not before this is a failed probe repeated."""

    async def run(self) -> None:
        """Live until something ends it."""
        with self._scope:
            await self._guarded(self._live)

    def finish(self, end: End) -> None:
        """End this connection now. The first reason stands."""
        if self.end is not None:
            return
        self.end = end
        self._scope.cancel(reason=end.reason)
        self.settled.set()
        self.over.set()
        self.owner.ended(self, end)

    def lived(self) -> float:
        """Return for how many seconds it has been ready; 0 if it never was."""
        return 0.0 if self.ready_at is None else self.clock.monotonic() - self.ready_at

    async def _guarded(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001 - the one place where a connection's failures are told apart
            self.finish(classify(error, self.clock.now_ms()))

    def _lose(self, reason: str) -> None:
        self.finish(End(EndKind.TRANSIENT, reason))

    async def _live(self) -> None:
        url = None
        with trio.move_on_after(URL_WITHIN):
            url = await self.spec.url()
        if url is None:
            self._lose(f"no address to connect to within {URL_WITHIN:g} s")
            return
        async with self.connect(url, connect_timeout=CONNECT_WITHIN) as socket:
            self._opened_at = self.last_frame_at = self.clock.monotonic()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._guarded, self._watch)
                nursery.start_soon(self._guarded, self._ping, socket)
                if self.spec.heartbeat is not None:
                    nursery.start_soon(self._guarded, self._beat, socket, self.spec.heartbeat)
                if self.spec.snapshot is not None:
                    nursery.start_soon(self._guarded, self._start_with, self.spec.snapshot)
                if self.spec.background is not None:
                    nursery.start_soon(self._guarded, self.spec.background)
                await self._guarded(self._read, socket)

    async def _read(self, socket: Socket) -> None:
        session = self.spec.session()
        await self._act(socket, session.opened(self.clock.now_ms()))
        while True:
            frame = await socket.receive()
            self.last_frame_at = self.clock.monotonic()
            self.last_frame_ms = self.clock.now_ms()
            await self._act(socket, session.received(frame, self.last_frame_ms))

    async def _act(self, socket: Socket, items: Iterable[T | Send | Subscribed]) -> None:
        for item in items:
            if self.end is not None:
                return
            kind = type(item)
            if kind is Send:
                await socket.send(cast(Send, item).text)
            elif kind is Subscribed:
                self._subscribed()
            else:
                self._value(cast(T, item))

    def _subscribed(self) -> None:
        if self._subscribed_at is None:
            self._subscribed_at = self.clock.monotonic()
            self._settle()

    def _value(self, value: T) -> None:
        self._last_value = value
        if self.ready_at is None:
            self._hold_back(value)
            return
        self._fresh_at = self.last_frame_at
        if self._failed_probes:
            self._believe()
        self.owner.value(self, value)

    def _hold_back(self, value: T) -> None:
        if len(self._early) < self.spec.buffer:
            self._early.append(value)
            self._settle()
        else:
            self._lose("too many values before the subscription was acknowledged")

    def _settle(self) -> None:
        """Become ready if nothing is missing any more."""
        self._changed.set()
        if self._subscribed_at is None or (self.spec.first_value_within is not None and not self._early):
            return
        self.ready_at = self._fresh_at = self.clock.monotonic()
        self.owner.ready(self)
        early, self._early = self._early, []
        for value in early:
            self.owner.value(self, value)
        self.settled.set()

    async def _start_with(self, snapshot: Callable[[], Awaitable[T | None]]) -> None:
        """Deliver a snapshot unless the connection has brought a value. Without an answer the stream speaks alone."""
        await self.settled.wait()
        if self._last_value is not None:
            return
        try:
            value = await snapshot()
        except (ExchangeError, OSError) as error:
            _log.info("no snapshot for a stream", stream=self.spec.name, reason=redact(str(error)))
            return
        if value is not None and self._last_value is None and not self.replaced:
            self.last_frame_at = self.clock.monotonic()
            self.last_frame_ms = self.clock.now_ms()
            self._value(value)

    async def _ping(self, socket: Socket) -> None:
        while True:
            await trio.sleep(PING_EVERY)
            with trio.move_on_after(PONG_WITHIN) as waiting:
                await socket.ping()
            if waiting.cancelled_caught:
                self._lose(f"no pong within {PONG_WITHIN:g} s")
            # The venue's own pings are answered underneath, unseen; our pong stands for "any frame at all".
            self.last_frame_at = self.clock.monotonic()

    async def _beat(self, socket: Socket, heartbeat: Heartbeat) -> None:
        while True:
            await trio.sleep(heartbeat.interval)
            await socket.send(heartbeat.text(self.clock.now_ms()))

    async def _watch(self) -> None:
        """Sleep until the next deadline. Frames only move deadlines away, so they need not wake this."""
        while True:
            self._changed = trio.Event()
            deadline, late = self._next_deadline()
            left = deadline - self.clock.monotonic()
            if left <= 0:
                await late()
            with trio.move_on_after(max(left, 0.0)):
                await self._changed.wait()

    def _next_deadline(self) -> tuple[float, Callable[[], Awaitable[None]]]:
        spec = self.spec
        deadlines = [(self.last_frame_at + spec.silent_after, self._silent)]
        if self._subscribed_at is None:
            deadlines.append((self._opened_at + spec.subscribe_within, self._unacknowledged))
        elif self.ready_at is None and spec.first_value_within is not None:
            deadlines.append((self._subscribed_at + spec.first_value_within, self._mute))
        elif spec.stale_after is not None:
            deadlines.append((max(self._fresh_at + spec.stale_after, self._probe_at), self._doubt))
        return min(deadlines, key=lambda deadline: deadline[0])

    async def _silent(self) -> None:
        self._lose(f"no frame for {self.spec.silent_after:g} s")

    async def _unacknowledged(self) -> None:
        self._lose(f"subscription not acknowledged within {self.spec.subscribe_within:g} s")

    async def _mute(self) -> None:
        self._lose(f"acknowledged, but no value within {self.spec.first_value_within:g} s")

    async def _doubt(self) -> None:
        """Ask the probe whether the stream is quiet or dead; a value that comes meanwhile settles it too."""
        quiet = f"no value for {self.clock.monotonic() - self._fresh_at:.3g} s"
        if self.spec.probe is None:
            self._lose(quiet)
            return
        doubted_fresh = self._fresh_at
        agrees, failure = await self._ask(self.spec.probe)
        if self._fresh_at > doubted_fresh:
            return
        if failure is not None:
            self._unanswered(f"{quiet}, and no probe: {failure}")
        elif agrees:
            self._fresh_at = self.clock.monotonic()
            self._believe()
        else:
            await trio.sleep(AFTER_DISAGREEMENT)
            if self._fresh_at == doubted_fresh:
                self._lose(f"{quiet}, but the venue's REST has newer")

    async def _ask(self, probe: Callable[[T | None], Awaitable[bool]]) -> tuple[bool, str | None]:
        """Return the probe's answer, or why there is none."""
        with trio.move_on_after(PROBE_WITHIN):
            try:
                return await probe(self._last_value), None
            except AuthFailed:
                raise
            except (ExchangeError, OSError) as error:
                return False, str(error)
        return False, f"no answer within {PROBE_WITHIN:g} s"

    def _unanswered(self, reason: str) -> None:
        self._failed_probes += 1
        self._probe_at = self.clock.monotonic() + 2.0 ** (self._failed_probes - 1)
        if self._failed_probes >= PROBE_ATTEMPTS:
            self._lose(reason)
        elif self._failed_probes == 1:
            self.owner.doubted(self, reason)

    def _believe(self) -> None:
        self._failed_probes = 0
        self._probe_at = 0.0
        self.owner.confirmed(self)
