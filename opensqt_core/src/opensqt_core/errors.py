"""The one family of errors that an exchange driver raises.

The type says what the caller must do; the message says what happened, in words fit for a log. Nothing in a message
may hold a key, a signature or a listenKey.
"""


class ExchangeError(Exception):
    """Base of everything a driver raises on purpose.

    `code` is the venue's own code as text (for example `-2019`), or None where there is none.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        """Show the venue's code before its message."""
        return f"{self.message} (code {self.code})" if self.code else self.message


class Unavailable(ExchangeError):
    """The request certainly had no effect, and the same request may work later (no connection, maintenance)."""


class RateLimited(ExchangeError):
    """Refused before execution because an allowance is used up. Try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Banned(ExchangeError):
    """This address or key is shut out until `until_ms` (UTC). Nothing may be sent before then."""

    def __init__(self, message: str, *, until_ms: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.until_ms = until_ms


class ClockSkew(ExchangeError):
    """The signature's time was outside the venue's window; the request had no effect. Synchronise, sign again."""


class AuthFailed(ExchangeError):
    """Key, secret, passphrase, permission or region are wrong. Retrying cannot help; a person must act."""


class Rejected(ExchangeError):
    """The venue looked at the request and refused it. The same request must not be repeated unchanged."""


class InsufficientMargin(Rejected):
    """Not enough free margin for the order."""


class WouldTake(Rejected):
    """A post-only order would have matched at once."""


class BadOrder(Rejected):
    """Price, quantity or another field breaks a rule of the instrument."""


class ReduceOnlyRejected(Rejected):
    """A reduce-only order was larger than the position, as the venue sees it now."""


class DuplicateClientId(Rejected):
    """The client order id is in use: an earlier request with it may have worked."""


class OrderNotFound(ExchangeError):
    """The venue knows no such order *on this path, now*. Whether that proves anything depends on when one asks."""


class OutcomeUnknown(ExchangeError):
    """The request may or may not have worked (time-out, connection lost, 5xx). Never repeat it blindly: ask."""
