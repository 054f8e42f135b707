"""One WebSocket connection of a simulated venue: a reader that never waits for the writer, and a bounded writer."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable

import attrs
import structlog
import trio
import wsproto.events as wse
from wsproto.connection import Connection, ConnectionState, ConnectionType

from opensqt_sim.wire import http
from opensqt_sim.wire.frames import close_frame, ping_frame
from opensqt_sim.wire.messages import Request

_log = structlog.get_logger()
_CHUNK = 64 * 1024
_CLOSE_SECONDS = 2.0
MAX_MESSAGE = 1024 * 1024


class Disconnected(Exception):
    """The connection has ended, whoever ended it."""


@attrs.frozen
class Topic:
    """What a frame is about, in the words faults select by: `Topic("bookTicker", "ETHUSDT")`, `Topic("private")`."""

    channel: str
    symbol: str | None = None


@attrs.frozen
class Selector:
    """Which topics are meant; None means any."""

    channel: str | None = None
    symbol: str | None = None

    def matches(self, topic: Topic) -> bool:
        """Whether the topic is meant. A channel also names its variants: `kline` selects `kline_1m`."""
        if self.channel is not None and self.channel not in (topic.channel, topic.channel.partition("_")[0]):
            return False
        return self.symbol is None or topic.symbol is None or self.symbol == topic.symbol

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.channel is None and self.symbol is None


@attrs.frozen(kw_only=True)
class WebSocketSettings:
    """How the venue treats its sockets. Times are seconds."""

    ping_every: float = 180.0
    pong_within: float = 600.0
    max_unsent: int = 4 * 1024 * 1024
    """Bytes that may wait for a slow reader before it is dropped."""


Tamper = Callable[[Topic | None, bytes], Iterable[bytes]]
"""What a fault makes of one outgoing frame: nothing, itself, something else, several. The topic of a reply is None."""


class WebSocket:
    """A live connection: the dialect reads messages and sends frames; faults drop, close or stall it at any moment."""

    def __init__(
        self, stream: trio.SocketStream, request: Request, settings: WebSocketSettings, *, number: int, early: bytes
    ) -> None:
        self.request = request
        self.number = number
        self.topics: set[Topic] = set()
        """What this connection carries now; kept by the dialect."""
        self.tampers: list[Tamper] = []
        """What faults do to outgoing frames, in this order. Pings, pongs and closes are never touched."""
        self._stream = stream
        self._settings = settings
        self._ws = Connection(ConnectionType.SERVER, trailing_data=early)
        self._events = self._ws.events()
        self._text: list[str] = []
        self._outgoing: list[bytes] = []
        self._unsent = 0
        self._wake = trio.Event()
        self._ending = False
        self._heard = trio.current_time()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read."""
        return 0 if self._ending else self._unsent

    def carries(self, selector: Selector) -> bool:
        """Whether this connection has a topic that is meant."""
        return selector.everything or any(selector.matches(topic) for topic in self.topics)

    def send(self, frame: bytes, topic: Topic | None = None) -> None:
        """Queue a frame (of no topic: the answer to a command). A reader too slow for the queue is dropped."""
        if not self.tampers:
            self.transmit(frame)
            return
        frames: Iterable[bytes] = (frame,)
        for tamper in self.tampers:
            frames = [changed for each in frames for changed in tamper(topic, each)]
        for each in frames:
            self.transmit(each)

    def transmit(self, frame: bytes) -> None:
        """Queue exactly these bytes, past all tampering."""
        if self._ending:
            return
        self._unsent += len(frame)
        if self._unsent > self._settings.max_unsent:
            _log.info("slow reader dropped", socket=self.number, path=self.request.path)
            self.drop()
            return
        self._outgoing.append(frame)
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye after what is queued, then close."""
        self.transmit(close_frame(code, reason))
        self._ending = True

    def drop(self) -> None:
        """Reset the connection at once."""
        self._ending = True
        http.reset(self._stream)

    async def receive(self) -> str:
        """Return the next text message; binary frames count as text. Raises `Disconnected` at the end."""
        while True:
            for event in self._events:
                text = self._handle(event)
                if text is not None:
                    return text
            try:
                data = await self._stream.receive_some(_CHUNK)
            except http.CONNECTION_LOST:
                raise Disconnected from None
            if not data:
                raise Disconnected
            self._ws.receive_data(data)
            self._events = self._ws.events()

    def _handle(self, event: wse.Event) -> str | None:
        match event:
            case wse.Message(data=data, message_finished=finished):
                self._text.append(data if isinstance(data, str) else bytes(data).decode("utf-8", "replace"))
                if sum(map(len, self._text)) > MAX_MESSAGE:
                    self.close(1009, "message too big")
                    raise Disconnected
                if finished:
                    text = "".join(self._text)
                    self._text.clear()
                    return text
            case wse.Ping():
                self.transmit(self._ws.send(event.response()))
            case wse.Pong():
                self._heard = trio.current_time()
            case wse.CloseConnection():
                if self._ws.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
                    self.transmit(self._ws.send(event.response()))
                self._ending = True
                raise Disconnected
        return None

    async def run(self, conversation: Callable[["WebSocket"], Awaitable[None]]) -> None:
        """Live until the dialect's `conversation` returns, the client leaves, or somebody drops the connection."""
        async with trio.open_nursery() as background:
            background.start_soon(self._beat)
            async with trio.open_nursery() as halves:
                halves.start_soon(self._write, halves.cancel_scope)
                with contextlib.suppress(Disconnected):
                    await conversation(self)
                self._ending = True
                self._wake.set()
                halves.cancel_scope.deadline = trio.current_time() + _CLOSE_SECONDS
            background.cancel_scope.cancel(reason="the connection has ended")

    async def _write(self, connection: trio.CancelScope) -> None:
        try:
            while self._outgoing or not self._ending:
                if not self._outgoing:
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                data = b"".join(self._outgoing)
                self._outgoing.clear()
                await self._stream.send_all(data)
                self._unsent -= len(data)
            await self._stream.send_eof()
        except http.CONNECTION_LOST:
            self._ending = True
        connection.deadline = min(connection.deadline, trio.current_time() + _CLOSE_SECONDS)

    async def _beat(self) -> None:
        while True:
            await trio.sleep(self._settings.ping_every)
            if trio.current_time() - self._heard > self._settings.pong_within:
                _log.info("no pong, dropping", socket=self.number)
                self.drop()
                return
            self.transmit(ping_frame(b"%d" % self.number))
