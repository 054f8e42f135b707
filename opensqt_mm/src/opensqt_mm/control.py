"""Talking to a running market maker over its unix socket: one JSON line in, one JSON line out."""

import hashlib
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog
import trio

from opensqt_mm.locks import runtime_directory

MAX_LINE = 65_536
_ANSWER_WITHIN_S = 10.0
_SOCKET_PATH_LIMIT = 100
"""Unix socket addresses hold about 108 bytes."""

_log = structlog.get_logger(__name__)

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


class NotRunning(Exception):
    """No market maker answers for this journal."""


class Refused(Exception):
    """The market maker did not carry the command out; the message says why."""


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One line from a client."""

    command: str
    arguments: dict[str, Any] = {}


def socket_path(journal: Path) -> Path:
    """Return where the socket of a journal's market maker is: beside it, unless that path is too long."""
    beside = journal.absolute().with_name(journal.name + ".sock")
    if len(str(beside)) <= _SOCKET_PATH_LIMIT:
        return beside
    return runtime_directory() / (hashlib.blake2b(str(beside).encode(), digest_size=12).hexdigest() + ".sock")


async def serve_control(path: Path, handlers: Mapping[str, Handler]) -> None:
    """Answer commands until cancelled. The socket is for this user alone and goes with the block."""
    with _listening(path) as listener:

        async def converse(stream: trio.SocketStream) -> None:
            await _converse(stream, handlers)

        await trio.serve_listeners(converse, [listener])


@contextmanager
def _listening(path: Path) -> Iterator[trio.SocketListener]:
    path.unlink(missing_ok=True)
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plain.bind(str(path))
        path.chmod(0o600)
        plain.listen(16)
        yield trio.SocketListener(trio.socket.from_stdlib_socket(plain))
    finally:
        plain.close()
        path.unlink(missing_ok=True)


async def _converse(stream: trio.SocketStream, handlers: Mapping[str, Handler]) -> None:
    with trio.move_on_after(_ANSWER_WITHIN_S):
        try:
            async with stream:
                line = await _line(stream)
                await stream.send_all(msgspec.json.encode(await _answer(line, handlers)) + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            _log.debug("control client left before its answer")


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as error:
        return {"error": f"request not understood: {error}"}
    handler = handlers.get(request.command)
    if handler is None:
        return {"error": f"unknown command {request.command!r}; there are {', '.join(sorted(handlers))}"}
    try:
        return {"result": await handler(request.arguments)}
    except Refused as refusal:
        return {"error": str(refusal)}


async def _line(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    while b"\n" not in data and len(data) <= MAX_LINE:
        chunk = await stream.receive_some()
        if not chunk:
            break
        data += chunk
    return data.partition(b"\n")[0]


async def _answer_line(stream: trio.abc.ReceiveStream) -> bytes:
    chunks = [chunk async for chunk in stream]
    return b"".join(chunks)


async def call(path: Path, command: str, **arguments: Any) -> Any:
    """Send one command to a running market maker and return its answer.

    Raises:
        NotRunning: nobody listens.
        Refused: it said why not.
    """
    try:
        with trio.fail_after(_ANSWER_WITHIN_S):
            async with await trio.open_unix_socket(str(path)) as stream:
                request = Request(command=command, arguments=arguments)
                await stream.send_all(msgspec.json.encode(request) + b"\n")
                reply = msgspec.json.decode(await _answer_line(stream))
    except (OSError, trio.TooSlowError, trio.BrokenResourceError, msgspec.DecodeError) as error:
        raise NotRunning(f"no market maker answers at {path}: {error}") from error
    if "error" in reply:
        raise Refused(reply["error"])
    return reply["result"]
