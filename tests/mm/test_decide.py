"""What should rest on the book, sentence by sentence; the grid has levels at 3000 + 10·k."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from tests.mm.given import BUY, CREATED, INSTRUMENT, SELL, SETTINGS, T0, Story, book, instrument, settings, story, view

from opensqt_core.journal import events as ev
from opensqt_mm.decide import decide
from opensqt_mm.decisions import Action, Decision, Reason, View, to_cancel, to_place
from opensqt_mm.slots import SlotState
from opensqt_mm.state import State

D = Decimal


def decided(told: Story | State, seen: View, grid: Any = SETTINGS, rules: Any = INSTRUMENT) -> dict[int, Decision]:
    """Decide and return the decisions by level."""
    state = told.state if isinstance(told, Story) else told
    decisions = decide(state, rules, grid, seen)
    assert len({each.level for each in decisions}) == len(decisions)
    return {each.level: each for each in decisions}


def placed(decisions: dict[int, Decision], side: object = None) -> dict[int, Decimal | None]:
    """Return level -> price of what is placed."""
    return {each.level: each.price for each in to_place(decisions.values()) if side in (None, each.side)}


def cancelled(decisions: dict[int, Decision]) -> dict[int, Reason | None]:
    """Return level -> reason of what is cancelled."""
    return {each.level: each.reason for each in to_cancel(decisions.values())}


def reasons(decisions: dict[int, Decision], levels: Iterable[int]) -> list[Reason | None]:
    """Return the reasons of levels."""
    return [decisions[level].reason for level in levels]


# Levels and the buying window


def test_an_empty_grid_buys_at_the_window_s_levels_below_the_price() -> None:
    found = decided(Story(), view("3004"), settings(buy_window_size=3))
    assert placed(found) == {0: 3000, -1: 2990, -2: 2980}
    assert [found[level].quantity for level in (0, -1, -2)] == [D("0.1"), D("0.1"), D("0.1")]
    assert all(each.post_only and each.side is BUY for each in found.values())
    assert found[-2].quantity == D("0.1")


def test_quantities_are_floored_to_lots() -> None:
    found = decided(Story(), view("3004"), settings(order_quantity=D("301.7"), buy_window_size=1))
    assert found[0].quantity == D("0.1")
    found = decided(Story(), view("3004"), settings(order_quantity=D("302.99"), buy_window_size=1))
    assert found[0].quantity == D("0.1")
    found = decided(Story(), view("3004"), settings(order_quantity=D(303), buy_window_size=1))
    assert found[0].quantity == D("0.101")


def test_a_quantity_is_never_above_what_the_venue_takes() -> None:
    found = decided(Story(), view("3004"), settings(buy_window_size=1), instrument(max_quantity=D("0.0505")))
    assert found[0].quantity == D("0.05")


def test_the_nearest_level_of_a_tie_is_the_upper_one() -> None:
    found = decided(Story(), view("3005"), settings(buy_window_size=2))
    assert set(found) == {1, 0}
    assert found[1].reason is Reason.TOO_CLOSE_TO_PRICE
    assert placed(found) == {0: 3000}


@pytest.mark.parametrize(("price", "placing"), [("3001", False), ("3001.01", True)])
def test_a_buy_keeps_a_tenth_of_the_interval_away_from_the_price(price: str, placing: bool) -> None:
    found = decided(Story(), view(price), settings(buy_window_size=1))
    assert (found[0].action is Action.PLACE) is placing
    assert placing or found[0].reason is Reason.TOO_CLOSE_TO_PRICE


def test_a_resting_buy_is_not_cancelled_for_being_close() -> None:
    found = decided(story(buys={0: "0.1"}), view("3000.5"), settings(buy_window_size=1))
    assert found[0].action is Action.KEEP


def test_bounds_limit_the_levels() -> None:
    grid = settings(buy_window_size=4, price_low=D(2980), price_high=D(2990))
    found = decided(Story(), view("3004"), grid)
    assert placed(found) == {-1: 2990, -2: 2980}
    assert reasons(found, (0, -3)) == [Reason.OUTSIDE_RANGE] * 2
    assert cancelled(decided(story(buys={-3: "0.1"}), view("3004"), grid)) == {-3: Reason.OUTSIDE_RANGE}


def test_below_zero_there_are_no_levels() -> None:
    told = Story()
    told.events[0] = attrs.evolve(CREATED, anchor=D(15))
    found = decided(told, view("15.8"), settings(buy_window_size=3, order_quantity=D(30)))
    assert placed(found) == {-1: 5}
    assert found[-2].reason is Reason.OUTSIDE_RANGE


def test_a_buy_below_the_venue_s_or_the_user_s_minimum_is_not_sent() -> None:
    assert decided(Story(), view("3004"), settings(order_quantity=D("19.9")))[0].reason is Reason.BELOW_MINIMUM
    assert decided(Story(), view("3004"), settings(min_order_value=D("300.01")))[0].reason is Reason.BELOW_MINIMUM
    assert decided(Story(), view("3004"), settings(min_order_value=D(300)))[0].action is Action.PLACE
    coarse = instrument(min_quantity=D("0.2"))
    assert decided(Story(), view("3004"), rules=coarse)[0].reason is Reason.BELOW_MINIMUM


# Trailing


def test_a_buy_stays_until_it_is_more_than_the_slack_outside_the_window() -> None:
    told = story(buys={-3: "0.1", -4: "0.1", -5: "0.1"})
    grid = settings(buy_window_size=2, trail_slack=3)
    found = decided(told, view("3004"), grid)
    assert cancelled(found) == {-5: Reason.OUTSIDE_WINDOW}
    assert found[-4].action is Action.KEEP
    assert cancelled(decided(told, view("3014"), grid)) == dict.fromkeys((-4, -5), Reason.OUTSIDE_WINDOW)


def test_without_slack_every_buy_outside_the_window_goes() -> None:
    found = decided(story(buys={-1: "0.1", -2: "0.1"}), view("3004"), settings(buy_window_size=2, trail_slack=0))
    assert cancelled(found) == {-2: Reason.OUTSIDE_WINDOW}


# Selling


def test_what_is_held_is_sold_one_level_higher_whole_and_only_so() -> None:
    told = Story()
    name = told.open(0, BUY, "0.1")
    told.fill(name, "0.037", 3000)
    told.update(name, "CANCELED", "0.037")
    sell = decided(told, view("3004"))[0]
    assert (sell.action, sell.side, sell.price, sell.quantity) == (Action.PLACE, SELL, D(3010), D("0.037"))
    assert sell.post_only
    assert not sell.repriced


def test_the_sell_window_takes_the_nearest_first() -> None:
    told = story(held=dict.fromkeys(range(1, 8), "0.1"))
    found = decided(told, view("3004"), settings(sell_window_size=3, buy_window_size=1))
    assert list(placed(found, SELL)) == [1, 2, 3]
    assert reasons(found, range(4, 8)) == [Reason.OUTSIDE_WINDOW] * 4


def test_a_slot_above_the_window_waits() -> None:
    told = story(held={3: "0.1", 4: "0.1"})
    found = decided(told, view("3004"), settings(sell_window_size=3, buy_window_size=1))
    assert placed(found, SELL) == {3: 3040}
    assert found[4].reason is Reason.OUTSIDE_WINDOW


def test_a_resting_sell_has_one_level_of_patience() -> None:
    told = story(held={4: "0.1", 5: "0.1"})
    told.open(4, SELL)
    told.open(5, SELL)
    found = decided(told, view("3004"), settings(sell_window_size=3, buy_window_size=1))
    assert found[4].action is Action.KEEP
    assert cancelled(found) == {5: Reason.OUTSIDE_WINDOW}


def test_a_far_sell_leaves_for_a_clearly_nearer_one() -> None:
    told = story(held={1: "0.1", 2: "0.1", 3: "0.1"})
    told.open(2, SELL)
    told.open(3, SELL)
    found = decided(told, view("3004"), settings(sell_window_size=2, buy_window_size=1))
    assert cancelled(found) == {3: Reason.OUTSIDE_WINDOW}
    assert placed(found, SELL) == {1: 3020}


def test_slots_on_both_sides_of_a_swinging_price_do_not_take_the_last_place_from_each_other() -> None:
    told = story(held=dict.fromkeys((-1, 0, 1, 2), "0.1"))
    for level in (0, 1, -1):
        told.open(level, SELL, price="3035", repriced=True)
    grid = settings(sell_window_size=3, buy_window_size=1)
    for price in ("3004", "3006", "3008"):
        found = decided(told, view(price, book_age=2.0), grid)
        assert not cancelled(found)
        assert found[2].reason is Reason.OUTSIDE_WINDOW
    assert cancelled(decided(told, view("3012", book_age=2.0), grid)) == {-1: Reason.OUTSIDE_WINDOW}


def test_sells_together_are_never_more_than_the_position() -> None:
    told = story(held={0: "0.1", 1: "0.1"})
    told.add(external("0.15"))
    found = decided(told, view("3004"), settings(buy_window_size=1))
    assert found[0].quantity == D("0.05")
    assert found[1].reason is Reason.POSITION_SHORT


def test_when_others_reduce_the_position_the_farthest_sells_leave() -> None:
    told = story(held={0: "0.1", 1: "0.1", 2: "0.1"})
    for level in (0, 1, 2):
        told.open(level, SELL)
    told.add(external("0.15"))
    found = decided(told, view("3004"), settings(buy_window_size=1))
    assert cancelled(found) == {2: Reason.POSITION_SHORT, 1: Reason.POSITION_SHORT}


def external(quantity: str) -> ev.ExternalFill:
    """Somebody else sells."""
    return ev.ExternalFill(
        ms=T0,
        trade_id="x",
        order_id="1",
        client_order_id=None,
        side=SELL,
        price=D(3000),
        quantity=D(quantity),
        fee=D(0),
        fee_asset="USDT",
        venue_ms=T0,
    )


def test_a_sell_for_more_than_the_slot_holds_is_cancelled() -> None:
    told = story(held={0: "0.1", 1: "0.1"})
    late = told.open(0, SELL)
    told.update(late, "CANCELED")
    told.open(0, SELL)
    told.fill(late, "0.04", 3010)
    assert cancelled(decided(told, view("3004"))) == {0: Reason.MISPLACED}


def test_a_slot_sells_at_its_own_price_if_it_has_one() -> None:
    told = story(held={0: "0.1"})
    told.hold(-4, "0.002")
    told.add(ev.LotsAttached(ms=told.tick(), from_level=-4, to_level=0, quantity=D("0.002"), sell_price=D(3033)))
    assert placed(decided(told, view("3004")), SELL) == {0: 3033}


# Caps


def test_held_and_buying_slots_together_are_capped() -> None:
    told = story(held={1: "0.1", 2: "0.1"}, buys={-1: "0.1"})
    found = decided(told, view("3004"), settings(max_held_levels=4, buy_window_size=4))
    assert placed(found, BUY) == {0: 3000}
    assert reasons(found, (-2, -3)) == [Reason.INVENTORY_CAP] * 2


def test_over_the_inventory_cap_the_farthest_buys_leave() -> None:
    told = story(held={1: "0.1", 2: "0.1"}, buys={-1: "0.1", -2: "0.1"})
    found = decided(told, view("3001"), settings(max_held_levels=3, buy_window_size=3))
    assert cancelled(found) == {-2: Reason.INVENTORY_CAP}


def test_a_buy_that_is_being_cancelled_keeps_its_place_until_it_is_gone() -> None:
    told = story(buys={-3: "0.1"})
    told.cancel(told.state.slot(-3).order or "")
    found = decided(told, view("3004"), settings(max_held_levels=1, buy_window_size=1))
    assert found[0].reason is Reason.INVENTORY_CAP
    found = decided(told, view("3004"), settings(order_cleanup_threshold=1, buy_window_size=1))
    assert found[0].reason is Reason.ORDER_CAP


def test_buys_fill_what_sells_leave_of_the_order_cap() -> None:
    told = story(held={1: "0.1", 2: "0.1"})
    found = decided(told, view("3004"), settings(order_cleanup_threshold=5, buy_window_size=10))
    assert list(placed(found)) == [1, 2, 0, -1, -2]
    assert reasons(found, range(-3, -10, -1)) == [Reason.ORDER_CAP] * 7


def test_the_venue_s_own_limit_of_orders_counts() -> None:
    found = decided(Story(), view("3004"), rules=instrument(max_open_orders=2))
    assert list(placed(found)) == [0, -1]


def test_at_the_cap_the_farthest_buy_makes_room_for_a_sell() -> None:
    told = story(held={1: "0.1"}, buys={0: "0.1", -1: "0.1", -2: "0.1"})
    grid = settings(order_cleanup_threshold=3, buy_window_size=3)
    found = decided(told, view("3004"), grid)
    assert found[1].reason is Reason.ORDER_CAP
    assert cancelled(found) == {-2: Reason.ORDER_CAP}
    name = told.state.slot(-2).order or ""
    told.cancel(name)
    found = decided(told, view("3004"), grid)
    assert not cancelled(found), "one is enough, also while its cancel is under way"
    told.update(name, "CANCELED")
    assert placed(decided(told, view("3004"), grid)) == {1: 3020}


def test_a_sell_at_the_edge_of_the_window_gets_room_when_the_price_has_firmly_come_nearer() -> None:
    told = story(held={4: "0.1"}, buys={0: "0.1", -1: "0.1"})
    grid = settings(order_cleanup_threshold=2, buy_window_size=2, sell_window_size=3)
    assert not cancelled(decided(told, view("3007"), grid))
    assert cancelled(decided(told, view("3008"), grid)) == {-1: Reason.ORDER_CAP}


def test_at_the_cap_the_farthest_buy_makes_room_for_a_nearer_one() -> None:
    told = story(buys={0: "0.1", -1: "0.1", -2: "0.1"})
    grid = settings(order_cleanup_threshold=3, buy_window_size=4)
    found = decided(told, view("3014"), grid)
    assert found[1].reason is Reason.ORDER_CAP
    assert cancelled(found) == {-2: Reason.ORDER_CAP}
    name = told.state.slot(-2).order or ""
    told.cancel(name)
    assert not cancelled(decided(told, view("3014"), grid))
    assert not cancelled(decided(story(buys={0: "0.1", -1: "0.1", -2: "0.1"}), view("3012"), grid)), "not yet so near"


def test_the_rate_budget_goes_to_sells_first() -> None:
    found = decided(story(held={1: "0.1"}), view("3004", placements=2))
    assert list(placed(found)) == [1, 0]
    assert found[-1].reason is Reason.RATE_BUDGET


# What must not be


def test_never_a_buy_at_or_above_our_lowest_sell() -> None:
    told = story(held={-2: "0.1"})
    told.open(-2, SELL)
    found = decided(told, view("3004"), settings(buy_window_size=4))
    assert reasons(found, (0, -1)) == [Reason.WOULD_SELF_TRADE] * 2
    assert placed(found, BUY) == {-3: 2970}


def test_never_a_sell_at_or_below_our_highest_buy() -> None:
    told = story(held={-1: "0.1"}, buys={0: "0.1"})
    found = decided(told, view(book("2995", "3001")))
    assert found[-1].reason is Reason.WOULD_SELF_TRADE


def test_a_slot_that_is_locked_is_left_alone() -> None:
    told = story(held={1: "0.1"}, buys={-1: "0.1"})
    told.intend(0, BUY)
    told.doubt(told.intend(-2, BUY))
    told.cancel(told.state.slot(-1).order or "")
    told.intend(1, SELL)
    found = decided(told, view("3004", pull_buys=Reason.BREAKER))
    assert {level: (found[level].action, found[level].reason) for level in (1, 0, -1, -2)} == {
        1: (Action.KEEP, Reason.IN_FLIGHT),
        0: (Action.KEEP, Reason.IN_FLIGHT),
        -1: (Action.KEEP, Reason.IN_FLIGHT),
        -2: (Action.KEEP, Reason.UNKNOWN_OUTCOME),
    }


# Partly filled buys and remainders


@pytest.mark.parametrize(("price", "action"), [("3009.99", Action.KEEP), ("3010", Action.CANCEL)])
def test_a_partly_filled_buy_is_cancelled_when_the_price_is_a_level_higher(price: str, action: Action) -> None:
    told = Story()
    told.fill(told.open(0, BUY), "0.04", 3000)
    found = decided(told, view(price))[0]
    assert found.action is action
    assert found.reason is (Reason.PARTIAL_FILL if action is Action.CANCEL else None)


def remainder(*, held: dict[int, str]) -> Story:
    """Levels that hold, of which level 0 holds too little to be sold alone."""
    told = story(held=held)
    name = told.open(0, BUY)
    told.fill(name, "0.004", 3000)
    told.update(name, "CANCELED", "0.004")
    return told


def test_a_remainder_is_sold_where_the_venue_exempts_reduce_only() -> None:
    found = decided(remainder(held={}), view("3004"), rules=instrument(reduce_only_below_minimum=True))
    assert placed(found, SELL) == {0: 3010}


def test_a_remainder_joins_the_nearest_held_slot_at_the_higher_price() -> None:
    found = decided(remainder(held={3: "0.1", -2: "0.1"}), view("3004"))
    assert (found[0].action, found[0].to_level, found[0].price) == (Action.ATTACH, -2, D(3010))
    assert (found[-2].action, found[-2].price, found[-2].quantity) == (Action.PLACE, D(3010), D("0.104"))
    assert found[3].quantity == D("0.1")


def test_a_remainder_with_nothing_to_join_is_dust() -> None:
    told = remainder(held={2: "0.1"})
    told.open(2, SELL)
    found = decided(told, view("3004"), settings(sell_window_size=1))
    assert (found[0].action, found[0].reason) == (Action.NONE, Reason.DUST)
    assert found[2].action is Action.KEEP, "dust takes no place in the window"


def test_what_was_sold_without_being_bought_is_shown_as_dust() -> None:
    told = story(held={0: "0.1"})
    first = told.open(0, SELL)
    told.update(first, "CANCELED")
    told.fill(told.open(0, SELL), "0.1", 3010)
    told.fill(first, "0.1", 3010)
    assert decided(told, view("3004"))[0].reason is Reason.DUST


# Orders that would take


def test_a_sell_that_would_take_is_moved_to_the_ask_while_the_book_is_fresh() -> None:
    told = story(held={0: "0.1"})
    seen = view(book("3024", "3025"))
    sell = decided(told, seen)[0]
    assert (sell.price, sell.repriced, sell.post_only) == (D(3025), True, True)
    assert decided(told, attrs.evolve(seen, book_age=1.0))[0].action is Action.PLACE
    assert decided(told, attrs.evolve(seen, book_age=1.1))[0].reason is Reason.WOULD_TAKE


def test_after_a_refusal_the_buy_is_moved_to_the_bid() -> None:
    told = Story()
    told.refuse(told.intend(0, BUY), "WouldTake")
    buy = decided(told, view(book("2999", "3009")))[0]
    assert (buy.price, buy.repriced, buy.action) == (D(2999), True, Action.PLACE)


def test_waiting_is_the_other_choice() -> None:
    grid = settings(on_would_take="wait")
    assert decided(story(held={0: "0.1"}), view("3025"), grid)[0].reason is Reason.WOULD_TAKE
    wide = view(book("2950", "3000"))
    told = story(buys={})
    told.refuse(told.intend(-3, BUY), "WouldTake")
    assert decided(told, wide, grid)[-3].price == 2970


@pytest.mark.parametrize(("refusals", "post_only"), [(0, True), (2, True), (3, False)])
def test_taking_comes_after_three_refusals_in_a_row(refusals: int, post_only: bool) -> None:
    told = story(held={0: "0.1"})
    for _ in range(refusals):
        told.refuse(told.intend(0, SELL), "WouldTake")
    sell = decided(told, view("3025"), settings(on_would_take="take"))[0]
    assert (sell.action, sell.price, sell.post_only) == (Action.PLACE, D(3010), post_only)


def test_a_moved_sell_comes_back_when_the_price_has() -> None:
    told = story(held={0: "0.1"})
    told.open(0, SELL, price="3025", repriced=True)
    assert decided(told, view("3022"))[0].action is Action.KEEP
    assert cancelled(decided(told, view("3004"))) == {0: Reason.MISPLACED}
    assert decided(told, view("3004", book_age=2.0))[0].action is Action.KEEP


# Refusals


@pytest.mark.parametrize(
    ("error", "refusals", "pause_ms"),
    [
        ("ReduceOnlyRejected", 1, 1_000),
        ("ReduceOnlyRejected", 2, 2_000),
        ("ReduceOnlyRejected", 3, 4_000),
        ("ReduceOnlyRejected", 4, 60_000),
        ("BadOrder", 1, 0),
        ("BadOrder", 2, 0),
        ("BadOrder", 3, 60_000),
        ("BadOrder", 7, 60_000),
    ],
)
def test_pauses_after_refusals(error: str, refusals: int, pause_ms: int) -> None:
    told = story(held={0: "0.1"})
    for _ in range(refusals):
        told.refuse(told.intend(0, SELL), error)
    at = view("3004", now_ms=told.ms + pause_ms)
    assert decided(told, at)[0].action is Action.PLACE
    if pause_ms:
        before = attrs.evolve(at, now_ms=at.now_ms - 1)
        assert decided(told, before)[0].reason is Reason.REJECTED


# What guards say


@pytest.mark.parametrize("reason", [Reason.STREAM_LOST, Reason.OPERATOR_PAUSED])
def test_blocked_orders_leave_everything_as_it_is(reason: Reason) -> None:
    told = story(held={1: "0.1"}, buys={-1: "0.1"})
    found = decided(told, view("3004", orders_blocked=reason))
    assert not placed(found)
    assert not cancelled(found)
    assert reasons(found, (1, 0)) == [reason] * 2


def test_blocked_buys_let_sells_go_on() -> None:
    told = story(held={1: "0.1"}, buys={-1: "0.1"})
    found = decided(told, view("3004", buys_blocked=Reason.STALE_PRICE))
    assert placed(found) == {1: 3020}
    assert found[-1].action is Action.KEEP
    assert found[0].reason is Reason.STALE_PRICE


@pytest.mark.parametrize("guard", [Reason.BREAKER, Reason.RISK_PAUSED, Reason.MARGIN_LOCK])
def test_pulled_buys_are_cancelled_and_sells_go_on(guard: Reason) -> None:
    told = story(held={1: "0.1"}, buys={-1: "0.1", -2: "0.1"})
    found = decided(told, view("3004", pull_buys=guard))
    assert cancelled(found) == {-1: guard, -2: guard}
    assert placed(found) == {1: 3020}
    assert found[0].reason is guard


def test_without_a_price_nothing_moves_but_buys_that_must_go() -> None:
    told = story(held={1: "0.1", 2: "0.1"}, buys={-1: "0.1"})
    told.open(2, SELL)
    told.intend(-2, BUY)
    found = decided(told, view(None))
    assert not placed(found)
    assert not cancelled(found)
    assert reasons(found, (1, 2, -1, -2)) == [*[Reason.STALE_PRICE] * 3, Reason.IN_FLIGHT]
    assert cancelled(decided(told, view(None, pull_buys=Reason.BREAKER))) == {-1: Reason.BREAKER}


def test_sells_come_before_buys_and_the_nearest_first() -> None:
    told = story(held={1: "0.1", 3: "0.1"})
    state = told.state
    assert state.slot(1).state is SlotState.HELD
    order = [each.level for each in to_place(decide(state, INSTRUMENT, SETTINGS, view("3004")))]
    assert order[:4] == [1, 3, 0, -1]
