"""What browsers ask for: the page, `/ws`, older candles, health and metrics. The only module that knows WebSocket."""

from collections.abc import Sequence
from http import HTTPStatus

import attrs
import msgspec
import structlog
import trio
from prometheus_client import Histogram
from quart import Response, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from opensqt_core.clock import Clock
from opensqt_core.market import INTERVAL_MS
from opensqt_core.metrics import render
from opensqt_live.admission import Doorkeeper, Gate, Rate, Refused, Visitor, visitor_of
from opensqt_live.health import FeedStatus, show_health
from opensqt_live.history import History, HistoryUnavailable
from opensqt_live.hub import Client, Hub
from opensqt_live.page_files import INDEX, MISSING, Page, security_headers
from opensqt_live.settings import LimitSettings, ServerSettings
from opensqt_live.wire import encode_klines

POLICY_VIOLATED = 1008
"""WebSocket close code for a client that does what it must not."""
_LOGGED = 200
"""Characters of what a stranger sent that are logged at most."""

_log = structlog.get_logger(__name__)


class _Bell:
    """Wakes one sender, however often it is rung in between."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self) -> None:
        await self._rung.wait()
        self._rung = trio.Event()


@attrs.frozen(eq=False)
class Server:
    """Everything the routes need."""

    hub: Hub
    feeds: Sequence[FeedStatus]
    history: History
    page: Page
    server: ServerSettings
    limits: LimitSettings
    clock: Clock
    broadcast: Histogram
    gate: Gate = attrs.field(init=False)
    doorkeeper: Doorkeeper = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make what follows from the settings."""
        object.__setattr__(self, "gate", Gate(self.server))
        object.__setattr__(self, "doorkeeper", Doorkeeper(self.limits))

    def app(self) -> QuartTrio:
        """Return the application."""
        app = QuartTrio(__name__, static_folder=None)
        headers = security_headers(self.server)

        @app.before_request
        async def check() -> Response | None:
            return self._refusal(request.path)

        @app.after_request
        async def harden(response: Response) -> Response:
            response.headers.update(headers)
            visitor = self._visitor()
            if visitor.origin is not None and self.gate.allows(visitor):
                response.headers["Access-Control-Allow-Origin"] = visitor.origin
                response.headers["Vary"] = "Origin"
            return response

        @app.errorhandler(HTTPException)
        async def plain(error: HTTPException) -> Response:
            return _text(f"{error.name}\n", error.code or 500)

        app.add_url_rule("/", "page", self.show_page)
        app.add_url_rule("/live", "live", self.show_page)
        app.add_url_rule("/<path:path>", "file", self.show_file)
        app.add_url_rule("/api/history", "history", self.show_history)
        app.add_url_rule("/health", "health", self.show_health)
        app.add_url_rule("/health/live", "alive", self.show_alive)
        app.add_url_rule("/metrics", "metrics", self.show_metrics)
        app.add_websocket("/ws", "ws", self.serve_viewer)
        return app

    async def show_page(self) -> Response:
        """Serve the page, or say how to build it."""
        return self._file(INDEX) or _text(MISSING, HTTPStatus.SERVICE_UNAVAILABLE)

    async def show_file(self, path: str) -> Response:
        """Serve what the page loads."""
        return self._file(path) or _text("Not Found\n", HTTPStatus.NOT_FOUND)

    async def show_history(self) -> Response:
        """Serve candles older than `before` (unix seconds)."""
        try:
            symbol, interval, before_ms, limit = self._history_wanted()
            candles = await self.history.candles(symbol, interval, before_ms, limit)
        except ValueError as error:
            return _text(f"{error}\n", HTTPStatus.BAD_REQUEST)
        except HistoryUnavailable as error:
            return _text(f"{error}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return _json(encode_klines(candles), HTTPStatus.OK)

    async def show_health(self) -> Response:
        """Serve the state of every stream; 503 while one is not live."""
        health = show_health(self.feeds, self.hub.clients, self.clock)
        status = HTTPStatus.OK if health.status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(msgspec.json.encode(health), status)

    async def show_alive(self) -> Response:
        """Say that the process makes progress: answering is the proof."""
        return _json(b'{"status":"ok"}', HTTPStatus.OK)

    async def show_metrics(self) -> Response:
        """Serve Prometheus' text."""
        return Response(render(), content_type="text/plain; version=0.0.4; charset=utf-8")

    async def serve_viewer(self) -> Response | None:
        """Send one viewer the snapshot and then whatever happens, until one of both ends leaves."""
        visitor = self._visitor()
        symbol = websocket.args.get("symbol", "").upper() or self.hub.default_symbol
        try:
            self.gate.check_host(visitor)
            self.gate.check_origin(visitor)
            if symbol not in self.hub.snapshots:
                return _text(f"{self._unknown(symbol)}\n", HTTPStatus.BAD_REQUEST)
            self.doorkeeper.enter(visitor.address, self.clock.monotonic())
        except Refused as refused:
            return _refuse(refused, visitor)
        try:
            await websocket.accept()
            await self._converse(symbol)
        finally:
            self.doorkeeper.leave(visitor.address)
        return None

    async def _converse(self, symbol: str) -> None:
        bell = _Bell()
        client = self.hub.join(symbol, bell.ring)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, client)
                await self._tell(client, bell)
                nursery.cancel_scope.cancel(reason="the client was told to go")
        finally:
            self.hub.leave(client)

    async def _tell(self, client: Client, bell: _Bell) -> None:
        while True:
            frame = client.take()
            if frame is not None:
                await websocket.send(frame.text)
                self.broadcast.observe(self.clock.monotonic() - frame.published_at)
            elif client.closing is not None:
                await websocket.close(client.closing.code, client.closing.reason)
                return
            else:
                await bell.wait()

    async def _listen(self, client: Client) -> None:
        """Read what the client says. In v1 that means nothing, and it may not be much."""
        limits = self.limits
        rate = Rate(limits.frames_per_second, max(1.0, limits.frames_per_second))
        while True:
            said = await websocket.receive()
            length = len(said.encode() if isinstance(said, str) else said)
            if length > limits.frame_bytes:
                client.outbox.close(POLICY_VIOLATED, f"frames may have {limits.frame_bytes} bytes")
            elif not rate.take(self.clock.monotonic()):
                client.outbox.close(POLICY_VIOLATED, "too many frames")
            if client.closing is not None:
                client.wake()
                return

    def _visitor(self) -> Visitor:
        """Return who asks, in a request or for a WebSocket."""
        asked = request if request else websocket
        client = asked.scope.get("client") or ("",)
        return visitor_of(client[0], asked.headers, self.server.trusted_proxies)

    def _refusal(self, path: str) -> Response | None:
        """Return why a request is not answered, or None. Health is for probes, which know us by any name."""
        if path.startswith("/health"):
            return None
        visitor = self._visitor()
        try:
            self.gate.check_host(visitor)
            if path.startswith("/api/") and visitor.origin is not None:
                self.gate.check_origin(visitor)
        except Refused as refused:
            return _refuse(refused, visitor)
        return None

    def _history_wanted(self) -> tuple[str, str, int | None, int]:
        """Return what a request for older candles asks for. Raises `ValueError` with what is wrong."""
        symbol = request.args.get("symbol", "").upper() or self.hub.default_symbol
        if symbol not in self.hub.snapshots:
            raise ValueError(self._unknown(symbol))
        market = self.hub.snapshots[symbol].market
        interval = request.args.get("interval") or market.interval
        if interval not in INTERVAL_MS:
            raise ValueError(f"interval: one of {', '.join(INTERVAL_MS)}")
        before = _whole("before")
        limit = _whole("limit")
        return symbol, interval, None if before is None else before * 1000, 500 if limit is None else limit

    def _unknown(self, symbol: str) -> str:
        return f"symbol: {symbol[:40]!r} is not shown here; there are {', '.join(self.hub.snapshots)}"

    def _file(self, path: str) -> Response | None:
        file = self.page.file(path)
        if file is None:
            return None
        headers = {"Cache-Control": "no-cache", "ETag": f'"{file.etag}"'}
        if f'"{file.etag}"' in request.headers.get("If-None-Match", ""):
            return Response(b"", HTTPStatus.NOT_MODIFIED, headers)
        return Response(file.body, content_type=file.type, headers=headers)


def _whole(name: str) -> int | None:
    text = request.args.get(name, "")
    if not text:
        return None
    # Far beyond any candle, and small enough for every sum that follows.
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError(f"{name}: expected a whole number that is not negative")
    return int(text)


def _refuse(refused: Refused, visitor: Visitor) -> Response:
    _log.warning(
        "refused",
        reason=refused.reason,
        setting=refused.mend,
        address=visitor.address[:_LOGGED],
        origin=visitor.origin[:_LOGGED] if visitor.origin is not None else None,
        host=visitor.host[:_LOGGED],
    )
    return _text(f"{refused.reason}\n", refused.status)


def _text(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, content_type="application/json", headers={"Cache-Control": "no-store"})
