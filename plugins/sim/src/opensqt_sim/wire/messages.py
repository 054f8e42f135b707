"""What travels between the wire and a venue's dialect: requests, and every way in which a server can answer."""

from collections.abc import Mapping

import attrs
import msgspec

_json = msgspec.json.Encoder()


@attrs.frozen(kw_only=True)
class Request:
    """One HTTP request, as it came. Header names are lower-case; `target` and `body` are the bytes that were signed."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    peer: str = ""
    """The client's address, without its port: what limits per address count by."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, still percent-encoded; empty if there is none."""
        return self.target.partition("?")[2]


@attrs.frozen(kw_only=True)
class Response:
    """A proper answer."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json;charset=UTF-8"


@attrs.frozen
class Silence:
    """Never answer; keep the connection until the client gives up."""


@attrs.frozen(kw_only=True)
class Hangup:
    """Close the connection instead of answering: with a TCP reset, or as if all had been said."""

    reset: bool = False


@attrs.frozen
class Raw:
    """Send exactly these bytes, which need not be HTTP, and close."""

    data: bytes


Outcome = Response | Silence | Hangup | Raw


def json_response(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return `value` as a JSON answer."""
    return Response(status=status, body=_json.encode(value), headers=headers)
