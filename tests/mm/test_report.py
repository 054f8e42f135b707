"""The report: the ledger's shape, from the journal alone."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mm.given import BUY, CREATED, INSTRUMENT, SELL, T0, Story, settings, story
from tests.mm.test_decide_properties import wander
from tests.mm.world import World

from opensqt_core.journal import events as ev
from opensqt_core.journal.reader import JournalReader, open_reader
from opensqt_core.journal.schema import JournalError
from opensqt_core.order import Side
from opensqt_mm.fold import fold_all
from opensqt_mm.journal import SNAPSHOT_EVERY, open_journal
from opensqt_mm.plain import plain
from opensqt_mm.report import Report, build_report, to_json
from opensqt_mm.state import State

D = Decimal


@contextmanager
def journal(path: Path, events: Sequence[ev.Event], size: int = 1000) -> Iterator[JournalReader]:
    """Write events as the market maker does, and read them."""
    with open_journal(path, "process") as file:
        state = State()
        for start in range(0, len(events), size):
            batch = events[start : start + size]
            state = fold_all(state, batch)
            file.append(batch, state)
    with open_reader(path) as reader:
        yield reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mm.sqlite"


def reported(path: Path, events: Sequence[ev.Event], *, running: bool | None = True) -> tuple[Report, dict[str, Any]]:
    """Return the report and its JSON."""
    with journal(path, events) as reader:
        report = build_report(reader, running=running)
    return report, json.loads(to_json(report))


def busy() -> Story:
    """A grid that has seen a bit of everything."""
    told = Story()
    told.add(ev.SessionStarted(ms=told.tick(), version="1", settings="x"))
    told.fill(told.open(0, BUY), "0.1", 3000, "0.06")
    told.fill(told.open(0, SELL), "0.1", 3010, "0.0602")
    part = told.open(-1, BUY)
    told.update(part, "PARTIALLY_FILLED", "0.04")
    told.fill(part, "0.04", 2990, "0.000030", fee_asset="BNB", fee_quote=D("0.0239"), converted=True)
    gone = told.open(-2, BUY)
    told.cancel(gone)
    told.update(gone, "CANCELED", reason="user")
    told.refuse(told.intend(-3, BUY), "InsufficientMargin")
    told.open(-4, BUY)
    told.doubt(told.intend(-5, BUY))
    told.add(ev.FundingBooked(ms=told.tick(), payment_id="p", amount=D("-0.10"), asset="USDT", venue_ms=T0 + 7))
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={5: "outside_window"}))
    return told


def test_the_head_says_whose_it_is_and_of_when(path: Path) -> None:
    told = busy()
    _, document = reported(path, told.events)
    assert {key: document[key] for key in ("instance", "venue", "symbol", "anchor", "price_interval")} == {
        "instance": "Ab3x",
        "venue": "sim",
        "symbol": "ETHUSDT",
        "anchor": "3000",
        "price_interval": "10",
    }
    assert (document["from_ms"], document["to_ms"]) == (T0, told.ms)


def test_orders_are_those_that_the_venue_accepted(path: Path) -> None:
    _, document = reported(path, busy().events)
    statuses = {order["client_order_id"]: (order["status"], order["filled"]) for order in document["orders"]}
    assert statuses == {
        "Ab3xP0B0": ("FILLED", "0.1"),
        "Ab3xP0S1": ("FILLED", "0.1"),
        "Ab3xM1B2": ("PARTIALLY_FILLED", "0.04"),
        "Ab3xM2B3": ("CANCELED", "0"),
        "Ab3xM4B5": ("NEW", "0"),
    }
    assert [each["client_order_id"] for each in document["refused"]] == ["Ab3xM3B4"]
    assert document["open_orders"] == ["Ab3xM1B2", "Ab3xM4B5"]
    assert document["unknown"] == [
        {
            "client_order_id": "Ab3xM5B6",
            "since_ms": document["unknown"][0]["since_ms"],
            "asked": 0,
            "doubt": "time-out",
        }
    ]


def test_an_order_has_the_ledger_s_shape(path: Path) -> None:
    _, document = reported(path, busy().events)
    order = next(order for order in document["orders"] if order["client_order_id"] == "Ab3xM2B3")
    history, created_ms = order.pop("history"), order.pop("created_ms")
    assert order == {
        "order_id": "v-Ab3xM2B3",
        "client_order_id": "Ab3xM2B3",
        "symbol": "ETHUSDT",
        "side": "buy",
        "type": "limit",
        "time_in_force": "GTC",
        "post_only": True,
        "reduce_only": False,
        "price": "2980",
        "quantity": "0.1",
        "filled": "0",
        "status": "CANCELED",
        "origin": "api",
    }
    assert [(line["status"], line["filled"], line["reason"]) for line in history] == [
        ("NEW", "0", None),
        ("CANCELED", "0", "user"),
    ]
    assert created_ms == history[0]["ms"]


def test_fills_and_money(path: Path) -> None:
    report, document = reported(path, busy().events)
    assert [fill["trade_id"] for fill in document["fills"]] == ["t1", "t2", "t3"]
    assert document["fills"][2] == {
        "trade_id": "t3",
        "order_id": "v-Ab3xM1B2",
        "client_order_id": "Ab3xM1B2",
        "symbol": "ETHUSDT",
        "side": "buy",
        "price": "2990",
        "quantity": "0.04",
        "fee": "0.00003",
        "fee_asset": "BNB",
        "fee_quote": "0.0239",
        "converted": True,
        "maker": True,
        "ms": document["fills"][2]["ms"],
    }
    assert document["fees"] == {"USDT": "0.1202", "BNB": "0.00003"}
    assert document["cash_flow"] == {"USDT": "-118.8202", "BNB": "-0.00003"}
    assert (document["position"], document["funding"], document["trips"]) == ("0.04", "-0.1", 1)
    assert (document["realised"], document["realised_venue"]) == ("0.8798", "1")
    assert report.mark == D(2950)
    assert D(document["unrealised"]) == D("0.04") * (2950 - 2990) - D("0.0239")


def test_slots_say_what_they_hold_and_why_they_have_no_order(path: Path) -> None:
    told = busy()
    _, document = reported(path, told.events)
    slots = {slot["level"]: slot for slot in document["slots"]}
    assert list(slots) == [-5, -4, -3, -2, -1, 0, 5]
    assert slots[-1] == {
        "level": -1,
        "price": "2990",
        "state": "BUY_OPEN",
        "reason": None,
        "reason_since_ms": None,
        "held": "0.04",
        "cost": "119.6239",
        "order": "Ab3xM1B2",
        "realised": "0",
        "trips": 0,
    }
    assert (slots[0]["realised"], slots[0]["trips"], slots[0]["state"]) == ("0.8798", 1, "EMPTY")
    assert (slots[5]["reason"], slots[5]["reason_since_ms"]) == ("outside_window", told.ms)
    assert slots[-5]["reason"] == "unknown_outcome"


@pytest.mark.parametrize(
    ("guards", "running", "expected"),
    [
        ([], True, "running"),
        ([], None, "running"),
        ([], False, "stopped"),
        (["operator_paused"], True, "paused"),
        (["operator_paused", "breaker"], True, "breaker"),
        (["breaker"], False, "stopped"),
        (["margin_lock"], True, "running"),
    ],
)
def test_the_state_word(path: Path, guards: list[str], running: bool | None, expected: str) -> None:
    told = Story()
    told.add(ev.SessionStarted(ms=told.tick(), version="1", settings="x"))
    for guard in guards:
        told.add(ev.GuardChanged(ms=told.tick(), guard=guard, raised=True, reason="because"))
    _, document = reported(path, told.events, running=running)
    assert document["state"] == expected
    assert document["guards"] == dict.fromkeys(guards, "because")


def test_a_session_that_stopped_on_purpose_is_stopped_also_when_nobody_can_tell(path: Path) -> None:
    told = Story()
    told.add(ev.SessionStopped(ms=told.tick(), reason="exit"))
    assert reported(path, told.events, running=None)[1]["state"] == "stopped"


def test_final_statuses(path: Path) -> None:
    told = Story()
    complete = told.open(0, BUY)
    told.fill(complete, "0.1", 3000)
    expired = told.open(-1, BUY)
    told.update(expired, "EXPIRED", would_take=True)
    late = told.open(-2, BUY)
    told.update(late, "CANCELED", "0.03")
    told.fill(late, "0.03", 2980)
    lost = told.open(-3, BUY)
    told.doubt(lost)
    settled(told, lost, "dead", "0")
    never = told.intend(-4, BUY)
    told.doubt(never)
    settled(told, never, "dead", "0")
    by_hand = told.intend(-5, BUY)
    told.doubt(by_hand)
    settled(told, by_hand, "filled", "0.02")
    told.fill(by_hand, "0.02", 2950)
    _, document = reported(path, told.events)
    assert {order["client_order_id"]: order["status"] for order in document["orders"]} == {
        complete: "FILLED",
        expired: "EXPIRED",
        late: "CANCELED",
        lost: "CANCELED",
        by_hand: "CANCELED",
    }
    assert [(each["client_order_id"], each["error"]) for each in document["refused"]] == [(never, "dead")]


def settled(told: Story, name: str, outcome: str, filled: str) -> None:
    """Have a person decide."""
    told.add(
        ev.OrderSettled(
            ms=told.tick(), client_order_id=name, outcome=outcome, filled=D(filled), evidence="looked", who="kim"
        )
    )


def test_repeats_in_a_journal_are_counted_once(path: Path) -> None:
    told = story(held={0: "0.1"})
    fill = told.events[-1]
    told.add(fill)
    _, document = reported(path, told.events)
    assert (len(document["fills"]), document["position"], document["orders"][0]["filled"]) == (1, "0.1", "0.1")


def test_the_mark_is_the_last_price_known(path: Path) -> None:
    told = story(held={0: "0.1"})
    assert reported(path, told.events)[0].mark == 3000
    told.intend(-3, BUY, bid=D("2995.01"), ask=D("2995.02"))
    report, document = reported(path.with_name("later"), told.events)
    assert (report.mark, report.mark_ms, document["unrealised"]) == (D("2995.015"), told.ms, "-0.4985")


def test_dust_is_what_cannot_be_sold(path: Path) -> None:
    told = story(held={0: "0.002", 1: "0.1"})
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={0: "dust", 1: "order_cap"}))
    assert reported(path, told.events)[1]["dust"] == "0.002"


def test_an_average_price_brings_no_noise(path: Path) -> None:
    told = Story()
    for level, quantity in ((0, "0.1"), (1, "0.2")):
        told.fill(told.open(level, BUY, quantity), quantity, 3000 + 10 * level)
    told.fill(told.open(0, SELL), "0.1", 3010)
    report, document = reported(path, told.events)
    assert document["realised_venue"] == "0.33333333"
    assert report.check.clean


def test_an_empty_journal_says_so(path: Path) -> None:
    with journal(path, []) as reader, pytest.raises(JournalError, match="nothing has happened yet"):
        build_report(reader, running=None)


def test_the_profit_identity_and_the_sums_hold_in_a_report(path: Path) -> None:
    world = World(INSTRUMENT, settings(order_quantity=D(100)), D(3000))
    wander(world, Random(7), 120)
    report, document = reported(path, world.events)
    assert report.mark is not None
    assert report.trips > 3
    cash = D(document["cash_flow"]["USDT"])
    assert cash + report.position * report.mark == report.realised + report.funding + report.unrealised
    assert sum(D(fill["fee"]) for fill in document["fills"]) == D(document["fees"]["USDT"])
    signed = sum(Side(fill["side"]).sign * D(fill["quantity"]) for fill in document["fills"])
    assert signed == D(document["position"])
    assert {slot["order"] for slot in document["slots"] if slot["order"]} == set(world.state.orders)
    assert not any("E" in text for text in decimals(document))


def decimals(value: Any) -> Iterator[str]:
    """Yield every text in a document that is a number."""
    match value:
        case dict():
            for each in value.values():
                yield from decimals(each)
        case list():
            for each in value:
                yield from decimals(each)
        case str() if value[:1].isdigit() or value[:1] == "-":
            yield value
        case _:
            pass


def test_a_long_journal_is_read_from_its_snapshot_with_the_same_result(path: Path) -> None:
    told = Story()
    while len(told.events) < SNAPSHOT_EVERY + 500:
        told.fill(told.open(0, BUY), "0.1", 3000, "0.06")
        told.fill(told.open(0, SELL), "0.1", 3010, "0.0602")
    report, document = reported(path, told.events)
    with open_reader(path) as reader:
        assert reader.snapshot(1) is not None
    state = told.state
    assert (report.realised, report.trips, dict(report.fees)) == (state.realised, state.trips, dict(state.fees))
    assert len(document["orders"]) == len(document["fills"]) == 2 * state.trips


def test_a_report_reads_only_what_was_there_when_it_began(path: Path) -> None:
    told = busy()
    with journal(path, told.events) as reader:
        before = to_json(build_report(reader, running=True))
        assert to_json(build_report(reader, running=True)) == before
        assert msgspec.json.decode(before)["instance"] == CREATED.instance


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12) | st.integers(-(10**30), 10**30).map(Decimal))
def test_plain_numbers_keep_their_value_and_have_no_exponent(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text != "-0"
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("1.500", "1.5"), ("-0.000", "0"), ("100", "100"), ("1E-8", "0.00000001")]
)
def test_plain_numbers(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
