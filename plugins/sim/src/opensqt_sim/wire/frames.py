"""WebSocket frames of a server (RFC 6455 section 5): unmasked, so one encoding serves every reader."""

import struct

_FIN_TEXT = 0x81
_FIN_CLOSE = 0x88
_FIN_PING = 0x89
_SHORT = 126
_MEDIUM = 1 << 16


def text_frame(payload: bytes) -> bytes:
    """Return the frame that carries a UTF-8 text."""
    return _frame(_FIN_TEXT, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """Return a ping; the client owes a pong with the same payload."""
    return _frame(_FIN_PING, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close with its status code."""
    return _frame(_FIN_CLOSE, struct.pack("!H", code) + reason.encode()[:123])


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < _SHORT:
        return bytes((first, length)) + payload
    if length < _MEDIUM:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload
