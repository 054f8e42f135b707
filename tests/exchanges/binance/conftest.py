"""A venue of scripted replies under the real driver, and virtual time."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import attrs
import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from opensqt_core.exchange import Exchange
from opensqt_core.secret import Secret
from opensqt_exchanges.binance import Settings
from opensqt_exchanges.binance.driver import BinanceDriver

NOW_MS = 1_795_361_400_123
PAYLOADS = Path(__file__).parent / "payloads"
KEY = "SheetKeyBinance0123456789"
SECRET = "SheetSecretBinance0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"

Reply = Any
"""JSON for a success; (status, JSON or text[, headers]); an exception; or a function of the call."""


@attrs.frozen
class Call:
    """One request as the venue saw it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str] = attrs.field(repr=False)


class VirtualClock:
    """Wall time that starts at the sheet's and moves with trio's virtual time."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return NOW_MS + round(trio.current_time() * 1000) + self.ahead_ms

    def monotonic(self) -> float:
        return trio.current_time()


class Socket:
    """The client's end of a scripted WebSocket."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[str] = []
        self.closed = False
        self._push, self._frames = trio.open_memory_channel[str](100)

    def push(self, frame: object) -> None:
        self._push.send_nowait(frame if isinstance(frame, str) else json.dumps(frame))

    def hang_up(self) -> None:
        self._push.close()

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(text)
        if json.loads(text).get("method") == "SUBSCRIBE":
            self.push({"result": None, "id": json.loads(text)["id"]})

    async def receive(self) -> str:
        try:
            return await self._frames.receive()
        except trio.EndOfChannel:
            raise OSError("the venue hung up") from None

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        self.closed = True


class Venue:
    """Answers by (method, path): a list is used up, its last reply stays; records every call."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.replies: dict[tuple[str, str], list[Reply]] = {
            ("GET", "/fapi/v1/time"): [lambda _call: {"serverTime": clock.now_ms()}]
        }
        self.calls: list[Call] = []
        self._arrive, self._arrivals = trio.open_memory_channel[Socket](100)

    def answer(self, method: str, path: str, *replies: Reply) -> None:
        self.replies[method, path] = list(replies)

    def seen(self, path: str, method: str | None = None) -> list[dict[str, str]]:
        return [c.params for c in self.calls if c.path == path and method in (None, c.method)]

    def handle(self, request: httpx.Request) -> httpx.Response:
        target = request.extensions.get("target", request.url.raw_path).decode()
        path, _, query = target.partition("?")
        params = dict(parse_qsl(query) + parse_qsl(request.content.decode()))
        call = Call(request.method, path, params, dict(request.headers))
        self.calls.append(call)
        script = self.replies[request.method, path]
        reply = script.pop(0) if len(script) > 1 else script[0]
        if callable(reply):
            reply = reply(call)
        if isinstance(reply, Exception):
            raise reply
        status, body, *rest = reply if isinstance(reply, tuple) else (200, reply)
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body)
        return httpx.Response(status, content=content, headers=rest[0] if rest else {})

    @asynccontextmanager
    async def open_client(self, **_timeouts: float) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.handle)) as client:
            yield client

    @asynccontextmanager
    async def connect(self, url: str, *, connect_timeout: float) -> AsyncIterator[Socket]:
        socket = Socket(url)
        self._arrive.send_nowait(socket)
        try:
            yield socket
        finally:
            await socket.close()

    async def next_socket(self) -> Socket:
        """Wait for the next connection, and until the client has nothing more to do with it."""
        with trio.fail_after(3600):
            socket = await self._arrivals.receive()
        await trio.testing.wait_all_tasks_blocked()
        return socket


def load(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


@pytest.fixture
def payload() -> Callable[[str], Any]:
    return load


@pytest.fixture
def clock(autojump_clock: MockClock) -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def venue(clock: VirtualClock) -> Venue:
    return Venue(clock)


@pytest.fixture
def settings() -> Settings:
    return Settings(api_key=Secret(KEY), secret_key=Secret(SECRET), rest_url="http://venue.test")


@pytest.fixture
async def exchange(venue: Venue, settings: Settings) -> AsyncIterator[Exchange]:
    driver = BinanceDriver(clock=venue.clock, open_client=venue.open_client, connect=venue.connect)
    async with driver.open(settings) as opened:
        yield opened
