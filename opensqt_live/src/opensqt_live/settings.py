"""The live daemon's settings: one attrs class for each block of its TOML file.

Names that users of the older system know are kept. Defaults and meanings are those of docs/live.md.
"""

import ipaddress
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

from opensqt_core.config import one_of
from opensqt_core.market import INTERVAL_MS

ANY_ORIGIN = "*"
MAX_HISTORY = 1000
"""Candles in one `history` frame or answer at most."""


def _between(low: float, high: float) -> Callable[[Any, Any, float], None]:
    def validate(_: object, __: object, value: float) -> None:
        if not low <= value <= high:
            raise ValueError(f"expected a number from {low:g} to {high:g}, got {value:g}")

    return validate


def origin_of(address: str, *schemes: str) -> str | None:
    """Return `scheme://host[:port]` of an address that is nothing more than that, in lower case; None if it is more."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443, "ws": 80, "wss": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def _origins(*schemes: str, wildcard: bool) -> Callable[[Any, Any, tuple[str, ...]], None]:
    def validate(_: object, __: object, value: tuple[str, ...]) -> None:
        for entry in value:
            if entry == ANY_ORIGIN and wildcard:
                continue
            if origin_of(entry, *schemes) is None:
                raise ValueError(f"expected {schemes[0]}://host[:port] and no more, got {entry!r}")

    return validate


def _public_url(_: object, __: object, value: str) -> None:
    if value and origin_of(value, "http", "https") is None:
        raise ValueError(f"expected https://host[:port] and no more, got {value!r}")


def _host_names(_: object, __: object, value: tuple[str, ...]) -> None:
    for entry in value:
        if not entry or "/" in entry or (":" in entry and not _is_address(entry)):
            raise ValueError(f"expected a host name or an address without scheme and port, got {entry!r}")


def _addresses(_: object, __: object, value: tuple[str, ...]) -> None:
    for entry in value:
        if not _is_address(entry):
            raise ValueError(f"expected an IP address, got {entry!r}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _no_auth(_: object, __: object, value: bool) -> None:  # noqa: FBT001 - attrs calls it
    if value:
        raise ValueError(
            "expected false: this version does not ask who is there; put a proxy that does in front of it, "
            "and keep host = 127.0.0.1"
        )


def _not_empty(_: object, __: object, value: str) -> None:
    if not value:
        raise ValueError("expected text that is not empty")


@attrs.frozen(kw_only=True)
class ExchangeSettings:
    """`[exchange]`: which installed driver to use; its own block has its name."""

    name: str = attrs.field(validator=_not_empty)


@attrs.frozen(kw_only=True)
class TradingSettings:
    """`[trading]`: what is shown."""

    symbol: str = attrs.field(validator=_not_empty)
    more_symbols: tuple[str, ...] = ()
    """Shown to whoever asks for them with `?symbol=`."""
    interval: str = attrs.field(default="1m", validator=one_of(*INTERVAL_MS))
    history_limit: int = attrs.field(default=100, validator=_between(2, MAX_HISTORY))
    """Candles kept in memory, and sent to whoever connects."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol once, the default one first."""
        return tuple(dict.fromkeys((self.symbol, *self.more_symbols)))


@attrs.frozen(kw_only=True)
class ServerSettings:
    """`[server]`: where browsers connect, and from which pages."""

    host: str = attrs.field(default="127.0.0.1", validator=_not_empty)
    port: int = attrs.field(default=8081, validator=_between(0, 65_535))
    enable_auth: bool = attrs.field(default=False, validator=_no_auth)
    public_url: str = attrs.field(default="", validator=_public_url)
    """What browsers call this daemon behind a proxy: `https://live.example.org`."""
    allowed_origins: tuple[str, ...] = attrs.field(default=(), validator=_origins("http", "https", wildcard=True))
    allowed_hosts: tuple[str, ...] = attrs.field(default=(), validator=_host_names)
    allow_missing_origin: bool = False
    connect_origins: tuple[str, ...] = attrs.field(
        default=(), validator=_origins("wss", "ws", "https", "http", wildcard=False)
    )
    """Other daemons that the page served here may be pointed at."""
    trusted_proxies: tuple[str, ...] = attrs.field(default=(), validator=_addresses)
    production: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what must not be public."""
        if self.production and ANY_ORIGIN in self.allowed_origins:
            raise ValueError('allowed_origins: "*" is not possible with production = true: name the origins')


@attrs.frozen(kw_only=True)
class LimitSettings:
    """`[limits]`: how much of this daemon clients may use. Each closes or refuses that one client only."""

    connections: int = attrs.field(default=1000, validator=_between(1, 100_000))
    connections_per_address: int = attrs.field(default=20, validator=_between(1, 100_000))
    new_connections_per_second: float = attrs.field(default=10.0, validator=_between(0.01, 100_000))
    """Per address."""
    new_connections_burst: int = attrs.field(default=20, validator=_between(1, 100_000))
    frame_bytes: int = attrs.field(default=4096, validator=_between(1, 1_048_576))
    """Of one incoming frame."""
    frames_per_second: float = attrs.field(default=10.0, validator=_between(0.01, 100_000))
    """Incoming, per client; a second's worth may come at once."""
    outbox_frames: int = attrs.field(default=2000, validator=_between(MAX_HISTORY, 1_000_000))
    """Frames that may wait for a client that can't keep up."""
    write_seconds: float = attrs.field(default=15.0, validator=_between(0.1, 600))
    """How long a client may take no byte at all."""


@attrs.frozen(kw_only=True)
class SupervisionSettings:
    """`[supervision]`. Seconds."""

    account_idle: float = attrs.field(default=30.0, validator=_between(0.1, 86_400))
    """An account stream this long without a word is held against one look-up."""


@attrs.frozen(kw_only=True)
class LoggingSettings:
    """`[logging]`."""

    level: str = attrs.field(default="info", validator=one_of("debug", "info", "warning", "error"))
    format: Literal["auto", "console", "json"] = "auto"


@attrs.frozen(kw_only=True)
class Settings:
    """The whole file, once every block has been checked."""

    exchange: ExchangeSettings
    venue: object
    """The driver's own block."""
    trading: TradingSettings
    server: ServerSettings = attrs.field(factory=ServerSettings)
    limits: LimitSettings = attrs.field(factory=LimitSettings)
    supervision: SupervisionSettings = attrs.field(factory=SupervisionSettings)
    logging: LoggingSettings = attrs.field(factory=LoggingSettings)
