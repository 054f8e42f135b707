"""What must hold for every decision, whatever the state, the settings and the price; and that they come to rest."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.mm.given import INSTRUMENT
from tests.mm.world import World

from opensqt_core.instrument import Instrument
from opensqt_core.market import TopOfBook
from opensqt_core.order import Side
from opensqt_mm.decisions import Action, Decision, Reason, View
from opensqt_mm.settings import TradingSettings
from opensqt_mm.slots import SlotState
from opensqt_mm.state import State

D = Decimal
ROUNDS = 12
"""Enough for refusals to be over, room to be made and used, and remainders to find each other."""

instruments = st.builds(
    lambda tick, lot, minimum, exempt, cap: attrs.evolve(
        INSTRUMENT,
        tick_size=tick,
        lot_size=lot,
        min_quantity=lot,
        min_notional=minimum,
        reduce_only_below_minimum=exempt,
        max_open_orders=cap,
        max_quantity=lot * 900,
    ),
    st.sampled_from([D("0.01"), D("0.5")]),
    st.sampled_from([D("0.001"), D("0.01")]),
    st.sampled_from([D(5), D(20), D(100)]),
    st.booleans(),
    st.sampled_from([None, 6, 200]),
)


@st.composite
def grids(draw: st.DrawFn, *, least_slack: int = 0) -> TradingSettings:
    """Draw settings that a user may have, small enough for every limit to be met."""
    low = draw(st.sampled_from([None, D(2950), D(3020)]))
    return TradingSettings(
        symbol="ETHUSDT",
        price_interval=draw(st.sampled_from([D(10), D("3.37"), D("7.5")])),
        order_quantity=draw(st.sampled_from([D(60), D(150), D(300)])),
        min_order_value=draw(st.sampled_from([None, D(50)])),
        buy_window_size=draw(st.integers(1, 8)),
        sell_window_size=draw(st.integers(1, 8)),
        trail_slack=draw(st.none() | st.integers(least_slack, 5)),
        max_held_levels=draw(st.integers(1, 14)),
        price_low=low,
        price_high=draw(st.sampled_from([None, D(3030)])),
        on_would_take=draw(st.sampled_from(["reprice", "wait", "take"])),
        order_cleanup_threshold=draw(st.integers(1, 16)),
    )


Look = Callable[[World, View, tuple[Decision, ...]], None]
BLOCKS = (None,) * 9 + (Reason.BREAKER,)


def wander(world: World, chaos: Random, rounds: int, look: Look | None = None) -> Decimal:
    """Trade through a random history, `look` at each decision, and return the last price."""
    mid = D(3000)
    stride = chaos.choice([400, 1200, 3000])
    for _ in range(rounds):
        mid += D(chaos.randint(-stride, stride)).scaleb(-2)
        book = world.book(mid, D(chaos.choice(["0.01", "0.01", "0.5", "4"])))
        world.move(book)
        if chaos.random() < 0.4:
            world.stir(chaos)
        view = world.view(book) if look is None else any_view(world, book, chaos)
        decisions = world.decide(view)
        if look is not None:
            look(world, view, decisions)
        world.carry_out(decisions, book, chaos if chaos.random() < 0.3 else None)
        if chaos.random() < 0.3:
            world.clear_up()
    return mid


def any_view(world: World, book: TopOfBook, chaos: Random) -> View:
    """Return something that the engine may see; mostly nothing is blocked."""
    return world.view(
        book,
        book_age=chaos.choice([0.0, 0.9, 3.0]),
        orders_blocked=chaos.choice(BLOCKS),
        buys_blocked=chaos.choice(BLOCKS),
        pull_buys=chaos.choice(BLOCKS),
        placements=chaos.choice([0, 2, 1_000, 1_000, 1_000]),
        now_ms=world.ms + chaos.choice([0, 1_500, 70_000]),
    )


@given(instruments, grids(), st.integers(0, 2**32), st.integers(5, 40))
def test_every_decision_keeps_the_rules(instrument: Instrument, grid: TradingSettings, seed: int, rounds: int) -> None:
    world = World(instrument, grid, D(3000))
    wander(world, Random(seed), rounds, examine)
    for pull in (None, Reason.BREAKER):
        view = world.view(None, pull_buys=pull)
        examine(world, view, world.decide(view))


def examine(world: World, view: View, decisions: tuple[Decision, ...]) -> None:
    """Check one decision round against every rule."""
    state, book = world.state, view.book
    assert world.decide(view) == decisions
    shuffled = attrs.evolve(
        state,
        slots=dict(reversed(list(state.slots.items()))),
        orders=dict(reversed(list(state.orders.items()))),
        reasons=dict(state.reasons),
    )
    again = World(world.instrument, world.settings, D(3000))
    again.state = shuffled
    assert sorted(again.decide(view), key=repr) == sorted(decisions, key=repr)
    _every_level_once_with_action_or_reason(state, decisions)
    _locked_slots_are_left_alone(state, decisions)
    _blocked_means_blocked(state, view, decisions)
    if book is None:
        assert not any(each.action is Action.PLACE for each in decisions)
        return
    placed = [each for each in decisions if each.action is Action.PLACE]
    _orders_obey_the_instrument(world, placed)
    _limits_hold(world, view, decisions)
    _never_against_ourselves(state, placed)
    _buys_are_in_the_window(world, view, decisions)
    _sells_are_the_nearest(world, view, decisions)


def _every_level_once_with_action_or_reason(state: State, decisions: tuple[Decision, ...]) -> None:
    counts = Counter(each.level for each in decisions)
    assert set(counts.values()) <= {1}
    for each in decisions:
        if each.action in (Action.NONE, Action.CANCEL):
            assert each.reason is not None
    for slot in state.slots.values():
        if slot.order or slot.lots:
            assert slot.level in counts


def _locked_slots_are_left_alone(state: State, decisions: tuple[Decision, ...]) -> None:
    locked = {slot.level for slot in state.slots.values() if slot.state.locked}
    for each in decisions:
        if each.level in locked:
            assert each.action is Action.KEEP
            assert each.reason in (Reason.IN_FLIGHT, Reason.UNKNOWN_OUTCOME)
        assert each.to_level not in locked
    acted = [each for each in decisions if each.action is Action.CANCEL]
    for each in acted:
        assert state.slots[each.level].order == each.client_order_id


def _blocked_means_blocked(state: State, view: View, decisions: tuple[Decision, ...]) -> None:
    placed = [each for each in decisions if each.action is Action.PLACE]
    assert len(placed) <= view.placements
    if view.orders_blocked:
        assert not placed
    if view.buys_blocked or view.pull_buys:
        assert not [each for each in placed if each.side is Side.BUY]
    if view.pull_buys:
        resting = {s.order for s in state.slots.values() if s.state is SlotState.BUY_OPEN}
        assert resting == {d.client_order_id for d in decisions if d.action is Action.CANCEL and d.side is Side.BUY}


def _orders_obey_the_instrument(world: World, placed: list[Decision]) -> None:
    instrument, grid = world.instrument, world.settings
    for each in placed:
        assert each.price is not None
        assert each.quantity is not None
        assert each.price > 0
        assert each.price % instrument.tick_size == 0
        assert each.quantity % instrument.lot_size == 0
        assert instrument.min_quantity <= each.quantity <= instrument.max_quantity
        if not (each.side is Side.SELL and instrument.reduce_only_below_minimum):
            assert each.price * each.quantity >= max(instrument.min_notional, grid.min_order_value or 0)


def _limits_hold(world: World, view: View, decisions: tuple[Decision, ...]) -> None:
    state, grid = world.state, world.settings
    placed = [each for each in decisions if each.action is Action.PLACE]
    selling = [record for record in state.orders.values() if record.side is Side.SELL]
    live = sum((record.remaining for record in selling), D(0))
    new = sum((each.quantity or D(0) for each in placed if each.side is Side.SELL), D(0))
    available = state.position + state.external
    if new:
        assert live + new <= available
    elif live > available:
        kept = {each.client_order_id for each in decisions if each.action is Action.KEEP}
        resting = [r for r in selling if r.client_order_id in kept and not state.slots[r.level].state.locked]
        locked = sum((r.remaining for r in selling if state.slots[r.level].state.locked), D(0))
        assert not resting or locked + sum((r.remaining for r in resting), D(0)) <= available
    if placed:
        cap = min(grid.order_cleanup_threshold, world.instrument.max_open_orders or 10**6)
        assert len(state.orders) + len(placed) <= cap
    buys = [each for each in placed if each.side is Side.BUY]
    if buys:
        buying = {record.level for record in state.orders.values() if record.side is Side.BUY}
        holding = {slot.level for slot in state.slots.values() if slot.lots}
        assert len(buying | holding) + len(buys) <= grid.max_held_levels


def _never_against_ourselves(state: State, placed: list[Decision]) -> None:
    sells = [record.price for record in state.orders.values() if record.side is Side.SELL]
    buys = [record.price for record in state.orders.values() if record.side is Side.BUY]
    new_sells = [each.price for each in placed if each.side is Side.SELL and each.price is not None]
    new_buys = [each.price for each in placed if each.side is Side.BUY and each.price is not None]
    if new_buys and sells + new_sells:
        assert max(new_buys) < min(sells + new_sells)
    if new_sells and buys:
        assert min(new_sells) > max(buys)


def _buys_are_in_the_window(world: World, view: View, decisions: tuple[Decision, ...]) -> None:
    assert view.book is not None
    ladder, grid, mid = world.state.ladder, world.settings, view.book.mid
    nearest = ladder.nearest(mid)
    gap = ladder.price(nearest + 1) - ladder.price(nearest)
    told = {each.level for each in decisions}
    window = range(nearest - grid.buy_window_size + 1, nearest + 1)
    assert told >= set(window)
    for each in decisions:
        if each.action is not Action.PLACE or each.side is not Side.BUY:
            continue
        own = ladder.price(each.level)
        assert each.level in window
        assert own < mid - gap / 10
        assert each.price == own or (each.repriced and each.price is not None and each.price < own)
        assert grid.price_low is None or own >= grid.price_low
        assert grid.price_high is None or own <= grid.price_high
        assert not world.state.slot(each.level).lots


def _sells_are_the_nearest(world: World, view: View, decisions: tuple[Decision, ...]) -> None:
    assert view.book is not None
    state, grid, mid = world.state, world.settings, view.book.mid
    ladder = state.ladder
    joining: dict[int, Decimal] = {}
    for each in decisions:
        if each.action is Action.ATTACH and each.to_level is not None and each.quantity is not None:
            joining[each.to_level] = joining.get(each.to_level, D(0)) + state.slot(each.level).held
    placed = [each for each in decisions if each.action is Action.PLACE and each.side is Side.SELL]
    for each in placed:
        slot = state.slot(each.level)
        assert each.level <= ladder.nearest(mid) + grid.sell_window_size
        assert each.price is not None
        assert each.price >= state.sell_price(slot)
        assert each.quantity is not None
        assert each.quantity <= slot.held + joining.get(each.level, D(0))
    away = [abs(ladder.price(each.level) - mid) for each in placed]
    assert away == sorted(away)
    kept = [d for d in decisions if d.action is Action.KEEP and d.side is Side.SELL and d.reason is None]
    assert len(placed) <= grid.sell_window_size
    assert len(placed) + len(kept) <= grid.sell_window_size
    if placed:
        passed_over = [
            abs(ladder.price(d.level) - mid)
            for d in decisions
            if d.side is Side.SELL and d.action is Action.NONE and d.reason is Reason.OUTSIDE_WINDOW
            if d.level <= ladder.nearest(mid) + grid.sell_window_size
        ]
        assert all(distance >= away[-1] for distance in passed_over)


def settle_down(world: World, prices: list[Decimal], half_spread: Decimal, rounds: int) -> list[int]:
    """Decide and act under an ideal venue, the price going round; return the number of actions of each round."""
    actions = []
    for number in range(rounds):
        book = world.book(prices[number % len(prices)], half_spread)
        world.move(book)
        actions.append(world.carry_out(world.decide(world.view(book)), book))
    return actions


@given(instruments, grids(), st.integers(0, 2**32), st.integers(5, 40), st.sampled_from([D("0.01"), D("0.5"), D(6)]))
def test_decisions_come_to_rest(
    instrument: Instrument, grid: TradingSettings, seed: int, rounds: int, half: Decimal
) -> None:
    world = World(instrument, grid, D(3000))
    mid = wander(world, Random(seed), rounds)
    actions = settle_down(world, [mid], half, ROUNDS + 2)
    assert actions[ROUNDS:] == [0, 0]
    if not any(slot.state.locked for slot in world.state.slots.values()):
        again = world.decide(world.view(world.book(mid, half)))
        assert all(each.action in (Action.KEEP, Action.NONE) for each in again)


@given(
    instruments,
    grids(least_slack=1),
    st.integers(0, 2**32),
    st.integers(5, 40),
    st.booleans(),
    st.sampled_from([D("0.5"), D("0.1"), D("0.9")]),
    st.sampled_from([D("0.02"), D("0.06"), D("0.12")]),
)
def test_a_price_that_swings_causes_no_churn(
    instrument: Instrument,
    grid: TradingSettings,
    seed: int,
    rounds: int,
    clear: bool,
    where: Decimal,
    swing: Decimal,
) -> None:
    world = World(instrument, grid, D(3000))
    mid = wander(world, Random(seed), rounds)
    if clear:
        world.clear_up()
    ladder = world.state.ladder
    low = ladder.price(ladder.nearest(mid))
    middle, reach = low + where * grid.price_interval, swing * grid.price_interval
    prices = [middle - reach, middle + reach]
    assume(reach > instrument.tick_size)
    actions = settle_down(world, prices, instrument.tick_size, 2 * ROUNDS + 6)
    traded = world.trades
    assert settle_down(world, prices, instrument.tick_size, 4) == [0] * 4 or world.trades != traded, actions


@pytest.mark.parametrize("mode", ["reprice", "wait", "take"])
def test_a_long_quiet_market_needs_no_action_at_all(mode: str) -> None:
    grid = TradingSettings(symbol="ETHUSDT", price_interval=D(10), order_quantity=D(300), on_would_take=mode)
    world = World(INSTRUMENT, grid, D(3000))
    actions = settle_down(world, [D(3004), D(3006)], D("0.01"), 20)
    assert actions == [10, 0, *[0] * 18]
