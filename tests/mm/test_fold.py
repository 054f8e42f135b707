"""The fold, sentence by sentence; test_fold_properties.py has the interleavings."""

from decimal import Decimal

import attrs
import pytest
from tests.mm.given import BUY, CREATED, SELL, T0, Story, story

from opensqt_core.journal import events as ev
from opensqt_core.order import OrderStatus
from opensqt_mm.booking import average_cost
from opensqt_mm.fold import fold
from opensqt_mm.slots import NoSuchStep, SlotState
from opensqt_mm.state import RECENT

D = Decimal


def test_a_trip_earns_its_spread_less_both_fees() -> None:
    told = Story()
    told.fill(told.open(0, BUY), "0.1", 3000, "0.06")
    told.fill(told.open(0, SELL), "0.1", 3010, "0.0602")
    state = told.state
    slot = state.slot(0)
    assert (slot.state, slot.held, slot.order, slot.trips) == (SlotState.EMPTY, D(0), None, 1)
    assert slot.realised == state.realised == D("0.8798")
    assert state.cash_flow == {"USDT": D("0.8798")}
    assert state.fees == {"USDT": D("0.1202")}
    assert (state.position, state.trips, state.realised_venue) == (D(0), 1, D(1))
    assert state.last_fill_ms == told.ms


def test_a_foreign_fee_counts_at_its_quote_value_in_profit_and_in_its_own_asset_in_cash() -> None:
    told = Story()
    told.fill(told.open(0, BUY), "0.1", 3000, "0.0001", fee_asset="BNB", fee_quote=D("0.06"), converted=True)
    told.fill(told.open(0, SELL), "0.1", 3010, "0.0001", fee_asset="BNB", fee_quote=D("0.06"), converted=True)
    state = told.state
    assert state.realised == D("0.88")
    assert state.cash_flow == {"USDT": D(1), "BNB": D("-0.0002")}
    assert state.fees == {"BNB": D("0.0002")}


def test_a_refused_placement_leaves_the_slot_as_it_was_and_is_counted() -> None:
    told = Story()
    for _ in range(2):
        told.refuse(told.intend(0, BUY), "InsufficientMargin")
    slot = told.state.slot(0)
    assert (slot.state, slot.refusals, slot.refusal, slot.refused_ms) == (
        SlotState.EMPTY,
        2,
        "InsufficientMargin",
        told.ms,
    )
    told.refuse(told.intend(0, BUY), "BadOrder")
    assert told.state.slot(0).refusals == 1


@pytest.mark.parametrize("error", ["Unavailable", "RateLimited", "Banned", "ClockSkew"])
def test_what_does_not_concern_the_order_is_not_counted(error: str) -> None:
    told = Story()
    told.refuse(told.intend(0, BUY), "BadOrder")
    told.refuse(told.intend(0, BUY), error)
    assert (told.state.slot(0).refusals, told.state.slot(0).refusal) == (1, "BadOrder")


@pytest.mark.parametrize("by_update", [True, False], ids=["accepted first, then ended", "refused"])
def test_post_only_refusals_in_a_row_are_counted_however_the_venue_tells(by_update: bool) -> None:
    told = Story()
    for _ in range(3):
        name = told.intend(0, BUY)
        if by_update:
            told.ack(name)
            told.update(name, "EXPIRED", would_take=True)
        else:
            told.refuse(name, "WouldTake")
    slot = told.state.slot(0)
    assert (slot.state, slot.would_take, slot.refusals) == (SlotState.EMPTY, 3, 3)


@pytest.mark.parametrize(
    ("reason", "refusal"), [("reduce_only", "ReduceOnlyRejected"), ("self_trade", "SelfTrade"), (None, None)]
)
def test_an_order_that_the_venue_ends_again_and_again_counts_as_refused(
    reason: str | None, refusal: str | None
) -> None:
    told = story(held={0: "0.1"})
    for _ in range(2):
        told.update(told.open(0, SELL), "EXPIRED", reason=reason)
    slot = told.state.slot(0)
    assert (slot.state, slot.refusal) == (SlotState.HELD, refusal)
    assert slot.refusals == (2 if refusal else 0)


def test_an_order_that_rested_ends_the_row_of_refusals() -> None:
    told = Story()
    told.refuse(told.intend(0, BUY), "WouldTake")
    name = told.open(0, BUY)
    assert told.state.slot(0).would_take == 1
    told.cancel(name)
    told.update(name, "CANCELED")
    assert (told.state.slot(0).would_take, told.state.slot(0).refusals) == (0, 0)
    told.refuse(told.intend(0, BUY), "WouldTake")
    told.fill(told.intend(0, BUY), "0.01", 3000)
    assert told.state.slot(0).would_take == 0


def test_a_buy_cancelled_by_the_venue_after_part_of_it_holds_that_part() -> None:
    told = Story()
    name = told.open(0, BUY)
    told.fill(name, "0.04", 3000)
    assert told.state.slot(0).state is SlotState.BUY_OPEN
    told.update(name, "CANCELED", "0.04")
    assert (told.state.slot(0).state, told.state.slot(0).held) == (SlotState.HELD, D("0.04"))


def test_an_end_with_more_filled_than_known_waits_for_the_fills() -> None:
    told = Story()
    name = told.open(0, BUY)
    told.update(name, "CANCELED", "0.04")
    record = told.state.orders[name]
    assert told.state.slot(0).state is SlotState.UNKNOWN
    assert (record.doubted_ms, record.fills_missing, record.status) == (told.ms, True, OrderStatus.CANCELED)
    told.fill(name, "0.04", 3000)
    assert told.state.slot(0).state is SlotState.HELD
    assert name in told.state.recent


def test_an_update_before_the_reply_opens_the_slot_and_the_reply_changes_nothing() -> None:
    told = Story()
    name = told.intend(0, BUY)
    told.update(name, "NEW")
    before = told.state
    assert before.slot(0).state is SlotState.BUY_OPEN
    assert fold(before, ev.OrderAcknowledged(ms=1, client_order_id=name, order_id=f"v-{name}")) is before


def test_a_whole_fill_before_the_reply() -> None:
    told = Story()
    name = told.intend(0, BUY)
    told.fill(name, "0.1", 3000)
    before = told.state
    assert before.slot(0).state is SlotState.HELD
    told.ack(name)
    told.update(name, "FILLED", "0.1")
    assert told.state == before


def test_a_fill_after_its_order_s_end_is_booked_wherever_the_slot_is() -> None:
    told = Story()
    name = told.open(0, BUY)
    told.cancel(name)
    told.update(name, "CANCELED")
    told.fill(name, "0.03", 3000)
    assert (told.state.slot(0).state, told.state.slot(0).held) == (SlotState.HELD, D("0.03"))
    again = told.open(1, BUY)
    told.update(again, "CANCELED")
    told.open(1, BUY)
    told.fill(again, "0.02", 3010)
    assert (told.state.slot(1).state, told.state.slot(1).held) == (SlotState.BUY_OPEN, D("0.02"))


def test_a_late_sell_empties_the_slot_and_too_much_of_it_shows_as_negative() -> None:
    told = story(held={0: "0.1"})
    name = told.open(0, SELL)
    told.update(name, "CANCELED")
    told.fill(name, "0.1", 3010)
    assert (told.state.slot(0).state, told.state.slot(0).trips) == (SlotState.EMPTY, 1)
    other = story(held={0: "0.1"})
    first = other.open(0, SELL)
    other.update(first, "CANCELED")
    other.fill(other.open(0, SELL), "0.1", 3010)
    other.fill(first, "0.1", 3010)
    assert (other.state.slot(0).state, other.state.slot(0).held) == (SlotState.HELD, D("-0.1"))


def test_an_unknown_placement_is_open_once_any_path_shows_it() -> None:
    told = Story()
    name = told.intend(0, BUY)
    told.doubt(name)
    told.add(ev.OrderAsked(ms=told.tick(), client_order_id=name, found="nothing"))
    record = told.state.orders[name]
    assert (told.state.slot(0).state, record.asked, record.doubt) == (SlotState.UNKNOWN, 1, "time-out")
    told.update(name, "NEW")
    record = told.state.orders[name]
    assert (told.state.slot(0).state, record.asked, record.doubted_ms) == (SlotState.BUY_OPEN, 0, None)


def test_an_unknown_cancel_is_settled_only_by_a_look_up_or_an_end() -> None:
    told = story(held={0: "0.1"})
    name = told.open(0, SELL)
    told.cancel(name)
    told.doubt(name)
    told.update(name, "NEW", source="stream")
    assert told.state.slot(0).state is SlotState.UNKNOWN
    told.update(name, "NEW", source="lookup")
    assert (told.state.slot(0).state, told.state.orders[name].cancel_reason) == (SlotState.SELL_OPEN, None)


def test_a_cancel_that_had_no_effect_leaves_the_order_open() -> None:
    told = story(buys={0: "0.1"})
    name = told.state.slot(0).order or ""
    told.cancel(name)
    assert told.state.slot(0).state is SlotState.CANCELLING
    told.add(ev.CancelRefused(ms=told.tick(), client_order_id=name, error="RateLimited", message="slow down"))
    assert told.state.slot(0).state is SlotState.BUY_OPEN


def test_a_refusal_of_what_is_known_to_exist_is_a_doubt() -> None:
    told = Story()
    name = told.open(0, BUY)
    told.refuse(name, "DuplicateClientId")
    assert told.state.slot(0).state is SlotState.UNKNOWN
    assert "although it is known to exist" in (told.state.orders[name].doubt or "")


def test_a_person_settles_as_dead_or_as_filled() -> None:
    told = Story()
    dead, filled = told.intend(0, BUY), told.intend(1, BUY)
    for name, outcome, quantity in ((dead, "dead", "0"), (filled, "filled", "0.05")):
        told.doubt(name)
        told.add(
            ev.OrderSettled(
                ms=told.tick(),
                client_order_id=name,
                outcome=outcome,
                filled=D(quantity),
                evidence="looked at the venue's page",
                who="kim",
            )
        )
    assert told.state.slot(0).state is SlotState.EMPTY
    assert told.state.slot(1).state is SlotState.UNKNOWN
    told.fill(filled, "0.05", 3010)
    assert (told.state.slot(1).state, told.state.slot(1).held) == (SlotState.HELD, D("0.05"))


def test_what_cannot_be_is_a_fault_of_ours() -> None:
    told = story(buys={0: "0.1"})
    state = told.state
    intent = told.events[-2]
    assert isinstance(intent, ev.OrderIntended)
    with pytest.raises(NoSuchStep, match="repeats sequence 0"):
        fold(state, intent)
    with pytest.raises(NoSuchStep, match="no step for 'buy intended'"):
        fold(state, attrs.evolve(intent, sequence=9, client_order_id="Ab3xP0B9"))
    with pytest.raises(NoSuchStep, match="not live"):
        fold(state, ev.CancelIntended(ms=1, client_order_id="Ab3xP7B7", reason="exit"))
    with pytest.raises(NoSuchStep, match="created twice"):
        fold(state, CREATED)


def test_attached_lots_keep_their_cost_and_sell_at_the_higher_price() -> None:
    told = Story()
    told.hold(0, "0.002", fee="0.001")
    told.hold(5, "0.1", fee="0.06")
    told.add(
        ev.LotsAttached(ms=told.tick(), from_level=0, to_level=5, quantity=D("0.002"), sell_price=D(3060)),
    )
    state = told.state
    assert state.slot(0).state is SlotState.EMPTY
    assert [lot.price for lot in state.slot(5).lots] == [3050, 3000]
    assert state.sell_price(state.slot(5)) == 3060
    told.fill(told.open(5, SELL, "0.102", price=3060), "0.102", 3060)
    assert told.state.slot(5).sell_price is None
    assert told.state.realised == D("0.102") * 3060 - 305 - 6 - D("0.061")


def test_an_adopted_position_is_held_at_its_price() -> None:
    told = Story()
    told.add(ev.PositionAdopted(ms=told.tick(), level=3, quantity=D("0.2"), price=D(3025)))
    state = told.state
    assert (state.slot(3).state, state.slot(3).held, state.slot(3).cost) == (SlotState.HELD, D("0.2"), D(605))
    assert (state.position, state.entry_price, state.cash_flow) == (D("0.2"), D(3025), {"USDT": D(-605)})


def test_somebody_else_s_fill_moves_no_slot() -> None:
    told = story(held={0: "0.1"})
    before = told.state
    told.add(
        ev.ExternalFill(
            ms=told.tick(),
            trade_id="x1",
            order_id="1",
            client_order_id=None,
            side=SELL,
            price=D(2990),
            quantity=D("0.04"),
            fee=D(0),
            fee_asset="USDT",
            venue_ms=told.ms,
        )
    )
    assert told.state.external == D("-0.04")
    assert (told.state.slots, told.state.position, told.state.cash_flow) == (
        before.slots,
        before.position,
        before.cash_flow,
    )


def test_funding_is_the_account_s_and_counted_once_per_payment() -> None:
    told = Story()
    for _ in range(2):
        told.add(ev.FundingBooked(ms=told.tick(), payment_id="p1", amount=D("-0.5"), asset="USDT", venue_ms=T0))
    assert (told.state.funding, told.state.cash_flow, told.state.last_funding_ms) == (
        D("-0.5"),
        {"USDT": D("-0.5")},
        T0,
    )


def test_guards_and_reasons_keep_the_time_of_their_change() -> None:
    told = Story()
    for reason in ("drawdown", "drawdown", "external_fill"):
        told.add(ev.GuardChanged(ms=told.tick(), guard="breaker", raised=True, reason=reason))
    assert told.state.guards["breaker"].since_ms == told.ms
    told.add(ev.GuardChanged(ms=told.tick(), guard="breaker", raised=False, reason=""))
    assert not told.state.guards
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={1: "order_cap", 2: "outside_window"}))
    since = told.ms
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={1: "order_cap", 2: ""}))
    assert {level: guard.since_ms for level, guard in told.state.reasons.items()} == {1: since}


def test_a_session_runs_until_it_stops_on_purpose() -> None:
    told = Story()
    told.add(ev.SessionStarted(ms=told.tick(), version="1", settings="abc"))
    assert told.state.running
    told.add(ev.SessionStopped(ms=told.tick(), reason="SIGTERM"))
    assert not told.state.running


def test_only_the_last_ended_orders_are_remembered() -> None:
    told = Story()
    names = [told.intend(0, BUY)]
    for _ in range(RECENT):
        told.refuse(names[-1], "Unavailable")
        names.append(told.intend(0, BUY))
    told.refuse(names[-1], "Unavailable")
    assert list(told.state.recent) == names[1:]


@pytest.mark.parametrize(
    ("fills", "entry", "realised"),
    [
        ([(BUY, "0.1", 3000), (BUY, "0.3", 3020)], "3015", "0"),
        ([(BUY, "0.1", 3000), (BUY, "0.1", 3010), (SELL, "0.1", 3020)], "3005", "1.5"),
        ([(BUY, "0.1", 3000), (SELL, "0.1", 3010)], "0", "1"),
    ],
)
def test_realised_the_venue_s_way(fills: list[tuple[object, str, int]], entry: str, realised: str) -> None:
    told = Story()
    for level, (side, quantity, price) in enumerate(fills):
        if side is BUY:
            told.fill(told.open(level, BUY, quantity), quantity, price)
        else:
            told.fill(told.open(0, SELL, quantity), quantity, price)
    assert (told.state.entry_price, told.state.realised_venue) == (D(entry), D(realised))


@pytest.mark.parametrize(
    ("position", "entry", "change", "price", "after"),
    [
        ("0", "0", "2", "100", ("100", "0")),
        ("1", "100", "3", "120", ("115", "0")),
        ("3", "100", "-1", "120", ("100", "20")),
        ("3", "100", "-3", "90", ("0", "-30")),
        ("1", "100", "-3", "110", ("110", "10")),
        ("-2", "110", "1", "100", ("110", "10")),
        ("-2", "110", "5", "100", ("100", "20")),
        ("0", "0", "0", "100", ("0", "0")),
    ],
)
def test_average_cost_as_venues_keep_one_way_positions(
    position: str, entry: str, change: str, price: str, after: tuple[str, str]
) -> None:
    assert average_cost(D(position), D(entry), D(change), D(price)) == (D(after[0]), D(after[1]))


def test_an_update_after_the_venue_has_told_the_end_changes_nothing() -> None:
    told = Story()
    name = told.open(0, BUY)
    told.update(name, "CANCELED", "0.04")
    before = told.state
    told.update(name, "PARTIALLY_FILLED", "0.06")
    assert told.state == before
    told.fill(name, "0.04", 3000)
    assert told.state.slot(0).state is SlotState.HELD


def test_a_stream_s_word_on_more_fills_does_not_settle_an_unknown_cancel() -> None:
    told = story(buys={0: "0.1"})
    name = told.state.slot(0).order or ""
    told.cancel(name)
    told.doubt(name)
    told.update(name, "PARTIALLY_FILLED", "0.04")
    assert told.state.slot(0).state is SlotState.UNKNOWN
    assert told.state.orders[name].venue_filled == D("0.04")
