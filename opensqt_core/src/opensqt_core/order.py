"""Orders and fills, as every venue's driver reports them."""

import enum
from decimal import Decimal

import attrs


class Side(enum.StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill does to a signed position."""
        return 1 if self is Side.BUY else -1


class OrderType(enum.StrEnum):
    """How an order is priced."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(enum.StrEnum):
    """How long an order lives. Post-only is a flag of its own, not a time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(enum.StrEnum):
    """One vocabulary for all venues; the values are what browsers and reports see."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def terminal(self) -> bool:
        """Whether an order in this status can never trade again."""
        return self not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@attrs.frozen(kw_only=True)
class NewOrder:
    """An order to be sent. `price` is None for a market order only."""

    symbol: str
    side: Side
    quantity: Decimal
    client_order_id: str
    price: Decimal | None = None
    type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False


@attrs.frozen(kw_only=True)
class Order:
    """An order as a venue describes it, in a reply, a lookup or an update.

    `filled` is the cumulated quantity in base units. Times are the venue's, milliseconds UTC. Fields a reply does not
    carry are None; a driver never invents them.
    """

    symbol: str
    order_id: str
    client_order_id: str | None
    side: Side
    type: OrderType
    price: Decimal | None
    quantity: Decimal
    filled: Decimal
    status: OrderStatus
    post_only: bool = False
    reduce_only: bool = False
    average_price: Decimal | None = None
    reason: str | None = None
    """The venue's word for why the order ended, when it gives one (`self_trade`, `reduce_only`, `liquidation`, ...)."""
    would_take: bool = False
    """True on an update that ended a post-only order because it would have matched at once."""
    created_ms: int | None = None
    updated_ms: int | None = None


@attrs.frozen(kw_only=True)
class Fill:
    """One execution against an order of this account.

    `fee` is positive when paid and negative when earned, in units of `fee_asset`, whatever sign the venue uses.
    """

    symbol: str
    trade_id: str
    order_id: str
    client_order_id: str | None
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    time_ms: int
