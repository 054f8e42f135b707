"""HTTP on real sockets: what a client may do, and every way of not answering."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio

from opensqt_sim.wire.http import MAX_BODY
from opensqt_sim.wire.messages import Hangup, Outcome, Raw, Request, Response, Silence, json_response
from opensqt_sim.wire.server import Connections, open_listeners, serve
from opensqt_sim.wire.websocket import WebSocket, WebSocketSettings


class Echo:
    """Tells what it was asked; answers `/silence` and its like as they say."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.outcomes: dict[str, Outcome] = {
            "/silence": Silence(),
            "/hangup": Hangup(),
            "/reset": Hangup(reset=True),
            "/raw": Raw(b"this is not HTTP"),
        }

    async def respond(self, request: Request) -> Outcome:
        self.seen.append(request)
        if request.path == "/bug":
            raise RuntimeError("a bug")
        answer = {"path": request.path, "query": request.query, "body": request.body.decode()}
        return self.outcomes.get(request.path) or json_response(answer, headers=(("X-Test", "1"),))

    def refuse_upgrade(self, request: Request) -> Response | None:
        return Response(status=404) if request.path == "/none" else None

    async def converse(self, socket: WebSocket) -> None:
        if socket.request.path == "/bug":
            raise RuntimeError("a bug")
        await socket.receive()


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, int, Connections]]:
    app, connections = Echo(), Connections()
    listeners, port = await open_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, app, listeners, connections, WebSocketSettings()))
        yield app, port, connections
        nursery.cancel_scope.cancel()


async def exchange(port: int, data: bytes, *, end: bool = True) -> bytes:
    """Send bytes and return everything that comes back until the server closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(data)
        if end:
            await stream.send_eof()
        received = b""
        with trio.fail_after(5):
            async for chunk in stream:
                received += chunk
        return received


async def test_keep_alive_serves_several_requests_on_one_connection() -> None:
    async with echoing() as (app, port, connections), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        first = await client.get("/a?x=%20y")
        second = await client.post("/b", content=b"p=q")
        assert first.json() == {"path": "/a", "query": "x=%20y", "body": ""}
        assert first.headers["x-test"] == "1"
        assert second.json() == {"path": "/b", "query": "", "body": "p=q"}
        assert len(connections.http) == 1
        assert app.seen[0].peer == "127.0.0.1"


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with echoing() as (_, port, _connections):
        request = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
        received = await exchange(port, request % 1 + request % 2 + request % 3)
        assert received.count(b"200") == 3
        assert received.index(b'"/1"') < received.index(b'"/2"') < received.index(b'"/3"')


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x00\x01\x02\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"a" * (MAX_BODY + 1), b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"400"),
    ],
)
async def test_garbage_gets_a_status_and_no_traceback(garbage: bytes, status: bytes) -> None:
    async with echoing() as (_, port, _connections):
        received = await exchange(port, garbage, end=False)
        assert received.startswith(b"HTTP/1.1 " + status)
        assert b"Traceback" not in received
        assert b'"msg"' in received


async def test_a_bug_is_an_internal_error_for_its_own_client_only() -> None:
    async with echoing() as (_, port, _connections), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        bug = await client.get("/bug")
        assert (bug.status_code, bug.json()["code"]) == (500, -1000)
        assert "RuntimeError" not in bug.text
        assert (await client.get("/fine")).status_code == 200


async def test_silence_lasts_until_the_client_gives_up() -> None:
    async with echoing() as (_, port, connections), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/silence", timeout=0.05)
        with trio.fail_after(5):
            while connections.http:
                await trio.lowlevel.checkpoint()


async def test_hangup_ends_the_connection_without_an_answer() -> None:
    async with echoing() as (_, port, _connections):
        assert await exchange(port, b"GET /hangup HTTP/1.1\r\nHost: x\r\n\r\n") == b""


async def test_reset_is_a_reset() -> None:
    async with echoing() as (_, port, _connections):
        with pytest.raises(trio.BrokenResourceError):
            await exchange(port, b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n", end=False)


async def test_raw_bytes_are_sent_as_they_are() -> None:
    async with echoing() as (_, port, _connections):
        assert await exchange(port, b"GET /raw HTTP/1.1\r\nHost: x\r\n\r\n") == b"this is not HTTP"


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    async with echoing() as (_, port, _connections):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            with trio.fail_after(5):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
                await stream.send_all(b"ok")
                assert b'"body":"ok"' in await stream.receive_some()


async def test_head_has_no_body() -> None:
    async with echoing() as (_, port, _connections), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        head = await client.head("/a")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.get("/a")).status_code == 200


async def test_half_a_request_and_a_reset_leave_nothing_behind() -> None:
    async with echoing() as (_, port, connections):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"GET /half HTT")
        await stream.aclose()
        assert (await exchange(port, b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 200"
        )
        with trio.fail_after(5):
            while connections.http:
                await trio.lowlevel.checkpoint()


async def test_an_upgrade_can_be_refused_and_a_buggy_conversation_ends_alone() -> None:
    async with echoing() as (_, port, connections):
        upgrade = (
            b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await exchange(port, upgrade % b"/none")).startswith(b"HTTP/1.1 404")
        assert (await exchange(port, upgrade % b"/bug", end=False)).startswith(b"HTTP/1.1 101")
        assert connections.websockets == {}
