"""Holding the private stream to what the venue has acknowledged by REST: a stream that does not show it is dead."""

from collections import OrderedDict

import attrs

_MENTIONS = 4_096
"""Orders whose mention is remembered, for replies that come after the stream has told already."""


@attrs.define
class Confirmations:
    """What was acknowledged by REST and has not been seen in the order stream yet. Times are monotonic seconds."""

    _expected: dict[tuple[str, bool], float] = attrs.field(factory=dict, alias="expected")
    _mentioned: OrderedDict[str, bool] = attrs.field(factory=OrderedDict, alias="mentioned")

    def expect(self, client_order_id: str, *, ended: bool, now: float) -> None:
        """A reply said that the order exists (or, `ended`, that it is cancelled)."""
        told_end = self._mentioned.get(client_order_id)
        if told_end is None or (ended and not told_end):
            self._expected[client_order_id, ended] = now

    def mention(self, client_order_id: str, *, ended: bool) -> None:
        """The stream has told of the order."""
        self._expected.pop((client_order_id, False), None)
        if ended:
            self._expected.pop((client_order_id, True), None)
        self._mentioned[client_order_id] = ended or self._mentioned.get(client_order_id, False)
        self._mentioned.move_to_end(client_order_id)
        while len(self._mentioned) > _MENTIONS:
            self._mentioned.popitem(last=False)

    def overdue(self, now: float, within: float) -> str | None:
        """Return an order that should have shown up `within` seconds and has not."""
        for (client_order_id, _), since in self._expected.items():
            if now - since > within:
                return client_order_id
        return None

    def clear(self) -> None:
        """Forget everything expected: the stream is down, and what it missed is being read."""
        self._expected.clear()
