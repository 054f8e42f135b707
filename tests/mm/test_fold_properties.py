"""The fold against a second opinion, under every interleaving that a venue and a network can produce."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.mm.given import CREATED, cid
from tests.mm.reference import UNIT, Reference

from opensqt_core.journal import codec
from opensqt_core.journal import events as ev
from opensqt_core.order import OrderStatus, Side
from opensqt_mm import client_ids
from opensqt_mm.fold import fold, fold_all
from opensqt_mm.slots import SlotState
from opensqt_mm.state import State

LEVELS = st.integers(-2, 2)
OPEN = (SlotState.BUY_OPEN, SlotState.SELL_OPEN)
_told_again = (
    ev.OrderAcknowledged,
    ev.OrderRefused,
    ev.OrderDoubted,
    ev.OrderUpdated,
    ev.OrderSettled,
    ev.FillBooked,
    ev.ExternalFill,
    ev.CancelRefused,
    ev.FundingBooked,
    ev.GuardChanged,
    ev.ReasonsChanged,
)


def again(state: State, event: ev.Event) -> bool:
    """Tell whether a repeat brings no news."""
    return fold(state, event) is state


class Venue(RuleBasedStateMachine):
    """Rules are what may reach the journal, in any order; our own intents come only where the slot table allows."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.model = Reference()
        self.events: list[ev.Event] = []
        self.names: list[str] = []
        self.trades: dict[str, list[ev.FillBooked]] = {}
        self.ms = 0
        self.count = 0

    def tell(self, event: ev.Event) -> None:
        """Fold an event as it comes back from the file, and once more if it is one that venues repeat."""
        event = codec.decode(*codec.encode(event))
        before = self.state
        self.state = fold(before, event)
        self.model.apply(event)
        self.events.append(event)
        if isinstance(event, _told_again):
            assert again(self.state, event)

    def now(self) -> int:
        """Return another millisecond."""
        self.ms += 1
        return self.ms

    def intend(self, level: int, side: Side, units: int) -> None:
        """Intend an order under the next sequence."""
        name = cid(level, side, self.state.next_sequence)
        self.names.append(name)
        self.trades[name] = []
        self.tell(
            ev.OrderIntended(
                ms=self.now(),
                client_order_id=name,
                sequence=self.state.next_sequence,
                level=level,
                side=side,
                price=Decimal(3000 + 10 * level),
                quantity=units * UNIT,
                reduce_only=side is Side.SELL,
                post_only=True,
                bid=Decimal(2999),
                ask=Decimal(3001),
            )
        )

    def pick(self, choice: float) -> tuple[str, dict[str, Any]]:
        """Choose an order, more often a recent one; ended ones too."""
        index = len(self.names) - 1 - int(len(self.names) * choice * choice)
        name = self.names[max(0, index)]
        return name, self.model.orders[name]

    @initialize()
    def create(self) -> None:
        self.tell(CREATED)

    @rule(level=LEVELS, units=st.integers(1, 12))
    def buy(self, level: int, units: int) -> None:
        if self.state.slot(level).state is SlotState.EMPTY:
            self.intend(level, Side.BUY, units)

    @rule(level=LEVELS, share=st.floats(0.1, 1))
    def sell(self, level: int, share: float) -> None:
        slot = self.state.slot(level)
        if slot.state is SlotState.HELD and slot.held > 0:
            self.intend(level, Side.SELL, max(1, int(int(slot.held / UNIT) * share)))

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1))
    def acknowledge(self, choice: float) -> None:
        name, _ = self.pick(choice)
        self.tell(ev.OrderAcknowledged(ms=self.now(), client_order_id=name, order_id=f"v{name}"))

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1), error=st.sampled_from(["Rejected", "WouldTake", "Unavailable", "ReduceOnlyRejected"]))
    def refuse(self, choice: float, error: str) -> None:
        name, _ = self.pick(choice)
        self.tell(ev.OrderRefused(ms=self.now(), client_order_id=name, error=error, message="no"))

    @precondition(lambda self: self.names)
    @rule(
        choice=st.floats(0, 1),
        status=st.sampled_from(OrderStatus),
        share=st.floats(0, 1),
        source=st.sampled_from(["reply", "stream", "lookup"]),
        would_take=st.booleans(),
    )
    def update(self, choice: float, status: OrderStatus, share: float, source: str, would_take: bool) -> None:
        name, order = self.pick(choice)
        units = order["quantity"] if status is OrderStatus.FILLED else round(order["quantity"] * share)
        if status in (OrderStatus.NEW, OrderStatus.REJECTED):
            units = 0
        self.tell(
            ev.OrderUpdated(
                ms=self.now(),
                client_order_id=name,
                order_id=f"v{name}",
                status=status,
                filled=units * UNIT,
                source=source,
                would_take=would_take and status.terminal and units == 0,
            )
        )

    @precondition(lambda self: self.names)
    @rule(
        choice=st.floats(0, 1),
        share=st.floats(0.01, 1),
        price=st.integers(297_000, 303_000),
        fee=st.integers(-50, 50),
        foreign=st.booleans(),
    )
    def fill(self, choice: float, share: float, price: int, fee: int, foreign: bool) -> None:
        name, order = self.pick(choice)
        units = min(order["quantity"] - sum(order["fills"].values()), max(1, int(order["quantity"] * share)))
        if units == 0:
            return
        self.count += 1
        paid = Decimal(fee * units).scaleb(-6)
        event = ev.FillBooked(
            ms=self.now(),
            client_order_id=name,
            order_id=f"v{name}",
            trade_id=f"t{self.count}",
            side=order["side"],
            price=Decimal(price).scaleb(-2),
            quantity=units * UNIT,
            fee=paid / 500 if foreign else paid,
            fee_asset="BNB" if foreign else "USDT",
            fee_quote=paid,
            converted=foreign,
            maker=True,
            venue_ms=self.ms,
            source="stream",
        )
        self.trades[name].append(event)
        self.tell(event)

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1))
    def repeat_a_fill(self, choice: float) -> None:
        name, _ = self.pick(choice)
        for event in self.trades[name][:1]:
            assert again(self.state, event)
            self.tell(event)

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1))
    def doubt(self, choice: float) -> None:
        name, _ = self.pick(choice)
        self.tell(ev.OrderDoubted(ms=self.now(), client_order_id=name, reason="time-out"))

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1))
    def ask(self, choice: float) -> None:
        name, _ = self.pick(choice)
        self.tell(ev.OrderAsked(ms=self.now(), client_order_id=name, found="nothing"))

    @rule(level=LEVELS)
    def cancel(self, level: int) -> None:
        slot = self.state.slot(level)
        if slot.state in OPEN and slot.order is not None:
            self.tell(ev.CancelIntended(ms=self.now(), client_order_id=slot.order, reason="outside_window"))

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1))
    def refuse_cancel(self, choice: float) -> None:
        name, _ = self.pick(choice)
        self.tell(ev.CancelRefused(ms=self.now(), client_order_id=name, error="RateLimited", message="no"))

    @precondition(lambda self: self.names)
    @rule(choice=st.floats(0, 1), share=st.floats(0, 1), dead=st.booleans())
    def settle(self, choice: float, share: float, dead: bool) -> None:
        name, order = self.pick(choice)
        units = 0 if dead else round(order["quantity"] * share)
        outcome = "dead" if dead else "filled"
        self.tell(
            ev.OrderSettled(
                ms=self.now(), client_order_id=name, outcome=outcome, filled=units * UNIT, evidence="a person"
            )
        )

    @rule(source=LEVELS, receiver=LEVELS)
    def attach(self, source: int, receiver: int) -> None:
        slot = self.state.slot(source)
        if source != receiver and slot.state is SlotState.HELD:
            self.tell(
                ev.LotsAttached(
                    ms=self.now(), from_level=source, to_level=receiver, quantity=slot.held, sell_price=Decimal(3100)
                )
            )

    @rule(level=LEVELS, units=st.integers(1, 5))
    def adopt(self, level: int, units: int) -> None:
        self.tell(ev.PositionAdopted(ms=self.now(), level=level, quantity=units * UNIT, price=Decimal("3001.5")))

    @rule(number=st.integers(1, 6), amount=st.integers(-900, 900))
    def fund(self, number: int, amount: int) -> None:
        self.tell(
            ev.FundingBooked(
                ms=self.now(),
                payment_id=f"p{number}",
                amount=Decimal(amount).scaleb(-4),
                asset="USDT",
                venue_ms=self.ms,
            )
        )

    @rule(number=st.integers(1, 6), side=st.sampled_from(Side), units=st.integers(1, 9))
    def trade_by_hand(self, number: int, side: Side, units: int) -> None:
        self.tell(
            ev.ExternalFill(
                ms=self.now(),
                trade_id=f"x{number}",
                order_id="1",
                client_order_id=None,
                side=side,
                price=Decimal(3000),
                quantity=units * UNIT,
                fee=Decimal(0),
                fee_asset="USDT",
                venue_ms=self.ms,
            )
        )

    @rule(guard=st.sampled_from(["breaker", "margin_lock"]), raised=st.booleans())
    def guard(self, guard: str, raised: bool) -> None:
        self.tell(ev.GuardChanged(ms=self.now(), guard=guard, raised=raised, reason="because"))

    @rule(level=LEVELS, reason=st.sampled_from(["", "order_cap", "outside_window"]))
    def reason(self, level: int, reason: str) -> None:
        self.tell(ev.ReasonsChanged(ms=self.now(), reasons={level: reason}))

    @invariant()
    def slots_are_where_they_should_be(self) -> None:
        for level in range(-2, 3):
            slot = self.state.slot(level)
            assert slot.state == self.model.state_of(level), level
            assert slot.order == self.model.live.get(level)
            assert slot.held == self.model.held(level)

    @invariant()
    def one_live_order_for_each_slot(self) -> None:
        named = {slot.order: slot.level for slot in self.state.slots.values() if slot.order is not None}
        assert named == {name: record.level for name, record in self.state.orders.items()}
        assert all(name == record.client_order_id for name, record in self.state.orders.items())

    @invariant()
    def ids_never_repeat(self) -> None:
        counts = Counter(event.client_order_id for event in self.events if isinstance(event, ev.OrderIntended))
        assert all(count == 1 for count in counts.values())
        sequences = [said.sequence for name in self.names if (said := client_ids.decode(name)) is not None]
        assert sequences == sorted(set(sequences))

    @invariant()
    def money_adds_up(self) -> None:
        state, model = self.state, self.model
        assert state.position == model.position
        assert state.external == model.external
        assert state.funding == model.funding
        assert {asset: fee for asset, fee in state.fees.items() if fee} == {a: f for a, f in model.fees.items() if f}
        assert state.realised == model.realised == sum((slot.realised for slot in state.slots.values()), Decimal(0))
        assert state.trips == model.trips == sum(slot.trips for slot in state.slots.values())
        assert sum((slot.cost for slot in state.slots.values()), Decimal(0)) == model.lots_cost()

    @invariant()
    def the_profit_identity_holds_at_any_mark(self) -> None:
        fills = {event.trade_id: event for told in self.trades.values() for event in told}.values()
        foreign = sum((event.fee_quote for event in fills if event.fee_asset != "USDT"), Decimal(0))
        cash = self.state.cash_flow.get("USDT", Decimal(0)) - foreign
        assert cash == self.model.cash
        lots = [lot for slot in self.state.slots.values() for lot in slot.lots]
        for mark in (Decimal(0), Decimal("2987.65"), Decimal(5000)):
            unrealised = sum((lot.quantity * mark - lot.cost for lot in lots), Decimal(0))
            assert cash + self.state.position * mark == self.state.realised + self.state.funding + unrealised

    @invariant()
    def an_unknown_order_says_since_when(self) -> None:
        for slot in self.state.slots.values():
            if slot.state is SlotState.UNKNOWN and slot.order is not None:
                assert self.state.orders[slot.order].doubted_ms is not None

    def teardown(self) -> None:
        assert fold_all(State(), self.events) == self.state
        body = msgspec.json.encode(self.state)
        copy = msgspec.json.decode(body, type=State)
        assert copy == self.state
        assert msgspec.json.encode(copy) == body


TestFold = Venue.TestCase
