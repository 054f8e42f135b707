"""Who may connect: origins, hosts, addresses and rates. Pure; the server asks before it answers."""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import attrs

from opensqt_live.settings import ANY_ORIGIN, LimitSettings, ServerSettings, origin_of

_ADDRESSES_KEPT = 10_000
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):
    """A request that is not answered. `mend` names the setting that would allow it, for the log only."""

    def __init__(self, status: HTTPStatus, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.mend = mend


@attrs.frozen
class Visitor:
    """Who asks."""

    address: str
    """Of the client, behind whatever proxies are trusted."""
    forwarded: bool
    """Whether somebody says to ask for somebody else."""
    origin: str | None
    host: str

    @property
    def local(self) -> bool:
        """Whether a program on this machine asks, and not a proxy for somebody else."""
        return not self.forwarded and _is_loopback(self.address)


class Gate:
    """Checks the Host and Origin headers."""

    def __init__(self, server: ServerSettings) -> None:
        self._server = server
        self._hosts = {*_LOOPBACK_NAMES, server.host.lower(), *(name.lower() for name in server.allowed_hosts)}
        self._origins = set(server.allowed_origins)
        for url in (*server.allowed_origins, server.public_url):
            origin = origin_of(url, "http", "https")
            if origin is not None:
                self._origins.add(origin)
        if server.public_url:
            self._hosts.add(urlsplit(server.public_url).hostname or "")

    def check_host(self, visitor: Visitor) -> None:
        """Raise `Refused` for a name that is not ours: a page may have had its own name lead here (DNS rebinding).

        A numeric address can't be rebound, and which of them lead here is not known behind a container's network.
        """
        name = _host_name(visitor.host)
        if name in self._hosts or _is_numeric(name):
            return
        raise Refused(
            HTTPStatus.FORBIDDEN, "this host name is not served here", "[server] allowed_hosts, or public_url"
        )

    def check_origin(self, visitor: Visitor) -> None:
        """Raise `Refused` for a page of another origin, and for a program from elsewhere."""
        if visitor.origin is None:
            if not visitor.local and not self._server.allow_missing_origin:
                raise Refused(
                    HTTPStatus.FORBIDDEN, "a request without Origin is not allowed", "[server] allow_missing_origin"
                )
        elif not self.allows(visitor):
            raise Refused(HTTPStatus.FORBIDDEN, "this origin is not allowed", "[server] allowed_origins")

    def allows(self, visitor: Visitor) -> bool:
        """Return whether the page that asks may: it is ours (the host it asks is where it came from), or listed."""
        if visitor.origin is None or ANY_ORIGIN in self._origins:
            return True
        origin = origin_of(visitor.origin, "http", "https")
        own = {origin_of(f"{scheme}://{visitor.host}", "http", "https") for scheme in ("http", "https")}
        return origin is not None and (origin in self._origins or origin in own)


@attrs.define
class _Bucket:
    tokens: float
    at: float


class Rate:
    """So many per second, with a burst."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._bucket: _Bucket | None = None

    def take(self, now: float) -> bool:
        """Use one up. Returns whether there was one."""
        bucket = self._bucket
        if bucket is None:
            bucket = self._bucket = _Bucket(self._burst, now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class Doorkeeper:
    """Counts connections, in all and per address."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._present: dict[str, int] = {}
        self._rates: OrderedDict[str, Rate] = OrderedDict()
        self.present = 0

    def enter(self, address: str, now: float) -> None:
        """Let one in; `leave` must follow. Raises `Refused`."""
        limits = self._limits
        rate = self._rates.pop(address, None) or Rate(limits.new_connections_per_second, limits.new_connections_burst)
        self._rates[address] = rate
        if len(self._rates) > _ADDRESSES_KEPT:
            self._rates.popitem(last=False)
        if not rate.take(now):
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many new connections",
                "[limits] new_connections_per_second, new_connections_burst",
            )
        if self._present.get(address, 0) >= limits.connections_per_address:
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many connections from this address",
                "[limits] connections_per_address",
            )
        if self.present >= limits.connections:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections", "[limits] connections")
        self._present[address] = self._present.get(address, 0) + 1
        self.present += 1

    def leave(self, address: str) -> None:
        """Count one out."""
        self.present -= 1
        self._present[address] -= 1
        if not self._present[address]:
            del self._present[address]


class Headers(Protocol):
    """What is read of a request's headers; names in any case."""

    def get(self, name: str, /) -> str | None:
        """Return a header's value, or None."""
        ...


def visitor_of(peer: str, headers: Headers, trusted: Sequence[str]) -> Visitor:
    """Return who asks. Forwarding headers count only as far as trusted proxies wrote them."""
    said = _forwarded_for(headers)
    address = peer
    while address in trusted and said:
        address = said.pop()
    return Visitor(
        address=address,
        forwarded=any(headers.get(name) is not None for name in ("Forwarded", "X-Forwarded-For")),
        origin=headers.get("Origin"),
        host=headers.get("Host") or "",
    )


def _forwarded_for(headers: Headers) -> list[str]:
    """Return the addresses that proxies say they ask for, the nearest last."""
    listed = headers.get("X-Forwarded-For")
    if listed is not None:
        return [_bare(entry) for entry in listed.split(",")]
    parts = [part for entry in (headers.get("Forwarded") or "").split(",") for part in entry.split(";")]
    return [_bare(part.strip()[4:]) for part in parts if part.strip().lower().startswith("for=")]


def _bare(entry: str) -> str:
    """Return an address without quotes, brackets and port."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_numeric(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
