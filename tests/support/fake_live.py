"""A daemon that does what a test tells it: serves folders of files, a scripted `/ws`, `/health` and `/api/history`.

Threads and the standard library, because Playwright's sync API keeps the test's own thread busy; frames are wsproto's.
"""

import contextlib
import json
import mimetypes
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage
from wsproto.utilities import generate_accept_token

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PATIENCE_S = 10.0


@attrs.define(eq=False)
class Client:
    """One browser's socket."""

    socket: socket.socket
    asked: str
    """Path and query of its handshake."""
    frames: Connection = attrs.field(factory=lambda: Connection(ConnectionType.SERVER))
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def send(self, event: TextMessage | CloseConnection) -> None:
        """Send one frame; a browser that went away is none of the test's business."""
        with self.lock, contextlib.suppress(OSError):
            self.socket.sendall(self.frames.send(event))


@attrs.define(eq=False)
class FakeLive:
    """What it serves and says; a test changes these fields as it goes."""

    folders: Mapping[str, Path]
    """By the prefix of the path; the first that has the file wins."""
    snapshot: list[dict[str, Any]] = attrs.field(factory=list)
    """Sent to everyone who connects."""
    health: dict[str, Any] = attrs.field(factory=lambda: {"status": "ok", "clients": 1, "streams": {}})
    older: list[dict[str, Any]] = attrs.field(factory=list)
    """What precedes the snapshot's history."""
    policy: str = POLICY
    """The Content-Security-Policy of everything it serves."""
    refusing: bool = False
    """Answer handshakes with 503."""
    clients: list[Client] = attrs.field(factory=list)
    requests: list[str] = attrs.field(factory=list)
    """Path and query of everything asked for."""
    address: str = ""
    changed: threading.Condition = attrs.field(factory=threading.Condition)

    def send(self, kind: str, data: object) -> None:
        """Send a frame to every client."""
        self.send_text(json.dumps({"type": kind, "data": data}))

    def send_text(self, text: str) -> None:
        """Send any text to every client."""
        for client in list(self.clients):
            client.send(TextMessage(data=text))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye to every client."""
        for client in list(self.clients):
            client.send(CloseConnection(code=code, reason=reason))

    def drop(self) -> None:
        """Cut every connection without a word."""
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_RDWR)

    def wait_for_clients(self, count: int) -> None:
        """Return once exactly so many have the snapshot; raises `TimeoutError`."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.clients) == count, _PATIENCE_S):
                raise TimeoutError(f"{len(self.clients)} clients, not {count}")

    def file(self, path: str) -> Path | None:
        """Return the file that a path asks for."""
        for prefix, folder in self.folders.items():
            if path.startswith(prefix):
                found = (folder / path.removeprefix(prefix)).resolve()
                if found.is_file() and found.is_relative_to(folder.resolve()):
                    return found
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    live: FakeLive

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.live.requests.append(self.path)
        match url.path:
            case "/ws":
                self._talk()
            case "/health":
                self._answer(json.dumps(self.live.health).encode(), "application/json")
            case "/api/history":
                self._answer(json.dumps(self._older(parse_qs(url.query))).encode(), "application/json")
            case path:
                file = self.live.file("/live.html" if path in {"/", "/live"} else path)
                if file is None:
                    self.send_error(404)
                else:
                    self._answer(file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream")

    def _older(self, query: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        before, limit = int(query["before"][0]), int(query["limit"][0])
        return [candle for candle in self.live.older if candle["time"] < before][-limit:]

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", self.live.policy)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _talk(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key")
        self.close_connection = True
        if key is None or self.live.refusing:
            self.send_error(503)
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", generate_accept_token(key.encode()).decode())
        self.end_headers()
        client = Client(self.connection, self.path)
        for frame in list(self.live.snapshot):
            client.send(TextMessage(data=json.dumps(frame)))
        self._changed(self.live.clients.append, client)
        try:
            self._listen(client)
        finally:
            self._changed(self.live.clients.remove, client)

    def _listen(self, client: Client) -> None:
        while True:
            try:
                read = client.socket.recv(4096)
            except OSError:
                return
            if not read:
                return
            client.frames.receive_data(read)
            for event in client.frames.events():
                if isinstance(event, CloseConnection):
                    client.send(event.response())
                    return

    def _changed(self, change: Any, client: Client) -> None:
        with self.live.changed:
            change(client)
            self.live.changed.notify_all()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""


@contextlib.contextmanager
def serve(live: FakeLive) -> Iterator[FakeLive]:
    """Serve on a free port of the loopback address; `live.address` says where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"live": live}))
    server.daemon_threads = False
    live.address = f"http://127.0.0.1:{server.server_port}"
    acceptor = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    acceptor.start()
    try:
        yield live
    finally:
        live.refusing = True
        server.shutdown()
        acceptor.join(_PATIENCE_S)
        _end(live)
        server.server_close()


def _end(live: FakeLive) -> None:
    """Cut what is still open until nothing is, so that no thread outlives the test."""
    deadline = time.monotonic() + _PATIENCE_S
    while live.clients and time.monotonic() < deadline:
        live.drop()
        with live.changed:
            live.changed.wait_for(lambda: not live.clients, 0.05)
