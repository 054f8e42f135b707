"""A venue's address with a tap: counts the requests of whoever uses it, and closes single WebSocket routes to him."""

import contextlib
import re
import socket
import struct
import threading
from typing import Self
from urllib.parse import urlsplit

_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REQUEST = re.compile(rb"^(?:GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class Tap:
    """A TCP forwarder in front of one address of a venue.

    It recognises the beginning of an HTTP request in what a client sends at once, which is how clients send them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        """Targets of all requests, in order; `GET`s of WebSockets too."""
        self._lock = threading.Lock()
        self._refused: set[str] = set()
        self._open: dict[socket.socket, str] = {}
        """Clients' connections, with the target of the first request."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_route("/")

    def close_route(self, prefix: str) -> None:
        """Reset the connections whose target begins so, and answer 503 to new ones, until `open_route`."""
        with self._lock:
            self._refused.add(prefix)
            for client, target in list(self._open.items()):
                if target.startswith(prefix):
                    _reset(client)

    def open_route(self, prefix: str) -> None:
        """Let connections through again."""
        with self._lock:
            self._refused.discard(prefix)

    def count(self, beginning: str, *, containing: str = "") -> int:
        """Return how many requests began so."""
        return sum(1 for each in list(self.requests) if each.startswith(beginning) and containing in each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as venue:
            first = True
            # Anything can be reset under our hands; that is the purpose.
            with contextlib.suppress(OSError):
                while sent := client.recv(65536):
                    targets = [each.decode() for each in _REQUEST.findall(sent)]
                    self.requests += targets
                    if first and not self._admit(client, targets[0] if targets else ""):
                        break
                    venue.sendall(sent)
                    if first:
                        threading.Thread(target=_pour, args=(venue, client), daemon=True).start()
                    first = False
            with self._lock:
                self._open.pop(client, None)
            with contextlib.suppress(OSError):
                venue.shutdown(socket.SHUT_RDWR)

    def _admit(self, client: socket.socket, target: str) -> bool:
        with self._lock:
            if any(target.startswith(prefix) for prefix in self._refused):
                client.sendall(_UNAVAILABLE)
                return False
            self._open[client] = target
            return True


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
        target.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """End a connection that another thread reads from."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
