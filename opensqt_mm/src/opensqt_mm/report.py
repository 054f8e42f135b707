"""What happened, from the journal alone: orders, fills and profit in the shape of the venue's own ledger.

Decimals are plain strings: no exponent, no trailing zeros after the point, zero is `0`. Amounts are exact sums of what
the venue told, with one exception: `realised_venue` comes from an average price and is rounded to `VENUE_STEP`.
"""

import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from opensqt_core.journal import events as ev
from opensqt_core.journal.reader import Entry, JournalReader
from opensqt_core.journal.schema import JournalError
from opensqt_mm.check import Check, check
from opensqt_mm.fold import fold
from opensqt_mm.history import Histories, OrderHistory, Refusal
from opensqt_mm.plain import plain
from opensqt_mm.slots import SlotState
from opensqt_mm.state import FORMAT, ZERO, Guard, Slot, State

VENUE_STEP = Decimal("1E-8")
"""To this step the venue's average-cost profit is rounded: an average has no last digit of its own."""
_PAGE = 20_000
"""Events for each read transaction, so that a long report never keeps the writer from tidying its file."""


@attrs.frozen(kw_only=True)
class SlotReport:
    """One level that has or had something."""

    level: int
    price: Decimal
    state: SlotState
    reason: str | None
    """Why it has no order, if it should be asked."""
    reason_since_ms: int | None
    held: Decimal
    cost: Decimal
    """What the held lots have cost, buying fees included."""
    order: str | None
    realised: Decimal
    trips: int


@attrs.frozen(kw_only=True)
class UnknownOrder:
    """An order of unknown fate."""

    client_order_id: str
    since_ms: int
    asked: int
    doubt: str


@attrs.frozen(kw_only=True)
class Report:
    """Everything that `opensqt-mm report` says. Names and meanings are those of its JSON."""

    instance: str
    venue: str
    symbol: str
    anchor: Decimal
    price_interval: Decimal
    from_ms: int
    to_ms: int
    """Our clock at the first and the last event."""
    state: str
    """`running`, `paused`, `breaker` or `stopped`; `stopped` whenever no process holds the journal."""
    guards: dict[str, str]
    """Guards that are raised, and why."""
    orders: tuple[OrderHistory, ...]
    """Those that the venue is known to have accepted."""
    refused: tuple[Refusal, ...]
    """Placements that never became an order: refused, or proven dead."""
    fills: tuple[dict[str, Any], ...]
    open_orders: tuple[str, ...]
    slots: tuple[SlotReport, ...]
    position: Decimal
    external: Decimal
    """What others have added to the venue's position since the journal began."""
    cash_flow: dict[str, Decimal]
    fees: dict[str, Decimal]
    funding: Decimal
    realised: Decimal
    realised_venue: Decimal
    unrealised: Decimal
    """Of all open lots at `mark`, buying fees deducted."""
    mark: Decimal | None
    """The last price the journal knows: mid of the last intent, or the last fill."""
    mark_ms: int | None
    trips: int
    dust: Decimal
    """Held by slots that cannot sell it alone, in base units."""
    unknown: tuple[UnknownOrder, ...]
    check: Check


def build_report(reader: JournalReader, *, running: bool | None) -> Report:
    """Read the whole journal once and report.

    `running` says whether a process holds the journal's lock; None if that could not be told, then the journal's own
    last word counts. Raises `UnknownEvent`, and `JournalError` if nothing has happened yet.
    """
    state, folded = _snapshot(reader)
    histories = Histories()
    mark: Decimal | None = None
    first_ms, last_ms, mark_ms = 0, 0, None
    for entry in _entries(reader):
        event = entry.event
        if entry.seq > folded:
            state = fold(state, event)
        histories.add(event)
        first_ms, last_ms = first_ms or event.ms, event.ms
        price = _price(event)
        if price is not None:
            mark, mark_ms = price, event.ms
    created = state.created
    if created is None:
        raise JournalError("the journal is empty: nothing has happened yet")
    return Report(
        instance=created.instance,
        venue=created.venue,
        symbol=created.symbol,
        anchor=created.anchor,
        price_interval=created.price_interval,
        from_ms=first_ms,
        to_ms=last_ms,
        state=running_state(state, running=running),
        guards={name: guard.reason for name, guard in state.guards.items()},
        orders=tuple(histories.accepted(created.symbol)),
        refused=tuple(histories.refused()),
        fills=tuple(histories.fills(created.symbol)),
        open_orders=tuple(name for name, record in state.orders.items() if record.accepted and record.status is None),
        slots=tuple(_slots(state)),
        position=state.position,
        external=state.external,
        cash_flow=dict(state.cash_flow),
        fees=dict(state.fees),
        funding=state.funding,
        realised=state.realised,
        realised_venue=state.realised_venue.quantize(VENUE_STEP),
        unrealised=unrealised(state, mark or ZERO),
        mark=mark,
        mark_ms=mark_ms,
        trips=state.trips,
        dust=dust(state),
        unknown=tuple(_unknown(state)),
        check=check(state, (), None),
    )


def running_state(state: State, *, running: bool | None) -> str:
    """Return `running`, `paused`, `breaker` or `stopped`."""
    if not (state.running if running is None else running):
        return "stopped"
    if "breaker" in state.guards:
        return "breaker"
    return "paused" if "operator_paused" in state.guards else "running"


def unrealised(state: State, mark: Decimal) -> Decimal:
    """Return what all open lots would bring at `mark`, less what they have cost."""
    return sum((slot.held * mark - slot.cost for slot in state.slots.values()), ZERO)


def dust(state: State) -> Decimal:
    """Return what slots hold that cannot sell it alone."""
    small = (level for level, guard in state.reasons.items() if guard.reason == "dust")
    return sum((state.slot(level).held for level in small), ZERO)


def to_json(report: Report) -> bytes:
    """Return the report as one JSON document."""
    return msgspec.json.encode(attrs.asdict(report, value_serializer=_serialise))


def _serialise(_: object, __: object, value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return value.value if isinstance(value, enum.Enum) else value


def _snapshot(reader: JournalReader) -> tuple[State, int]:
    found = reader.snapshot(FORMAT)
    if found is None:
        return State(), 0
    seq, body = found
    return msgspec.json.decode(body, type=State), seq


def _entries(reader: JournalReader) -> Iterator[Entry]:
    """Yield what is in the journal now, a page at a time; what is appended meanwhile is left for the next report."""
    after, last = 0, reader.last_seq()
    while after < last:
        for entry in reader.entries(after=after, limit=min(_PAGE, last - after)):
            after = entry.seq
            yield entry


def _price(event: ev.Event) -> Decimal | None:
    if isinstance(event, ev.OrderIntended):
        return (event.bid + event.ask) / 2
    return event.price if isinstance(event, ev.FillBooked | ev.PositionAdopted) else None


def _slots(state: State) -> Iterator[SlotReport]:
    for level in sorted({*state.slots, *state.reasons}):
        slot = state.slot(level)
        reason = why(state, slot)
        yield SlotReport(
            level=level,
            price=state.ladder.price(level),
            state=slot.state,
            reason=None if reason is None else reason.reason,
            reason_since_ms=None if reason is None else reason.since_ms,
            held=slot.held,
            cost=slot.cost,
            order=slot.order,
            realised=slot.realised,
            trips=slot.trips,
        )


def why(state: State, slot: Slot) -> Guard | None:
    """Return why a level has no order that works, and since when."""
    if slot.state is SlotState.UNKNOWN:
        return Guard(reason="unknown_outcome", since_ms=slot.since_ms)
    return state.reasons.get(slot.level) if slot.order is None else None


def _unknown(state: State) -> Iterator[UnknownOrder]:
    for record in state.orders.values():
        slot = state.slot(record.level)
        if slot.state is SlotState.UNKNOWN:
            yield UnknownOrder(
                client_order_id=record.client_order_id,
                since_ms=record.doubted_ms or slot.since_ms,
                asked=record.asked,
                doubt=record.doubt or "",
            )
