"""From the parameters of a placement to a `NewOrder`, with the checks that Binance makes before its engine sees it."""

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal

from opensqt_core.order import NewOrder, OrderType, Side, TimeInForce
from opensqt_sim.model import SelfTradePrevention
from opensqt_sim.rules import Rules
from opensqt_sim.venues.binance import codes, params
from opensqt_sim.venues.binance.instruments import decimals
from opensqt_sim.venues.shared.calls import VenueError

PLACE = frozenset(
    {
        "symbol",
        "side",
        "positionSide",
        "type",
        "timeInForce",
        "quantity",
        "price",
        "reduceOnly",
        "newClientOrderId",
        "newOrderRespType",
        "priceMatch",
        "selfTradePreventionMode",
        "goodTillDate",
        "stopPrice",
        "closePosition",
        "workingType",
        "priceProtect",
    }
)
AMEND = frozenset(
    {"symbol", "side", "quantity", "price", "orderId", "origClientOrderId", "priceMatch", "reduceOnly", "modifyId"}
)

_CLIENT_ID = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_CONDITIONAL = frozenset({"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"})
_RESPONSES = ("ACK", "RESULT")


def new_order(given: Mapping[str, str], rules: Mapping[str, Rules], *, hedge_mode: bool) -> NewOrder:
    """Return the order asked for. Raises `VenueError`.

    GTD, RPI and `priceMatch` are not simulated: they are refused as invalid, never ignored.
    """
    rule = rule_of(given, rules)
    _check_position_side(given, hedge_mode=hedge_mode)
    wanted_side = side(given)
    kind = _order_type(given)
    in_force, post_only = _time_in_force(given, kind)
    refuse_price_match(given)
    if kind is OrderType.MARKET and "price" in given:
        raise VenueError(-1106, "Parameter 'price' sent when not required.")
    return NewOrder(
        symbol=rule.instrument.symbol,
        side=wanted_side,
        quantity=quantity(given, rule),
        client_order_id=_client_id(given),
        price=price(given, rule) if kind is OrderType.LIMIT else None,
        type=kind,
        time_in_force=in_force,
        post_only=post_only,
        reduce_only=params.boolean(given, "reduceOnly"),
    )


def rule_of(given: Mapping[str, str], rules: Mapping[str, Rules]) -> Rules:
    """Return the rules of the symbol named. Raises -1102, -1121."""
    rule = rules.get(params.text(given, "symbol"))
    if rule is None:
        raise codes.invalid_symbol()
    return rule


def side(given: Mapping[str, str]) -> Side:
    """Return the side. Raises -1102, -1117."""
    try:
        return Side[params.text(given, "side")]
    except KeyError:
        raise VenueError(-1117, "Invalid side.") from None


def quantity(given: Mapping[str, str], rule: Rules) -> Decimal:
    """Return the quantity, in precision and range. Raises -1102, -1111, -4003, -4004."""
    value = params.decimal(given, "quantity")
    if value is None:
        raise codes.missing("quantity")
    _check_precision(value, rule.instrument.lot_size)
    if not value:
        raise VenueError(-4003, "Quantity less than or equal to zero.")
    if value < rule.instrument.min_quantity:
        raise VenueError(-4004, "Quantity less than min quantity.")
    return value


def price(given: Mapping[str, str], rule: Rules) -> Decimal:
    """Return the limit price, in precision. Raises -1102, -1111, -4001."""
    value = params.decimal(given, "price")
    if value is None:
        raise codes.missing("price")
    _check_precision(value, rule.instrument.tick_size)
    if not value:
        raise VenueError(-4001, "Price less than 0.")
    return value


def self_trade(given: Mapping[str, str]) -> SelfTradePrevention:
    """Return the mode of self-trade prevention; `EXPIRE_MAKER` by default. `NONE` is not simulated. Raises -1130."""
    value = params.optional(given, "selfTradePreventionMode")
    if value is None:
        return SelfTradePrevention.EXPIRE_MAKER
    try:
        return SelfTradePrevention(value)
    except ValueError:
        raise codes.invalid_data("selfTradePreventionMode") from None


def wants_result(given: Mapping[str, str], order: NewOrder) -> bool:
    """Whether the answer tells the final state (`RESULT` of MARKET, IOC, FOK) and not just `ACK`. Raises -1130."""
    value = params.optional(given, "newOrderRespType") or "ACK"
    if value not in _RESPONSES:
        raise codes.invalid_data("newOrderRespType")
    immediate = order.type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC
    return value == "RESULT" and immediate


def _check_position_side(given: Mapping[str, str], *, hedge_mode: bool) -> None:
    wanted = params.optional(given, "positionSide") or "BOTH"
    if wanted not in ("BOTH", "LONG", "SHORT"):
        raise codes.invalid_data("positionSide")
    if hedge_mode or wanted != "BOTH":
        raise VenueError(-4061, "Order's position side does not match user's setting.")


def _order_type(given: Mapping[str, str]) -> OrderType:
    value = params.text(given, "type")
    if value in _CONDITIONAL:
        raise VenueError(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints.")
    if value not in ("LIMIT", "MARKET"):
        raise VenueError(-1116, "Invalid orderType.")
    return OrderType[value]


def _time_in_force(given: Mapping[str, str], kind: OrderType) -> tuple[TimeInForce, bool]:
    value = params.optional(given, "timeInForce")
    if kind is OrderType.MARKET:
        if value is not None:
            raise VenueError(-1106, "Parameter 'timeInForce' sent when not required.")
        return TimeInForce.GTC, False
    if value is None:
        raise codes.missing("timeInForce")
    if value == "GTX":
        return TimeInForce.GTC, True
    try:
        return TimeInForce(value), False
    except ValueError:
        raise VenueError(-1115, "Invalid timeInForce.") from None


def refuse_price_match(given: Mapping[str, str]) -> None:
    """Refuse prices that the venue should find. Raises -1130."""
    if (params.optional(given, "priceMatch") or "NONE") != "NONE":
        raise codes.invalid_data("priceMatch")


def _client_id(given: Mapping[str, str]) -> str:
    value = params.optional(given, "newClientOrderId")
    if value is None:
        return secrets.token_hex(11)
    if len(value) > 36:
        raise VenueError(-4015, "Client order id is not valid.")
    if not re.match(_CLIENT_ID, value, re.ASCII):
        raise codes.illegal_characters("newClientOrderId", _CLIENT_ID)
    return value


def _check_precision(value: Decimal, step: Decimal) -> None:
    if decimals(value.normalize()) > decimals(step):
        raise VenueError(-1111, "Precision is over the maximum defined for this asset.")
