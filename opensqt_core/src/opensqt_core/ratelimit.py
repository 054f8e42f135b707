"""Spending a venue's allowance without ever discovering its end."""

import enum
import itertools
from collections.abc import Mapping, Sequence

import attrs
import trio

from opensqt_core.clock import VenueClock
from opensqt_core.errors import Banned


class Priority(enum.IntEnum):
    """Who goes first when the allowance is short. Lower classes leave headroom for higher ones."""

    PROTECT = 0
    """Cancels and the dead-man's switch."""
    SETTLE = 1
    """Look-ups that decide the fate of an order, reconciliation."""
    PLACE = 2
    READ = 3


@attrs.frozen(kw_only=True)
class Limit:
    """`amount` units in each window of `seconds`, windows aligned to the venue's clock."""

    name: str
    """What requests and usage headers call it: `weight`, `orders_10s`."""
    amount: int
    seconds: int


SHARES: Mapping[Priority, float] = {
    Priority.PROTECT: 1.0,
    Priority.SETTLE: 0.95,
    Priority.PLACE: 0.85,
    Priority.READ: 0.70,
}
"""How much of a limit each class may use up; the rest is kept for the classes above it."""

BOUNDARY_MS = 250
"""What is sent this shortly before a window ends may reach the venue in the next one, so it is counted in both."""


@attrs.define
class Window:
    """One limit's arithmetic: pure, moved along by the times it is given (milliseconds, venue time)."""

    limit: Limit
    _index: int = 0
    _own: int = 0
    _tail: int = 0
    _foreign: int = 0

    @property
    def used(self) -> int:
        """Units used in the current window, by us and, as far as the venue told us, by others on the same account."""
        return self._own + self._foreign

    def ends_ms(self) -> int:
        """When the current window ends."""
        return (self._index + 1) * self.limit.seconds * 1000

    def move_to(self, now_ms: int) -> None:
        """Enter the window of `now_ms`.

        A correction of the clock may lead back over a boundary: that opens no fresh allowance. Only a step back of
        more than a whole window is a new beginning.
        """
        index = now_ms // (self.limit.seconds * 1000)
        if index == self._index + 1:
            self._own, self._tail, self._foreign = self._tail, 0, 0
        elif index > self._index or index < self._index - 1:
            self._own = self._tail = self._foreign = 0
        else:
            return
        self._index = index

    def room(self, share: float) -> int:
        """Return the units that are left of `share` of the limit; never below 0."""
        return max(0, int(self.limit.amount * share) - self.used)

    def admits(self, units: int, share: float) -> bool:
        """Whether `units` fit into `share` of the limit. An untouched window admits whatever the whole limit does."""
        if self.used == 0:
            return units <= self.limit.amount
        return self.used + units <= self.limit.amount * share

    def take(self, units: int, now_ms: int) -> None:
        """Count `units` as used."""
        self._own += units
        if self.ends_ms() - now_ms <= BOUNDARY_MS:
            self._tail += units

    def observe(self, used: int) -> None:
        """Take over the venue's own count: what it has above ours was used by others."""
        self._foreign = max(0, used - self._own)

    def headroom(self) -> float:
        """The free part of the limit, between 0 and 1."""
        return max(0.0, 1.0 - self.used / self.limit.amount)


@attrs.define(order=True)
class _Waiter:
    priority: Priority
    turn: int
    cost: Mapping[str, int] = attrs.field(order=False)
    settled: trio.Event = attrs.field(factory=trio.Event, order=False)
    refusal: Exception | None = attrs.field(default=None, order=False)

    def refuse(self, error: Exception) -> None:
        self.refusal = error
        self.settled.set()


class RateLimiter:
    """Admits requests so that no window of any limit overflows, higher priorities first, then first come.

    A request waits behind an earlier or more important one only if both draw on the same limit. All times of windows
    are the venue's; waiting happens on trio's clock.
    """

    def __init__(self, limits: Sequence[Limit], clock: VenueClock) -> None:
        self._clock = clock
        self._windows = {limit.name: Window(limit) for limit in limits}
        if len(self._windows) != len(limits):
            raise ValueError("two limits have the same name")
        self._waiters: list[_Waiter] = []
        self._turns = itertools.count()
        self._paused_until = float("-inf")
        self._banned_until_ms = 0

    async def acquire(self, cost: Mapping[str, int], priority: Priority) -> None:
        """Wait until the allowance admits `cost` (units by limit name), and count it as used.

        Raises `Banned` at once while the venue shuts us out, and `ValueError` for an unknown limit or a cost that no
        window could ever hold. A request that is cancelled while it waits uses nothing.
        """
        self._check(cost)
        await trio.lowlevel.checkpoint()
        waiter = _Waiter(priority, next(self._turns), cost)
        self._waiters.append(waiter)
        try:
            self._serve()
            while not waiter.settled.is_set():
                with trio.move_on_after(self._seconds_to_change(cost)):
                    await waiter.settled.wait()
                self._serve()
        finally:
            if not waiter.settled.is_set():
                self._waiters.remove(waiter)
                self._serve()
        if waiter.refusal is not None:
            raise waiter.refusal

    def observe(self, usage: Mapping[str, int]) -> None:
        """Take over used units from the venue's headers. Names without a limit here are of no concern."""
        for name, used in usage.items():
            window = self._windows.get(name)
            if window is not None:
                window.move_to(self._clock.now_ms())
                window.observe(used)
        self._serve()

    def set_limit(self, name: str, amount: int) -> None:
        """Change a limit's amount to what the venue says it is. Raises `ValueError` for an unknown name."""
        window = self._window(name)
        if amount < 1:
            raise ValueError(f"limit {name} cannot be {amount}")
        window.limit = attrs.evolve(window.limit, amount=amount)
        self._serve()

    def pause(self, seconds: float) -> None:
        """Admit nothing for `seconds`: the venue said that we are too fast."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def ban(self, until_ms: int) -> None:
        """Refuse everything with `Banned` until `until_ms` (venue time), those who wait already included."""
        self._banned_until_ms = max(self._banned_until_ms, until_ms)
        self._serve()

    def headroom(self) -> Mapping[str, float]:
        """The free part of each limit between 0 and 1; nothing is free while paused or banned."""
        now_ms = self._clock.now_ms()
        self._move_windows(now_ms)
        shut = self._shut(now_ms)
        return {name: 0.0 if shut else window.headroom() for name, window in self._windows.items()}

    def would_wait(self, cost: Mapping[str, int], priority: Priority) -> bool:
        """Whether `acquire` would wait, or refuse, now. Uses nothing up."""
        self._check(cost)
        now_ms = self._clock.now_ms()
        self._move_windows(now_ms)
        ahead = {name for waiter in self._waiters if waiter.priority <= priority for name in waiter.cost}
        return self._shut(now_ms) or not ahead.isdisjoint(cost) or not self._admits(cost, priority)

    def affordable(self, unit: Mapping[str, int], priority: Priority) -> int:
        """Return how many requests of cost `unit` would be admitted now, one after the other. Uses nothing up."""
        self._check(unit)
        if self.would_wait(unit, priority):
            return 0
        rooms = (self._windows[name].room(SHARES[priority]) // units for name, units in unit.items() if units)
        return min(rooms, default=0)

    def _window(self, name: str) -> Window:
        if name not in self._windows:
            raise ValueError(f"no limit is called {name}")
        return self._windows[name]

    def _check(self, cost: Mapping[str, int]) -> None:
        for name, units in cost.items():
            limit = self._window(name).limit
            if not 0 <= units <= limit.amount:
                raise ValueError(f"{units} units never fit into limit {name} of {limit.amount}")

    def _shut(self, now_ms: int) -> bool:
        return now_ms < self._banned_until_ms or self._clock.monotonic() < self._paused_until

    def _move_windows(self, now_ms: int) -> None:
        for window in self._windows.values():
            window.move_to(now_ms)

    def _admits(self, cost: Mapping[str, int], priority: Priority) -> bool:
        share = SHARES[priority]
        return all(not units or self._windows[name].admits(units, share) for name, units in cost.items())

    def _serve(self) -> None:
        """Settle everyone who need not wait, in order; whoever must wait keeps later ones off the limits it needs."""
        if not self._waiters:
            return
        now_ms = self._clock.now_ms()
        self._move_windows(now_ms)
        paused = self._clock.monotonic() < self._paused_until
        staying: list[_Waiter] = []
        reserved: set[str] = set()
        for waiter in sorted(self._waiters):
            refusal = self._refusal(waiter.cost, now_ms)
            if refusal is not None:
                waiter.refuse(refusal)
            elif not paused and reserved.isdisjoint(waiter.cost) and self._admits(waiter.cost, waiter.priority):
                for name, units in waiter.cost.items():
                    self._windows[name].take(units, now_ms)
                waiter.settled.set()
            else:
                reserved.update(waiter.cost)
                staying.append(waiter)
        self._waiters = staying

    def _refusal(self, cost: Mapping[str, int], now_ms: int) -> Exception | None:
        """Return why waiting is in vain: we are banned, or the venue has lowered a limit below this cost."""
        if now_ms < self._banned_until_ms:
            return Banned("shut out by the venue", until_ms=self._banned_until_ms)
        for name, units in cost.items():
            limit = self._windows[name].limit
            if units > limit.amount:
                return ValueError(f"{units} units never fit into limit {name} of {limit.amount}")
        return None

    def _seconds_to_change(self, cost: Mapping[str, int]) -> float:
        """How long until waiting may be over by itself: the pause ends, or the next window begins."""
        pause = self._paused_until - self._clock.monotonic()
        if pause > 0:
            return pause
        now_ms = self._clock.now_ms()
        return max(1, min(self._windows[name].ends_ms() - now_ms for name in cost)) / 1000
