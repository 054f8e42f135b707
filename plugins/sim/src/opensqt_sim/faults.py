"""What can be made to go wrong, on request, while everything else goes on.

A fault is a class that describes itself: its fields are the keys of the control interface's document, its methods are
the moments at which it acts. To add one, write the class and put it into `AnyFault`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol

import attrs
import msgspec
import structlog
import trio

from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.wire import http
from opensqt_sim.wire.messages import Hangup, Outcome, Silence
from opensqt_sim.wire.server import Connections
from opensqt_sim.wire.websocket import Selector, Topic, WebSocket

_log = structlog.get_logger()

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class BadFault(Exception):
    """The description of a fault is not valid; the message names the key."""


class Target(Protocol):
    """A venue, as faults see it."""

    name: str
    connections: Connections
    channels: frozenset[str]

    @property
    def symbols(self) -> frozenset[str]:
        """What is traded there."""
        ...

    @property
    def endpoints(self) -> frozenset[str]:
        """What its REST endpoints are called."""
        ...


@attrs.define(eq=False)
class Active:
    """A fault that is under way."""

    number: int
    fault: "Fault"
    targets: list[Target]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    acted: int = 0
    """How often it has acted."""

    def act(self) -> bool:
        """Take note that the fault acts now; False if it has acted as often as it should."""
        if self.fault.count is not None and self.acted >= self.fault.count:
            return False
        self.acted += 1
        if self.acted == self.fault.count:
            self.scope.cancel(reason="the fault has acted as often as it should")
        return True


class Fault(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="fault"):
    """What all faults have in common. Without `seconds` and `count` a fault goes on until it is deleted."""

    venue: str | None = None
    symbol: str | None = None
    count: Count | None = None
    """How often it acts."""
    seconds: Positive | None = None
    """How long it is under way."""

    async def run(self, active: Active) -> None:  # noqa: ARG002 - for those that use it
        """Act by itself; the fault is over when this returns."""
        await trio.sleep_forever()

    def opened(self, active: Active, socket: WebSocket) -> None:
        """Act on a WebSocket that was opened while the fault is under way."""

    async def before(self, active: Active, call: Call) -> Outcome | None:  # noqa: ARG002
        """Act on a request that was admitted but not executed; an outcome stands in for the execution."""
        return None

    async def after(self, active: Active, call: Call) -> Outcome | None:  # noqa: ARG002
        """Act on a request that was executed; an outcome stands in for the answer."""
        return None

    @property
    def selector(self) -> Selector:
        """Which topics it is about."""
        return Selector(getattr(self, "channel", None), self.symbol)

    def concerns(self, active: Active, call: Call) -> bool:
        """Whether a request is what this fault is about, and may still be acted on."""
        return (
            getattr(self, "endpoint", None) in (None, call.endpoint)
            and (self.symbol is None or call.symbol is None or call.symbol == self.symbol)
            and active.act()
        )


class Drop(Fault, tag="drop", kw_only=True, frozen=True):
    """Close connections: once, or again and again `every` so many seconds."""

    REST: ClassVar[str] = "rest"

    channel: str | None = None
    """Only connections that carry this channel; `rest` for those that speak plain HTTP."""
    every: Positive | None = None
    how: Literal["reset", "close"] = "reset"
    """A TCP reset, or a WebSocket close frame with status 1001."""

    async def run(self, active: Active) -> None:
        """Drop, and drop again."""
        while active.act():
            for target in active.targets:
                self._drop(target)
            if self.every is None:
                return
            await trio.sleep(self.every)

    def _drop(self, target: Target) -> None:
        if self.channel == self.REST:
            for stream in list(target.connections.http.values()):
                http.reset(stream)
            return
        for socket in target.connections.carrying(self.selector):
            if self.how == "reset":
                socket.drop()
            else:
                socket.close(1001, "going away")


class Stall(Fault, tag="stall", kw_only=True, frozen=True):
    """Silence: connections stay open and answer pings, but deliver nothing (of one channel, or at all).

    It falls on the connections that are open, and on those opened while it is under way. One that it has fallen on
    stays silent for ever, as a dead subscription does; a connection opened afterwards works. With `count` 1 it falls on
    those that are open now, and that is all.
    """

    channel: str | None = None

    async def run(self, active: Active) -> None:
        """Fall on what is open, then wait for what is opened."""
        active.act()
        for target in active.targets:
            for socket in target.connections.websockets.values():
                self.opened(active, socket)
        await trio.sleep_forever()

    def opened(self, active: Active, socket: WebSocket) -> None:  # noqa: ARG002
        """Silence a connection."""
        selector = self.selector

        def swallow(topic: Topic | None, frame: bytes) -> Iterable[bytes]:
            meant = selector.everything if topic is None else selector.matches(topic)
            return () if meant else (frame,)

        socket.tampers.append(swallow)


class TimeoutAfterExecute(Fault, tag="timeout_after_execute", kw_only=True, frozen=True):
    """Execute the request and never tell: silence until the client gives up, or a closed connection."""

    endpoint: str
    how: Literal["silence", "close", "reset"] = "silence"

    async def after(self, active: Active, call: Call) -> Outcome | None:
        """Withhold the answer."""
        if not self.concerns(active, call):
            return None
        return Silence() if self.how == "silence" else Hangup(reset=self.how == "reset")


class Refuse(Fault, tag="refuse", kw_only=True, frozen=True):
    """Refuse requests without executing them, with a code of the venue."""

    endpoint: str | None = None
    """Which requests; None: all."""
    code: int | str
    http: Annotated[int, msgspec.Meta(ge=400, le=599)] = 400
    message: str = "refused by a fault"

    async def before(self, active: Active, call: Call) -> Outcome | None:
        """Refuse."""
        if self.concerns(active, call):
            raise VenueError(self.code, self.message, http=self.http)
        return None


AnyFault = Drop | Stall | TimeoutAfterExecute | Refuse


class Faults:
    """The faults that are under way at all venues of this process. `run` must be running."""

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._active: dict[int, Active] = {}
        self._last = 0
        self._nursery: trio.Nursery | None = None

    def add_target(self, target: Target) -> None:
        """Let faults reach a venue."""
        self._targets.append(target)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Give faults a place to live, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def start(self, document: bytes) -> int:
        """Begin a fault as the control interface describes it; return its id. Raises `BadFault`."""
        try:
            fault: Fault = msgspec.json.decode(document, type=AnyFault)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise BadFault(str(error)) from None
        targets = [target for target in self._targets if fault.venue in (None, target.name)]
        _check(fault, targets)
        if self._nursery is None:
            raise BadFault("faults are not running")
        self._last += 1
        active = Active(self._last, fault, targets)
        self._active[active.number] = active
        self._nursery.start_soon(self._live, active)
        _log.info("fault begins", id=active.number, fault=fault)
        return active.number

    async def _live(self, active: Active) -> None:
        try:
            with active.scope:
                if active.fault.seconds is not None:
                    active.scope.deadline = trio.current_time() + active.fault.seconds
                await active.fault.run(active)
        finally:
            self._active.pop(active.number, None)
            _log.info("fault ends", id=active.number, acted=active.acted)

    def end(self, number: int) -> bool:
        """End a fault; False if there is none of that id (any more)."""
        active = self._active.pop(number, None)
        if active is None:
            return False
        active.scope.cancel(reason="the fault was deleted")
        return True

    def listing(self) -> list[dict[str, Any]]:
        """Return the faults under way, each as it was described, with its id and how often it has acted."""
        return [
            {"id": active.number, "acted": active.acted, **_described(active.fault)} for active in self._active.values()
        ]

    def opened(self, target: Target, socket: WebSocket) -> None:
        """Tell the faults of a new WebSocket."""
        for active in self._of(target):
            active.fault.opened(active, socket)

    async def before(self, target: Target, call: Call) -> Outcome | None:
        """Let faults act on a request before it is executed."""
        for active in self._of(target):
            outcome = await active.fault.before(active, call)
            if outcome is not None:
                return outcome
        return None

    async def after(self, target: Target, call: Call) -> Outcome | None:
        """Let faults act on a request after it was executed."""
        for active in self._of(target):
            outcome = await active.fault.after(active, call)
            if outcome is not None:
                return outcome
        return None

    def _of(self, target: Target) -> list[Active]:
        return [active for active in self._active.values() if target in active.targets]


def _described(fault: Fault) -> Mapping[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(fault)
    return {key: value for key, value in document.items() if value is not None}


def _check(fault: Fault, targets: list[Target]) -> None:
    if not targets:
        raise BadFault(f"`venue`: no venue is called {fault.venue!r}")
    _check_word("symbol", fault.symbol, frozenset().union(*(target.symbols for target in targets)))
    endpoints: frozenset[str] = frozenset().union(*(target.endpoints for target in targets))
    _check_word("endpoint", getattr(fault, "endpoint", None), endpoints)
    channels: frozenset[str] = frozenset().union(*(target.channels for target in targets))
    _check_word("channel", getattr(fault, "channel", None), channels | {Drop.REST})


def _check_word(key: str, word: str | None, known: frozenset[str]) -> None:
    if word is not None and word not in known:
        raise BadFault(f"`{key}`: {word!r} is none of {', '.join(sorted(known))}")
