"""What a decision sees, and what it says of each level."""

import enum
from collections.abc import Iterable
from decimal import Decimal

import attrs

from opensqt_core.market import TopOfBook
from opensqt_core.order import Side


class Action(enum.StrEnum):
    """What is done about a level."""

    PLACE = "place"
    KEEP = "keep"
    CANCEL = "cancel"
    ATTACH = "attach"
    NONE = "none"


class Reason(enum.StrEnum):
    """Why a level has no order, or loses it. People see these words on the page and in `status`."""

    OUTSIDE_WINDOW = "outside_window"
    OUTSIDE_RANGE = "outside_range"
    TOO_CLOSE_TO_PRICE = "too_close_to_price"
    BELOW_MINIMUM = "below_minimum"
    INVENTORY_CAP = "inventory_cap"
    ORDER_CAP = "order_cap"
    RATE_BUDGET = "rate_budget"
    WOULD_TAKE = "would_take"
    WOULD_SELF_TRADE = "would_self_trade"
    MARGIN_LOCK = "margin_lock"
    RISK_PAUSED = "risk_paused"
    BREAKER = "breaker"
    STALE_PRICE = "stale_price"
    STREAM_LOST = "stream_lost"
    UNKNOWN_OUTCOME = "unknown_outcome"
    OPERATOR_PAUSED = "operator_paused"
    PARTIAL_FILL = "partial_fill"
    MISPLACED = "misplaced"
    REJECTED = "rejected"
    POSITION_SHORT = "position_short"
    DUST = "dust"
    IN_FLIGHT = "in_flight"


@attrs.frozen(kw_only=True)
class View:
    """What a decision sees of the world beside the journal's state."""

    now_ms: int
    book: TopOfBook | None
    book_age: float = 0.0
    """Seconds since the book was last seen or confirmed."""
    orders_blocked: Reason | None = None
    """Nothing may be placed: the order stream is down, an operator has paused."""
    buys_blocked: Reason | None = None
    """No new buys."""
    pull_buys: Reason | None = None
    """Resting buys are cancelled too."""
    placements: int = 1_000_000
    """How many orders the rate budget and the executor can take now."""


@attrs.frozen(kw_only=True)
class Decision:
    """One level, what is done about it, and why."""

    level: int
    action: Action
    reason: Reason | None = None
    side: Side | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    post_only: bool = True
    repriced: bool = False
    client_order_id: str | None = None
    """Of the order to keep or to cancel."""
    to_level: int | None = None
    """Where held lots are attached to."""


def to_place(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the placements, in the order in which they matter."""
    return [decision for decision in decisions if decision.action is Action.PLACE]


def to_cancel(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the cancels, in the order in which they matter."""
    return [decision for decision in decisions if decision.action is Action.CANCEL]
