"""Orders, fills, balances and positions, from the venue to the hub: nothing lost, nothing twice."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import attrs
import structlog
import trio

from opensqt_core.account import Balance
from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError, OrderNotFound
from opensqt_core.exchange import AccountData, AccountEvent, Exchange
from opensqt_core.order import Fill, Order, OrderStatus
from opensqt_core.streams import Stream, StreamState
from opensqt_live.feeds import Feed
from opensqt_live.hub import Hub
from opensqt_live.snapshot import Snapshot

_GRACE_S = 2.0
"""What a look-up found may still be on its way in the stream."""
_OVERLAP_MS = 10_000
"""Fills may be reported out of order; those that were told already are known by their ids."""

_log = structlog.get_logger(__name__)


class AccountFeed(Feed[AccountEvent]):
    """Follows one account, for all symbols that are shown."""

    def __init__(self, exchange: Exchange, account: AccountData, hub: Hub, *, idle_s: float, clock: Clock) -> None:
        super().__init__("account", clock)
        self._market = exchange.market
        self._indexing_s = exchange.capabilities.indexing_delay_ms / 1000
        self._account = account
        self._hub = hub
        self._idle_s = idle_s
        self._fills_from_ms: int | None = None
        """Venue time from which a fill may have been missed: never before the first reading, when nobody could watch.
        None before it."""
        self._last_event = clock.monotonic()
        self._gaps = trio.open_memory_channel[int](1)

    def subscribe(self) -> AbstractAsyncContextManager[Stream[AccountEvent]]:
        """Open the account stream."""
        return self._account.account_stream()

    async def take(self, value: AccountEvent) -> None:
        """Publish a change."""
        self._last_event = self._clock.monotonic()
        if isinstance(value, Fill):
            self._heard_of_fill(value)
        self._hub.publish(value)

    async def read(self) -> None:
        """Read fills, orders, positions and balances, and publish what the stream has not told."""
        if self._fills_from_ms is None:
            self._fills_from_ms = await self._market.server_time_ms()
        else:
            start_ms = self._fills_from_ms
            await self._read_fills(start_ms)
            self._read_fills_again(start_ms)
        for snapshot in self._hub.snapshots.values():
            await self._read_orders(snapshot)
            for position in await self._account.positions(snapshot.market.symbol):
                self._hub.publish(position)
        await self._read_balances()
        self._last_event = self._clock.monotonic()

    async def beside(self, stream: Stream[AccountEvent]) -> None:
        """Doubt a silent stream, and read late fills."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._doubt_silence, stream)
            nursery.start_soon(self._late_fills)

    def _heard_of_fill(self, fill: Fill) -> None:
        if self._fills_from_ms is not None:
            self._fills_from_ms = max(self._fills_from_ms, fill.time_ms - _OVERLAP_MS)

    async def _read_fills(self, start_ms: int) -> None:
        found: list[Fill] = []
        for snapshot in self._hub.snapshots.values():
            found += await self._account.fills(snapshot.market.symbol, start_ms=start_ms)
        # Only now, when nothing can fail any more: what is heard of moves the time from which the next reading begins.
        for fill in found:
            self._heard_of_fill(fill)
            self._hub.publish(fill)

    def _read_fills_again(self, start_ms: int) -> None:
        """Ask for another look: what was executed in the gap may not be in the venue's lists yet."""
        try:
            self._gaps[0].send_nowait(start_ms)
        except trio.WouldBlock:
            return  # one is due already, from an earlier time

    async def _late_fills(self) -> None:
        while True:
            start_ms = await self._gaps[1].receive()
            pause = self._indexing_s
            while True:
                await trio.sleep(pause)
                try:
                    await self._read_fills(start_ms)
                except ExchangeError as error:
                    pause = min(30.0, max(1.0, 2 * pause))
                    _log.warning("cannot read late fills", error=str(error), again_in_s=pause)
                else:
                    break

    async def _read_orders(self, snapshot: Snapshot) -> None:
        symbol = snapshot.market.symbol
        listed = await self._account.open_orders(symbol)
        unknown = [order for order in snapshot.orders.missing_from(listed) if not await self._settle(order)]
        if unknown:
            await trio.sleep(self._indexing_s)
            for order in unknown:
                if order.order_id in snapshot.orders.open and not await self._settle(order):
                    # Venues forget orders that ended without a fill; one that rests is in the list.
                    self._hub.publish(attrs.evolve(order, status=OrderStatus.CANCELED))
        for order in listed:
            self._hub.publish(order)

    async def _settle(self, order: Order) -> bool:
        """Publish what became of an order that is not in the venue's list. Returns whether the venue knows it."""
        try:
            self._hub.publish(await self._account.order(order.symbol, order_id=order.order_id))
        except OrderNotFound:
            return False
        return True

    async def _read_balances(self) -> None:
        balances: Sequence[Balance] = await self._account.balances()
        listed = {balance.asset for balance in balances}
        for balance in balances:
            self._hub.publish(balance)
        for snapshot in self._hub.snapshots.values():
            if snapshot.market.asset not in listed:
                self._hub.publish(Balance(asset=snapshot.market.asset, wallet=Decimal(0)))

    async def _doubt_silence(self, stream: Stream[AccountEvent]) -> None:
        """Hold an idle stream against the venue: news there means that the stream has died in silence."""
        while True:
            await trio.sleep(min(1.0, self._idle_s / 4))
            now = self._clock.monotonic()
            trusted = stream.status.state is StreamState.LIVE and not self.status.reading
            if not trusted or now - self._last_event < self._idle_s:
                continue
            self._last_event = now
            try:
                missed = await self._missed_something(now)
            except ExchangeError as error:
                _log.warning("cannot compare the idle account stream with the venue", error=str(error))
                continue
            if missed:
                stream.restart("silent while the account changed at the venue")

    async def _missed_something(self, asked: float) -> bool:
        for snapshot in self._hub.snapshots.values():
            symbol = snapshot.market.symbol
            listed = await self._account.open_orders(symbol)
            positions = await self._account.positions(symbol)
            known = snapshot.position.quantity if snapshot.position else Decimal(0)
            if not snapshot.orders.differs_from(listed) and positions[0].quantity == known:
                continue
            await trio.sleep(_GRACE_S)
            if self._last_event <= asked:
                return True
        return False
