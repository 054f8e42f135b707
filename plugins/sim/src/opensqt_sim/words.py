"""The fixed vocabulary of the simulated venue: why it refuses, why an order ended, what happened to it."""

import enum


class RefusalKind(enum.StrEnum):
    """Why a request had no effect. A dialect maps each to its venue's code."""

    WOULD_TAKE = "would_take"
    """A post-only order would have matched at once."""
    INSUFFICIENT_MARGIN = "insufficient_margin"
    TICK_SIZE = "tick_size"
    LOT_SIZE = "lot_size"
    MIN_NOTIONAL = "min_notional"
    QUANTITY_RANGE = "quantity_range"
    PRICE_RANGE = "price_range"
    """A price that is absent where one is needed, present on a market order, or not positive."""
    PRICE_BAND = "price_band"
    """A limit price too far from the mark price."""
    REDUCE_ONLY = "reduce_only"
    """It would not reduce the position, or all reduce-only orders of its side together would exceed it."""
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    UNKNOWN_ORDER = "unknown_order"
    """No such order, or not open where an open one is needed."""
    UNKNOWN_SYMBOL = "unknown_symbol"
    MAX_OPEN_ORDERS = "max_open_orders"
    FOK_UNFILLABLE = "fok_unfillable"
    NOTHING_TO_CHANGE = "nothing_to_change"
    NOT_AMENDABLE = "not_amendable"
    """A change of side, or of an order that is not a limit order."""
    BAD_LEVERAGE = "bad_leverage"
    NO_MARKET = "no_market"
    """A market order before the first quote or trade."""


class Refusal(Exception):
    """The venue refused a request and did nothing; there is no order record."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class SelfTradePrevention(enum.StrEnum):
    """What happens when an incoming order would meet a resting one of the same account."""

    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class Origin(enum.StrEnum):
    """Who placed an order."""

    API = "api"
    LIQUIDATION = "liquidation"
    HAND = "hand"
    """A person (through the control interface), or another program."""


class Reason(enum.StrEnum):
    """Why an order ended other than by filling; the value of `SimOrder.reason` and of a history line."""

    CANCELED = "canceled"
    """By request."""
    CANCEL_ALL = "cancel_all"
    DEAD_MAN = "dead_man"
    IOC = "ioc"
    """The part of an IOC order that found nothing."""
    MARKET = "market"
    """The part of a market order that found nothing."""
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    """Knocked out, because the position became too small for it."""
    LIQUIDATION = "liquidation"
    AMEND_FILLED = "amend_filled"
    """Amended to a quantity that was filled already."""
    AMEND_WOULD_TAKE = "amend_would_take"
    """A post-only order amended to a price at which it would have matched."""


class Change(enum.StrEnum):
    """What happened to an order in an `OrderChanged` (the words are those of Binance's execution type)."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"
    """The fill of a liquidation."""


class AccountReason(enum.StrEnum):
    """Why balances or positions changed."""

    ORDER = "ORDER"
    FUNDING_FEE = "FUNDING_FEE"
