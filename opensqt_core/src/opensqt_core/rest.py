"""One venue's REST: limits, signing at the last moment, transport errors told apart, metrics. httpx underneath."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import attrs
import httpx
import stamina
import trio

from opensqt_core.clock import VenueClock
from opensqt_core.errors import Banned, ClockSkew, ExchangeError, OutcomeUnknown, RateLimited, Unavailable
from opensqt_core.metrics import RestMetrics
from opensqt_core.ratelimit import Priority, RateLimiter

T = TypeVar("T")

_SIGNING_ATTEMPTS = 3
_REPLY_WITHIN = 20.0
"""Seconds for one whole request; httpx itself bounds each read and write only."""
_KEEPALIVE_S = 15.0
_CLOSE_WITHIN = 2.0
_ABOUT_TO_SEND = "http11.send_request_headers.started"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""What httpx raises while it has no connection yet; anything else may have reached the venue."""


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
    """Whether it changes something: then a lost reply is `OutcomeUnknown`, and the transport never repeats it."""
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


class RestSession:
    """Sends a venue's requests: admitted by its limits, signed at the last moment, failures told apart.

    It never repeats a request of which a byte may have left. `Unavailable` from here means that nothing was sent, or
    that the request was a read.
    """

    def __init__(
        self,
        *,
        base_url: str,
        dialect: RestDialect,
        limiter: RateLimiter,
        clock: VenueClock,
        client: httpx.AsyncClient,
        metrics: RestMetrics | None = None,
        sign_within_ms: int = 2500,
    ) -> None:
        self._url = httpx.URL(base_url)
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._dialect = dialect
        self._limiter = limiter
        self._clock = clock
        self._client = client
        self._metrics = metrics
        self._sign_within = sign_within_ms / 1000

    async def send(self, request: RestRequest) -> bytes:
        """Send one request and return the body of the venue's success.

        Waits for the rate limiter first. Raises the `ExchangeError` the dialect makes of a refusal; `Unavailable` when
        nothing was sent or a read got no answer; `OutcomeUnknown` when a write got none.
        """
        await self._limiter.acquire(request.cost, request.priority)
        began = self._clock.monotonic()
        outcome = "cancelled"
        try:
            response = await self._exchange(request)
            body = self._judge(request, response)
        except ExchangeError as error:
            outcome = type(error).__name__
            raise
        else:
            outcome = "ok"
            return body
        finally:
            if self._metrics is not None:
                self._metrics.observe(request.endpoint, outcome, self._clock.monotonic() - began)

    async def _exchange(self, request: RestRequest) -> httpx.Response:
        """Get a reply, signing anew when a connection took so long that the signature went stale unsent."""
        for _ in range(_SIGNING_ATTEMPTS):
            try:
                with trio.fail_after(_REPLY_WITHIN):
                    return await self._client.send(self._signed(request))
            except _SignatureStale:
                continue
            except _NEVER_SENT as error:
                raise Unavailable(f"{request.endpoint}: not sent, {_describe(error)}") from error
            except (httpx.RequestError, trio.TooSlowError) as error:
                if request.write:
                    raise OutcomeUnknown(f"{request.endpoint}: sent, no answer, {_describe(error)}") from error
                raise Unavailable(f"{request.endpoint}: no answer, {_describe(error)}") from error
        raise Unavailable(f"{request.endpoint}: not sent, connecting outlasts the signature")

    def _signed(self, request: RestRequest) -> httpx.Request:
        wire = self._dialect.sign(request, self._clock.now_ms())
        signed_at = self._clock.monotonic()

        async def trace(event: str, _info: Mapping[str, object]) -> None:
            if event == _ABOUT_TO_SEND and self._clock.monotonic() - signed_at > self._sign_within:
                raise _SignatureStale

        # The target goes out exactly as it was signed, and httpx, which logs the URL, never sees a query.
        target = self._prefix + wire.target.encode("ascii")
        return self._client.build_request(
            wire.method,
            self._url,
            headers=dict(wire.headers),
            content=wire.content,
            extensions={"target": target, "trace": trace},
        )

    def _judge(self, request: RestRequest, response: httpx.Response) -> bytes:
        """Return the body of a success; pass on to limiter and clock what a reply says about them."""
        self._limiter.observe(self._dialect.usage(response.headers))
        error = self._dialect.error(request, response.status_code, response.headers, response.content)
        match error:
            case None:
                return response.content
            case RateLimited():
                self._limiter.pause(error.retry_after)
            case Banned():
                self._limiter.ban(error.until_ms)
            case ClockSkew():
                self._clock.unsynchronise()
            case _:
                pass
        raise error


class _SignatureStale(Exception):
    """Raised before the first byte leaves: connecting took longer than the signature should age."""


def _describe(error: Exception) -> str:
    if isinstance(error, trio.TooSlowError):
        return f"nothing complete within {_REPLY_WITHIN:g} s"
    # h11 quotes the header it objects to, which may be the one with the key.
    says_nothing = isinstance(error, httpx.LocalProtocolError) or not str(error)
    return type(error).__name__ if says_nothing else f"{type(error).__name__}: {error}"


@asynccontextmanager
async def open_http_client(
    *, connect_within: float = 5.0, reply_within: float = 10.0, connections: int = 20
) -> AsyncIterator[httpx.AsyncClient]:
    """Open the HTTP client a venue's `RestSession`s share. Times are seconds; waiting for a
    free connection counts as connecting.

    HTTP/1.1, no redirects, nothing repeated underneath, environment proxies respected. Idle connections are dropped
    after 15 s, before venues close theirs (the shortest we know keeps them for 30 s), since a request that meets a
    closing connection ends as `OutcomeUnknown`. Closing is bounded to two seconds.
    """
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(reply_within, connect=connect_within, pool=connect_within),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
        ),
        follow_redirects=False,
    )
    try:
        yield client
    finally:
        with trio.move_on_after(_CLOSE_WITHIN, shield=True):
            await client.aclose()


async def retry_read(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int = 4,
    synchronise: Callable[[], Awaitable[object]] | None = None,
) -> T:
    """Call a read until it works, for `Unavailable` and `ClockSkew` only, with growing pauses (0.2 s to 5 s).

    `synchronise` is awaited before the try that follows a `ClockSkew`, and counts as part of it. The last error is
    raised unchanged. Never hand a write to this: whether one may be repeated is the engine's decision.
    """
    skewed = False
    async for attempt in stamina.retry_context(
        on=(Unavailable, ClockSkew), attempts=attempts, timeout=None, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5
    ):
        with attempt:
            if skewed and synchronise is not None:
                await synchronise()
            skewed = False
            try:
                return await call()
            except ClockSkew:
                skewed = True
                raise
    raise AssertionError("stamina ends by returning or raising")
