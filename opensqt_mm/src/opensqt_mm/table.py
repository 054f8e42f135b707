"""What people see of a grid in a terminal: a header and the ladder, from plain values that also travel as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Self

import attrs
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from opensqt_core.market import TopOfBook
from opensqt_core.streams import StreamState, StreamStatus
from opensqt_mm.decisions import Decision
from opensqt_mm.plain import age, amounts, clock, moment, number, plain
from opensqt_mm.report import Report, SlotReport, dust, running_state, unrealised, why
from opensqt_mm.slots import SlotState
from opensqt_mm.state import Guard, OrderRecord, Slot, State

NEAR = 3
"""Idle levels this close to the price are always shown."""
_COLLAPSE_FROM = 3
"""Fewer idle levels in a row are shown one by one."""
_STATE_STYLES = {"running": "green", "paused": "yellow", "breaker": "bold red", "stopped": "dim"}


@attrs.frozen(kw_only=True)
class LevelView:
    """One line of the ladder."""

    level: int
    price: Decimal
    state: str
    held: Decimal = Decimal(0)
    side: str | None = None
    order_price: Decimal | None = None
    order_quantity: Decimal | None = None
    """What may still trade of the live order."""
    client_order_id: str | None = None
    reason: str | None = None
    """Why there is no order, or what is wrong with it."""
    since_ms: int | None = None
    """When it came into this state, or since when the reason holds."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to see: no order, nothing held."""
        return self.client_order_id is None and self.held == 0


@attrs.frozen(kw_only=True)
class StreamView:
    """One subscription's health."""

    name: str
    state: str
    restarts: int
    last_event_ms: int | None
    reason: str


@attrs.frozen(kw_only=True)
class StatusView:
    """All that `status` shows, as JSON-serialisable values."""

    symbol: str
    venue: str
    instance: str
    state: str
    """`running`, `paused`, `breaker` or `stopped`."""
    guards: dict[str, str]
    now_ms: int
    price: Decimal | None
    position: Decimal
    external: Decimal
    realised: Decimal
    unrealised: Decimal | None
    """None while no price is known."""
    trips: int
    fees: dict[str, Decimal]
    funding: Decimal
    dust: Decimal
    open_orders: int
    unknown: tuple[str, ...]
    """Orders of unknown fate, one sentence each."""
    levels: tuple[LevelView, ...]
    """Highest first."""
    streams: tuple[StreamView, ...]

    @classmethod
    def from_state(
        cls,
        state: State,
        decisions: Iterable[Decision] | None,
        book: TopOfBook | None,
        streams: Mapping[str, StreamStatus],
        now_ms: int,
        *,
        running: bool | None = True,
    ) -> Self:
        """Return the view of a state that has a grid; `decisions` and `book` are None if nobody decides now."""
        created = state.created
        price = None if book is None else book.mid
        decided = {decision.level: decision for decision in decisions or ()}
        levels = sorted({*decided, *state.reasons, *(s.level for s in state.slots.values() if s.order or s.lots)})
        return cls(
            symbol="" if created is None else created.symbol,
            venue="" if created is None else created.venue,
            instance="" if created is None else created.instance,
            state=running_state(state, running=running),
            guards={name: guard.reason for name, guard in state.guards.items()},
            now_ms=now_ms,
            price=price,
            position=state.position,
            external=state.external,
            realised=state.realised,
            unrealised=None if price is None else unrealised(state, price),
            trips=state.trips,
            fees=dict(state.fees),
            funding=state.funding,
            dust=dust(state),
            open_orders=len(state.orders),
            unknown=tuple(_unknown(state, now_ms)),
            levels=tuple(_level(state, level, decided.get(level), now_ms) for level in reversed(levels)),
            streams=tuple(_stream(status) for status in streams.values()),
        )


def render_status(view: StatusView) -> RenderableType:
    """Return header, streams and ladder, ready to print."""
    header = _pairs(
        [
            ("price", number(view.price)),
            ("position", _position(view.position, view.external)),
            ("realised", plain(view.realised)),
            ("unrealised", number(view.unrealised)),
            ("trips", str(view.trips)),
            ("fees", amounts(view.fees)),
            ("funding", plain(view.funding)),
            ("open orders", str(view.open_orders)),
            ("dust", plain(view.dust)),
        ]
    )
    streams = [Text(_stream_line(stream, view.now_ms), style=_stream_style(stream)) for stream in view.streams]
    unknown = [Text(line, style="bold red") for line in view.unknown]
    title = _title(f"{view.symbol} on {view.venue}", view.state, view.guards)
    return Group(title, header, *streams, *unknown, _ladder(view))


def render_report(report: Report) -> RenderableType:
    """Return a report's totals and its slots, ready to print."""
    unknown = [f"{o.client_order_id}: unknown since {clock(o.since_ms)}, asked {o.asked} times" for o in report.unknown]
    totals = _pairs(
        [
            ("from", moment(report.from_ms)),
            ("to", moment(report.to_ms)),
            ("grid", f"{plain(report.anchor)} + k x {plain(report.price_interval)}"),
            ("position", _position(report.position, report.external)),
            ("realised", plain(report.realised)),
            ("realised (venue's way)", plain(report.realised_venue)),
            ("unrealised", f"{plain(report.unrealised)} at {number(report.mark)}"),
            ("cash flow", amounts(report.cash_flow)),
            ("fees", amounts(report.fees)),
            ("funding", plain(report.funding)),
            ("trips", str(report.trips)),
            ("orders", f"{len(report.orders)}, {len(report.open_orders)} open, {len(report.refused)} refused"),
            ("fills", str(len(report.fills))),
            ("dust", plain(report.dust)),
            ("check", _findings(report)),
        ]
    )
    title = _title(f"{report.symbol} on {report.venue}", report.state, report.guards)
    return Group(title, totals, *(Text(line, style="bold red") for line in unknown), _slot_table(report.slots))


def _level(state: State, level: int, decision: Decision | None, now_ms: int) -> LevelView:
    slot = state.slot(level)
    record = state.orders.get(slot.order or "")
    reason = _reason(state, slot, decision, now_ms)
    return LevelView(
        level=level,
        price=state.ladder.price(level),
        state=slot.state.value,
        held=slot.held,
        side=None if record is None else record.side.value,
        order_price=None if record is None else record.price,
        order_quantity=None if record is None else record.remaining,
        client_order_id=slot.order,
        reason=None if reason is None else reason.reason,
        since_ms=slot.since_ms or None if reason is None else reason.since_ms,
    )


def _reason(state: State, slot: Slot, decision: Decision | None, now_ms: int) -> Guard | None:
    """The decision's reason is the newest, the journal's knows since when it holds."""
    known = why(state, slot)
    if decision is None or (known is not None and known.reason == decision.reason):
        return known
    if decision.reason is None:
        return None
    return Guard(reason=decision.reason.value, since_ms=slot.since_ms if slot.order is not None else now_ms)


def _unknown(state: State, now_ms: int) -> Iterator[str]:
    for record in state.orders.values():
        if state.slot(record.level).state is SlotState.UNKNOWN:
            yield _unknown_line(record, now_ms)


def _unknown_line(record: OrderRecord, now_ms: int) -> str:
    since = record.doubted_ms or now_ms
    asked = f"asked {record.asked} times" if record.asked != 1 else "asked once"
    return f"{record.client_order_id}: unknown since {clock(since)} ({age(now_ms - since)}), {asked}: {record.doubt}"


def _stream(status: StreamStatus) -> StreamView:
    return StreamView(
        name=status.name,
        state=status.state.value,
        restarts=status.restarts,
        last_event_ms=status.last_event_ms,
        reason=status.reason,
    )


def _ladder(view: StatusView) -> Table:
    table = _table(_LADDER_COLUMNS)
    above = view.price is not None
    for rows in _runs(view):
        if above and view.price is not None and rows[0].price <= view.price:
            above = False
            table.add_row("", plain(view.price), "<- price", style="bold cyan")
        if len(rows) >= _COLLAPSE_FROM:
            skipped = rows[0].level - rows[-1].level + 1
            table.add_row("", "", f"... {skipped} idle levels", "", "", _shared_reason(rows), "", style="dim")
            continue
        for row in rows:
            table.add_row(*_cells(row, view.now_ms), style=_row_style(row))
    return table


_LADDER_COLUMNS: tuple[tuple[str, JustifyMethod], ...] = (
    ("level", "right"),
    ("price", "right"),
    ("state", "left"),
    ("held", "right"),
    ("order", "left"),
    ("reason", "left"),
    ("age", "right"),
)
_SLOT_COLUMNS: tuple[tuple[str, JustifyMethod], ...] = (
    ("level", "right"),
    ("price", "right"),
    ("state", "left"),
    ("held", "right"),
    ("cost", "right"),
    ("order", "left"),
    ("realised", "right"),
    ("trips", "right"),
    ("reason", "left"),
)


def _table(columns: Iterable[tuple[str, JustifyMethod]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    return table


def _runs(view: StatusView) -> Iterator[list[LevelView]]:
    """Yield rows one by one, but idle ones far from the price together, never across the price."""
    nearest = None
    if view.price is not None:
        price = view.price
        nearest = min(view.levels, key=lambda row: abs(row.price - price), default=None)
    run: list[LevelView] = []
    for row in view.levels:
        near = nearest is not None and abs(row.level - nearest.level) <= NEAR
        if row.idle and not near and (not run or _same_side(view.price, run[-1], row)):
            run.append(row)
            continue
        yield from _run(run)
        run = [row] if row.idle and not near else []
        if not run:
            yield [row]
    yield from _run(run)


def _run(run: list[LevelView]) -> Iterator[list[LevelView]]:
    if len(run) >= _COLLAPSE_FROM:
        yield run
    else:
        yield from ([row] for row in run)


def _same_side(price: Decimal | None, one: LevelView, other: LevelView) -> bool:
    return price is None or (one.price > price) == (other.price > price)


def _shared_reason(rows: Iterable[LevelView]) -> str:
    reasons = sorted({row.reason for row in rows if row.reason is not None})
    return ", ".join(reasons)


def _cells(row: LevelView, now_ms: int) -> tuple[str, ...]:
    order = "" if row.side is None else f"{row.side} {number(row.order_quantity)} @ {number(row.order_price)}"
    since = "" if row.since_ms is None else age(now_ms - row.since_ms)
    held = plain(row.held) if row.held else ""
    return (str(row.level), plain(row.price), row.state, held, order, row.reason or "", since)


def _row_style(row: LevelView) -> str:
    if row.state == SlotState.UNKNOWN:
        return "bold red"
    if row.idle:
        return "dim"
    return {"buy": "green", "sell": "magenta"}.get(row.side or "", "")


def _slot_table(slots: Iterable[SlotReport]) -> Table:
    table = _table(_SLOT_COLUMNS)
    for slot in sorted(slots, key=lambda each: -each.level):
        if slot.order is None and not slot.held and not slot.trips and not slot.realised:
            continue
        table.add_row(
            str(slot.level),
            plain(slot.price),
            slot.state.value,
            plain(slot.held),
            plain(slot.cost),
            slot.order or "",
            plain(slot.realised),
            str(slot.trips),
            slot.reason or "",
        )
    return table


def _title(what: str, state: str, guards: Mapping[str, str]) -> Text:
    text = Text.assemble((what, "bold"), "  ", (state, _STATE_STYLES.get(state, "")))
    for name, reason in guards.items():
        text.append(f"  {name}: {reason}", style="yellow")
    return text


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs:
        grid.add_row(Text(name, style="dim"), value)
    return grid


def _findings(report: Report) -> str:
    found = attrs.asdict(report.check)
    return ", ".join(f"{name}: {' '.join(ids)}" for name, ids in found.items() if ids) or "nothing amiss"


def _stream_line(stream: StreamView, now_ms: int) -> str:
    last = "no event yet" if stream.last_event_ms is None else f"last event {age(now_ms - stream.last_event_ms)} ago"
    reason = f", {stream.reason}" if stream.reason else ""
    return f"{stream.name}: {stream.state}, {last}, {stream.restarts} restarts{reason}"


def _stream_style(stream: StreamView) -> str:
    return "dim" if stream.state == StreamState.LIVE else "bold yellow"


def _position(ours: Decimal, external: Decimal) -> str:
    return plain(ours) if external == 0 else f"{plain(ours)} (others have added {plain(external)})"
