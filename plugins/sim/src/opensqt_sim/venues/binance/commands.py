"""What a client may say on a WebSocket."""

from typing import Any

import attrs
import msgspec

METHODS = frozenset({"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"})


class BadCommand(Exception):
    """A message that is not a command; `code` and `id` go into the answer."""

    def __init__(self, code: int, message: str, request_id: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = request_id


@attrs.frozen(kw_only=True)
class Command:
    """One command. Ids are numbers; newer gateways take texts too."""

    method: str
    params: tuple[str, ...]
    id: int | str | None


def parse_command(text: str) -> Command:
    """Return the command in a message. Raises `BadCommand`."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadCommand(3, f"Invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadCommand(2, "Invalid request: not an object")
    request_id = document.get("id")
    if not isinstance(request_id, int | str | None) or isinstance(request_id, bool):
        raise BadCommand(2, "Invalid request: request ID must be an unsigned integer")
    if document.get("method") not in METHODS:
        raise BadCommand(2, "Invalid request: unknown method", request_id)
    params: Any = document.get("params", [])
    if not isinstance(params, list) or not all(isinstance(each, str) for each in params):
        raise BadCommand(2, "Invalid request: params must be a list of streams", request_id)
    return Command(method=document["method"], params=tuple(params), id=request_id)
