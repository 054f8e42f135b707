"""The engine: facts in, durable state, decisions, durable intents, orders out.

One task owns the state. Everybody else brings facts to its inbox and reads the state it publishes. Nothing acts on a
fact, and no request leaves, before the journal has it.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs
import trio

from opensqt_core.clock import Clock
from opensqt_core.instrument import Instrument
from opensqt_core.journal import events as ev
from opensqt_core.market import TopOfBook
from opensqt_core.order import NewOrder, Side
from opensqt_mm import client_ids
from opensqt_mm.decide import decide
from opensqt_mm.decisions import Action, Decision, Reason, View, to_cancel, to_place
from opensqt_mm.executor import Executor
from opensqt_mm.fold import fold
from opensqt_mm.inbox import Inbox
from opensqt_mm.journal import Journal
from opensqt_mm.settings import TradingSettings
from opensqt_mm.slots import SlotState
from opensqt_mm.state import Guard, State

TICK_S = 0.25
"""Longest time between two looks at the state, for what only time changes (ages, pauses)."""
_REASONS_EVERY_S = 1.0

_AUDIT = (ev.SessionStarted, ev.SessionStopped, ev.CommandGiven, ev.StreamChanged)
"""Events that are worth a place in the journal although they may not change the state."""


@attrs.define
class Price:
    """The top of the book as the engine sees it, and whether its stream can be trusted."""

    book: TopOfBook | None = None
    lost: bool = False
    seen: Callable[[], float | None] = lambda: None
    """When the subscription was last known to be alive, on the monotonic clock."""


class Engine:
    """State, decisions and intents of one grid."""

    def __init__(
        self,
        *,
        state: State,
        journal: Journal,
        instrument: Instrument,
        settings: TradingSettings,
        clock: Clock,
    ) -> None:
        self.state = state
        self.inbox = Inbox()
        self.price = Price()
        self.order_stream_ready = False
        """The private stream is live and everything before it has been read."""
        self.decisions: tuple[Decision, ...] = ()
        self.committed = trio.Event()
        """Set and replaced whenever the state has changed: for whoever waits for an order's fate."""
        self._journal = journal
        self._instrument = instrument
        self._settings = settings
        self._clock = clock
        self._reasons_due = float("-inf")
        self._decided_on: TopOfBook | None = None

    async def run(self, executor: Executor) -> None:
        """Decide whenever there is news, until cancelled."""
        while True:
            with trio.move_on_after(TICK_S):
                await self.inbox.wait()
            await self.absorb()
            await self._act(executor)

    async def absorb(self) -> None:
        """Take in every waiting fact: news is committed to the journal, then becomes state."""
        await self.commit(self.inbox.drain())

    async def commit(self, events: Sequence[ev.Event]) -> None:
        """Make events durable, then fold them. What is no news is left out."""
        state, news = self.state, []
        for event in events:
            after = fold(state, event)
            if after is not state or isinstance(event, _AUDIT):
                news.append(event)
            state = after
        if not news:
            return
        # A cancellation between draining the inbox and the commit would lose facts.
        with trio.CancelScope(shield=True):
            await self._journal.append(news, state)
        self.state = state
        self.committed.set()
        self.committed = trio.Event()

    @property
    def settled(self) -> bool:
        """Whether the last decision saw everything that has arrived, and had nothing to do."""
        busy = (Action.PLACE, Action.CANCEL, Action.ATTACH)
        seen = self._decided_on is self.price.book
        return seen and self.inbox.empty and not any(decision.action in busy for decision in self.decisions)

    def view(self, placements: int) -> View:
        """Return what a decision may see now."""
        seen = self.price.seen()
        age = self._clock.monotonic() - seen if seen is not None else float("inf")
        limit = float(self._settings.max_price_age)
        stale = Reason.STALE_PRICE if age > limit else None
        pull = Reason.STALE_PRICE if self.price.lost or age > 2 * limit else None
        blocked = None if self.order_stream_ready else Reason.STREAM_LOST
        guards = self.state.guards
        if Reason.OPERATOR_PAUSED in guards:
            blocked = blocked or Reason.OPERATOR_PAUSED
        for guard in (Reason.BREAKER, Reason.RISK_PAUSED, Reason.MARGIN_LOCK):
            if guard in guards:
                pull = guard
        return View(
            now_ms=self._clock.now_ms(),
            book=self.price.book,
            book_age=age,
            orders_blocked=blocked,
            buys_blocked=stale,
            pull_buys=pull,
            placements=placements,
        )

    async def _act(self, executor: Executor) -> None:
        view = self.view(executor.placements)
        self.decisions = decide(self.state, self._instrument, self._settings, view)
        self._decided_on = view.book
        cancels, places = to_cancel(self.decisions), to_place(self.decisions)
        if cancels or places or any(decision.action is Action.ATTACH for decision in self.decisions):
            await self._intend(executor, view, cancels, places)
        await self._note_reasons(view)

    async def _intend(self, executor: Executor, view: View, cancels: list[Decision], places: list[Decision]) -> None:
        """Commit the intents, then hand them to the executor; no checkpoint lies between the two."""
        orders = [self._order(decision, index) for index, decision in enumerate(places)]
        intents: list[ev.Event] = [
            ev.CancelIntended(
                ms=view.now_ms, client_order_id=decision.client_order_id or "", reason=decision.reason or "unspecified"
            )
            for decision in cancels
        ]
        intents += [self._attachment(decision, view) for decision in self.decisions if decision.action is Action.ATTACH]
        intents += [
            self._intent(decision, order, index, view)
            for index, (decision, order) in enumerate(zip(places, orders, strict=True))
        ]
        with trio.CancelScope(shield=True):
            await self.commit(intents)
            executor.cancel([decision.client_order_id or "" for decision in cancels])
            executor.place(orders)

    def _order(self, decision: Decision, index: int) -> NewOrder:
        if self.state.created is None or decision.side is None or decision.quantity is None:
            raise ValueError(f"cannot place {decision}")
        cid = client_ids.ClientId(
            self.state.created.instance, decision.level, decision.side, self.state.next_sequence + index
        )
        return NewOrder(
            symbol=self._instrument.symbol,
            side=decision.side,
            quantity=decision.quantity,
            price=decision.price,
            client_order_id=client_ids.encode(cid),
            post_only=decision.post_only,
            reduce_only=decision.side is Side.SELL,
        )

    def _intent(self, decision: Decision, order: NewOrder, index: int, view: View) -> ev.OrderIntended:
        if view.book is None:
            raise ValueError("no order is decided without a price")
        return ev.OrderIntended(
            ms=view.now_ms,
            client_order_id=order.client_order_id,
            sequence=self.state.next_sequence + index,
            level=decision.level,
            side=order.side,
            price=order.price or Decimal(0),
            quantity=order.quantity,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            bid=view.book.bid,
            ask=view.book.ask,
            repriced=decision.repriced,
        )

    @staticmethod
    def _attachment(decision: Decision, view: View) -> ev.LotsAttached:
        if decision.to_level is None or decision.quantity is None or decision.price is None:
            raise ValueError(f"cannot attach {decision}")
        return ev.LotsAttached(
            ms=view.now_ms,
            from_level=decision.level,
            to_level=decision.to_level,
            quantity=decision.quantity,
            sell_price=decision.price,
        )

    async def _note_reasons(self, view: View) -> None:
        """Journal why levels have no order, where that has changed, at most once a second."""
        now = self._clock.monotonic()
        if now < self._reasons_due:
            return
        current = {
            decision.level: decision.reason.value
            for decision in self.decisions
            if decision.action is Action.NONE and decision.reason is not None
        }
        known = self.state.reasons
        changed = {level: reason for level, reason in current.items() if _reason(known, level) != reason}
        changed |= dict.fromkeys((level for level in known if level not in current), "")
        if changed:
            self._reasons_due = now + _REASONS_EVERY_S
            await self.commit([ev.ReasonsChanged(ms=view.now_ms, reasons=changed)])

    async def close(self, executor: Executor, policy: str) -> None:
        """Cancel what `policy` (`all`, `buys`, `none`) says and return when the venue has confirmed each.

        Call it inside a bounded, shielded scope; `unconfirmed` tells what was left when the time ran out.
        """
        while True:
            await self.absorb()
            live = [record for record in self.state.orders.values() if _to_be_cancelled(record.side, policy)]
            if not live and executor.idle:
                return
            now_ms = self._clock.now_ms()
            open_states = (SlotState.BUY_OPEN, SlotState.SELL_OPEN)
            ready = [record for record in live if self.state.slots[record.level].state in open_states]
            if ready:
                ids = [record.client_order_id for record in ready]
                await self.commit([ev.CancelIntended(ms=now_ms, client_order_id=cid, reason="exit") for cid in ids])
                executor.cancel(ids)
            with trio.move_on_after(TICK_S):
                await self.inbox.wait()

    def unconfirmed(self, policy: str) -> tuple[str, ...]:
        """Return the client order ids that `policy` wanted cancelled and that are still live as far as we know."""
        return tuple(
            record.client_order_id for record in self.state.orders.values() if _to_be_cancelled(record.side, policy)
        )


def _reason(known: Mapping[int, Guard], level: int) -> str | None:
    guard = known.get(level)
    return guard.reason if guard is not None else None


def _to_be_cancelled(side: Side, policy: str) -> bool:
    return policy == "all" or (policy == "buys" and side is Side.BUY)
