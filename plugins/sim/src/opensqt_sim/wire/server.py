"""The listener of one simulated venue, and the register of its live connections."""

import itertools
from collections.abc import Iterator
from typing import Protocol

import attrs
import structlog
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection
from wsproto.utilities import RemoteProtocolError

from opensqt_sim.wire import http
from opensqt_sim.wire.http import BadRequest, HttpConnection
from opensqt_sim.wire.messages import Outcome, Request, Response, json_response
from opensqt_sim.wire.websocket import Selector, WebSocket, WebSocketSettings

_log = structlog.get_logger()
_LAGGING = 256 * 1024
"""Unsent bytes that make a WebSocket lag."""
_DRAIN_SECONDS = 10.0
_DRAIN_POLL_SECONDS = 0.002


class App(Protocol):
    """A dialect, as the wire sees it."""

    async def respond(self, request: Request) -> Outcome:
        """Answer one HTTP request."""
        ...

    def refuse_upgrade(self, request: Request) -> Response | None:
        """Return the answer to a WebSocket request that gets none, or None to accept it."""
        ...

    async def converse(self, socket: WebSocket) -> None:
        """Serve one WebSocket until it ends; `Disconnected` may pass through."""
        ...


@attrs.define
class Connections:
    """Every live connection of one venue: what faults reach for."""

    websockets: dict[int, WebSocket] = attrs.field(factory=dict)
    http: dict[int, trio.SocketStream] = attrs.field(factory=dict)
    """Those that speak plain HTTP, by number."""
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def number(self) -> int:
        """Return a number that no other connection has."""
        return next(self._numbers)

    def carrying(self, selector: Selector) -> list[WebSocket]:
        """Return the WebSockets that have a topic which is meant."""
        return [socket for socket in self.websockets.values() if socket.carries(selector)]

    async def drain(self) -> None:
        """Wait until no WebSocket lags far behind; one that does not read at all is dropped after a while.

        For a market that is played faster than it happened, where lagging is nobody's fault.
        """
        give_up = trio.current_time() + _DRAIN_SECONDS
        while lagging := [socket for socket in self.websockets.values() if socket.unsent > _LAGGING]:
            if trio.current_time() > give_up:
                for socket in lagging:
                    _log.info("slow reader dropped", socket=socket.number, path=socket.request.path)
                    socket.drop()
                return
            await trio.sleep(_DRAIN_POLL_SECONDS)


async def serve(  # noqa: ASYNC128 - trio.serve_listeners calls started()
    app: App,
    listeners: list[trio.SocketListener],
    connections: Connections,
    settings: WebSocketSettings,
    *,
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve HTTP and WebSocket on `listeners` until cancelled; one task each connection."""

    async def handle(stream: trio.SocketStream) -> None:
        try:
            await _serve_connection(app, stream, connections, settings)
        except Exception:  # noqa: BLE001 - a bug in one conversation must not end the venue for everybody else
            _log.exception("a connection failed")

    await trio.serve_listeners(handle, listeners, task_status=task_status)


async def open_listeners(host: str, port: int) -> tuple[list[trio.SocketListener], int]:
    """Bind one address (port 0: any free one) and return its listeners and the real port. Raises OSError."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    return listeners[:1], listeners[0].socket.getsockname()[1]


async def _serve_connection(
    app: App, stream: trio.SocketStream, connections: Connections, settings: WebSocketSettings
) -> None:
    number = connections.number()
    connections.http[number] = stream
    connection = HttpConnection(stream, peer=_peer(stream))
    try:
        while (request := await connection.next_request()) is not None:
            if request.headers.get("upgrade", "").lower() == "websocket":
                refusal = app.refuse_upgrade(request)
                if refusal is None:
                    del connections.http[number]
                    await _upgrade(app, connection, request, connections, settings=settings, number=number)
                    return
                outcome: Outcome = refusal
            else:
                outcome = await _respond(app, request)
            if not await connection.deliver(outcome, head_only=request.method == "HEAD"):
                return
    except BadRequest as error:
        await _refuse(connection, error)
    except http.CONNECTION_LOST:
        pass
    finally:
        connections.http.pop(number, None)
        stream.socket.close()


async def _refuse(connection: HttpConnection, error: BadRequest) -> None:
    try:
        await connection.refuse(error)
    except http.CONNECTION_LOST:
        return


async def _respond(app: App, request: Request) -> Outcome:
    try:
        return await app.respond(request)
    except Exception:  # noqa: BLE001 - the one place where a dialect's bug becomes the venue's internal error
        _log.exception("a request failed", method=request.method, path=request.path)
        return json_response(
            {"code": -1000, "msg": "An unknown error occurred while processing the request."}, status=500
        )


async def _upgrade(
    app: App,
    connection: HttpConnection,
    request: Request,
    connections: Connections,
    *,
    settings: WebSocketSettings,
    number: int,
) -> None:
    handshake = WSConnection(ConnectionType.SERVER)
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers.items()]
    try:
        handshake.initiate_upgrade_connection(headers, request.target)
        accepted = handshake.send(AcceptConnection())
    except RemoteProtocolError as error:
        raise BadRequest(f"not a WebSocket handshake: {error}") from None
    await connection.stream.send_all(accepted)
    socket = WebSocket(connection.stream, request, settings, number=number, early=connection.trailing_data)
    connections.websockets[number] = socket
    try:
        await socket.run(app.converse)
    finally:
        del connections.websockets[number]


def _peer(stream: trio.SocketStream) -> str:
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""
