"""Many browsers in one thread: raw WebSocket clients that cost little, each with the state an old page would have.

with Crowd("ws://127.0.0.1:8081/ws") as crowd:
    viewers = crowd.join(100)
    wait_until("frames come", lambda: all(viewer.page.orders for viewer in viewers))
"""

import base64
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlsplit

from live_fakes import OldPage

Listener = Callable[["Viewer", bytes, int], None]
"""Takes a text frame's payload and the time of its arrival, nanoseconds UTC."""

_TEXT, _CLOSE, _PING = 0x1, 0x8, 0x9
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a TCP reset."""


class Viewer:
    """One connection to `/ws`, and what an old page makes of it. Only the crowd's thread changes it."""

    def __init__(self, url: str) -> None:
        self.page = OldPage()
        self.problem: BaseException | None = None
        """What its page stumbled over, or why its connection ended."""
        self.closed: int | None = None
        """The server's close code."""
        self.socket = _connect(url)
        self._waiting = bytearray(self._upgrade(url))
        self.socket.setblocking(False)

    def _upgrade(self, url: str) -> bytes:
        """Do the handshake; return what came behind it."""
        self.socket.sendall(_handshake(url))
        answer = b""
        while b"\r\n\r\n" not in answer:
            received = self.socket.recv(65536)
            assert received, f"refused: {answer!r}"
            answer += received
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), answer
        return rest

    def frames(self) -> list[bytes]:
        """Read what has arrived; return the text frames. Raises `OSError` when the connection is gone."""
        try:
            received = self.socket.recv(1 << 20)
        except BlockingIOError:
            received = b""
        else:
            if not received:
                raise ConnectionResetError("the server closed the connection")
        self._waiting += received
        return self._parsed()

    def _parsed(self) -> list[bytes]:
        found: list[bytes] = []
        data, start = self._waiting, 0
        while len(data) - start >= 2:
            length, head = data[start + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[start + 2 : start + 4]), 4
            elif length == 127:
                length, head = int.from_bytes(data[start + 2 : start + 10]), 10
            end = start + head + length
            if len(data) < start + head or len(data) < end:
                break
            assert data[start] & 0x80, "a fragment"
            self._take(data[start] & 0x0F, bytes(data[start + head : end]), found)
            start = end
        del data[:start]
        return found

    def _take(self, opcode: int, payload: bytes, found: list[bytes]) -> None:
        if opcode == _TEXT:
            found.append(payload)
        elif opcode == _PING:
            # A mask of zeros is a mask too.
            self.socket.send(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
        else:
            assert opcode == _CLOSE, f"opcode {opcode}"
            self.closed = int.from_bytes(payload[:2])

    def vanish(self) -> None:
        """End the connection as a crash of the machine's owner would: a reset, no farewell."""
        _reset(self.socket)


def knock_and_run(url: str) -> None:
    """Ask for a WebSocket and vanish before the answer."""
    connection = _connect(url)
    connection.sendall(_handshake(url))
    _reset(connection)


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def _handshake(url: str) -> bytes:
    parts = urlsplit(url)
    lines = (
        f"GET {parts.path}{'?' if parts.query else ''}{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def show(viewer: Viewer, payload: bytes, _received_ns: int) -> None:
    """Let the viewer's page take a frame."""
    viewer.page.take(payload.decode())


class Crowd:
    """Viewers that one thread reads for."""

    def __init__(self, url: str, listener: Listener = show) -> None:
        self._url = url
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._lock = threading.Lock()
        self._ended = False
        self.viewers: list[Viewer] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        for viewer in self.viewers:
            viewer.socket.close()
        self._selector.close()

    def join(self, count: int = 1) -> list[Viewer]:
        """Connect so many more."""
        joined = []
        for _ in range(count):
            viewer = Viewer(self._url)
            with self._lock:
                # What came with the answer to the handshake is taken first.
                self._hear(viewer)
                self._selector.register(viewer.socket, selectors.EVENT_READ, viewer)
            self.viewers.append(viewer)
            joined.append(viewer)
        return joined

    def vanish(self, viewers: list[Viewer]) -> None:
        """Let viewers go without a word."""
        with self._lock:
            for viewer in viewers:
                self._selector.unregister(viewer.socket)
                viewer.vanish()
                self.viewers.remove(viewer)

    def check(self) -> None:
        """Raise what any viewer stumbled over."""
        for viewer in self.viewers:
            if viewer.problem is not None:
                raise AssertionError("a viewer has stumbled") from viewer.problem

    def _read(self) -> None:
        while not self._ended:
            # Not while waiting: whoever joins needs the lock.
            ready = self._selector.select(0.02)
            if not ready:
                continue
            with self._lock:
                for key, _ in ready:
                    self._hear(key.data)

    def _hear(self, viewer: Viewer) -> None:
        if viewer.socket.fileno() < 0 or viewer.problem is not None:
            return
        try:
            frames = viewer.frames()
            now_ns = time.time_ns()
            for payload in frames:
                self._listener(viewer, payload, now_ns)
        except (OSError, AssertionError) as error:
            viewer.problem = error
            registered: dict[Any, Any] = dict(self._selector.get_map())
            if viewer.socket.fileno() in registered:
                self._selector.unregister(viewer.socket)
