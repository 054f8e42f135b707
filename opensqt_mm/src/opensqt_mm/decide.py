"""What should rest on the book: a pure function of state, instrument, settings, price and time.

`decide` looks at every level that matters and says for each what to do or why nothing is done. It reads no clock, draws
no random number and writes no log; the executor carries out what it says.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import attrs

from opensqt_core.instrument import Instrument
from opensqt_core.market import TopOfBook
from opensqt_core.order import Side
from opensqt_mm.decisions import Action, Decision, Reason, View
from opensqt_mm.ladder import Ladder
from opensqt_mm.settings import TradingSettings
from opensqt_mm.slots import SlotState
from opensqt_mm.state import OrderRecord, Slot, State

REPRICE_BOOK_AGE = 1.0
"""Seconds: an older book does not tell where a post-only order would rest."""
PROBE_REFUSED_MS = 60_000
"""How often an order is tried again after the same refusal came three times."""
REDUCE_ONLY_RETRY_MS: tuple[int, ...] = (1_000, 2_000, 4_000)
"""Pauses after a reduce-only refusal: the venue may not have booked the buy yet."""
WOULD_TAKE_RETRY_MS: tuple[int, ...] = (0, 50, 100, 200, 400, 800, 1_000)
"""Pauses after post-only refusals in a row: in a market that runs, each new price is stale when it arrives."""
_RETRY_MS: tuple[int, ...] = (0, 0)
"""Pauses after any other refusal, before it counts as lasting."""
_STAYING = (SlotState.BUY_PENDING, SlotState.UNKNOWN)
"""Locked states of a buy that keeps its place; one that is being cancelled is about to leave it."""
_TOO_CLOSE = Decimal("0.1")
"""Of the distance to the next level: a buy this near to the price would be bought at once and sold at once."""
_MAKE_ROOM = Decimal("0.25")
"""Of the distance to the next level: so much further the price must have gone before a resting buy gives up its place
to a nearer order. Otherwise a price that swings around the point where that order is wanted moves both all the time."""


def decide(state: State, instrument: Instrument, settings: TradingSettings, view: View) -> tuple[Decision, ...]:
    """Return a decision for every level looked at, sells first, nearest to the price first."""
    if view.book is None:
        return tuple(_without_price(state, view.pull_buys))
    return tuple(_Round(state, instrument, settings, view, view.book).decisions())


def _without_price(state: State, pull_buys: Reason | None) -> Iterator[Decision]:
    for slot in state.slots.values():
        if slot.order is not None:
            record = state.orders[slot.order]
            if slot.state.locked:
                yield _locked(slot, record)
            elif record.side is Side.BUY and pull_buys is not None:
                yield _cancel(record, pull_buys)
            else:
                yield attrs.evolve(_keep(record), reason=Reason.STALE_PRICE)
        elif slot.lots:
            yield Decision(level=slot.level, action=Action.NONE, side=Side.SELL, reason=Reason.STALE_PRICE)


class _Round:
    """One decision round: the sums that levels share, and what has been given away so far."""

    def __init__(
        self, state: State, instrument: Instrument, settings: TradingSettings, view: View, book: TopOfBook
    ) -> None:
        self.state = state
        self.instrument = instrument
        self.settings = settings
        self.view = view
        self.book = book
        self.ladder: Ladder = state.ladder
        self.price = book.mid
        self.nearest = self.ladder.nearest(self.price)
        self.minimum = max(instrument.min_notional, settings.min_order_value or Decimal(0))
        self.order_cap = min(settings.order_cleanup_threshold, instrument.max_open_orders or 1_000_000)
        self.gap = self.ladder.price(self.nearest + 1) - self.ladder.price(self.nearest)
        self.live = len(state.orders)
        self.placements = view.placements
        self.holding = [slot for slot in state.slots.values() if slot.lots]
        self.buying = {record.level: record for record in state.orders.values() if record.side is Side.BUY}
        sells = [record for record in state.orders.values() if record.side is Side.SELL]
        self.selling = [record.level for record in sells]
        self.sells_live = len(sells)
        self.sells_waiting = 0
        """Sells that wait for a buy to make room."""
        self.buys_planned = 0
        self.lowest_sell = min((record.price for record in sells), default=None)
        self.highest_buy = max((record.price for record in self.buying.values()), default=None)
        self.sellable = state.position + state.external - sum((record.remaining for record in sells), Decimal(0))

    def decisions(self) -> Iterator[Decision]:
        yield from self._sells()
        yield from self._buys()

    def _sells(self) -> Iterator[Decision]:
        attachments = self._attachments()
        yield from attachments
        slots = self._sellers({decision.level for decision in attachments})
        size = min(self.settings.sell_window_size, self.order_cap)
        wanted = {slot.level for slot in [slot for slot in slots if self._sell_reaches(slot)][:size]}
        surplus = self._surplus(slots)
        for slot in slots:
            if slot.order is None:
                yield self._new_sell(slot, inside=slot.level in wanted)
            elif slot.order in surplus:
                yield _cancel(self.state.orders[slot.order], Reason.POSITION_SHORT)
            else:
                yield self._resting_sell(slot, inside=slot.level in wanted)

    def _sell_reaches(self, slot: Slot) -> bool:
        """Whether the slot is low enough for a sell; one that rests is given a level of patience.

        A price that swings around the middle between two levels would otherwise cancel and place it at each swing.
        """
        patience = 0 if slot.order is None else 1
        reach = self.nearest + self.settings.sell_window_size + patience
        return slot.level <= reach and not self._too_small(slot)

    def _sellers(self, joined: set[int]) -> list[Slot]:
        """Slots that hold something or have a sell in the book, nearest to the price first.

        One that rests counts as one level nearer: two slots on either side of a price that swings would otherwise take
        the last place from each other at each swing.
        """
        slots = [slot for slot in self.holding if slot.level not in self.buying and slot.level not in joined]
        slots += [self.state.slots[level] for level in self.selling if not self.state.slots[level].lots]

        def distance(slot: Slot) -> tuple[Decimal, int]:
            away = abs(self.ladder.price(slot.level) - self.price)
            return (away - self.gap if slot.order else away), slot.level

        return sorted(slots, key=distance)

    def _surplus(self, slots: list[Slot]) -> set[str]:
        """Return the farthest resting sells that together are more than the position: others have reduced it."""
        excess, surplus = -self.sellable, set()
        for slot in reversed(slots):
            if excess > 0 and slot.order is not None and slot.state is SlotState.SELL_OPEN:
                surplus.add(slot.order)
                excess -= self.state.orders[slot.order].remaining
        return surplus

    def _resting_sell(self, slot: Slot, *, inside: bool) -> Decision:
        record = self.state.orders[slot.order or ""]
        if slot.state.locked:
            return _locked(slot, record)
        if not inside:
            return _cancel(record, Reason.OUTSIDE_WINDOW)
        if record.remaining > slot.held:
            return _cancel(record, Reason.MISPLACED)
        base = self.state.sell_price(slot)
        gap = self.ladder.price(slot.level + 1) - self.ladder.price(slot.level)
        if record.repriced and record.price - base > gap and base > self.book.ask and self._book_fresh:
            return _cancel(record, Reason.MISPLACED)
        return _keep(record)

    def _new_sell(self, slot: Slot, *, inside: bool) -> Decision:
        price, post_only, repriced = self._sell_price(slot)
        none = Decision(level=slot.level, action=Action.NONE, side=Side.SELL, price=price, quantity=slot.held)
        if self._too_small(slot):
            return attrs.evolve(none, reason=Reason.DUST)
        if not inside:
            return attrs.evolve(none, reason=Reason.OUTSIDE_WINDOW)
        quantity = self.instrument.floor_quantity(min(slot.held, self.sellable, self.instrument.max_quantity))
        if quantity <= 0 or self._below_minimum(price, quantity, reduce_only=True):
            return attrs.evolve(none, reason=Reason.POSITION_SHORT)
        reason = self.view.orders_blocked or self._resting_refusal(slot) or self._would_take_sell(price, post_only)
        if reason is None and self.highest_buy is not None and price <= self.highest_buy:
            reason = Reason.WOULD_SELF_TRADE
        if reason is None and self.live >= self.order_cap:
            firmly = self.ladder.nearest(self.price - _MAKE_ROOM * self.gap) + self.settings.sell_window_size
            self.sells_waiting += slot.level <= firmly
            reason = Reason.ORDER_CAP
        reason = reason or self._spend()
        if reason is not None:
            return attrs.evolve(none, reason=reason)
        self.sells_live += 1
        self.sellable -= quantity
        self.lowest_sell = price if self.lowest_sell is None else min(price, self.lowest_sell)
        return attrs.evolve(none, action=Action.PLACE, quantity=quantity, post_only=post_only, repriced=repriced)

    def _sell_price(self, slot: Slot) -> tuple[Decimal, bool, bool]:
        """Return (price, post-only, repriced)."""
        base = self.state.sell_price(slot)
        mode = self.settings.on_would_take
        if mode == "take" and slot.would_take >= 3:
            return base, False, False
        crossing = base <= self.book.bid or slot.would_take > 0
        if mode == "reprice" and crossing and self._book_fresh:
            price = max(base, self.instrument.ceil_price(self.book.ask))
            return price, True, price != base
        return base, True, False

    def _would_take_sell(self, price: Decimal, post_only: bool) -> Reason | None:  # noqa: FBT001
        crossing = post_only and price <= self.book.bid
        return Reason.WOULD_TAKE if crossing and self.settings.on_would_take != "take" else None

    def _too_small(self, slot: Slot) -> bool:
        """Whether what the slot holds can't be sold alone."""
        quantity = self.instrument.floor_quantity(slot.held)
        return slot.order is None and self._below_minimum(self._sell_price(slot)[0], quantity, reduce_only=True)

    def _attachments(self) -> list[Decision]:
        """What is too small to sell alone joins the nearest slot that holds and has no order, at the higher price.

        From here on `holding` shows the slots as they will be, so that a slot that receives sells it all this round.
        """
        slots = {slot.level: slot for slot in self.holding if slot.state is SlotState.HELD and slot.held > 0}
        joins: dict[int, int] = {}
        for level in sorted(slots):
            slot = slots[level]
            others = [other for other in slots if other != level and other not in joins]
            if level in joins.values() or not others or not self._too_small(slot):
                continue
            joins[level] = _nearest_to(level, others)
            target = slots[joins[level]]
            price = max(self.state.sell_price(slot), self.state.sell_price(target))
            slots[target.level] = attrs.evolve(target, lots=(*target.lots, *slot.lots), sell_price=price)
        self.holding = [slots.get(slot.level, slot) for slot in self.holding]
        return [
            Decision(
                level=level,
                action=Action.ATTACH,
                side=Side.SELL,
                price=slots[target].sell_price,
                quantity=slots[level].held,
                to_level=target,
            )
            for level, target in joins.items()
        ]

    def _buys(self) -> Iterator[Decision]:
        window = range(self.nearest, self.nearest - self.settings.buy_window_size, -1)
        levels = sorted({*window, *self.buying}, reverse=True)
        locked = sum(1 for level in self.buying if self.state.slots[level].state in _STAYING)
        inventory = self.settings.max_held_levels - sum(1 for slot in self.holding if slot.level not in self.buying)
        room = self.order_cap - self.sells_live - self.sells_waiting
        budget, short = (inventory, Reason.INVENTORY_CAP) if inventory < room else (room, Reason.ORDER_CAP)
        given = 0
        for level in levels:
            record = self.buying.get(level)
            if record is None:
                slot = self.state.slots.get(level)
                if slot is not None and (slot.lots or slot.order):
                    continue
                decision = self._new_buy(slot or Slot(level=level), short=short if given + locked >= budget else None)
                given += decision.action is Action.PLACE or self._makes_room(decision)
                yield decision
            elif self.state.slots[level].state.locked:
                yield _locked(self.state.slots[level], record)
            else:
                decision = self._resting_buy(record, short=short if given + locked >= budget else None)
                given += decision.action is Action.KEEP
                yield decision

    def _makes_room(self, decision: Decision) -> bool:
        """Whether a buy that only waits for room has its place already: the farthest one leaves, as for a sell."""
        waits = decision.reason in (Reason.ORDER_CAP, Reason.INVENTORY_CAP)
        return waits and self.ladder.price(decision.level) < self.price - (_TOO_CLOSE + _MAKE_ROOM) * self.gap

    def _resting_buy(self, record: OrderRecord, *, short: Reason | None) -> Decision:
        level = record.level
        behind = self.nearest - self.settings.buy_window_size + 1 - self.settings.slack
        if self.view.pull_buys is not None:
            return _cancel(record, self.view.pull_buys)
        if record.filled > 0 and self.price >= self.ladder.price(level + 1):
            return _cancel(record, Reason.PARTIAL_FILL)
        if not self._in_range(level):
            return _cancel(record, Reason.OUTSIDE_RANGE)
        if level < behind:
            return _cancel(record, Reason.OUTSIDE_WINDOW)
        if short is not None:
            return _cancel(record, short)
        return _keep(record)

    def _new_buy(self, slot: Slot, *, short: Reason | None) -> Decision:
        level = slot.level
        base = self.ladder.price(level)
        price, repriced = self._buy_price(slot, base)
        quantity = self._buy_quantity(base)
        none = Decision(level=level, action=Action.NONE, side=Side.BUY, price=price, quantity=quantity)
        if base <= 0 or not self._in_range(level):
            return attrs.evolve(none, reason=Reason.OUTSIDE_RANGE)
        if not base < self.price - _TOO_CLOSE * self.gap:
            return attrs.evolve(none, reason=Reason.TOO_CLOSE_TO_PRICE)
        if self._below_minimum(price, quantity, reduce_only=False):
            return attrs.evolve(none, reason=Reason.BELOW_MINIMUM)
        reason = self.view.orders_blocked or self.view.pull_buys or self.view.buys_blocked or short
        reason = reason or self._resting_refusal(slot)
        if reason is None and price >= self.book.ask and self.settings.on_would_take != "take":
            reason = Reason.WOULD_TAKE
        if reason is None and self.lowest_sell is not None and price >= self.lowest_sell:
            reason = Reason.WOULD_SELF_TRADE
        reason = reason or self._no_room_to_buy() or self._spend()
        if reason is not None:
            return attrs.evolve(none, reason=reason)
        self.highest_buy = price if self.highest_buy is None else max(price, self.highest_buy)
        self.buys_planned += 1
        post_only = not (self.settings.on_would_take == "take" and slot.would_take >= 3)
        return attrs.evolve(none, action=Action.PLACE, post_only=post_only, repriced=repriced)

    def _buy_quantity(self, base: Decimal) -> Decimal:
        if base <= 0:
            return Decimal(0)
        return self.instrument.floor_quantity(min(self.settings.order_quantity / base, self.instrument.max_quantity))

    def _no_room_to_buy(self) -> Reason | None:
        """Orders that are about to be cancelled still count: room exists once the venue has confirmed it."""
        if self.live >= self.order_cap:
            return Reason.ORDER_CAP
        occupied = sum(1 for slot in self.holding if slot.level not in self.buying) + len(self.buying)
        return Reason.INVENTORY_CAP if occupied + self.buys_planned >= self.settings.max_held_levels else None

    def _buy_price(self, slot: Slot, base: Decimal) -> tuple[Decimal, bool]:
        crossing = base >= self.book.ask or slot.would_take > 0
        if self.settings.on_would_take == "reprice" and crossing and self._book_fresh:
            price = min(base, self.instrument.floor_price(self.book.bid))
            return price, price != base
        return base, False

    def _in_range(self, level: int) -> bool:
        price = self.ladder.price(level)
        low, high = self.settings.price_low, self.settings.price_high
        return (low is None or price >= low) and (high is None or price <= high)

    def _below_minimum(self, price: Decimal, quantity: Decimal, *, reduce_only: bool) -> bool:
        if quantity <= 0 or quantity < self.instrument.min_quantity:
            return True
        exempt = reduce_only and self.instrument.reduce_only_below_minimum
        return not exempt and price * quantity < self.minimum

    def _resting_refusal(self, slot: Slot) -> Reason | None:
        """Whether the last refusal is too recent to try again."""
        if slot.refusals == 0:
            return None
        waited = self.view.now_ms - slot.refused_ms
        if slot.refusal == "WouldTake":
            pause = WOULD_TAKE_RETRY_MS[min(slot.would_take, len(WOULD_TAKE_RETRY_MS)) - 1]
            return Reason.WOULD_TAKE if waited < pause else None
        pauses = REDUCE_ONLY_RETRY_MS if slot.refusal == "ReduceOnlyRejected" else _RETRY_MS
        pause = pauses[slot.refusals - 1] if slot.refusals <= len(pauses) else PROBE_REFUSED_MS
        return Reason.REJECTED if waited < pause else None

    def _spend(self) -> Reason | None:
        """Take one placement out of the rate budget."""
        if self.placements <= 0:
            return Reason.RATE_BUDGET
        self.placements -= 1
        self.live += 1
        return None

    @property
    def _book_fresh(self) -> bool:
        return self.view.book_age <= REPRICE_BOOK_AGE


def _nearest_to(level: int, others: Iterable[int]) -> int:
    return min(others, key=lambda other: (abs(other - level), other))


def _keep(record: OrderRecord) -> Decision:
    return Decision(
        level=record.level,
        action=Action.KEEP,
        side=record.side,
        price=record.price,
        quantity=record.remaining,
        client_order_id=record.client_order_id,
    )


def _cancel(record: OrderRecord, reason: Reason) -> Decision:
    return attrs.evolve(_keep(record), action=Action.CANCEL, reason=reason)


def _locked(slot: Slot, record: OrderRecord) -> Decision:
    """A slot whose order is in flight or of unknown fate is never acted on."""
    unknown = slot.state is SlotState.UNKNOWN
    return attrs.evolve(_keep(record), reason=Reason.UNKNOWN_OUTCOME if unknown else Reason.IN_FLIGHT)
