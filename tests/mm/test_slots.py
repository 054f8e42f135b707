"""The slot table, and that docs/slots.md shows it."""

import pytest
from tests.mm.slots_doc import DOCUMENT, render, written

from opensqt_mm.slots import TABLE, NoSuchStep, SlotEvent, SlotState, step

QUIET = [
    (SlotEvent.BUY_INTENDED, SlotState.BUY_PENDING),
    (SlotEvent.ACCEPTED, SlotState.BUY_OPEN),
    (SlotEvent.FILLED_IN_PART, SlotState.BUY_OPEN),
    (SlotEvent.ENDED_HOLDING, SlotState.HELD),
    (SlotEvent.SELL_INTENDED, SlotState.SELL_PENDING),
    (SlotEvent.ACCEPTED, SlotState.SELL_OPEN),
    (SlotEvent.ENDED_EMPTY, SlotState.EMPTY),
]


def test_the_document_shows_the_code_s_own_table() -> None:
    assert written(DOCUMENT.read_text()) == render()


def test_the_document_explains_every_state_and_event() -> None:
    text = DOCUMENT.read_text()
    for word in (*SlotState, *(event.value for event in SlotEvent)):
        assert f"\n| {word} | " in text.partition("## State and event")[0]


def test_every_state_has_its_steps_and_can_be_left() -> None:
    assert set(TABLE) == set(SlotState)
    for state, steps in TABLE.items():
        assert any(after is not state for after in steps.values())


def test_the_quiet_round() -> None:
    state = SlotState.EMPTY
    for event, after in QUIET:
        state = step(state, event)
        assert state is after


@pytest.mark.parametrize("state", [SlotState.BUY_OPEN, SlotState.SELL_OPEN, SlotState.CANCELLING, SlotState.UNKNOWN])
def test_an_open_order_can_become_unknown_and_unknown_stays_until_proof(state: SlotState) -> None:
    assert step(state, SlotEvent.DOUBTED) is SlotState.UNKNOWN
    assert step(SlotState.UNKNOWN, SlotEvent.ACCEPTED) is SlotState.UNKNOWN
    assert step(SlotState.UNKNOWN, SlotEvent.FILLED_IN_PART) is SlotState.UNKNOWN


def test_orders_are_intended_only_where_nothing_is_under_way() -> None:
    assert [state for state in SlotState if SlotEvent.BUY_INTENDED in TABLE[state]] == [SlotState.EMPTY]
    assert [state for state in SlotState if SlotEvent.SELL_INTENDED in TABLE[state]] == [SlotState.HELD]
    cancellable = [state for state in SlotState if SlotEvent.CANCEL_INTENDED in TABLE[state]]
    assert cancellable == [SlotState.BUY_OPEN, SlotState.SELL_OPEN]
    with pytest.raises(NoSuchStep, match="HELD has no step for 'buy intended'"):
        step(SlotState.HELD, SlotEvent.BUY_INTENDED)


def test_locked_states() -> None:
    assert [state.name for state in SlotState if state.locked] == [
        "BUY_PENDING",
        "SELL_PENDING",
        "CANCELLING",
        "UNKNOWN",
    ]
