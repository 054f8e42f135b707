"""WebSockets on real sockets: frames of every size, heartbeats, slow readers, and connections that end badly."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio_websocket import open_websocket_url
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.events import Request as Handshake

from opensqt_sim.wire.frames import text_frame
from opensqt_sim.wire.messages import Outcome, Request, Response
from opensqt_sim.wire.server import Connections, open_listeners, serve
from opensqt_sim.wire.websocket import MAX_MESSAGE, Disconnected, Selector, Topic, WebSocket, WebSocketSettings

QUOTE = Topic("bookTicker", "ETHUSDT")
CANDLE = Topic("kline_1m", "ETHUSDT")


class Echo:
    """Sends back what it is sent; `bye` closes."""

    def __init__(self) -> None:
        self.ended = trio.Event()

    async def respond(self, request: Request) -> Outcome:
        return Response(status=404)

    def refuse_upgrade(self, request: Request) -> Response | None:
        return None

    async def converse(self, socket: WebSocket) -> None:
        socket.topics.add(QUOTE)
        try:
            while (text := await socket.receive()) != "bye":
                socket.send(text_frame(text.encode()))
            socket.close(4000, "as you wish")
        finally:
            self.ended.set()


@asynccontextmanager
async def echoing(settings: WebSocketSettings | None = None) -> AsyncIterator[tuple[Echo, str, Connections]]:
    app, connections = Echo(), Connections()
    listeners, port = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, app, listeners, connections, settings or WebSocketSettings()))
        with trio.fail_after(10):
            yield app, f"ws://127.0.0.1:{port}/ws", connections
        nursery.cancel_scope.cancel()


class Bare:
    """A client that answers nothing by itself."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.ws = WSConnection(ConnectionType.CLIENT)

    @classmethod
    async def connect(cls, url: str) -> "Bare":
        host, _, path = url.removeprefix("ws://").partition("/")
        client = cls(await trio.open_tcp_stream("127.0.0.1", int(host.rpartition(":")[2])))
        await client.send(Handshake(host=host, target=f"/{path}"))
        assert isinstance(await client.next_event(), AcceptConnection)
        return client

    async def send(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(self.ws.send(event) for event in events))

    async def next_event(self) -> Event:
        while True:
            for event in self.ws.events():
                return event
            data = await self.stream.receive_some()
            self.ws.receive_data(data or None)

    async def only_listen(self) -> None:
        while True:
            await self.next_event()


async def live(connections: Connections, count: int) -> list[WebSocket]:
    while len(connections.websockets) != count:
        await trio.lowlevel.checkpoint()
    return list(connections.websockets.values())


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
async def test_texts_of_every_length_come_back(size: int) -> None:
    async with echoing() as (_, url, _connections), open_websocket_url(url, max_message_size=MAX_MESSAGE) as client:
        await client.send_message("x" * size)
        assert await client.get_message() == "x" * size


async def test_fragments_and_binary_frames_are_put_together() -> None:
    async with echoing() as (_, url, _connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.send(TextMessage(data="a", message_finished=False), TextMessage(data="b"))
            assert await client.next_event() == TextMessage(data="ab")
            await client.send(BytesMessage(data=b"\xffc"))
            assert await client.next_event() == TextMessage(data="\ufffdc")


async def test_a_message_sent_with_the_handshake_is_not_lost() -> None:
    async with echoing() as (_, url, _connections):
        early = WSConnection(ConnectionType.CLIENT)
        handshake = early.send(Handshake(host="x", target="/ws"))
        client = Bare(await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0])))
        client.ws = early
        async with client.stream:
            await client.stream.send_all(handshake + b"\x81\x82\x00\x00\x00\x00hi")
            assert isinstance(await client.next_event(), AcceptConnection)
            assert await client.next_event() == TextMessage(data="hi")


async def test_pings_are_answered_and_pings_are_sent() -> None:
    async with echoing(WebSocketSettings(ping_every=0.01)) as (_, url, _connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.send(Ping(payload=b"mine"))
            seen = [await client.next_event() for _ in range(3)]
            assert Pong(payload=b"mine") in seen
            assert sum(isinstance(event, Ping) for event in seen) == 2


async def test_a_client_that_answers_no_pings_is_dropped_and_others_stay() -> None:
    settings = WebSocketSettings(ping_every=0.1, pong_within=1.0)
    async with echoing(settings) as (_, url, connections), open_websocket_url(url) as polite:
        rude = await Bare.connect(url)
        await live(connections, 2)
        with pytest.raises(trio.BrokenResourceError):
            await rude.only_listen()
        await rude.stream.aclose()
        await live(connections, 1)
        await polite.send_message("still there")
        assert await polite.get_message() == "still there"


async def test_a_slow_reader_is_dropped_and_delays_nobody() -> None:
    async with echoing(WebSocketSettings(max_unsent=100_000)) as (_, url, connections):
        slow = await Bare.connect(url)
        async with slow.stream, open_websocket_url(url, message_queue_size=1000) as quick:
            sockets = await live(connections, 2)
            frame = text_frame(b"x" * 60_000)
            for number in range(400):
                for socket in sockets:
                    socket.send(frame, QUOTE)
                assert await quick.get_message() == "x" * 60_000, number
                if len(connections.websockets) == 1:
                    break
            assert len(await live(connections, 1)) == 1


async def test_drain_waits_for_those_who_lag_and_drops_those_who_do_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("opensqt_sim.wire.server._DRAIN_SECONDS", 0.05)
    async with echoing(WebSocketSettings(max_unsent=100_000_000)) as (_, url, connections):
        slow = await Bare.connect(url)
        async with slow.stream:
            (socket,) = await live(connections, 1)
            await connections.drain()
            assert not slow.stream.socket.fileno() < 0
            for _ in range(200):
                socket.send(text_frame(b"x" * 100_000), QUOTE)
            await connections.drain()
            await live(connections, 0)


async def test_close_says_why() -> None:
    async with echoing() as (app, url, connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.send(TextMessage(data="bye"))
            assert await client.next_event() == CloseConnection(code=4000, reason="as you wish")
        await app.ended.wait()
        await live(connections, 0)


async def test_a_client_that_closes_gets_its_close_back() -> None:
    async with echoing() as (app, url, connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.send(CloseConnection(code=1000, reason="done"))
            assert await client.next_event() == CloseConnection(code=1000, reason="done")
        await app.ended.wait()
        await live(connections, 0)


async def test_a_drop_is_a_reset() -> None:
    async with echoing() as (app, url, connections):
        client = await Bare.connect(url)
        (socket,) = await live(connections, 1)
        socket.drop()
        with pytest.raises(trio.BrokenResourceError):
            await client.next_event()
        await client.stream.aclose()
        await app.ended.wait()
        socket.send(text_frame(b"too late"), QUOTE)
        assert socket.unsent == 0


async def test_a_client_that_vanishes_ends_the_conversation() -> None:
    async with echoing() as (app, url, connections):
        client = await Bare.connect(url)
        await live(connections, 1)
        await client.stream.aclose()
        await app.ended.wait()
        await live(connections, 0)


async def test_too_long_a_message_ends_the_connection() -> None:
    async with echoing() as (_, url, _connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.send(TextMessage(data="x" * (MAX_MESSAGE + 1)))
            assert await client.next_event() == CloseConnection(code=1009, reason="message too big")


async def test_a_frame_that_is_none_ends_the_connection() -> None:
    async with echoing() as (_, url, _connections):
        client = await Bare.connect(url)
        async with client.stream:
            await client.stream.send_all(b"\xff\x80\x00\x00\x00\x00")
            event = await client.next_event()
            assert isinstance(event, CloseConnection)
            assert event.code == 1002


async def test_what_tampers_change_goes_out_and_the_rest_is_left_alone() -> None:
    def twice(topic: Topic | None, frame: bytes) -> Iterable[bytes]:
        return (frame, frame) if topic == QUOTE else (frame,)

    def no_candles(topic: Topic | None, frame: bytes) -> Iterable[bytes]:
        return () if topic == CANDLE else (frame,)

    async with echoing() as (_, url, connections), open_websocket_url(url) as client:
        (socket,) = await live(connections, 1)
        socket.tampers += [twice, no_candles]
        socket.send(text_frame(b"candle"), CANDLE)
        socket.send(text_frame(b"quote"), QUOTE)
        socket.send(text_frame(b"reply"))
        assert [await client.get_message() for _ in range(3)] == ["quote", "quote", "reply"]


async def test_after_the_end_nothing_is_received() -> None:
    async with echoing() as (app, url, connections):
        client = await Bare.connect(url)
        (socket,) = await live(connections, 1)
        await client.stream.aclose()
        await app.ended.wait()
        await live(connections, 0)
        with pytest.raises(Disconnected):
            await socket.receive()


@pytest.mark.parametrize(
    ("selector", "topic", "meant"),
    [
        (Selector(), QUOTE, True),
        (Selector("bookTicker"), QUOTE, True),
        (Selector("bookTicker", "ETHUSDT"), QUOTE, True),
        (Selector("bookTicker", "BTCUSDT"), QUOTE, False),
        (Selector("private"), QUOTE, False),
        (Selector("kline"), CANDLE, True),
        (Selector("kline_1m"), CANDLE, True),
        (Selector("kline_5m"), CANDLE, False),
        (Selector(None, "BTCUSDT"), Topic("private"), True),
    ],
)
def test_selectors(selector: Selector, topic: Topic, meant: bool) -> None:
    assert selector.matches(topic) is meant
