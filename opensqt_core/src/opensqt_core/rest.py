"""One venue's REST: limits, signing at the last moment, transport errors told apart, metrics. httpx underneath."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from opensqt_core.errors import ExchangeError
from opensqt_core.ratelimit import Priority


@attrs.frozen(kw_only=True)
class RestRequest:
    """A request before it is signed: what the dialect makes and the session sends."""

    endpoint: str
    """A bounded label for metrics and logs: `place`, `open_orders`. Never a path with ids in it."""
    method: str
    path: str
    params: Sequence[tuple[str, str]] = ()
    """In wire order, not encoded."""
    body: bytes | None = None
    signed: bool = False
    keyed: bool = False
    """Carries the key but no signature (Binance's listenKey)."""
    write: bool = False
    """Whether it changes something: then a lost reply is `OutcomeUnknown`, and it is never repeated by the transport."""
    cost: Mapping[str, int] = attrs.field(factory=dict)
    """Units of each named limit."""
    priority: Priority = Priority.READ


@attrs.frozen(kw_only=True)
class WireRequest:
    """Exactly what goes out. `target` is path and query, already percent-encoded; `headers` hold the key."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    content: bytes | None = attrs.field(default=None, repr=False)


class RestDialect(Protocol):
    """The venue's side of REST, without I/O."""

    def sign(self, request: RestRequest, now_ms: int) -> WireRequest:
        """Return the bytes to send; `now_ms` is the venue's time as well as we know it."""
        ...

    def error(self, request: RestRequest, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        """Return what a reply means if it is not a success. Header names are lower-case."""
        ...

    def usage(self, headers: Mapping[str, str]) -> Mapping[str, int]:
        """Return what the venue says of used units, by limit name."""
        ...
