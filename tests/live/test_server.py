"""The server over real sockets: what browsers and probes get, and what strangers don't."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import structlog
import trio
import trio.lowlevel
from live_fakes import FakeVenue, balance, candle, fill, order, position
from prometheus_client import CollectorRegistry
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from opensqt_core.clock import SystemClock
from opensqt_core.streams import StreamState, StreamStatus
from opensqt_live.exits import StartRefused
from opensqt_live.health import FeedStatus
from opensqt_live.history import History
from opensqt_live.hub import Hub
from opensqt_live.metrics import watch_hub
from opensqt_live.page_files import Page
from opensqt_live.server import Server
from opensqt_live.serving import addresses, open_listeners, serve
from opensqt_live.settings import LimitSettings, ServerSettings
from opensqt_live.snapshot import Market, Snapshot

PATIENCE = 10.0


@attrs.frozen
class Stage:
    hub: Hub
    feed: FeedStatus
    venue: FakeVenue
    http: str

    @property
    def ws(self) -> str:
        return self.http.replace("http", "ws", 1) + "/ws"

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            return await client.get(self.http + path, headers=headers)


@asynccontextmanager
async def running(
    page: Path = Path("nowhere"), *, server: dict[str, Any] | None = None, limits: dict[str, Any] | None = None
) -> AsyncIterator[Stage]:
    clock = SystemClock()
    venue = FakeVenue(history=[candle(minute, closed=minute < 4) for minute in range(5)])
    hub = Hub(
        [Snapshot(Market(symbol, "USDT", "1m", 5), 3) for symbol in ("ETHUSDT", "BTCUSDT")],
        outbox_limit=1000,
        monotonic=clock.monotonic,
    )
    hub.publish_candles("ETHUSDT", venue.history[-3:])
    for change in (balance("1000"), position("2"), order("1")):
        hub.publish(change)
    feed = FeedStatus("candle ETHUSDT 1m", clock.now_ms())
    feed.opened(StreamStatus("candle ETHUSDT 1m", StreamState.LIVE, last_event_monotonic=clock.monotonic()))
    feed.caught_up()
    limit_settings = LimitSettings(**(limits or {}))
    with watch_hub(hub, CollectorRegistry()) as broadcast:
        made = Server(
            hub=hub,
            feeds=[feed],
            history=History(venue.exchange().market, hub, clock),
            page=Page(page),
            server=ServerSettings(**(server or {})),
            limits=limit_settings,
            clock=clock,
            broadcast=broadcast,
        )
        listeners = await open_listeners("127.0.0.1", 0)
        with trio.fail_after(PATIENCE):
            async with serve(made.app(), listeners, limit_settings):
                yield Stage(hub, feed, venue, addresses(listeners)[0])


@asynccontextmanager
async def viewing(url: str, origin: str | None = None) -> AsyncIterator[WebSocketConnection]:
    """Connect as a viewer."""
    headers = [] if origin is None else [(b"Origin", origin.encode())]
    # Its reader stops at a full queue, and then it does not even close.
    async with open_websocket_url(url, extra_headers=headers, message_queue_size=1000) as socket:
        try:
            yield socket
        finally:
            # trio-websocket leaves its socket open when the server was the one to close.
            await trio.aclose_forcefully(socket._stream)


async def frame(socket: WebSocketConnection) -> dict[str, Any]:
    with trio.fail_after(PATIENCE):
        told = await socket.get_message()
    assert isinstance(told, str), "v1 frames are text"
    return dict(json.loads(told))


async def closed(socket: WebSocketConnection) -> tuple[int, str]:
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await socket.get_message()
            except ConnectionClosed as error:
                reason = error.reason
                break
    assert reason is not None
    return reason.code, reason.reason or ""


async def until(condition: Any) -> None:
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it is the server that is waited for
            await trio.sleep(0.01)


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def knock(stage: Stage) -> trio.SocketStream:
    """Connect as a viewer that does not read what it is told."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(stage.http.rpartition(":")[2]))
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "127.0.0.1", **UPGRADE}.items())
    await stream.send_all(f"GET /ws HTTP/1.1\r\n{head}\r\n".encode())
    return stream


async def test_order_on_connect_then_live_frames() -> None:
    async with running() as stage, viewing(stage.ws) as socket:
        told = [await frame(socket) for _ in range(4)]
        assert [each["type"] for each in told] == ["history", "account", "position", "orders"]
        assert [len(each["data"]) for each in (told[0], told[3])] == [3, 1]
        assert all(list(each) == ["type", "data"] for each in told)
        stage.hub.publish(fill("9"))
        assert (await frame(socket))["type"] == "trade_event"


async def test_a_symbol_is_chosen_by_the_query() -> None:
    async with running() as stage, viewing(f"{stage.ws}?symbol=btcusdt") as socket:
        assert (await frame(socket))["data"] == []
        assert (await frame(socket))["type"] == "account"
        stage.hub.publish(order("7", symbol="BTCUSDT"))
        assert (await frame(socket))["data"] == []
        assert (await frame(socket))["data"]["id"] == "7"


async def test_an_unknown_symbol_is_refused_with_those_there_are() -> None:
    async with running() as stage:
        answer = await stage.get("/ws?symbol=XRPUSDT", **UPGRADE)
        assert answer.status_code == 400
        assert "'XRPUSDT' is not shown here" in answer.text
        assert "ETHUSDT, BTCUSDT" in (await stage.get("/api/history?symbol=XRPUSDT")).text


async def test_clients_come_and_go() -> None:
    async with running() as stage:
        async with viewing(stage.ws) as socket:
            await frame(socket)
            assert stage.hub.clients == 1
        await until(lambda: stage.hub.clients == 0)
        for _ in range(5):  # without a word of farewell
            stream = await knock(stage)
            await stream.receive_some()
            await stream.aclose()
        await until(lambda: stage.hub.clients == 0)
        async with viewing(stage.ws) as socket:
            assert (await frame(socket))["type"] == "history"


async def test_everybody_is_told_when_the_server_ends() -> None:
    codes = []
    async with trio.open_nursery() as nursery:
        ready = trio.Event()

        async def view(url: str) -> None:
            async with viewing(url) as socket:
                await frame(socket)
                ready.set()
                codes.append(await closed(socket))

        async with running() as stage:
            nursery.start_soon(view, stage.ws)
            await ready.wait()
            stage.hub.close("the server ends")
    assert codes == [(1001, "the server ends")]


async def test_a_client_that_never_reads_does_not_hold_up_the_end() -> None:
    async with running() as stage:
        stream = await knock(stage)
        await until(lambda: stage.hub.clients == 1)
        client = next(iter(stage.hub._clients["ETHUSDT"]))
        number = 0
        while client.closing is None:  # until both ends' buffers are full, and the outbox too
            for _ in range(500):
                number += 1
                stage.hub.publish(fill(str(number)))
            await trio.lowlevel.checkpoint()
        assert client.closing.code == 1013
        stage.hub.close("the server ends")
    await stream.aclose()


async def test_a_client_that_takes_no_byte_is_dropped() -> None:
    async with running(limits={"write_seconds": 0.2}) as stage:
        stream = await knock(stage)
        await until(lambda: stage.hub.clients == 1)
        number = 0
        with trio.fail_after(PATIENCE):
            while stage.hub.clients:
                for _ in range(100):
                    number += 1
                    stage.hub.publish(fill(str(number)))
                await trio.sleep(0.01)
        await stream.aclose()


async def test_foreign_pages_are_refused_and_the_log_names_the_setting() -> None:
    async with running(server={"allowed_origins": ("https://example.org",)}) as stage:
        with structlog.testing.capture_logs() as logs:
            assert (await stage.get("/ws", Origin="http://evil.example", **UPGRADE)).status_code == 403
            assert (await stage.get("/ws", Host="evil.example", **UPGRADE)).status_code == 403
            assert (await stage.get("/live", Host="evil.example")).status_code == 403
            assert (await stage.get("/api/history", Origin="http://evil.example")).status_code == 403
        settings = [each["setting"] for each in logs if each["event"] == "refused"]
        assert ["allowed_origins" in each for each in settings] == [True, False, False, True]
        async with viewing(stage.ws, "https://example.org") as socket:
            await frame(socket)
        async with viewing(stage.ws, stage.http) as socket:
            await frame(socket)
        answer = await stage.get("/health", Origin="https://example.org")
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        assert "access-control-allow-origin" not in (await stage.get("/health", Origin="http://evil.example")).headers


async def test_connection_limits_are_answered_before_the_upgrade() -> None:
    async with running(limits={"connections_per_address": 1}) as stage:
        async with viewing(stage.ws):
            assert (await stage.get("/ws", **UPGRADE)).status_code == 429
        await until(lambda: stage.hub.clients == 0)
        async with viewing(stage.ws) as socket:
            await frame(socket)
    async with running(limits={"connections": 1}) as stage, viewing(stage.ws):
        assert (await stage.get("/ws", **UPGRADE)).status_code == 503


async def test_a_client_may_speak_a_little() -> None:
    async with running() as stage:
        async with viewing(stage.ws) as socket:
            await socket.send_message('{"type":"ping"}')
            await socket.send_message(b"\x00")
            assert (await frame(socket))["type"] == "history"
        async with viewing(stage.ws) as socket:
            await socket.send_message("x" * 4097)
            assert await closed(socket) == (1008, "frames may have 4096 bytes")
        async with viewing(stage.ws) as socket:
            for _ in range(11):
                await socket.send_message("x")
            assert await closed(socket) == (1008, "too many frames")
        await until(lambda: stage.hub.clients == 0)


async def test_health_says_which_stream_is_down() -> None:
    async with running() as stage:
        answer = await stage.get("/health")
        assert answer.status_code == 200
        told = answer.json()
        assert list(told) == ["status", "clients", "time", "streams"]
        assert (told["status"], told["clients"]) == ("ok", 0)
        stream = told["streams"]["candle ETHUSDT 1m"]
        assert list(stream) == ["state", "since", "restarts", "last_event_age_ms", "reason"]
        assert stream["state"] == "live"
        stage.feed.failed("refused", 0)
        answer = await stage.get("/health", Host="any.name")
        assert answer.status_code == 503
        assert answer.json()["streams"]["candle ETHUSDT 1m"]["reason"] == "refused"
        assert (await stage.get("/health/live")).status_code == 200


async def test_metrics() -> None:
    async with running() as stage:
        answer = await stage.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")


async def test_older_candles() -> None:
    async with running() as stage:
        before = candle(2).open_time_ms // 1000
        answer = await stage.get(f"/api/history?symbol=ethusdt&interval=1m&before={before}&limit=2")
        assert [each["time"] for each in answer.json()] == [candle(0).open_time_ms // 1000, before - 60]
        newest = await stage.get("/api/history?limit=1")
        assert newest.json()[0]["time"] == candle(4).open_time_ms // 1000
        for wrong in ("interval=7m", "before=-1", "before=x", "before=1e3", "limit=²", "before=9999999999999"):
            answer = await stage.get(f"/api/history?{wrong}")
            assert answer.status_code == 400, wrong
            assert answer.text.startswith(wrong.partition("=")[0])
        assert (await stage.get("/api/history?symbol=BTCUSDT&before=5")).status_code == 503


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "live.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets" / "live.js").write_text("'use strict'")
    (folder / "coin.mp3").write_bytes(b"ID3")
    (tmp_path / "secret.txt").write_text("not for you")
    return folder


async def test_the_page_and_what_it_loads(built: Path) -> None:
    async with running(built, server={"connect_origins": ("wss://other.example",)}) as stage:
        for path in ("/", "/live"):
            answer = await stage.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
            assert "connect-src 'self' wss://other.example https://other.example;" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
        assert (await stage.get("/assets/live.js")).headers["content-type"].startswith("text/javascript")
        sound = await stage.get("/coin.mp3")
        assert (sound.content, sound.headers["content-type"]) == (b"ID3", "audio/mpeg")
        again = await stage.get("/coin.mp3", **{"If-None-Match": sound.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for path in ("/nothing", "/../secret.txt", "/%2e%2e/secret.txt", "/assets/", "/ws"):
            assert (await stage.get(path)).status_code in (400, 404), path


async def test_without_a_page_the_build_command_is_named(built: Path) -> None:
    page = built.parent / "later"
    async with running(page) as stage:
        answer = await stage.get("/")
        assert answer.status_code == 503
        assert "npm --prefix web" in answer.text
        page.symlink_to(built)
        assert (await stage.get("/")).status_code == 200


async def test_a_taken_port_is_named() -> None:
    async with running() as stage:
        port = int(stage.http.rpartition(":")[2])
        with pytest.raises(StartRefused, match=rf"cannot listen on 127.0.0.1:{port}: the port is taken"):
            await open_listeners("127.0.0.1", port)
    with pytest.raises(StartRefused, match=r"cannot listen on 203\.0\.113\.1:1"):
        await open_listeners("203.0.113.1", 1)
