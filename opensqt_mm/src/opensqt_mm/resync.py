"""Reading the venue's truth after a gap or a start, and putting it into events.

Everything here is read with look-ups and delivered as facts: what we knew already changes nothing when it is folded.
"""

from collections.abc import Sequence

import attrs
import structlog

from opensqt_core.errors import OrderNotFound
from opensqt_core.exchange import AccountData
from opensqt_core.journal import events as ev
from opensqt_core.order import Fill, Order
from opensqt_mm import client_ids
from opensqt_mm.fees import FeeConverter
from opensqt_mm.settle import update_event
from opensqt_mm.slots import SlotState
from opensqt_mm.state import State

_OVERLAP_MS = 60_000
"""Fills are read again from this much before the newest one known: repeats change nothing, a hole would."""

_log = structlog.get_logger(__name__)


class OtherInstance(Exception):
    """Orders of another OpenSQT instance rest on our symbol and account: two grids would trade against each other."""


@attrs.frozen(kw_only=True)
class Findings:
    """What one reading found."""

    events: Sequence[ev.Event]
    orphans: Sequence[Order] = ()
    """Open orders that carry our instance and belong to no slot: cancelled by whoever asked."""


async def read_venue(
    account: AccountData, state: State, fees: FeeConverter, now_ms: int, *, take_over: bool = False
) -> Findings:
    """Read fills since the last one known, open orders, and every order that should be open and is not.

    Raises:
        ExchangeError: the venue did not answer; nothing is known, try again.
        OtherInstance: another instance's orders rest here. With `take_over` they count as orphans instead.
    """
    if state.created is None:
        raise ValueError("nothing to read before the journal was created")
    symbol = state.created.symbol
    expected = {
        record.client_order_id for record in state.orders.values() if not state.slots[record.level].state.locked
    }
    opened = await account.open_orders(symbol)
    orphans = _orphans(opened, state, take_over=take_over)
    events: list[ev.Event] = [
        update_event(order, order.client_order_id or "", "lookup", now_ms)
        for order in opened
        if order.client_order_id in expected
    ]
    gone = expected - {order.client_order_id for order in opened}
    ended: list[Order] = []
    for cid in sorted(gone):
        try:
            order = await account.order(symbol, client_order_id=cid)
        except OrderNotFound as error:
            events.append(ev.OrderDoubted(ms=now_ms, client_order_id=cid, reason=f"not open any more: {error}"))
        else:
            ended.append(order)
    events += [update_event(order, order.client_order_id or "", "lookup", now_ms) for order in ended]
    events += await missed_fills(account, state, fees, now_ms, (*opened, *ended))
    return Findings(events=events, orphans=orphans)


def _orphans(opened: Sequence[Order], state: State, *, take_over: bool) -> list[Order]:
    instance = state.created.instance if state.created else ""
    orphans = []
    for order in opened:
        client_id = client_ids.decode(order.client_order_id)
        if client_id is None:
            continue
        if client_id.instance != instance and take_over:
            orphans.append(order)
        elif client_id.instance != instance:
            raise OtherInstance(
                f"order {order.client_order_id} belongs to another instance ({client_id.instance}, ours is {instance}) "
                f"on {order.symbol} of this account"
            )
        elif order.client_order_id not in state.orders and client_id.sequence < state.next_sequence:
            orphans.append(order)
    return orphans


async def missed_fills(
    account: AccountData, state: State, fees: FeeConverter, now_ms: int, known: Sequence[Order] = ()
) -> list[ev.Event]:
    """Return the executions on our symbol since the newest one we know, ours and those of others.

    Raises `ExchangeError`.
    """
    if state.created is None:
        return []
    symbol = state.created.symbol
    start_ms = max(state.last_fill_ms - _OVERLAP_MS, state.created.ms - _OVERLAP_MS)
    fills = await account.fills(symbol, start_ms=start_ms)
    names = _names(state, known)
    booked = {trade for record in (*state.orders.values(), *state.recent.values()) for trade in record.trade_ids}
    events: list[ev.Event] = []
    for fill in fills:
        if fill.trade_id in booked or fill.trade_id in state.external_ids or fill.time_ms < state.created.ms:
            continue
        cid = fill.client_order_id or names.get(fill.order_id) or await _name(account, symbol, fill)
        names[fill.order_id] = cid or ""
        events.append(await fill_event(attrs.evolve(fill, client_order_id=cid or None), state, fees, now_ms, "lookup"))
    return events


def _names(state: State, known: Sequence[Order]) -> dict[str, str]:
    names = {order.order_id: order.client_order_id or "" for order in known}
    for record in (*state.recent.values(), *state.orders.values()):
        if record.order_id is not None:
            names[record.order_id] = record.client_order_id
    return names


async def _name(account: AccountData, symbol: str, fill: Fill) -> str | None:
    """Fills that carry no client id are joined through the order id."""
    try:
        return (await account.order(symbol, order_id=fill.order_id)).client_order_id
    except OrderNotFound:
        _log.warning("a fill of an order the venue does not know", order_id=fill.order_id, trade_id=fill.trade_id)
        return None


async def fill_event(fill: Fill, state: State, fees: FeeConverter, now_ms: int, source: str) -> ev.Event:
    """Return the journal's event for an execution: ours if its client id says so, else external."""
    client_id = client_ids.decode(fill.client_order_id)
    if state.created is None or client_id is None or client_id.instance != state.created.instance:
        return ev.ExternalFill(
            ms=now_ms,
            trade_id=fill.trade_id,
            order_id=fill.order_id,
            client_order_id=fill.client_order_id,
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            venue_ms=fill.time_ms,
        )
    fee_quote, converted = await fees.in_quote(fill.fee, fill.fee_asset, fill.price)
    return ev.FillBooked(
        ms=now_ms,
        client_order_id=fill.client_order_id or "",
        order_id=fill.order_id,
        trade_id=fill.trade_id,
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        fee_quote=fee_quote,
        converted=converted,
        maker=fill.maker,
        venue_ms=fill.time_ms,
        source=source,
    )


async def missed_funding(account: AccountData, state: State, now_ms: int) -> list[ev.Event]:
    """Return settlements of funding since the newest one known. Raises `ExchangeError`."""
    if state.created is None:
        return []
    start_ms = max(state.last_funding_ms, state.created.ms)
    payments = await account.funding_payments(state.created.symbol, start_ms=start_ms)
    return [
        ev.FundingBooked(
            ms=now_ms,
            payment_id=payment.payment_id,
            amount=payment.amount,
            asset=payment.asset,
            venue_ms=payment.time_ms,
        )
        for payment in payments
        if payment.payment_id not in state.funding_ids
    ]


def crash_doubts(state: State, now_ms: int) -> list[ev.Event]:
    """Return the doubts of a start: whatever was in flight when the last process ended may have worked."""
    in_flight = (SlotState.BUY_PENDING, SlotState.SELL_PENDING, SlotState.CANCELLING)
    return [
        ev.OrderDoubted(ms=now_ms, client_order_id=slot.order, reason="in flight when the last session ended")
        for slot in state.slots.values()
        if slot.order is not None and slot.state in in_flight
    ]
