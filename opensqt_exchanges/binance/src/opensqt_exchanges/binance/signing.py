"""HMAC-SHA256 signatures over the percent-encoded parameters, exactly as they are sent."""

import hmac
from collections.abc import Iterable
from urllib.parse import quote, urlencode


def encode(params: Iterable[tuple[str, str]]) -> str:
    """Return the parameters as a query, in the given order. The venue verifies the text *after* this encoding."""
    return urlencode(list(params), quote_via=quote, safe="")


def signature(payload: str, secret: str) -> str:
    """Return the lower-case hex signature of an encoded query or form."""
    return hmac.digest(secret.encode(), payload.encode(), "sha256").hex()
