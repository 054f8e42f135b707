"""Why the market maker does not start or stops, as exit statuses that scripts rely on."""

import enum
from collections.abc import Sequence


class ExitStatus(enum.IntEnum):
    """Of every command."""

    FINE = 0
    OUR_FAULT = 1
    USER_MISTAKE = 2
    OTHER_INSTANCE = 3
    UNCONFIRMED = 4
    PREFLIGHT_REFUSED = 5


class StartRefused(Exception):
    """The market maker can't start; each line says what is wrong and what mends it."""

    def __init__(self, status: ExitStatus, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.lines: Sequence[str] = lines
