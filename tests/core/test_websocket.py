"""The WebSocket seam on real sockets of the loopback interface."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.lowlevel
import trio_websocket

from opensqt_core.clock import SystemClock
from opensqt_core.errors import Unavailable
from opensqt_core.streams import SUBSCRIBED, Lost, Resumed, SessionLost, StreamSpec, Subscribed
from opensqt_core.supervise import StreamBoard, open_stream
from opensqt_core.websocket import connect_websocket

Handler = Callable[[trio_websocket.WebSocketRequest], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serve WebSockets on a free port; yield the URL."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio_websocket.serve_websocket, handler, "127.0.0.1", 0, ssl_context=None)
        server = await nursery.start(serve)
        yield f"ws://127.0.0.1:{server.port}/stream?listenKey=hush-hush"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def tcp_server(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve plain TCP on a free port; yield the port."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def silence(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def echo(request: trio_websocket.WebSocketRequest) -> None:
    connection = await request.accept()
    try:
        while True:
            await connection.send_message(request.path + " " + str(await connection.get_message()))
    except trio_websocket.ConnectionClosed:
        pass


async def test_messages_go_both_ways() -> None:
    async with served(echo) as url, connect_websocket(url, connect_timeout=5) as socket:
        await socket.send("hello")
        assert await socket.receive() == "/stream?listenKey=hush-hush hello"


async def test_binary_messages_arrive_as_bytes() -> None:
    async def binary(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"\x00\x01")
        await trio.sleep_forever()

    async with served(binary) as url, connect_websocket(url, connect_timeout=5) as socket:
        assert await socket.receive() == b"\x00\x01"


async def test_a_ping_returns_with_its_pong() -> None:
    async with served(echo) as url, connect_websocket(url, connect_timeout=5) as socket:
        with trio.fail_after(5):
            await socket.ping()


async def test_pings_are_answered_while_messages_wait() -> None:
    ponged = trio.Event()

    async def flood(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        for number in range(200):
            await connection.send_message(str(number))
        await connection.ping()
        ponged.set()
        await trio.sleep_forever()

    async with served(flood) as url, connect_websocket(url, connect_timeout=5) as socket:
        with trio.fail_after(5):
            await ponged.wait()
        assert [await socket.receive() for _ in range(200)] == [str(number) for number in range(200)]


async def test_the_venues_closing_reason_is_told() -> None:
    async def close(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.aclose(1008, "invalid listenKey")

    async with served(close) as url, connect_websocket(url, connect_timeout=5) as socket:
        with pytest.raises(SessionLost, match=r"connection closed \(1008 policy_violation: invalid listenKey\)"):
            await socket.receive()
        with pytest.raises(SessionLost):
            await socket.send("late")
        with pytest.raises(SessionLost):
            await socket.ping()


async def test_a_cut_line_is_a_lost_session() -> None:
    async def cut(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await trio.aclose_forcefully(connection._stream)

    async with served(cut) as url, connect_websocket(url, connect_timeout=5) as socket:
        with pytest.raises(SessionLost, match="1006"):
            await socket.receive()


async def test_a_message_too_long_is_a_lost_session() -> None:
    async with served(echo) as url, connect_websocket(url, connect_timeout=5, max_message_size=1000) as socket:
        await socket.send("x" * 2000)
        with pytest.raises(SessionLost, match="1009"):
            await socket.receive()


async def test_garbage_after_the_handshake_is_a_lost_session() -> None:
    async def garbage(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection._stream.send_all(b"\xff\xff\xff\xff\xff\xff\xff\xff")
        await trio.sleep_forever()

    async with served(garbage) as url:
        with pytest.raises(SessionLost):
            async with connect_websocket(url, connect_timeout=5) as socket:
                await socket.receive()


async def test_closing_ends_receiving_and_is_done_within_bounds_on_a_deaf_peer() -> None:
    async def deaf(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        connection._reader_running = False
        await trio.sleep_forever()

    async with served(deaf) as url:
        with trio.fail_after(10):
            async with connect_websocket(url, connect_timeout=5) as socket:
                await socket.close()
                with pytest.raises(SessionLost):
                    await socket.receive()


async def test_nobody_listening_is_unavailable() -> None:
    async with tcp_server(silence) as port:
        pass
    with pytest.raises(Unavailable, match=f"cannot connect to 127.0.0.1:{port}"):
        async with connect_websocket(f"ws://127.0.0.1:{port}/?listenKey=hush", connect_timeout=5):
            raise AssertionError


async def test_a_refused_upgrade_is_unavailable_with_its_status() -> None:
    async def refuse(request: trio_websocket.WebSocketRequest) -> None:
        await request.reject(403, body=b"no")

    async with served(refuse) as url:
        with pytest.raises(Unavailable, match="refused the WebSocket with HTTP 403") as refusal:
            async with connect_websocket(url, connect_timeout=5):
                raise AssertionError
    assert refusal.value.code == "403"
    assert "hush" not in str(refusal.value)


async def test_an_upgrade_that_never_comes_is_unavailable() -> None:
    async with tcp_server(silence) as port:
        with pytest.raises(Unavailable, match="did not complete the WebSocket handshake"):
            async with connect_websocket(f"ws://127.0.0.1:{port}/", connect_timeout=0.05):
                raise AssertionError


async def test_a_server_that_speaks_something_else_is_unavailable() -> None:
    async def smtp(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 mail.example ESMTP\r\n\r\n")
        await trio.sleep_forever()

    async with tcp_server(smtp) as port:
        with pytest.raises(Unavailable):
            async with connect_websocket(f"ws://127.0.0.1:{port}/", connect_timeout=0.5):
                raise AssertionError


async def test_no_tls_at_the_other_end_is_unavailable() -> None:
    async def plain(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with tcp_server(plain) as port:
        with pytest.raises(Unavailable, match=f"no TLS with 127.0.0.1:{port}"):
            async with connect_websocket(f"wss://127.0.0.1:{port}/", connect_timeout=5):
                raise AssertionError


async def test_tls_that_never_comes_is_unavailable() -> None:
    async with tcp_server(silence) as port:
        with pytest.raises(Unavailable, match="took too long"):
            async with connect_websocket(f"wss://127.0.0.1:{port}/", connect_timeout=0.05):
                raise AssertionError


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws:///path", "venue.example"])
async def test_other_urls_are_mistakes(url: str) -> None:
    with pytest.raises(ValueError, match="WebSocket URL"):
        async with connect_websocket(url, connect_timeout=5):
            raise AssertionError


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async with served(echo) as url:
        with pytest.raises(ZeroDivisionError):
            async with connect_websocket(url, connect_timeout=5):
                raise ZeroDivisionError


async def test_cancelling_the_block_closes_at_once() -> None:
    gone = trio.Event()

    async def watch(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        with pytest.raises(trio_websocket.ConnectionClosed):
            await connection.get_message()
        gone.set()

    async with served(watch) as url:
        with trio.move_on_after(0.1) as scope:
            async with connect_websocket(url, connect_timeout=5) as socket:
                await socket.receive()
        assert scope.cancelled_caught
        with trio.fail_after(5):
            await gone.wait()


class Texts:
    """The simplest protocol: every frame is a value."""

    def opened(self, now_ms: int) -> Iterable[Subscribed]:
        return [SUBSCRIBED]

    def received(self, frame: str | bytes, now_ms: int) -> Iterable[str]:
        return [str(frame)]


async def test_a_supervised_stream_survives_its_sockets() -> None:
    connections = 0

    async def fleeting(request: trio_websocket.WebSocketRequest) -> None:
        nonlocal connections
        connections += 1
        connection = await request.accept()
        await connection.send_message(f"value {connections}")
        await trio.sleep_forever() if connections == 3 else await connection.aclose(1012, "restart")

    async with served(fleeting) as url:

        async def address() -> str:
            return url

        spec: StreamSpec[str] = StreamSpec(name="texts", url=address, session=Texts)
        async with open_stream(spec, StreamBoard(), clock=SystemClock()) as stream:
            with trio.fail_after(20):
                items = []
                while "value 3" not in items:
                    items.append(await stream.receive())
    assert [item for item in items if isinstance(item, str)] == ["value 1", "value 2", "value 3"]
    assert [type(item) for item in items if not isinstance(item, str)] == [Lost, Resumed] * 2
