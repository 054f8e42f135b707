"""The one seam between OpenSQT and a WebSocket library; today trio-websocket.

Nothing else imports the library, its errors never leave this module, and neither do exception groups: what comes out
is `Unavailable` while there is no connection yet and `SessionLost` afterwards.
"""

import functools
import ssl
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

import attrs
import trio
import trio_websocket
from wsproto.utilities import LocalProtocolError

from opensqt_core.errors import Unavailable
from opensqt_core.streams import SessionLost

MAX_MESSAGE_SIZE = 4 * 2**20
"""Longest message accepted, in bytes. A full order-book snapshot is well below 1 MiB at every venue we know."""

_QUEUE = 256
"""Messages between the library's reader and ours. With its default of 1 every frame costs two task switches, and a
full queue stops the library from answering pings."""
_RECEIVE_BYTES = 64 * 1024
_CLOSE_WITHIN = 1.0

_Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Socket(Protocol):
    """An open WebSocket, seen from the client. Pings of the venue are answered underneath."""

    async def send(self, text: str) -> None:
        """Send one text message. Raises `SessionLost` when the connection is gone."""
        ...

    async def receive(self) -> str | bytes:
        """Return the next message. Raises `SessionLost` with the venue's reason when there will be none."""
        ...

    async def ping(self) -> None:
        """Send a ping frame and return when its pong is in. Bound it: a dead peer never answers."""
        ...

    async def close(self) -> None:
        """Close politely, within a second. Leaving the context does the same."""
        ...


@attrs.frozen
class _TrioSocket:
    """A `Socket` over a trio-websocket connection."""

    _connection: trio_websocket.WebSocketConnection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send_message(text)
        except (trio_websocket.ConnectionClosed, LocalProtocolError):
            self._lost()

    async def receive(self) -> str | bytes:
        try:
            message: str | bytes = await self._connection.get_message()
        except trio_websocket.ConnectionClosed:
            self._lost()
        return message

    async def ping(self) -> None:
        try:
            await self._connection.ping()
        except (trio_websocket.ConnectionClosed, LocalProtocolError):
            self._lost()

    async def close(self) -> None:
        with trio.move_on_after(_CLOSE_WITHIN):
            await self._connection.aclose()

    def _lost(self) -> NoReturn:
        closed = self._connection.closed
        if closed is None:
            raise SessionLost("connection closed") from None
        said = f": {closed.reason}" if closed.reason else ""
        raise SessionLost(f"connection closed ({closed.code} {closed.name.lower()}{said})") from None


@attrs.frozen
class _Address:
    """A WebSocket URL taken apart. `resource` may hold a listenKey, so only `host` and `port` are ever shown."""

    host: str
    port: int
    resource: str = attrs.field(repr=False)
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "_Address":
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("a WebSocket URL must start with ws:// or wss:// and name a host")
        tls = parts.scheme == "wss"
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port or (443 if tls else 80), resource, tls)

    @property
    def authority(self) -> str:
        """Host and, unless it is the usual one, port: for the `Host` header and for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@asynccontextmanager
async def connect_websocket(
    url: str, *, connect_timeout: float, max_message_size: int = MAX_MESSAGE_SIZE
) -> AsyncIterator[Socket]:
    """Connect, and yield the open socket; close it, within a bounded time, on leaving.

    `connect_timeout` (seconds) covers name lookup, TCP, TLS and the upgrade. Raises `Unavailable` if any of them fails;
    inside the block a dead connection shows as `SessionLost`. Messages name host and port only.
    """
    address = _Address.parse(url)
    deadline = trio.current_time() + connect_timeout
    stream = await _dial(address, deadline)
    # What the block raises is carried around the nursery, which would wrap it in a group.
    raised: Exception | None = None
    broken: ExceptionGroup | None = None
    connected = finished = False
    try:
        try:
            async with trio.open_nursery() as nursery:
                connection = await _upgrade(nursery, stream, address, deadline, max_message_size)
                connected = True
                socket = _TrioSocket(connection)
                try:
                    yield socket
                except Exception as error:  # noqa: BLE001 - raised again below, unchanged
                    raised = error
                finished = True
                await socket.close()
                nursery.cancel_scope.cancel(reason="the WebSocket is closed")
        except* Exception as group:  # noqa: BLE001 - only the library's reader and the upgrade raise in there
            broken = group
    finally:
        await trio.aclose_forcefully(stream)
    if raised is not None:
        raise raised
    if broken is not None and not finished:
        _translate(broken, address, connected=connected)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads every certificate authority: milliseconds without a checkpoint


async def _dial(address: _Address, deadline: float) -> _Stream:
    with trio.CancelScope(deadline=deadline):
        try:
            tcp = await trio.open_tcp_stream(address.host, address.port)
        except OSError as error:
            raise Unavailable(f"cannot connect to {address.authority}: {error}") from error
        if not address.tls:
            return tcp
        tls = trio.SSLStream(tcp, _tls_context(), server_hostname=address.host, https_compatible=True)
        done = False
        try:
            await tls.do_handshake()
            done = True
        except trio.BrokenResourceError as error:
            raise Unavailable(f"no TLS with {address.authority}: {error.__cause__ or error}") from error
        finally:
            if not done:
                await trio.aclose_forcefully(tcp)
        return tls
    raise Unavailable(f"connecting to {address.authority} took too long")


async def _upgrade(
    nursery: trio.Nursery, stream: _Stream, address: _Address, deadline: float, max_message_size: int
) -> trio_websocket.WebSocketConnection:
    with trio.CancelScope(deadline=deadline):
        return await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            address.authority,
            address.resource,
            message_queue_size=_QUEUE,
            max_message_size=max_message_size,
            receive_buffer_size=_RECEIVE_BYTES,
        )
    raise Unavailable(f"{address.authority} did not complete the WebSocket handshake")


def _translate(group: ExceptionGroup, address: _Address, *, connected: bool) -> NoReturn:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Unavailable):
        raise error
    if isinstance(error, trio_websocket.ConnectionRejected):
        raise Unavailable(
            f"{address.authority} refused the WebSocket with HTTP {error.status_code}", code=str(error.status_code)
        ) from error
    if connected:
        raise SessionLost(f"connection broke: {error!r}") from group
    raise Unavailable(f"no WebSocket with {address.authority}: {error!r}") from group
