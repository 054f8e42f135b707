"""`exchangeInfo`: what is traded, under which rules, at which rates."""

from decimal import Decimal
from typing import Any

from opensqt_core.instrument import InstrumentStatus
from opensqt_sim.rules import Rules
from opensqt_sim.venues.binance.render import plain
from opensqt_sim.venues.binance.settings import BinanceSettings


def exchange_info(rules: dict[str, Rules], settings: BinanceSettings, now_ms: int) -> dict[str, Any]:
    """Return the whole document."""
    assets = sorted({rule.instrument.quote for rule in rules.values()})
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": rate_limits(settings),
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in assets],
        "symbols": [_symbol(rule) for rule in rules.values()],
    }


def rate_limits(settings: BinanceSettings) -> list[dict[str, Any]]:
    """Return all allowances."""
    weight = _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, settings.weight_per_minute)
    return [weight, *order_limits(settings)]


def order_limits(settings: BinanceSettings) -> list[dict[str, Any]]:
    """Return the allowances of an account."""
    return [
        _rate_limit("ORDERS", "MINUTE", 1, settings.orders_per_minute),
        _rate_limit("ORDERS", "SECOND", 10, settings.orders_per_10s),
    ]


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def decimals(step: Decimal) -> int:
    """Return how many decimals a step is written with."""
    exponent = step.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _symbol(rule: Rules) -> dict[str, Any]:
    instrument = rule.instrument
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING" if instrument.status is InstrumentStatus.TRADING else "SETTLING",
        "maintMarginPercent": plain(rule.maintenance_rate * 100),
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": decimals(instrument.tick_size),
        "quantityPrecision": decimals(instrument.lot_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _filters(rule),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(rule: Rules) -> list[dict[str, Any]]:
    instrument = rule.instrument
    tick, lot = instrument.tick_size, instrument.lot_size
    lowest, largest = plain(instrument.min_quantity), plain(instrument.max_quantity)
    filters: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "minPrice": plain(tick), "maxPrice": "5000000", "tickSize": plain(tick)},
        {"filterType": "LOT_SIZE", "minQty": lowest, "maxQty": largest, "stepSize": plain(lot)},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": lowest,
            "maxQty": plain(rule.market_max_quantity or instrument.max_quantity),
            "stepSize": plain(rule.market_lot_size or lot),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": instrument.max_open_orders or 200},
        {"filterType": "MIN_NOTIONAL", "notional": plain(instrument.min_notional)},
    ]
    if rule.price_band is not None:
        filters.append(
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": plain(1 + rule.price_band),
                "multiplierDown": plain(1 - rule.price_band),
                "multiplierDecimal": "4",
            }
        )
    return filters
