"""HTTP on a port: Hypercorn's protocol on our own listeners and streams. The only module that knows Hypercorn.

Hypercorn's own `serve` opens the sockets itself, and shields its writes from cancellation: one client that never reads
would hold up the shutdown for ever. So the accept loop is here, and every write has a deadline. What is used beyond
Hypercorn's public API (as of 0.18): `trio.lifespan.Lifespan`, `trio.tcp_server.TCPServer`,
`trio.worker_context.WorkerContext`, `utils.wrap_app`.
"""

import errno
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from opensqt_live.exits import StartRefused
from opensqt_live.settings import LimitSettings

PING_EVERY_S = 20
PONG_WITHIN_S = 20
FAREWELL_S = 1.0
"""How long connections may take to end by themselves at the shutdown."""
_FRAME_ROOM = 16
"""Hypercorn drops a client at this many times the limit, in the middle of a frame; below, we say why."""

_log = structlog.get_logger(__name__)


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Bind the port. Raises `StartRefused`."""
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        reason = _reason(error)
        raise StartRefused(
            f"server.port: cannot listen on {host}:{port}: {reason}; choose another with --port or [server] port"
        ) from error


def _reason(error: OSError) -> str:
    codes = {error.errno, *(getattr(cause, "errno", None) for cause in _causes(error))}
    if errno.EADDRINUSE in codes:
        return "the port is taken"
    return error.strerror or str(error)


def _causes(error: BaseException) -> list[BaseException]:
    cause = error.__cause__
    if cause is None:
        return []
    return [*cause.exceptions] if isinstance(cause, BaseExceptionGroup) else [cause]


def addresses(listeners: Sequence[trio.SocketListener]) -> list[str]:
    """Return where the listeners are, as URLs."""
    found = []
    for listener in listeners:
        host, port = listener.socket.getsockname()[:2]
        found.append(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    return found


class _PatientStream(trio.abc.HalfCloseableStream):
    """A client's connection whose writes end: whoever takes no byte for so long is gone."""

    def __init__(self, stream: trio.SocketStream, write_within: float) -> None:
        self._stream = stream
        self._write_within = write_within
        self.socket = stream.socket
        self.closed = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with trio.move_on_after(self._write_within) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.abort()
            raise trio.BrokenResourceError("the client does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.abort()
            raise
        if not data:
            # Hypercorn would keep the socket until its next ping is due.
            self.abort()
        return data

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self.closed.set()
        await self._stream.aclose()

    def abort(self) -> None:
        """End it now, also under the feet of a task that is shielded."""
        self.closed.set()
        self.socket.close()


@asynccontextmanager
async def serve(app: Any, listeners: Sequence[trio.SocketListener], limits: LimitSettings) -> AsyncIterator[None]:
    """Serve an ASGI app on the listeners while the block lasts; leaving it takes `FAREWELL_S` and a moment at most."""
    config = _config(limits)
    wrapped = wrap_app(app, config.wsgi_max_body_size, "asgi")
    lifespan = Lifespan(wrapped, config, {})
    context = WorkerContext(None)
    streams: set[_PatientStream] = set()

    async def handle(socket_stream: trio.SocketStream) -> None:
        stream = _PatientStream(socket_stream, limits.write_seconds)
        streams.add(stream)
        try:
            await TCPServer(wrapped, config, context, ConnectionState({}), cast(Any, stream)).run()
        except Exception as error:  # noqa: BLE001 - one connection's fault must not end the others
            _log.error("bug in a connection", exc_info=error)
        finally:
            streams.discard(stream)
            stream.abort()

    async with trio.open_nursery() as lifespan_nursery:
        await lifespan_nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            try:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(_accept, listener, handle, connections)
                    yield
                    accepting.cancel_scope.cancel(reason="the server ends")
                await context.terminated.set()
                with trio.move_on_after(FAREWELL_S):
                    for stream in tuple(streams):
                        await stream.closed.wait()
            finally:
                for stream in tuple(streams):
                    stream.abort()
                connections.cancel_scope.cancel(reason="the server ends")
        await lifespan.wait_for_shutdown()
        lifespan_nursery.cancel_scope.cancel(reason="the server ends")


async def _accept(listener: trio.SocketListener, handle: Any, connections: trio.Nursery) -> None:
    await trio.serve_listeners(handle, [listener], handler_nursery=connections)


def _config(limits: LimitSettings) -> Config:
    config = Config()
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.websocket_max_message_size = limits.frame_bytes * _FRAME_ROOM
    config.websocket_ping_interval = PING_EVERY_S
    # Any byte counts as a sign of life, and a client that is there answers every ping.
    config.read_timeout = PING_EVERY_S + PONG_WITHIN_S
    return config
