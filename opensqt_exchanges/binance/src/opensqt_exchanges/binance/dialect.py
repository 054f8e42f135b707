"""Binance's side of REST: how a request is signed and what a reply that is not a success means. No I/O."""

from collections.abc import Callable, Mapping

import msgspec

from opensqt_core.errors import AuthFailed, ExchangeError, RateLimited
from opensqt_core.rest import RestRequest, WireRequest
from opensqt_exchanges.binance.errors import Refusal, explain
from opensqt_exchanges.binance.settings import Settings
from opensqt_exchanges.binance.signing import encode, signature
from opensqt_exchanges.binance.words import Refused

FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0
_USAGE = {
    "x-mbx-used-weight-1m": "weight",
    "x-mbx-order-count-10s": "orders_10s",
    "x-mbx-order-count-1m": "orders_1m",
}


class BinanceDialect:
    """A `RestDialect`. Its only state is how long it last asked to wait: Binance publishes no `Retry-After`."""

    def __init__(self, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._pause = 0.0
        self._paused_until_ms = 0

    def sign(self, request: RestRequest, now_ms: int) -> WireRequest:
        """Return the request with key, time and signature where it needs them; POST and PUT carry a form."""
        params = list(request.params)
        headers = {}
        api_key, secret_key = self._settings.api_key, self._settings.secret_key
        if request.signed or request.keyed:
            if api_key is None or secret_key is None:
                raise AuthFailed(f"{request.endpoint} needs api_key and secret_key")
            headers["X-MBX-APIKEY"] = api_key.reveal()
        if request.signed:
            params += [("recvWindow", str(self._settings.recv_window_ms)), ("timestamp", str(now_ms))]
        payload = encode(params)
        if request.signed and secret_key is not None:
            payload += f"&signature={signature(payload, secret_key.reveal())}"
        if not payload:
            return WireRequest(method=request.method, target=request.path, headers=headers)
        if request.method in ("POST", "PUT"):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return WireRequest(method=request.method, target=request.path, headers=headers, content=payload.encode())
        return WireRequest(method=request.method, target=f"{request.path}?{payload}", headers=headers)

    def error(self, request: RestRequest, status: int, headers: Mapping[str, str], body: bytes) -> ExchangeError | None:
        """Return what a reply means if it is not a success.

        A batch of which nothing worked may come as one bare `{code, msg}` with HTTP 200; success is code 200.
        """
        refused = _refused(body) if status >= 300 or b'"code"' in body[:64] else None
        if status < 300 and (refused is None or refused.code is None or refused.code >= 0):
            if self._now_ms() >= self._paused_until_ms:
                self._pause = 0.0
            return None
        refusal = Refusal(
            code=refused.code if refused else None,
            message=refused.msg if refused else "",
            write=request.write,
            status=status,
            retry_after=_seconds(headers.get("retry-after")),
        )
        now_ms = self._now_ms()
        same_burst = now_ms < self._paused_until_ms  # replies to requests that were under way together
        pause = self._pause if same_burst else min(self._pause * 2 or FIRST_PAUSE, _LONGEST_PAUSE)
        error = explain(refusal, pause=pause, now_ms=now_ms)
        if isinstance(error, RateLimited) and not same_burst:
            self._pause, self._paused_until_ms = pause, now_ms + int(error.retry_after * 1000)
        return error

    def usage(self, headers: Mapping[str, str]) -> Mapping[str, int]:
        """Return used weight and order counts."""
        return {name: int(headers[key]) for key, name in _USAGE.items() if headers.get(key, "").isdecimal()}


def _refused(body: bytes) -> Refused | None:
    try:
        return msgspec.json.decode(body, type=Refused)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # a proxy's page; it is not quoted, for it may repeat the signed address


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
