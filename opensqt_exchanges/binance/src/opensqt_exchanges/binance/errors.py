"""Which of our errors a refusal by Binance is. The only place that knows its codes and what its HTTP statuses mean."""

import re
from collections.abc import Mapping

import attrs

from opensqt_core.errors import (
    AuthFailed,
    BadOrder,
    Banned,
    ClockSkew,
    DuplicateClientId,
    ExchangeError,
    InsufficientMargin,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    ReduceOnlyRejected,
    Rejected,
    Unavailable,
    WouldTake,
)

LISTEN_KEY_GONE = "-1125"
SEEN_DURING_BANS = "-2015"
"""Key, IP or permission; but some bans are answered so, too: a read may try once more."""

_BY_TYPE: Mapping[type[ExchangeError], tuple[int, ...]] = {
    # Key, permission, region, and an account that is being liquidated or was shut: a person must act.
    AuthFailed: (-1002, -1022, -2014, int(SEEN_DURING_BANS), -2023, -4109, -4192, -4400, -4401, -4402, -4403),
    RateLimited: (-1003, -1008, -1015),
    ClockSkew: (-1021, -5028),
    # Internal errors and time-outs behind the gateway: the matching engine may have acted. Reads become `Unavailable`.
    OutcomeUnknown: (-1000, -1001, -1006, -1007),
    BadOrder: (
        *(-1102, -1104, -1105, -1106, -1111, -1116, -1117, -1121, -1128, -1130),  # parameters
        *(-4003, -4004, -4005, -4014, -4015, -4016, -4023, -4024, -4131, -4164),  # filters, client id too long
        -4120,  # conditional orders have an endpoint of their own
    ),
    InsufficientMargin: (-2018, -2019),
    WouldTake: (-5022,),
    ReduceOnlyRejected: (-2022, -4118),
    DuplicateClientId: (-4116,),
    OrderNotFound: (-2011, -2013),
    Rejected: (
        *(-2010, -2020, -2021, -2024, -2025, -2027, -2028),  # the order as such
        *(-4046, -4059, -5027),  # nothing to change
        *(-4047, -4048, -4061, -4067, -4068, -4531),  # margin and position modes
        *(-5021, -5024, -5025, -5026, -5047),  # fill-or-kill, amendments
        int(LISTEN_KEY_GONE),
    ),
}
CODES: Mapping[int, type[ExchangeError]] = {code: kind for kind, codes in _BY_TYPE.items() for code in codes}
"""Every documented code. One that is not here is `Rejected`, unless the HTTP status says more."""

_BANNED_UNTIL = re.compile(r"until (\d{13})\b")
_SHORTEST_BAN_MS = 120_000


@attrs.frozen(kw_only=True)
class Refusal:
    """What a reply, or one item of a batch reply, says. `retry_after` is the header's, in seconds."""

    code: int | None
    message: str
    write: bool
    status: int = 200
    retry_after: float | None = None


def explain(refusal: Refusal, *, pause: float, now_ms: int) -> ExchangeError:
    """Return our error for a refusal.

    `pause` is how many seconds to wait if the venue does not say; `now_ms` is where a ban without an end begins.
    """
    code = None if refusal.code is None else str(refusal.code)
    message = refusal.message or f"HTTP {refusal.status}"
    kind = _kind(refusal)
    end = _BANNED_UNTIL.search(refusal.message) if kind in (RateLimited, Banned) else None
    if end:
        return Banned(message, until_ms=int(end[1]), code=code)
    if kind is Banned:
        shut_ms = _SHORTEST_BAN_MS if refusal.retry_after is None else int(refusal.retry_after * 1000)
        return Banned(message, until_ms=now_ms + shut_ms, code=code)
    if kind is RateLimited:
        return RateLimited(message, retry_after=refusal.retry_after or pause, code=code)
    if kind is OutcomeUnknown and not refusal.write:
        kind = Unavailable
    return kind(message, code=code)


def _kind(refusal: Refusal) -> type[ExchangeError]:
    by_status = {418: Banned, 429: RateLimited, 403: AuthFailed}.get(refusal.status)  # 403: firewall or region
    if by_status is not None:
        return by_status
    by_code = CODES.get(refusal.code) if refusal.code is not None else None
    if by_code is not None:
        return by_code
    if refusal.status == 503 and refusal.message.startswith("Service Unavailable"):
        return Unavailable  # documented as failed, unlike the other 503s
    if refusal.status == 408 or refusal.status >= 500:
        return OutcomeUnknown
    return AuthFailed if refusal.status == 401 else Rejected
