"""Why the live daemon does not start, as exit statuses that scripts rely on."""

import enum
from collections.abc import Sequence


class ExitStatus(enum.IntEnum):
    """Of every command."""

    FINE = 0
    OUR_FAULT = 1
    USER_MISTAKE = 2


class StartRefused(Exception):
    """The daemon can't start; each line says what is wrong and what mends it."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status = ExitStatus.USER_MISTAKE
        self.lines: Sequence[str] = lines


def first_refusal(group: BaseExceptionGroup[StartRefused]) -> StartRefused:
    """Return the first of a group's leaves: nurseries on the way up wrap what they let pass."""
    error = group.exceptions[0]
    return first_refusal(error) if isinstance(error, BaseExceptionGroup) else error
