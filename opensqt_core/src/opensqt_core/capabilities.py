"""What a venue can do and what its answers prove: data that drivers declare and the engine reads."""

import enum

import attrs


class Acknowledgement(enum.StrEnum):
    """What a successful reply to a placement means."""

    ACCEPTED = "accepted"
    """The matching engine has the order."""
    QUEUED = "queued"
    """Only that the request was received; the stream or a lookup tells the outcome."""


@attrs.frozen(kw_only=True)
class ClientIdRule:
    """How a client order id must look. Ours are [A-Za-z0-9], at most 24 characters, so only a prefix can be needed."""

    max_length: int
    prefix: str = ""
    """What the venue forces in front; added and removed inside the driver."""
    reusable: bool = False
    """Whether an id of a finished order may be used again. OpenSQT never does."""


@attrs.frozen(kw_only=True)
class PlacementExpiry:
    """How a placement that arrives late is refused by the venue itself."""

    mechanism: str
    """For people: `recvWindow`, `expTime`, `signature window`."""
    window_ms: int
    """A placement that has not arrived this long after it was signed is refused."""


@attrs.frozen(kw_only=True)
class LookupPath:
    """One way to ask for an order after the fact, and how long it can be believed. None: without limit."""

    live_for_ms: int | None
    """How long an order that rests or has filled stays visible here; 0 if the path does not exist."""
    unfilled_for_ms: int | None
    """How long an order that ended without a fill stays visible here; 0 if it never is."""


@attrs.frozen(kw_only=True)
class Lookups:
    """The four paths on which an order of unknown fate is asked for."""

    by_client_id: LookupPath
    open_orders: LookupPath
    history: LookupPath
    fills: LookupPath
    fills_carry_client_id: bool
    """Whether fills read by REST name the client order id; otherwise they are joined through the order id."""


@attrs.frozen(kw_only=True)
class DeadMan:
    """A venue-side timer that cancels our orders when we fall silent."""

    scope: str
    """`symbol` or `account`. An account-wide one also hits orders of others and needs the user's consent."""
    min_seconds: int
    max_seconds: int


@attrs.frozen(kw_only=True)
class Capabilities:
    """A venue's manifest: everything the engine may know about it. Source of each figure: the driver's docstrings."""

    max_batch_place: int
    """Orders in one placement request; 1 where there is no batch."""
    max_batch_cancel: int
    acknowledgement: Acknowledgement
    client_id: ClientIdRule
    expiry: PlacementExpiry | None
    indexing_delay_ms: int
    """How long after its arrival an order may still be missing from lookups."""
    lookups: Lookups
    cancel_all_by_symbol: bool
    amend: bool
    dead_man: DeadMan | None
    reduce_only: bool
    post_only_reported_by: str
    """`error` (the placement is refused), `update` (accepted, then ended), or `either`."""
    self_trade_prevention: str | None
    """The mode the driver sets explicitly: `expire_maker`, `expire_taker`, ...; None where the venue has none."""
    fee_sign: str
    """`paid_is_positive` or `paid_is_negative` on the venue's wire; drivers always deliver paid as positive."""
    quantity_unit: str
    """`base` or `contracts` on the venue's wire; drivers always deliver base units."""
    candle_limit: int
    """Candles in one request."""
    connection_lifetime_s: int | None
    """When the venue cuts a WebSocket by itself."""
    request_limits: tuple[str, ...]
    """For people: `2400 weight / 1 min`."""
    notes: tuple[str, ...] = attrs.field(factory=tuple)
    """What a user should know before trading here."""
