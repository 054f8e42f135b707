"""The tables that people see, rendered without a terminal."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console, RenderableType
from tests.mm.given import BUY, INSTRUMENT, SELL, SETTINGS, D, Story, story, view
from tests.mm.test_report import busy, journal

from opensqt_core.journal import events as ev
from opensqt_core.streams import StreamState, StreamStatus
from opensqt_mm.decide import decide
from opensqt_mm.plain import age, amounts, moment, number
from opensqt_mm.report import build_report
from opensqt_mm.table import StatusView, render_report, render_status


def drawn(what: RenderableType, width: int = 140) -> list[str]:
    """Return the lines that a console of this width would show."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(what)
    return [line.rstrip() for line in captured.get().splitlines()]


def seen(told: Story, price: str | None = "3004.2", running: bool | None = True) -> StatusView:
    """Return the view that a daemon would send."""
    state = told.state
    at = view(price)
    decisions = decide(state, INSTRUMENT, SETTINGS, at) if price else None
    streams = {"account": StreamStatus("account", StreamState.LIVE, last_event_ms=at.now_ms - 3_000)}
    return StatusView.from_state(state, decisions, at.book, streams, at.now_ms, running=running)


def lively() -> Story:
    """A sell and buys in the book, one order of unknown fate, something held."""
    told = story(held={2: "0.1", 14: "0.1"}, buys={0: "0.1", -1: "0.1"})
    told.open(2, SELL)
    told.doubt(told.intend(-2, BUY))
    told.add(ev.SessionStarted(ms=told.tick(), version="1", settings="x"))
    return told


def test_a_view_travels_as_json() -> None:
    shown = seen(lively())
    assert msgspec.json.decode(msgspec.json.encode(shown), type=StatusView) == shown
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(shown)), StatusView) == shown


def test_the_header_has_what_matters() -> None:
    lines = drawn(render_status(seen(lively())))
    head = " ".join(" ".join(line.split()) for line in lines[:12])
    for part in (
        "ETHUSDT on sim running",
        "price 3004.2",
        "position 0.2",
        "realised 0",
        "unrealised -15.16",
        "open orders 4",
        "account: live, last event 3s ago, 0 restarts",
        "Ab3xM2B",
    ):
        assert part in head, part
    assert any("unknown since" in line and "asked 0 times: time-out" in line for line in lines)


def test_the_ladder_runs_from_the_highest_level_down_and_marks_the_price() -> None:
    lines = drawn(render_status(seen(lively())))
    ladder = lines[next(i for i, line in enumerate(lines) if line.lstrip().startswith("level")) + 1 :]
    cells = [line.split() for line in ladder]
    levels = [int(row[0]) for row in cells if row[0].lstrip("-").isdigit()]
    assert levels == sorted(levels, reverse=True)
    assert cells[1][:8] == ["2", "3020", "SELL_OPEN", "0.1", "sell", "0.1", "@", "3030"]
    assert cells[2] == ["3004.2", "<-", "price"]
    assert cells[0][:5] == ["14", "3140", "HELD", "0.1", "outside_window"]


def test_idle_levels_far_from_the_price_are_collapsed() -> None:
    told = lively()
    lines = drawn(render_status(seen(told)))
    assert any("... 6 idle levels" in line for line in lines)
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={-20: "order_cap", -21: "order_cap"}))
    lines = drawn(render_status(seen(told)))
    assert any("... 18 idle levels" in line and "order_cap" in line for line in lines)


def test_without_price_and_decisions_the_journal_s_reasons_are_shown() -> None:
    told = story(held={1: "0.1"})
    told.add(ev.ReasonsChanged(ms=told.tick(), reasons={1: "order_cap"}))
    shown = seen(told, None, running=False)
    lines = drawn(render_status(shown))
    assert shown.state == "stopped"
    assert (shown.price, shown.unrealised) == (None, None)
    row = next(line.split() for line in lines if line.split()[:1] == ["1"])
    assert row == ["1", "3010", "HELD", "0.1", "order_cap", "16m"]
    assert not any("<- price" in line for line in lines)


def test_guards_are_in_the_title() -> None:
    told = lively()
    told.add(ev.GuardChanged(ms=told.tick(), guard="breaker", raised=True, reason="external fill x1"))
    assert drawn(render_status(seen(told)))[0] == "ETHUSDT on sim  breaker  breaker: external fill x1"


def test_a_journal_without_a_grid_can_be_shown() -> None:
    told = Story()
    told.events.clear()
    shown = StatusView.from_state(told.state, None, None, {}, 0, running=False)
    assert drawn(render_status(shown))


def test_a_report_as_a_table(tmp_path: Path) -> None:
    with journal(tmp_path / "mm.sqlite", busy().events) as reader:
        report = build_report(reader, running=True)
    lines = [" ".join(line.split()) for line in drawn(render_report(report))]
    for line in (
        "ETHUSDT on sim running",
        "grid 3000 + k x 10",
        "realised 0.8798",
        "fees 0.00003 BNB, 0.1202 USDT",
        "orders 5, 2 open, 1 refused",
        "check nothing amiss",
        "0 3000 EMPTY 0 0 0.8798 1",
        "-1 2990 BUY_OPEN 0.04 119.6239 Ab3xM1B2 0 0",
    ):
        assert line in lines, line


@pytest.mark.parametrize(
    ("ms", "text"), [(-5, "0s"), (999, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (172_800_000, "2d")]
)
def test_ages(ms: int, text: str) -> None:
    assert age(ms) == text


def test_small_words() -> None:
    assert number(None) == "-"
    assert amounts({}) == "0"
    assert amounts({"USDT": D("1.50"), "BNB": D("-0.1")}) == "-0.1 BNB, 1.5 USDT"
    assert moment(0) == "1970-01-01 00:00:00 UTC"
