"""Binance's codes: one table for what the engine refuses, and the refusals that the dialect makes itself.

Texts are the venue's own, as documented (error-code page of the USD-M futures documentation).
"""

from decimal import Decimal

from opensqt_core.order import Side
from opensqt_sim.model import Refusal, RefusalKind
from opensqt_sim.venues.shared.calls import VenueError

_BY_KIND: dict[RefusalKind, tuple[int, str]] = {
    RefusalKind.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    RefusalKind.INSUFFICIENT_MARGIN: (-2019, "Margin is insufficient."),
    RefusalKind.TICK_SIZE: (-4014, "Price not increased by tick size."),
    RefusalKind.LOT_SIZE: (-4023, "Qty not increased by step size."),
    RefusalKind.MIN_NOTIONAL: (
        -4164,
        "Order's notional must be no smaller than {limit} (unless you choose reduce only).",
    ),
    RefusalKind.QUANTITY_RANGE: (-4005, "Quantity greater than max quantity."),
    RefusalKind.PRICE_RANGE: (-4001, "Price less than 0."),
    RefusalKind.PRICE_BAND: (-4016, "Limit price can't be higher than the price cap."),
    RefusalKind.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    RefusalKind.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    RefusalKind.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    RefusalKind.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RefusalKind.MAX_OPEN_ORDERS: (-2025, "Reach max open order limit."),
    RefusalKind.FOK_UNFILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    RefusalKind.NOTHING_TO_CHANGE: (-5027, "No need to modify the order."),
    RefusalKind.NOT_AMENDABLE: (-5025, "Only limit order is supported."),
    RefusalKind.BAD_LEVERAGE: (-4028, "Leverage is not valid."),
    RefusalKind.NO_MARKET: (-2020, "Unable to fill."),
}


def from_refusal(refusal: Refusal, *, min_notional: Decimal | None = None, side: Side | None = None) -> VenueError:
    """Return the venue's words for what the engine refused; what it was about makes some of them more exact."""
    if refusal.kind is RefusalKind.PRICE_BAND and side is Side.SELL:
        return VenueError(-4024, "Limit price can't be lower than the price floor.")
    code, message = _BY_KIND[refusal.kind]
    return VenueError(code, message.format(limit=min_notional))


def unknown_order_sent() -> VenueError:
    """Return how a cancel of an order that is not open is refused."""
    return VenueError(-2011, "Unknown order sent.")


def order_does_not_exist() -> VenueError:
    """Return how a look-up of an order that is not known (any more) is refused."""
    return VenueError(-2013, "Order does not exist.")


def missing(name: str) -> VenueError:
    """Return the refusal of a request without a parameter it needs."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unread(read: int, sent: int) -> VenueError:
    """Return the refusal of a request with parameters that the endpoint does not have."""
    return VenueError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def illegal_characters(name: str, legal: str) -> VenueError:
    """Return the refusal of a value that does not look like one."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid_data(name: str) -> VenueError:
    """Return the refusal of a value that is not among the possible ones."""
    return VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


def bad_combination() -> VenueError:
    """Return the refusal of parameters that exclude each other."""
    return VenueError(-1128, "Combination of optional parameters invalid.")


def too_much_weight(address: str, limit: int) -> VenueError:
    """Return the answer to a request beyond the weight limit."""
    return VenueError(
        -1003,
        f"Too many requests; current limit of IP({address}) is {limit} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API.",
        http=429,
    )


def banned(address: str, until_ms: int) -> VenueError:
    """Return the answer to everything from a banned address."""
    return VenueError(
        -1003,
        f"Way too many requests; IP({address}) banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans.",
        http=418,
    )


def too_many_orders(limit: int, interval: str) -> VenueError:
    """Return the answer to an order beyond the order limit."""
    return VenueError(-1015, f"Too many new orders; current limit is {limit} orders per {interval}.", http=429)


def invalid_symbol() -> VenueError:
    """Return the refusal of a symbol that is not traded here."""
    return VenueError(-1121, "Invalid symbol.")
