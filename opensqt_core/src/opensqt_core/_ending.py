"""Why a connection of a stream ended, and what an exception means for it."""

import enum

import attrs

from opensqt_core.errors import AuthFailed, Banned, ExchangeError, RateLimited
from opensqt_core.streams import SessionLost


class EndKind(enum.Enum):
    """What the end of a connection asks of the supervisor."""

    TRANSIENT = "transient"
    OVERFLOW = "overflow"
    """The consumer fell behind: what waits for it is discarded."""
    REFUSED = "refused"
    """Another connection cannot help."""
    BUG = "bug"


@attrs.frozen
class End:
    """Why a connection ended."""

    kind: EndKind
    reason: str
    error: BaseException | None = None
    not_before: float = 0.0
    """Seconds the venue wants to be left alone."""


def classify(error: BaseException, now_ms: int) -> End:
    """Return what an exception, or a group of them, means for the connection it came out of.

    Of a group the worst counts: a bug before a refusal before a transient failure.
    """
    match error:
        case BaseExceptionGroup():
            ends = [classify(inner, now_ms) for inner in error.exceptions]
            worst = (end for kind in (EndKind.BUG, EndKind.REFUSED) for end in ends if end.kind is kind)
            return next(worst, ends[0])
        case AuthFailed():
            return End(EndKind.REFUSED, str(error), error)
        case RateLimited():
            return End(EndKind.TRANSIENT, str(error), error, error.retry_after)
        case Banned():
            return End(EndKind.TRANSIENT, str(error), error, max(0.0, (error.until_ms - now_ms) / 1000))
        case ExchangeError() | SessionLost() | OSError():
            return End(EndKind.TRANSIENT, str(error) or type(error).__name__, error)
        case _:
            return End(EndKind.BUG, f"{type(error).__name__}: {error}", error)
