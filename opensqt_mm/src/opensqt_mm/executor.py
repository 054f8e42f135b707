"""Carrying out intents: batches, bounded concurrency, and every outcome turned into an event.

The executor knows neither slots nor prices. It sends what has been journalled and reports what the venue said; what it
could not find out, it reports as doubt, never as failure.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import structlog
import trio

from opensqt_core.capabilities import Capabilities
from opensqt_core.clock import Clock
from opensqt_core.errors import (
    AuthFailed,
    Banned,
    DuplicateClientId,
    ExchangeError,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from opensqt_core.exchange import Trading
from opensqt_core.journal import events as ev
from opensqt_core.order import NewOrder, Order
from opensqt_mm.settle import update_event

T = TypeVar("T")
Post = Callable[[Sequence[ev.Event]], Awaitable[None]]

MAX_IN_FLIGHT = 4
"""Placement requests under way at once: more would only queue behind the venue's limits, and go stale there."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

_log = structlog.get_logger(__name__)


class Executor:
    """Sends batches, each in a task of the nursery it was given."""

    def __init__(
        self,
        trading: Trading,
        capabilities: Capabilities,
        *,
        clock: Clock,
        nursery: trio.Nursery,
        post: Post,
        symbol: str,
    ) -> None:
        self._trading = trading
        self._capabilities = capabilities
        self._clock = clock
        self._nursery = nursery
        self._post = post
        self._symbol = symbol
        self._in_flight = 0
        self._paused_until = float("-inf")
        self._pause = _FIRST_PAUSE

    @property
    def placements(self) -> int:
        """How many orders can be sent now: what decisions see as the rate budget."""
        if self._clock.monotonic() < self._paused_until:
            return 0
        room = (MAX_IN_FLIGHT - self._in_flight) * self._capabilities.max_batch_place
        return min(room, self._trading.placements_available())

    @property
    def idle(self) -> bool:
        """Whether no placement is under way."""
        return self._in_flight == 0

    def place(self, orders: Sequence[NewOrder]) -> None:
        """Send placements that are durable in the journal."""
        for batch in _batches(orders, self._capabilities.max_batch_place):
            self._in_flight += 1
            self._nursery.start_soon(self._place, batch)

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Send cancels that are durable in the journal."""
        for batch in _batches(client_order_ids, self._capabilities.max_batch_cancel):
            self._nursery.start_soon(self._cancel, batch)

    async def _place(self, batch: Sequence[NewOrder]) -> None:
        try:
            outcomes = await self._send_placements(batch)
        finally:
            self._in_flight -= 1
        now_ms = self._clock.now_ms()
        events = [self._placed(order, outcome, now_ms) for order, outcome in zip(batch, outcomes, strict=True)]
        await self._post([event for group in events for event in group])

    async def _send_placements(self, batch: Sequence[NewOrder]) -> Sequence[Order | ExchangeError]:
        try:
            if len(batch) > 1:
                return await self._trading.place_batch(batch)
            return [await self._trading.place(batch[0])]
        except ExchangeError as error:
            return [error] * len(batch)

    def _placed(self, order: NewOrder, outcome: Order | ExchangeError, now_ms: int) -> list[ev.Event]:
        cid = order.client_order_id
        if isinstance(outcome, Order):
            self._pause = _FIRST_PAUSE
            acknowledged = ev.OrderAcknowledged(
                ms=now_ms, client_order_id=cid, order_id=outcome.order_id, venue_ms=outcome.updated_ms
            )
            if not outcome.status.terminal:
                return [acknowledged]
            return [acknowledged, update_event(outcome, cid, "reply", now_ms)]
        _log.info("placement not accepted", client_order_id=cid, error=type(outcome).__name__, message=str(outcome))
        if isinstance(outcome, OutcomeUnknown | DuplicateClientId):
            return [ev.OrderDoubted(ms=now_ms, client_order_id=cid, reason=str(outcome))]
        self._back_off(outcome, now_ms)
        refused = ev.OrderRefused(
            ms=now_ms,
            client_order_id=cid,
            error=type(outcome).__name__,
            message=outcome.message,
            code=outcome.code,
        )
        return [refused, *_breaks(outcome, now_ms)]

    def _back_off(self, error: ExchangeError, now_ms: int) -> None:
        """Hold placements back after an error that concerns the venue and not the order."""
        if isinstance(error, RateLimited):
            seconds = error.retry_after
        elif isinstance(error, Banned):
            seconds = max(0, error.until_ms - now_ms) / 1000
        elif isinstance(error, Unavailable):
            seconds = self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        else:
            return
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    async def _cancel(self, batch: Sequence[str]) -> None:
        try:
            outcomes: Sequence[Order | ExchangeError | None]
            if len(batch) > 1:
                outcomes = await self._trading.cancel_batch(self._symbol, batch)
            else:
                outcomes = [await self._trading.cancel(self._symbol, client_order_id=batch[0])]
        except ExchangeError as error:
            outcomes = [error] * len(batch)
        now_ms = self._clock.now_ms()
        groups = [_cancelled(cid, outcome, now_ms) for cid, outcome in zip(batch, outcomes, strict=True)]
        await self._post([event for group in groups for event in group])


def _cancelled(cid: str, outcome: Order | ExchangeError | None, now_ms: int) -> list[ev.Event]:
    """A cancel that found nothing means that the order has ended in some way: that way must be asked for."""
    if outcome is None:
        return []
    if isinstance(outcome, Order):
        return [update_event(outcome, cid, "reply", now_ms)]
    if isinstance(outcome, OutcomeUnknown | OrderNotFound):
        return [ev.OrderDoubted(ms=now_ms, client_order_id=cid, reason=f"cancel: {outcome}")]
    _log.warning("cancel had no effect", client_order_id=cid, error=type(outcome).__name__, message=str(outcome))
    refused = ev.CancelRefused(ms=now_ms, client_order_id=cid, error=type(outcome).__name__, message=outcome.message)
    return [refused, *_breaks(outcome, now_ms)]


def _breaks(error: ExchangeError, now_ms: int) -> list[ev.Event]:
    """A key that does not work any more stops all buying until a person has looked."""
    if isinstance(error, AuthFailed):
        return [ev.GuardChanged(ms=now_ms, guard="breaker", raised=True, reason=f"auth failure: {error.message}")]
    return []


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
