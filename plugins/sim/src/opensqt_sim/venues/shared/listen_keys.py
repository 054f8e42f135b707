"""Listen keys: the passwords of private streams at venues that hand them out by REST."""

import secrets

import attrs


@attrs.define
class ListenKeys:
    """The listen keys of one account: at most one is valid at a time."""

    lifetime_ms: int
    _key: str | None = attrs.field(default=None, init=False)
    _expires_ms: int = attrs.field(default=0, init=False)

    def create(self, now_ms: int) -> str:
        """Return the valid key, its life extended, or a new one."""
        if self._key is None or now_ms >= self._expires_ms:
            self._key = secrets.token_hex(32)
        self._expires_ms = now_ms + self.lifetime_ms
        return self._key

    def extend(self, now_ms: int) -> str | None:
        """Extend the valid key's life and return it; None if there is none."""
        if self.valid(now_ms) is None:
            return None
        self._expires_ms = now_ms + self.lifetime_ms
        return self._key

    def valid(self, now_ms: int) -> str | None:
        """Return the valid key, or None."""
        return self._key if self._key is not None and now_ms < self._expires_ms else None

    def close(self) -> str | None:
        """End the key's life and return it."""
        key, self._key = self._key, None
        return key

    def expired(self, now_ms: int) -> str | None:
        """Return a key whose time is up, once."""
        if self._key is None or now_ms < self._expires_ms:
            return None
        return self.close()
