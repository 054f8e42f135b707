"""Everything that can stand in a journal.

Events are facts, appended and never changed. The order of events is the order of their sequence numbers, not of any
clock. `ms` is our wall clock when the event was written; `venue_ms` is the venue's own time. An event's name in the
file is its class name; fields may be added with a default, never removed or given another meaning.
"""

from decimal import Decimal

import attrs

from opensqt_core.order import OrderStatus, Side


@attrs.frozen(kw_only=True)
class Event:
    """Base of all events."""

    ms: int


@attrs.frozen(kw_only=True)
class JournalCreated(Event):
    """First event of a journal: whose it is, and the grid's immovable points. A start with others is refused."""

    instance: str
    """Four random characters that begin every client order id of this journal."""
    venue: str
    account: str
    """Fingerprint of the key, not the key."""
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    anchor: Decimal
    price_interval: Decimal


@attrs.frozen(kw_only=True)
class SessionStarted(Event):
    """A process took the journal over; recovery follows."""

    version: str
    settings: str
    """Hash of the settings, so that a change of behaviour can be traced to one of them."""


@attrs.frozen(kw_only=True)
class SessionStopped(Event):
    """The process let go on purpose. Its absence before the next start means a crash."""

    reason: str
    unconfirmed: tuple[str, ...] = ()
    """Client order ids whose cancel was not confirmed in time."""


@attrs.frozen(kw_only=True)
class OrderIntended(Event):
    """Durable before the request leaves. From here on the order may exist, whatever we hear."""

    client_order_id: str
    sequence: int
    level: int
    side: Side
    price: Decimal
    quantity: Decimal
    reduce_only: bool
    post_only: bool
    bid: Decimal
    ask: Decimal
    """The book the decision saw."""
    repriced: bool = False
    """The price is not the level's own because that would have taken."""


@attrs.frozen(kw_only=True)
class OrderAcknowledged(Event):
    """The venue accepted the placement under `order_id`."""

    client_order_id: str
    order_id: str
    venue_ms: int | None = None


@attrs.frozen(kw_only=True)
class OrderRefused(Event):
    """The venue refused the placement, or it certainly never left: the order does not exist and never will."""

    client_order_id: str
    error: str
    """Name of the error type: `WouldTake`, `Unavailable`, ..."""
    message: str
    code: str | None = None


@attrs.frozen(kw_only=True)
class OrderDoubted(Event):
    """The outcome of a placement or a cancel is unknown. The slot is locked and the exposure counts as live.

    The request was signed before `ms`: from then on the venue's own expiry counts.
    """

    client_order_id: str
    reason: str


@attrs.frozen(kw_only=True)
class OrderAsked(Event):
    """A round of look-ups on an order of unknown fate that proved nothing."""

    client_order_id: str
    found: str
    """What the paths said, for people: `by id: not found; open: no; fills: none`."""


@attrs.frozen(kw_only=True)
class OrderUpdated(Event):
    """The venue's word on an order, from the stream or a look-up. Repeats and late ones change nothing."""

    client_order_id: str
    order_id: str
    status: OrderStatus
    filled: Decimal
    source: str
    """`reply`, `stream` or `lookup`."""
    reason: str | None = None
    would_take: bool = False
    venue_ms: int | None = None


@attrs.frozen(kw_only=True)
class OrderSettled(Event):
    """An order of unknown fate was proven never to have existed (`dead`), or a person decided."""

    client_order_id: str
    outcome: str
    """`dead`, or `filled`: then fills follow or came before, and `filled` says how much."""
    filled: Decimal
    evidence: str
    who: str = "venue"


@attrs.frozen(kw_only=True)
class FillBooked(Event):
    """One execution of one of our orders. The same (client order id, trade id) is booked once, however often told."""

    client_order_id: str
    order_id: str
    trade_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive when paid, in `fee_asset`."""
    fee_asset: str
    fee_quote: Decimal
    """The fee in quote currency; `converted` if it was paid in something else, at the price of the fill."""
    converted: bool
    maker: bool
    venue_ms: int
    source: str
    """`stream` or `lookup`."""


@attrs.frozen(kw_only=True)
class ExternalFill(Event):
    """Somebody else's execution on our symbol and account: a person, another program, a liquidation."""

    trade_id: str
    order_id: str
    client_order_id: str | None
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    venue_ms: int


@attrs.frozen(kw_only=True)
class CancelIntended(Event):
    """Durable before the cancel leaves."""

    client_order_id: str
    reason: str
    """`outside_window`, `order_cap`, `exit`, ..."""


@attrs.frozen(kw_only=True)
class CancelRefused(Event):
    """The cancel certainly had no effect (not sent, rate limited): the order is as it was before."""

    client_order_id: str
    error: str
    message: str


@attrs.frozen(kw_only=True)
class LotsAttached(Event):
    """What a slot holds is too small to sell and joins another slot, lots kept apart, at the higher sell price."""

    from_level: int
    to_level: int
    quantity: Decimal
    sell_price: Decimal


@attrs.frozen(kw_only=True)
class PositionAdopted(Event):
    """A position that was there before the journal became a held slot, by the user's wish."""

    level: int
    quantity: Decimal
    price: Decimal


@attrs.frozen(kw_only=True)
class FundingBooked(Event):
    """A settlement of funding; positive is received. The same payment id is booked once."""

    payment_id: str
    amount: Decimal
    asset: str
    venue_ms: int


@attrs.frozen(kw_only=True)
class StreamChanged(Event):
    """A stream that decisions depend on was lost or came back."""

    name: str
    state: str
    reason: str


@attrs.frozen(kw_only=True)
class GuardChanged(Event):
    """A guard that pauses buying or trading was raised or released."""

    guard: str
    """Its reason code: `margin_lock`, `breaker`, `risk_paused`, `operator_paused`."""
    raised: bool
    reason: str


@attrs.frozen(kw_only=True)
class ReasonsChanged(Event):
    """Why levels have no order, where that changed; an empty reason means that it no longer needs one.

    Written at most once a second: it is for people, no decision depends on it.
    """

    reasons: dict[int, str]


@attrs.frozen(kw_only=True)
class CommandGiven(Event):
    """A person's instruction."""

    command: str
    who: str


EVENTS: dict[str, type[Event]] = {
    event.__name__: event
    for event in (
        JournalCreated,
        SessionStarted,
        SessionStopped,
        OrderIntended,
        OrderAcknowledged,
        OrderRefused,
        OrderDoubted,
        OrderAsked,
        OrderUpdated,
        OrderSettled,
        FillBooked,
        ExternalFill,
        CancelIntended,
        CancelRefused,
        LotsAttached,
        PositionAdopted,
        FundingBooked,
        StreamChanged,
        GuardChanged,
        ReasonsChanged,
        CommandGiven,
    )
}
"""By the name that stands in the file."""
