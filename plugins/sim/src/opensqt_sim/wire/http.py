"""The server's half of one HTTP/1.1 connection: h11 underneath, keep-alive, pipelining tolerated."""

import contextlib
import socket
import struct

import h11
import trio

from opensqt_sim.wire.messages import Hangup, Outcome, Raw, Request, Response, Silence, json_response

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
_CHUNK = 64 * 1024
_LINGER_SECONDS = 2.0

CONNECTION_LOST = (trio.BrokenResourceError, trio.ClosedResourceError)


class BadRequest(Exception):
    """The client does not speak HTTP, or says too much. `status` is what it should be told."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def reset(stream: trio.SocketStream) -> None:
    """Close a connection with a TCP reset, at once, from any task; a peer's unread data is lost."""
    with contextlib.suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


class HttpConnection:
    """Reads requests and delivers outcomes, one after the other."""

    def __init__(self, stream: trio.SocketStream, *, peer: str) -> None:
        self.stream = stream
        self._peer = peer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def next_request(self) -> Request | None:
        """Return the next request, or None when the client is done. Raises `BadRequest` on anything else."""
        try:
            if self._h11.our_state is h11.DONE:
                self._h11.start_next_cycle()
            return await self._read_request()
        except h11.RemoteProtocolError as error:
            raise BadRequest(str(error), status=error.error_status_hint) from None

    async def _read_request(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    await self._send(h11.InformationalResponse(status_code=100, headers=[]))
                self._h11.receive_data(await self.stream.receive_some(_CHUNK))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY:
                    raise BadRequest("the body is too large", status=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._request(head, bytes(body))
            else:
                return None

    def _request(self, head: h11.Request, body: bytes) -> Request:
        return Request(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii"),
            headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
            body=body,
            peer=self._peer,
        )

    @property
    def trailing_data(self) -> bytes:
        """What the client sent after a request that asks for another protocol."""
        return self._h11.trailing_data[0]

    async def deliver(self, outcome: Outcome, *, head_only: bool = False) -> bool:
        """Carry out one answer. Returns whether the connection can serve another request."""
        match outcome:
            case Response():
                await self._respond(outcome, head_only=head_only)
                return self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
            case Silence():
                await self._until_client_gives_up()
            case Hangup(reset=hard):
                if hard:
                    reset(self.stream)
            case Raw(data=data):
                await self.stream.send_all(data)
        return False

    async def refuse(self, error: BadRequest) -> None:
        """Tell the client what was wrong, if it can still be told, and let it read that before the end."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = {"code": error.status, "msg": str(error)}
        await self._respond(json_response(body, status=error.status, headers=(("Connection", "close"),)))
        await self.stream.send_eof()
        with trio.move_on_after(_LINGER_SECONDS):
            await self._until_client_gives_up()

    async def _until_client_gives_up(self) -> None:
        while await self.stream.receive_some(_CHUNK):
            pass

    async def _respond(self, response: Response, *, head_only: bool = False) -> None:
        headers = [
            *response.headers,
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
        ]
        data = self._h11.send(h11.Response(status_code=response.status, headers=headers, reason=b""))
        if not head_only:
            data = (data or b"") + (self._h11.send(h11.Data(data=response.body)) or b"")
        data = (data or b"") + (self._h11.send(h11.EndOfMessage()) or b"")
        await self.stream.send_all(data)

    async def _send(self, event: h11.InformationalResponse) -> None:
        await self.stream.send_all(self._h11.send(event) or b"")
