"""Parameters of Binance's REST: where they come from, and turning their texts into values."""

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote_plus

from opensqt_sim.venues.binance import codes
from opensqt_sim.venues.shared.calls import VenueError
from opensqt_sim.wire.messages import Request

_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")
_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"


def parse(request: Request) -> dict[str, str]:
    """Return the parameters of query and form body, decoded; the query wins. Raises on what is not text or twice."""
    params: dict[str, str] = {}
    for part in (request.query, _form(request)):
        seen: set[str] = set()
        for pair in filter(None, part.split("&")):
            name, _, value = pair.partition("=")
            if not pair.isascii():
                raise codes.illegal_characters(name, "percent-encoded UTF-8")
            name = unquote_plus(name)
            if name in seen:
                raise VenueError(-1101, f"Duplicate values for parameter '{name}'.")
            seen.add(name)
            try:
                params.setdefault(name, unquote_plus(value, errors="strict"))
            except UnicodeDecodeError:
                raise codes.illegal_characters(name, "percent-encoded UTF-8") from None
    return params


def signed_payload(request: Request) -> bytes:
    """Return what must have been signed: query and body exactly as sent, one after the other, without the signature."""
    query = _SIGNATURE.sub("", request.query)
    return (query + _SIGNATURE.sub("", _form(request))).encode("ascii", "surrogateescape")


def _form(request: Request) -> str:
    return request.body.decode("ascii", "surrogateescape")


def text(params: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there. Raises -1102."""
    value = params.get(name)
    if not value:
        raise codes.missing(name)
    return value


def optional(params: Mapping[str, str], name: str) -> str | None:
    """Return a parameter that may be absent, but not empty. Raises -1105."""
    value = params.get(name)
    if value is not None and not value:
        raise VenueError(-1105, f"Parameter '{name}' was empty.")
    return value


def integer(params: Mapping[str, str], name: str) -> int | None:
    """Return an optional whole number. Raises -1100 if it is none."""
    value = optional(params, name)
    if value is None:
        return None
    if not re.match(_INTEGER, value, re.ASCII):
        raise codes.illegal_characters(name, _INTEGER)
    return int(value)


def limit(params: Mapping[str, str], *, default: int, largest: int) -> int:
    """Return `limit`. Raises -1130 when it is out of range."""
    value = integer(params, "limit")
    if value is None:
        return default
    if not 1 <= value <= largest:
        raise codes.invalid_data("limit")
    return value


def decimal(params: Mapping[str, str], name: str) -> Decimal | None:
    """Return an optional number: a plain positive decimal, no exponent. Raises -1100 on anything else."""
    value = optional(params, name)
    if value is None:
        return None
    if not re.match(_DECIMAL, value, re.ASCII):
        raise codes.illegal_characters(name, _DECIMAL)
    return Decimal(value)


def boolean(params: Mapping[str, str], name: str) -> bool:
    """Return an optional `true` or `false`; absent is false. Raises -1130."""
    value = optional(params, name)
    if value is None:
        return False
    if value.lower() not in ("true", "false"):
        raise codes.invalid_data(name)
    return value.lower() == "true"
