"""A grid, its journal, and a venue that answers at once: ideal, or as badly as a random source likes."""

from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

import attrs
from tests.mm.given import CREATED, T0

from opensqt_core.instrument import Instrument
from opensqt_core.journal import events as ev
from opensqt_core.market import TopOfBook
from opensqt_core.order import OrderStatus, Side
from opensqt_mm import client_ids
from opensqt_mm.decide import decide
from opensqt_mm.decisions import Action, Decision, View
from opensqt_mm.fold import fold
from opensqt_mm.settings import TradingSettings
from opensqt_mm.slots import SlotState
from opensqt_mm.state import OrderRecord, State

OPEN = (SlotState.BUY_OPEN, SlotState.SELL_OPEN)
REFUSALS = ("Rejected", "WouldTake", "ReduceOnlyRejected", "Unavailable")


class World:
    """Applies decisions as the engine does: cancels, attachments, then placements, in that order."""

    def __init__(self, instrument: Instrument, settings: TradingSettings, anchor: Decimal) -> None:
        self.instrument = instrument
        self.settings = settings
        self.events: list[ev.Event] = []
        self.state = State()
        self.ms = T0
        self.trades = 0
        self.tell(
            attrs.evolve(
                CREATED,
                anchor=anchor,
                price_interval=settings.price_interval,
                tick_size=instrument.tick_size,
                lot_size=instrument.lot_size,
            )
        )

    def tell(self, event: ev.Event) -> None:
        """Journal and fold an event."""
        self.events.append(event)
        self.state = fold(self.state, event)

    def now(self) -> int:
        """Let a moment pass."""
        self.ms += 50
        return self.ms

    def book(self, mid: Decimal, half_spread: Decimal) -> TopOfBook:
        """Return a top of book around `mid` on ticks, at least one tick wide."""
        bid = self.instrument.floor_price(mid - half_spread)
        ask = max(self.instrument.ceil_price(mid + half_spread), bid + self.instrument.tick_size)
        return TopOfBook(
            symbol="ETHUSDT", bid=bid, bid_quantity=Decimal(1), ask=ask, ask_quantity=Decimal(1), time_ms=self.ms
        )

    def view(self, book: TopOfBook | None, **changes: Any) -> View:
        """Return what a decision sees now."""
        return View(**({"now_ms": self.ms, "book": book} | changes))

    def decide(self, view: View) -> tuple[Decision, ...]:
        """Decide without doing anything."""
        return decide(self.state, self.instrument, self.settings, view)

    def carry_out(self, decisions: Iterable[Decision], book: TopOfBook, chaos: Random | None = None) -> int:
        """Do what was decided and return how many actions that were; `chaos` makes the venue unreliable."""
        acting = [each for each in decisions if each.action not in (Action.KEEP, Action.NONE)]
        cancelled = []
        for each in acting:
            if each.action is Action.CANCEL:
                name = each.client_order_id or ""
                self.tell(ev.CancelIntended(ms=self.now(), client_order_id=name, reason=str(each.reason)))
                cancelled.append(name)
        for each in acting:
            if each.action is Action.ATTACH:
                self._attach(each)
        placed = [self._intend(each, book) for each in acting if each.action is Action.PLACE]
        for name in cancelled:
            self._answer_cancel(name, chaos)
        for name in placed:
            self._answer_placement(name, book, chaos)
        return len(acting)

    def move(self, book: TopOfBook) -> None:
        """Let everything in the book trade that the new price has passed."""
        for record in list(self.state.orders.values()):
            slot = self.state.slot(record.level)
            passed = book.ask <= record.price if record.side is Side.BUY else book.bid >= record.price
            if passed and slot.state in (*OPEN, SlotState.CANCELLING):
                self.fill(record, record.remaining)

    def fill(self, record: OrderRecord, quantity: Decimal) -> None:
        """Execute some of an order."""
        self.trades += 1
        fee = (quantity * record.price * Decimal("0.0002")).quantize(Decimal("1E-8"))
        self.tell(
            ev.FillBooked(
                ms=self.now(),
                client_order_id=record.client_order_id,
                order_id=f"v{record.client_order_id}",
                trade_id=f"t{self.trades}",
                side=record.side,
                price=record.price,
                quantity=quantity,
                fee=fee,
                fee_asset="USDT",
                fee_quote=fee,
                converted=False,
                maker=True,
                venue_ms=self.ms,
                source="stream",
            )
        )

    def stir(self, chaos: Random) -> None:
        """Let something happen that nobody decided."""
        record = chaos.choice(list(self.state.orders.values())) if self.state.orders else None
        lots = 0 if record is None else int(record.remaining / self.instrument.lot_size)
        match chaos.choice(["fill", "part", "resolve", "stranger", "end", "nothing"]):
            case "fill" if record is not None and lots:
                self.fill(record, record.remaining)
            case "part" if record is not None and lots > 1:
                self.fill(record, chaos.randint(1, lots - 1) * self.instrument.lot_size)
            case "resolve" if record is not None:
                self.update(record, chaos.choice([OrderStatus.NEW, OrderStatus.CANCELED]), "lookup")
            case "end" if record is not None:
                self.update(record, OrderStatus.EXPIRED, "stream")
            case "stranger":
                self._stranger(chaos)
            case _:
                pass

    def clear_up(self) -> None:
        """Let every order of unknown fate, in flight or being cancelled be found, some of them open and others gone."""
        for record in list(self.state.orders.values()):
            state = self.state.slot(record.level).state
            if state in OPEN:
                continue
            if record.sequence % 2 or state is SlotState.CANCELLING:
                self.update(record, OrderStatus.CANCELED, "lookup")
            else:
                self.update(record, OrderStatus.NEW, "lookup")

    def update(self, record: OrderRecord, status: OrderStatus, source: str, *, would_take: bool = False) -> None:
        """Have the venue tell of an order."""
        self.tell(
            ev.OrderUpdated(
                ms=self.now(),
                client_order_id=record.client_order_id,
                order_id=f"v{record.client_order_id}",
                status=status,
                filled=record.filled,
                source=source,
                would_take=would_take,
            )
        )

    def _stranger(self, chaos: Random) -> None:
        self.trades += 1
        self.tell(
            ev.ExternalFill(
                ms=self.now(),
                trade_id=f"x{self.trades}",
                order_id="1",
                client_order_id=None,
                side=chaos.choice([Side.BUY, Side.SELL]),
                price=Decimal(1),
                quantity=chaos.randint(1, 40) * self.instrument.lot_size,
                fee=Decimal(0),
                fee_asset="USDT",
                venue_ms=self.ms,
            )
        )

    def _attach(self, decision: Decision) -> None:
        assert decision.to_level is not None
        assert decision.quantity is not None
        assert decision.price is not None
        self.tell(
            ev.LotsAttached(
                ms=self.now(),
                from_level=decision.level,
                to_level=decision.to_level,
                quantity=decision.quantity,
                sell_price=decision.price,
            )
        )

    def _intend(self, decision: Decision, book: TopOfBook) -> str:
        assert decision.side is not None
        assert decision.price is not None
        assert decision.quantity is not None
        sequence = self.state.next_sequence
        name = client_ids.encode(client_ids.ClientId(CREATED.instance, decision.level, decision.side, sequence))
        self.tell(
            ev.OrderIntended(
                ms=self.now(),
                client_order_id=name,
                sequence=sequence,
                level=decision.level,
                side=decision.side,
                price=decision.price,
                quantity=decision.quantity,
                reduce_only=decision.side is Side.SELL,
                post_only=decision.post_only,
                bid=book.bid,
                ask=book.ask,
                repriced=decision.repriced,
            )
        )
        return name

    def _answer_cancel(self, name: str, chaos: Random | None) -> None:
        record = self.state.orders[name]
        outcome = chaos.choice(["ok", "ok", "doubt", "refused", "silence"]) if chaos else "ok"
        if outcome == "ok":
            self.update(record, OrderStatus.CANCELED, "reply")
        elif outcome == "doubt":
            self.tell(ev.OrderDoubted(ms=self.now(), client_order_id=name, reason="time-out"))
        elif outcome == "refused":
            self.tell(ev.CancelRefused(ms=self.now(), client_order_id=name, error="RateLimited", message="slow"))

    def _answer_placement(self, name: str, book: TopOfBook, chaos: Random | None) -> None:
        record = self.state.orders[name]
        takes = record.price >= book.ask if record.side is Side.BUY else record.price <= book.bid
        outcome = chaos.choice(["ok", "ok", "ok", "doubt", "refused", "silence", "late refusal"]) if chaos else "ok"
        if outcome == "doubt":
            self.tell(ev.OrderDoubted(ms=self.now(), client_order_id=name, reason="time-out"))
        elif outcome == "refused" and chaos is not None:
            self._refuse(name, chaos.choice(REFUSALS))
        elif outcome == "ok" and takes and record.post_only:
            self._refuse(name, "WouldTake")
        elif outcome in ("ok", "late refusal"):
            self.tell(ev.OrderAcknowledged(ms=self.now(), client_order_id=name, order_id=f"v{name}"))
            if outcome == "late refusal":
                self.update(self.state.orders[name], OrderStatus.EXPIRED, "stream", would_take=record.post_only)
            elif takes:
                self.fill(self.state.orders[name], record.quantity)

    def _refuse(self, name: str, error: str) -> None:
        self.tell(ev.OrderRefused(ms=self.now(), client_order_id=name, error=error, message="no"))
