"""Joins what venues say with who listens. It knows no sockets, no server and no venue.

Everything here is synchronous, so a join is one instant: what was published before it is in the snapshot, and what is
published after it comes after the snapshot, with no gap and nothing twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import attrs

from opensqt_core.market import Candle
from opensqt_live import wire
from opensqt_live.outbox import Closing, Frame, Outbox, Tally
from opensqt_live.snapshot import Change, Message, Snapshot

GOING_AWAY = 1001
"""WebSocket close code for a server that ends."""


@attrs.define(eq=False)
class Client:
    """One listener, as the hub sees it."""

    symbol: str
    outbox: Outbox
    wake: Callable[[], None]
    """Called when there is something to take, or to close."""

    def take(self) -> Frame | None:
        """Return the next frame to send, or None if there is none now."""
        return self.outbox.take()

    @property
    def closing(self) -> Closing | None:
        """Why the client must be closed; None while it is welcome."""
        return self.outbox.closing


class Hub:
    """A snapshot and the clients of each symbol."""

    def __init__(
        self, snapshots: Iterable[Snapshot], *, outbox_limit: int, monotonic: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._snapshots = {snapshot.market.symbol: snapshot for snapshot in snapshots}
        self._clients: dict[str, set[Client]] = {symbol: set() for symbol in self._snapshots}
        self._outbox_limit = outbox_limit
        self._monotonic = monotonic
        self._closing: Closing | None = None
        self.tally = Tally()

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """By symbol, the default one first. Only the hub changes them."""
        return MappingProxyType(self._snapshots)

    @property
    def default_symbol(self) -> str:
        """The symbol of a client that names none."""
        return next(iter(self._snapshots))

    @property
    def clients(self) -> int:
        """How many listen."""
        return sum(len(clients) for clients in self._clients.values())

    def publish(self, change: Change) -> None:
        """Take one change of the venue and tell whoever it is news to."""
        for symbol, snapshot in self._snapshots.items():
            self._tell(symbol, snapshot.apply(change))

    def publish_candles(self, symbol: str, read: Sequence[Candle]) -> None:
        """Take candles read from the venue and tell those that clients do not have yet, in time order."""
        self._tell(symbol, self._snapshots[symbol].merge_candles(read))

    def join(self, symbol: str, wake: Callable[[], None]) -> Client:
        """Add a client, its snapshot first in its outbox. Raises `KeyError` for an unknown symbol."""
        snapshot = self._snapshots[symbol]
        client = Client(symbol, Outbox(self._outbox_limit, self.tally), wake)
        client.outbox.begin(self._encoded(message) for message in snapshot.on_join())
        if self._closing is not None:
            client.outbox.close(self._closing.code, self._closing.reason)
        self._clients[symbol].add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client, present or not."""
        self._clients[client.symbol].discard(client)

    def close(self, reason: str) -> None:
        """Send everybody away, now and from now on."""
        self._closing = Closing(GOING_AWAY, reason)
        for clients in self._clients.values():
            for client in clients:
                client.outbox.close(GOING_AWAY, reason)
                client.wake()

    def _tell(self, symbol: str, messages: Sequence[Message]) -> None:
        clients = self._clients[symbol]
        if not clients:
            return
        for message in messages:
            frame = self._encoded(message)
            for client in clients:
                client.outbox.put(frame)
                client.wake()

    def _encoded(self, message: Message) -> Frame:
        return Frame(wire.encode(message.type, message.data), message.lane, message.key, self._monotonic())
