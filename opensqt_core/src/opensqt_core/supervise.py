"""Keeps subscriptions alive, once for all venues: `open_stream` turns a `StreamSpec` into a `Stream`.

Each stream has a supervisor of its own. Transient failures restart that stream without limit; a bug is logged with its
traceback and restarts it within a budget; a refusal ends it. None of this reaches other streams or the consumer's
nursery: the consumer sees `Lost`, `Resumed` and the status.
"""

import random
import types
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
import structlog
import trio

from opensqt_core._connection import Connect, Connection
from opensqt_core._ending import End, EndKind
from opensqt_core._stream_buffer import Overflow, StreamBuffer
from opensqt_core.backoff import Backoff
from opensqt_core.clock import Clock
from opensqt_core.log import redact
from opensqt_core.streams import Lost, Resumed, Stream, StreamSpec, StreamState, StreamStatus
from opensqt_core.websocket import connect_websocket

T = TypeVar("T")

BUG_BUDGET = 5
"""Restarts after a bug that are granted within `BUG_WINDOW` seconds; the next bug in that time fails the stream."""
BUG_WINDOW = 600.0
LINGER = 1.0
"""How long a replaced connection is still read, so that what it had received is not lost."""

_log = structlog.get_logger()


class StreamBoard:
    """The status of every open stream of an exchange, by name. Metrics and health read it; only core writes it."""

    def __init__(self) -> None:
        self._statuses: dict[str, StreamStatus] = {}

    @property
    def statuses(self) -> Mapping[str, StreamStatus]:
        """A live, read-only view, for `Exchange.streams`."""
        return types.MappingProxyType(self._statuses)

    def add(self, name: str, now_ms: int) -> StreamStatus:
        """Put up a new stream's status. A second stream of the same name is numbered: `candle ETHUSDT 1m #2`."""
        unique, number = name, 1
        while unique in self._statuses:
            number += 1
            unique = f"{name} #{number}"
        self._statuses[unique] = StreamStatus(unique, since_ms=now_ms)
        return self._statuses[unique]

    def remove(self, status: StreamStatus) -> None:
        """Take down the status of a stream that was closed."""
        del self._statuses[status.name]


@asynccontextmanager
async def open_stream(
    spec: StreamSpec[T],
    board: StreamBoard,
    *,
    clock: Clock,
    connect: Connect = connect_websocket,
    rng: random.Random | None = None,
) -> AsyncIterator[Stream[T]]:
    """Keep `spec`'s subscription alive while the block lasts, and yield its values and markers.

    There are no markers around the very first connect: `wait_live` tells of it. From then on `Lost` comes once per
    outage, at the moment of loss, and `Resumed` once when it is over. At a planned replacement (`max_age`) neither
    comes, but values without a conflation key may come twice. When the consumer falls `spec.buffer` values behind,
    those are discarded: `Lost`, a new connection, `Resumed`.

    A stream that is `failed` (the venue refused the login, or too many bugs) says `Lost` and then nothing more;
    `wait_live` waits in vain then, so bound it and look at `status.reason`.
    """
    status = board.add(spec.name, clock.now_ms())
    supervisor = _Supervisor(spec, status, clock, connect, Backoff(rng or random.Random()))  # noqa: S311 - jitter
    # What the block raises is carried around the nursery, which would wrap it in a group.
    raised: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            try:
                yield _SupervisedStream(supervisor)
            except Exception as error:  # noqa: BLE001 - raised again below, unchanged
                raised = error
            supervisor.close()
            nursery.cancel_scope.cancel(reason="the stream was closed")
    finally:
        supervisor.close()
        board.remove(status)
    if raised is not None:
        raise raised


class _SupervisedStream(Stream[T]):
    def __init__(self, supervisor: "_Supervisor[T]") -> None:
        self._supervisor = supervisor
        self.status = supervisor.status

    async def receive(self) -> T | Lost | Resumed:
        return await self._supervisor.buffer.get()

    async def aclose(self) -> None:
        self._supervisor.close()
        await trio.lowlevel.checkpoint()

    async def wait_live(self) -> None:
        await trio.lowlevel.checkpoint()
        while self.status.state is not StreamState.LIVE:
            await self._supervisor.went_live.wait()

    def restart(self, reason: str) -> None:
        self._supervisor.restart(reason)


@attrs.define(eq=False)
class _Supervisor(Generic[T]):
    """Decides when to connect, and keeps the status and the markers true."""

    spec: StreamSpec[T]
    status: StreamStatus
    clock: Clock
    connect: Connect
    backoff: Backoff
    buffer: StreamBuffer[T] = attrs.field(init=False)
    went_live: trio.Event = attrs.field(factory=trio.Event)
    _primary: Connection[T] | None = None
    """The connection whose values count; None while there is none."""
    _down: bool = False
    """Whether the consumer was told `Lost` and not yet `Resumed`."""
    _bugs: deque[float] = attrs.field(factory=deque)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.buffer = StreamBuffer(self.spec.buffer, self.spec.conflate)

    async def run(self) -> None:
        """Connect, again and again, until closed or failed."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                while True:
                    replaced = self._primary
                    connection = Connection(self.spec, self, self.clock, self.connect)
                    nursery.start_soon(connection.run)
                    await connection.settled.wait()
                    if connection.ready_at is not None and replaced is not None:
                        nursery.start_soon(self._let_go, replaced)
                    with trio.move_on_after(self.spec.max_age if self.spec.max_age is not None else float("inf")):
                        await connection.over.wait()
                    if connection.end is not None:
                        await trio.sleep(max(self.backoff.after(connection.lived()), connection.end.not_before))
                        self._again()

    def close(self) -> None:
        """End the subscription for good."""
        self.buffer.close()
        self._scope.cancel(reason="the stream was closed")

    def restart(self, reason: str) -> None:
        """Drop the connection, if there is one; while there is none, another is on its way already."""
        if self._primary is not None:
            self._primary.finish(End(EndKind.TRANSIENT, reason))

    def ready(self, connection: Connection[T]) -> None:
        if self._primary is not None:
            self._primary.replaced = True
        self._primary = connection
        self._up()

    def value(self, connection: Connection[T], value: T) -> None:
        if self._primary is None or (connection.replaced and self._is_state(value)):
            return  # a replaced connection's state is older than its successor's; its facts may be missing there
        try:
            self.buffer.put(value)
        except Overflow:
            self._primary.finish(End(EndKind.OVERFLOW, f"consumer is {self.spec.buffer} values behind"))
            return
        self.status.last_event_ms = connection.last_frame_ms
        self.status.last_event_monotonic = connection.last_frame_at

    def doubted(self, connection: Connection[T], reason: str) -> None:
        if connection is self._primary:
            self._lost(StreamState.STALE, reason)

    def confirmed(self, connection: Connection[T]) -> None:
        if connection is self._primary:
            self.status.last_event_ms = self.clock.now_ms()
            self.status.last_event_monotonic = self.clock.monotonic()
            self._up()

    def ended(self, connection: Connection[T], end: End) -> None:
        fatal = end.kind is EndKind.REFUSED
        if end.kind is EndKind.BUG:
            _log.error("bug in a stream", stream=self.status.name, reason=redact(end.reason), exc_info=end.error)
            fatal = self._over_budget()
        if fatal:
            self._primary = None
            self._lost(StreamState.FAILED, end.reason)
            self._scope.cancel(reason="the stream failed")
        elif connection is self._primary:
            self._primary = None
            self._lost(StreamState.BACKING_OFF, end.reason, discard=end.kind is EndKind.OVERFLOW)
        elif self._primary is None and not connection.replaced:
            self._show(StreamState.BACKING_OFF, end.reason)

    def _is_state(self, value: T) -> bool:
        return self.spec.conflate is not None and self.spec.conflate(value) is not None

    def _over_budget(self) -> bool:
        now = self.clock.monotonic()
        self._bugs.append(now)
        while self._bugs[0] < now - BUG_WINDOW:
            self._bugs.popleft()
        return len(self._bugs) > BUG_BUDGET

    def _again(self) -> None:
        if self._primary is None:
            self.status.restarts += 1
            self._show(StreamState.CONNECTING, self.status.reason)

    async def _let_go(self, replaced: Connection[T]) -> None:
        with trio.move_on_after(LINGER):
            await replaced.over.wait()
        replaced.finish(End(EndKind.TRANSIENT, "replaced"))

    def _up(self) -> None:
        if self._down:
            self._down = False
            self.buffer.put_resumed(self.clock.now_ms())
        if self.status.state is not StreamState.LIVE:
            self._show(StreamState.LIVE, "")
            self.went_live.set()

    def _lost(self, state: StreamState, reason: str, *, discard: bool = False) -> None:
        if not self._down:
            self._down = True
            self.buffer.put_lost(self.clock.now_ms(), redact(reason), discard=discard)
        self._show(state, reason)

    def _show(self, state: StreamState, reason: str) -> None:
        if state is self.status.state and reason == self.status.reason:
            return
        if self.status.state is StreamState.LIVE:
            self.went_live = trio.Event()
        if state is not self.status.state:
            self.status.since_ms = self.clock.now_ms()
        self.status.state = state
        self.status.reason = redact(reason)
        level = "info" if state in (StreamState.LIVE, StreamState.CONNECTING) else "warning"
        getattr(_log, level)("stream", stream=self.status.name, state=state.value, reason=self.status.reason)
