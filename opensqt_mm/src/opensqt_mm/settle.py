"""Orders of unknown fate: what must be asked, and what the answers prove.

`verdict` is pure and holds the rules; `ask` does the asking. No order becomes terminal here without evidence from the
venue, and "not found" is evidence only when the request can no longer arrive and would be visible if it had.
"""

from collections.abc import Sequence
from decimal import Decimal

import attrs

from opensqt_core.capabilities import Capabilities, LookupPath
from opensqt_core.errors import ExchangeError, OrderNotFound
from opensqt_core.exchange import AccountData
from opensqt_core.journal import events as ev
from opensqt_core.order import Fill, Order
from opensqt_mm.state import OrderRecord

NO_EXPIRY_MS = 60_000
"""How long a placement is taken to be able to arrive late at a venue that gives it no expiry of its own."""
PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between rounds of asking; the last one repeats."""
_MARGIN_MS = 60_000
"""Look-ups by time start this much before the intent, for clocks that differ."""


@attrs.frozen(kw_only=True)
class Evidence:
    """What the venue said of one order in one round, all of it asked at or after `asked_ms`."""

    asked_ms: int
    order: Order | None = None
    """Found by client id, among open orders or in the history."""
    looked_everywhere: bool = False
    """By client id, open orders, history and fills, and none knew it."""
    fills: Sequence[Fill] = ()
    """Of this order, when it was found."""
    position: Decimal | None = None
    """The venue's position, when it was asked for."""


def pause(asked: int) -> float:
    """Return the seconds to wait before asking again."""
    return PAUSES[min(asked, len(PAUSES) - 1)]


def arrives_until(record: OrderRecord, capabilities: Capabilities) -> int:
    """Return the time (ms UTC) after which the doubted request can't arrive any more, nor be too young to be seen."""
    window = capabilities.expiry.window_ms if capabilities.expiry else NO_EXPIRY_MS
    return (record.doubted_ms or record.intended_ms) + window + capabilities.indexing_delay_ms


def verdict(
    record: OrderRecord, evidence: Evidence, capabilities: Capabilities, expected_position: Decimal, now_ms: int
) -> ev.Event:
    """Return the one event that the evidence justifies; `OrderAsked` if it proves nothing yet."""
    cid = record.client_order_id
    order = evidence.order
    if order is None:
        doubt = _why_absence_proves_nothing(record, evidence, capabilities, expected_position)
        if doubt is not None:
            return ev.OrderAsked(ms=now_ms, client_order_id=cid, found=doubt)
        proof = "unknown by id, to open orders, history and fills, asked after it could still arrive"
        return ev.OrderSettled(ms=now_ms, client_order_id=cid, outcome="dead", filled=Decimal(0), evidence=proof)
    late = evidence.asked_ms >= arrives_until(record, capabilities)
    if not order.status.terminal and record.cancel_reason is not None and not late:
        return ev.OrderAsked(ms=now_ms, client_order_id=cid, found="open; the cancel may still arrive")
    return update_event(order, cid, "lookup", now_ms)


def _why_absence_proves_nothing(
    record: OrderRecord, evidence: Evidence, capabilities: Capabilities, expected_position: Decimal
) -> str | None:
    if not evidence.looked_everywhere:
        return "no answer on every path"
    if evidence.asked_ms < arrives_until(record, capabilities):
        return "not found, and may still arrive"
    if record.filled > 0 or record.venue_filled > 0:
        return "not found, although it has filled"
    if not remembered(record, capabilities, evidence.asked_ms) and evidence.position != expected_position:
        return "beyond the venue's memory, and the position is not that of the slots"
    return None


def remembered(record: OrderRecord, capabilities: Capabilities, asked_ms: int) -> bool:
    """Whether the venue would still know the order, whatever became of it, so that absence proves something."""
    age = asked_ms - record.intended_ms

    def covers(path: LookupPath) -> bool:
        return path.unfilled_for_ms is None or age < path.unfilled_for_ms

    return covers(capabilities.lookups.by_client_id) or covers(capabilities.lookups.history)


def update_event(order: Order, client_order_id: str, source: str, now_ms: int) -> ev.OrderUpdated:
    """Return the journal's event for what the venue said of one of our orders."""
    return ev.OrderUpdated(
        ms=now_ms,
        client_order_id=client_order_id,
        order_id=order.order_id,
        status=order.status,
        filled=order.filled,
        source=source,
        reason=order.reason,
        would_take=order.would_take,
        venue_ms=order.updated_ms,
    )


async def ask(account: AccountData, symbol: str, record: OrderRecord, now_ms: int, *, position: bool) -> Evidence:
    """Ask for one order on every path, the cheap and certain one first.

    Raises `ExchangeError` when a path did not answer: then the round proves nothing.
    """
    order = await _by_ids(account, symbol, record)
    if order is None:
        order = await _by_lists(account, symbol, record)
    fills: Sequence[Fill] = ()
    start_ms = record.intended_ms - _MARGIN_MS
    if order is not None:
        if order.filled > record.filled:
            fills = await account.fills(symbol, start_ms=start_ms, order_id=order.order_id)
        return Evidence(asked_ms=now_ms, order=order, fills=fills)
    seen = await account.fills(symbol, start_ms=start_ms)
    if any(fill.client_order_id == record.client_order_id for fill in seen):
        raise ExchangeError(f"fills know order {record.client_order_id}, but no look-up does")
    held = (await account.positions(symbol))[0].quantity if position else None
    return Evidence(asked_ms=now_ms, looked_everywhere=True, position=held)


async def _by_ids(account: AccountData, symbol: str, record: OrderRecord) -> Order | None:
    try:
        return await account.order(symbol, client_order_id=record.client_order_id)
    except OrderNotFound:
        if record.order_id is None:
            return None
    try:
        return await account.order(symbol, order_id=record.order_id)
    except OrderNotFound:
        return None


async def _by_lists(account: AccountData, symbol: str, record: OrderRecord) -> Order | None:
    opened = await account.open_orders(symbol)
    history = await account.orders(symbol, start_ms=record.intended_ms - _MARGIN_MS)
    for order in (*history, *opened):
        if record.client_order_id == order.client_order_id:
            return order
    return None
