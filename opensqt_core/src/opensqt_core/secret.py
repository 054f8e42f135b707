"""Text that must never be shown."""

import hmac
from typing import NoReturn, Self

_MASK = "**********"


class Secret:
    """A key, secret or passphrase. It shows itself as asterisks; `reveal` is the only way to its text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for signing and for headers only."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> NoReturn:
        """Refuse: a secret inside an f-string is a leak or, masked, a wrong signature."""
        raise TypeError("a Secret cannot be formatted; call reveal() where its text is really meant")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
