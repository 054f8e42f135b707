"""From events to state: a pure function, the only place where state is made.

`fold` returns the very object it was given when an event brings no news, so `fold(s, e) is s` is how the engine tells a
repeated or late message from one worth journalling.
"""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from opensqt_core.journal import events as ev
from opensqt_core.order import OrderStatus, Side
from opensqt_mm.booking import book_adoption, book_external, book_fill, book_funding, dropped, replaced, step_slot
from opensqt_mm.slots import NoSuchStep, SlotEvent, SlotState
from opensqt_mm.state import RECENT, Guard, OrderRecord, Slot, State

_REFUSED_AFTERWARDS = {"reduce_only": "ReduceOnlyRejected", "self_trade": "SelfTrade"}
"""Reasons for which a venue ends an order that it had accepted, and that would come again at once."""

_NOT_THE_ORDER = frozenset({"Unavailable", "RateLimited", "Banned", "ClockSkew"})
"""Refusals that say nothing of the order itself: they don't count towards "the same rejection three times".

`AuthFailed` does count: nothing holds sells back after it, and a key that is shut out must not be tried at every tick.
"""


def fold(state: State, event: ev.Event) -> State:
    """Return the state after `event`; the same object if it brings no news.

    Raises `NoSuchStep` for an event of our own making that cannot be (a fault of ours, never of the venue).
    """
    handler = _HANDLERS.get(type(event))
    return state if handler is None else handler(state, event)


def fold_all(state: State, events: Iterable[ev.Event]) -> State:
    """Fold several events."""
    for event in events:
        state = fold(state, event)
    return state


def _put(state: State, slot: Slot, record: OrderRecord) -> State:
    return attrs.evolve(
        state,
        slots=replaced(state.slots, slot.level, slot),
        orders=replaced(state.orders, record.client_order_id, record),
    )


def _end(state: State, slot: Slot, record: OrderRecord, ms: int) -> State:
    """The order can never trade again and every fill of it is booked."""
    holding = SlotEvent.ENDED_HOLDING if slot.lots else SlotEvent.ENDED_EMPTY
    slot = attrs.evolve(step_slot(slot, holding, ms), order=None)
    recent = replaced(state.recent, record.client_order_id, record)
    while len(recent) > RECENT:
        del recent[next(iter(recent))]
    return attrs.evolve(
        state,
        slots=replaced(state.slots, slot.level, slot),
        orders=dropped(state.orders, record.client_order_id),
        recent=recent,
    )


def _told_terminal(state: State, slot: Slot, record: OrderRecord, ms: int) -> State:
    if record.fills_missing:
        if record.doubted_ms is None:
            record = attrs.evolve(record, doubted_ms=ms, doubt="it ended with more filled than the fills we know")
        return _put(state, step_slot(slot, SlotEvent.FILLS_MISSING, ms), record)
    return _end(state, slot, record, ms)


def _created(state: State, event: ev.JournalCreated) -> State:
    if state.created is not None:
        raise NoSuchStep("the journal was created twice")
    return attrs.evolve(state, created=event)


def _started(state: State, _: ev.SessionStarted) -> State:
    return attrs.evolve(state, running=True)


def _stopped(state: State, _: ev.SessionStopped) -> State:
    return attrs.evolve(state, running=False)


def _intended(state: State, event: ev.OrderIntended) -> State:
    if event.sequence < state.next_sequence:
        raise NoSuchStep(f"client order id {event.client_order_id} repeats sequence {event.sequence}")
    record = OrderRecord(
        client_order_id=event.client_order_id,
        sequence=event.sequence,
        level=event.level,
        side=event.side,
        price=event.price,
        quantity=event.quantity,
        post_only=event.post_only,
        repriced=event.repriced,
        intended_ms=event.ms,
    )
    kind = SlotEvent.BUY_INTENDED if event.side is Side.BUY else SlotEvent.SELL_INTENDED
    slot = attrs.evolve(step_slot(state.slot(event.level), kind, event.ms), order=event.client_order_id)
    return attrs.evolve(_put(state, slot, record), next_sequence=event.sequence + 1)


def _acknowledged(state: State, event: ev.OrderAcknowledged) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None or (record.accepted and record.order_id is not None):
        return state
    return _proven_open(state, record, event.order_id, ms=event.ms, looked_up=False)


def _proven_open(state: State, record: OrderRecord, order_id: str, *, ms: int, looked_up: bool) -> State:
    """The venue says that the order exists and is open."""
    slot = state.slot(record.level)
    stands = looked_up or record.cancel_reason is None
    kind = SlotEvent.ACCEPTED
    if slot.state is SlotState.UNKNOWN and stands and record.status is None:
        kind = SlotEvent.BUY_STANDS if record.side is Side.BUY else SlotEvent.SELL_STANDS
        record = attrs.evolve(record, doubted_ms=None, doubt=None, asked=0, cancel_reason=None)
    return _put(state, step_slot(slot, kind, ms), attrs.evolve(record, order_id=order_id, accepted=True))


def _refused(state: State, event: ev.OrderRefused) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None:
        return state
    if record.accepted or record.filled:
        return _doubt(state, record, f"refused ({event.error}) although it is known to exist", event.ms)
    slot = state.slot(record.level)
    if event.error not in _NOT_THE_ORDER:
        slot = _count_refusal(slot, event.error, event.ms)
    return _end(state, slot, record, event.ms)


def _count_refusal(slot: Slot, error: str, ms: int) -> Slot:
    return attrs.evolve(
        slot,
        refusals=slot.refusals + 1 if slot.refusal == error else 1,
        refusal=error,
        refused_ms=ms,
        would_take=slot.would_take + 1 if error == "WouldTake" else 0,
    )


def _rested(slot: Slot) -> Slot:
    """The slot's order was in the book: refusals in a row are over.

    An acknowledgement alone does not say that: some venues accept a post-only order first and end it then.
    """
    return attrs.evolve(slot, refusals=0, refusal=None, would_take=0) if slot.refusals else slot


def _doubted(state: State, event: ev.OrderDoubted) -> State:
    record = state.orders.get(event.client_order_id)
    return state if record is None else _doubt(state, record, event.reason, event.ms)


def _doubt(state: State, record: OrderRecord, reason: str, ms: int) -> State:
    slot = state.slot(record.level)
    if slot.state is SlotState.UNKNOWN:
        return state
    record = attrs.evolve(record, doubted_ms=ms, doubt=reason, asked=0)
    return _put(state, step_slot(slot, SlotEvent.DOUBTED, ms), record)


def _asked(state: State, event: ev.OrderAsked) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None or state.slot(record.level).state is not SlotState.UNKNOWN:
        return state
    return attrs.evolve(
        state, orders=replaced(state.orders, record.client_order_id, attrs.evolve(record, asked=record.asked + 1))
    )


def _updated(state: State, event: ev.OrderUpdated) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None:
        return state
    if event.status.terminal:
        return _updated_terminal(state, record, event)
    if record.status is not None:
        return state
    told = max(record.venue_filled, event.filled)
    slot = state.slot(record.level)
    proves = slot.state is SlotState.UNKNOWN and (event.source == "lookup" or record.cancel_reason is None)
    if record.accepted and record.order_id is not None and told == record.venue_filled and not proves:
        return state
    record = attrs.evolve(record, venue_filled=told)
    return _proven_open(state, record, event.order_id, ms=event.ms, looked_up=event.source == "lookup")


def _updated_terminal(state: State, record: OrderRecord, event: ev.OrderUpdated) -> State:
    told = max(record.venue_filled, event.filled)
    if record.status is not None and record.accepted and told == record.venue_filled:
        return state
    slot = state.slot(record.level)
    if record.status is None:
        refusal = _refusal_told(record, event)
        slot = _rested(slot) if refusal is None else _count_refusal(slot, refusal, event.ms)
    record = attrs.evolve(
        record, order_id=event.order_id, accepted=True, status=record.status or event.status, venue_filled=told
    )
    return _told_terminal(state, slot, record, event.ms)


def _refusal_told(record: OrderRecord, event: ev.OrderUpdated) -> str | None:
    """Name what amounts to a refusal although the venue had accepted the order first, None for any other end."""
    if event.would_take:
        return "WouldTake"
    if event.status is OrderStatus.REJECTED:
        return _REFUSED_AFTERWARDS.get(event.reason or "", "Rejected")
    return _REFUSED_AFTERWARDS.get(event.reason or "") if record.cancel_reason is None else None


def _settled(state: State, event: ev.OrderSettled) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None:
        return state
    told = max(record.filled, event.filled)
    if record.status is not None and told == record.venue_filled:
        return state
    record = attrs.evolve(record, status=record.status or OrderStatus.CANCELED, venue_filled=told)
    return _told_terminal(state, state.slot(record.level), record, event.ms)


def _filled(state: State, event: ev.FillBooked) -> State:
    record = state.orders.get(event.client_order_id)
    late = record is None
    if record is None:
        record = state.recent.get(event.client_order_id)
    if record is None or event.trade_id in record.trade_ids:
        return state
    before = state.slot(record.level)
    state, slot = book_fill(state, before, event)
    slot = slot if late else _rested(slot)
    record = attrs.evolve(
        record,
        order_id=event.order_id,
        accepted=True,
        filled=record.filled + event.quantity,
        trade_ids=(*record.trade_ids, event.trade_id),
    )
    if late:
        slot = _after_late_fill(slot, event)
        recent = replaced(state.recent, record.client_order_id, record)
        return attrs.evolve(state, slots=replaced(state.slots, slot.level, slot), recent=recent)
    if record.filled >= record.quantity or (record.status is not None and not record.fills_missing):
        return _end(state, slot, record, event.ms)
    return _put(state, step_slot(slot, SlotEvent.FILLED_IN_PART, event.ms), record)


def _after_late_fill(slot: Slot, event: ev.FillBooked) -> Slot:
    """A fill of an order that had ended: the slot may be anywhere in its next life."""
    if slot.lots:
        return step_slot(slot, SlotEvent.LOTS_IN, event.ms)
    return step_slot(slot, SlotEvent.LOTS_OUT, event.ms) if slot.state is SlotState.HELD else slot


def _cancel_intended(state: State, event: ev.CancelIntended) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None:
        raise NoSuchStep(f"a cancel of {event.client_order_id}, which is not live")
    slot = step_slot(state.slot(record.level), SlotEvent.CANCEL_INTENDED, event.ms)
    return _put(state, slot, attrs.evolve(record, cancel_reason=event.reason))


def _cancel_refused(state: State, event: ev.CancelRefused) -> State:
    record = state.orders.get(event.client_order_id)
    if record is None or state.slot(record.level).state is not SlotState.CANCELLING:
        return state
    kind = SlotEvent.BUY_STANDS if record.side is Side.BUY else SlotEvent.SELL_STANDS
    slot = step_slot(state.slot(record.level), kind, event.ms)
    return _put(state, slot, attrs.evolve(record, cancel_reason=None))


def _attached(state: State, event: ev.LotsAttached) -> State:
    source, target = state.slot(event.from_level), state.slot(event.to_level)
    moving = source.lots
    source = attrs.evolve(step_slot(source, SlotEvent.LOTS_OUT, event.ms), lots=(), sell_price=None)
    target = attrs.evolve(
        step_slot(target, SlotEvent.LOTS_IN, event.ms), lots=(*target.lots, *moving), sell_price=event.sell_price
    )
    return attrs.evolve(state, slots=replaced(replaced(state.slots, source.level, source), target.level, target))


def _guard(state: State, event: ev.GuardChanged) -> State:
    raised = state.guards.get(event.guard)
    if not event.raised:
        return state if raised is None else attrs.evolve(state, guards=dropped(state.guards, event.guard))
    if raised is not None and raised.reason == event.reason:
        return state
    guard = Guard(reason=event.reason, since_ms=event.ms)
    return attrs.evolve(state, guards=replaced(state.guards, event.guard, guard))


def _reasons(state: State, event: ev.ReasonsChanged) -> State:
    reasons = dict(state.reasons)
    for level, reason in event.reasons.items():
        known = reasons.get(level)
        if not reason:
            reasons.pop(level, None)
        elif known is None or known.reason != reason:
            reasons[level] = Guard(reason=reason, since_ms=event.ms)
    return state if reasons == state.reasons else attrs.evolve(state, reasons=reasons)


_HANDLERS: dict[type[ev.Event], Callable[[State, Any], State]] = {
    ev.JournalCreated: _created,
    ev.SessionStarted: _started,
    ev.SessionStopped: _stopped,
    ev.OrderIntended: _intended,
    ev.OrderAcknowledged: _acknowledged,
    ev.OrderRefused: _refused,
    ev.OrderDoubted: _doubted,
    ev.OrderAsked: _asked,
    ev.OrderUpdated: _updated,
    ev.OrderSettled: _settled,
    ev.FillBooked: _filled,
    ev.ExternalFill: book_external,
    ev.CancelIntended: _cancel_intended,
    ev.CancelRefused: _cancel_refused,
    ev.LotsAttached: _attached,
    ev.PositionAdopted: book_adoption,
    ev.FundingBooked: book_funding,
    ev.GuardChanged: _guard,
    ev.ReasonsChanged: _reasons,
}
