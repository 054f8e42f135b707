"""Allowances: so many units in each window, and what happens to those who do not listen."""

import attrs


@attrs.define
class Window:
    """Units used in the current window of `seconds`, aligned to the clock, for each key (an address, an account)."""

    name: str
    """What the ledger calls it: `weight_1m`."""
    limit: int
    seconds: int
    _used: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)

    def used(self, key: str, now_ms: int) -> int:
        """Return what `key` has used of the current window."""
        window, used = self._used.get(key, (-1, 0))
        return used if window == self._window(now_ms) else 0

    def fits(self, key: str, units: int, now_ms: int) -> bool:
        """Whether `key` may use `units` more."""
        return self.used(key, now_ms) + units <= self.limit

    def spend(self, key: str, units: int, now_ms: int) -> int:
        """Use `units`, whether they fit or not; return what `key` has used of the window now."""
        used = self.used(key, now_ms) + units
        self._used[key] = (self._window(now_ms), used)
        return used

    def _window(self, now_ms: int) -> int:
        return now_ms // (self.seconds * 1000)


@attrs.define
class Bans:
    """Shuts an address out that goes on after having been told to slow down."""

    patience: int
    """Requests beyond the limit, in a row of windows without a break of `seconds`, that are only refused."""
    seconds: int
    """How long a ban lasts; also how long a first offence is remembered."""
    _offences: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)
    _until: dict[str, int] = attrs.field(factory=dict, init=False)

    def until(self, key: str, now_ms: int) -> int | None:
        """Return when the ban of `key` ends, or None."""
        until = self._until.get(key, 0)
        return until if until > now_ms else None

    def offend(self, key: str, now_ms: int) -> int | None:
        """Count one request beyond the limit; return the end of the ban if this was one too many."""
        last, count = self._offences.get(key, (0, 0))
        count = count + 1 if now_ms - last < self.seconds * 1000 else 1
        self._offences[key] = (now_ms, count)
        if count <= self.patience:
            return None
        del self._offences[key]
        self._until[key] = now_ms + self.seconds * 1000
        return self._until[key]
