"""REST on a real HTTP server of the loopback interface that can misbehave in every way that matters."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import h11
import httpx
import pytest
import trio
from prometheus_client import CollectorRegistry
from trio.testing import MockClock

from opensqt_core.clock import SystemClock, VenueClock
from opensqt_core.errors import (
    AuthFailed,
    Banned,
    ClockSkew,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)
from opensqt_core.metrics import RestMetrics, render
from opensqt_core.ratelimit import Limit, Priority, RateLimiter
from opensqt_core.rest import RestRequest, RestSession, WireRequest, open_http_client, retry_read

READ = RestRequest(endpoint="candles", method="GET", path="/candles", cost={"weight": 1})
WRITE = RestRequest(
    endpoint="place", method="POST", path="/order", body=b"{}", write=True, cost={"weight": 1}, priority=Priority.PLACE
)


@attrs.define
class Server:
    """What a test's HTTP server has seen, and how it answers."""

    port: int
    requests: list[tuple[str, str, dict[str, str], bytes]]
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Answer = Callable[[trio.SocketStream, int], Awaitable[None]]


def reply(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Answer:
    """Answer properly."""

    async def answer(stream: trio.SocketStream, _number: int) -> None:
        head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in (headers or {}).items()]
        await stream.send_all("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return answer


async def hang_up(stream: trio.SocketStream, _number: int) -> None:
    await stream.aclose()


async def half_a_reply(stream: trio.SocketStream, _number: int) -> None:
    await stream.send_all(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{")
    await stream.aclose()


async def garbage(stream: trio.SocketStream, _number: int) -> None:
    await stream.send_all(b"220 mail.example ESMTP\r\n\r\n")


async def bad_gzip(stream: trio.SocketStream, _number: int) -> None:
    await reply(body=b"not gzip", headers={"Content-Encoding": "gzip"})(stream, 0)


async def never(stream: trio.SocketStream, _number: int) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def http_server(answer: Answer) -> AsyncIterator[Server]:
    server = Server(0, [])

    async def handle(stream: trio.SocketStream) -> None:
        server.connections += 1
        connection = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    head, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage) and head is not None:
                    headers = {name.decode(): value.decode() for name, value in head.headers}
                    server.requests.append((head.method.decode(), head.target.decode(), headers, body))
                    await answer(stream, len(server.requests))
                    connection = h11.Connection(h11.SERVER)
                else:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


class Dialect:
    """A venue that signs with the time and says errors by status."""

    def __init__(self) -> None:
        self.signed: list[int] = []

    def sign(self, request: RestRequest, now_ms: int) -> WireRequest:
        self.signed.append(now_ms)
        target = f"{request.path}?symbol=%E2%82%BFUSDT&path=a%2Fb&sign={len(self.signed)}"
        return WireRequest(method=request.method, target=target, headers={"X-Key": "hush"}, content=request.body)

    def error(self, request: RestRequest, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        return {
            200: None,
            400: Rejected("no", code="-1"),
            401: AuthFailed("who?"),
            408: ClockSkew("late"),
            418: Banned("out", until_ms=SystemClock().now_ms() + 60_000),
            429: RateLimited("slow", retry_after=30),
            503: OutcomeUnknown("unknown") if request.write else Unavailable("down"),
        }[status]

    def usage(self, headers: Mapping[str, str]) -> Mapping[str, int]:
        return {"weight": int(headers["x-used"])} if "x-used" in headers else {}


@attrs.define
class Rig:
    session: RestSession
    dialect: Dialect
    limiter: RateLimiter
    clock: VenueClock
    registry: CollectorRegistry


@asynccontextmanager
async def rig(base_url: str, *, sign_within_ms: int = 2500, **client_options: Any) -> AsyncIterator[Rig]:
    clock = VenueClock(SystemClock())
    dialect, limiter = Dialect(), RateLimiter([Limit(name="weight", amount=100, seconds=3600)], clock)
    registry = CollectorRegistry()
    async with open_http_client(**client_options) as client:
        session = RestSession(
            base_url=base_url,
            dialect=dialect,
            limiter=limiter,
            clock=clock,
            client=client,
            metrics=RestMetrics("venue", registry),
            sign_within_ms=sign_within_ms,
        )
        yield Rig(session, dialect, limiter, clock, registry)


async def test_a_success_returns_the_body_and_goes_out_as_signed() -> None:
    async with http_server(reply(body=b'{"ok":1}')) as server, rig(f"{server.url}/venue/") as it:
        assert await it.session.send(WRITE) == b'{"ok":1}'
        assert await it.session.send(READ) == b'{"ok":1}'
        (method, target, headers, body), (second, *_) = server.requests
        assert (method, second) == ("POST", "GET")
        assert target == "/venue/order?symbol=%E2%82%BFUSDT&path=a%2Fb&sign=1"
        assert headers["x-key"] == "hush"
        assert headers["host"] == f"127.0.0.1:{server.port}"
        assert body == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize("answer", [hang_up, half_a_reply, garbage, bad_gzip, never])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpx leaves generators on bad gzip
async def test_no_answer_means_unknown_for_a_write_and_unavailable_for_a_read(answer: Answer) -> None:
    async with http_server(answer) as server, rig(server.url, reply_within=0.2) as it:
        with pytest.raises(OutcomeUnknown, match="place: sent, no answer"):
            await it.session.send(WRITE)
        with pytest.raises(Unavailable, match="candles: no answer"):
            await it.session.send(READ)
        assert len(server.requests) == 2, "nothing is repeated underneath"
    gc.collect()


async def test_a_server_that_drips_is_bounded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opensqt_core.rest._REPLY_WITHIN", 0.3)

    async def drip(stream: trio.SocketStream, _number: int) -> None:
        await stream.send_all(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.05)

    async with http_server(drip) as server, rig(server.url) as it:
        with pytest.raises(OutcomeUnknown, match=r"nothing complete within 0\.3 s"):
            await it.session.send(WRITE)


@pytest.mark.parametrize("request_", [READ, WRITE])
async def test_nobody_listening_is_unavailable(request_: RestRequest) -> None:
    async with http_server(never) as server:
        pass
    async with rig(server.url) as it:
        with pytest.raises(Unavailable, match="not sent, ConnectError"):
            await it.session.send(request_)


async def test_no_free_connection_is_unavailable_for_a_write_too() -> None:
    async with (
        http_server(never) as server,
        rig(server.url, connections=1, connect_within=0.1, reply_within=1) as it,
        trio.open_nursery() as nursery,
    ):

        async def first() -> None:
            with pytest.raises(OutcomeUnknown):
                await it.session.send(WRITE)

        nursery.start_soon(first)
        await trio.sleep(0.1)
        with pytest.raises(Unavailable, match="not sent, PoolTimeout"):
            await it.session.send(attrs.evolve(WRITE, endpoint="second"))
        assert len(server.requests) == 1


async def test_a_connection_the_venue_closed_while_idle_is_not_used_for_a_write() -> None:
    async def once(stream: trio.SocketStream, number: int) -> None:
        await reply()(stream, number)
        await stream.aclose()

    async with http_server(once) as server, rig(server.url) as it:
        for _ in range(3):
            await it.session.send(WRITE)
            await trio.sleep(0.05)
        assert server.connections == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Rejected), (401, AuthFailed), (408, ClockSkew), (418, Banned), (429, RateLimited), (503, OutcomeUnknown)],
)
async def test_refusals_are_what_the_dialect_makes_of_them(status: int, error: type[ExchangeError]) -> None:
    async with http_server(reply(status)) as server, rig(server.url) as it:
        with pytest.raises(error):
            await it.session.send(WRITE)
        text = render(it.registry).decode()
        assert f'opensqt_rest_seconds_count{{endpoint="place",outcome="{error.__name__}",venue="venue"}} 1.0' in text


async def test_what_a_refusal_says_about_limits_and_clock_is_heeded() -> None:
    async with http_server(reply(429, headers={"X-Used": "40"})) as server, rig(server.url) as it:
        with pytest.raises(RateLimited):
            await it.session.send(READ)
        assert it.limiter.would_wait({"weight": 1}, Priority.PROTECT)
    async with http_server(reply(418)) as server, rig(server.url) as it:
        with pytest.raises(Banned):
            await it.session.send(READ)
        with pytest.raises(Banned, match="shut out"):
            await it.session.send(READ)
        assert len(server.requests) == 1
    async with http_server(reply(408)) as server, rig(server.url) as it:
        it.clock.observe(SystemClock().now_ms(), 0, 0)
        with pytest.raises(ClockSkew):
            await it.session.send(READ)
        assert not it.clock.synchronised


async def test_usage_headers_reach_the_limiter() -> None:
    async with http_server(reply(headers={"X-Used": "40"})) as server, rig(server.url) as it:
        await it.session.send(READ)
        assert it.limiter.headroom()["weight"] == pytest.approx(0.6)


async def test_a_signature_that_went_stale_while_connecting_is_made_anew() -> None:
    async with http_server(reply()) as server, rig(server.url, sign_within_ms=100) as it:
        dialled = 0
        transport = it.session._client._transport
        assert isinstance(transport, httpx.AsyncHTTPTransport)
        backend = transport._pool._network_backend
        connect_tcp = backend.connect_tcp

        async def slowly(*args: Any, **kwargs: Any) -> Any:
            nonlocal dialled
            dialled += 1
            await trio.sleep(0.2 if dialled == 1 else 0)
            return await connect_tcp(*args, **kwargs)

        backend.connect_tcp = slowly  # type: ignore[method-assign]
        await it.session.send(WRITE)
        assert len(it.dialect.signed) == 2
        assert [target[-6:] for _, target, _, _ in server.requests] == ["sign=2"]


async def test_connecting_that_always_outlasts_the_signature_is_unavailable() -> None:
    async with http_server(reply()) as server, rig(server.url, sign_within_ms=-1) as it:
        with pytest.raises(Unavailable, match="connecting outlasts the signature"):
            await it.session.send(WRITE)
        assert server.requests == []


async def test_an_illegal_header_is_not_quoted() -> None:
    async with http_server(reply()) as server, rig(server.url) as it:

        def sign(request: RestRequest, now_ms: int) -> WireRequest:
            return WireRequest(method="GET", target="/", headers={"X-Key": "hush\nhush"})

        it.dialect.sign = sign  # type: ignore[method-assign]
        with pytest.raises(Unavailable) as refusal:
            await it.session.send(READ)
        assert "hush" not in str(refusal.value)
        assert server.requests == []


async def test_cancelling_is_counted_and_not_translated() -> None:
    async with http_server(never) as server, rig(server.url) as it:
        with trio.move_on_after(0.1) as scope:
            await it.session.send(WRITE)
        assert scope.cancelled_caught
        assert 'outcome="cancelled"' in render(it.registry).decode()


async def test_reads_are_retried_until_they_work(autojump_clock: MockClock) -> None:
    failures: list[ExchangeError] = [Unavailable("down"), ClockSkew("late"), Unavailable("down")]
    synchronised: list[float] = []

    async def read() -> int:
        if failures:
            raise failures.pop(0)
        return 7

    async def synchronise() -> None:
        synchronised.append(trio.current_time())

    assert await retry_read(read, synchronise=synchronise) == 7
    assert len(synchronised) == 1
    assert 0 < trio.current_time() < 5


@pytest.mark.parametrize("error", [Rejected("no"), OutcomeUnknown("?"), RateLimited("slow", retry_after=1)])
async def test_other_failures_are_not_retried(autojump_clock: MockClock, error: ExchangeError) -> None:
    calls = 0

    async def read() -> None:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(type(error)):
        await retry_read(read)
    assert calls == 1


async def test_the_last_failure_comes_out_unchanged(autojump_clock: MockClock) -> None:
    calls = 0

    async def read() -> None:
        nonlocal calls
        calls += 1
        raise ClockSkew(f"late {calls}")

    async def synchronise() -> None:
        raise Unavailable("cannot ask for the time")

    with pytest.raises(ClockSkew, match="late 3"):
        await retry_read(read, attempts=3)
    with pytest.raises(Unavailable, match="ask for the time"):
        await retry_read(read, attempts=2, synchronise=synchronise)
    assert calls == 4
