"""Booking money: what executions, funding and adoption do to lots, totals and the venue's own figures."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import attrs

from opensqt_core.journal import events as ev
from opensqt_core.order import Side
from opensqt_mm.lots import Lot, take
from opensqt_mm.slots import NoSuchStep, SlotEvent, step
from opensqt_mm.state import ZERO, Slot, State

K = TypeVar("K")
V = TypeVar("V")

_REMEMBERED = 256
"""Payment and foreign trade ids that are remembered against repeats; look-ups overlap by far fewer."""


def replaced(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    """Return a copy in which `key` has `value`."""
    copy = dict(mapping)
    copy[key] = value
    return copy


def dropped(mapping: Mapping[K, V], key: K) -> dict[K, V]:
    """Return a copy without `key`."""
    copy = dict(mapping)
    del copy[key]
    return copy


def added(amounts: Mapping[str, Decimal], asset: str, amount: Decimal) -> dict[str, Decimal]:
    """Return a copy in which an asset's amount has grown."""
    return replaced(amounts, asset, amounts.get(asset, ZERO) + amount)


def step_slot(slot: Slot, event: SlotEvent, ms: int) -> Slot:
    """Return the slot after an event, with the time of the change if its state changed."""
    state = step(slot.state, event)
    return slot if state is slot.state else attrs.evolve(slot, state=state, since_ms=ms)


def book_fill(state: State, slot: Slot, event: ev.FillBooked) -> tuple[State, Slot]:
    """Book one execution into the slot's lots and the account's totals."""
    created = state.created
    if created is None:
        raise NoSuchStep("a fill before the journal was created")
    notional = event.price * event.quantity
    realised, trips = ZERO, 0
    if event.side is Side.BUY:
        slot = attrs.evolve(slot, lots=(*slot.lots, Lot(event.trade_id, event.quantity, event.price, event.fee_quote)))
    else:
        sale = take(slot.lots, event.quantity, event.price, event.trade_id)
        realised = notional - sale.cost - event.fee_quote
        trips = 0 if sale.left else 1
        slot = attrs.evolve(
            slot,
            lots=sale.left,
            realised=slot.realised + realised,
            trips=slot.trips + trips,
            sell_price=slot.sell_price if sale.left else None,
        )
    cash = added(state.cash_flow, created.quote, -event.side.sign * notional)
    entry, venue = average_cost(state.position, state.entry_price, event.side.sign * event.quantity, event.price)
    state = attrs.evolve(
        state,
        position=state.position + event.side.sign * event.quantity,
        entry_price=entry,
        realised_venue=state.realised_venue + venue,
        cash_flow=added(cash, event.fee_asset, -event.fee),
        fees=added(state.fees, event.fee_asset, event.fee),
        realised=state.realised + realised,
        trips=state.trips + trips,
        last_fill_ms=max(state.last_fill_ms, event.venue_ms),
    )
    return state, slot


def average_cost(position: Decimal, entry: Decimal, change: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """Return (entry price, profit realised) after a signed change, as venues keep one-way positions."""
    after = position + change
    if position * change >= 0:
        return ((entry * abs(position) + price * abs(change)) / abs(after) if after else ZERO), ZERO
    closed = min(abs(change), abs(position))
    sign = 1 if position > 0 else -1
    realised = (price - entry) * closed * sign
    if after == 0:
        return ZERO, realised
    return (entry if after * position > 0 else price), realised


def book_external(state: State, event: ev.ExternalFill) -> State:
    """Book somebody else's execution: it moves the venue's position, none of our slots."""
    if event.trade_id in state.external_ids:
        return state
    return attrs.evolve(
        state,
        external=state.external + event.side.sign * event.quantity,
        external_ids=(*state.external_ids, event.trade_id)[-_REMEMBERED:],
        last_fill_ms=max(state.last_fill_ms, event.venue_ms),
    )


def book_funding(state: State, event: ev.FundingBooked) -> State:
    """Book a settlement of funding, each payment id once."""
    if event.payment_id in state.funding_ids:
        return state
    return attrs.evolve(
        state,
        funding=state.funding + event.amount,
        funding_ids=(*state.funding_ids, event.payment_id)[-_REMEMBERED:],
        cash_flow=added(state.cash_flow, event.asset, event.amount),
        last_funding_ms=max(state.last_funding_ms, event.venue_ms),
    )


def book_adoption(state: State, event: ev.PositionAdopted) -> State:
    """Make a slot hold what was there before, as if it had been bought at the given price without a fee."""
    created = state.created
    if created is None:
        raise NoSuchStep("a position adopted before the journal was created")
    slot = state.slot(event.level)
    lot = Lot(f"adopted-{event.level}", event.quantity, event.price, ZERO)
    slot = attrs.evolve(step_slot(slot, SlotEvent.LOTS_IN, event.ms), lots=(*slot.lots, lot))
    entry, _ = average_cost(state.position, state.entry_price, event.quantity, event.price)
    return attrs.evolve(
        state,
        slots=replaced(state.slots, slot.level, slot),
        position=state.position + event.quantity,
        entry_price=entry,
        cash_flow=added(state.cash_flow, created.quote, -event.price * event.quantity),
    )
