"""Where Binance's WebSockets are, and which streams each route delivers.

Since April 2026 streams are split over three routes. A stream that is asked for on the wrong one, an unknown symbol and
an unrouted `/ws` or `/stream` are all accepted, acknowledged, and mute.
"""

import enum
import re
from urllib.parse import parse_qsl

import attrs

from opensqt_core.market import INTERVAL_MS
from opensqt_sim.wire.messages import Request
from opensqt_sim.wire.websocket import Topic


class RouteName(enum.Enum):
    """Which streams a connection delivers."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    LEGACY = "legacy"


@attrs.frozen(kw_only=True)
class Listener:
    """What a private connection asked for: one account's events, all of them or only those listed."""

    listen_key: str
    events: frozenset[str] | None = None


@attrs.frozen(kw_only=True)
class Address:
    """What a WebSocket's URL says."""

    route: RouteName
    wrapped: bool
    """`/stream`: messages come inside `{"stream":..., "data":...}`."""
    streams: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()


_PATH = re.compile(r"^(?:/(public|market|private))?/(ws|stream)(?:/([^/]*))?/?$")
_STREAM = re.compile(r"^([^@]+)@(bookTicker|trade|aggTrade|ticker|miniTicker|markPrice(?:@1s)?|kline_\w+)$")
_PUBLIC_CHANNELS = frozenset({"bookTicker", "trade"})
CHANNELS = frozenset({"bookTicker", "trade", "aggTrade", "ticker", "miniTicker", "markPrice", "kline", "private"}) | {
    f"kline_{interval}" for interval in INTERVAL_MS
}
"""The words by which faults select streams."""


@attrs.frozen
class Stream:
    """A stream that exists: its name, and what it is about."""

    name: str
    topic: Topic
    route: RouteName


def address(request: Request) -> Address | None:
    """Return what a WebSocket's URL asks for, or None where there is no WebSocket."""
    match = _PATH.match(request.path)
    if match is None:
        return None
    route = RouteName(match[1]) if match[1] else RouteName.LEGACY
    query = parse_qsl(request.query)
    streams = [stream for name, value in query if name == "streams" for stream in value.split("/")]
    listeners = _listeners(query)
    if match[3]:
        if route in (RouteName.PRIVATE, RouteName.LEGACY):
            listeners.append(Listener(listen_key=match[3]))
        streams.append(match[3])
    return Address(route=route, wrapped=match[2] == "stream", streams=tuple(streams), listeners=tuple(listeners))


def _listeners(query: list[tuple[str, str]]) -> list[Listener]:
    """Read `listenKey=k1&events=a/b&listenKey=k2`: `events` belongs to the key before it."""
    listeners: list[Listener] = []
    for name, value in query:
        if name == "listenKey":
            listeners.append(Listener(listen_key=value))
        elif name == "events" and listeners:
            listeners[-1] = attrs.evolve(listeners[-1], events=frozenset(value.split("/")))
    return listeners


def stream(name: str, symbols: frozenset[str]) -> Stream | None:
    """Return the stream of that name, or None if there is none (which the venue does not tell)."""
    match = _STREAM.match(name)
    if match is None or match[1].upper() not in symbols or match[1] != match[1].lower():
        return None
    channel = match[2].partition("@")[0]
    if channel.startswith("kline_") and channel.removeprefix("kline_") not in INTERVAL_MS:
        return None
    route = RouteName.PUBLIC if channel in _PUBLIC_CHANNELS else RouteName.MARKET
    return Stream(name, Topic(channel, match[1].upper()), route)
