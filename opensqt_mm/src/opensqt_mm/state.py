"""What the market maker knows, as values: made by the fold, read by everything else."""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from opensqt_core.journal.events import JournalCreated
from opensqt_core.order import OrderStatus, Side
from opensqt_mm.ladder import Ladder
from opensqt_mm.lots import Lot, held
from opensqt_mm.slots import SlotState

FORMAT = 1
"""Of a snapshot's body; another format is ignored and the journal replayed."""

ZERO = Decimal(0)
RECENT = 512
"""Ended orders that are remembered, so that a fill that comes after its order's end is still booked."""


@attrs.frozen(kw_only=True)
class OrderRecord:
    """One of our orders from its intent to its end."""

    client_order_id: str
    sequence: int
    level: int
    side: Side
    price: Decimal
    quantity: Decimal
    post_only: bool
    repriced: bool
    intended_ms: int
    order_id: str | None = None
    accepted: bool = False
    """The venue has said that it exists."""
    filled: Decimal = ZERO
    """Sum of the fills we know."""
    trade_ids: tuple[str, ...] = ()
    venue_filled: Decimal = ZERO
    """Highest cumulated fill the venue has told; above `filled` while a fill is missing."""
    status: OrderStatus | None = None
    """Terminal status the venue has told, if any. The order ends when its fills are complete, not before."""
    cancel_reason: str | None = None
    doubted_ms: int | None = None
    doubt: str | None = None
    asked: int = 0

    @property
    def remaining(self) -> Decimal:
        """What may still trade, as far as we know."""
        return self.quantity - self.filled

    @property
    def fills_missing(self) -> bool:
        """Whether the venue has told of more than the fills we know."""
        return self.venue_filled > self.filled


@attrs.frozen(kw_only=True)
class Slot:
    """One level: its order, what it holds, what it has earned."""

    level: int
    state: SlotState = SlotState.EMPTY
    since_ms: int = 0
    """When it came into this state."""
    order: str | None = None
    """Client order id of its live order."""
    lots: tuple[Lot, ...] = ()
    sell_price: Decimal | None = None
    """Its own, when it is not P(level + 1): after an attachment, an adoption or a new grid."""
    realised: Decimal = ZERO
    trips: int = 0
    refusals: int = 0
    """How often in a row the same refusal came."""
    refusal: str | None = None
    refused_ms: int = 0
    would_take: int = 0
    """Post-only refusals in a row."""

    @property
    def held(self) -> Decimal:
        """Quantity in base units."""
        return held(self.lots)

    @property
    def cost(self) -> Decimal:
        """What the held lots have cost, buying fees included."""
        return sum((lot.cost for lot in self.lots), ZERO)


@attrs.frozen(kw_only=True)
class Guard:
    """A guard that is raised, why, and since when."""

    reason: str
    since_ms: int


@attrs.frozen(kw_only=True)
class State:
    """The fold of the journal. Never altered: each event makes a new one, sharing what did not change."""

    created: JournalCreated | None = None
    slots: Mapping[int, Slot] = attrs.field(factory=dict)
    orders: Mapping[str, OrderRecord] = attrs.field(factory=dict)
    """Live ones: every slot's order and nothing else."""
    recent: Mapping[str, OrderRecord] = attrs.field(factory=dict)
    """The last `RECENT` that ended, oldest first."""
    next_sequence: int = 0
    position: Decimal = ZERO
    """From our fills."""
    external: Decimal = ZERO
    """What others have added to the venue's position on our symbol since the journal began."""
    external_ids: tuple[str, ...] = ()
    cash_flow: Mapping[str, Decimal] = attrs.field(factory=dict)
    """By asset: sells less buys less fees, plus or minus funding."""
    fees: Mapping[str, Decimal] = attrs.field(factory=dict)
    """By asset, paid is positive."""
    funding: Decimal = ZERO
    funding_ids: tuple[str, ...] = ()
    realised: Decimal = ZERO
    """Of all slots, fees of both sides deducted, without funding."""
    realised_venue: Decimal = ZERO
    """By the venue's average-cost formula, without fees."""
    entry_price: Decimal = ZERO
    """Average cost of the position by the same formula."""
    trips: int = 0
    guards: Mapping[str, Guard] = attrs.field(factory=dict)
    reasons: Mapping[int, Guard] = attrs.field(factory=dict)
    """Why a level has no order, by level."""
    last_fill_ms: int = 0
    """Venue time of the newest fill."""
    last_funding_ms: int = 0
    running: bool = False
    """A session has started and has not stopped on purpose."""

    def slot(self, level: int) -> Slot:
        """Return the slot of a level, an empty one if nothing ever happened there."""
        return self.slots.get(level) or Slot(level=level)

    @property
    def ladder(self) -> Ladder:
        """The grid's levels. Only after `JournalCreated`."""
        if self.created is None:
            raise ValueError("the journal has no grid yet")
        return Ladder(self.created.anchor, self.created.price_interval, self.created.tick_size)

    def sell_price(self, slot: Slot) -> Decimal:
        """Return where a slot sells what it holds."""
        return slot.sell_price if slot.sell_price is not None else self.ladder.price(slot.level + 1)
