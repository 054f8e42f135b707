"""Who may ask: key, time and signature of a request."""

from opensqt_sim.venues.binance import codes, params
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.routing import Security
from opensqt_sim.venues.shared.signing import hmac_sha256_hex, same

_DEFAULT_WINDOW_MS = 5_000
_MAX_WINDOW_MS = 60_000
_AHEAD_MS = 1_000
"""How far a request's time may be ahead of the server's."""


def check(call: Call, settings: BinanceSettings) -> None:
    """Check what the route demands. Raises `VenueError` with the venue's codes."""
    security = call.route.security
    if security is Security.PUBLIC:
        return
    key = call.request.headers.get("x-mbx-apikey", "")
    if not key.isalnum():
        raise VenueError(-2014, "API-key format invalid.", http=401)
    if not same(key, settings.api_key):
        raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", http=401)
    if security is Security.SIGNED:
        signature = params.text(call.params, "signature")
        _check_time(call)
        if not same(signature, hmac_sha256_hex(settings.secret_key, params.signed_payload(call.request))):
            raise VenueError(-1022, "Signature for this request is not valid.")


def _check_time(call: Call) -> None:
    timestamp = params.integer(call.params, "timestamp")
    if timestamp is None:
        raise codes.missing("timestamp")
    window = params.integer(call.params, "recvWindow")
    if window is None:
        window = _DEFAULT_WINDOW_MS
    if window > _MAX_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if timestamp >= call.now_ms + _AHEAD_MS:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if call.now_ms - timestamp > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
