"""Checking signatures."""

import hashlib
import hmac


def hmac_sha256_hex(secret: str, payload: bytes) -> str:
    """Return the lower-case hexadecimal HMAC-SHA256 of exactly these bytes."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())
