"""Events to bytes and back. JSON, so that a journal can be read with any SQLite shell; decimals are strings."""

import hashlib

import msgspec

from opensqt_core.journal.events import EVENTS, Event

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(event) for name, event in EVENTS.items()}

FIRST_HASH = b"\0" * 16
"""What the first event's hash is chained to."""


class UnknownEvent(Exception):
    """An event this version does not know, or whose fields do not fit: the journal is newer, or damaged."""


def encode(event: Event) -> tuple[str, bytes]:
    """Return the event's name and body."""
    return type(event).__name__, _encoder.encode(event)


def decode(name: str, body: bytes | str) -> Event:
    """Return the event that `encode` was given.

    Raises `UnknownEvent` naming the event and the field.
    """
    decoder = _decoders.get(name)
    if decoder is None:
        raise UnknownEvent(f"event {name!r} is not known to this version")
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise UnknownEvent(f"event {name!r} cannot be read: {error}") from error


def chain(previous: bytes, name: str, body: bytes) -> bytes:
    """Return the hash of an event that follows one of hash `previous`: a change anywhere before shows here."""
    digest = hashlib.blake2b(previous, digest_size=16)
    digest.update(name.encode())
    digest.update(b"\0")
    digest.update(body)
    return digest.digest()
