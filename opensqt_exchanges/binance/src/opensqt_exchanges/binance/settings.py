"""The `[binance]` block of a settings file."""

from collections.abc import Callable
from typing import Any

import attrs

from opensqt_core.secret import Secret


def _address(*schemes: str) -> Callable[[Any, "attrs.Attribute[str]", str], None]:
    def check(_instance: object, field: "attrs.Attribute[str]", value: str) -> None:
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"{field.name}: expected an address that starts with {schemes[0]}://, got {value!r}")

    return check


def _route(_instance: object, field: "attrs.Attribute[str]", value: str) -> None:
    if value and (not value.startswith("/") or value.endswith("/")):
        raise ValueError(f"{field.name}: expected nothing or a path like /market, got {value!r}")


def _between(low: float, high: float) -> Callable[[Any, "attrs.Attribute[Any]", float], None]:
    def check(_instance: object, field: "attrs.Attribute[Any]", value: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"{field.name}: expected a number from {low:g} to {high:g}, got {value}")

    return check


def _base(value: str) -> str:
    return value.rstrip("/")


@attrs.frozen(kw_only=True)
class Settings:
    """Where Binance is and who we are there. Without keys only public data can be read.

    Host and routes are separate because demo hosts differ in whether they know the routes of production.
    """

    api_key: Secret | None = None
    secret_key: Secret | None = None
    rest_url: str = attrs.field(
        default="https://fapi.binance.com", converter=_base, validator=_address("https", "http")
    )
    ws_url: str = attrs.field(default="wss://fstream.binance.com", converter=_base, validator=_address("wss", "ws"))
    ws_public_path: str = attrs.field(default="/public", validator=_route)
    """Route of the top of book."""
    ws_market_path: str = attrs.field(default="/market", validator=_route)
    """Route of candles, trades and mark prices."""
    ws_private_path: str = attrs.field(default="/private", validator=_route)
    """Route of the user data stream; may be empty."""
    recv_window_ms: int = attrs.field(default=5000, validator=_between(100, 60_000))
    """How long after signing the venue still accepts a request; the venue's maximum is 60 s."""
    stale_after: float = attrs.field(default=10.0, validator=_between(1, 600))
    """Seconds without a value before a market stream is doubted."""
    request_timeout: float = attrs.field(default=10.0, validator=_between(0.1, 120))
    """Seconds to wait for a reply."""

    def __attrs_post_init__(self) -> None:
        """Refuse half a pair of keys."""
        if (self.api_key is None) != (self.secret_key is None):
            missing = "secret_key" if self.secret_key is None else "api_key"
            raise ValueError(f"{missing}: missing; give both keys, or neither to read public data only")
