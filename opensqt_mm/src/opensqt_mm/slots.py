"""The life of a slot as one table: state and event give the next state, or there is no such step.

docs/slots.md is written from this table; a test keeps the two equal.
"""

import enum


class SlotState(enum.StrEnum):
    """Where a slot is. PENDING: sent, not acknowledged. PENDING, CANCELLING and UNKNOWN are never acted on."""

    EMPTY = "EMPTY"
    BUY_PENDING = "BUY_PENDING"
    BUY_OPEN = "BUY_OPEN"
    HELD = "HELD"
    SELL_PENDING = "SELL_PENDING"
    SELL_OPEN = "SELL_OPEN"
    CANCELLING = "CANCELLING"
    UNKNOWN = "UNKNOWN"

    @property
    def locked(self) -> bool:
        """Whether the slot's order is in a state where nothing may be done about it."""
        return self in _LOCKED


class SlotEvent(enum.StrEnum):
    """What can happen to a slot, as the fold sees it."""

    BUY_INTENDED = "buy intended"
    SELL_INTENDED = "sell intended"
    ACCEPTED = "accepted"
    """The venue has the order: a reply, an update, or a fill that came before either."""
    FILLED_IN_PART = "filled in part"
    ENDED_HOLDING = "order ended, something held"
    """Filled, cancelled, expired, refused or proven dead, every fill known, and the slot holds something."""
    ENDED_EMPTY = "order ended, nothing held"
    FILLS_MISSING = "ended, fills missing"
    """The venue says that it ended with more filled than the fills we know of."""
    DOUBTED = "outcome unknown"
    CANCEL_INTENDED = "cancel intended"
    BUY_STANDS = "buy proven open"
    """The cancel certainly had no effect, or a look-up found the order open."""
    SELL_STANDS = "sell proven open"
    LOTS_IN = "lots joined"
    """Adopted, attached from another slot, or filled by an order that had already ended."""
    LOTS_OUT = "lots left"


_LOCKED = frozenset({SlotState.BUY_PENDING, SlotState.SELL_PENDING, SlotState.CANCELLING, SlotState.UNKNOWN})

_S, _E = SlotState, SlotEvent

_ENDINGS = {_E.ENDED_HOLDING: _S.HELD, _E.ENDED_EMPTY: _S.EMPTY, _E.FILLS_MISSING: _S.UNKNOWN, _E.DOUBTED: _S.UNKNOWN}


def _live(opened: SlotState) -> dict[SlotEvent, SlotState]:
    return {_E.ACCEPTED: opened, _E.FILLED_IN_PART: opened, **_ENDINGS}


TABLE: dict[SlotState, dict[SlotEvent, SlotState]] = {
    _S.EMPTY: {_E.BUY_INTENDED: _S.BUY_PENDING, _E.LOTS_IN: _S.HELD},
    _S.BUY_PENDING: {**_live(_S.BUY_OPEN), _E.LOTS_IN: _S.BUY_PENDING},
    _S.BUY_OPEN: {**_live(_S.BUY_OPEN), _E.CANCEL_INTENDED: _S.CANCELLING, _E.LOTS_IN: _S.BUY_OPEN},
    _S.HELD: {_E.SELL_INTENDED: _S.SELL_PENDING, _E.LOTS_IN: _S.HELD, _E.LOTS_OUT: _S.EMPTY},
    _S.SELL_PENDING: {**_live(_S.SELL_OPEN), _E.LOTS_IN: _S.SELL_PENDING},
    _S.SELL_OPEN: {**_live(_S.SELL_OPEN), _E.CANCEL_INTENDED: _S.CANCELLING, _E.LOTS_IN: _S.SELL_OPEN},
    _S.CANCELLING: {
        **_live(_S.CANCELLING),
        _E.BUY_STANDS: _S.BUY_OPEN,
        _E.SELL_STANDS: _S.SELL_OPEN,
        _E.LOTS_IN: _S.CANCELLING,
    },
    _S.UNKNOWN: {
        **_live(_S.UNKNOWN),
        _E.BUY_STANDS: _S.BUY_OPEN,
        _E.SELL_STANDS: _S.SELL_OPEN,
        _E.LOTS_IN: _S.UNKNOWN,
    },
}
"""Every step there is. What is not here does not happen; the fold raises if it is asked for."""


class NoSuchStep(Exception):
    """The journal asks for a step that the table does not have: a fault of ours, or a damaged journal."""


def step(state: SlotState, event: SlotEvent) -> SlotState:
    """Return the next state. Raises `NoSuchStep`."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise NoSuchStep(f"a slot that is {state} has no step for {event.value!r}") from None
