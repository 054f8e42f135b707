"""Client order ids: who, which level, which side, and a number that never repeats, in at most 24 characters.

An order can be traced to its slot with no other state, also by another process and after years. The alphabet is
[A-Za-z0-9], which every venue accepts.
"""

import re
import secrets
import string

import attrs

from opensqt_core.order import Side

INSTANCE_LENGTH = 4
MAX_LENGTH = 24
_DIGITS = string.digits + string.ascii_lowercase
_PATTERN = re.compile(
    r"(?P<instance>[A-Za-z0-9]{4})(?P<sign>[PM])(?P<level>[0-9]{1,9})(?P<side>[BS])(?P<sequence>[0-9a-z]{1,9})"
)


@attrs.frozen
class ClientId:
    """What an id says."""

    instance: str
    level: int
    side: Side
    sequence: int


def new_instance() -> str:
    """Return four random characters, drawn once when a journal is created."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(INSTANCE_LENGTH))


def encode(client_id: ClientId) -> str:
    """Return the id as the venue sees it.

    Raises `ValueError` if it would be longer than `MAX_LENGTH`, or if `decode` could not read it back.
    """
    if client_id.sequence < 0:
        raise ValueError(f"a sequence counts up from 0, got {client_id.sequence}")
    sign = "M" if client_id.level < 0 else "P"
    side = "B" if client_id.side is Side.BUY else "S"
    text = f"{client_id.instance}{sign}{abs(client_id.level)}{side}{_base36(client_id.sequence)}"
    if len(text) > MAX_LENGTH:
        raise ValueError(f"client order id {text!r} has {len(text)} characters, at most {MAX_LENGTH} are allowed")
    if decode(text) != client_id:
        raise ValueError(f"client order id {text!r} does not tell instance, level and sequence of {client_id}")
    return text


def decode(text: str | None) -> ClientId | None:
    """Return what an id says, or None if it is not one of ours or of another OpenSQT instance."""
    match = _PATTERN.fullmatch(text or "")
    if match is None:
        return None
    level = int(match["level"])
    return ClientId(
        instance=match["instance"],
        level=-level if match["sign"] == "M" else level,
        side=Side.BUY if match["side"] == "B" else Side.SELL,
        sequence=int(match["sequence"], 36),
    )


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits
